//! Servers of the Model Context Protocol that are as wrong as servers are; `mcp_real` has a right one.

use std::fs;
use std::sync::Arc;

use subrosa_engine::source::SourceFile;
use subrosa_executors::KINDS;

use crate::kept::Kept;
use crate::peer::{Peer, Received, Reply, dead_url};
use crate::world::{Left, World};

const CANARY: &str = "canary-4711";
const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}"#;

/// Runs a step of `type: mcp`, named `s`; `fields` are those of the step, in flow style.
async fn step(world: &World, fields: &str) -> Left {
    let secrets = "secrets: [{name: TOKEN, provider: said, key: canary-4711}]";
    world.run(&format!("{secrets}\nsteps:\n  - {{name: s, {fields}}}\n")).await
}

/// A step whose server is a shell script. No secret is in what it left.
async fn scripted(script: &str, with: &str) -> Left {
    let world = World::new();
    world.write(
        "server.sh",
        &script.replace(
            "HELLO",
            &format!("read -r a; printf '%s\\n' '{HELLO}'; read -r b; read -r c"),
        ),
    );
    let fields = format!(
        "type: mcp, with: {{command: sh, args: [server.sh], env: {{T: $TOKEN}}, tool: t, \
         arguments: {{a: $TOKEN}}, {with}}}"
    );
    let left = step(&world, &fields).await;
    assert!(!left.all().contains(CANARY), "{script}: {}", left.all());
    left
}

async fn answers(script: &str, with: &str, expected: &str) -> Left {
    let left = scripted(script, with).await;
    assert_eq!((left.failure().as_str(), left.out().as_str()), ("", expected), "{}", left.err());
    left
}

async fn refused(script: &str, with: &str, message: &str) -> Left {
    let left = scripted(script, with).await;
    let found = left.failure();
    assert!(found.contains(message) && !message.is_empty(), "{script}: {found}");
    left
}

fn result(result: &str) -> String {
    format!("HELLO; printf '%s\\n' '{{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{result}}}'")
}

#[tokio::test]
async fn what_a_tool_gives_is_output() {
    let texts =
        r#"{"content":[{"type":"text","text":"a canary-4711"},{"type":"text","text":"b\n"}]}"#;
    answers(&result(texts), "", "a *******\nb\n").await;
    answers(
        &result(texts),
        "output: json",
        concat!(r#"[{"type":"text","text":"a *******"},{"type":"text","text":"b\n"}]"#, "\n"),
    )
    .await;
    let both =
        r#"{"content":[{"type":"text","text":"x"}],"structuredContent":{"k":"canary-4711\""}}"#;
    answers(&result(both), "output: json", "{\"k\":\"*******\\\"\"}\n").await;
    answers(&result(both), "", "x\n").await;
    let image = r#"{"content":[{"type":"image","data":"eA==","mimeType":"image/png"}]}"#;
    let left = answers(&result(image), "", "").await;
    assert!(left.err().contains("left out: image"), "{}", left.err());
    answers(&result("{\"content\":[]}"), "", "").await;
}

#[tokio::test]
async fn a_server_gets_what_the_step_says() {
    let script = "read -r a; printf '%s\\n' \"$a\" > in; echo 'HI'; read -r b; printf '%s\\n' \"$b\" >> in; read -r c; printf '%s\\n' \"$c\" >> in; \
                  echo '{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"content\":[]}}'";
    let world = World::new();
    world.write("server.sh", &script.replace("HI", HELLO));
    let with = "command: [sh, server.sh], tool: 'a \"tool\"', arguments: {a: ['$TOKEN', 1, true]}";
    let left = step(&world, &format!("action: mcp.call, with: {{{with}}}")).await;
    assert_eq!(left.failure(), "");
    let sent = fs::read_to_string(world.path("in")).unwrap();
    let lines: Vec<serde_json::Value> =
        sent.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["method"], "initialize");
    assert_eq!(lines[0]["params"]["clientInfo"]["name"], "subrosa");
    assert_eq!(lines[1]["method"], "notifications/initialized");
    let params = serde_json::json!({"name": "a \"tool\"", "arguments": {"a": [CANARY, 1, true]}});
    assert_eq!(lines[2]["params"], params);
    let json = with.replace("{a: ['$TOKEN', 1, true]}", "\"{\\\"b\\\":\\n 1}\"");
    step(&world, &format!("action: mcp.call, with: {{{json}}}")).await;
    let sent = fs::read_to_string(world.path("in")).unwrap();
    assert!(sent.contains("\"arguments\":{\"b\":  1}"), "{sent}");
}

