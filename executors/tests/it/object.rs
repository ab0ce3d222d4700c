//! Objects in a folder, and in stores that are as wrong as servers are.

use std::fs;
use std::sync::Arc;

use subrosa_engine::source::SourceFile;
use subrosa_executors::KINDS;

use crate::http_tls::{Authority, encrypted, params};
use crate::peer::{Peer, Received, Reply, dead_url};
use crate::world::{Left, World};

const CANARY: &str = "canary-4711";

/// Runs a step of `type: object`, named `s`; `fields` are those of the step, in flow style.
async fn step(world: &World, fields: &str) -> Left {
    let secrets = "secrets: [{name: TOKEN, provider: said, key: canary-4711}]";
    world.run(&format!("{secrets}\nsteps:\n  - {{name: s, {fields}}}\n")).await
}

/// A folder as a store, with some objects.
fn stocked() -> World {
    let world = World::new();
    for (name, content) in [("a.txt", "first"), ("logs/2024-a", "x"), ("logs/2024-b/c", "yy")] {
        let path = world.path("store").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    world
}

async fn check(fields: &str, expected: &str) {
    let left = step(&stocked(), fields).await;
    assert_eq!(left.failure(), "", "{fields}");
    assert_eq!(keys(&left.out()), expected, "{fields}: {}", left.out());
}

/// The keys and prefixes in lines of JSON, or the text itself.
fn keys(out: &str) -> String {
    let mut found: Vec<String> = Vec::new();
    for line in out.lines() {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
            return out.to_owned();
        };
        let name = line.get("key").or_else(|| line.get("prefix")).unwrap();
        found.push(name.as_str().unwrap().to_owned());
    }
    found.sort();
    found.join(" ")
}

#[tokio::test]
async fn a_folder_is_a_store() {
    check("action: object.get, with: {root: store, key: a.txt}", "first").await;
    check("type: object, with: {root: store, key: /a.txt}, command: download", "first").await;
    check("type: s3, with: {store: local, root: store, operation: get, key: a.txt}", "first").await;
    check("action: object.head, with: {root: store, key: logs/2024-a}", "logs/2024-a").await;
    let all = "a.txt logs/2024-a logs/2024-b/c";
    check("action: object.list, with: {root: store}", all).await;
    let logs = "logs/2024-a logs/2024-b/c";
    check("action: object.list, with: {root: store, prefix: logs/}", logs).await;
    check("action: object.list, with: {root: store, prefix: logs/2024-b}", "logs/2024-b/c").await;
    let shallow = "action: object.list, with: {root: store, prefix: logs/, recursive: false}";
    check(shallow, "logs/2024-a logs/2024-b/").await;
    check("action: object.list, with: {root: store, prefix: none}", "").await;
    let one = "action: object.list, with: {root: store, prefix: logs/2024-a, max_keys: 1}";
    check(one, "logs/2024-a").await;
}

#[tokio::test]
async fn what_is_stored_is_fetched() {
    let world = stocked();
    world.write("in.txt", "from a file");
    for (with, content) in [
        ("source: in.txt", "from a file"),
        ("content: 'text ${TOKEN}'", "text canary-4711"),
        ("json: {a: ['$TOKEN', 1]}", "{\"a\":[\"canary-4711\",1]}"),
    ] {
        let left =
            step(&world, &format!("action: object.put, with: {{root: store, key: n/k, {with}}}"))
                .await;
        assert_eq!(left.failure(), "", "{with}");
        assert_eq!(keys(&left.out()), "n/k");
        assert_eq!(fs::read_to_string(world.path("store/n/k")).unwrap(), content);
        assert!(!left.all().contains(CANARY), "{}", left.all());
        let fields = "action: object.get, with: {root: store, key: n/k, destination: out/k}";
        let left = step(&world, fields).await;
        assert_eq!(left.failure(), "", "{with}");
        assert_eq!(fs::read_to_string(world.path("out/k")).unwrap(), content);
        assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 1);
        let left = step(&world, "action: object.get, with: {root: store, key: n/k}").await;
        assert_eq!(left.out(), content.replace(CANARY, "*******"));
    }
    let fields = "action: object.get, with: {root: store, key: n/k, destination: out/}";
    step(&world, fields).await;
    assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 1);
    let absent = "action: object.put, with: {root: store, key: n/k, content: x, if_absent: true}";
    let left = step(&world, absent).await;
    assert!(left.failure().contains("there is such an object already"), "{}", left.failure());
}

