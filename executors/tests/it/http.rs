//! Requests, answers, credentials, redirects and repetitions of `http` steps.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::peer::{Peer, Received, Reply, dead_url};
use crate::world::{Left, World};

const CANARY: &str = "canary-4711";

fn ok(_: &Received) -> Reply {
    Reply::text(200, "fine")
}

/// What a server got from a step whose fields are these; `URL` in them is the server's.
async fn sent(fields: &str) -> Received {
    let (peer, world) = (Peer::plain(ok), World::new());
    world.write("file.txt", "content of it");
    let left = world.step(&fields.replace("URL", &peer.url())).await;
    assert_eq!(left.failure(), "", "{fields}");
    assert_eq!(left.out(), "fine");
    peer.received().remove(0)
}

async fn check(fields: &str, line: &str, body: &str) {
    let received = sent(fields).await;
    assert_eq!(received.line, line, "{fields}");
    assert_eq!(String::from_utf8_lossy(&received.body), body, "{fields}");
}

/// A step that fails with this message; `URL` in both is the server's. No secret is in what it left.
async fn refused(
    answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    fields: &str,
    message: &str,
) -> Left {
    let (peer, world) = (Peer::plain(answers), World::new());
    world.write("file.json", "{\"bearer_auth\": \"canary-4711-file\"}");
    let left = world.step(&fields.replace("URL", &peer.url())).await;
    let found = left.failure().replace(&peer.url(), "URL");
    assert!(found.contains(message) && !message.is_empty(), "{fields}: {found}");
    assert!(!left.all().contains(CANARY), "{fields}: {}", left.all());
    left
}

