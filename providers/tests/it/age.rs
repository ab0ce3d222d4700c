//! `age`: files that are sealed to us, to others, with a passphrase, or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::str::FromStr;

use age::x25519;
use subrosa_engine::provider::{
    Checked, Identity, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest,
};
use tempfile::TempDir;

use crate::asking::{fetch_one, in_runtime, named, plain, request};
use crate::conformance::{self, Fixture, context};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/exchange");
const IDENTITY: (&str, &str) = ("identity", "key.txt");

/// A folder with an identity file, and the recipient of its key.
struct Place {
    folder: TempDir,
    recipient: x25519::Recipient,
}

impl Place {
    fn new() -> Place {
        let folder = TempDir::new().unwrap();
        let identity = fs::read_to_string(format!("{FIXTURES}/not-secret-identity.txt")).unwrap();
        let key = identity.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
        let recipient = x25519::Identity::from_str(key).unwrap().to_public();
        let place = Place { folder, recipient };
        place.write("key.txt", identity.as_bytes(), 0o600);
        place
    }

    fn write(&self, name: &str, bytes: &[u8], mode: u32) {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn seal(&self, name: &str, bytes: &[u8]) {
        self.write(name, &age::encrypt(&self.recipient, bytes).unwrap(), 0o644);
    }

    fn context(&self, process: &[(&str, &[u8])]) -> ResolveContext {
        context(&[], process, &[self.folder.path().to_path_buf()])
    }

    fn check(&self, asked: SecretRequest, expected: &[u8]) {
        let found = fetch_one(&named("age"), &self.context(&[]), asked);
        assert_eq!(found.as_deref(), Ok(expected));
    }

    /// `FOLDER` in the expected message is this place's.
    fn check_refused(&self, asked: SecretRequest, kind: ProviderErrorKind, message: &str) {
        let error = fetch_one(&named("age"), &self.context(&[]), asked).unwrap_err();
        let message = message.replace("FOLDER", &self.folder.path().display().to_string());
        assert_eq!((error.kind, error.message), (kind, message));
    }
}

impl Fixture for Place {
    const NAME: &'static str = "age";

    fn new() -> Place {
        Place::new()
    }

    fn put(&mut self, key: &str, value: &[u8]) {
        self.seal(key, value);
    }

