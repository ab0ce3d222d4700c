//! Objects in the S3 of moto, which `./test` installs.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use subrosa_http::{Call, Http, HttpSettings, Method, Roots, Tls};

use crate::world::{Left, World};

/// What a server may need to come up on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);

/// A server; it ends with the test.
struct Moto {
    child: Child,
    port: u16,
    world: World,
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Moto {
    async fn start() -> Moto {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/moto_server");
        assert!(program.exists(), "moto is not in .venv: ./test puts it there");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Moto { child: command.spawn().unwrap(), port, world: World::new() };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < START_MAX, "moto does not come up");
            thread::yield_now();
        }
        moto.call(Method::PUT, "/box").await;
        moto
    }

    /// A request without anything of ours.
    async fn call(&self, method: Method, target: &str) -> String {
        let tls = Tls { roots: Roots::None, identity: None };
        let timeout = Duration::from_secs(30);
        let http = Http::new(&HttpSettings { tls, proxy: None, timeout }).unwrap();
        let url = format!("http://127.0.0.1:{}{target}", self.port).parse().unwrap();
        let call = Call { method, url, headers: Default::default(), body: None };
        let answer = http.send(call).await.unwrap();
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    /// Runs a step of objects; `fields` go on in `with`.
    async fn step(&self, action: &str, fields: &str) -> Left {
        let secrets = "secrets: [{name: KEY, provider: said, key: canary-4711}]";
        let with = format!(
            "bucket: box, endpoint: 'http://127.0.0.1:{}', access_key_id: AKIDX, \
             secret_access_key: $KEY, {fields}",
            self.port
        );
        let step = format!("{{name: s, action: {action}, with: {{{with}}}}}");
        let left = self.world.run(&format!("{secrets}\nsteps: [{step}]\n")).await;
        assert!(!left.all().contains("canary-4711"), "{}", left.all());
        left
    }

    async fn fine(&self, action: &str, fields: &str) -> String {
        let left = self.step(action, fields).await;
        assert_eq!(left.failure(), "", "{action} {fields}: {}", left.err());
        left.out()
    }

    async fn fails(&self, action: &str, fields: &str, message: &str) {
        let left = self.step(action, fields).await;
        assert!(left.failure().contains(message), "{action} {fields}: {}", left.failure());
    }
}

fn keys(out: &str) -> Vec<String> {
    let line = |line: &str| -> serde_json::Value { serde_json::from_str(line).unwrap() };
    let name = |line: serde_json::Value| {
        line.get("key").or(line.get("prefix")).unwrap().as_str().unwrap().to_owned()
    };
    out.lines().map(line).map(name).collect()
}

#[tokio::test]
async fn objects_are_stored_fetched_listed_and_deleted() {
    let moto = Moto::start().await;
    let put = "key: 'd/a b%c', content: 'some text', content_type: text/x, metadata: {n: v}";
    let out = moto.fine("object.put", put).await;
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((said["uri"].as_str(), said["size"].as_u64()), (Some("s3://box/d/a b%c"), Some(9)));
    assert_eq!(moto.fine("s3.download", "key: 'd/a b%c'").await, "some text");
    let head = moto.fine("object.head", "key: 'd/a b%c'").await;
    let head: serde_json::Value = serde_json::from_str(&head).unwrap();
    assert_eq!((head["size"].as_u64(), head["content_type"].as_str()), (Some(9), Some("text/x")));
    assert_eq!(head["metadata"]["n"], "v");
    moto.world.write("in", "file");
    moto.fine("s3.upload", "key: d2/e, source: in").await;
    moto.fine("object.get", "key: d2/e, destination: out/e").await;
    assert_eq!(fs::read_to_string(moto.world.path("out/e")).unwrap(), "file");
    assert_eq!(keys(&moto.fine("object.list", "prefix: d").await), ["d/a b%c", "d2/e"]);
    let shallow = moto.fine("s3.list", "recursive: false").await;
    assert_eq!(keys(&shallow), ["d/", "d2/"]);
    moto.fails("object.put", "key: d2/e, content: x, if_absent: true", "answered 412").await;
    moto.fine("object.delete", "key: d2/e").await;
    moto.fine("object.delete", "key: d2/e").await;
    moto.fails("object.get", "key: d2/e", "answered 404 (`NoSuchKey`)").await;
}

#[tokio::test]
async fn many_objects_come_in_pages() {
    let moto = Moto::start().await;
    for index in 0..1100 {
        moto.call(Method::PUT, &format!("/box/many/{index:04}")).await;
    }
    let found = keys(&moto.fine("object.list", "prefix: many/0").await);
    assert_eq!(
        (found.len(), found[0].as_str(), found[999].as_str()),
        (1000, "many/0000", "many/0999")
    );
    assert_eq!(
        keys(&moto.fine("object.list", "{}: 0".trim_start_matches("{}: 0")).await).len(),
        1100
    );
    assert_eq!(keys(&moto.fine("object.list", "max_keys: 3").await).len(), 3);
    assert_eq!(keys(&moto.fine("object.delete", "prefix: many/").await).len(), 1100);
    assert_eq!(moto.fine("object.list", "prefix: many/").await, "");
}

#[tokio::test]
async fn a_large_object_is_stored_in_parts() {
    let moto = Moto::start().await;
    let content: Vec<u8> = (0..20_000_003_u32).map(|index| (index % 251) as u8).collect();
    fs::write(moto.world.path("large"), &content).unwrap();
    let put = moto.fine("object.put", "key: large, source: large, metadata: {n: v}").await;
    let put: serde_json::Value = serde_json::from_str(&put).unwrap();
    // The tag of an object in three parts.
    assert!(put["etag"].as_str().unwrap().contains("-3"), "{put}");
    moto.fine("object.get", "key: large, destination: back").await;
    assert!(fs::read(moto.world.path("back")).unwrap() == content);
    moto.fails("object.get", "key: large", "more than 10485760 bytes").await;
    moto.fails("object.put", "key: x, source: large, if_absent: true", "replaces").await;
    assert!(!moto.call(Method::GET, "/box?uploads").await.contains("<Upload>"));
}
