//! The real file system: what is planted in it, and what it is left with.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode};
use subrosa_registry::{Disk, FileError, Files};
use tempfile::TempDir;

use crate::files_suite::{self, write_all};

#[test]
fn it_does_what_every_implementation_does() {
    let folder = TempDir::new().unwrap();
    let number = std::cell::Cell::new(0);
    let fresh = || {
        number.set(number.get() + 1);
        folder.path().join(format!("{}/store", number.get()))
    };
    files_suite::check(|| Disk::private(&fresh()));
    files_suite::check(|| Disk::beside(&fresh()));
}

/// A store's folder with one file in it, and a folder with another.
struct Store {
    above: TempDir,
}

impl Store {
    fn new() -> Store {
        let store = Store { above: TempDir::new().unwrap() };
        let files = store.open();
        files.make_folder("folder").unwrap();
        for path in ["file", "folder/file"] {
            write_all(&mut *files.create(path).unwrap(), b"text").unwrap();
        }
        store
    }

    fn open(&self) -> Disk {
        Disk::private(&self.path(""))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.above.path().join("store").join(path)
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// Every call that opens a file which is there says the same of it.
#[track_caller]
fn check_file_refused(files: &dyn Files, path: &str, is_it: fn(&FileError) -> bool) {
    let results = [
        ("read", files.read(path, 99).err()),
        ("read a part", files.read_at(path, 0, 9).err()),
        ("append", files.append(path).err()),
        ("lock", files.lock(path).err()),
    ];
    for (call, error) in results {
        assert!(error.as_ref().is_some_and(is_it), "{call}: {error:?}");
    }
    assert!(files.create(path).is_err());
}

fn is_not_plain(error: &FileError) -> bool {
    matches!(error, FileError::NotPlain { .. })
}

fn is_not_ours(error: &FileError) -> bool {
    matches!(error, FileError::NotOurs { .. })
}

#[test]
fn only_plain_files_are_opened() {
    type Plant = fn(&Path);
    let plants: [(&str, Plant); 7] = [
        ("link to a file", |path| symlink("folder/file", path).unwrap()),
        ("link to a device", |path| symlink("/dev/zero", path).unwrap()),
        ("link to nothing", |path| symlink("nothing", path).unwrap()),
        ("link to itself", |path| symlink("file", path).unwrap()),
        ("pipe", |path| {
            rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }),
        ("folder", |path| fs::create_dir(path).unwrap()),
        ("socket", |path| drop(UnixListener::bind(path).unwrap())),
    ];
    for (what, plant) in plants {
        let store = Store::new();
        fs::remove_file(store.path("file")).unwrap();
        plant(&store.path("file"));
        check_row(what, || check_file_refused(&store.open(), "file", is_not_plain));
        assert_eq!(fs::read(store.path("folder/file")).unwrap(), b"text", "{what}");
    }
    check_file_refused(&Disk::beside(Path::new("/dev")), "zero", is_not_plain);
}

#[test]
fn no_part_of_a_path_may_be_a_link() {
    let store = Store::new();
    fs::rename(store.path("folder"), store.path("moved")).unwrap();
    symlink("moved", store.path("folder")).unwrap();
    check_file_refused(&store.open(), "folder/file", is_not_plain);
    assert!(is_not_plain(&store.open().list("folder").unwrap_err()));
    assert!(is_not_plain(&store.open().make_folder("folder").unwrap_err()));
    assert!(is_not_plain(&store.open().remove("folder/file").unwrap_err()));
    assert!(is_not_plain(&store.open().rename("folder/file", "file").unwrap_err()));

    symlink("store", store.above.path().join("link")).unwrap();
    for path in ["link", "link/", "link/."] {
        let files = Disk::private(&store.above.path().join(path));
        check_file_refused(&files, "file", is_not_plain);
        assert!(is_not_plain(&files.make_folder("").unwrap_err()), "{path}");
    }
    let beside = Disk::beside(&store.above.path().join("link"));
    assert_eq!(beside.read("file", 9).unwrap().unwrap(), b"text");
    check_file_refused(&beside, "folder/file", is_not_plain);
}

#[test]
fn files_and_folders_open_to_others_are_refused() {
    for bits in [0o640, 0o604, 0o610, 0o601, 0o620, 0o602, 0o666] {
        let store = Store::new();
        fs::set_permissions(store.path("file"), Permissions::from_mode(bits)).unwrap();
        let error = store.open().read("file", 9).unwrap_err();
        let is_it =
            |error: &FileError| matches!(error, FileError::NotPrivate { is_folder: false, .. });
        check_file_refused(&store.open(), "file", is_it);
        assert!(matches!(error, FileError::NotPrivate { mode, .. } if mode == bits), "{error}");
    }
    for path in ["", "folder"] {
        let store = Store::new();
        fs::set_permissions(store.path(path), Permissions::from_mode(0o750)).unwrap();
        let is_it = |error: &FileError| {
            matches!(error, FileError::NotPrivate { is_folder: true, mode: 0o750, .. })
        };
        check_file_refused(&store.open(), "folder/file", is_it);
        assert!(is_it(&store.open().make_folder("folder").unwrap_err()));
        let beside = Disk::beside(&store.path(""));
        assert_eq!(beside.read("folder/file", 9).unwrap().unwrap(), b"text");
    }
}

#[test]
fn files_and_folders_of_others_are_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give files away, and all others find some of root's.
        check_file_refused(&Disk::beside(Path::new("/etc")), "passwd", is_not_ours);
        let error = Disk::private(Path::new("/etc")).list("").unwrap_err();
        assert!(is_not_ours(&error), "{error}");
        return;
    }
    for path in ["file", "folder", ""] {
        let store = Store::new();
        chown(store.path(path), Some(65534), None).unwrap();
        let file = if path == "folder" { "folder/file" } else { "file" };
        check_file_refused(&store.open(), file, is_not_ours);
    }
}

