//! `file`: where it looks, and what it refuses.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};
use subrosa_engine::provider::{ProviderErrorKind, ResolveContext};
use tempfile::TempDir;

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
