//! Looking: each part of the registry in turn, and what was found in it.

use subrosa_registry::{
    CheckReport, FileError, Finding, KeyError, KeySettings, Presence, RegistryError, Space,
    Unanchored,
};

use super::files::{Surveyed, survey};
use super::{Complaint, Folders, Severity, explain};
use crate::command::key::words;
use crate::failure::Exit;
use crate::wiring::World;

/// Less room than a change takes with certainty.
const ROOM_MIN: u64 = 4 << 20;

/// What was seen.
pub(super) struct Seen {
    /// The folder of the store.
    pub(super) folder: String,
    /// Whether there is one.
    pub(super) exists: bool,
    pub(super) complaints: Vec<Complaint>,
    pub(super) generation: Option<u64>,
    pub(super) secrets: usize,
    pub(super) connections: usize,
    pub(super) versions: usize,
    /// Whether the store's folder could be looked into.
    is_seen: bool,
}

impl Seen {
    pub(super) fn count(&self, severity: Severity) -> usize {
        self.complaints.iter().filter(|complaint| complaint.severity == severity).count()
    }

    pub(super) fn exit(&self) -> Exit {
        if !self.is_seen {
            Exit::ENGINE
        } else if self.count(Severity::Error) + self.count(Severity::Warning) > 0 {
            Exit::STEP_FAILED
        } else {
            Exit::OK
        }
    }
}

/// Looks at everything.
pub(super) fn look(folders: &Folders, world: &World) -> Seen {
    let Surveyed { complaints, told, is_seen } = survey(folders);
    let mut seen = Seen {
        folder: folders.secrets.folder.display().to_string(),
        exists: true,
        complaints,
        generation: None,
        secrets: 0,
        connections: 0,
        versions: 0,
        is_seen,
    };
    match folders.registry().presence() {
        Ok(Presence::Absent) => seen.exists = false,
        Ok(Presence::Remains) => seen.complaints.push(explain::remains(&seen.folder)),
        Ok(Presence::Present) => look_at_store(folders, &told, &mut seen),
        Err(RegistryError::File(error)) if is_told(&error, &told) => {
            seen.complaints.push(explain::rest_unseen());
        }
        Err(error) => {
            seen.is_seen = false;
            seen.complaints.push(explain::unusable(&error, None));
        }
    }
    look_at_keys(folders, world, &mut seen);
    look_at_disk(folders, &mut seen);
    seen
}

fn look_at_store(folders: &Folders, told: &[String], seen: &mut Seen) {
    let registry = folders.registry();
    let CheckReport { findings, generation, secrets, connections, versions, previous } =
        registry.check();
    (seen.generation, seen.secrets, seen.versions) = (generation, secrets, versions);
    seen.connections = connections;
    for finding in findings {
        if is_told_already(&finding, folders, told) {
            if matches!(finding, Finding::Unusable(_)) {
                seen.complaints.push(explain::rest_unseen());
            }
            continue;
        }
        seen.complaints.push(explain::finding(&finding, previous, &seen.folder));
    }
    match registry.verify_audit() {
        Ok(report) => {
            let log = folders.secrets.folder.join("audit.log").display().to_string();
            let problems = report.problems.iter();
            seen.complaints.extend(problems.map(|problem| explain::audit(problem, &log)));
            if report.problems_unlisted > 0 {
                seen.complaints.push(explain::audit_unlisted(report.problems_unlisted, &log));
            }
        }
        Err(RegistryError::File(error)) if !is_told(&error, told) => {
            seen.complaints.push(explain::audit_unreadable(&error));
        }
        // Why the store does not open is told.
        Err(_) => {}
    }
}

/// Whether the survey of files has told the cause of a finding.
fn is_told_already(finding: &Finding, folders: &Folders, told: &[String]) -> bool {
    let store = |name: &str| folders.secrets.folder.join(name).display().to_string();
    match finding {
        Finding::Unusable(error)
        | Finding::DamagedPart { error, .. }
        | Finding::NoPrevious { error } => is_error_told(error, told),
        Finding::TimesOfUse { error: Some(error), .. } => is_told(error, told),
        Finding::Marker { .. } => told.contains(&store("store.json")),
        Finding::Foreign { file } => told.contains(file),
        Finding::Anchor(Unanchored::Damaged) => {
            let folder = folders.anchors.as_ref().map(|(path, _)| path.display().to_string());
            folder.is_some_and(|folder| told.iter().any(|file| file.starts_with(&folder)))
        }
        Finding::DamagedVersion { .. }
        | Finding::HalfRotated { .. }
        | Finding::Rubbish { .. }
        | Finding::TimesOfUse { .. }
        | Finding::TakenBack(_)
        | Finding::Anchor(_)
        | Finding::ClockBehind { .. } => false,
    }
}

fn is_error_told(error: &RegistryError, told: &[String]) -> bool {
    match error {
        RegistryError::File(error) | RegistryError::Key(KeyError::File(error)) => {
            is_told(error, told)
        }
        _ => false,
    }
}

fn is_told(error: &FileError, told: &[String]) -> bool {
    let (FileError::Io { file, .. }
    | FileError::NotPrivate { file, .. }
    | FileError::NotOurs { file }
    | FileError::NotPlain { file }
    | FileError::TooLarge { file }
    | FileError::Busy { file, .. }) = error;
    told.contains(file)
}

/// Copies of the key that nobody needs.
fn look_at_keys(folders: &Folders, world: &World, seen: &mut Seen) {
    let Ok(places) = folders.secrets.places() else { return };
    // A folder that cannot be read is told of by the survey.
    for name in places.left_over((world.clock)()).unwrap_or_default() {
        seen.complaints.push(explain::left_over_key(&places.folder.shown(&name)));
    }
    let Some(store) = folders.registry().claimed_id() else { return };
    let Ok(settings) = KeySettings::read(&*places.folder) else { return };
    if settings.left(&store).is_some() {
        seen.complaints.push(explain::half_moved(&words(&settings.source(&store))));
    }
}

fn look_at_disk(folders: &Folders, seen: &mut Seen) {
    if let Ok(Some(holder)) = folders.store.holder("lock") {
        seen.complaints.push(explain::locked(holder));
    }
    match folders.store.space() {
        Some(Space { is_read_only: true, .. }) => {
            seen.complaints.push(explain::read_only(&seen.folder));
        }
        Some(Space { free, .. }) if free < ROOM_MIN => {
            seen.complaints.push(explain::full(&seen.folder, free));
        }
        Some(_) | None => {}
    }
}
