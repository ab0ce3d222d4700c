//! The model finds what it is for: each way of replacing a file that is not durable.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::panic::catch_unwind;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use subrosa_registry::{FileError, Files};

use super::{CallKind, Content, Crash, Cut, Fault, ModelFiles, Names, Plan, for_every_fault};
use crate::files_suite::{self, write_all};

#[test]
fn it_does_what_every_implementation_does() {
    files_suite::check(ModelFiles::new);
}

/// What can be wrong with replacing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    FileNotSynced,
    FolderNotSynced,
    FolderSyncedTooEarly,
    SyncTriedAgain,
    SyncErrorIgnored,
    ShortWriteIgnored,
    WrittenInPlace,
    OldRemovedFirst,
}

const OLD: &[u8] = b"the old content, which is longer";
const NEW: &[u8] = b"the new content";

/// Writes under another name, syncs, renames, syncs the folder; but for the flaw.
fn replace(files: &ModelFiles, flaw: Flaw) -> Result<(), FileError> {
    let failed =
        |call| move |source: io::Error| FileError::Io { call, file: "root.new".to_owned(), source };
    if flaw == Flaw::WrittenInPlace {
        let mut file = files.append("root")?;
        file.truncate(0).map_err(failed("truncate"))?;
        write_all(&mut *file, NEW).map_err(failed("write"))?;
        return file.sync().map_err(failed("sync"));
    }
    files.remove("root.new")?;
    let mut file = files.create("root.new")?;
    match flaw {
        Flaw::ShortWriteIgnored => drop(file.write(NEW).map_err(failed("write"))?),
        _ => write_all(&mut *file, NEW).map_err(failed("write"))?,
    }
    let synced = if flaw == Flaw::FileNotSynced { Ok(()) } else { file.sync() };
    match (flaw, synced) {
        (Flaw::SyncTriedAgain, Err(_)) => file.sync().map_err(failed("sync"))?,
        (Flaw::SyncErrorIgnored, _) => {}
        (_, result) => result.map_err(failed("sync"))?,
    }
    match flaw {
        Flaw::OldRemovedFirst => files.remove("root")?,
        Flaw::FolderSyncedTooEarly => files.sync_folder("")?,
        _ => {}
    }
    files.rename("root.new", "root")?;
    match flaw {
        Flaw::FolderNotSynced | Flaw::FolderSyncedTooEarly => Ok(()),
        _ => files.sync_folder(""),
    }
}

fn try_all_faults(flaw: Flaw) {
    for_every_fault(
        |files| files.put("root", OLD),
        |files| replace(files, flaw).is_ok(),
        |files, is_acknowledged, injected| {
            let found = files.read("root", 100).unwrap();
            let is_new = found.as_deref() == Some(NEW);
            assert!(is_new || found.as_deref() == Some(OLD), "torn by {injected}");
            assert!(is_new || !is_acknowledged, "lost by {injected}");
        },
    );
}

#[test]
fn a_durable_replace_is_old_or_new_whatever_happens() {
    try_all_faults(Flaw::None);
}

#[test]
fn each_flaw_is_found() {
    for flaw in [
        Flaw::FileNotSynced,
        Flaw::FolderNotSynced,
        Flaw::FolderSyncedTooEarly,
        Flaw::SyncTriedAgain,
        Flaw::SyncErrorIgnored,
        Flaw::ShortWriteIgnored,
        Flaw::WrittenInPlace,
        Flaw::OldRemovedFirst,
    ] {
        assert!(catch_unwind(|| try_all_faults(flaw)).is_err(), "{flaw:?} was not found");
    }
}

