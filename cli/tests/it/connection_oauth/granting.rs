//! How access is granted, and everything that is refused on the way.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::browser::Waiting;
use super::service::{Service, USES, ok, run};
use crate::peer::Reply;
use crate::program::{Place, eventually};

/// The connection as `show` tells of it.
fn shown(place: &Place) -> Value {
    serde_json::from_str(&ok(place.run(&["connection", "show", "m", "--json"])).stdout).unwrap()
}

/// Nothing of a grant is stored.
fn check_nothing_stored(place: &Place) {
    assert_eq!(shown(place)["tokens"], Value::Null);
    let ended = run(place, USES);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.stderr.contains("was not authorized yet"), "{ended:?}");
    assert!(ended.stderr.contains("subrosa connection authorize m"), "{ended:?}");
}

#[test]
fn what_somebody_has_granted_serves_every_kind_of_step() {
    let service = Service::start();
    let place = service.place();
    let waiting = Waiting::start(&place, &[]);
    assert_eq!(waiting.part("code_challenge_method"), "S256");
    assert!(waiting.grant().unwrap().contains("Access granted"));
    let ended = ok(waiting.end());
    assert!(ended.stdout.contains("authorized, access until"), "{ended:?}");

    let ended = ok(run(
        &place,
        "secrets: [{name: T, provider: connection, key: m/access_token}]\nsteps:\n\
         - 'test \"$T\" = access-canary-1 && echo got $T'\n\
         - {name: asks, type: http, connection: m, with: {url: /me}}\n",
    ));
    assert!(ended.stdout.contains("got *******"), "{ended:?}");
    assert!(ended.stdout.contains("somebody"), "{ended:?}");
    let ended = ok(place.run(&["exec", "--secret", "T=connection:m/access_token", "--", "env"]));
    assert!(ended.stdout.contains("T=*******"), "{ended:?}");
    assert_eq!(service.count("/token"), 1);
    ok(place.run(&["connection", "refresh", "m", "--force"]));
    // What was granted, not what was asked for, although the second answer does not say it again.
    assert_eq!(shown(&place)["tokens"]["scopes"], serde_json::json!(["narrow"]));
}

#[test]
fn a_code_on_another_device_is_waited_for() {
    let service = Service::start();
    let place = service.place();
    service.state().device = vec!["authorization_pending"];
    let ended = ok(place.run(&["connection", "authorize", "m", "--device"]));
    assert!(ended.stderr.contains("WDJB-MJHT"), "{ended:?}");
    assert!(ended.stderr.contains("https://service.example/device"), "{ended:?}");
    assert_eq!(service.count("/token"), 2);
    assert!(ok(run(&place, USES)).stdout.contains("got *******"));
}

#[test]
fn a_device_that_is_turned_away_stores_nothing() {
    for (word, told) in [("access_denied", "access_denied"), ("expired_token", "the code expired")]
    {
        let service = Service::start();
        let place = service.place();
        service.state().device = vec![word];
        let ended = place.run(&["connection", "authorize", "m", "--device"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stderr.contains(told), "{ended:?}");
        check_nothing_stored(&place);
    }
}

#[test]
fn what_did_not_come_from_the_page_is_refused_and_waited_on() {
    let service = Service::start();
    let place = service.place();
    let waiting = Waiting::start(&place, &[]);
    let good = format!("code=code-canary&state={}", waiting.part("state"));
    for (query, headers, status) in [
        ("code=code-canary&state=another", "", 400),
        ("code=code-canary", "", 400),
        (&format!("{good}&state=another"), "", 400),
        (&good, "Host: evil.example\r\n", 403),
        (&good, "Origin: https://evil.example\r\n", 403),
        (&good, "Sec-Fetch-Mode: no-cors\r\n", 403),
    ] {
        let answer = waiting.come_back_with(query, headers).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{query} {headers} {answer}");
        assert!(!answer.contains("canary"), "{answer}");
    }
    assert_eq!(service.count("/token"), 0);
    // A visitor who says nothing, and one who says half of it, keep nobody from coming back.
    let mut slow = [0; 2].map(|_| TcpStream::connect(waiting.address()).unwrap());
    slow[1].write_all(b"GET /").unwrap();
    assert!(waiting.grant().unwrap().contains("Access granted"));
    let ended = ok(waiting.end());
    assert!(ended.stderr.contains("refused"), "{ended:?}");
    assert!(slow.iter_mut().all(|slow| slow.read(&mut [0; 1]).is_ok_and(|len| len == 0)));
}

#[test]
fn a_state_is_good_once() {
    let service = Service::start();
    let place = service.place();
    service.state().pauses[0] = std::time::Duration::from_millis(300);
    let waiting = Waiting::start(&place, &[]);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| waiting.grant());
        eventually("the code is exchanged", || service.count("/token") == 1);
        // While the service still thinks about the first one, nobody listens any more.
        assert!(waiting.is_port_free());
        assert!(first.join().unwrap().unwrap().contains("Access granted"));
    });
    ok(waiting.end());
    assert_eq!(service.count("/token"), 1);
}

