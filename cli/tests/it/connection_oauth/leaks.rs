//! Canaries: no token, code or client's secret is anywhere but at the service that it belongs to.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use super::browser::Waiting;
use super::refreshing::granted;
use super::service::{SECRET, Service, USES, ok, run};
use crate::at_rest::below;
use crate::peer::{Peer, Received, Reply};
use crate::program::{Ended, Place};

/// What nobody may see. The number of a token stands behind it.
const CANARIES: [&str; 5] =
    [SECRET, "access-canary", "refresh-canary", "code-canary", "device-canary"];

fn check(place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for canary in CANARIES {
        let base64 = data_encoding::BASE64.encode(canary.as_bytes());
        let base64 = &base64[..canary.len() * 4 / 3];
        for form in [canary, base64] {
            assert!(!text.contains(form), "{place} holds `{form}`: {text}");
        }
    }
}

fn check_ended(words: &[&str], ended: &Ended) {
    check(&format!("stdout of {words:?}"), ended.stdout.as_bytes());
    check(&format!("stderr of {words:?}"), ended.stderr.as_bytes());
}

/// No file below the place holds one.
fn check_files(place: &Place) {
    let files = below(place.path());
    assert!(files.len() > 10);
    for path in files.iter().filter(|path| path.is_file() && !path.ends_with("w.yaml")) {
        check(&path.display().to_string(), &fs::read(path).unwrap());
    }
}

/// Looks at the command line and the environment of every process of ours until the work is done; says
/// how many brokers it has seen.
fn watch(place: &Place, is_done: &AtomicBool) -> usize {
    let home = place.home().display().to_string();
    let mut brokers = std::collections::BTreeSet::new();
    while !is_done.load(Ordering::SeqCst) {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if !String::from_utf8_lossy(&environment).contains(&home) {
                continue;
            }
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&line).contains("__broker") {
                brokers.insert(entry.file_name());
                check("the environment of a broker", &environment);
            }
            check("a command line", &line);
        }
    }
    brokers.len()
}

/// Says that the work is done, however it ends.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn tokens_show_in_no_output_file_or_process() {
    let service = Service::start();
    let place = granted(&service);
    service.state().pauses = [std::time::Duration::from_millis(100); 2];
    let is_done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&place, &is_done));
        let ending = Ending(&is_done);
        for words in [
            &["connection", "refresh", "m", "--force"][..],
            &["connection", "refresh", "m", "--force", "--json"],
            &["connection", "authorize", "m", "--device"],
            &["connection", "test", "m"],
            &["connection", "test", "m", "--json"],
            &["connection", "show", "m", "--json"],
            &["connection", "list", "--json"],
            &["connection", "status", "--json"],
            &["audit", "list", "--json"],
        ] {
            check_ended(words, &ok(place.run(words)));
        }
        let ended = ok(run(
            &place,
            "secrets: [{name: T, provider: connection, key: m/access_token}]\nsteps:\n\
             - {run: 'printf %s $T | base64; echo $T; echo $T >&2', output: V}\n\
             - {name: asks, type: http, connection: m, with: {url: /me}}\n",
        ));
        check_ended(&["run"], &ended);
        check_ended(&["revoke"], &ok(place.run(&["connection", "revoke", "m", "--yes"])));
        drop(ending);
        watching.join().unwrap()
    });
    assert!(seen >= 4, "{seen} brokers were seen");
    check_files(&place);
}

#[test]
fn errors_of_a_service_that_says_everything_back_show_nothing() {
    let echo = |request: &Received| {
        let text = request.text().replace(['"', '\n', '\r'], " ");
        let body = format!(
            r#"{{"error":"{text}","error_description":"{text}","error_uri":"https://x/{text}"}}"#
        );
        Reply::Answer(
            400,
            vec![format!("X-Echo: {text}"), format!("Location: /{text}")],
            body.into(),
        )
    };
    let (service, peer) = (Service::start(), Peer::plain(echo));
    let place = granted(&service);
    // The same connection, at a service that echoes: its secret has to be said anew.
    let own = place.home().join("connection-types/own.yaml");
    let text = fs::read_to_string(&own).unwrap().replace(&service.url(), &peer.url());
    fs::write(&own, text).unwrap();
    for words in [
        &["connection", "refresh", "m", "--force"][..],
        &["connection", "authorize", "m", "--device"],
        &["connection", "test", "m"],
        &["connection", "revoke", "m", "--yes"],
    ] {
        let ended = place.run(words);
        assert_ne!(ended.code, 0, "{words:?} {ended:?}");
        check_ended(words, &ended);
    }
    let waiting = Waiting::start(&place, &[]);
    check("the page", waiting.grant().unwrap().as_bytes());
    check_ended(&["authorize"], &waiting.end());
    assert!(peer.received().iter().any(|request| request.text().contains("refresh-canary-1")));
    check_ended(&["run"], &run(&place, USES));
    check_files(&place);
}

#[test]
fn a_redirect_takes_nothing_elsewhere() {
    let elsewhere = Peer::plain(|_: &Received| Reply::text(200, "{}"));
    let to = elsewhere.url();
    let peer = Peer::plain(move |_: &Received| Reply::redirect(307, &format!("{to}/token")));
    let service = Service::start();
    let place = granted(&service);
    let own = place.home().join("connection-types/own.yaml");
    let text = fs::read_to_string(&own).unwrap().replace(&service.url(), &peer.url());
    fs::write(&own, text).unwrap();
    for words in [
        &["connection", "refresh", "m", "--force"][..],
        &["connection", "authorize", "m", "--device"],
        &["connection", "revoke", "m", "--yes"],
    ] {
        let ended = place.run(words);
        assert_ne!(ended.code, 0, "{words:?} {ended:?}");
        check_ended(words, &ended);
    }
    assert!(!peer.received().is_empty());
    place.command(&["connection", "test", "m"]).stdin(Stdio::null()).output().unwrap();
    let leaked = elsewhere.received().iter().any(|request| request.text().contains("canary"));
    assert!(!leaked, "{:?}", elsewhere.received());
}
