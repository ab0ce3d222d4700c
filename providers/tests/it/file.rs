//! `file`: where it looks, and what it refuses.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};
use subrosa_engine::provider::{
    Checked, Identity, ProviderErrorKind, ResolveContext, SecretRequest,
};
use tempfile::TempDir;

use crate::asking::{fetch_one, in_runtime, named, plain, request};
use crate::conformance::{self, Fixture, context, fetch, refused};

struct Folder(TempDir);

impl Folder {
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Fixture for Folder {
    const NAME: &'static str = "file";

    fn new() -> Folder {
        Folder(TempDir::new().unwrap())
    }

    fn put(&mut self, key: &str, value: &[u8]) {
        fs::write(self.path().join(key), value).unwrap();
    }

    fn context(&self) -> ResolveContext {
        context(&[], &[], &[self.path().to_path_buf()])
    }
}

#[test]
fn conforms() {
    conformance::suite::<Folder>();
}

#[test]
fn the_first_folder_that_has_the_file_wins() {
    let (mut first, mut second) = (Folder::new(), Folder::new());
    let both = context(&[], &[], &[first.path().to_path_buf(), second.path().to_path_buf()]);
    second.put("KEY", b"second");
    assert_eq!(fetch("file", &both, "KEY").unwrap(), b"second");
    first.put("KEY", b"first");
    assert_eq!(fetch("file", &both, "KEY").unwrap(), b"first");
    first.put("EMPTY", b"");
    second.put("EMPTY", b"second");
    assert_eq!(fetch("file", &both, "EMPTY").unwrap(), b"");
}

#[test]
fn an_absolute_key_needs_no_folder() {
    let mut folder = Folder::new();
    folder.put("KEY", b"canary");
    let key = folder.path().join("KEY");
    let nowhere = context(&[], &[], &[]);
    assert_eq!(fetch("file", &nowhere, key.to_str().unwrap()).unwrap(), b"canary");
}

#[test]
fn a_missing_file_is_named_with_the_places_looked_in() {
    let (first, second) = (Folder::new(), Folder::new());
    let both = context(&[], &[], &[first.path().to_path_buf(), second.path().to_path_buf()]);
    let error = refused("file", &both, "a/KEY", ProviderErrorKind::NotFound);
    assert_eq!(error.message, "secret file not found: a/KEY");
    let looked = format!(
        "looked for `{}`, then `{}`",
        first.path().join("a/KEY").display(),
        second.path().join("a/KEY").display()
    );
    assert_eq!(error.help, Some(looked));
}

#[test]
fn links_are_followed_because_mounted_secrets_are_links() {
    let mut folder = Folder::new();
    folder.put("..data", b"canary");
    symlink("..data", folder.path().join("KEY")).unwrap();
    assert_eq!(fetch("file", &folder.context(), "KEY").unwrap(), b"canary");
    symlink("LOOP", folder.path().join("LOOP")).unwrap();
    refused("file", &folder.context(), "LOOP", ProviderErrorKind::InvalidRequest);
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("KEY")).unwrap();
    let error = refused("file", &folder.context(), "KEY", ProviderErrorKind::InvalidRequest);
    assert!(error.message.starts_with("secret file is a folder: "), "{error}");
    let pipe = folder.path().join("PIPE");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let error = refused("file", &folder.context(), "PIPE", ProviderErrorKind::InvalidRequest);
    assert!(error.message.starts_with("secret file is a pipe: "), "{error}");
    let error = refused("file", &folder.context(), "/dev/zero", ProviderErrorKind::InvalidRequest);
    assert_eq!(error.message, "secret file is a device: /dev/zero");
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("SOCKET")).unwrap();
    refused("file", &folder.context(), "SOCKET", ProviderErrorKind::InvalidRequest);
}

#[test]
fn a_file_is_read_up_to_one_mebibyte() {
    const MEBIBYTE: usize = 1024 * 1024;
    let mut folder = Folder::new();
    folder.put("FULL", &vec![b'x'; MEBIBYTE]);
    assert_eq!(fetch("file", &folder.context(), "FULL").unwrap().len(), MEBIBYTE);
    folder.put("HUGE", &vec![b'x'; MEBIBYTE + 1]);
    let error = refused("file", &folder.context(), "HUGE", ProviderErrorKind::Malformed);
    assert!(error.message.starts_with("secret file is larger than 1 MiB: "), "{error}");
}

