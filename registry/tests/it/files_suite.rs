//! What every implementation of [`Files`] does, whatever it stands on.

use std::collections::BTreeMap;
use std::io;

use subrosa_registry::{FileError, Files, OpenFile};

/// Runs all cases, each on files of its own, in which the folder itself is still to be made.
pub(crate) fn check<F: Files>(fresh: impl Fn() -> F) {
    let cases: [fn(&dyn Files); 14] = [
        nothing_is_there_before_the_folder_is_made,
        what_was_written_is_read,
        a_part_is_read,
        more_than_the_limit_is_refused,
        a_name_is_created_once,
        appending_makes_the_file_and_goes_on_at_its_end,
        a_file_is_cut_and_written_on,
        a_rename_replaces,
        a_rename_between_names_of_one_file_does_nothing,
        a_link_needs_a_free_name,
        removing_is_fine_without_a_file,
        folders_are_made_with_those_above,
        a_folder_is_no_file_and_a_file_no_folder,
        everybody_gets_the_lock,
    ];
    for case in cases {
        case(&fresh());
    }
}

/// Writes all bytes, however short the single writes turn out.
pub(crate) fn write_all(file: &mut dyn OpenFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn put(files: &dyn Files, path: &str, text: &str) {
    write_all(&mut *files.create(path).unwrap(), text.as_bytes()).unwrap();
}

#[track_caller]
fn check_text(files: &dyn Files, path: &str, expected: Option<&str>) {
    let bytes = files.read(path, 100).unwrap();
    assert_eq!(bytes.map(|bytes| String::from_utf8(bytes).unwrap()).as_deref(), expected, "{path}");
}

#[track_caller]
fn check_refused<T>(result: Result<T, FileError>, kind: io::ErrorKind) {
    match result.err().expect("it is refused") {
        FileError::Io { source, .. } => assert_eq!(source.kind(), kind),
        other => panic!("{other}"),
    }
}

/// The entries of a folder: name, length, whether it is a folder.
fn entries(files: &dyn Files, path: &str) -> BTreeMap<String, (u64, bool)> {
    let found = files.list(path).unwrap();
    found.into_iter().map(|file| (file.name, (file.len, file.is_folder))).collect()
}

fn nothing_is_there_before_the_folder_is_made(files: &dyn Files) {
    check_text(files, "a", None);
    check_text(files, "b/a", None);
    assert_eq!(files.read_at("a", 0, 9).unwrap(), None);
    assert_eq!(files.list("").unwrap(), []);
    files.remove("a").unwrap();
    check_refused(files.create("a"), io::ErrorKind::NotFound);
    check_refused(files.append("a"), io::ErrorKind::NotFound);
    check_refused(files.lock("a"), io::ErrorKind::NotFound);
    check_refused(files.rename("a", "b"), io::ErrorKind::NotFound);
    check_refused(files.link("a", "b"), io::ErrorKind::NotFound);
    check_refused(files.sync_folder(""), io::ErrorKind::NotFound);
    files.make_folder("").unwrap();
    check_text(files, "a", None);
    check_refused(files.create("b/a"), io::ErrorKind::NotFound);
}

fn what_was_written_is_read(files: &dyn Files) {
    files.make_folder("").unwrap();
    let long = "0123456789".repeat(20_000);
    for text in ["", "a", &long] {
        let mut file = files.create("a").unwrap();
        write_all(&mut *file, text.as_bytes()).unwrap();
        assert_eq!(file.len().unwrap(), text.len() as u64);
        file.sync().unwrap();
        files.sync_folder("").unwrap();
        assert_eq!(files.read("a", 1_000_000).unwrap().unwrap(), text.as_bytes());
        assert_eq!(entries(files, ""), [("a".into(), (text.len() as u64, false))].into());
        files.remove("a").unwrap();
    }
}

fn a_part_is_read(files: &dyn Files) {
    files.make_folder("").unwrap();
    put(files, "a", "0123456789");
    for (at, len, expected) in [
        (0, 3, "012"),
        (3, 3, "345"),
        (8, 3, "89"),
        (10, 3, ""),
        (11, 3, ""),
        (0, 0, ""),
        (0, u64::MAX, "0123456789"),
        (4, u64::MAX, "456789"),
    ] {
        let part = files.read_at("a", at, len).unwrap().unwrap();
        assert_eq!(String::from_utf8(part).unwrap(), expected, "{len} from {at}");
    }
}

fn more_than_the_limit_is_refused(files: &dyn Files) {
    files.make_folder("").unwrap();
    put(files, "a", "0123456789");
    assert!(matches!(files.read("a", 9), Err(FileError::TooLarge { .. })));
    assert!(matches!(files.read("a", 0), Err(FileError::TooLarge { .. })));
    assert_eq!(files.read("a", 10).unwrap().unwrap(), b"0123456789");
    assert_eq!(files.read("a", u64::MAX).unwrap().unwrap(), b"0123456789");
}

fn a_name_is_created_once(files: &dyn Files) {
    files.make_folder("").unwrap();
    put(files, "a", "first");
    check_refused(files.create("a"), io::ErrorKind::AlreadyExists);
    check_text(files, "a", Some("first"));
}

fn appending_makes_the_file_and_goes_on_at_its_end(files: &dyn Files) {
    files.make_folder("").unwrap();
    let mut first = files.append("a").unwrap();
    let mut second = files.append("a").unwrap();
    write_all(&mut *first, b"1").unwrap();
    write_all(&mut *second, b"2").unwrap();
    write_all(&mut *first, b"3").unwrap();
    check_text(files, "a", Some("123"));
}

fn a_file_is_cut_and_written_on(files: &dyn Files) {
    files.make_folder("").unwrap();
    let mut file = files.append("a").unwrap();
    write_all(&mut *file, b"0123456789").unwrap();
    file.truncate(4).unwrap();
    assert_eq!(file.len().unwrap(), 4);
    write_all(&mut *file, b"x").unwrap();
    check_text(files, "a", Some("0123x"));
}

fn a_rename_replaces(files: &dyn Files) {
    files.make_folder("b").unwrap();
    files.make_folder("other").unwrap();
    put(files, "a", "new");
    put(files, "b/a", "old");
    files.rename("a", "b/a").unwrap();
    check_text(files, "a", None);
    check_text(files, "b/a", Some("new"));
    check_refused(files.rename("a", "b/a"), io::ErrorKind::NotFound);
    check_refused(files.rename("b/a", "c/a"), io::ErrorKind::NotFound);
    check_refused(files.rename("b/a", "other"), io::ErrorKind::IsADirectory);
    check_text(files, "b/a", Some("new"));
}

fn a_rename_between_names_of_one_file_does_nothing(files: &dyn Files) {
    files.make_folder("").unwrap();
    put(files, "a", "one");
    files.link("a", "b").unwrap();
    files.rename("a", "b").unwrap();
    check_text(files, "a", Some("one"));
    check_text(files, "b", Some("one"));
}

fn a_link_needs_a_free_name(files: &dyn Files) {
    files.make_folder("").unwrap();
    put(files, "a", "one");
    put(files, "b", "two");
    check_refused(files.link("a", "b"), io::ErrorKind::AlreadyExists);
    files.link("a", "c").unwrap();
    files.remove("a").unwrap();
    check_text(files, "b", Some("two"));
    check_text(files, "c", Some("one"));
    check_refused(files.link("a", "d"), io::ErrorKind::NotFound);
}

fn removing_is_fine_without_a_file(files: &dyn Files) {
    files.make_folder("b").unwrap();
    put(files, "a", "one");
    files.remove("a").unwrap();
    files.remove("a").unwrap();
    files.remove("c/a").unwrap();
    check_text(files, "a", None);
    assert!(files.remove("b").is_err());
    assert!(entries(files, "")["b"].1);
}

fn folders_are_made_with_those_above(files: &dyn Files) {
    files.make_folder("a/b/c").unwrap();
    files.make_folder("a/b").unwrap();
    files.make_folder("").unwrap();
    put(files, "a/b/c/d", "deep");
    for folder in ["a/b/c", "a/b", "a", ""] {
        files.sync_folder(folder).unwrap();
    }
    check_text(files, "a/b/c/d", Some("deep"));
    assert_eq!(entries(files, "a/b/c"), [("d".into(), (4, false))].into());
    assert!(entries(files, "a/b")["c"].1);
    assert_eq!(files.list("b").unwrap(), []);
    check_refused(files.sync_folder("b"), io::ErrorKind::NotFound);
}

fn a_folder_is_no_file_and_a_file_no_folder(files: &dyn Files) {
    files.make_folder("folder").unwrap();
    put(files, "file", "text");
    let results = [
        files.read("folder", 9).err(),
        files.read_at("folder", 0, 9).err(),
        files.append("folder").err(),
        files.lock("folder").err(),
        files.make_folder("file").err(),
        files.make_folder("file/b").err(),
        files.list("file").err(),
        files.read("file/b", 9).err(),
        files.create("file/b").err(),
        files.sync_folder("file").err(),
    ];
    for (number, result) in results.into_iter().enumerate() {
        assert!(matches!(result, Some(FileError::NotPlain { .. })), "{number}: {result:?}");
    }
}

fn everybody_gets_the_lock(files: &dyn Files) {
    const WAITERS: usize = 8;
    const TURNS: usize = 5;
    files.make_folder("").unwrap();
    put(files, "count", "0");
    std::thread::scope(|scope| {
        for _ in 0..WAITERS {
            scope.spawn(|| {
                for _ in 0..TURNS {
                    let held = files.lock("lock").unwrap();
                    let count = files.read("count", 9).unwrap().unwrap();
                    let count: usize = String::from_utf8(count).unwrap().parse().unwrap();
                    // Only under the lock is the name free and nothing counted twice.
                    put(files, "next", &(count + 1).to_string());
                    files.rename("next", "count").unwrap();
                    drop(held);
                }
            });
        }
    });
    check_text(files, "count", Some(&(WAITERS * TURNS).to_string()));
}
