//! What a finding means for the secrets, and what cures it.

use subrosa_engine::remedy::quoted;
use subrosa_registry::{
    FileError, Finding, Holder, KeyError, Problem, RegistryError, Unanchored, Why,
};

use super::Complaint;
use crate::command::secret::stamp;
use crate::registry::command;
use crate::text::count;

const REPAIR: &str = "`subrosa doctor --repair`";
const IMPORT: &str = "`subrosa key import FILE` puts a copy of it back; `subrosa key status` tells \
                      where it is looked for";
const GO_BACK: &str = "`subrosa doctor --restore-previous-root` goes back to the state before the \
                       last change, which is undone by it";
const BACKUP: &str = "bring it back from a backup of the registry";
const NO_RUN: &str = "no run gets a secret of the registry until this is mended";

/// Explains what a check of the store found; `previous` is the root that one could go back to.
pub(super) fn finding(finding: &Finding, previous: Option<u64>, folder: &str) -> Complaint {
    let file = |name: &str| format!("{folder}/{name}");
    match finding {
        Finding::Unusable(error) => unusable(error, previous),
        Finding::TakenBack(error) => taken_back(error),
        Finding::DamagedPart { error, share } => damaged_part(error, *share),
        Finding::DamagedVersion { address, version } => Complaint::error(
            "damaged-secret",
            format!("version {version} of {address} does not open"),
        )
        .means("runs that need it stop; all other secrets are given")
        .cure(format!("give it a value again: `{}`", command("set", address))),
        Finding::Marker { why } => marker(why).at(file("store.json")),
        Finding::HalfRotated { is_in_use } => half_rotated(*is_in_use),
        Finding::Rubbish { files } => {
            Complaint::note("rubbish", format!("{} that nothing names", count(*files, "file")))
                .at(folder)
                .means("they take up room, nothing else")
                .cure(REPAIR)
        }
        Finding::TimesOfUse { damaged_lines, error } => {
            let what = match error {
                Some(error) => format!("the times of last use cannot be read: {error}"),
                None => format!("the times of last use: {damaged_lines} lines say nothing"),
            };
            Complaint::note("times-of-use", what).at(file("used")).means(
                "`subrosa secret list` may call used secrets unused; nothing else depends \
                     on it",
            )
        }
        Finding::NoPrevious { error } => Complaint::note(
            "no-previous-root",
            format!("the root before this one is of no use: {error}"),
        )
        .at(file("root.prev"))
        .means(
            "were the root damaged now, there would be nothing to go back to; the \
                     next change mends it",
        ),
        Finding::Anchor(why) => anchor(*why),
        Finding::ClockBehind { written } => {
            let what = format!("the clock is behind: the registry was changed {}", stamp(*written));
            Complaint::warning("clock", what)
                .means("expired values count as good, and times in the audit log are wrong")
                .cure("set the clock of this machine")
        }
        Finding::Foreign { file } => {
            Complaint::warning("foreign-file", "no subrosa puts such a file there")
                .at(file.as_str())
                .means("it is not used; somebody or something put it there")
                .cure(format!("see what it is, and move it away: `ls -l {}`", quoted(file)))
        }
    }
}

/// Explains why nothing can be read at all.
pub(super) fn unusable(error: &RegistryError, previous: Option<u64>) -> Complaint {
    let complaint = match error {
        RegistryError::Key(KeyError::OtherStore { .. }) if previous.is_some() => {
            // Key and former root agree.
            Complaint::error("damaged-root", "the root names another registry than the key does")
        }
        RegistryError::Key(error) if previous.is_some() => {
            return key(error).cure(format!(
                "if it is the key of before a rotation, move it away, then {IMPORT}; if \
                     the root was damaged, {GO_BACK}"
            ));
        }
        RegistryError::Key(error) => return key(error),
        RegistryError::Damaged { file, .. } => {
            Complaint::error("damaged-root", "damaged or tampered with").at(file.as_str())
        }
        RegistryError::Missing { file } => {
            Complaint::error("missing-root", "missing").at(file.as_str())
        }
        RegistryError::TooNew { file, .. } => {
            return Complaint::error("too-new", error.to_string())
                .at(file.as_str())
                .means(NO_RUN)
                .cure("use the newer subrosa that wrote it");
        }
        other => return Complaint::error("unreadable", with_source(other)).means(NO_RUN),
    };
    complaint.means(NO_RUN).cure(match previous {
        Some(_) => format!("{GO_BACK}; or bring the file back from a backup"),
        None => BACKUP.to_owned(),
    })
}

