//! `Idempotency-Key`: a write is done once, however often it is sent.

use serde_json::json;

use super::site::Site;
use crate::program::Place;

const KEY: (&str, &str) = ("idempotency-key", "2f6c4b1e-0d55-4c0e-9f6e-0a7f6d1c2b3a");
const NEW: &str = r#"{"ref": "prod/db", "value": "one"}"#;
const ROTATE: &str = "/api/v1/secrets/prod%2Fdb/rotate";

#[test]
fn the_same_request_is_done_once_and_answered_alike_over_a_restart() {
    let site = Site::start(Place::new());
    let first = site.write("POST", "/api/v1/secrets", &[KEY], NEW);
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None), "{first:?}");
    let check = |site: &Site| {
        let again = site.write("POST", "/api/v1/secrets", &[KEY], NEW);
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(again.header("etag"), Some("\"1\""));
        assert_eq!(again.header("content-type"), Some("application/json"));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(site.get("/api/v1/secrets/prod%2Fdb").json()["version"], 1);
    };
    check(&site);
    let site = site.killed_and_started_again();
    check(&site);
    let other = site.write("POST", "/api/v1/secrets", &[KEY], &NEW.replace("one", "two"));
    assert_eq!(other.status, 422, "{other:?}");
    assert_eq!(site.write("DELETE", "/api/v1/secrets/prod%2Fdb", &[KEY], "").status, 422);
    let without = site.write("POST", "/api/v1/secrets", &[], NEW);
    assert_eq!(without.status, 409);
}

#[test]
fn what_was_refused_may_be_asked_for_again() {
    let site = Site::start(Place::new());
    let rotate = || site.write("POST", ROTATE, &[KEY], r#"{"value": "two"}"#);
    assert_eq!((rotate().status, rotate().status), (404, 404));
    assert_eq!(site.write("POST", "/api/v1/secrets", &[], NEW).status, 201);
    assert_eq!(rotate().json(), json!({"version": 2, "lost_expiry": false}));
    assert_eq!(rotate().json(), json!({"version": 2, "lost_expiry": false}));
}

#[test]
fn answers_without_a_body_are_repeated_as_well() {
    let site = Site::start(Place::new());
    assert_eq!(site.write("POST", "/api/v1/secrets", &[], NEW).status, 201);
    let delete = || site.write("DELETE", "/api/v1/secrets/prod%2Fdb", &[KEY], "");
    assert_eq!((delete().status, delete().status), (204, 204));
    assert_eq!(site.get("/api/v1/secrets/prod%2Fdb").status, 404);
}

#[test]
fn a_key_that_can_be_guessed_is_refused() {
    let site = Site::start(Place::new());
    for key in ["", "short", "with blanks in the middle", &"x".repeat(256)] {
        let refused = site.write("POST", "/api/v1/secrets", &[("idempotency-key", key)], NEW);
        assert_eq!(refused.status, 400, "{key} {refused:?}");
    }
    assert_eq!(site.get("/api/v1/secrets").json()["items"], json!([]));
}

#[test]
fn of_many_at_once_one_is_done() {
    let site = Site::start(Place::new());
    assert_eq!(site.write("POST", "/api/v1/secrets", &[], NEW).status, 201);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let send = || site.write("POST", ROTATE, &[KEY], r#"{"value": "two"}"#).status;
        let sent: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| matches!(status, 200 | 409)), "{statuses:?}");
    assert!(statuses.contains(&200));
    assert_eq!(site.get("/api/v1/secrets/prod%2Fdb").json()["version"], 2);
}
