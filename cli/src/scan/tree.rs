//! The files of folders, as they are on the disk.
//!
//! In a git work tree: what git tracks, and what it does not ignore; of ignored files only whether they
//! hold credentials that others may read. Elsewhere: every file below, except in folders called `.git`.
//! Links are not followed; where they lead is searched as text, as git stores it. A link that was named
//! on the command line is followed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::finding::Since;
use super::git::Git;
use super::scanner::{Scanner, Subject};
use crate::failure::Failure;

/// Searches a file or folder; `dir` is where a relative path starts.
pub(crate) fn scan(
    path: &Path,
    dir: &Path,
    git: &Git<'_>,
    scanner: &mut Scanner<'_>,
) -> Result<(), Failure> {
    let full = dir.join(path);
    match fs::metadata(&full) {
        Err(error) => scanner.unreadable(path.as_os_str().as_bytes(), &error),
        Ok(found) if found.is_dir() => {
            // `a` and not `./a`.
            let shown = if path == Path::new(".") { Path::new("") } else { path };
            if is_work_tree(&full, git)? {
                work_tree(&full, shown, git, scanner)
            } else {
                walk(&full, shown, scanner)
            }
        }
        Ok(_) => named_file(&full, path, git, scanner),
    }
}

/// Whether git has this folder under its care. Where there is a repository and git fails, that is an
/// error: a walk instead would take tracked files for others.
fn is_work_tree(dir: &Path, git: &Git<'_>) -> Result<bool, Failure> {
    let dir = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let is_repository = dir.ancestors().any(|above| above.join(".git").symlink_metadata().is_ok());
    if !is_repository && !git.is_told() {
        return Ok(false);
    }
    let answer = git.within(&dir).output(&["rev-parse", "--is-inside-work-tree"])?;
    Ok(answer.trim_ascii() == b"true")
}

fn work_tree(
    dir: &Path,
    shown: &Path,
    git: &Git<'_>,
    scanner: &mut Scanner<'_>,
) -> Result<(), Failure> {
    let git = git.within(dir);
    let mut last = Vec::new();
    for (mode, path) in tracked(&git.output(&["ls-files", "-z", "--stage"])?) {
        // A file with a conflict is there once for each side.
        if path == last {
            continue;
        }
        path.clone_into(&mut last);
        let relative = Path::new(OsStr::from_bytes(path));
        if mode == b"160000" {
            let name = shown.join(relative);
            scanner.passed_over(name.as_os_str().as_bytes(), SUBMODULE)?;
            continue;
        }
        let entry =
            Entry { full: dir.join(relative), shown: shown.join(relative), git: InGit::Tracked };
        entry.scan(scanner)?;
    }
    let others = git.output(&["ls-files", "-z", "--others", "--exclude-standard"])?;
    for path in paths(&others) {
        let relative = Path::new(OsStr::from_bytes(path));
        if path.ends_with(b"/") {
            let name = shown.join(relative);
            scanner.passed_over(name.as_os_str().as_bytes(), "a repository of its own")?;
            continue;
        }
        let entry = Entry { full: dir.join(relative), shown: shown.join(relative), git: InGit::No };
        entry.scan(scanner)?;
    }
    let ignored = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"];
    let ignored = git.output(&ignored)?;
    // Folders that are ignored as a whole hold what programs made; they are not opened.
    for path in paths(&ignored).filter(|path| !path.ends_with(b"/")) {
        let relative = Path::new(OsStr::from_bytes(path));
        let entry =
            Entry { full: dir.join(relative), shown: shown.join(relative), git: InGit::Ignored };
        entry.scan(scanner)?;
    }
    Ok(())
}

const SUBMODULE: &str = "a submodule is a repository of its own";

fn paths(listed: &[u8]) -> impl Iterator<Item = &[u8]> {
    listed.split(|&byte| byte == 0).filter(|path| !path.is_empty())
}