#[test]
fn a_nul_byte_cannot_become_an_environment_variable() {
    let mut folder = Folder::new();
    folder.put("KEY", b"can\0ary");
    let error = refused("file", &folder.context(), "KEY", ProviderErrorKind::Malformed);
    assert!(error.help.unwrap().starts_with("an environment variable cannot hold one"));
    refused("file", &folder.context(), "K\0EY", ProviderErrorKind::InvalidRequest);
}

#[test]
fn a_file_of_somebody_else_is_denied() {
    let mut folder = Folder::new();
    folder.put("KEY", b"canary");
    let path = folder.path().join("KEY");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads every file; then there is no refusal to see, and the value must still be right.
    if rustix::process::geteuid().is_root() {
        assert_eq!(fetch("file", &folder.context(), "KEY").unwrap(), b"canary");
        return;
    }
    let error = refused("file", &folder.context(), "KEY", ProviderErrorKind::Denied);
    let expected = format!("permission denied reading secret file: {}", path.display());
    assert_eq!(error.message, expected);
}

#[test]
fn a_field_is_taken_out_of_a_file() {
    let mut folder = Folder::new();
    folder.put("db.json", br#"{"db":{"password":"canary","port":5432}}"#);
    folder.put("secrets.toml", b"[sources.a]\nkey = \"${API_KEY}-x\"\n");
    folder.put("plain", b"TOKEN='canary'\n");
    let context = context(&[], &[("API_KEY", b"canary")], &[folder.path().to_path_buf()]);
    let check = |key: &str, options: &[(&str, &str)], expected: &[u8]| {
        assert_eq!(
            fetch_one(&named("file"), &context, request(key, options)).as_deref(),
            Ok(expected)
        );
    };
    check("db.json", &[("field", "db.password")], b"canary");
    check("db.json", &[("field", "db.port"), ("format", "yaml")], b"5432");
    check("secrets.toml", &[("field", "sources.a.key")], b"canary-x");
    check("plain", &[("field", "TOKEN"), ("format", "dotenv")], b"canary");
    // Without `field` the whole file is meant, whatever it is.
    check("plain", &[("format", "json")], b"TOKEN='canary'\n");
}

#[test]
fn a_field_that_is_not_there_is_named_with_its_file() {
    let mut folder = Folder::new();
    folder.put("a.json", br#"{"o":{"x":"canary"}}"#);
    let refused = |options: &[(&str, &str)], kind, expected: &str| {
        let asked = request("a.json", options);
        let error = fetch_one(&named("file"), &folder.context(), asked).unwrap_err();
        let place = folder.path().join("a.json").display().to_string();
        assert_eq!((error.kind, error.message), (kind, expected.replace("FILE", &place)));
    };
    let (invalid, malformed) = (ProviderErrorKind::InvalidRequest, ProviderErrorKind::Malformed);
    refused(&[("field", "y")], ProviderErrorKind::NotFound, "there is no field `y` in FILE");
    refused(&[("field", "o")], invalid, "field `o` in FILE is an object, not one value");
    refused(
        &[("field", "y"), ("format", "toml")],
        malformed,
        "FILE:1:1: this is no TOML; texts stand in quotes",
    );
    refused(
        &[("field", "y"), ("format", "ini")],
        invalid,
        "option `format` is none of json, toml, yaml, dotenv",
    );
    refused(&[("field", "")], invalid, "option `field`: an empty key");
}

#[test]
fn many_fields_read_their_file_once() {
    let mut folder = Folder::new();
    folder.put("a.json", br#"{"x":"one"}"#);
    let context = folder.context();
    in_runtime(async {
        let client = named("file").open(&context, &Identity::default()).await.unwrap();
        let x = request("a.json", &[("field", "x")]);
        client.fetch(&x).await.unwrap();
        fs::write(folder.path().join("a.json"), br#"{"x":"two"}"#).unwrap();
        assert_eq!(plain(&client.fetch(&x).await.unwrap()), b"one");
        // The next run reads it again.
        let client = named("file").open(&context, &Identity::default()).await.unwrap();
        assert_eq!(plain(&client.fetch(&x).await.unwrap()), b"two");
    });
}

#[test]
fn many_files_are_read_in_one_call_and_each_has_its_own_answer() {
    let mut folder = Folder::new();
    folder.put("A", b"one");
    folder.put("B", b"two");
    folder.put("c.json", br#"{"x":"three"}"#);
    fs::set_permissions(folder.path().join("B"), fs::Permissions::from_mode(0o604)).unwrap();
    let asked = [
        request("A", &[]),
        request("absent", &[]),
        request("c.json", &[("field", "x")]),
        request("B", &[]),
        request("c.json", &[("field", "")]),
    ];
    in_runtime(async {
        let client = named("file").open(&folder.context(), &Identity::default()).await.unwrap();
        assert_eq!(client.batch_len_max(), 64);
        let answers = client.fetch_many(&asked).await;
        let shown: Vec<_> = answers
            .iter()
            .map(|answer| answer.as_ref().map(plain).map_err(|error| error.message.as_str()))
            .collect();
        let expected = [
            Ok(b"one".to_vec()),
            Err("secret file not found: absent"),
            Ok(b"three".to_vec()),
            Ok(b"two".to_vec()),
            Err("option `field`: an empty key"),
        ];
        assert_eq!(shown, expected);
        let warned = client.warnings();
        let place = folder.path().join("B").display().to_string();
        let of_b: Vec<bool> = warned.iter().map(|told| told.message.ends_with(&place)).collect();
        assert_eq!(of_b.iter().filter(|is_of_b| **is_of_b).count(), 1, "{warned:?}");
    });
}

#[test]
fn a_file_that_others_may_read_is_warned_of_once() {
    let mut folder = Folder::new();
    let context = folder.context();
    let mut check = |mode: u32, expected: Option<&str>| {
        let path = folder.path().join("KEY");
        fs::remove_file(&path).ok();
        folder.put("KEY", b"canary");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = in_runtime(async {
            let client = named("file").open(&context, &Identity::default()).await.unwrap();
            client.fetch(&request("KEY", &[])).await.unwrap();
            client.fetch(&request("KEY", &[])).await.unwrap();
            let warnings = client.warnings();
            assert_eq!(client.warnings(), []);
            warnings
        });
        let messages: Vec<String> = warnings.iter().map(|told| told.message.clone()).collect();
        let expected =
            expected.map(|who| format!("secret file may be read by {who}: {}", path.display()));
        assert_eq!(messages, Vec::from_iter(expected), "{mode:o}");
        assert!(warnings.iter().all(|told| told.secret == "NAME"));
    };
    check(0o600, None);
    check(0o400, None);
    check(0o640, Some("its group"));
    check(0o604, Some("everyone"));
    check(0o644, Some("everyone"));
}

#[test]
fn the_mode_is_that_of_the_file_a_link_leads_to() {
    let mut folder = Folder::new();
    folder.put("data", b"canary");
    fs::set_permissions(folder.path().join("data"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("data", folder.path().join("KEY")).unwrap();
    in_runtime(async {
        let client = named("file").open(&folder.context(), &Identity::default()).await.unwrap();
        client.fetch(&request("KEY", &[])).await.unwrap();
        assert_eq!(client.warnings(), []);
    });
}

#[test]
fn a_check_opens_the_file_and_reads_nothing() {
    let mut folder = Folder::new();
    folder.put("KEY", b"no json canary");
    let check = |request: SecretRequest| {
        in_runtime(async {
            let client = named("file").open(&folder.context(), &Identity::default()).await.unwrap();
            client.check(&request).await
        })
    };
    assert_eq!(check(request("KEY", &[])), Ok(Checked::Readable));
    assert_eq!(check(request("KEY", &[("field", "a"), ("format", "json")])), Ok(Checked::Likely));
    assert_eq!(check(request("GONE", &[])).unwrap_err().kind, ProviderErrorKind::NotFound);
    assert_eq!(check(request(".", &[])).unwrap_err().kind, ProviderErrorKind::InvalidRequest);
}
