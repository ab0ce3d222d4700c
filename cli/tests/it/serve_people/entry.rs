//! Coming in: by the link, by a password, and how others are kept from coming in as somebody else.

use super::site::{Answer, FORM, Site};
use super::{OTHER, PASSWORD};

/// A server whose first admin has a password.
fn with_admin() -> Site {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    let fields = [("new", PASSWORD), ("again", PASSWORD)];
    assert_eq!(admin.form("/settings/password", &fields).status, 303);
    drop(admin);
    site
}

#[test]
fn the_first_admin_comes_by_the_link_and_chooses_a_password() {
    let site = Site::new(&[]);
    let mut admin = site.admin();
    assert_eq!(admin.who().as_deref(), Some("admin"));
    assert!(admin.get("/secrets").body.contains("Choose one under Settings"));
    admin.get("/settings");
    let fields = [("new", PASSWORD), ("again", OTHER)];
    let refused = admin.form("/settings/password", &fields);
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("in two ways"), "{}", refused.body);
    let short = [("new", "short"), ("again", "short")];
    assert_eq!(admin.form("/settings/password", &short).status, 422);
    let fields = [("new", PASSWORD), ("again", PASSWORD)];
    let answer = admin.form("/settings/password", &fields);
    assert_eq!(answer.header("location"), Some("/settings?done=password"), "{answer:?}");
    assert!(!admin.get("/secrets").body.contains("Choose one under Settings"));
    // Nobody else comes by the link, and the next start prints none.
    assert_eq!(site.browser().get(&site.link).status, 410);
    let (place, _) = site.stop();
    let kept = std::fs::read_to_string(place.home().join("server/users.json")).unwrap();
    assert!(!kept.contains("horse"), "{kept}");
    let site = Site::again(place);
    let mut browser = site.browser();
    assert_eq!(browser.sign_in("admin", PASSWORD).status, 303);
    assert_eq!(browser.who().as_deref(), Some("admin"));
    drop(browser);
    let (_, said) = site.stop();
    assert!(!said.contains("/welcome"), "{said}");
}

#[test]
fn an_id_that_was_there_before_is_not_taken_over() {
    let site = with_admin();
    // Somebody else's session, and one that never was.
    let mut other = site.browser();
    assert_eq!(other.sign_in("admin", PASSWORD).status, 303);
    let theirs = other.cookie_of("subrosa").unwrap().to_owned();
    for planted in [theirs.as_str(), "none.none"] {
        let mut victim = site.browser();
        victim.get("/login");
        victim.set_cookie("subrosa", planted);
        let fields = [("name", "admin"), ("password", PASSWORD)];
        assert_eq!(victim.form("/login", &fields).status, 303);
        assert_ne!(victim.cookie_of("subrosa"), Some(planted));
        assert_eq!(victim.who().as_deref(), Some("admin"));
    }
    // The session that was shown at the login has ended with it.
    assert_eq!(other.who(), None);
}