#[tokio::test]
async fn deleting_twice_is_as_good_as_once() {
    let world = stocked();
    let fields = "action: object.delete, with: {root: store, key: a.txt}";
    for told in ["", "there was no such object"] {
        let left = step(&world, fields).await;
        assert_eq!((left.failure().as_str(), keys(&left.out()).as_str()), ("", "a.txt"));
        assert!(left.err().contains(told) && left.err().is_empty() == told.is_empty());
    }
    let left = step(&world, "action: object.delete, with: {root: store, prefix: logs/2024-}").await;
    assert_eq!(keys(&left.out()), "logs/2024-a logs/2024-b/c");
    assert!(!world.path("store/logs/2024-a").exists());
}

#[tokio::test]
async fn what_cannot_be_done_is_told() {
    for (fields, message) in [
        ("action: object.get, with: {root: store, key: none}", "none: there is no such object"),
        ("action: object.get, with: {root: store, key: ../x}", "no name of an object"),
        ("action: object.get, with: {root: store, key: 'a//b'}", "no name of an object"),
        ("action: object.get, with: {root: nowhere, key: a}", "cannot be used"),
        ("action: object.get, with: {store: local, key: a}", "without `root`"),
        ("action: object.get, with: {root: store, key: a.txt, max_bytes: 4}", "more than 4 bytes"),
        (
            "action: object.get, with: {root: store, key: a.txt, destination: store/a.txt/b}",
            "cannot write",
        ),
        ("action: object.put, with: {root: store, key: a, source: none}", "cannot read the file"),
        ("action: object.put, with: {root: store, key: a, source: store}", "no regular file"),
        ("action: object.delete, with: {root: store, prefix: '/'}", "the whole bucket"),
        ("action: object.get, with: {key: a}", "in which bucket"),
        ("action: object.get, with: {bucket: 'a/b', key: a}", "no name of a bucket"),
        (
            "action: object.get, with: {bucket: b, key: a, endpoint: 'ftp://h'}",
            "`endpoint` is no URL",
        ),
        ("action: object.get, with: {store: azure, bucket: b, key: a}", "without `account`"),
        (
            "action: object.get, with: {bucket: b, key: a, endpoint: 'http://192.0.2.1', \
             access_key_id: A, secret_access_key: $TOKEN}",
            "`endpoint` is no URL",
        ),
    ] {
        let left = step(&stocked(), fields).await;
        assert!(left.failure().contains(message), "{fields}: {}", left.failure());
        assert!(!left.all().contains(CANARY), "{fields}");
    }
}

const SIGNED: &str = "bucket: b, endpoint: URL, access_key_id: AKIDX, secret_access_key: $TOKEN";

/// A step against a server that answers so, with the canary as its key, and what it failed with.
async fn against(
    answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    fields: &str,
) -> (Left, Vec<Received>) {
    let (peer, world) = (Peer::plain(answers), World::new());
    let fields = fields.replace("SIGNED", SIGNED).replace("URL", &peer.url());
    let left = step(&world, &fields).await;
    let received = peer.received();
    let seen = received.iter().map(Received::text).collect::<String>();
    // A key signs; it is not sent.
    for text in [left.all(), seen] {
        assert!(!text.contains(CANARY), "{fields}: {text}");
    }
    assert!(!left.all().contains("Signature="), "{fields}");
    assert!(!world.path("out").exists(), "{fields}");
    (left, received)
}

async fn refused(
    answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    fields: &str,
    message: &str,
) {
    let (left, _) = against(answers, fields).await;
    assert!(left.failure().contains(message), "{fields}: {}", left.failure());
}

