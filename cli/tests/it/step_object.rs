//! `object`, `mcp` and `chat` steps of the built program: what they do, and that no credential is shown or sent elsewhere.

use std::fs;
use std::process::Stdio;

use crate::peer::{Peer, Received, Reply, dead_url};
use crate::program::{Ended, Place, SUBROSA};
use crate::step_http;

const CANARY: &str = "canary-4711-hunter2";

fn run(place: &Place, workflow: &str) -> Ended {
    place.write("w.yaml", workflow);
    let mut command = place.command(&["run", "w.yaml", "--follow"]);
    Ended::of(&command.env("SOURCE", CANARY).stdin(Stdio::null()).output().unwrap())
}

/// No output and no file that the program wrote has the canary.
fn clean(place: &Place, ended: &Ended) {
    assert!(!format!("{ended:?}").contains(CANARY), "{ended:?}");
    step_http::clean(&place.home(), &[CANARY]);
}

/// A connection whose secret field is the canary.
fn add(place: &Place, words: &[&str]) {
    let words = [&["connection", "add"], words].concat();
    let ended = place.feed(&words, CANARY.as_bytes());
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn objects_of_a_folder_come_and_go() {
    let place = Place::new();
    place.write("report.csv", "a,b\n");
    let root = place.path().join("store");
    fs::create_dir(&root).unwrap();
    let root = root.display();
    let ended = run(
        &place,
        &format!(
            "type: chain\nsecrets: [{{name: TOKEN, provider: env, key: SOURCE}}]\nsteps:\n\
             - {{action: object.put, with: {{root: '{root}', key: d/r.csv, source: report.csv}}}}\n\
             - {{action: object.put, with: {{root: '{root}', key: d/t, content: 'it is $TOKEN'}}}}\n\
             - {{action: object.get, with: {{root: '{root}', key: d/t}}}}\n\
             - {{action: object.get, with: {{root: '{root}', key: d/r.csv, destination: back.csv}}}}\n\
             - {{action: object.delete, with: {{root: '{root}', key: d/r.csv}}}}\n\
             - {{name: left, action: object.list, with: {{root: '{root}', prefix: d/}}}}\n"
        ),
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("it is *******"), "{ended:?}");
    assert_eq!(fs::read_to_string(place.path().join("back.csv")).unwrap(), "a,b\n");
    let left: Vec<&str> =
        ended.stdout.lines().filter(|line| line.starts_with("left | {")).collect();
    assert!(left.len() == 1 && left[0].contains(r#""key":"d/t""#), "{ended:?}");
    clean(&place, &ended);
}

/// A server of tools that says back what a tool was given.
fn tools(request: &Received) -> Reply {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let result = match body["method"].as_str() {
        Some("initialize") => serde_json::json!({
            "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
            "serverInfo": {"name": "s", "version": "1"},
        }),
        Some("tools/call") => serde_json::json!({
            "content": [{"type": "text", "text": request.text()}],
            "isError": body["params"]["name"] == "fails",
        }),
        _ => return Reply::Answer(202, Vec::new(), Vec::new()),
    };
    let answer = serde_json::json!({"jsonrpc": "2.0", "id": body["id"], "result": result});
    let headers = vec!["Content-Type: application/json".to_owned()];
    Reply::Answer(200, headers, answer.to_string().into_bytes())
}

#[test]
fn a_tool_that_says_everything_back_shows_no_token() {
    let peer = Peer::plain(tools);
    let place = Place::new();
    let base = format!("base_url={}", peer.url());
    add(&place, &["http_bearer", "tools", "--set", &base, "--set", "token=-"]);
    let step = |tool: &str| {
        format!(
            "secrets: [{{name: TOKEN, provider: env, key: SOURCE}}]\n\
             steps: [{{name: a, action: mcp.call, connection: tools,\n\
             \x20 with: {{url: /mcp, tool: {tool}, arguments: {{text: 'given $TOKEN'}}}}}}]\n"
        )
    };
    let ended = run(&place, &step("echo"));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("given *******"), "{ended:?}");
    assert!(ended.stdout.contains("uthorization: Bearer *******"), "{ended:?}");
    clean(&place, &ended);
    let told = peer.received();
    let call = told.iter().find(|request| request.text().contains("tools/call")).unwrap();
    assert_eq!(call.header("authorization"), Some(format!("Bearer {CANARY}").as_str()));
    assert!(call.text().contains(&format!("given {CANARY}")), "{}", call.text());
    let ended = run(&place, &step("fails"));
    assert_eq!(ended.code, 1, "{ended:?}");
    clean(&place, &ended);
}

/// A step of each kind here, with the connection of a type that it is for.
const KINDS: [(&str, &str, &str, &str); 3] = [
    ("http_bearer", "base_url", "token=-", "action: mcp.call, with: {url: /mcp, tool: t}"),
    (
        "openai",
        "base_url",
        "api_key=-",
        "type: chat, with: {model: m, stream: false, messages: [{role: user, content: hi}]}",
    ),
    ("s3", "endpoint", "secret_access_key=-", "action: object.get, with: {bucket: b, key: k}"),
];

/// A server of all three kinds.
fn everything(request: &Received) -> Reply {
    let headers = ["Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT", "ETag: \"e\""];
    match request.line.split(['?', ' ']).nth(1).unwrap() {
        "/mcp" => tools(request),
        "/b/k" => Reply::Answer(200, headers.map(str::to_owned).to_vec(), b"an object".to_vec()),
        _ => {
            Reply::text(200, r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#)
        }
    }
}

/// A connection of a kind, named `here`, to a server.
fn connect(place: &Place, (kind, base, secret): (&str, &str, &str), url: &str) {
    let base = format!("{base}={url}");
    let mut words = vec![kind, "here", "--set", &base, "--set", secret];
    if kind == "s3" {
        words.extend(["--set", "region=r", "--set", "bucket=b", "--set", "access_key_id=K1"]);
    }
    add(place, &words);
}

#[test]
fn whatever_a_server_does_no_credential_is_shown_or_sent_elsewhere() {
    let foreign = Peer::plain(|request: &Received| Reply::text(200, &request.text()));
    let to = foreign.url();
    let echo = |request: &Received| Reply::text(403, &format!("<Code>{}</Code>", request.text()));
    let peers = [
        (Peer::plain(echo), "answered 403"),
        (Peer::plain(|request: &Received| Reply::text(200, &request.text())), ""),
        (Peer::plain(move |_: &Received| Reply::redirect(302, &to)), "answered 302"),
        (
            Peer::plain({
                let to = format!("{}/b/k", foreign.url());
                move |_: &Received| Reply::redirect(307, &to)
            }),
            "answered 307",
        ),
        (Peer::plain(|request: &Received| Reply::Raw(request.text().into_bytes())), "not HTTP"),
        (Peer::plain(|_: &Received| Reply::Endless), " more than "),
        (Peer::plain(|_: &Received| Reply::Stall), "timed out"),
    ];
    let servers = peers.iter().map(|(peer, told)| (peer.url(), *told));
    for (url, told) in servers.chain([(dead_url(), "connection refused")]) {
        for (kind, base, secret, fields) in KINDS {
            let place = Place::new();
            connect(&place, (kind, base, secret), &url);
            // A server that is silent has a second; none of the others takes as long.
            let time = if told == "timed out" { 1 } else { 60 };
            let step = format!("{{name: a, {fields}, connection: here, timeout_sec: {time}}}");
            let ended = run(&place, &format!("steps: [{step}]\n"));
            let told = if told == " more than " && kind == "s3" { "cannot be under" } else { told };
            // What is said back is an object as good as any other.
            let is_fine = told.is_empty() && kind == "s3";
            assert!(ended.code == i32::from(!is_fine), "{kind} {told}: {ended:?}");
            assert!(ended.stdout.contains(told), "{kind} {told}: {ended:?}");
            clean(&place, &ended);
        }
    }
    assert!(foreign.received().is_empty());
    for (peer, told) in &peers {
        let sent =
            peer.received().iter().filter(|one| one.header("authorization").is_some()).count();
        assert!(sent >= KINDS.len(), "{told}: the steps did authenticate");
    }
}

#[test]
fn a_connection_that_changes_in_mid_run_counts_from_the_next_step_on() {
    for (kind, base, secret, fields) in KINDS {
        let (peer, place) = (Peer::plain(everything), Place::new());
        connect(&place, (kind, base, secret), &peer.url());
        let home = place.home().display().to_string();
        let subrosa = |words: &str| format!("SUBROSA_HOME='{home}' '{SUBROSA}' connection {words}");
        let id = if kind == "s3" { "--set access_key_id=K2" } else { "" };
        let edit = format!("printf canary-4712 | {}", subrosa("edit here --set"));
        let step = |name: &str| format!("- {{name: {name}, {fields}, connection: here}}\n");
        let ended = run(
            &place,
            &format!(
                "type: chain\nsteps:\n{}{}- {{name: edit, run: \"{edit} {secret} {id}\"}}\n{}{}\
                 - {{name: disable, run: \"{}\"}}\n{}",
                step("a"),
                step("b"),
                step("c"),
                step("d"),
                subrosa("disable here"),
                step("e")
            ),
        );
        assert!(ended.stdout.contains("disabled"), "{kind}: {ended:?}");
        assert!(!format!("{ended:?}").contains("canary-4712"), "{ended:?}");
        clean(&place, &ended);
        let steps = step_http::steps(&place.home().join("runs"));
        let of = |name: &str| steps.iter().find(|step| step["name"] == name).unwrap();
        let opened = ["a", "b", "c", "d"].map(|name| of(name)["clients"][0]["opened"].as_u64());
        assert_eq!(opened, [Some(1), Some(0), Some(1), Some(0)], "{kind}");
        assert_eq!(of("e")["status"], "failed", "{kind}");
        let mut seen: Vec<String> = peer
            .received()
            .iter()
            .map(|one| one.header("authorization").unwrap())
            .map(|text| text.split('/').next().unwrap().to_owned())
            .collect();
        seen.dedup();
        let expected = match kind {
            "s3" => ["AWS4-HMAC-SHA256 Credential=K1", "AWS4-HMAC-SHA256 Credential=K2"],
            _ => [&*format!("Bearer {CANARY}"), "Bearer canary-4712"],
        };
        assert_eq!(seen, expected, "{kind}");
    }
}

#[test]
fn validate_and_schema_know_the_kinds() {
    let place = Place::new();
    place.write("w.yaml", "steps: [{action: object.get, with: {root: /x, kye: a}}]\n");
    let ended = place.run(&["validate", "w.yaml"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("did you mean `key`"), "{ended:?}");
    place.write("w.yaml", "steps: [{action: mcp.call, with: {command: x, args: []}}]\n");
    let ended = place.run(&["validate", "w.yaml"]);
    assert!(ended.code == 3 && ended.stderr.contains("`tool`"), "{ended:?}");
    let schema = place.run(&["schema"]).stdout;
    assert!(schema.contains("with_object") && schema.contains("with_mcp"));
}