fn key(error: &KeyError) -> Complaint {
    let complaint = match error {
        KeyError::Missing { .. } => Complaint::error("key-missing", error.to_string()).cure(IMPORT),
        KeyError::Wrong { .. } | KeyError::OtherStore { .. } => {
            Complaint::error("key-wrong", error.to_string())
                .cure(format!("move the wrong one away, then {IMPORT}"))
        }
        KeyError::Damaged { .. } => Complaint::error("key-damaged", error.to_string())
            .cure(format!("move the damaged one away, then {IMPORT}")),
        KeyError::TooNew { .. } => Complaint::error("too-new", error.to_string())
            .cure("use the newer subrosa that wrote it"),
        KeyError::File(FileError::NotPrivate { file, .. }) => {
            Complaint::error("open-to-others", error.to_string()).at(file.as_str()).cure(format!(
                "{REPAIR}, or `chmod 600 {}`; then `subrosa key rotate`",
                quoted(file)
            ))
        }
        KeyError::WrongPassphrase { .. }
        | KeyError::Taken { .. }
        | KeyError::ReadOnly { .. }
        | KeyError::Randomness
        | KeyError::File(_)
        | KeyError::Source { .. } => Complaint::error("key-unavailable", error.to_string())
            .cure("`subrosa key status` tells where it is looked for"),
    };
    complaint.means(
        "no value can be read without the key; nothing is lost as long as there is a copy of it",
    )
}

fn taken_back(error: &RegistryError) -> Complaint {
    let complaint = match error {
        RegistryError::RolledBack { .. } => Complaint::error("rolled-back", error.to_string()),
        other => Complaint::error("forked", other.to_string()),
    };
    complaint
        .means(format!("{NO_RUN}: secrets may have their former values, and removed ones be back"))
        .cure(
            "if you have restored a backup: `subrosa doctor --accept-rollback`; otherwise somebody \
             has put an old copy in its place: bring back the newer one",
        )
}

fn damaged_part(error: &RegistryError, share: u32) -> Complaint {
    let complaint = Complaint::error("damaged-index", with_source(error));
    let complaint = match error {
        RegistryError::Damaged { file, .. } | RegistryError::Missing { file } => {
            complaint.at(file.as_str())
        }
        _ => complaint,
    };
    let means = match share {
        0 => "it is not known which environments there are, and which of them are protected: \
             runs that choose one stop"
            .to_owned(),
        share => format!(
            "runs get none of the secrets in it, {share} of 4096 parts of all; all others are \
             given"
        ),
    };
    complaint.means(means).cure(BACKUP)
}

fn marker(why: &str) -> Complaint {
    let what = format!("the marker of the registry: {why}");
    let means = "without root and marker, a new registry would be made in this one's place";
    if why.contains("another") {
        return Complaint::error("marker", what)
            .means("root and marker are not of one registry: one of them was exchanged")
            .cure(
                "if the root is the right one, move the marker away, then `subrosa doctor \
                 --repair`",
            );
    }
    Complaint::warning("marker", what).means(means).cure(REPAIR)
}

fn half_rotated(is_in_use: bool) -> Complaint {
    let (what, means) = match is_in_use {
        true => (
            "a rotation of the key was cut off after the new key came into use",
            "everything can be read; the former key is still there",
        ),
        false => (
            "a rotation of the key was cut off before anything was changed",
            "everything is as before; a key that nothing needs lies beside the one in use",
        ),
    };
    let cure = format!("{REPAIR}; the next change of a secret does it as well");
    Complaint::warning("half-rotated", what).means(means).cure(cure)
}

fn anchor(why: Unanchored) -> Complaint {
    let blind = "an old copy of the registry in its place would not be noticed";
    match why {
        Unanchored::NoPlace => {
            Complaint::note("no-anchor", "it is remembered nowhere how new the registry is")
                .means(blind)
                .cure("set `HOME` or `XDG_STATE_HOME`")
        }
        Unanchored::Unseen => {
            Complaint::note("no-anchor", "the registry was not changed from here yet")
                .means(format!("{blind}; the next change mends it"))
        }
        Unanchored::Damaged => Complaint::warning(
            "anchor-damaged",
            "what was remembered of the registry cannot be read",
        )
        .means(blind)
        .cure(format!("see that the registry is the newest one, then {REPAIR}")),
        Unanchored::Behind { seen } => Complaint::note(
            "anchor-behind",
            format!("an older state is remembered, generation {seen}"),
        )
        .means(
            "an old copy of the registry would be noticed only if it were older than \
                     that; the next change mends it",
        ),
    }
}