#[tokio::test]
async fn what_goes_wrong_at_a_server_is_told_without_what_it_said() {
    let get = "action: object.get, with: {SIGNED, key: k, retries: 0, destination: out}";
    let body = |status, code: &str| {
        let text = format!("<Error><Code>{code}</Code><Message>canary-4711</Message></Error>");
        move |_: &Received| Reply::text(status, &text)
    };
    refused(body(403, "SignatureDoesNotMatch"), get, "answered 403 (`SignatureDoesNotMatch`)")
        .await;
    refused(body(404, "NoSuchKey"), get, "get s3://b/k: `http://127").await;
    refused(body(400, "canary-4711"), get, "answered 400").await;
    refused(|_| Reply::redirect(302, "http://canary-4711/?canary-4711"), get, "answered 302").await;
    let raw = |text: &'static str| move |_: &Received| Reply::Raw(text.as_bytes().to_vec());
    refused(raw("canary-4711\r\n\r\n"), get, "something that is not HTTP").await;
    refused(raw(""), get, "closed the connection").await;
    let half = "HTTP/1.1 200 OK\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
                ETag: \"x\"\r\nContent-Length: 100\r\n\r\nhalf canary-47";
    refused(raw(half), get, "closed the connection").await;
    let slow = "action: object.get, with: {SIGNED, key: k, retries: 0, timeout: 1}";
    refused(|_| Reply::Stall, slow, "did not answer in time").await;
    let list = "action: object.list, with: {SIGNED, retries: 0}";
    refused(|_| Reply::Endless, list, "more than 16 MiB").await;
    refused(|_| Reply::text(200, "<canary-4711"), list, "cannot be understood").await;
    let dead = "action: object.list, with: {SIGNED, retries: 0}";
    let dead = dead.replace("SIGNED", &SIGNED.replace("URL", &dead_url()));
    let left = step(&World::new(), &dead).await;
    assert!(left.failure().contains("connection refused"), "{}", left.failure());
    let put = "action: object.put, with: {SIGNED, key: k, content: $TOKEN-x, retries: 0}";
    let (peer, world) = (Peer::plain(body(500, "x")), World::new());
    let fields = put.replace("SIGNED", SIGNED).replace("URL", &peer.url());
    let left = step(&world, &fields).await;
    assert!(left.failure().contains("answered 500"), "{}", left.failure());
    assert!(!left.all().contains(CANARY));
}

#[tokio::test]
async fn a_redirect_takes_nothing_along() {
    let foreign = Peer::plain(|_| Reply::text(200, "landed"));
    let place = format!("{}/landed", foreign.url());
    for status in [301, 302, 303, 307, 308] {
        let to = place.clone();
        let get = "action: object.get, with: {SIGNED, key: k, retries: 0}";
        let leads = move |_: &Received| Reply::redirect(status, &to);
        refused(leads, get, &format!("answered {status}")).await;
    }
    assert!(foreign.received().is_empty());
}

#[tokio::test]
async fn requests_are_signed_with_all_their_headers() {
    let fields = "action: object.put, with: {SIGNED, key: 'a b/c%d', content: x, metadata: {n: v}, \
                  session_token: s-$TOKEN-s, content_type: text/plain}";
    let (peer, world) = (
        Peer::plain(|_| Reply::Answer(200, vec!["ETag: \"e\"".to_owned()], Vec::new())),
        World::new(),
    );
    let fields = fields.replace("SIGNED", SIGNED).replace("URL", &peer.url());
    let left = step(&world, &fields).await;
    assert_eq!(left.failure(), "");
    assert!(!left.all().contains(CANARY));
    let request = peer.received().remove(0);
    assert_eq!(request.line, "PUT /b/a%20b/c%25d");
    let header = request.header("authorization").unwrap();
    let names = "host;x-amz-content-sha256;x-amz-date;x-amz-meta-n;x-amz-security-token";
    assert!(header.contains(&format!("SignedHeaders={names}, ")), "{header}");
    assert!(header.contains("Credential=AKIDX/"), "{header}");
    assert_eq!(request.header("content-type"), Some("text/plain"));
    let anonymous =
        format!("action: object.get, with: {{bucket: b, key: k, endpoint: '{}'}}", peer.url());
    step(&world, &anonymous).await;
    assert_eq!(peer.received()[1].header("authorization"), None);
}

#[tokio::test]
async fn the_step_ends_when_its_time_is_over() {
    let fields = "action: object.get, timeout_sec: 1, with: {SIGNED, key: k, destination: out}";
    refused(|_| Reply::Stall, fields, "timeout_sec passed").await;
}

/// What a server does that takes uploads in parts, up to a part of which this is the answer.
fn in_parts(part: fn() -> Reply) -> impl Fn(&Received) -> Reply + Send + Sync + 'static {
    let begun =
        "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>";
    move |request: &Received| match request.line.as_str() {
        "POST /b/k?uploads=" | "POST /b/k?uploads" => Reply::text(200, begun),
        "DELETE /b/k?uploadId=u1" => Reply::Answer(204, Vec::new(), Vec::new()),
        line if line.contains("partNumber=2") => part(),
        _ => Reply::Answer(200, vec!["ETag: \"e\"".to_owned()], Vec::new()),
    }
}

