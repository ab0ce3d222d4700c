//! Who gets the lock, and who is told that it is taken.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;

/// Gives up at the second look.
const NONE: Patience = Patience {
    stall: Duration::ZERO,
    total: Duration::from_secs(60),
    step: Duration::from_millis(1),
};
/// Gives up only if a test hangs.
const LONG: Patience = Patience {
    stall: Duration::from_secs(60),
    total: Duration::from_secs(60),
    step: Duration::from_millis(1),
};

fn disk(folder: &Path, patience: Patience) -> Disk {
    let disk = Disk { patience, ..Disk::private(&folder.join("store")) };
    disk.make_folder("").unwrap();
    disk
}

#[track_caller]
fn check_busy(disk: &Disk, expected: u32) {
    match disk.lock("lock").err() {
        Some(FileError::Busy { pid, .. }) => assert_eq!(pid, Some(expected)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lock_is_held_until_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (disk(folder.path(), NONE), disk(folder.path(), NONE));
    let held = first.lock("lock").unwrap();
    check_busy(&second, std::process::id());
    check_busy(&first, std::process::id());
    let other = second.lock("other").unwrap();
    drop(held);
    // The threads of those that gave up are in line before this one, and let go at once.
    drop(disk(folder.path(), LONG).lock("lock").unwrap());
    drop(other);
}

/// Calls itself in a process of its own, which holds the lock until its input ends.
#[test]
fn another_process_holds_the_lock() {
    const NAME: &str = "files::disk::lock::tests::another_process_holds_the_lock";
    const FOLDER: &str = "REGISTRY_TEST_FOLDER";
    #[expect(clippy::disallowed_methods, reason = "this is how it tells itself the folder")]
    let given = std::env::var_os(FOLDER);
    if let Some(folder) = given {
        let held = disk(Path::new(&folder), LONG).lock("lock").unwrap();
        writeln!(std::io::stdout(), "it is held").unwrap();
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        drop(held);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(FOLDER, folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("it is held")));
        (child, lines)
    };

    let (mut child, _lines) = start();
    check_busy(&disk(folder.path(), NONE), child.id());
    let waits = disk(folder.path(), LONG);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(waits.lock("lock").unwrap()));
        drop(child.stdin.take());
        waiter.join().unwrap();
    });
    assert!(child.wait().unwrap().success());

    let (mut child, _lines) = start();
    check_busy(&disk(folder.path(), NONE), child.id());
    kill(&mut child);
    drop(disk(folder.path(), LONG).lock("lock").unwrap());
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn who_waited_for_a_file_that_was_removed_gets_the_lock_of_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), LONG);
    let path = folder.path().join("store/lock");
    let held = disk.lock("lock").unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| disk.lock("lock").unwrap());
        // Where it cannot be seen that it has the old file open, it may be early enough for the new.
        while descriptors(&path) == Some(1) {
            std::thread::yield_now();
        }
        std::fs::remove_file(&path).unwrap();
        drop(disk.create("lock").unwrap());
        drop(held);
        let held = waiter.join().unwrap();
        assert!(!try_lock(File::open(&path).unwrap()).unwrap());
        drop(held);
    });
    assert!(try_lock(File::open(&path).unwrap()).unwrap());
}

/// How many descriptors of this process are of that file, if the system tells.
fn descriptors(path: &Path) -> Option<usize> {
    let all = std::fs::read_dir("/proc/self/fd").ok()?;
    let is_it = |link: &std::path::PathBuf| std::fs::read_link(link).is_ok_and(|to| to == path);
    Some(all.filter_map(|entry| Some(entry.ok()?.path())).filter(is_it).count())
}

#[test]
fn a_copy_of_the_descriptor_does_not_keep_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), NONE);
    let held = take(&disk, "lock", disk.patience).unwrap();
    let copy = held.0.try_clone().unwrap();
    check_busy(&disk, std::process::id());
    drop(held);
    drop(take(&disk, "lock", LONG).unwrap());
    drop(copy);
}

#[test]
fn each_holder_signs() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), LONG);
    let path = folder.path().join("store/lock");
    for turn in 0..3 {
        drop(disk.lock("lock").unwrap());
        let expected = Signature { pid: std::process::id(), turn };
        assert_eq!(read_signature(&File::open(&path).unwrap()), Some(expected));
    }
    // Whatever is in the file, the lock is the lock.
    std::fs::write(&path, "x".repeat(100)).unwrap();
    drop(disk.lock("lock").unwrap());
    let expected = Signature { pid: std::process::id(), turn: 0 };
    assert_eq!(read_signature(&File::open(&path).unwrap()), Some(expected));
}

#[test]
fn a_link_in_place_of_the_lock_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(folder.path(), LONG);
    symlink("other", folder.path().join("store/lock")).unwrap();
    assert!(matches!(disk.lock("lock"), Err(FileError::NotPlain { .. })));
    assert!(!folder.path().join("store/other").exists());
}

#[test]
fn waiting_ends_when_nothing_moves() {
    let start = Instant::now();
    let patience = Patience::USUAL;
    let by = |pid| Some(Signature { pid, turn: 7 });
    // Seconds since the start, the holder then, what is made of it.
    let looks = [
        (1, 5, Verdict::Wait),
        (9, 5, Verdict::Wait),
        (9, 6, Verdict::Wait),
        (18, 6, Verdict::Wait),
        (18, 5, Verdict::Wait),
        (27, 5, Verdict::Wait),
        (28, 5, Verdict::Over),
    ];
    let mut watch = Watch::new(patience, start, by(5));
    for (seconds, pid, expected) in looks {
        let now = start + Duration::from_secs(seconds);
        assert_eq!(watch.look(now, by(pid)), expected, "{pid} at {seconds}");
    }

    let mut watch = Watch::new(patience, start, None);
    for seconds in 1..300 {
        let now = start + Duration::from_secs(seconds);
        assert_eq!(watch.look(now, by(u32::try_from(seconds).unwrap())), Verdict::Wait);
    }
    assert_eq!(watch.look(start + Duration::from_secs(300), by(0)), Verdict::Over);
}