#[test]
fn no_is_an_answer_and_so_is_an_error() {
    let service = Service::start();
    let place = service.place();
    for word in ["access_denied", "temporarily_unavailable"] {
        let waiting = Waiting::start(&place, &[]);
        let query = format!("error={word}&state={}", waiting.part("state"));
        let answer = waiting.come_back(&query).unwrap();
        assert!(answer.contains("Access not granted"), "{answer}");
        assert!(waiting.is_port_free());
        let ended = waiting.end();
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stderr.contains(word), "{ended:?}");
    }
    assert_eq!(service.count("/token"), 0);
    check_nothing_stored(&place);
}

#[test]
fn nothing_is_stored_unless_the_exchange_succeeds() {
    let faults: [fn() -> Reply; 4] = [
        || Reply::text(400, r#"{"error":"invalid_grant"}"#),
        || Reply::text(200, r#"{"access_token":""}"#),
        || Reply::text(200, "canary: no JSON"),
        || Reply::redirect(307, "http://127.0.0.1:1/token"),
    ];
    for fault in faults {
        let service = Service::start();
        let place = service.place();
        service.state().fault = Some(fault);
        let waiting = Waiting::start(&place, &[]);
        let answer = waiting.grant().unwrap();
        assert!(answer.contains("Not authorized"), "{answer}");
        let ended = waiting.end();
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(!ended.stderr.contains("canary"), "{ended:?}");
        check_nothing_stored(&place);
    }
}

#[test]
fn whoever_gives_up_frees_the_port() {
    let service = Service::start();
    let place = service.place();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::KILL, 137)] {
        let waiting = Waiting::start(&place, &[]);
        assert!(!waiting.is_port_free());
        kill_process(Pid::from_child(&waiting.child), signal).unwrap();
        eventually("the port is free", || waiting.is_port_free());
        let ended = waiting.end();
        assert_eq!(ended.code, code, "{ended:?}");
    }
    check_nothing_stored(&place);
}

#[test]
fn who_gives_up_while_the_code_is_exchanged_has_the_grant_all_the_same() {
    let service = Service::start();
    let place = service.place();
    service.state().pauses[1] = std::time::Duration::from_millis(300);
    let waiting = Waiting::start(&place, &[]);
    std::thread::scope(|scope| {
        let page = scope.spawn(|| waiting.grant());
        eventually("the code is exchanged", || service.state().given == 1);
        kill_process(Pid::from_child(&waiting.child), Signal::INT).unwrap();
        assert!(page.join().unwrap().unwrap().contains("Access granted"));
    });
    let ended = ok(waiting.end());
    assert!(ended.stdout.contains("authorized"), "{ended:?}");
    ok(run(&place, USES));
}

#[test]
fn a_port_that_somebody_has_is_told_before_a_page_is_shown() {
    let service = Service::start();
    let place = service.place();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let redirect = format!("redirect_uri=http://127.0.0.1:{port}/back");
    ok(place.run(&["connection", "edit", "m", "--set", &redirect]));
    let ended = place.run(&["connection", "authorize", "m"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.stderr.contains(&port.to_string()), "{ended:?}");
    assert!(!ended.stderr.contains("state="), "{ended:?}");
    drop(taken);
    let waiting = Waiting::start(&place, &[]);
    assert_eq!(waiting.address().port(), port);
    assert!(waiting.grant().unwrap().contains("Access granted"));
    ok(waiting.end());
}
