//! A person grants access in a browser, and everybody else who comes to the waiting address.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use subrosa_connections::oauth::{ErrorWord, OAuthError, Redirect, Refusal, Tokens};
use subrosa_http::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::oauth_peer::{Peer, Received, Reply};
use crate::oauth_setup::{Page, Setup, Watcher, scopes, text};

const TOKENS: &str = r#"{"access_token":"canary-access","token_type":"Bearer",
    "refresh_token":"canary-refresh","expires_in":60}"#;

/// A token endpoint that grants.
fn granting() -> Peer {
    Peer::plain(|_| Reply::json(200, TOKENS))
}

/// Runs the flow, while `browse` does what browsers and others do at the page that is shown.
async fn run<T>(
    setup: &Setup,
    redirect: &Redirect,
    browse: impl AsyncFnOnce(Page, &Watcher) -> T,
) -> (Result<Tokens, OAuthError>, T, Vec<Refusal>) {
    let (watcher, mut shown) = Watcher::new();
    let (flow, scopes) = (setup.flow(), scopes(&["read", "write"]));
    let browsing = async { browse(Page::shown(&mut shown).await, &watcher).await };
    let both = async { tokio::join!(flow.authorize(&scopes, redirect, &watcher), browsing) };
    // What waits for ever has failed.
    let both = tokio::time::timeout(Duration::from_secs(60), both);
    let (outcome, browsed) = both.await.expect("it ends");
    (outcome, browsed, watcher.refusals())
}

fn form(received: &Received) -> Vec<(String, String)> {
    let url = format!("http://x/?{}", String::from_utf8_lossy(&received.body));
    Url::parse(&url).unwrap().query_pairs().into_owned().collect()
}

#[tokio::test]
async fn the_code_is_exchanged_with_the_verifier_of_its_challenge() {
    let peer = granting();
    let mut setup = Setup::of(&peer);
    setup.endpoints.extra.insert("access_type".to_owned(), "offline".to_owned());
    let browse = async |page: Page, _: &Watcher| {
        let answer = page.grant("canary-code").await.unwrap();
        (page, answer)
    };
    let (tokens, (page, answer), refusals) = run(&setup, &Redirect::default(), browse).await;
    let tokens = tokens.unwrap();
    assert_eq!(text(&tokens.access), "canary-access");
    assert_eq!(text(&tokens.refresh.unwrap()), "canary-refresh");
    assert_eq!(tokens.scopes, ["read", "write"]);
    assert_eq!(refusals, []);
    assert!(page.is_port_free().await);

    let uri = format!("http://127.0.0.1:{}/callback", page.address().port());
    for (name, expected) in [
        ("tenant", "t"),
        ("response_type", "code"),
        ("client_id", "client-1"),
        ("redirect_uri", &uri),
        ("scope", "read write"),
        ("code_challenge_method", "S256"),
        ("access_type", "offline"),
    ] {
        assert_eq!(page.part(name).as_deref(), Some(expected), "{name}");
    }
    let received = peer.received();
    assert_eq!(received.len(), 1);
    let form = form(&received[0]);
    let part = |name: &str| form.iter().find(|(found, _)| found == name).unwrap().1.as_str();
    assert_eq!(part("grant_type"), "authorization_code");
    assert_eq!(part("code"), "canary-code");
    assert_eq!(part("redirect_uri"), uri);
    let challenge = digest(&SHA256, part("code_verifier").as_bytes());
    let challenge = BASE64URL_NOPAD.encode(challenge.as_ref());
    assert_eq!(page.part("code_challenge").unwrap(), challenge);
    assert!(answer.contains("<h1>Access granted</h1>"), "{answer}");
    for hidden in ["canary", &page.state()] {
        assert!(!answer.contains(hidden), "{answer}");
    }
}

#[tokio::test]
async fn two_authorizations_share_nothing() {
    let peer = granting();
    let setup = Setup::of(&peer);
    let browse = async |page: Page, _: &Watcher| {
        page.send(&page.request(&format!("error=x&state={}", page.state()))).await.unwrap();
        (page.state(), page.part("code_challenge").unwrap())
    };
    let (_, one, _) = run(&setup, &Redirect::default(), browse).await;
    let (_, other, _) = run(&setup, &Redirect::default(), browse).await;
    assert_ne!(one.0, other.0);
    assert_ne!(one.1, other.1);
}

