//! Mending: what is safe, and the two decisions that have flags of their own.

use std::path::Path;

use subrosa_registry::{Disk, FileError, Files, Finding, Oddity, Presence, RegistryError, Tidied};

use super::Folders;
use crate::failure::Failure;
use crate::out;
use crate::text::{count, shown};
use crate::wiring::World;

/// A folder that was shut shows what is in it only after it was opened; none is deeper.
const ROUNDS_MAX: usize = 4;

/// Does what can be nobody's loss, and says what was done. What did not work out is found once more by
/// whoever looks next.
pub(super) fn repair(folders: &Folders, world: &World) -> Vec<String> {
    let mut done = Vec::new();
    close(&folders.store, &mut done);
    for (_, disk) in [&folders.keys, &folders.anchors].into_iter().flatten() {
        close(disk, &mut done);
    }
    if let Some(path) = &world.key_file {
        close_key_file(path, &mut done);
    }
    if !matches!(folders.registry().presence(), Ok(Presence::Present)) {
        return done;
    }
    match folders.registry().tidy(&folders.actor) {
        Ok(tidied) => {
            done.extend(told(&tidied));
            remove_left_over(folders, world, &mut done);
        }
        // Only what looking would not find.
        Err(error @ RegistryError::File(FileError::Busy { .. } | FileError::Io { .. })) => {
            could_not("tidy", &error);
        }
        Err(_) => {}
    }
    done
}

fn close(disk: &Disk, done: &mut Vec<String>) {
    for _ in 0..ROUNDS_MAX {
        let before = done.len();
        for odd in disk.survey().odd {
            let (Oddity::Lax { mode, .. } | Oddity::Shut { mode, .. }) = odd.why else { continue };
            match disk.close(&odd.path) {
                Ok(()) => done.push(format!("closed `{}`, which had mode {mode:04o}", odd.file)),
                Err(error) => could_not("close", &error),
            }
        }
        if done.len() == before {
            return;
        }
    }
}

/// The file alone; the folder that it is in is not ours to judge.
fn close_key_file(path: &Path, done: &mut Vec<String>) {
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(folder), Some(name)) = (path.parent(), name) else { return };
    let disk = Disk::beside(folder);
    if let Err(FileError::NotPrivate { file, mode, .. }) = disk.read_at(name, 0, 0) {
        match disk.close(name) {
            Ok(()) => done.push(format!("closed `{file}`, which had mode {mode:04o}")),
            Err(error) => could_not("close", &error),
        }
    }
}

fn told(tidied: &Tidied) -> Vec<String> {
    let mut done = Vec::new();
    if tidied.removed > 0 {
        done.push(format!("removed {} that nothing names", count(tidied.removed, "file")));
    }
    let deeds = [
        (tidied.finished_rotation, "finished a rotation of the key"),
        (tidied.dropped_next_key, "dropped the new key of a rotation that had not happened"),
        (tidied.wrote_marker, "wrote the marker anew"),
        (tidied.wrote_anchor, "wrote anew how new the registry is"),
    ];
    done.extend(deeds.into_iter().filter(|(is_done, _)| *is_done).map(|(_, deed)| deed.to_owned()));
    done
}

/// The key in use has just opened the registry, so none of these is needed.
fn remove_left_over(folders: &Folders, world: &World, done: &mut Vec<String>) {
    let Ok(places) = folders.secrets.places() else { return };
    match places.remove_left_over((world.clock)()) {
        Ok(0) => {}
        Ok(files) => {
            let files = count(files, "file");
            done.push(format!("removed {files} that writers of keys had left"));
        }
        Err(error) => could_not("remove what writers of keys had left", &error),
    }
}

fn could_not(act: &str, error: &dyn std::error::Error) {
    out::stderr(&format!("warning: could not {act}: {}\n", shown(&error.to_string())));
}

/// Takes the store as it is, if that takes a decision.
pub(super) fn accept(folders: &Folders) -> Result<String, Failure> {
    let findings = folders.registry().check().findings;
    match findings.into_iter().next() {
        Some(Finding::TakenBack(_)) => {}
        Some(Finding::Unusable(error)) => return Err(error.into()),
        Some(_) | None => {
            return Err(Failure::usage(
                "the registry is not older than it was; there is nothing to accept",
            ));
        }
    }
    let generation = folders.registry().accept(&folders.actor)?;
    Ok(format!("accepted the registry as it is, as generation {generation}"))
}

/// Goes back to the root before the present one.
pub(super) fn go_back(folders: &Folders) -> Result<String, Failure> {
    match folders.registry().restore_previous_root(&folders.actor) {
        Ok(generation) => {
            Ok(format!("went back to the state before the last change, as generation {generation}"))
        }
        Err(RegistryError::StoreExists { .. }) => Err(Failure::usage(
            "the root of the registry is whole; there is nothing to go back from",
        )),
        Err(error) => Err(error.into()),
    }
}
