//! Personal tokens: what they let a program do, and until when.

use super::site::Site;

#[test]
fn a_token_is_shown_once_and_works_until_it_is_revoked() {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    let fields = [("name", "ci <b>"), ("days", "30"), ("limit", "all")];
    let page = admin.form("/settings/tokens", &fields);
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")));
    let at = page.body.find("sr_").unwrap();
    let token = page.body[at..].split('<').next().unwrap().to_owned();
    assert_eq!(token.len(), 51);
    let works = || site.with_token(&token, "GET", "/api/v1/me", "");
    let me = works().json();
    assert_eq!((&me["name"], &me["via"]), (&"admin".into(), &"token".into()));
    let settings = admin.get("/settings").body;
    assert!(settings.contains("ci &#60;b&#62;") && !settings.contains(&token));
    let list = admin.get("/api/v1/me/tokens").json();
    assert!(!list.to_string().contains(&token));
    assert!(list["items"][0]["last_used"].is_string(), "{list}");
    let kept = std::fs::read_to_string(site.place.home().join("server/tokens.json")).unwrap();
    assert!(!kept.contains(&token[3..]));
    let id = list["items"][0]["id"].as_str().unwrap();
    assert_eq!(admin.form(&format!("/settings/tokens/{id}/revoke"), &[]).status, 303);
    let refused = works();
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    let nothing = site.ask("GET", "/api/v1/me", &[], "");
    assert_eq!(nothing.header("www-authenticate"), Some("Bearer realm=\"subrosa\""));
}

#[test]
fn a_token_may_do_less_than_its_user_and_nothing_to_its_user() {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    let made = |body: &str, admin: &mut super::site::Browser<'_>| {
        let answer = admin.api("POST", "/api/v1/me/tokens", body);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    };
    let limit = r#"{"grants": [{"workspace": "payments", "role": "viewer"}]}"#;
    let narrow = made(&format!(r#"{{"name": "narrow", "limit": {limit}}}"#), &mut admin);
    let whole = made(r#"{"name": "whole"}"#, &mut admin);
    let ask = |token: &str, method: &str, target: &str, body: &str| {
        site.with_token(token, method, &format!("/api/v1{target}"), body).status
    };
    let new = r#"{"ref": "db", "workspace": "payments"}"#;
    assert_eq!(ask(&narrow, "POST", "/secrets", new), 403);
    assert_eq!(ask(&narrow, "POST", "/secrets", r#"{"ref": "db"}"#), 404);
    assert_eq!(ask(&narrow, "GET", "/users", ""), 404);
    assert_eq!(ask(&whole, "GET", "/users", ""), 200);
    for token in [&narrow, &whole] {
        assert_eq!(ask(token, "POST", "/me/tokens", r#"{"name": "more"}"#), 403);
        assert_eq!(ask(token, "GET", "/me/tokens", ""), 403);
        assert_eq!(ask(token, "GET", "/me/sessions", ""), 403);
        assert_eq!(ask(token, "POST", "/me/password", r#"{"new": "correct horse battery"}"#), 403);
    }
    // A cookie that comes along does not count, and a wrong token is not made good by one.
    let (cookie, bearer) = (admin.cookie(), format!("Bearer {narrow}"));
    let both = [("cookie", cookie.as_str()), ("authorization", bearer.as_str())];
    assert_eq!(site.ask("GET", "/api/v1/users", &both, "").status, 404);
    let wrong = [("cookie", cookie.as_str()), ("authorization", "Bearer sr_wrong")];
    assert_eq!(site.ask("GET", "/api/v1/users", &wrong, "").status, 401);
}

#[test]
fn nobody_makes_a_token_that_may_more_than_they() {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    let body = r#"{"name": "ada", "password": "correct horse battery",
                   "grants": [{"workspace": "payments", "role": "operator"}]}"#;
    assert_eq!(admin.api("POST", "/api/v1/users", body).status, 201);
    let mut ada = site.browser();
    ada.sign_in("ada", "correct horse battery");
    let mut make = |limit: &str| {
        let body = format!(r#"{{"name": "t", "limit": {limit}}}"#);
        ada.api("POST", "/api/v1/me/tokens", &body).status
    };
    assert_eq!(make(r#"{"grants": [{"workspace": "payments", "role": "viewer"}]}"#), 201);
    assert_eq!(make(r#"{"grants": []}"#), 201);
    assert_eq!(make(r#"{"admin": true}"#), 422);
    assert_eq!(make(r#"{"grants": [{"workspace": "payments", "role": "manager"}]}"#), 422);
    assert_eq!(make(r#"{"grants": [{"workspace": "*", "role": "viewer"}]}"#), 422);
    assert_eq!(make(r#"{"grants": [{"workspace": null, "role": "viewer"}]}"#), 422);
}
