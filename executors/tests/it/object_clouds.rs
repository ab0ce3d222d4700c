//! Objects with connections. Nothing here speaks the APIs of Google and Azure: a server that keeps what it
//! is sent, and lists as their references say, stands for them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::kept::Kept;
use crate::peer::{Peer, Received, Reply};
use crate::world::{Left, World};

const CANARY: &str = "canary-4711";
/// The canary, as keys of Azure are written.
const KEY: &str = "Y2FuYXJ5LTQ3MTE=";

/// A store of one bucket, named `box`.
fn store(list: fn(&[String]) -> String) -> impl Fn(&Received) -> Reply + Send + Sync + 'static {
    let objects = Mutex::new(BTreeMap::<String, Vec<u8>>::new());
    move |request: &Received| {
        let mut objects = objects.lock().unwrap();
        let (method, target) = request.line.split_once(' ').unwrap();
        let path = target.split('?').next().unwrap().replace("%2F", "/");
        let headers = || {
            let modified = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT".to_owned();
            vec![modified, "ETag: \"e\"".to_owned()]
        };
        match method {
            "PUT" => {
                objects.insert(path, request.body.clone());
                Reply::Answer(201, headers(), Vec::new())
            }
            "DELETE" => match objects.remove(&path) {
                Some(_) => Reply::Answer(202, Vec::new(), Vec::new()),
                None => Reply::text(404, "canary-4711"),
            },
            _ if path.trim_end_matches('/') == "/box" => {
                let keys = objects.keys().filter_map(|key| key.strip_prefix("/box/"));
                Reply::text(200, &list(&keys.map(str::to_owned).collect::<Vec<_>>()))
            }
            _ => match objects.get(&path) {
                Some(bytes) => Reply::Answer(200, headers(), bytes.clone()),
                None => Reply::text(404, "<Code>NoSuchKey</Code>canary-4711"),
            },
        }
    }
}

fn listed(keys: &[String]) -> String {
    let one = |key: &String| {
        format!(
            "<Contents><Key>{key}</Key><Size>1</Size><LastModified>2024-01-01T00:00:00Z\
             </LastModified><ETag>\"e\"</ETag></Contents>"
        )
    };
    let keys: String = keys.iter().map(one).collect();
    format!("<ListBucketResult>{keys}</ListBucketResult>")
}

fn listed_by_azure(keys: &[String]) -> String {
    let one = |key: &String| {
        format!(
            "<Blob><Name>{key}</Name><Properties><Last-Modified>Mon, 01 Jan 2024 00:00:00 GMT\
             </Last-Modified><Content-Length>1</Content-Length><Content-Type>x</Content-Type>\
             <Etag>e</Etag></Properties></Blob>"
        )
    };
    let keys: String = keys.iter().map(one).collect();
    format!("<EnumerationResults><Blobs>{keys}</Blobs><NextMarker/></EnumerationResults>")
}

async fn step(world: &World, action: &str, with: &str) -> Left {
    let step = format!("{{name: s, action: {action}, connection: here, with: {{{with}}}}}");
    let left = world.run(&format!("steps: [{step}]\n")).await;
    let all = left.all();
    assert!(!all.contains(CANARY) && !all.contains(KEY), "{action} {with}: {all}");
    left
}

/// What is done to any store with a connection, and how its requests prove who asks.
async fn all(peer: &Peer, kept: Kept, proof: &str) {
    let world = World::new().with_connection(kept);
    let fine = async |action: &str, with: &str| {
        let left = step(&world, action, with).await;
        assert_eq!(left.failure(), "", "{action} {with}");
        left.out()
    };
    fine("object.put", "key: a/b c, content: text").await;
    assert_eq!(fine("object.get", "key: a/b c").await, "text");
    assert!(fine("object.list", "prefix: a").await.contains("\"key\":\"a/b"), "{proof}");
    fine("object.delete", "key: a/b c").await;
    fine("object.delete", "key: a/b c").await;
    let left = step(&world, "object.get", "key: a/b c, retries: 0").await;
    assert!(left.failure().contains("answered 404 (`NoSuchKey`)"), "{}", left.failure());
    let left = step(&world, "object.get", "key: k, endpoint: 'https://other.example'").await;
    assert!(left.failure().contains("does not belong to the connection"), "{}", left.failure());
    let received = peer.received();
    assert_eq!(received.len(), 6);
    for request in received {
        let header = request.header("authorization").unwrap_or_default();
        assert!(header.starts_with(proof), "{header}");
    }
}

#[tokio::test]
async fn a_connection_signs_for_s3() {
    let peer = Peer::plain(store(listed));
    let url = peer.url();
    let fields = [
        ("endpoint", url.as_str()),
        ("region", "r1"),
        ("bucket", "box"),
        ("access_key_id", "AKIDX"),
    ];
    let parts = [("secret_access_key", CANARY)];
    let proof = "AWS4-HMAC-SHA256 Credential=AKIDX/";
    all(&peer, Kept::new("s3", &fields, &parts), proof).await;
}

/// A type of our own with the address of a server here, made of one that is shipped.
fn declared(text: &str, base: &str) -> String {
    let id = text.lines().next().unwrap();
    let base_url = text.lines().find(|line| line.trim().starts_with("base_url")).unwrap();
    text.replace(id, &format!("{id}_here")).replace(base_url, &format!("  base_url: {base}"))
}