/// Calls itself in a process of its own, because a umask is shared by all threads.
#[test]
fn modes_are_set_whatever_the_umask() {
    const NAME: &str = "disk::modes_are_set_whatever_the_umask";
    const FOLDER: &str = "REGISTRY_TEST_FOLDER";
    #[expect(clippy::disallowed_methods, reason = "this is how it tells itself the folder")]
    let given = std::env::var_os(FOLDER);
    let Some(folder) = given else {
        let folder = TempDir::new().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", NAME]).env(FOLDER, folder.path());
        assert!(child.output().unwrap().status.success());
        // The test runner says that all is well, also if it ran nothing.
        for path in ["0/above/store/folder/file", "511/above/store/folder/file"] {
            assert!(folder.path().join(path).exists(), "{path}");
        }
        return;
    };
    for mask in [0o000, 0o022, 0o177, 0o277, 0o377, 0o777] {
        let path = Path::new(&folder).join(mask.to_string());
        fs::create_dir(&path).unwrap();
        rustix::process::umask(Mode::from_raw_mode(mask));
        let files = Disk::private(&path.join("above/store"));
        files.make_folder("folder").unwrap();
        drop(files.create("folder/file").unwrap());
        drop(files.append("log").unwrap());
        drop(files.lock("lock").unwrap());
        rustix::process::umask(Mode::empty());
        let store = path.join("above/store");
        for (path, expected) in [
            ("..", 0o700),
            ("", 0o700),
            ("folder", 0o700),
            ("folder/file", 0o600),
            ("log", 0o600),
            ("lock", 0o600),
        ] {
            assert_eq!(mode(&store.join(path)), expected, "{path} under {mask:o}");
        }
    }
}

#[test]
fn what_is_created_replaces_nothing() {
    let store = Store::new();
    symlink("new", store.path("link")).unwrap();
    for path in ["file", "link", "folder"] {
        assert!(store.open().create(path).is_err(), "{path}");
    }
    assert!(!store.path("new").exists());
    assert_eq!(fs::read(store.path("file")).unwrap(), b"text");
}

