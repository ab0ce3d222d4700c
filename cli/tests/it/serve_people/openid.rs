//! Coming in by a certified OpenID provider, with a person in Chromium; `./test` installs both.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::PASSWORD;
use super::site::Site;
use crate::connection_oauth::real::{Provider, node, scripts};
use crate::program::Place;

/// A server whose people come by the provider; `more` is added to its settings.
fn site(provider: &Provider, more: &str) -> Site {
    site_at(Place::new(), provider, "site", more)
}

fn site_at(place: Place, provider: &Provider, client: &str, more: &str) -> Site {
    let settings = format!(
        "[serve.oidc]\nissuer = '{}'\nclient_id = '{client}'\nlabel = 'Example'\n\
         scopes = ['profile', 'groups']\ngroups_claim = 'groups'\n{more}",
        provider.url
    );
    place.write("home/subrosa.toml", &settings);
    Site::at(place)
}

/// The token that a program gets for an audience.
fn token(provider: &Provider, audience: &str) -> String {
    let mut program = Command::new(node());
    program.arg("token.js").current_dir(scripts()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut program = program.spawn().unwrap();
    let mut input = program.stdin.take().unwrap();
    writeln!(input, "{}\n{audience}", provider.url).unwrap();
    let output = program.wait_with_output().unwrap();
    let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert_eq!(token.matches('.').count(), 2, "{token}");
    token
}

/// What a browser shows in the end, in which a person says `answer` at the provider.
fn visit(site: &Site, answer: &str) -> serde_json::Value {
    let mut browser = Command::new(node());
    browser.arg("browser.js").current_dir(scripts()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut browser = browser.spawn().unwrap();
    let mut input = browser.stdin.take().unwrap();
    writeln!(input, "http://{}/login/openid\n{answer}", site.address).unwrap();
    let output = browser.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

const STAFF: &str =
    "[serve.oidc.groups]\nstaff = {grants = [{workspace = '*', role = 'viewer'}]}\n";

#[test]
fn somebody_comes_in_by_the_provider_with_the_roles_of_their_groups() {
    let provider = Provider::start();
    let site = site(&provider, STAFF);
    assert!(site.browser().get("/login").body.contains("Sign in with Example"));
    for _ in 0..2 {
        let shown = visit(&site, "grant");
        assert_eq!(shown["path"], "/runs", "{shown}");
        assert!(shown["text"].as_str().unwrap().contains("somebody"), "{shown}");
    }
    let mut admin = site.admin();
    let user = admin.get("/api/v1/users/somebody").json();
    assert_eq!(user["openid_issuer"], provider.url.as_str());
    assert_eq!(user["grants"], serde_json::json!([{"workspace": "*", "role": "viewer"}]));
    // The same user both times, who cannot come in once disabled.
    assert_eq!(admin.get("/api/v1/users").json()["items"].as_array().unwrap().len(), 2);
    assert_eq!(admin.api("POST", "/api/v1/users/somebody/disable", "").status, 200);
    let shown = visit(&site, "grant");
    assert_eq!(shown["path"], "/login/callback");
    assert!(shown["text"].as_str().unwrap().contains("you may not come in here"), "{shown}");
}

#[test]
fn who_says_no_or_is_in_no_group_or_has_a_name_that_is_taken_stays_out() {
    let provider = Provider::start();
    let others = site(&provider, "[serve.oidc.groups]\nroot = {admin = true}\n");
    let shown = visit(&others, "grant");
    assert!(shown["text"].as_str().unwrap().contains("you may not come in here"), "{shown}");
    let shown = visit(&others, "deny");
    assert!(shown["text"].as_str().unwrap().contains("refused there"), "{shown}");

    let staff = site(&provider, STAFF);
    let mut admin = staff.admin();
    let body = format!(r#"{{"name": "somebody", "password": "{PASSWORD}"}}"#);
    assert_eq!(admin.api("POST", "/api/v1/users", &body).status, 201);
    let shown = visit(&staff, "grant");
    assert!(shown["text"].as_str().unwrap().contains("has your name already"), "{shown}");
}

#[test]
fn a_server_that_has_a_secret_shows_it_to_the_provider_and_nobody_else() {
    let provider = Provider::start();
    let place = Place::new();
    let file = place.write("home/oidc-secret", "canary-client-secret\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let more = format!("client_secret_file = 'oidc-secret'\n{STAFF}");
    let site = site_at(place, &provider, "guarded-site", &more);
    let shown = visit(&site, "grant");
    assert_eq!(shown["path"], "/runs", "{shown}");
    assert!(!shown.to_string().contains("canary"), "{shown}");
    let (place, said) = site.stop();
    assert!(!said.contains("canary"), "{said}");
    // Without it, and with another one, nobody comes in.
    fs::write(&file, "another-secret").unwrap();
    let other = site_at(place, &provider, "guarded-site", &more);
    let shown = visit(&other, "grant");
    assert_eq!(shown["path"], "/login/callback", "{shown}");
    assert!(!shown.to_string().contains("another-secret"), "{shown}");
    let place = Place::new();
    let file = place.write("open", "another-secret");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    place.write("home/subrosa.toml", &format!(
        "[serve.oidc]\nissuer = '{}'\nclient_id = 'x'\nadmit = 'everybody'\nclient_secret_file = '{}'\n",
        provider.url, file.display(),
    ));
    let ended = place.run(&["serve", "--bind", "127.0.0.1:0"]);
    assert_ne!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stderr.contains("`client_secret_file`") && !ended.stderr.contains("another-secret"),
        "{ended:?}"
    );
}

#[test]
fn a_hook_that_asks_for_a_user_takes_a_token_of_the_provider() {
    let provider = Provider::start();
    let place = Place::new();
    let hook = |name: &str, more: &str| {
        let http = format!("credentials_path: hook.json, user: required{more}");
        let steps = "steps: [{run: echo hello}]";
        let flow = format!("labels: {{workspace: pay}}\ntrigger: {{http: {{{http}}}}}\n{steps}\n");
        place.write(&format!("{name}.yaml"), &flow);
    };
    hook("deploy", "");
    let file = place.write("hook.json", "{\"bearer_auth\": \"canary-hook\"}");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    let groups =
        "[serve.oidc.groups]\nstaff = {grants = [{workspace = 'pay', role = 'operator'}]}\n";
    let more = format!("hook_audience = 'urn:example:hooks'\n{groups}");
    let site = site_at(place, &provider, "site", &more);
    let good = token(&provider, "urn:example:hooks");
    let call = |bearer: &str, shown: &[&str]| {
        let bearer = format!("Bearer {bearer}");
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(shown.iter().map(|token| ("X-User-Token", *token)));
        let answer = site.ask("POST", "/hooks/deploy", &headers, "{}");
        assert!(!answer.body.contains("canary") && !answer.body.contains(&good), "{answer:?}");
        answer.status
    };
    // Both have to pass, and neither does in the other's place.
    assert_eq!(call("canary-hook", &[&good]), 202);
    assert_eq!(call("canary-hook", &[]), 401);
    assert_eq!(call("canary-wrong", &[&good]), 401);
    assert_eq!(call(&good, &[]), 401);
    assert_eq!(call("canary-hook", &[&good, &good]), 401);
    assert_eq!(call("canary-hook", &[&token(&provider, "urn:example:others")]), 401);
    let (signed, _) = good.rsplit_once('.').unwrap();
    assert_eq!(call("canary-hook", &[&format!("{signed}.{}", "A".repeat(342))]), 401);
    let (head, rest) = good.split_once('.').unwrap();
    assert_eq!(call("canary-hook", &[&format!("{head}.{}", rest.replacen('e', "f", 1))]), 401);
    // Nobody became a user by that.
    let mut admin = site.admin();
    assert_eq!(admin.get("/api/v1/users").json()["items"].as_array().unwrap().len(), 1);
    let runs = admin.get("/api/v1/runs").json();
    let by = runs["items"][0]["by"].as_str().unwrap().to_owned();
    assert_eq!(by, format!("machine of {} by hook deploy", provider.url), "{runs}");
    drop(admin);
    let (_, said) = site.stop();
    assert!(!said.contains("canary") && !said.contains(&good), "{said}");
}

#[test]
fn nobody_is_signed_in_by_what_another_browser_began() {
    let provider = Provider::start();
    let site = site(&provider, STAFF);
    let (mut attacker, mut victim) = (site.browser(), site.browser());
    let state_of = |answer: super::site::Answer| {
        let place = answer.header("location").unwrap().to_owned();
        let (_, rest) = place.split_once("&state=").unwrap();
        (place.clone(), rest.split('&').next().unwrap().to_owned())
    };
    let (place, state) = state_of(attacker.get("/login/openid"));
    assert!(place.starts_with(&format!("{}/auth?response_type=code&", provider.url)), "{place}");
    assert!(place.contains("code_challenge_method=S256") && place.contains("&nonce="));
    victim.get("/login");
    let back = |state: &str| format!("/login/callback?code=made-up&state={state}");
    assert_eq!(victim.get(&back(&state)).status, 403);
    // It was good once, whoever showed it; and an answer of another provider is not taken to this one.
    assert_eq!(attacker.get(&back(&state)).status, 403);
    let (_, state) = state_of(attacker.get("/login/openid"));
    let issuer = "&iss=https://evil.example";
    assert_eq!(attacker.get(&format!("{}{issuer}", back(&state))).status, 403);
    let (_, state) = state_of(attacker.get("/login/openid"));
    let issuer = format!("&iss={}", provider.url);
    let refused = attacker.get(&format!("{}{issuer}", back(&state)));
    assert_eq!(refused.status, 502, "the provider knows no such code: {refused:?}");
    assert_eq!((attacker.who(), victim.who()), (None, None));
}

#[test]
fn settings_that_make_no_sense_are_told_with_their_place() {
    let check = |text: &str, expected: &str| {
        let place = Place::new();
        place.write("home/subrosa.toml", text);
        let ended = place.run(&["serve", "--bind", "127.0.0.1:0"]);
        assert_ne!(ended.code, 0);
        assert!(ended.stderr.contains(expected), "{ended:?}");
    };
    let oidc = "[serve.oidc]\nclient_id = 'site'\n";
    check(oidc, "missing field `issuer`");
    check(&format!("{oidc}client_secret = 'canary'\n"), "unknown field `client_secret`");
    check(&format!("{oidc}issuer = 'http://id.example'\n"), "without TLS");
    check(&format!("{oidc}issuer = 'https://id.example'\n"), "nobody could come in");
}