#[tokio::test]
async fn others_are_refused_and_the_wait_goes_on() {
    let peer = granting();
    let setup = Setup::of(&peer);
    let browse = async |page: Page, _: &Watcher| {
        let state = page.state();
        let target = format!("GET /callback?code=canary-other&state={state}");
        let host = format!("{target} HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        let long = format!("GET /{}", "a".repeat(40_000));
        let refused = [
            (page.request("code=canary-other&state=other"), "400 Bad Request"),
            (page.request("code=canary-other"), "400 Bad Request"),
            (page.request("error=access_denied"), "400 Bad Request"),
            (page.request_with(&target, "Origin: https://evil.example\r\n"), "403 Forbidden"),
            (page.request_with(&target, "Origin: null\r\n"), "403 Forbidden"),
            (page.request_with(&target, "Sec-Fetch-Mode: no-cors\r\n"), "403 Forbidden"),
            (host, "403 Forbidden"),
            (page.request_with(&target.replace("GET", "POST"), ""), "405 Method Not Allowed"),
            (page.request_with("GET /favicon.ico", ""), "404 Not Found"),
            (long, "400 Bad Request"),
        ];
        for (request, status) in refused {
            let answer = page.send(&request).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}{answer}");
            assert!(!answer.contains("canary") && !answer.contains(&state), "{answer}");
        }
        page.grant("canary-code").await.unwrap()
    };
    let (tokens, answer, refusals) = run(&setup, &Redirect::default(), browse).await;
    assert_eq!(text(&tokens.unwrap().access), "canary-access");
    assert!(answer.contains("Access granted"));
    let expected = [
        Refusal::WrongState,
        Refusal::WrongState,
        Refusal::WrongState,
        Refusal::ForeignOrigin,
        Refusal::ForeignOrigin,
        Refusal::ForeignOrigin,
        Refusal::ForeignHost,
        Refusal::Method,
        Refusal::Malformed,
    ];
    assert_eq!(refusals, expected);
    // Nothing of theirs reached the server.
    assert_eq!(peer.received().len(), 1);
    assert!(!peer.received()[0].text().contains("canary-other"));
}

#[tokio::test]
async fn refusals_are_told_up_to_a_bound() {
    let peer = granting();
    let setup = Setup::of(&peer);
    let browse = async |page: Page, _: &Watcher| {
        for _ in 0..30 {
            page.send(&page.request("state=other")).await.unwrap();
        }
        page.grant("c").await.unwrap();
    };
    let (tokens, (), refusals) = run(&setup, &Redirect::default(), browse).await;
    assert!(tokens.is_ok());
    assert_eq!(refusals, [Refusal::WrongState; 10]);
}

#[tokio::test]
async fn a_state_is_good_once() {
    // While the first is being exchanged, a second with the same state comes: by a connection that was
    // there before, and by a new one.
    let (asked, mut is_asked) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let peer = Peer::plain(move |_| {
        asked.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        Reply::json(200, TOKENS)
    });
    let setup = Setup::of(&peer);
    let browse = async |page: Page, _: &Watcher| {
        let mut early = TcpStream::connect(page.address()).await.unwrap();
        let first = page.grant("canary-first");
        let second = async {
            is_asked.recv().await.unwrap();
            assert!(page.is_port_free().await);
            let again = page.request(&format!("code=canary-second&state={}", page.state()));
            let mut answer = Vec::new();
            let sent = early.write_all(again.as_bytes()).await;
            let read = early.read_to_end(&mut answer).await;
            assert!(sent.is_err() || read.is_err() || answer.is_empty());
            go_on.send(()).unwrap();
        };
        tokio::join!(first, second).0.unwrap()
    };
    let (tokens, answer, _) = run(&setup, &Redirect::default(), browse).await;
    assert!(tokens.is_ok());
    assert!(answer.contains("Access granted"));
    assert_eq!(peer.received().len(), 1);
    assert!(peer.received()[0].text().contains("canary-first"));
}

#[tokio::test]
async fn an_error_in_the_browser_ends_it_with_the_standards_word() {
    async fn check(query: &str, expected: Result<Option<ErrorWord>, OAuthError>, on_page: &str) {
        let peer = granting();
        let setup = Setup::of(&peer);
        let browse = async |page: Page, _: &Watcher| {
            let query = format!("{query}&state={}", page.state());
            let answer = page.send(&page.request(&query)).await.unwrap();
            assert!(page.is_port_free().await);
            answer
        };
        let (outcome, answer, _) = run(&setup, &Redirect::default(), browse).await;
        let denied = |word| OAuthError::Denied { server: peer.url(), word };
        let expected = expected.map_or_else(|error| error, denied);
        assert_eq!(outcome.unwrap_err().to_string().replace(&peer.url(), ""), {
            expected.to_string().replace(&peer.url(), "")
        });
        assert!(answer.contains(on_page), "{answer}");
        assert!(!answer.contains("canary"), "{answer}");
        assert!(peer.received().is_empty());
    }
    let description = "error_description=canary&error_uri=https://canary.example";
    let denied = format!("error=access_denied&{description}");
    check(&denied, Ok(Some(ErrorWord::AccessDenied)), "<code>access_denied</code>").await;
    check(&format!("error=canary&{description}"), Ok(None), "no reason that is known").await;
    let server = String::new();
    check("", Err(OAuthError::NoCode { server: server.clone() }), "the terminal says why").await;
    let issuer = "code=canary&iss=https%3A%2F%2Fother.example";
    check(issuer, Err(OAuthError::Issuer { server }), "the terminal says why").await;
}

