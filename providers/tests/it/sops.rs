//! `sops`: what its ends mean, told by a program that stands in for it; and, with the feature
//! `real-tools`, the program itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use subrosa_engine::provider::{Checked, ProviderErrorKind, ResolveContext, SecretRequest};
use tempfile::TempDir;

use crate::asking::{fetch_all, fetch_one, in_runtime, named, request};
use crate::conformance::{self, Fixture, context};

/// Prints what is beside the file that it is asked for, and ends as that says.
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sops-stand-in");

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(TempDir::new().unwrap());
        fs::create_dir(place.0.path().join("bin")).unwrap();
        symlink(STAND_IN, place.0.path().join("bin/sops")).unwrap();
        place
    }

    /// An encrypted file, and what the stand-in prints for it in each type.
    fn put(&self, name: &str, printed: &[(&str, &str)], exit: u8) {
        fs::write(self.0.path().join(name), "ENC[canary]").unwrap();
        for (kind, text) in printed {
            fs::write(self.0.path().join(format!("{name}.{kind}.out")), text).unwrap();
        }
        fs::write(self.0.path().join(format!("{name}.exit")), exit.to_string()).unwrap();
    }

    fn context(&self) -> ResolveContext {
        let path = format!("{}:/usr/bin:/bin", self.0.path().join("bin").display());
        context(&[], &[("PATH", path.as_bytes())], &[self.0.path().to_path_buf()])
    }

    fn check(&self, asked: SecretRequest, expected: &[u8]) {
        let found = fetch_one(&named("sops"), &self.context(), asked);
        assert_eq!(found.as_deref(), Ok(expected));
    }

    fn check_refused(&self, asked: SecretRequest, kind: ProviderErrorKind, message: &str) {
        let error = fetch_one(&named("sops"), &self.context(), asked).unwrap_err();
        let message = message.replace("FOLDER", &self.0.path().display().to_string());
        assert_eq!((error.kind, error.message), (kind, message));
    }
}

impl Fixture for Place {
    const NAME: &'static str = "sops";

    fn new() -> Place {
        Place::new()
    }

    fn put(&mut self, key: &str, value: &[u8]) {
        Place::put(self, key, &[], 0);
        fs::write(self.0.path().join(format!("{key}.as-is.out")), value).unwrap();
    }

    fn context(&self) -> ResolveContext {
        Place::context(self)
    }
}

#[test]
fn conforms() {
    conformance::suite::<Place>();
}

#[test]
fn a_whole_file_and_its_fields_are_decrypted_once_each() {
    let place = Place::new();
    place.put("db.yaml", &[("json", r#"{"a":{"b":"canary"},"c":[1]}"#), ("as-is", "a:\n")], 0);
    let asked = ["a.b", "c.0", "a.b"].map(|field| request("db.yaml", &[("field", field)]));
    let found = fetch_all(&named("sops"), &place.context(), &asked);
    let expected = ["canary", "1", "canary"].map(|value| Ok(value.as_bytes().to_vec()));
    assert_eq!(found, expected);
    assert_eq!(fs::read_to_string(place.0.path().join("runs")).unwrap(), "json\n");
    place.check(request("db.yaml", &[]), b"a:\n");
    place.put("plain.env", &[("dotenv", "A='canary'\n")], 0);
    place.check(request("plain.env", &[("field", "A")]), b"canary");
    place.check_refused(
        request("db.yaml", &[("field", "x")]),
        ProviderErrorKind::NotFound,
        "there is no field `x` in sops file db.yaml",
    );
}

#[test]
fn ends_of_the_program_are_told_in_words() {
    let place = Place::new();
    let check = |exit: u8, kind, message: &str| {
        place.put("x.json", &[("as-is", "canary")], exit);
        place.check_refused(request("x.json", &[]), kind, message);
    };
    let malformed = ProviderErrorKind::Malformed;
    check(1, malformed, "this is no file that sops encrypted: FOLDER/x.json");
    check(25, malformed, "sops file is damaged or was tampered with: FOLDER/x.json");
    check(51, malformed, "sops file is damaged or was tampered with: FOLDER/x.json");
    check(100, ProviderErrorKind::NotFound, "sops cannot read the file: FOLDER/x.json");
    check(61, malformed, "sops cannot use its settings for FOLDER/x.json");
    let denied = ProviderErrorKind::Denied;
    check(128, denied, "none of our keys opens the sops file: FOLDER/x.json");
    let message = "`sops --decrypt FOLDER/x.json` ended with exit status: 77";
    check(77, ProviderErrorKind::Unavailable, message);
}

#[test]
fn a_file_that_is_not_there_starts_no_program() {
    let place = Place::new();
    let absent = ProviderErrorKind::NotFound;
    place.check_refused(request("x.json", &[]), absent, "secret file not found: x.json");
    let folder = ProviderErrorKind::InvalidRequest;
    place.check_refused(request("bin", &[]), folder, "secret file is a folder: FOLDER/bin");
    assert!(!place.0.path().join("runs").exists());
}

#[test]
fn a_slow_or_endless_program_is_ended() {
    let place = Place::new();
    place.put("slow.json", &[("as-is", "canary")], 0);
    fs::write(place.0.path().join("slow.json.slow"), "").unwrap();
    let mut context = place.context();
    context.request_timeout = Duration::from_millis(300);
    let error = fetch_one(&named("sops"), &context, request("slow.json", &[])).unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::TimedOut);
    place.put("huge.json", &[("as-is", &"x".repeat((1 << 20) + 1))], 0);
    let error = fetch_one(&named("sops"), &place.context(), request("huge.json", &[])).unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Malformed);
}

#[test]
fn without_the_program_nothing_opens() {
    let place = Place::new();
    place.put("x.json", &[], 0);
    let none = context(&[], &[("PATH", b"/nowhere")], &[place.0.path().to_path_buf()]);
    let error = fetch_one(&named("sops"), &none, request("x.json", &[])).unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unavailable);
    assert_eq!(error.message, "there is no program `sops` in the folders of `PATH`");
}

#[test]
fn a_check_decrypts_nothing() {
    let place = Place::new();
    place.put("x.json", &[], 0);
    let check = |key: &str| {
        let asked = request(key, &[("field", "a")]);
        in_runtime(async {
            let sops = named("sops");
            let client = sops.open(&place.context(), &sops.identity(&asked)).await?;
            client.check(&asked).await
        })
        .map_err(|error| error.kind)
    };
    assert_eq!(check("x.json"), Ok(Checked::WouldRead));
    assert_eq!(check("gone.json"), Err(ProviderErrorKind::NotFound));
    assert!(!place.0.path().join("runs").exists());
}