#[tokio::test]
async fn an_upload_that_does_not_become_whole_is_taken_back() {
    for (part, fields, message) in [
        ((|| Reply::text(403, "no canary-4711")) as fn() -> Reply, "", "answered 403"),
        (|| Reply::Stall, ", timeout_sec: 1", "timeout_sec passed"),
    ] {
        let (peer, world) = (Peer::plain(in_parts(part)), World::new());
        fs::write(world.path("large"), vec![7; 20_000_000]).unwrap();
        let step_fields = format!(
            "action: object.put, with: {{{}, key: k, source: large, retries: 0}}{fields}",
            SIGNED.replace("URL", &peer.url())
        );
        let left = step(&world, &step_fields).await;
        assert!(left.failure().contains(message), "{}", left.failure());
        assert!(!left.all().contains(CANARY));
        let lines: Vec<String> = peer.received().into_iter().map(|one| one.line).collect();
        assert!(lines.contains(&"DELETE /b/k?uploadId=u1".to_owned()), "{lines:?}");
        assert!(!lines.iter().any(|line| line == "POST /b/k?uploadId=u1"), "{lines:?}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_not_taken_for_a_missing_object() {
    let delete = "action: object.delete, with: {SIGNED, key: k, retries: 0}";
    let body = |code: &str| format!("<Error><Code>{code}</Code></Error>");
    let (no_bucket, no_key) = (body("NoSuchBucket"), body("NoSuchKey"));
    refused(move |_| Reply::text(404, &no_bucket), delete, "404 (`NoSuchBucket`)").await;
    let (left, _) = against(move |_| Reply::text(404, &no_key), delete).await;
    assert_eq!(left.failure(), "");
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
        ("action: object.get, with: {key: k}", ""),
        ("type: s3, command: upload, with: {key: k, source: f, contentType: t}", ""),
        ("executor: {type: s3, config: {bucket: b, forcePathStyle: true}}, command: list", ""),
        ("type: s3, command: list, with: {forcePathStyle: false}", "`force_path_style: false`"),
        ("type: object, with: {key: k}", "an `object` step without an operation"),
        ("type: object, command: move, with: {key: k}", "`move` is no operation"),
        ("action: object.get, command: get, with: {key: k}", "the operation is given twice"),
        ("action: object.get, with: {prefix: k}", "`get` of an object without `key`"),
        ("action: object.put, with: {key: k}", "`put` of an object without content"),
        (
            "action: object.put, with: {key: k, source: a, content: b}",
            "both `source` and `content`",
        ),
        ("action: object.get, with: {key: k, source: a}", "`source` in a step that stores nothing"),
        ("action: object.list, with: {key: k}", "`key` in a step that lists objects"),
        ("action: object.delete, with: {key: k, prefix: p}", "both `key` and `prefix`"),
        ("action: object.delete", "`delete` of an object without `key` or `prefix`"),
        (
            "action: object.get, connection: c, with: {key: k, access_key_id: a}",
            "both `connection` and `access_key_id`",
        ),
        ("action: object.get, with: {key: k, disableSSL: true}", "`disableSSL` would"),
        ("action: object.get, credentials_path: c, with: {key: k}", ""),
        (
            "action: object.get, credentials_path: c, connection: d, with: {key: k}",
            "both `connection` and `credentials_path`",
        ),
        (
            "action: object.get, credentials_path: c, with: {key: k, account_key: a}",
            "both `credentials_path` and `account_key`",
        ),
    ] {
        let found = wrong(step);
        assert!(
            found.starts_with(expected) && found.is_empty() == expected.is_empty(),
            "{step}: {found}"
        );
    }
}

#[tokio::test]
async fn servers_are_trusted_by_the_authority_that_is_named_and_sent_nothing_otherwise() {
    let (authority, world) = (Authority::new(), World::new());
    world.write("ca.pem", &authority.pem);
    world.write("c.json", "{\"bearer_auth\": \"canary-4711\"}");
    let peer = encrypted(authority.server(&params("127.0.0.1")));
    let object = SIGNED.replace("URL", &peer.url());
    let put = format!("action: object.put, with: {{{object}, key: k, content: x, retries: 0");
    let tool =
        format!("type: mcp, with: {{url: '{}', tool: t, credentials_path: c.json", peer.url());
    for step_fields in [&put, &tool] {
        let left = step(&world, &format!("{step_fields}}}")).await;
        assert!(left.failure().contains("nobody known here signed"), "{}", left.failure());
        assert!(left.failure().contains("`ca_cert`") && !left.all().contains(CANARY));
        assert!(peer.received().is_empty());
    }
    for step_fields in [put, tool] {
        let before = peer.received().len();
        step(&world, &format!("{step_fields}, ca_cert: ca.pem}}")).await;
        assert!(peer.received().len() > before);
    }
}
