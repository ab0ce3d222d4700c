//! `doctor`: finds what is wrong with the registry, explains it, and mends what is safe.
//!
//! It takes the registry as it finds it: whatever lies in the folders, each finding stands by itself and
//! the others are still looked for. What could be somebody's loss is never done by `--repair`.

mod explain;
mod files;
mod look;
mod mend;
mod say;

use std::path::PathBuf;
use std::sync::Arc;

use subrosa_registry::{Actor, Disk};

use crate::args::audit::DoctorArgs;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::registry::OpenSecrets;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    /// Something does not work, or is not safe.
    Error,
    /// It works, and should be seen to.
    Warning,
    /// Good to know.
    Note,
}

/// Something that was found.
#[derive(Debug)]
struct Complaint {
    severity: Severity,
    /// What kind of finding it is, for programs.
    kind: &'static str,
    /// What is wrong.
    what: String,
    /// With which file or folder.
    place: Option<String>,
    /// What it means for the secrets.
    means: String,
    /// What can be done.
    cure: Option<String>,
}

impl Complaint {
    fn new(severity: Severity, kind: &'static str, what: impl Into<String>) -> Complaint {
        Complaint {
            severity,
            kind,
            what: what.into(),
            place: None,
            means: String::new(),
            cure: None,
        }
    }

    fn error(kind: &'static str, what: impl Into<String>) -> Complaint {
        Complaint::new(Severity::Error, kind, what)
    }

    fn warning(kind: &'static str, what: impl Into<String>) -> Complaint {
        Complaint::new(Severity::Warning, kind, what)
    }

    fn note(kind: &'static str, what: impl Into<String>) -> Complaint {
        Complaint::new(Severity::Note, kind, what)
    }

    fn at(mut self, place: impl Into<String>) -> Complaint {
        self.place = Some(place.into());
        self
    }

    fn means(mut self, means: impl Into<String>) -> Complaint {
        self.means = means.into();
        self
    }

    fn cure(mut self, cure: impl Into<String>) -> Complaint {
        self.cure = Some(cure.into());
        self
    }
}

/// The folders that belong to the registry.
struct Folders {
    secrets: OpenSecrets,
    /// Where the store is.
    store: Disk,
    /// Where keys are; nowhere without a home.
    keys: Option<(PathBuf, Disk)>,
    /// Where it is remembered how new the store was; nowhere without a home.
    anchors: Option<(PathBuf, Disk)>,
    actor: Actor,
}

impl Folders {
    fn of(world: &Opener<'_>) -> Result<Folders, Failure> {
        let secrets = world.open_secrets()?;
        let disk = |path: PathBuf| {
            let disk = Disk::private(&path);
            (path, disk)
        };
        Ok(Folders {
            store: Disk::private(&secrets.folder),
            keys: world.key_folder().map(disk),
            anchors: world.anchor_folder().map(disk),
            actor: secrets.admin("doctor", false, world).actor,
            secrets,
        })
    }

    fn registry(&self) -> &Arc<subrosa_registry::Registry> {
        &self.secrets.registry
    }
}

/// Looks, after mending what was asked for, and tells.
pub(crate) fn doctor(args: &DoctorArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let folders = Folders::of(world)?;
    let mut done = Vec::new();
    if args.repair {
        done.extend(mend::repair(&folders, world));
    }
    if args.accept_rollback {
        done.push(mend::accept(&folders)?);
    }
    if args.restore_previous_root {
        done.push(mend::go_back(&folders)?);
    }
    let seen = look::look(&folders, world);
    say::say(&seen, &done, args.json, world)?;
    Ok(seen.exit())
}