#[tokio::test]
async fn a_server_that_asks_is_replied_to() {
    let script = "HELLO; echo '{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}'; read d; \
                  case $d in *'\"id\":\"p\",\"result\":{}'*) ;; *) exit 1;; esac; \
                  echo '{\"method\":\"notifications/progress\"}'; echo; \
                  echo '{\"id\":2,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"ok\"}]}}'";
    answers(script, "", "ok\n").await;
}

#[tokio::test]
async fn what_goes_wrong_at_a_program_is_told_without_what_it_said() {
    let said = r#"{"content":[{"type":"text","text":"no canary-4711"}],"isError":true}"#;
    let left =
        refused(&result(said), "", "the tool `t` of the server `sh` says that it failed").await;
    assert_eq!((left.out().as_str(), left.err().as_str()), ("", "no *******\n"));
    let error = "HELLO; echo '{\"id\":2,\"error\":{\"code\":-32602,\"message\":\"canary-4711\"}}'";
    let left = refused(error, "", "answered with the error -32602").await;
    assert_eq!(left.err(), "*******\n");
    let ended = "HELLO; echo \"last words $T\" >&2; exit 3";
    let left = refused(ended, "", "ended with the exit code 3 before it answered").await;
    assert_eq!(left.err(), "last words *******\n");
    refused("HELLO; echo 'canary-4711 {'", "", "something that is no message").await;
    refused(&result("{\"content\":7}"), "", "no answer of the protocol").await;
    let deep = format!("{{\"structuredContent\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    refused(&result(&deep), "output: json", "no answer of the protocol").await;
    refused("HELLO; while :; do printf 'canary-4711'; done", "max_bytes: 10000", "more than 10000")
        .await;
    refused("HELLO; sleep 100", "timeout: 1", "did not answer in time").await;
    refused("exec <&-; sleep 100", "timeout: 1", "did not answer in time").await;
    let version = HELLO.replace("2025-06-18", "canary-4711");
    refused(&format!("read a; echo '{version}'"), "", "another version of the protocol").await;
    let world = World::new();
    for (with, message) in [
        ("command: nowhere-4712, tool: t", "cannot start the server `nowhere-4712`"),
        ("command: sh, args: [$TOKEN], tool: t", "`args` has a secret in it"),
        ("command: sh, tool: t, arguments: '[1]'", "`arguments` is no mapping"),
        ("command: sh, tool: t, env: {'A=B': x}", "a variable in `env` cannot be one"),
    ] {
        let left = step(&world, &format!("type: mcp, with: {{{with}}}")).await;
        assert!(left.failure().contains(message), "{with}: {}", left.failure());
        assert!(!left.all().contains(CANARY), "{with}");
    }
}

#[tokio::test]
async fn no_process_of_a_server_outlives_the_step() {
    for (fields, script) in [
        ("timeout_sec: 1", "trap '' TERM; sleep 1000 & echo $! > pid; HELLO; wait; sleep 1000"),
        ("timeout_sec: 60", "sleep 1000 & echo $! > pid; HELLO; exit 1"),
    ] {
        let world = World::new();
        let hello = format!("read -r a; printf '%s\\n' '{HELLO}'; read -r b; read -r c");
        world.write("server.sh", &script.replace("HELLO", &hello));
        let with = "command: sh, args: [server.sh], tool: t";
        let left = step(&world, &format!("type: mcp, {fields}, with: {{{with}}}")).await;
        assert!(!left.failure().is_empty());
        let id = fs::read_to_string(world.path("pid")).unwrap();
        // Killed, it may take a moment to end, and may still wait to be taken note of.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while fs::read_to_string(format!("/proc/{}/status", id.trim()))
            .is_ok_and(|text| !text.contains("State:\tZ"))
        {
            assert!(std::time::Instant::now() < until, "{fields}: {id} is still there");
            tokio::task::yield_now().await;
        }
    }
}

/// A server over HTTP that shakes hands and answers a call so.
fn over_http(call: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Peer {
    Peer::plain(move |request| {
        let body = String::from_utf8_lossy(&request.body);
        let session = vec!["Mcp-Session-Id: session-canary-4711-x".to_owned()];
        if body.contains("\"initialize\"") {
            return Reply::Answer(200, session, HELLO.as_bytes().to_vec());
        }
        match body.contains("tools/call") {
            true => call(request),
            false => Reply::Answer(202, Vec::new(), Vec::new()),
        }
    })
}

const REMOTE: &str = "type: mcp, with: {url: URL/mcp, tool: t, headers: {X-Key: $TOKEN}, \
                      arguments: {a: $TOKEN}, credentials_path: c.json}";

async fn remote(
    call: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    fields: &str,
) -> (Left, Vec<Received>) {
    let (peer, world) = (over_http(call), World::new());
    world.write("c.json", "{\"bearer_auth\": \"canary-4711-file\"}");
    let left = step(&world, &fields.replace("URL", &peer.url())).await;
    assert!(!left.all().contains(CANARY), "{}", left.all());
    (left, peer.received())
}

fn events(data: &str) -> Reply {
    let headers = vec!["Content-Type: text/event-stream".to_owned()];
    Reply::Answer(200, headers, data.as_bytes().to_vec())
}

#[tokio::test]
async fn a_session_over_http_is_one_from_its_beginning_to_its_end() {
    let answer = r#"{"id":2,"result":{"content":[{"type":"text","text":"canary-4711 session-canary-4711-x"}]}}"#;
    let streamed =
        format!(": hi\n\nevent: message\ndata: {{\"method\":\"n\"}}\n\ndata: {answer}\n\n");
    for reply in [answer.to_owned(), streamed] {
        let call = move |_: &Received| match reply.starts_with('{') {
            true => Reply::text(200, &reply),
            false => events(&reply),
        };
        let (left, seen) = remote(call, REMOTE).await;
        assert_eq!((left.failure().as_str(), left.out().as_str()), ("", "******* *******\n"));
        let lines: Vec<&str> = seen.iter().map(|one| one.line.as_str()).collect();
        assert_eq!(lines, ["POST /mcp", "POST /mcp", "POST /mcp", "DELETE /mcp"]);
        for (index, request) in seen.iter().enumerate() {
            assert_eq!(request.header("authorization"), Some("Bearer canary-4711-file"));
            assert_eq!(request.header("x-key"), Some(CANARY));
            let session = (index > 0).then_some("session-canary-4711-x");
            assert_eq!(request.header("mcp-session-id"), session);
            let version = (index > 0).then_some("2025-06-18");
            assert_eq!(request.header("mcp-protocol-version"), version);
        }
        assert!(
            String::from_utf8_lossy(&seen[2].body)
                .contains("\"arguments\":{\"a\":\"canary-4711\"}")
        );
    }
}

#[tokio::test]
async fn what_goes_wrong_over_http_is_told_without_what_it_said() {
    let check = async |call: fn(&Received) -> Reply, fields: &str, message: &str| {
        let (left, seen) = remote(call, fields).await;
        assert!(left.failure().contains(message), "{fields}: {}", left.failure());
        let goodbye = seen.last().map(|request| request.line.as_str());
        assert_eq!(goodbye, Some("DELETE /mcp"), "{message}");
    };
    check(|_| Reply::text(401, "canary-4711"), REMOTE, "answered 401").await;
    check(|_| Reply::redirect(307, "http://canary-4711/"), REMOTE, "answered 307").await;
    check(|_| Reply::text(200, "canary-4711"), REMOTE, "no message of the protocol").await;
    check(|_| events("data: canary-4711\n\n"), REMOTE, "no message of the protocol").await;
    check(|_| events("data: {\"method\":\"n\"}\n\n"), REMOTE, "closed the connection").await;
    check(|_| Reply::Raw(b"canary-4711\r\n\r\n".to_vec()), REMOTE, "not HTTP").await;
    let small = REMOTE.replace("tool: t", "tool: t, max_bytes: 1000");
    check(|_| Reply::Endless, &small, "more than 1000 bytes").await;
    let slow = REMOTE.replace("tool: t", "tool: t, timeout: 1");
    check(|_| Reply::Stall, &slow, "did not answer in time").await;
    let stopped = REMOTE.replace("type: mcp", "type: mcp, timeout_sec: 1");
    check(|_| Reply::Stall, &stopped, "timeout_sec passed").await;
    for (url, message) in [
        (dead_url(), "connection refused"),
        ("ftp://x".to_owned(), "`url` is no URL"),
        ("http://a:$TOKEN@127.0.0.1".to_owned(), "a user name or a password"),
        ("http://192.0.2.1".to_owned(), "not encrypted"),
    ] {
        let (left, _) = remote(|_| Reply::Stall, &REMOTE.replace("URL/mcp", &url)).await;
        assert!(left.failure().contains(message), "{url}: {}", left.failure());
    }
}

#[tokio::test]
async fn a_call_that_is_stopped_is_called_off() {
    let stopped = REMOTE.replace("type: mcp", "type: mcp, timeout_sec: 1");
    let (left, seen) = remote(|_| Reply::Stall, &stopped).await;
    assert_eq!(left.failure(), "timeout_sec passed");
    let body = String::from_utf8_lossy(&seen[3].body).into_owned();
    assert!(body.contains("notifications/cancelled") && body.contains("\"requestId\":2"), "{body}");
}

#[tokio::test]
async fn a_redirect_takes_nothing_along() {
    let foreign = Peer::plain(|_| Reply::text(200, "landed"));
    for status in [301, 302, 303, 307, 308] {
        let to = foreign.url();
        let (left, _) = remote(move |_| Reply::redirect(status, &to), REMOTE).await;
        assert!(left.failure().contains(&format!("answered {status}")), "{}", left.failure());
    }
    assert!(foreign.received().is_empty());
}

#[tokio::test]
async fn a_connection_goes_to_its_own_server() {
    let call = |_: &Received| Reply::text(200, r#"{"id":2,"result":{"content":[]}}"#);
    for (kind, public, secret, expected) in [
        ("http_bearer", None, "token", "Bearer canary-4711"),
        ("http_basic", Some(("username", "me")), "password", "Basic bWU6Y2FuYXJ5LTQ3MTE="),
    ] {
        let peer = over_http(call);
        let url = peer.url();
        let fields: Vec<_> =
            [Some(("base_url", url.as_str())), public].into_iter().flatten().collect();
        let kept = Kept::new(kind, &fields, &[(secret, CANARY)]);
        let world = World::new().with_connection(kept);
        let fields = "type: mcp, connection: here, with: {tool: t, url";
        let left = step(&world, &format!("{fields}: /mcp}}")).await;
        assert_eq!(left.failure(), "", "{kind}");
        assert!(!left.all().contains(CANARY) && !left.all().contains("Y2FuYXJ5"), "{kind}");
        let seen = peer.received();
        assert!(seen.iter().all(|one| one.header("authorization") == Some(expected)), "{seen:?}");
        let left = step(&world, &format!("{fields}: 'https://other.example/mcp'}}")).await;
        assert!(left.failure().contains("does not belong"), "{}", left.failure());
        assert_eq!(peer.received().len(), seen.len());
    }
}

/// The first thing that is wrong with a step, or nothing.
fn wrong(with: &str) -> String {
    let text = format!("steps: [{{name: s, {with}}}]\n");
    let source = Arc::new(SourceFile::new("w.yaml", text.as_str()));
    let found = subrosa_engine::validate(source, KINDS).diagnostics;
    found.first().map(|problem| problem.message.clone()).unwrap_or_default()
}

#[test]
fn what_is_wrong_with_a_step_is_told_before_it_runs() {
    for (step, expected) in [
        ("type: mcp, with: {command: s, tool: t}", ""),
        ("action: mcp.list_tools, with: {url: u}", ""),
        ("type: mcp_tool, with: {url: u, tool: t, arguments: '$X'}", ""),
        ("type: mcp, with: {tool: t}", "an `mcp` step without a server"),
        ("type: mcp, with: {command: s, url: u, tool: t}", "both `command` and `url`"),
        ("type: mcp, with: {command: s}", "an `mcp` step without a `tool`"),
        ("type: mcp, with: {command: s, tool: t, headers: {a: b}}", "`headers` beside `command`"),
        ("type: mcp, with: {url: u, tool: t, args: [a]}", "`args` beside `url`"),
        ("action: mcp.list_tools, with: {url: u, tool: t}", "`tool` in a step that lists tools"),
        ("type: mcp, with: {url: u, tool: t, arguments: [1]}", "`arguments` is no mapping"),
        (
            "type: mcp, connection: c, with: {command: s, tool: t}",
            "a credential for a server that is started",
        ),
        (
            "type: mcp, connection: c, credentials_path: p, with: {url: s, tool: t}",
            "both `connection` and `credentials_path`",
        ),
        ("type: mcp, with: {url: s, tool: t, skip_tls_verify: true}", "`skip_tls_verify` would"),
    ] {
        let found = wrong(step);
        assert!(
            found.starts_with(expected) && found.is_empty() == expected.is_empty(),
            "{step}: {found}"
        );
    }
}
