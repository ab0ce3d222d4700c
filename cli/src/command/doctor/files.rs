//! Modes, owners and kinds of files and folders, as findings.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use subrosa_engine::remedy::quoted;
use subrosa_registry::{Disk, Odd, Oddity};

use super::{Complaint, Folders};

/// What of a folder is as it must not be.
pub(super) struct Surveyed {
    pub(super) complaints: Vec<Complaint>,
    /// The files and folders that were told of.
    pub(super) told: Vec<String>,
    /// Whether the store's folder could be looked into.
    pub(super) is_seen: bool,
}

/// What a folder is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Store,
    Keys,
    Anchors,
}

/// Looks at all folders of the registry.
pub(super) fn survey(folders: &Folders) -> Surveyed {
    let mut surveyed = Surveyed { complaints: Vec::new(), told: Vec::new(), is_seen: true };
    let store = Some((&folders.secrets.folder, &folders.store, For::Store));
    let keys = folders.keys.as_ref().map(|(path, disk)| (path, disk, For::Keys));
    let anchors = folders.anchors.as_ref().map(|(path, disk)| (path, disk, For::Anchors));
    let mut above = Vec::new();
    for (path, disk, purpose) in [store, keys, anchors].into_iter().flatten() {
        let found = survey_one(disk, purpose, &mut surveyed);
        if let Some(folder) = path.parent().filter(|folder| found && !above.contains(folder)) {
            surveyed.complaints.extend(exchangeable(folder));
            above.push(folder);
        }
    }
    surveyed
}

/// Whether there is such a folder.
fn survey_one(disk: &Disk, purpose: For, surveyed: &mut Surveyed) -> bool {
    let survey = disk.survey();
    for odd in survey.odd {
        if purpose == For::Store && odd.path.is_empty() && matches!(odd.why, Oddity::Unseen(_)) {
            surveyed.is_seen = false;
        }
        surveyed.complaints.push(explain(&odd, purpose));
        surveyed.told.push(odd.file);
    }
    survey.exists
}

fn explain(odd: &Odd, purpose: For) -> Complaint {
    let file = &odd.file;
    let complaint = match &odd.why {
        Oddity::Lax { mode, is_folder } => {
            let means = match (purpose, is_folder) {
                (For::Keys, false) => {
                    "it is not read until it is closed. Who has read a key in it can open every \
                     copy of the registry: rotate the key afterwards (`subrosa key rotate`)"
                }
                (_, true) => "nothing in it is used until it is closed: others could exchange it",
                (_, false) => "it is not used until it is closed: others could read or change it",
            };
            let what = format!("open to others (mode {mode:04o})");
            Complaint::error("open-to-others", what).means(means).cure(close(file, *is_folder))
        }
        Oddity::Shut { mode, is_folder } => {
            let what = format!("you have not all rights to it (mode {mode:04o})");
            Complaint::error("shut", what)
                .means("it cannot be read or changed as needed")
                .cure(close(file, *is_folder))
        }
        Oddity::NotOurs => Complaint::error("foreign-owner", "it belongs to another user")
            .means("it is not used: its owner could change it at any time")
            .cure(format!("if it is yours all the same: `sudo chown \"$USER\" {}`", quoted(file))),
        Oddity::NotPlain => {
            Complaint::error("not-plain", "a link, a pipe, or something else that is no plain file")
                .means("it is not used: somebody may have put it there to lead elsewhere")
                .cure(format!(
                    "see what it is (`ls -ld {}`), move it away, and bring back what belongs there \
                 from a backup",
                    quoted(file)
                ))
        }
        Oddity::Unseen(error) => {
            Complaint::error("unseen", format!("it cannot be looked into: {error}"))
                .means("nobody can tell what is in it")
        }
    };
    complaint.at(file.as_str())
}

fn close(file: &str, is_folder: bool) -> String {
    let mode = if is_folder { 700 } else { 600 };
    format!("`subrosa doctor --repair`, or `chmod {mode} {}`", quoted(file))
}

/// Who may change a folder can put another one in the place of what is in it.
fn exchangeable(folder: &Path) -> Option<Complaint> {
    // One that cannot be looked at was no hindrance to looking into it.
    let found = fs::metadata(folder).ok()?;
    let is_ours = found.uid() == rustix::process::geteuid().as_raw();
    let mode = found.mode() & 0o7777;
    if is_ours && mode & 0o022 == 0 {
        return None;
    }
    let shown = folder.display().to_string();
    let (what, cure) = if is_ours {
        (
            format!("others may change it (mode {mode:04o})"),
            format!("`chmod go-w {}`", quoted(&shown)),
        )
    } else {
        ("it belongs to another user".to_owned(), "use a folder of your own".to_owned())
    };
    let means = "others can put folders of their own in the place of what is in it";
    Some(Complaint::warning("exchangeable", what).at(shown).means(means).cure(cure))
}