#[test]
fn every_call_meets_every_fault() {
    let injected = RefCell::new(BTreeSet::new());
    let undisturbed = Cell::new(0);
    for_every_fault(
        |files| files.put("root", OLD),
        |files| replace(files, Flaw::None).is_ok(),
        |_, is_acknowledged, what| {
            let (fault, crash) = what.split_once(", then ").unwrap();
            injected.borrow_mut().insert(fault.to_owned());
            undisturbed.set(undisturbed.get() + u32::from(*is_acknowledged && crash == "Kill"));
        },
    );
    let injected = injected.into_inner();
    // Remove, create, write, sync, rename, sync the folder.
    for call in 0..6 {
        for fault in ["StopBefore", "StopAfter", "Error(Os { code: 5"] {
            let expected = format!("Once({call}, {fault}");
            assert!(injected.iter().any(|what| what.starts_with(&expected)), "{expected}");
        }
    }
    for expected in ["Once(2, StopHalfway)", "Once(2, Short)", "no fault"] {
        assert!(injected.contains(expected), "{expected}");
    }
    // Without a fault, with one after the last call, with a write cut short or interrupted.
    assert_eq!(undisturbed.get(), 4, "{injected:?}");
}

#[test]
fn what_is_judged_wrong_is_told_with_the_calls() {
    let judged = catch_unwind(|| {
        for_every_fault(|_| (), |files| files.list("").is_ok(), |_, is_ok, _| assert!(*is_ok));
    });
    let text = *judged.unwrap_err().downcast::<String>().unwrap();
    let expected = "judged wrong after Once(0, StopBefore), then Kill; the calls were:\n   \
                    0 process 0: List   <- StopBefore\n";
    assert_eq!(text, expected);
}

const CUT: Cut = Cut { names: Names::None, content: Content::Lost };

#[test]
fn a_synced_file_has_no_name_before_its_folder_is_synced() {
    let files = ModelFiles::new();
    files.make_folder("a").unwrap();
    files.sync_folder("").unwrap();
    let mut file = files.create("a/b").unwrap();
    write_all(&mut *file, b"text").unwrap();
    file.sync().unwrap();
    let cut = Crash::PowerCut(CUT);
    assert_eq!(files.crash(cut).read("a/b", 9).unwrap(), None);
    files.sync_folder("a").unwrap();
    assert_eq!(files.crash(cut).read("a/b", 9).unwrap().unwrap(), b"text");
}

#[test]
fn the_folder_itself_is_lost_until_it_is_synced() {
    let files = ModelFiles::new();
    files.make_folder("a").unwrap();
    files.create("a/b").unwrap();
    files.sync_folder("a").unwrap();
    assert_eq!(files.crash(Crash::PowerCut(CUT)).list("").unwrap(), []);
    files.sync_folder("").unwrap();
    assert!(files.crash(Crash::PowerCut(CUT)).snapshot().contains_key("a/b"));
}

#[test]
fn content_that_was_not_synced_is_lost_cut_or_garbled() {
    let files = ModelFiles::new();
    files.put("log", b"one ");
    let mut file = files.append("log").unwrap();
    write_all(&mut *file, b"more").unwrap();
    for (content, expected) in [
        (Content::Lost, &b"one "[..]),
        (Content::Prefix, b"one mo"),
        (Content::Kept, b"one more"),
        (Content::Zeros, b"one \0\0\0\0"),
    ] {
        let cut = Cut { names: Names::None, content };
        let found = files.crash(Crash::PowerCut(cut)).snapshot().remove("log").unwrap();
        assert_eq!(found, expected, "{content:?}");
    }
    let cut = Cut { names: Names::None, content: Content::Garbage(1) };
    let found = files.crash(Crash::PowerCut(cut)).snapshot().remove("log").unwrap();
    assert!(found.starts_with(b"one ") && found.len() == 8 && found != b"one more");
    assert_eq!(files.crash(Crash::Kill).snapshot()["log"], b"one more");
}

#[test]
fn every_selection_of_unsynced_names_is_tried() {
    let files = ModelFiles::new();
    files.put("a", b"");
    files.rename("a", "b").unwrap();
    files.link("b", "c").unwrap();
    files.remove("b").unwrap();
    let cuts = files.power_cuts().into_iter();
    let found: BTreeSet<String> = cuts
        .map(|cut| files.crash(Crash::PowerCut(cut)).snapshot().into_keys().collect())
        .collect();
    // Renamed or not, linked or not, removed or not.
    let expected = ["", "a", "ac", "b", "bc", "c"].map(str::to_owned);
    assert_eq!(found, expected.into());
}

