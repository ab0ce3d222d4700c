//! The pages about secrets and the audit log, used as a browser without scripts does.

use super::site::{Answer, Site};
use super::value_of;
use crate::program::Place;

const ONE: &str = "/secrets/one?ref=prod%2Fdb";

/// Follows the redirect of a form.
fn led(site: &Site, answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:?}");
    let page = site.get(answer.header("location").unwrap());
    assert_eq!(page.status, 200, "{page:?}");
    page.body
}

fn has(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "no {text} in {page}");
    }
}

#[test]
fn a_secret_lives_its_life_over_the_pages() {
    let site = Site::start(Place::new());
    has(&site.get("/secrets").body, &["No secret yet.", "/secrets/new"]);
    has(&site.get("/secrets/new").body, &["type=\"password\" autocomplete=\"off\""]);
    let new = [
        ("ref", "prod/db"),
        ("workspace", ""),
        ("environment", ""),
        ("value", "one"),
        ("description", "<the> database"),
        ("expires", "2100-01-31"),
        ("max_age_days", ""),
        ("keep", ""),
    ];
    let page = led(&site, &site.post("/secrets/new", &new));
    has(&page, &["The secret is stored.", "&#60;the&#62; database", "2100-01-31 23:59 UTC"]);
    assert!(!page.contains("<the>"));
    let about = |version: &'static str| [("ref", "prod/db"), ("version", version)];
    let post = |verb: &str, version: &'static str, more: &[(&str, &str)]| {
        site.post(&format!("/secrets/one/{verb}"), &[&about(version), more].concat())
    };
    let lines = [("lines", "two\r\nlines\r\n"), ("overlap_hours", "2")];
    has(
        &led(&site, &post("rotate", "1", &lines)),
        &["The former one had a date", "may be in use until"],
    );
    assert_eq!(value_of(&site.place, "prod/db"), "two\nlines\n");
    has(&led(&site, &post("rollback", "2", &[("to", "1")])), &["as a new version"]);
    assert_eq!(value_of(&site.place, "prod/db"), "one");
    has(&led(&site, &post("describe", "3", &[("description", "other")])), &["other"]);
    has(
        &led(&site, &post("expire", "3", &[("max_age_days", "30")])),
        &["each value after 30 days"],
    );
    has(&led(&site, &post("expire", "3", &[])), &["<dt>Expires</dt><dd>never"]);
    has(&led(&site, &post("disable", "3", &[])), &["stop from now on", "/secrets/one/enable"]);
    has(&site.get("/secrets?state=disabled").body, &["prod/db"]);
    has(&led(&site, &post("enable", "3", &[])), &["may use the secret again"]);
    let page = led(&site, &post("prune", "3", &[("keep", "1")]));
    // The first one may be in use.
    assert!(page.contains("oldest versions are gone"));
    has(&page, &["name=\"to\" value=\"1\""]);
    assert!(!page.contains("name=\"to\" value=\"2\""), "{page}");
    has(&site.get(&ONE.replace("one?", "one/delete?")).body, &["Remove for good"]);
    has(&led(&site, &post("delete", "3", &[])), &["is removed with all", "No secret yet."]);
    assert_eq!(site.get(ONE).status, 404);
    let page = site.get("/audit?ref=prod%2Fdb").body;
    has(&page, &["remove", "rotate", "prune", "admin", "serve", "Verify the log"]);
    has(&site.get("/audit?action=nonsense").body, &["is no word of the audit log"]);
    has(&site.get("/audit?outcome=denied").body, &["Nothing is like that."]);
    has(&site.get("/audit/verify").body, &["The log is whole"]);
}

#[test]
fn what_is_refused_is_told_where_it_was_asked_for() {
    let site = Site::start(Place::new());
    let create = |more: &[(&str, &str)]| {
        site.post("/secrets/new", &[&[("ref", "prod/db"), ("description", "typed")], more].concat())
    };
    for (more, status, why) in [
        (&[][..], 422, "there is no value"),
        (&[("value", "x"), ("lines", "y")], 422, "there are two values"),
        (
            &[("value", "x"), ("expires", "2100-01-01"), ("max_age_days", "1")],
            422,
            "a date and an age",
        ),
        (&[("value", "x"), ("keep", "many")], 422, "no whole number"),
        (&[("value", "x"), ("workspace", "a b")], 422, "breaks the grammar"),
        (&[("value", "x"), ("expires", "2001-01-01")], 422, "in the past"),
    ] {
        let refused = create(more);
        assert_eq!(refused.status, status, "{more:?}");
        has(&refused.body, &[why, "value=\"typed\"", "name=\"value\" type=\"password\""]);
        assert!(!refused.body.contains("value=\"x\""), "{refused:?}");
    }
    assert_eq!(create(&[("declare", "yes")]).status, 303);
    has(&site.get(ONE).body, &["no value yet"]);
    assert_eq!(create(&[("value", "x")]).status, 409);
    let stale = site.post("/secrets/one/disable", &[("ref", "prod/db"), ("version", "7")]);
    assert_eq!(stale.status, 412);
    has(&stale.body, &["has changed", "role=\"alert\""]);
    assert_eq!(site.post("/secrets/one/disable", &[("ref", "prod/db")]).status, 422);
    assert_eq!(
        site.post("/secrets/one/disable", &[("ref", "no/such"), ("version", "1")]).status,
        404
    );
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let forged = site.ask("POST", "/secrets/one/disable", &kind, b"ref=prod%2Fdb&version=0");
    assert_eq!(forged.status, 403);
    has(&site.get(ONE).body, &["/secrets/one/disable"]);
}

#[test]
fn a_long_list_has_pages_and_a_scope_switch() {
    let place = Place::new();
    let set = |reference: &str, words: &[&str]| {
        let words = [&["secret", "set", reference], words].concat();
        assert_eq!(place.feed(&words, b"value").code, 0);
    };
    let file: String = (0..101).map(|n| format!("ITEM_{n:03}=value\n")).collect();
    place.write("many.env", &file);
    let imported = place.run(&["secret", "import", "many.env", "--apply"]);
    assert_eq!(imported.code, 0, "{imported:?}");
    set("a/first", &["--workspace", "pay", "--env", "live"]);
    let site = Site::start(place);
    let first = site.get("/secrets").body;
    has(
        &first,
        &[
            "a/first",
            "<option value=\"pay\">pay</option>",
            "<option value=\"live\">live</option>",
            "Next page",
        ],
    );
    let (_, rest) = first.split_once("<nav class=\"pager\"").unwrap();
    let link =
        rest.split("href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let second = site.get(&link).body;
    assert!(second.contains("First page") && !second.contains("a/first"), "{second}");
    let narrowed = site.get("/secrets?workspace=pay&environment=*&state=&prefix=").body;
    assert!(narrowed.contains("a/first") && !narrowed.contains("Next page"));
    has(&narrowed, &["<option value=\"pay\" selected>"]);
    has(&site.get("/secrets?prefix=zzz").body, &["No secret is like that."]);
}
