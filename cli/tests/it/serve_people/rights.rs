//! What users may do, and what an admin does with them.

use super::site::{Browser, Site};
use super::{OTHER, PASSWORD};

/// Adds somebody with a role in `payments`, who signs in.
fn user<'s>(site: &'s Site, admin: &mut Browser<'s>, name: &str, role: &str) -> Browser<'s> {
    let grants = format!(r#"[{{"workspace": "payments", "role": "{role}"}}]"#);
    let body = format!(r#"{{"name": "{name}", "password": "{PASSWORD}", "grants": {grants}}}"#);
    let answer = admin.api("POST", "/api/v1/users", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(!answer.body.contains(PASSWORD));
    let mut browser = site.browser();
    assert_eq!(browser.sign_in(name, PASSWORD).status, 303);
    browser
}

#[test]
fn what_may_not_be_seen_is_not_there_and_what_may_not_be_done_is_forbidden() {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    let at = ["--workspace", "payments"];
    for words in [&["secret", "set", "db"][..], &["secret", "set", "api"]] {
        let words = [words, if words[2] == "db" { &at[..] } else { &[] }].concat();
        assert_eq!(site.place.feed(&words, b"value-of-a-secret").code, 0);
    }
    let mut viewer = user(&site, &mut admin, "ada", "viewer");
    assert_eq!(viewer.get("/api/v1/secrets/db?workspace=payments").status, 200);
    assert_eq!(viewer.get("/api/v1/secrets/api").status, 404);
    let rotate = "/api/v1/secrets/db/rotate?workspace=payments";
    assert_eq!(viewer.api("POST", rotate, r#"{"value": "v"}"#).status, 403);
    let elsewhere = "/api/v1/secrets/api/rotate";
    assert_eq!(viewer.api("POST", elsewhere, r#"{"value": "v"}"#).status, 404);
    // To her, there is no such page, and no way to it is shown.
    assert_eq!(viewer.get("/users").status, 404);
    assert_eq!(viewer.get("/users/ada").status, 404);
    assert_eq!(viewer.form("/users", &[("name", "eve")]).status, 404);
    assert!(!viewer.get("/settings").body.contains("href=\"/users\""));
    assert_eq!(viewer.get("/metrics").status, 404);
}

#[test]
fn rights_are_given_and_taken_at_once() {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    let mut ada = user(&site, &mut admin, "ada", "viewer");
    let former = ada.cookie_of("subrosa").unwrap().to_owned();
    let rotate = "/api/v1/secrets/db/rotate?workspace=payments";
    assert_eq!(ada.api("POST", rotate, r#"{"value": "v"}"#).status, 403);
    admin.get("/users/ada");
    let rows = [("role", "manager"), ("workspace", "payments"), ("role", ""), ("workspace", "")];
    let answer = admin.form("/users/ada/rights", &rows);
    assert_eq!(answer.header("location"), Some("/users/ada?done=user-rights"), "{answer:?}");
    assert!(admin.get("/users/ada?done=user-rights").body.contains("is changed"));
    // She may now, and there is no such secret yet.
    assert_eq!(ada.api("POST", rotate, r#"{"value": "v"}"#).status, 404);
    assert_ne!(ada.cookie_of("subrosa"), Some(former.as_str()), "other rights, another id");
    assert_eq!(ada.who().as_deref(), Some("ada"));
    assert_eq!(admin.form("/users/ada/rights", &[]).status, 303);
    assert_eq!(ada.api("POST", rotate, r#"{"value": "v"}"#).status, 404);
    assert_eq!(ada.api("GET", "/api/v1/me", "").json()["grants"], serde_json::json!([]));
}

#[test]
fn who_is_disabled_removed_or_has_a_new_password_is_out_at_once() {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    let mut ada = user(&site, &mut admin, "ada", "viewer");
    let token = ada.api("POST", "/api/v1/me/tokens", r#"{"name": "ci"}"#).json();
    let token = token["token"].as_str().unwrap().to_owned();
    let works = |token: &str| site.with_token(token, "GET", "/api/v1/me", "").status == 200;
    assert!(works(&token));
    assert_eq!(admin.form("/users/ada/disable", &[]).status, 303);
    assert_eq!((ada.who(), works(&token)), (None, false));
    assert_eq!(ada.sign_in("ada", PASSWORD).status, 403);
    assert_eq!(admin.form("/users/ada/enable", &[]).status, 303);
    assert_eq!((ada.who(), works(&token)), (None, true), "sessions do not come back");
    assert_eq!(ada.sign_in("ada", PASSWORD).status, 303);
    assert_eq!(admin.form("/users/ada/password", &[("password", OTHER)]).status, 303);
    assert_eq!(ada.who(), None);
    assert_eq!(ada.sign_in("ada", OTHER).status, 303);
    assert_eq!(admin.form("/users/ada/remove", &[]).status, 303);
    assert_eq!((ada.who(), works(&token)), (None, false));
    // Somebody else of that name has nothing of hers.
    user(&site, &mut admin, "ada", "manager");
    assert_eq!((ada.who(), works(&token)), (None, false));
}

#[test]
fn the_last_admin_stays() {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    for what in ["disable", "rights", "remove"] {
        let answer = admin.form(&format!("/users/admin/{what}"), &[]);
        assert_eq!(answer.status, 409, "{what}");
        assert!(answer.body.contains("the last admin"), "{what}");
    }
    assert_eq!(admin.api("DELETE", "/api/v1/users/admin", "").status, 409);
    let body = format!(r#"{{"name": "eve", "password": "{PASSWORD}", "admin": true}}"#);
    assert_eq!(admin.api("POST", "/api/v1/users", &body).status, 201);
    assert_eq!(admin.form("/users/admin/rights", &[]).status, 303);
    assert_eq!(admin.get("/users").status, 404, "no admin any more");
}

#[test]
fn a_change_that_somebody_else_overtook_is_refused() {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    user(&site, &mut admin, "ada", "viewer");
    let tag = admin.get("/api/v1/users/ada").header("etag").unwrap().to_owned();
    assert_eq!(admin.api("POST", "/api/v1/users/ada/disable", "").status, 200);
    let (cookie, csrf) = (admin.cookie(), admin.csrf.clone());
    let put = |tag: &str| {
        let headers = [
            ("cookie", cookie.as_str()),
            ("x-csrf-token", &csrf),
            ("content-type", "application/json"),
            ("if-match", tag),
        ];
        site.ask("PUT", "/api/v1/users/ada/rights", &headers, r#"{"admin": false}"#).status
    };
    assert_eq!(put(&tag), 412);
    let tag = admin.get("/api/v1/users/ada").header("etag").unwrap().to_owned();
    assert_eq!(put(&tag), 200);
}

#[test]
fn users_are_added_renamed_and_listed_on_pages() {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    admin.get("/users");
    let fields = [("name", "Ada <b>"), ("password", PASSWORD)];
    let refused = admin.form("/users", &fields);
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("Ada &#60;b&#62;") && !refused.body.contains(PASSWORD));
    let fields = [("name", "ada"), ("password", PASSWORD), ("role", "viewer"), ("workspace", "*")];
    assert_eq!(admin.form("/users", &fields).status, 303);
    assert_eq!(admin.form("/users", &fields).status, 409);
    assert!(admin.get("/users").body.contains("viewer everywhere"));
    let mut ada = site.browser();
    ada.sign_in("ada", PASSWORD);
    let answer = admin.form("/users/ada/rename", &[("wanted", "ada.l")]);
    assert_eq!(answer.header("location"), Some("/users/ada.l?done=user-renamed"));
    assert_eq!(ada.who().as_deref(), Some("ada.l"));
}

#[test]
fn environments_are_seen_by_all_and_changed_by_admins_and_the_key_is_told_to_these_alone() {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    assert!(admin.get("/key").body.contains("There is no registry yet"));
    assert!(admin.get("/environments").body.contains("No environment yet"));
    assert_eq!(admin.form("/environments", &[("name", "prod")]).status, 303);
    assert_eq!(admin.form("/environments", &[("name", "no name")]).status, 422);
    let mut manager = user(&site, &mut admin, "grace", "manager");
    let shown = manager.get("/environments").body;
    assert!(shown.contains("prod") && shown.contains("protected") && !shown.contains("Remove"));
    for target in ["", "/prod/protect", "/prod/unprotect", "/prod/remove"] {
        let refused = manager.form(&format!("/environments{target}"), &[("name", "prod")]);
        assert_eq!(refused.status, 404, "{target}");
    }
    assert_eq!(manager.get("/key").status, 404);
    let key = admin.get("/key").body;
    assert!(key.contains("The key is where it is looked for"), "{key}");
    assert_eq!(admin.form("/environments/prod/unprotect", &[]).status, 303);
    assert_eq!(admin.form("/environments/nowhere/remove", &[]).status, 404);
    assert_eq!(admin.form("/environments/prod/remove", &[]).status, 303);
    assert!(admin.get("/environments").body.contains("No environment yet"));
}