/// Modes and paths out of `mode id stage`, a tab, the path, a NUL; and so on.
fn tracked(listed: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    paths(listed).filter_map(|entry| {
        let tab = entry.iter().position(|&byte| byte == b'\t')?;
        Some((entry.split(|&byte| byte == b' ').next()?, &entry[tab + 1..]))
    })
}

fn walk(dir: &Path, shown: &Path, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
    let mut folders = vec![(dir.to_owned(), shown.to_owned())];
    while let Some((dir, shown)) = folders.pop() {
        let mut children = match children(&dir) {
            Ok(children) => children,
            Err(error) => {
                let name = if shown.as_os_str().is_empty() { Path::new(".") } else { &shown };
                scanner.unreadable(name.as_os_str().as_bytes(), &error)?;
                continue;
            }
        };
        children.sort_by(|a, b| a.0.cmp(&b.0));
        let mut below = Vec::new();
        for (name, is_folder) in children {
            let (full, shown) = (dir.join(&name), shown.join(&name));
            match is_folder {
                true if name == ".git" => {}
                true => below.push((full, shown)),
                false => Entry { full, shown, git: InGit::No }.scan(scanner)?,
            }
        }
        folders.extend(below.into_iter().rev());
    }
    Ok(())
}

/// What is in a folder, and whether it is a folder itself.
fn children(dir: &Path) -> io::Result<Vec<(std::ffi::OsString, bool)>> {
    fs::read_dir(dir)?
        .map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?.is_dir()))))
        .collect()
}

/// A file that was named: searched even where git ignores it.
fn named_file(
    full: &Path,
    shown: &Path,
    git: &Git<'_>,
    scanner: &mut Scanner<'_>,
) -> Result<(), Failure> {
    let parent = full.parent().unwrap_or(Path::new("/"));
    let mut has_git = InGit::No;
    if let (true, Some(name)) = (is_work_tree(parent, git)?, full.file_name()) {
        let listed = git.within(parent).output_about(&["ls-files", "-z"], Some(name))?;
        has_git = if listed.is_empty() { InGit::No } else { InGit::Tracked };
    }
    let full = match fs::canonicalize(full) {
        Ok(full) => full,
        Err(error) => return scanner.unreadable(shown.as_os_str().as_bytes(), &error),
    };
    Entry { full, shown: shown.to_owned(), git: has_git }.scan(scanner)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum InGit {
    No,
    Tracked,
    Ignored,
}

/// Something that is no folder.
struct Entry {
    full: PathBuf,
    shown: PathBuf,
    git: InGit,
}

impl Entry {
    fn scan(self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        let name = self.shown.as_os_str().as_bytes();
        let since = (self.git == InGit::Tracked).then_some(Since::Tracked);
        let link = Subject { name, mode: None, since: None, commit: None };
        // A pipe must not hold the scan up, hence no waiting.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::open(&self.full, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            // Deleted, and not yet for git; its text is a matter of history.
            Err(rustix::io::Errno::NOENT) if self.git != InGit::No => return Ok(()),
            Err(rustix::io::Errno::LOOP) => {
                return match fs::read_link(&self.full) {
                    Ok(target) => {
                        scanner.search(link, target.into_os_string().into_vec().as_slice())
                    }
                    Err(error) => scanner.unreadable(name, &error),
                };
            }
            // What a socket or a device without a driver answers.
            Err(rustix::io::Errno::NXIO | rustix::io::Errno::NODEV) => {
                return scanner.passed_over(name, NO_FILE);
            }
            Err(error) => return scanner.unreadable(name, &error.into()),
        };
        let found = match file.metadata() {
            Ok(found) => found,
            Err(error) => return scanner.unreadable(name, &error),
        };
        if found.is_dir() {
            return scanner.passed_over(name, "a repository of its own");
        }
        if !found.is_file() {
            return scanner.passed_over(name, NO_FILE);
        }
        let subject = Subject { mode: Some(found.permissions().mode()), since, ..link };
        match self.git {
            InGit::Ignored => scanner.inspect(subject, file),
            InGit::No | InGit::Tracked => scanner.search(subject, file),
        }
    }
}

const NO_FILE: &str = "no file, but a pipe, socket or device";