    fn context(&self) -> ResolveContext {
        Place::context(self, &[("AGE_IDENTITY", b"key.txt")])
    }
}

#[test]
fn conforms() {
    conformance::suite::<Place>();
}

#[test]
fn a_sealed_file_is_opened() {
    let place = Place::new();
    for content in [b"canary".as_slice(), b"", b"a\r\n\n", b"\xff\xfe", &[b'x'; 1 << 20]] {
        place.seal("token.age", content);
        place.check(request("token.age", &[IDENTITY]), content);
    }
    let armored = age::encrypt_and_armor(&place.recipient, b"canary").unwrap();
    place.write("token.age", armored.as_bytes(), 0o600);
    place.check(request("token.age", &[IDENTITY]), b"canary");
}

#[test]
fn a_field_is_taken_out_of_what_is_sealed() {
    let place = Place::new();
    place.seal("db.json.age", br#"{"a":{"b":"canary"}}"#);
    place.check(request("db.json.age", &[IDENTITY, ("field", "a.b")]), b"canary");
    place.check(
        request("db.json.age", &[IDENTITY, ("field", "a.b"), ("format", "yaml")]),
        b"canary",
    );
    place.check_refused(
        request("db.json.age", &[IDENTITY, ("field", "x")]),
        ProviderErrorKind::NotFound,
        "there is no field `x` in age file db.json.age",
    );
}

#[test]
fn the_identity_file_is_named_by_the_option_or_by_a_variable() {
    let place = Place::new();
    place.seal("token.age", b"canary");
    let check = |process: &[(&str, &[u8])], options: &[(&str, &str)], opens: bool| {
        let asked = request("token.age", options);
        let found = fetch_one(&named("age"), &place.context(process), asked);
        assert_eq!(found.is_ok(), opens, "{process:?} {found:?}");
    };
    check(&[("AGE_IDENTITY", b"key.txt"), ("SOPS_AGE_KEY_FILE", b"gone")], &[], true);
    check(&[("AGE_IDENTITY", b""), ("SOPS_AGE_KEY_FILE", b"key.txt")], &[], true);
    check(&[("AGE_IDENTITY", b"gone")], &[IDENTITY], true);
    check(&[("AGE_IDENTITY", b"gone"), ("SOPS_AGE_KEY_FILE", b"key.txt")], &[], false);
    check(&[], &[], false);
}

#[test]
fn what_is_no_identity_file_is_told_without_its_path_or_content() {
    let place = Place::new();
    place.seal("token.age", b"canary");
    let check = |path: &str, expected: &str| {
        let asked = request("token.age", &[("identity", path)]);
        place.check_refused(asked, ProviderErrorKind::Unauthenticated, expected);
    };
    check("canary", "the identity file of option `identity` is not there");
    check(".", "the identity file of option `identity` is no regular file");
    place.write("bad", b"# c\nAGE-SECRET-KEY-1CANARYcanary\n", 0o600);
    check("bad", "the identity file of option `identity` is no identity file: line 2 is no key");
    place.write("bad", b"# canary\n", 0o600);
    check("bad", "the identity file of option `identity` holds no key");
    place.write("bad", b"age-encryption.org/v1\n-> scrypt canary\n", 0o600);
    check(
        "bad",
        "the identity file of option `identity` is encrypted itself, and nobody is asked for its passphrase",
    );
    place.write("bad", b"AGE-PLUGIN-CANARY-canary", 0o600);
    check(
        "bad",
        "the identity file of option `identity` holds a kind of key that is not known here, in line 1",
    );
    check("AGE-SECRET-KEY-1canary", "option `identity` holds a key where a file's path belongs");
}

#[test]
fn files_that_do_not_open_say_why() {
    let place = Place::new();
    let asked = || request("x.age", &[IDENTITY]);
    let malformed = ProviderErrorKind::Malformed;
    place.check_refused(asked(), ProviderErrorKind::NotFound, "secret file not found: x.age");
    let other = x25519::Identity::generate().to_public();
    place.write("x.age", &age::encrypt(&other, b"canary").unwrap(), 0o600);
    place.check_refused(
        asked(),
        ProviderErrorKind::Denied,
        "age file is not sealed to any key of the identity file: FOLDER/x.age",
    );
    let sealed = fs::read(format!("{FIXTURES}/passphrase.tar.age")).unwrap();
    place.write("x.age", &sealed, 0o600);
    place.check_refused(
        asked(),
        ProviderErrorKind::InvalidRequest,
        "age file is sealed with a passphrase: FOLDER/x.age",
    );
    for content in [b"canary".as_slice(), b"", b"age-encryption.org/v1\n-> X25519 canary\n"] {
        place.write("x.age", content, 0o600);
        place.check_refused(
            asked(),
            malformed,
            "this is no age file, or it is damaged: FOLDER/x.age",
        );
    }
    let endless = [b"age-encryption.org/v1\n".as_slice(), &b"-> a b\nx\n".repeat(200_000)].concat();
    place.write("x.age", &endless, 0o600);
    place.check_refused(asked(), malformed, "this is no age file, or it is damaged: FOLDER/x.age");
}

#[test]
fn a_file_that_was_changed_or_cut_gives_nothing() {
    let place = Place::new();
    let whole = age::encrypt(&place.recipient, &[b'c'; 100_000]).unwrap();
    let asked = || request("x.age", &[IDENTITY]);
    let refused = |bytes: &[u8]| -> ProviderError {
        place.write("x.age", bytes, 0o600);
        fetch_one(&named("age"), &place.context(&[]), asked()).unwrap_err()
    };
    for at in [whole.len() - 1, whole.len() / 2, whole.len() - 70_000] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert_eq!(refused(&changed).kind, ProviderErrorKind::Malformed);
        assert_eq!(refused(&whole[..at]).kind, ProviderErrorKind::Malformed);
    }
}

#[test]
fn content_is_bounded_and_holds_no_nul() {
    let place = Place::new();
    place.seal("x.age", &[b'x'; (1 << 20) + 1]);
    let (asked, malformed) = (|| request("x.age", &[IDENTITY]), ProviderErrorKind::Malformed);
    place.check_refused(asked(), malformed, "age file holds more than 1 MiB: FOLDER/x.age");
    place.write("x.age", &vec![b'x'; (4 << 20) + 1], 0o600);
    place.check_refused(asked(), malformed, "secret file is larger than 4 MiB: FOLDER/x.age");
    place.seal("x.age", b"can\0ary");
    place.check_refused(asked(), malformed, "age file x.age holds a NUL byte");
}

#[test]
fn a_loose_identity_file_is_warned_of_and_a_sealed_file_is_not() {
    let place = Place::new();
    place.seal("token.age", b"canary");
    place.write("key.txt", &fs::read(place.folder.path().join("key.txt")).unwrap(), 0o640);
    let asked = request("token.age", &[IDENTITY]);
    in_runtime(async {
        let age = named("age");
        let client = age.open(&place.context(&[]), &age.identity(&asked)).await.unwrap();
        assert_eq!(plain(&client.fetch(&asked).await.unwrap()), b"canary");
        client.fetch(&asked).await.unwrap();
        let warnings = client.warnings();
        let file = place.folder.path().join("key.txt");
        let expected = format!("age identity file may be read by its group: {}", file.display());
        assert_eq!(warnings.iter().map(|told| &told.message).collect::<Vec<_>>(), [&expected]);
    });
}

#[test]
fn a_check_opens_the_header_alone() {
    let place = Place::new();
    place.seal("token.age", b"no json");
    let check = |key: &str, options: &[(&str, &str)]| {
        let asked = request(key, options);
        in_runtime(async {
            let age = named("age");
            let client = age.open(&place.context(&[]), &age.identity(&asked)).await?;
            client.check(&asked).await
        })
        .map_err(|error| error.kind)
    };
    assert_eq!(check("token.age", &[IDENTITY]), Ok(Checked::Readable));
    let field = [IDENTITY, ("field", "a"), ("format", "json")];
    assert_eq!(check("token.age", &field), Ok(Checked::Likely));
    assert_eq!(check("gone.age", &[IDENTITY]), Err(ProviderErrorKind::NotFound));
    assert_eq!(check("token.age", &[]), Err(ProviderErrorKind::Unauthenticated));
    let other = x25519::Identity::generate().to_public();
    place.write("token.age", &age::encrypt(&other, b"canary").unwrap(), 0o600);
    assert_eq!(check("token.age", &[IDENTITY]), Err(ProviderErrorKind::Denied));
}

#[test]
fn requests_with_one_identity_file_share_a_login() {
    let age = named("age");
    let same = age.identity(&request("a", &[IDENTITY, ("field", "x")]));
    assert_eq!(age.identity(&request("b", &[IDENTITY])), same);
    assert_ne!(age.identity(&request("a", &[("identity", "other")])), same);
    assert_eq!(age.identity(&request("a", &[])), Identity::default());
}
