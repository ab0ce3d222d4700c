//! How access is kept good: once for all who wait, refused for good, or missed for a while; and given back.

use std::process::Stdio;

use serde_json::Value;

use super::browser::Waiting;
use super::service::{Service, USES, ok, run};
use crate::peer::Reply;
use crate::program::{Ended, Place};

/// A service, and a place whose connection has been granted; its token is due.
pub(super) fn due() -> (Service, Place) {
    let service = Service::start();
    service.state().lives_s = 0;
    let place = granted(&service);
    service.state().lives_s = 3600;
    (service, place)
}

/// A place whose connection has been granted.
pub(super) fn granted(service: &Service) -> Place {
    let place = service.place();
    let waiting = Waiting::start(&place, &[]);
    waiting.grant().unwrap();
    ok(waiting.end());
    place
}

/// What `connection status --json` says of the one connection.
fn status(place: &Place) -> (i32, Value) {
    let ended = place.run(&["connection", "status", "--json"]);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    (ended.code, told[0].clone())
}

#[test]
fn fifty_processes_refresh_one_token_with_one_request() {
    let (service, place) = due();
    place.write("w.yaml", USES);
    let start = |number: usize| {
        let words: &[&str] = match number % 2 {
            0 => &["run", "--follow", "w.yaml"],
            _ => &["connection", "refresh", "m"],
        };
        let mut command = place.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let started: Vec<_> = (0..50).map(start).collect();
    for child in started {
        let ended = ok(Ended::of(&child.wait_with_output().unwrap()));
        assert!(!ended.stderr.contains("was not refreshed"), "{ended:?}");
    }
    // The grant, and one exchange.
    assert_eq!(service.count("/token"), 2);
}

#[test]
fn a_value_that_was_replaced_is_masked_all_the_same() {
    let (service, place) = due();
    let ended = ok(run(
        &place,
        "secrets: [{name: T, provider: connection, key: m/access_token}]\n\
         steps: ['echo now $T, before access-canary-1']\n",
    ));
    assert!(ended.stdout.contains("now *******, before *******"), "{ended:?}");
    assert_eq!(service.state().given, 2);
}

#[test]
fn a_refused_grant_stops_a_run_before_any_step_and_is_not_asked_again() {
    let (service, place) = due();
    service.state().is_over = true;
    for _ in 0..3 {
        let ended = run(&place, USES);
        assert_eq!(ended.code, 4, "{ended:?}");
        assert!(ended.stderr.contains("invalid_grant"), "{ended:?}");
        assert!(ended.stderr.contains("`subrosa connection authorize m`"), "{ended:?}");
        assert!(!ended.stderr.contains("canary"), "{ended:?}");
        assert!(!place.path().join("begun").exists());
    }
    assert_eq!(service.count("/token"), 2);
    let (code, told) = status(&place);
    assert_eq!((code, &told["tokens"]["refused"]), (1, &"invalid_grant".into()), "{told:?}");

    // A new grant mends it.
    service.state().is_over = false;
    let waiting = Waiting::start(&place, &[]);
    waiting.grant().unwrap();
    ok(waiting.end());
    assert_eq!(status(&place).0, 0);
    ok(run(&place, USES));
}

#[test]
fn another_secret_of_the_client_is_tried_once_more() {
    let (service, place) = due();
    service.state().is_over = true;
    assert_eq!(run(&place, USES).code, 4);
    assert_eq!(status(&place).1["tokens"]["refused"], "invalid_grant");
    let asked = service.count("/token");
    // A public field mends nothing.
    ok(place.run(&["connection", "edit", "m", "--description", "ours"]));
    assert_eq!(run(&place, USES).code, 4);
    assert_eq!(service.count("/token"), asked);

    ok(place.feed(&["connection", "rotate", "m", "--set", "client_secret=-"], b"canary-newer"));
    let (code, told) = status(&place);
    assert_eq!((code, &told["tokens"]["refused"]), (0, &Value::Null), "{told:?}");
    assert_eq!(run(&place, USES).code, 4);
    assert_eq!(service.count("/token"), asked + 1);
    assert_eq!(status(&place).1["tokens"]["refused"], "invalid_grant");
}

#[test]
fn a_service_out_of_reach_is_warned_of_while_there_is_a_token() {
    let faults: [fn() -> Reply; 2] =
        [|| Reply::text(503, "canary"), || Reply::Raw(b"canary: no HTTP".to_vec())];
    for fault in faults {
        let (service, place) = due();
        service.state().fault = Some(fault);
        let ended = ok(run(&place, USES));
        assert!(ended.stderr.contains("was not refreshed"), "{ended:?}");
        assert!(ended.stdout.contains("got *******"), "{ended:?}");
        assert!(!ended.stderr.contains("canary"), "{ended:?}");
    }
}

#[test]
fn a_service_that_says_nothing_is_not_waited_for_as_long_as_a_provider() {
    let (service, place) = due();
    service.state().fault = Some(|| Reply::Stall);
    let ended = ok(run(&place, USES));
    assert!(ended.stderr.contains("no answer within 10 s"), "{ended:?}");
    assert!(ended.stdout.contains("got *******"), "{ended:?}");
}

#[test]
fn without_the_check_nobody_is_asked() {
    let (service, place) = due();
    service.state().is_over = true;
    place.write("w.yaml", USES);
    let ended = ok(place.run(&["run", "--follow", "--no-check", "w.yaml"]));
    assert!(ended.stdout.contains("got *******"), "{ended:?}");
    assert_eq!(service.count("/token"), 1);
}

#[test]
fn a_grant_that_ends_within_a_week_is_told() {
    let service = Service::start();
    for (days, is_told) in [(6, true), (8, false)] {
        service.state().grant_lives_s = Some(days * 24 * 60 * 60);
        let place = granted(&service);
        let ended = ok(run(&place, USES));
        assert_eq!(
            ended.stderr.contains("access through connection `m` ends on"),
            is_told,
            "{ended:?}"
        );
        let ended = place.run(&["connection", "status"]);
        assert_eq!(ended.code, i32::from(is_told), "{ended:?}");
        assert_eq!(ended.stderr.contains("`subrosa connection authorize m`"), is_told, "{ended:?}");
    }
}

#[test]
fn a_grant_is_given_back_and_forgotten() {
    let service = Service::start();
    let place = granted(&service);
    let ended = place.run(&["connection", "revoke", "m"]);
    assert_ne!(ended.code, 0, "{ended:?}");
    assert_eq!(service.count("/revoke"), 0);
    let ended = ok(place.run(&["connection", "revoke", "m", "--yes"]));
    assert!(ended.stdout.contains("revoked"), "{ended:?}");
    let told = service.received();
    let revoked = told.iter().filter(|request| request.line.ends_with("/revoke"));
    let revoked: String = revoked.map(|request| request.text()).collect();
    assert!(revoked.contains("token=refresh-canary-1"), "{revoked}");
    assert_eq!(run(&place, USES).code, 4);
    assert_eq!(status(&place).0, 1);
}

#[test]
fn a_grant_that_nobody_takes_back_is_forgotten_if_that_is_said() {
    let service = Service::start();
    let place = granted(&service);
    service.state().refuses_revocation = true;
    let ended = place.run(&["connection", "revoke", "m", "--yes"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("`subrosa connection revoke --forget m`"), "{ended:?}");
    ok(run(&place, USES));
    // What is disabled can be given back all the same.
    ok(place.run(&["connection", "disable", "m"]));
    let ended = ok(place.run(&["connection", "revoke", "--forget", "m", "--yes"]));
    assert!(ended.stderr.contains("the service was not told"), "{ended:?}");
    ok(place.run(&["connection", "enable", "m"]));
    assert_eq!(run(&place, USES).code, 4);
    assert_eq!(service.count("/revoke"), 2, "both tokens, once");
}

#[test]
fn a_client_that_was_changed_meanwhile_gets_no_tokens_of_the_one_before() {
    let service = Service::start();
    let place = service.place();
    let waiting = Waiting::start(&place, &[]);
    let edit = ["connection", "edit", "m", "--set", "client_id=another"];
    ok(place.run(&edit));
    waiting.grant().unwrap();
    let ended = waiting.end();
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.stderr.contains("changed while access was granted"), "{ended:?}");
    assert!(ended.stderr.contains("what was granted is given back"), "{ended:?}");
    assert!(service.state().is_over);
    assert_eq!(run(&place, USES).code, 4);
}

#[test]
fn a_run_is_told_of_a_date_that_is_near_and_commands_name_the_scope() {
    let service = Service::start();
    service.state().grant_lives_s = Some(60 * 60);
    let place = service.place();
    let scope = ["--workspace", "team"];
    let add =
        ["connection", "add", "own", "n", "--set", "client_id=me", "--set", "client_secret=-"];
    let date = crate::connection::humantime_in(5 * 24 * 60 * 60);
    let expires = ["--expires", &date];
    ok(place.feed(&[&add[..], &scope, &expires].concat(), b"canary-client-secret"));
    let workflow = "labels: {workspace: team}\n\
                    secrets: [{name: T, provider: connection, key: n/access_token}]\n\
                    steps: ['echo got $T']\n";
    let ended = run(&place, workflow);
    assert!(
        ended.stderr.contains("`subrosa connection authorize n --workspace team`"),
        "{ended:?}"
    );
    ok(place.run(&[&["connection", "authorize", "n", "--device"][..], &scope].concat()));
    let ended = ok(run(&place, workflow));
    for told in [
        "connection `n` expires on",
        "`subrosa connection edit n --workspace team`",
        "access through connection `n` ends on",
        "`subrosa connection authorize n --workspace team`",
    ] {
        assert!(ended.stderr.contains(told), "{told} {ended:?}");
    }
}

#[test]
fn a_test_asks_the_service_with_a_token_that_holds() {
    let (service, place) = due();
    let ended = ok(place.run(&["connection", "test", "m"]));
    assert!(ended.stdout.contains("works: somebody"), "{ended:?}");
    assert_eq!(service.state().given, 2);
    // The service takes it no longer.
    service.state().is_over = true;
    let ended = place.run(&["connection", "test", "m"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let ended = place.run(&["connection", "test", "--all", "--json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told[0]["outcome"], "refused", "{ended:?}");
}

/// A step that begins, and one that names the connection.
const NAMES: &str = "type: chain\nsteps:\n\
                     - touch begun\n\
                     - {name: asks, type: http, connection: m, with: {url: /me}}\n";

#[test]
fn a_connection_that_a_step_names_is_looked_at_before_the_first_one_starts() {
    let (service, place) = due();
    let ended = ok(run(&place, NAMES));
    assert!(ended.stdout.contains("somebody"), "{ended:?}");
    // It was exchanged at once, and not once more by the step.
    assert_eq!(service.count("/token"), 2);

    std::fs::remove_file(place.path().join("begun")).unwrap();
    let stopped = |why: &str, cure: &str| {
        let ended = run(&place, NAMES);
        assert_eq!(ended.code, 4, "{ended:?}");
        assert!(ended.stderr.contains(why) && ended.stderr.contains(cure), "{ended:?}");
        assert!(ended.stderr.contains("w.yaml:4:"), "{ended:?}");
        assert!(!place.path().join("begun").exists());
    };
    ok(place.run(&["connection", "disable", "m"]));
    stopped("is disabled", "`subrosa connection enable m`");
    ok(place.run(&["connection", "enable", "m"]));
    service.state().is_over = true;
    assert_eq!(place.run(&["connection", "refresh", "m", "--force"]).code, 1);
    stopped("invalid_grant", "`subrosa connection authorize m`");
    ok(place.run(&["connection", "rm", "m", "--yes"]));
    stopped("there is no connection `m`", "`subrosa connection add TYPE m`");

    // Whoever skips the look learns it from the step.
    let ended = place.run(&["run", "--follow", "--no-check", "w.yaml"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(place.path().join("begun").exists());
}