#[test]
fn what_a_failed_sync_lost_stays_lost() {
    let files = ModelFiles::new();
    files.put("a", b"old ");
    files.arm(Some(Plan::Once(2, Fault::Error(Errno::IO))));
    let mut file = files.append("a").unwrap();
    write_all(&mut *file, b"new").unwrap();
    assert!(file.sync().is_err());
    file.sync().unwrap();
    assert_eq!(files.read("a", 9).unwrap().unwrap(), b"old new");
    assert_eq!(files.crash(Crash::PowerCut(CUT)).read("a", 9).unwrap().unwrap(), b"old ");
}

#[test]
fn a_stopped_process_is_dead_and_its_lock_is_free() {
    let files = ModelFiles::new().impatient();
    files.put("a", b"");
    let other = files.another_process();
    files.arm(Some(Plan::Once(2, Fault::StopAfter)));
    let held = files.lock("lock").unwrap();
    assert!(matches!(other.lock("lock"), Err(FileError::Busy { pid: Some(0), .. })));
    assert!(files.remove("a").is_err());
    assert!(files.has_fired());
    assert!(files.list("").is_err());
    let taken = other.lock("lock").unwrap();
    drop(held);
    assert!(matches!(other.lock("lock"), Err(FileError::Busy { pid: Some(1), .. })));
    drop(taken);
    // It was stopped when the call was done.
    assert_eq!(other.read("a", 9).unwrap(), None);
}

#[test]
fn a_stopped_call_has_its_effect_or_half_or_none() {
    for (fault, expected) in [
        (Fault::StopBefore, &b"old "[..]),
        (Fault::StopHalfway, b"old new"),
        (Fault::StopAfter, b"old newer"),
    ] {
        let files = ModelFiles::new();
        files.put("a", b"old ");
        files.arm(Some(Plan::Once(1, fault)));
        let mut file = files.append("a").unwrap();
        assert!(file.write(b"newer").is_err());
        assert!(file.sync().is_err() && files.read("a", 9).is_err());
        assert_eq!(files.crash(Crash::Kill).snapshot()["a"], expected, "{fault:?}");
    }
}

#[test]
fn a_disk_stays_full() {
    let files = ModelFiles::new();
    files.make_folder("").unwrap();
    files.arm(Some(Plan::From(1, Errno::NOSPC)));
    let mut file = files.create("a").unwrap();
    assert_eq!(file.write(b"text").unwrap_err().raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
    assert!(files.create("b").is_err());
    assert!(file.sync().is_err());
    files.remove("a").unwrap();
}

#[test]
fn files_carry_the_time_of_their_last_change() {
    let files = ModelFiles::new();
    files.put("a", b"");
    files.put("b", b"");
    let later = SystemTime::UNIX_EPOCH + Duration::from_secs(3600);
    files.set_now(later);
    write_all(&mut *files.append("a").unwrap(), b"text").unwrap();
    let times: Vec<_> = files.list("").unwrap().into_iter().map(|file| file.modified).collect();
    assert_eq!(times, [later, SystemTime::UNIX_EPOCH]);
}

#[test]
fn calls_are_counted_and_told() {
    let files = ModelFiles::new();
    files.make_folder("").unwrap();
    files.arm(Some(Plan::Once(1, Fault::Short)));
    let mut file = files.append("a").unwrap();
    assert_eq!(file.write(b"four").unwrap(), 2);
    assert_eq!(files.calls(), 2);
    assert_eq!(files.kind_of(1), Some(CallKind::Write));
    let expected = "   0 process 0: Append a\n   1 process 0: Write a 4 bytes  <- Short\n";
    assert_eq!(files.dump(), expected);
}