#[tokio::test]
async fn a_request_is_what_the_step_says() {
    check("command: GET URL/a?x=1#f", "GET /a?x=1", "").await;
    check("command: 'post URL/a'", "POST /a", "").await;
    check("with: {url: URL/a, query: {q: 'a b&c', n: 7}}", "GET /a?q=a%20b%26c&n=7", "").await;
    check("with: {url: URL/a?x=1, query: {y: 2}}", "GET /a?x=1&y=2", "").await;
    check("with: {url: URL/a, body: '$TOKEN'}", "POST /a", CANARY).await;
    check("with: {method: PUT, url: URL/a, body: x}", "PUT /a", "x").await;
    check(
        "with: {url: URL, json: {a: [1, true, null, '${TOKEN}']}}",
        "POST /",
        "{\"a\":[1,true,null,\"canary-4711\"]}",
    )
    .await;
    check("with: {url: URL, form: {a: '1 2', b: '$TOKEN'}}", "POST /", "a=1%202&b=canary-4711")
        .await;
    check("config: {timeout: 5, silent: true}, command: GET URL/a", "GET /a", "").await;
    let received =
        sent("with: {url: URL, headers: {X-Key: 'Token ${TOKEN}', Accept: text/css}}").await;
    assert_eq!(received.header("x-key"), Some("Token canary-4711"));
    assert_eq!(received.header("accept"), Some("text/css"));
    let received = sent("with: {url: URL, json: {}}").await;
    assert_eq!(received.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn files_go_as_parts_of_a_form() {
    let fields = "with: {url: URL, form: {a: '1'}, files: [{name: f, path: file.txt}]}";
    let received = sent(fields).await;
    let body = String::from_utf8(received.body.clone()).unwrap();
    let boundary = received.header("content-type").unwrap().split_once("boundary=").unwrap().1;
    let first = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n");
    assert!(body.starts_with(&first), "{body}");
    let file = "name=\"f\"; filename=\"file.txt\"\r\nContent-Type: application/octet-stream\r\n\r\n\
                content of it\r\n";
    assert!(body.contains(file) && body.ends_with(&format!("--{boundary}--\r\n")), "{body}");
    let missing = "with: {url: URL, files: [{name: f, path: nowhere}]}";
    refused(ok, missing, "cannot read the file").await;
}

#[tokio::test]
async fn an_answer_is_output_its_status_is_told() {
    let peer = Peer::plain(|_| Reply::text(203, "{\"a\": \"canary-4711\"}"));
    let world = World::new();
    let left = world.step(&format!("with: {{url: '{}/a/b?t=$TOKEN'}}", peer.url())).await;
    assert_eq!(left.out(), "{\"a\": \"*******\"}");
    assert!(
        left.err().starts_with(&format!("GET {}/a/b answered 203 ", peer.url())),
        "{}",
        left.err()
    );
    let left = world.step(&format!("with: {{url: '{}', silent: true}}", peer.url())).await;
    assert_eq!(left.err(), "");
    let left = world.step(&format!("with: {{url: '{}', output: json}}", peer.url())).await;
    let document: serde_json::Value = serde_json::from_str(&left.out()).unwrap();
    assert_eq!(document["status_code"], 203);
    assert_eq!(document["body"], serde_json::json!({"a": "*******"}));
    assert_eq!(document["headers"]["content-length"][0], "20");
    let left = world.step(&format!("with: {{url: '{}', debug: true}}", peer.url())).await;
    assert!(left.err().contains("content-length: 20\n"), "{}", left.err());
}

#[tokio::test]
async fn an_unexpected_status_fails_the_step_and_keeps_the_answer() {
    let gone = |_: &Received| Reply::text(404, "no canary-4711 here");
    let left = refused(gone, "with: {url: 'URL/a/b?t=$TOKEN'}", "GET URL/a/b answered 404").await;
    assert_eq!(left.out(), "no ******* here");
    let (peer, world) = (Peer::plain(gone), World::new());
    for expect in ["404", "[200, 404]", "4xx", "400-410"] {
        let fields = format!("with: {{url: '{}', expect: {expect}}}", peer.url());
        assert_eq!(world.step(&fields).await.failure(), "", "{expect}");
    }
    refused(ok, "with: {url: URL, expect: 404}", "GET URL answered 200").await;
    refused(ok, "with: {url: URL, expect: '$TOKEN'}", "no status").await;
}

#[tokio::test]
async fn a_secret_in_a_path_is_not_shown_however_it_is_encoded() {
    let (peer, world) = (Peer::plain(|_| Reply::text(500, "")), World::new());
    let secrets = "secrets: [{name: TOKEN, provider: said, key: 'ca?na#ry w{r}d'}]";
    let step = format!("{{name: s, type: http, with: {{url: '{}/x/${{TOKEN}}/y'}}}}", peer.url());
    let left = world.run(&format!("{secrets}\nsteps: [{step}]\n")).await;
    assert_eq!(left.failure(), format!("GET {}/x/*******/y answered 500", peer.url()));
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let fields = "with: {url: URL/e, max_bytes: 1000}";
    let left =
        refused(|_| Reply::Endless, fields, "GET URL/e answered with more than 1000 bytes").await;
    assert_eq!(left.out().len(), 1000);
    let fields = "with: {url: URL/e, max_bytes: 1000, output: json}";
    refused(|_| Reply::Endless, fields, "answered with more than 1000 bytes").await;
    let (peer, world) = (Peer::plain(ok), World::new());
    let left = world.step(&format!("with: {{url: '{}', max_bytes: 4}}", peer.url())).await;
    assert_eq!(left.out(), "fine");
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_is_told_without_values() {
    let raw = |text: &'static str| move |_: &Received| Reply::Raw(text.as_bytes().to_vec());
    let fields = "with: {url: 'URL/a?t=$TOKEN', headers: {X: '$TOKEN'}}";
    refused(
        raw("canary-4711 nonsense\r\n\r\n"),
        fields,
        "GET URL/a: `URL` answered with something",
    )
    .await;
    refused(raw(""), fields, "GET URL/a: `URL` closed the connection").await;
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf canary-47";
    refused(raw(half), fields, "GET URL/a closed the connection before all").await;
    let slow = "timeout: 1, url: 'URL/a?t=$TOKEN', headers: {X: '$TOKEN'}";
    refused(|_| Reply::Stall, &format!("with: {{{slow}}}"), "`URL` did not answer in time").await;
    let dead = format!("with: {{url: '{}/a?t=$TOKEN'}}", dead_url());
    refused(ok, &dead, "connection refused").await;
    refused(ok, "with: {url: '$TOKEN'}", "`url` is no URL").await;
    refused(ok, "with: {url: 'ftp://host/$TOKEN'}", "`url` is no URL").await;
    refused(ok, "with: {url: 'http://me:$TOKEN@127.0.0.1/'}", "a user name or a password").await;
    let line = "with: {url: URL, headers: {X: \"a\\nb$TOKEN\"}}";
    refused(ok, line, "the header `x` has a line ending").await;
    refused(ok, "with: {url: URL, method: '${M:-TRACE}'}", "the method is none").await;
}

#[tokio::test]
async fn the_step_ends_when_its_time_is_over() {
    let fields = "timeout_sec: 1, with: {url: URL}";
    let (peer, world) = (Peer::plain(|_| Reply::Stall), World::new());
    let left = world.step(&fields.replace("URL", &peer.url())).await;
    assert_eq!(left.failure(), "timeout_sec passed");
}

#[tokio::test]
async fn bearer_wins_over_basic_and_none_is_no_header() {
    let check = async |file: &str, expected: Option<&str>| {
        let (peer, world) = (Peer::plain(|r: &Received| Reply::text(200, &r.text())), World::new());
        world.write("c.json", file);
        let left =
            world.step(&format!("with: {{url: '{}'}}, credentials_path: c.json", peer.url())).await;
        assert_eq!(left.failure(), "", "{file}");
        assert_eq!(peer.received()[0].header("authorization"), expected, "{file}");
        let all = left.all();
        assert!(!all.contains("canary") && !all.contains("Y2FuYXJ5"), "{all}");
    };
    let basic = "\"basic_auth\": {\"username\": \"me\", \"password\": \"canary-p\"}";
    check("{\"bearer_auth\": \"canary-b\"}", Some("Bearer canary-b")).await;
    check(&format!("{{{basic}}}"), Some("Basic bWU6Y2FuYXJ5LXA=")).await;
    check(&format!("{{\"bearer_auth\": \"canary-b\", {basic}}}"), Some("Bearer canary-b")).await;
    check("{}", None).await;
}

#[tokio::test]
async fn a_file_of_credentials_that_is_none_sends_nothing() {
    for (file, message) in [
        ("{\"bearer_auth\": \"canary-4711", "no JSON object"),
        ("{\"basic_auth\": {\"username\": \"canary-4711\"}}", "password"),
        ("{\"bearer_auth\": \"canary-4711\\nX: y\"}", "control character"),
    ] {
        let (peer, world) = (Peer::plain(ok), World::new());
        world.write("c.json", file);
        let left =
            world.step(&format!("with: {{url: '{}', credentials_path: c.json}}", peer.url())).await;
        assert!(left.failure().contains(message), "{}", left.failure());
        assert!(!left.all().contains(CANARY) && peer.received().is_empty(), "{}", left.all());
    }
    let both = "with: {url: URL, credentials_path: file.json, headers: {Authorization: x}}";
    refused(ok, both, "both the header `authorization` and a file").await;
    let open = "with: {url: 'http://192.0.2.1/', credentials_path: file.json}";
    refused(ok, open, "`http://192.0.2.1` is not encrypted").await;
}

#[tokio::test]
async fn a_file_that_others_read_is_warned_of_and_one_that_they_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let leads = |request: &Received| match request.line.as_str() {
        "GET /a" => Reply::redirect(302, "/b"),
        _ => ok(request),
    };
    let (peer, world) = (Peer::plain(leads), World::new());
    let path = world.write("c.json", "{\"bearer_auth\": \"canary-b\"}");
    let with = format!("url: '{}/a', follow_redirects: true", peer.url());
    let fields = format!("with: {{{with}, credentials_path: c.json}}");
    let with_mode = async |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        world.step(&fields).await
    };
    let left = with_mode(0o644).await;
    assert_eq!(left.failure(), "");
    assert!(left.warnings().iter().any(|told| told.contains("chmod 600")), "{:?}", left.warnings());
    // Once, however often the credential is looked at.
    assert_eq!(left.warnings().len(), 1, "{:?}", left.warnings());
    assert!(with_mode(0o600).await.warnings().is_empty());
    assert!(with_mode(0o666).await.failure().contains("can be changed by every user"));
    assert_eq!(peer.received().len(), 4);
}

#[tokio::test]
async fn what_a_server_gets_anyway_gives_way_to_what_the_step_says() {
    let (peer, other) = (Peer::plain(ok), Peer::plain(ok));
    let world = World::new();
    world.write("own.json", "{\"bearer_auth\": \"own\"}");
    let file = world.write("default.json", "{\"bearer_auth\": \"default\"}");
    let world = world.with_files(&format!("{}={}", peer.url(), file.display()));
    let url = peer.url();
    for fields in [
        format!("with: {{url: '{url}'}}"),
        format!("with: {{url: '{url}', credentials_path: own.json}}"),
        format!("with: {{url: '{url}', headers: {{Authorization: mine}}}}"),
        format!("with: {{url: '{}'}}", other.url()),
    ] {
        assert_eq!(world.step(&fields).await.failure(), "");
    }
    let received = peer.received();
    let headers: Vec<_> = received.iter().map(|one| one.header("authorization").unwrap()).collect();
    assert_eq!(headers, ["Bearer default", "Bearer own", "mine"]);
    assert_eq!(other.received()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_redirect_is_followed_only_if_the_step_says_so() {
    let leads = |request: &Received| match request.line.as_str() {
        "GET /a" => Reply::redirect(302, "/b"),
        _ => ok(request),
    };
    let left =
        refused(leads, "with: {url: URL/a}", "GET URL/a answered 302; it leads to `URL`").await;
    assert!(left.failure().contains("follow_redirects: true"));
    let (peer, world) = (Peer::plain(leads), World::new());
    world.write("c.json", "{\"bearer_auth\": \"canary-b\"}");
    let fields = format!(
        "with: {{url: '{}/a', follow_redirects: true, credentials_path: c.json}}",
        peer.url()
    );
    let left = world.step(&fields).await;
    assert_eq!((left.failure().as_str(), left.out().as_str()), ("", "fine"));
    let seen = peer.received();
    assert!(seen.iter().all(|one| one.header("authorization") == Some("Bearer canary-b")));
    assert_eq!((seen.len(), seen[1].line.as_str()), (2, "GET /b"));
    let round = |_: &Received| Reply::redirect(302, "/a");
    refused(round, "with: {url: URL/a, follow_redirects: true}", "leads on and on").await;
    let nowhere = |_: &Received| Reply::redirect(302, "ftp://canary-4711/");
    refused(nowhere, "with: {url: URL/a, follow_redirects: true}", "something that is no URL")
        .await;
}

#[tokio::test]
async fn another_server_gets_no_credential_no_header_and_no_body() {
    let foreign = Peer::plain(ok);
    let place = format!("{}/landed", foreign.url());
    let world = World::new();
    world.write("c.json", "{\"bearer_auth\": \"canary-4711\"}");
    let to = place.clone();
    let peer = Peer::plain(move |request| {
        Reply::redirect(if request.line.ends_with("307") { 307 } else { 302 }, &to)
    });
    let url = peer.url();
    let follow = "follow_redirects: true";
    let fine = [
        format!("with: {{url: '{url}', {follow}, credentials_path: c.json}}"),
        format!(
            "with: {{url: '{url}', {follow}, headers: {{Authorization: '$TOKEN', X: '$TOKEN'}}}}"
        ),
        format!("with: {{url: '{url}?t=$TOKEN', {follow}, body: '$TOKEN'}}"),
        format!("with: {{url: '{url}/307', {follow}, headers: {{Cookie: '$TOKEN'}}}}"),
    ];
    for fields in &fine {
        let left = world.step(fields).await;
        assert_eq!((left.failure(), left.out().as_str()), (String::new(), "fine"), "{fields}");
    }
    let body = format!("with: {{url: '{url}/307', {follow}, body: '$TOKEN'}}");
    let left = world.step(&body).await;
    assert!(left.failure().contains("wants the body to go to"), "{}", left.failure());
    let seen = foreign.received();
    assert_eq!(seen.len(), fine.len());
    for request in seen {
        assert_eq!(request.line, "GET /landed");
        assert!(!request.text().contains(CANARY), "{}", request.text());
    }
}

#[tokio::test]
async fn what_may_be_repeated_is_and_nothing_else() {
    let count = async |reply: fn() -> Reply, fields: &str| {
        let tries = AtomicUsize::new(0);
        let answers = move |request: &Received| match tries.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => reply(),
            _ => ok(request),
        };
        let (peer, world) = (Peer::plain(answers), World::new());
        let left = world.step(&fields.replace("URL", &peer.url())).await;
        (peer.received().len(), left.failure().is_empty())
    };
    let busy = || Reply::Answer(503, vec!["Retry-After: 0".to_owned()], Vec::new());
    let many = || Reply::Answer(429, vec!["Retry-After: 0".to_owned()], Vec::new());
    assert_eq!(count(busy, "with: {url: URL, retries: 2}").await, (3, true));
    assert_eq!(count(many, "with: {url: URL, retries: 3}").await, (3, true));
    assert_eq!(count(busy, "with: {url: URL, retries: 1}").await, (2, false));
    let later = || Reply::Answer(503, vec!["Retry-After: 301".to_owned()], Vec::new());
    let bounded = "timeout_sec: 30, with: {url: URL, retries: 2}";
    let began = std::time::Instant::now();
    assert_eq!(count(later, bounded).await, (1, false));
    assert!(began.elapsed().as_secs() < 20, "it was not waited for");
    assert_eq!(count(busy, "with: {url: URL}").await, (1, false));
    assert_eq!(count(busy, "with: {url: URL, method: '${M:-POST}', retries: 2}").await, (1, false));
    assert_eq!(count(|| Reply::text(500, ""), "with: {url: URL, retries: 2}").await, (1, false));
    assert_eq!(count(|| Reply::Raw(Vec::new()), "with: {url: URL, retries: 2}").await, (3, true));
}

#[tokio::test]
async fn what_is_told_of_the_status_is_no_output_even_in_one_log() {
    let (peer, world) = (Peer::plain(ok), World::new());
    let step = format!("{{name: s, type: http, with: {{url: '{}'}}, output: OUT}}", peer.url());
    for log_output in ["merged", "separate"] {
        let left = world.run(&format!("log_output: {log_output}\nsteps: [{step}]\n")).await;
        let record = left.record();
        assert_eq!(record["steps"][0]["outputs"][0]["value"], "fine", "{log_output}: {record}");
        assert!(left.all().contains("answered 200 OK"));
    }
}