#[tokio::test]
async fn the_page_does_not_promise_what_the_exchange_does_not_keep() {
    let peer = Peer::plain(|_| Reply::json(400, r#"{"error":"invalid_grant"}"#));
    let setup = Setup::of(&peer);
    let browse = async |page: Page, _: &Watcher| page.grant("canary-code").await.unwrap();
    let (outcome, answer, _) = run(&setup, &Redirect::default(), browse).await;
    assert_eq!(outcome.unwrap_err().word(), Some(ErrorWord::InvalidGrant));
    assert!(answer.contains("No tokens came of it"), "{answer}");
}

#[tokio::test]
async fn who_dawdles_keeps_nobody_out() {
    let peer = granting();
    let mut setup = Setup::of(&peer);
    // Longer than the test can take: nobody's time is over.
    setup.limits.visitor = Duration::from_secs(600);
    let browse = async |page: Page, _: &Watcher| {
        let mut others = Vec::new();
        for place in 0..60 {
            let mut stream = TcpStream::connect(page.address()).await.unwrap();
            if place < 20 {
                stream.write_all(b"GET /callback?state=").await.unwrap();
            }
            others.push(stream);
        }
        // The first had to go, and those who came last are still heard: here is the browser among them.
        assert_eq!(others[0].read_to_end(&mut Vec::new()).await.unwrap_or(0), 0);
        let request = page.request(&format!("code=c&state={}", page.state()));
        let mut answer = String::new();
        others[49].write_all(request.as_bytes()).await.unwrap();
        others[49].read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (tokens, answer, refusals) = run(&setup, &Redirect::default(), browse).await;
    assert!(tokens.is_ok());
    assert!(answer.contains("Access granted"));
    assert_eq!(refusals, []);
}

#[tokio::test]
async fn who_is_too_slow_is_sent_away() {
    let peer = granting();
    let mut setup = Setup::of(&peer);
    setup.limits.visitor = Duration::from_millis(500);
    let browse = async |page: Page, _: &Watcher| {
        let mut slow = TcpStream::connect(page.address()).await.unwrap();
        slow.write_all(b"GET /callback?state=").await.unwrap();
        // Ends because the listener closes it; nothing else would.
        assert_eq!(slow.read_to_end(&mut Vec::new()).await.unwrap(), 0);
        page.grant("c").await.unwrap();
    };
    let (tokens, (), _) = run(&setup, &Redirect::default(), browse).await;
    assert!(tokens.is_ok());
}

#[tokio::test]
async fn the_window_closes() {
    let peer = granting();
    let mut setup = Setup::of(&peer);
    setup.limits.window = Duration::from_millis(100);
    let browse = async |page: Page, _: &Watcher| {
        // Other visitors do not keep it open.
        let mut other = TcpStream::connect(page.address()).await.unwrap();
        assert_eq!(other.read_to_end(&mut Vec::new()).await.unwrap_or(0), 0);
        page
    };
    let (outcome, page, _) = run(&setup, &Redirect::default(), browse).await;
    assert_eq!(outcome.unwrap_err(), OAuthError::Window(Duration::from_millis(100)));
    assert!(page.is_port_free().await);
}

#[tokio::test]
async fn cancelling_frees_the_port_at_once() {
    let peer = granting();
    let setup = Setup::of(&peer);
    let (watcher, mut shown) = Watcher::new();
    let (flow, redirect) = (setup.flow(), Redirect::default());
    let page = {
        let authorize = flow.authorize(&[], &redirect, &watcher);
        tokio::pin!(authorize);
        tokio::select! {
            biased;
            outcome = &mut authorize => panic!("it waits: {outcome:?}"),
            page = Page::shown(&mut shown) => page,
        }
    };
    // Not even the runtime had a turn in between.
    assert!(std::net::TcpStream::connect(page.address()).is_err());
    let listener = TcpListener::bind(page.address()).await;
    assert!(listener.is_ok());
}

#[tokio::test]
async fn a_registered_redirect_is_kept_to_the_letter() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    let uri = format!("http://localhost:{}/my/login", address.port());
    let redirect = Redirect::parse(&uri).unwrap();
    let peer = granting();
    let setup = Setup::of(&peer);
    // Somebody else is there.
    let (watcher, mut shown) = Watcher::new();
    let error = setup.flow().authorize(&[], &redirect, &watcher).await.unwrap_err();
    assert_eq!(error, OAuthError::PortTaken { port: address.port() });
    assert!(error.help().is_some());
    assert!(shown.pages.try_recv().is_err(), "nobody is sent to a page that cannot come back");
    drop(free);
    let browse = async |page: Page, _: &Watcher| {
        assert_eq!(page.part("redirect_uri").unwrap(), uri);
        page.grant("c").await.unwrap()
    };
    let (tokens, _, _) = run(&setup, &redirect, browse).await;
    assert!(tokens.is_ok());
}

#[tokio::test]
async fn what_cannot_be_asked_is_not_begun() {
    let (watcher, mut shown) = Watcher::new();
    let redirect = Redirect::default();
    let peer = granting();
    let mut setup = Setup::of(&peer);
    setup.endpoints.extra.insert("redirect_uri".to_owned(), "https://evil.example".to_owned());
    let error = setup.flow().authorize(&[], &redirect, &watcher).await.unwrap_err();
    assert_eq!(error, OAuthError::ReservedParameter("redirect_uri".to_owned()));
    setup.endpoints.authorize = None;
    let error = setup.flow().authorize(&[], &redirect, &watcher).await.unwrap_err();
    assert_eq!(error, OAuthError::NoEndpoint("authorize_url"));
    assert!(shown.pages.try_recv().is_err());
}

/// Runs the flow whose browser somebody else waits for; `browse` says what it brings.
async fn run_elsewhere(
    setup: &Setup,
    browse: impl AsyncFnOnce(Url) -> Option<String>,
) -> Result<Tokens, OAuthError> {
    let (watcher, mut shown) = Watcher::new();
    let (flow, scopes) = (setup.flow(), scopes(&["read"]));
    let back = async {
        let query = browse(shown.pages.recv().await.unwrap()).await?;
        Some(zeroize::Zeroizing::new(query.into_bytes()))
    };
    let uri = "https://flows.example/oauth/callback";
    let granted = flow.authorize_elsewhere(&scopes, uri, back, &watcher);
    tokio::time::timeout(Duration::from_secs(60), granted).await.expect("it ends")
}

fn state_in(page: &Url) -> String {
    page.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
}

#[tokio::test]
async fn a_browser_may_come_back_to_somebody_else() {
    let peer = granting();
    let setup = Setup::of(&peer);
    let browse = async |page: Url| {
        let uri = page.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1;
        assert_eq!(uri, "https://flows.example/oauth/callback");
        Some(format!("code=canary-code&state={}", state_in(&page)))
    };
    let tokens = run_elsewhere(&setup, browse).await.unwrap();
    assert_eq!(text(&tokens.access), "canary-access");
    let sent = form(&peer.received()[0]);
    let sent = |name: &str| sent.iter().find(|(found, _)| found == name).unwrap().1.clone();
    assert_eq!(sent("redirect_uri"), "https://flows.example/oauth/callback");
    assert_eq!(sent("code_verifier").len(), 43);
}

#[tokio::test]
async fn what_is_handed_in_late_or_for_another_request_is_not_exchanged() {
    let peer = granting();
    let mut setup = Setup::of(&peer);
    let other = async |_: Url| Some("code=c&state=other".to_owned());
    assert!(matches!(run_elsewhere(&setup, other).await, Err(OAuthError::State { .. })));
    let denied = async |page: Url| Some(format!("error=access_denied&state={}", state_in(&page)));
    let word = Some(ErrorWord::AccessDenied);
    let outcome = run_elsewhere(&setup, denied).await;
    assert!(matches!(outcome, Err(OAuthError::Denied { word: found, .. }) if found == word));
    let gone = async |_: Url| None;
    assert!(matches!(run_elsewhere(&setup, gone).await, Err(OAuthError::Window(_))));
    setup.limits.window = Duration::from_millis(50);
    let late = async |page: Url| {
        // Until the window has long been shut.
        std::future::pending::<()>().await;
        Some(format!("code=c&state={}", state_in(&page)))
    };
    assert!(matches!(run_elsewhere(&setup, late).await, Err(OAuthError::Window(_))));
    assert!(peer.received().is_empty());
}