#[test]
fn the_cookies_are_for_this_server_and_its_pages_alone() {
    let check = |words: &[&str], prefix: &str, secure: &str| {
        let site = Site::new(words);
        let mut browser = site.browser();
        let answers = [browser.get("/login"), browser.get(&site.link)];
        for (answer, name) in answers.iter().zip(["subrosa-entry", "subrosa"]) {
            let set = answer.headers("set-cookie");
            let expected = format!("; Path=/; HttpOnly; SameSite=Lax{secure}");
            assert!(set.len() == 1 && set[0].starts_with(&format!("{prefix}{name}=")), "{set:?}");
            assert!(set[0].ends_with(&expected), "{set:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    };
    check(&[], "", "");
    check(&["--public-url", "https://flows.example.com"], "__Host-", "; Secure");
}

#[test]
fn another_site_can_neither_sign_somebody_in_nor_act_for_them() {
    let site = with_admin();
    let mut browser = site.browser();
    browser.get("/login");
    let (cookie, csrf) = (browser.cookie(), browser.csrf.clone());
    let body = format!("csrf={csrf}&name=admin&password=correct+horse+battery");
    let own = format!("http://{}", site.address);
    let post = |headers: &[(&str, &str)], body: &str| {
        site.ask("POST", "/login", &[headers, &[FORM]].concat(), body).status
    };
    let cookie = ("cookie", cookie.as_str());
    assert_eq!(post(&[cookie, ("sec-fetch-site", "cross-site")], &body), 403);
    assert_eq!(post(&[cookie, ("sec-fetch-site", "same-site")], &body), 403);
    assert_eq!(post(&[cookie, ("origin", "http://evil.example")], &body), 403);
    assert_eq!(post(&[cookie, ("origin", "null")], &body), 403);
    assert_eq!(post(&[], &body), 403, "a form without the cookie that it goes with");
    assert_eq!(post(&[cookie], "name=admin&password=correct+horse+battery"), 403);
    assert_eq!(post(&[cookie, ("origin", &own)], &body), 303);

    let mut admin = site.browser();
    admin.sign_in("admin", PASSWORD);
    let (cookie, csrf) = (admin.cookie(), admin.csrf.clone());
    let cookie = ("cookie", cookie.as_str());
    let api = |headers: &[(&str, &str)]| -> Answer {
        let json = ("content-type", "application/json");
        let headers = [&[cookie, json], headers].concat();
        site.ask("POST", "/api/v1/users", &headers, r#"{"name": "eve"}"#)
    };
    let token = ("x-csrf-token", csrf.as_str());
    assert_eq!(api(&[]).status, 403);
    assert_eq!(api(&[("x-csrf-token", "wrong")]).status, 403);
    assert_eq!(api(&[token, ("sec-fetch-site", "cross-site")]).status, 403);
    assert_eq!(api(&[token, ("origin", "http://evil.example")]).status, 403);
    assert_eq!(api(&[token, ("origin", &own)]).status, 201);
}

#[test]
fn a_wrong_password_and_a_wrong_name_get_the_same_answer() {
    let site = with_admin();
    let mut admin = site.browser();
    admin.sign_in("admin", PASSWORD);
    let body = format!(r#"{{"name": "off", "password": "{PASSWORD}"}}"#);
    assert_eq!(admin.api("POST", "/api/v1/users", &body).status, 201);
    assert_eq!(admin.api("POST", "/api/v1/users/off/disable", "").status, 200);
    let told = |name: &str, password: &str| {
        let mut browser = site.browser();
        let answer = browser.sign_in(name, password);
        let (_, shown) = answer.body.split_once("role=\"alert\"").unwrap();
        assert_eq!(browser.who(), None);
        (answer.status, shown.split("</p>").next().unwrap().to_owned())
    };
    let wrong = told("admin", OTHER);
    assert_eq!(wrong.0, 403);
    assert!(wrong.1.contains("the name or the password is wrong"));
    for (name, password) in [("nobody", OTHER), ("off", PASSWORD), ("No Name", OTHER), ("", "")] {
        assert_eq!(told(name, password), wrong, "{name}");
    }
}

#[test]
fn who_guesses_has_to_wait_and_who_knows_does_not_wait_for_ever() {
    let site = with_admin();
    let mut browser = site.browser();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(browser.sign_in("admin", OTHER));
    }
    let last = statuses.pop().unwrap();
    assert!(statuses.iter().all(|answer| answer.status == 403));
    assert_eq!(last.status, 429);
    let wait: u64 = last.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(last.body.contains("too many attempts"));
    // Others are not held up, nor are those who are in.
    assert_eq!(browser.sign_in("nobody", OTHER).status, 403);
    crate::program::eventually("the admin comes in", || {
        browser.sign_in("admin", PASSWORD).status == 303
    });
}

#[test]
fn who_leaves_is_out_and_so_are_the_others_after_a_new_password() {
    let site = with_admin();
    let (mut one, mut two) = (site.browser(), site.browser());
    one.sign_in("admin", PASSWORD);
    two.sign_in("admin", PASSWORD);
    let former = one.cookie_of("subrosa").unwrap().to_owned();
    let fields = [("old", OTHER), ("new", OTHER), ("again", OTHER)];
    let refused = one.form("/settings/password", &fields);
    assert_eq!(refused.status, 403, "{refused:?}");
    let fields = [("old", PASSWORD), ("new", OTHER), ("again", OTHER)];
    assert_eq!(one.form("/settings/password", &fields).status, 303);
    assert_ne!(one.cookie_of("subrosa"), Some(former.as_str()), "it has a new id");
    assert_eq!(one.who().as_deref(), Some("admin"));
    assert_eq!(two.who(), None);
    let mut stale = site.browser();
    stale.set_cookie("subrosa", &former);
    assert_eq!(stale.who(), None);
    assert_eq!(site.browser().sign_in("admin", PASSWORD).status, 403);

    one.get("/settings");
    let current = one.cookie();
    assert_eq!(one.form("/logout", &[]).status, 303);
    assert_eq!(one.cookie_of("subrosa"), None);
    let with = |cookie: &str| site.ask("GET", "/api/v1/me", &[("cookie", cookie)], "").status;
    assert_eq!(with(&current), 401);
}

#[test]
fn sessions_are_listed_and_ended() {
    let site = with_admin();
    let (mut one, mut two) = (site.browser(), site.browser());
    one.sign_in("admin", PASSWORD);
    two.sign_in("admin", PASSWORD);
    let list = one.api("GET", "/api/v1/me/sessions", "").json();
    let sessions = list["items"].as_array().unwrap();
    // The one of the link is there, too.
    assert_eq!(sessions.len(), 3, "{list}");
    let current = two.cookie_of("subrosa").unwrap().split('.').next().unwrap().to_owned();
    assert_eq!(one.form(&format!("/settings/sessions/{current}/end"), &[]).status, 303);
    assert_eq!(two.who(), None);
    assert_eq!(one.api("DELETE", "/api/v1/me/sessions", "").status, 204);
    let list = one.api("GET", "/api/v1/me/sessions", "").json();
    let sessions = list["items"].as_array().unwrap();
    assert!(sessions.len() == 1 && sessions[0]["is_current"] == true, "{list}");
    let secret = one.cookie_of("subrosa").unwrap().split('.').nth(1).unwrap().to_owned();
    assert!(!list.to_string().contains(&secret) && !one.get("/settings").body.contains(&secret));
}