#[test]
fn a_file_that_does_not_say_how_long_it_is_is_read_to_the_limit() {
    // Ours alone, not empty in any test run, and of length 0.
    let process = Disk::beside(Path::new("/proc/self"));
    if !Path::new("/proc/self/environ").exists() {
        return;
    }
    let whole = process.read("environ", 10_000_000).unwrap().unwrap();
    assert_eq!(whole, fs::read("/proc/self/environ").unwrap());
    let len = whole.len() as u64;
    assert_eq!(process.read("environ", len).unwrap().unwrap(), whole);
    assert!(matches!(process.read("environ", len - 1), Err(FileError::TooLarge { .. })));
    assert_eq!(process.read_at("environ", 1, 2).unwrap().unwrap(), whole[1..3]);
}

#[test]
fn the_first_folder_is_kept_until_it_is_removed() {
    let store = Store::new();
    let files = store.open();
    assert_eq!(files.read("folder/file", 9).unwrap().unwrap(), b"text");

    let moved = store.above.path().join("moved");
    fs::rename(store.path(""), &moved).unwrap();
    Disk::private(&store.path("")).make_folder("folder").unwrap();
    assert_eq!(files.read("folder/file", 9).unwrap().unwrap(), b"text");
    assert_eq!(store.open().read("folder/file", 9).unwrap(), None);

    fs::remove_dir_all(&moved).unwrap();
    assert_eq!(files.read("folder/file", 9).unwrap(), None);
    drop(files.create("folder/new").unwrap());
    assert!(store.path("folder/new").exists());

    fs::remove_dir_all(store.path("folder")).unwrap();
    files.make_folder("folder").unwrap();
    drop(files.create("folder/new").unwrap());
    assert!(store.path("folder/new").exists());
}

#[test]
fn many_make_the_same_folders_at_once() {
    let above = TempDir::new().unwrap();
    let path = above.path().join("above/store");
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let files = Disk::private(&path);
                files.make_folder("a/b").unwrap();
                files.sync_folder("").unwrap();
                drop(files.append("a/b/file").unwrap());
            });
        }
    });
    assert_eq!(Disk::private(&path).list("a/b").unwrap().len(), 1);
}

#[test]
fn a_relative_path_starts_where_the_process_is() {
    // Nothing is made, so that nothing is left behind.
    for path in ["", ".", "no-such-folder", "no/such/folder"] {
        let files = Disk::beside(Path::new(path));
        assert_eq!(files.read("no-such-file", 9).unwrap(), None, "{path}");
    }
    assert_eq!(Disk::beside(Path::new("a/./b/")).shown("c"), "a/b/c");
}

#[test]
fn errors_name_the_call_and_the_file() {
    let store = Store::new();
    let files = store.open();
    let path = |path: &str| store.path(path).display().to_string();
    let check = |error: Option<FileError>, call: &str, file: &str| {
        let error = error.unwrap();
        assert_eq!(error.to_string(), format!("could not {call} `{}`", path(file)));
        assert!(std::error::Error::source(&error).is_some());
    };
    check(files.create("file").err(), "create", "file");
    check(files.create("no/file").err(), "create", "no/file");
    check(files.append("no/file").err(), "create", "no/file");
    check(files.rename("no", "file").err(), "rename", "no");
    check(files.link("file", "folder/file").err(), "link", "file");
    check(files.remove("folder").err(), "remove", "folder");
    check(files.sync_folder("no").err(), "sync", "no");
    fs::set_permissions(store.path("file"), Permissions::from_mode(0o644)).unwrap();
    let error = files.read("file", 9).unwrap_err().to_string();
    assert_eq!(error, format!("`{}` is open to others (mode 0644)", path("file")));
    assert_eq!(files.shown(""), store.above.path().join("store").display().to_string());
}

/// Says which row of a table failed.
fn check_row(what: &str, check: impl FnOnce()) {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
    assert!(result.is_ok(), "{what}");
}