/// Explains a line of the audit log.
pub(super) fn audit(problem: &Problem, log: &str) -> Complaint {
    let what = format!("the audit log: {problem}");
    let complaint = match problem.why {
        Why::Torn => Complaint::note("audit", what).means(
            "a crash leaves such a line; it was never acknowledged, and the next one \
                 replaces it",
        ),
        Why::Unreadable => Complaint::note("audit", what).means("a newer subrosa wrote it"),
        Why::Restart => Complaint::warning("audit", what).means(
            "the lines from there on hold; those before were found damaged, and it was \
                 recorded",
        ),
        Why::Chain | Why::Shape | Why::Number | Why::Cut { .. } | Why::Replaced { .. } => {
            Complaint::error("audit", what)
                .means(
                    "what was done with secrets is not proven any more; the secrets are not \
                     concerned",
                )
                .cure(
                    "keep a copy of the log for whoever looks into it, or bring it back from \
                     a backup; new lines begin a new chain",
                )
        }
    };
    complaint.at(log)
}

/// Explains that there are more.
pub(super) fn audit_unlisted(more: u64, log: &str) -> Complaint {
    Complaint::error("audit", format!("the audit log: {more} more lines do not hold"))
        .at(log)
        .means("as above")
}

/// Explains that the log cannot be read.
pub(super) fn audit_unreadable(error: &FileError) -> Complaint {
    Complaint::error("audit", format!("the audit log cannot be read: {error}"))
        .means("secrets cannot be changed, nor used by workflows with `audit: required`")
}

/// Explains that a store has neither root nor marker.
pub(super) fn remains(folder: &str) -> Complaint {
    Complaint::error("remains", "parts of a registry, with neither its root nor its marker")
        .at(folder)
        .means("nothing in it can be read, and a new registry would be made over it")
        .cure("bring the folder back from a backup, or move it away")
}

/// Explains that there may be more.
pub(super) fn rest_unseen() -> Complaint {
    Complaint::note(
        "rest-unseen",
        "the rest of the registry cannot be judged before that is mended",
    )
    .means("more may come to light")
    .cure("mend it, then `subrosa doctor` once more")
}

/// Explains a file that a writer of keys has left.
pub(super) fn left_over_key(file: &str) -> Complaint {
    Complaint::warning("left-over-key", "a writer that was stopped left it; it may hold a key")
        .at(file)
        .means("nothing needs it, and whoever reads it may have the key")
        .cure(REPAIR)
}

/// Explains a move of the key that was cut off; `words` name the place in use.
pub(super) fn half_moved(words: &str) -> Complaint {
    Complaint::warning("half-moved", "a move of the key was cut off")
        .means("the key is where it should be; a copy may still be in another place")
        .cure(format!(
            "`subrosa key move {words}` removes the copy; the move that was cut off, given \
             again, goes on"
        ))
}

/// Explains who holds the lock.
pub(super) fn locked(holder: Holder) -> Complaint {
    let (what, cure) = match holder {
        Holder { pid: Some(pid), is_here: true } => (
            format!("process {pid} is changing the registry"),
            format!("if it takes long: `ps -p {pid}`"),
        ),
        Holder { pid: Some(pid), is_here: false } => (
            format!("a process that calls itself {pid} is changing the registry"),
            "there is no process of that number here: look in other containers or \
                 machines that share the folder"
                .to_owned(),
        ),
        Holder { pid: None, .. } => {
            ("a process is changing the registry".to_owned(), "`fuser` tells which".to_owned())
        }
    };
    Complaint::note("locked", what).means("other changes wait; runs do not").cure(cure)
}

/// Explains a disk that takes no changes.
pub(super) fn read_only(folder: &str) -> Complaint {
    Complaint::warning("read-only", "the file system is read-only")
        .at(folder)
        .means("secrets can be used, not changed, and no read can be recorded")
        .cure("mount it for writing")
}

/// Explains a disk with too little room.
pub(super) fn full(folder: &str, free: u64) -> Complaint {
    Complaint::warning("full", format!("the disk has {} KiB left", free / 1024))
        .at(folder)
        .means("secrets may not be changed, nor reads be recorded; nothing that is there is lost")
        .cure("make room")
}

fn with_source(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    match error.source().map(ToString::to_string) {
        Some(source) if !text.contains(&source) => format!("{text}: {source}"),
        _ => text,
    }
}