#[tokio::test]
async fn a_connection_signs_for_azure() {
    let peer = Peer::plain(store(listed_by_azure));
    let fields = [("account", "account1"), ("container", "box")];
    let kept = Kept::new("azure_blob_here", &fields, &[("account_key", KEY)]);
    let text = include_str!("../../../connections/types/azure_blob.yaml");
    all(&peer, kept.of(declared(text, &peer.url())), "SharedKey account1:").await;
    for request in peer.received() {
        assert!(request.header("x-ms-version").is_some());
    }
}

#[tokio::test]
async fn a_connection_has_a_token_for_google() {
    let peer = Peer::plain(store(listed));
    let parts = [("key_file", "{}"), ("access_token", CANARY)];
    let kept = Kept::new("gcs_here", &[("bucket", "box")], &parts);
    let text = include_str!("../../../connections/types/gcs.yaml");
    all(&peer, kept.of(declared(text, &peer.url())), "Bearer canary-4711").await;
}

#[tokio::test]
async fn a_connection_for_something_else_is_refused() {
    let kept = Kept::new("http_bearer", &[("base_url", "https://a.example")], &[("token", CANARY)]);
    let world = World::new().with_connection(kept);
    let left = step(&world, "object.get", "bucket: b, key: k").await;
    assert!(
        left.failure().contains("of the type `http_bearer` is for no store"),
        "{}",
        left.failure()
    );
    let kept = Kept::new("s3", &[], &[("secret_access_key", CANARY)]);
    let world = World::new().with_connection(kept);
    let left = step(&world, "object.get", "store: gcs, bucket: b, key: k").await;
    assert!(left.failure().contains("`store` is another"), "{}", left.failure());
}

#[tokio::test]
async fn a_file_has_keys_that_count_from_the_next_step_on() {
    let (peer, world) = (Peer::plain(store(listed)), World::new());
    let keys = |secret: &str| {
        format!(
            "{{\"aws_access_key_id\": \"AKIDX\", \"aws_secret_access_key\": \"{secret}\", \
             \"aws_region\": \"r1\", \"aws_endpoint\": \"{}\", \"note\": \"{CANARY}-n\"}}",
            peer.url()
        )
    };
    let file = world.write("keys.json", &keys(CANARY));
    world.write("other.json", &keys("canary-4712"));
    let put = |name: &str| {
        let with = "{bucket: box, key: k, content: 'says canary-4711 canary-4712'}";
        format!(
            "  - {{name: {name}, action: object.put, credentials_path: keys.json, with: {with}}}\n"
        )
    };
    let change = format!("  - {{name: change, run: 'cp other.json {}'}}\n", file.display());
    let get = "  - {name: s, action: object.get, credentials_path: keys.json, with: {bucket: box, key: k}}\n";
    let steps = [&put("a"), &put("b"), &change, &put("c"), get].concat();
    let left = world.run(&format!("type: chain\nsteps:\n{steps}")).await;
    let record = left.record();
    assert_eq!(record["status"], "succeeded", "{record}");
    let opened = |index: usize| record["steps"][index]["clients"][0]["opened"].as_u64();
    assert_eq!([opened(0), opened(1), opened(3), opened(4)], [Some(1), Some(0), Some(1), Some(0)]);
    assert_eq!(left.out(), "says ******* *******");
    let all = left.all();
    assert!(!all.contains("canary-4712") && !all.contains(CANARY), "{all}");
    assert!(left.warnings()[0].ends_with("has keys that mean nothing: `note`"), "{all}");
    for request in peer.received() {
        let header = request.header("authorization").unwrap_or_default();
        assert!(header.starts_with("AWS4-HMAC-SHA256 Credential=AKIDX/"), "{header}");
        assert!(header.contains("/r1/s3/"), "{header}");
    }
}

#[tokio::test]
async fn a_file_that_is_for_no_store_sends_nothing() {
    let peer = Peer::plain(|_| Reply::text(200, ""));
    for (file, with, message) in [
        ("{\"aws_access_key_id\": \"canary-4711", "", "no JSON object"),
        ("{\"x\": \"canary-4711\"}", "", "none of the shapes that are known"),
        ("{\"bearer_auth\": \"canary-4711\"}", "", "is no file with keys of S3 or Azure"),
        (
            "{\"private_key\": \"canary-4711\", \"client_email\": \"a@b.example\"}",
            "",
            "`subrosa connection add gcs NAME --from-file FILE`",
        ),
        (
            "{\"azure_storage_account_name\": \"a\", \"azure_storage_account_key\": \"Y2FuYXJ5LTQ3MTE=\"}",
            ", store: s3",
            "`store` is another than that of the type `azure_blob`",
        ),
        (
            "{\"aws_access_key_id\": \"A\", \"aws_secret_access_key\": \"canary-4711\", \
             \"aws_endpoint\": \"http://192.0.2.1\"}",
            "",
            "it is not encrypted",
        ),
        (
            "{\"aws_access_key_id\": \"A\", \"aws_secret_access_key\": \"canary-4711\", \
             \"aws_endpoint\": \"https://a.example\"}",
            ", endpoint: URL",
            "does not belong to the connection",
        ),
    ] {
        let world = World::new();
        world.write("keys.json", file);
        let with = format!("{{bucket: box, key: k{}}}", with.replace("URL", &peer.url()));
        let step =
            format!("{{name: s, action: object.get, credentials_path: keys.json, with: {with}}}");
        let left = world.run(&format!("steps: [{step}]\n")).await;
        assert!(left.failure().contains(message), "{file}: {}", left.failure());
        let all = left.all();
        assert!(!all.contains(CANARY) && !all.contains(KEY), "{all}");
    }
    assert!(peer.received().is_empty());
}
