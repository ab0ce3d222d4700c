//! Sessions: nobody can be given one that somebody else knows, and what has ended is over.

use crate::program::Place;
use crate::serve_site::Server;

#[test]
fn an_id_that_was_there_before_is_not_taken_over() {
    let mut server = Server::start(Place::new(), &[]);
    let planted = format!("subrosa={}", "A".repeat(43));
    let answer = server.plain("GET", &server.link, &[("cookie", &planted)], "");
    let given = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_ne!(given, planted);
    let is_in = |cookie: &str| server.plain("GET", "/secrets", &[("cookie", cookie)], "").status;
    assert_eq!((is_in(&given), is_in(&planted)), (200, 303));
    // Nor is one that a query or a header names.
    let id = given.split_once('=').unwrap().1;
    for target in [format!("/secrets?subrosa={id}"), format!("/secrets;subrosa={id}")] {
        assert_ne!(server.plain("GET", &target, &[("x-subrosa", id)], "").status, 200);
    }
    // The link was good once.
    assert_eq!(server.get(&server.link).status, 410);
    server.cookie = given;
    server.csrf = String::new();
    assert_eq!(server.get("/secrets").status, 200);
}

#[test]
fn whoever_signs_out_is_out_everywhere() {
    let server = Server::stocked();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let cookie = ("cookie", server.cookie.as_str());
    let body = format!("csrf={}", server.csrf);
    let answer = server.plain("POST", "/logout", &[cookie, form], &body);
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"), "{answer:?}");
    assert_eq!(server.get("/secrets").status, 303);
    assert_eq!(server.get("/api/v1/secrets").status, 401);
}

#[test]
fn the_cookie_is_for_the_server_alone() {
    let check = |server: Server, name: &str, expected: &[&str]| {
        let answer = server.get(&server.link);
        let cookie = answer.header("set-cookie").unwrap();
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(pair.split_once('=').unwrap().0, name);
        assert_eq!(attributes.split("; ").collect::<Vec<_>>(), expected);
        answer
    };
    let attributes = ["Path=/", "HttpOnly", "SameSite=Lax"];
    let answer = check(Server::start(Place::new(), &[]), "subrosa", &attributes);
    assert_eq!(answer.header("strict-transport-security"), None);
    let secure = Server::start_behind(Place::new(), "https://flows.example.com");
    let answer = check(secure, "__Host-subrosa", &[&attributes[..], &["Secure"]].concat());
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
}

#[test]
fn what_the_link_says_shows_in_nothing_but_its_line() {
    let server = Server::stocked();
    let token = server.link.split_once('=').unwrap().1.to_owned();
    let id = server.cookie.split_once('=').unwrap().1.to_owned();
    let page = server.get("/secrets").text();
    assert!(!page.contains(&token) && !page.contains(&id), "{page}");
    let said = server.stop();
    assert_eq!(said.matches(&token).count(), 1, "{said}");
    assert!(!said.contains(&id), "{said}");
}
