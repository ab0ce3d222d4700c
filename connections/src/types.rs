//! The types there are: those of the program, and those in a folder of the user.
//!
//! The program's are files in `types/` beside this crate's sources; adding one takes nothing else. A
//! file of the user cannot take the place of a type of the program, since that would decide where the
//! credentials of existing connections go. What is wrong with a file is told with its places, and the
//! other files count all the same. A file that others can change counts for nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, stat};
use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::names::closest;
use subrosa_engine::source::{SourceFile, Span};

use crate::kind::{ConnectionType, Declaration, read};

/// Bytes that a declaration may have.
const FILE_LEN_MAX: u64 = 1024 * 1024;
/// Files of a folder that are read.
const FILES_MAX: usize = 500;

/// Name and text of each file in `types/`.
pub const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/types.rs"));

/// The types there are.
#[derive(Clone, Debug)]
pub struct Types {
    by_id: BTreeMap<String, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    kind: Arc<ConnectionType>,
    origin: Origin,
}

/// Where a type comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the program.
    Shipped,
    /// From a file of the user.
    File(PathBuf),
}

/// A file with a declaration that does not hold, or with warnings.
#[derive(Debug)]
pub struct Flawed {
    /// The file.
    pub source: Arc<SourceFile>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

/// A folder or a file of declarations cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be listed.
    #[error("cannot read the folder of connection types `{}`", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could put a declaration there.
    #[error("{why}: `{}`; a type decides where credentials go", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Who could.
        why: String,
    },
    /// There are more files than anyone would write.
    #[error("more than {FILES_MAX} files in the folder of connection types `{}`", .path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
}

impl Types {
    /// Those of the program.
    pub fn shipped() -> Types {
        let by_id = SHIPPED.iter().filter_map(|(name, text)| {
            // A test reads them all and finds nothing wrong.
            let kind = read(&SourceFile::new(*name, *text)).kind?;
            Some((kind.id.clone(), Known { kind: Arc::new(kind), origin: Origin::Shipped }))
        });
        Types { by_id: by_id.collect() }
    }

    /// Adds those of a folder: its files that end in `.yaml`. No folder is an empty one. Returns the files
    /// with something wrong; those with errors add nothing.
    ///
    /// # Errors
    /// [`FolderError`]
    pub fn add_folder(&mut self, folder: &Path) -> Result<Vec<Flawed>, FolderError> {
        let mut flawed = Vec::new();
        for path in files(folder)? {
            match load(&path) {
                Ok(bytes) => flawed.extend(self.add(SourceFile::from_bytes(&path, &bytes))),
                Err(problem) => {
                    let source = Arc::new(SourceFile::from_bytes(&path, b""));
                    flawed.push(Flawed { source, diagnostics: vec![problem] });
                }
            }
        }
        Ok(flawed)
    }

    /// Adds a declaration of the user.
    fn add(&mut self, source: SourceFile) -> Option<Flawed> {
        let source = Arc::new(source);
        let Declaration { kind, mut diagnostics } = read(&source);
        if let Some(kind) = kind {
            let is_shipped =
                self.by_id.get(&kind.id).is_some_and(|known| known.origin == Origin::Shipped);
            if is_shipped {
                diagnostics.push(taken(&source, &kind.id));
            } else {
                let origin = Origin::File(source.path().to_owned());
                self.by_id.insert(kind.id.clone(), Known { kind: Arc::new(kind), origin });
            }
        }
        (!diagnostics.is_empty()).then_some(Flawed { source, diagnostics })
    }

    /// The type of this id.
    pub fn get(&self, id: &str) -> Option<&Arc<ConnectionType>> {
        self.by_id.get(id).map(|known| &known.kind)
    }

    /// Where the type of this id comes from.
    pub fn origin(&self, id: &str) -> Option<&Origin> {
        self.by_id.get(id).map(|known| &known.origin)
    }

    /// All, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ConnectionType>> {
        self.by_id.values().map(|known| &known.kind)
    }

    /// The id that a word was probably meant to be.
    pub fn closest(&self, id: &str) -> Option<&str> {
        closest(id, self.by_id.keys().map(String::as_str))
    }
}

/// Reads a declaration, if nobody else can have written it: it decides where credentials go.
fn load(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    let unreadable = |why: String| {
        Diagnostic::error("type-file-unreadable", format!("the file cannot be read: {why}"))
            .at(Span::default(), "")
    };
    // Not blocking: whoever opens a pipe that nobody writes to would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = open(path, flags, Mode::empty()).map_err(io::Error::from);
    let file = File::from(file.map_err(|error| unreadable(error.to_string()))?);
    let seen = fstat(&file).map_err(|error| unreadable(io::Error::from(error).to_string()))?;
    if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
        return Err(unreadable("it is no regular file".to_owned()));
    }
    if let Some(message) = foreign("file", &seen) {
        let problem = Diagnostic::error("type-file-owner", message).at(Span::default(), "");
        let help = "a type decides where credentials go: `chmod go-w` and own the file";
        return Err(problem.help(help));
    }
    let mut bytes = Vec::new();
    file.take(FILE_LEN_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(error.to_string()))?;
    match bytes.len() as u64 > FILE_LEN_MAX {
        true => Err(unreadable("it is larger than 1 MiB".to_owned())),
        false => Ok(bytes),
    }
}

/// What is wrong with whose file or folder it is.
fn foreign(what: &str, seen: &Stat) -> Option<String> {
    let is_ours = seen.st_uid == 0 || seen.st_uid == rustix::process::geteuid().as_raw();
    let mode = Mode::from_raw_mode(seen.st_mode);
    // In a folder with the sticky bit, such as `/tmp`, others could still add a file.
    match (is_ours, mode.contains(Mode::WOTH), mode.contains(Mode::WGRP)) {
        (false, _, _) => Some(format!("the {what} belongs to another user")),
        (true, true, _) => Some(format!("the {what} can be changed by every user")),
        (true, false, true) => Some(format!("the {what} can be changed by its group")),
        (true, false, false) => None,
    }
}

fn taken(source: &SourceFile, id: &str) -> Diagnostic {
    let at = source.text().find(id).unwrap_or(0);
    Diagnostic::error("type-taken", format!("the type `{id}` comes with the program"))
        .at(Span::new(at..at + id.len()), "")
        .help(format!("choose another id and file name, such as `my_{id}`"))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let failed = |source| FolderError::Folder { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let seen = stat(folder).map_err(|error| failed(error.into()))?;
    if let Some(why) = foreign("folder of connection types", &seen) {
        return Err(FolderError::Foreign { path: folder.to_owned(), why });
    }
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            if found.len() == FILES_MAX {
                return Err(FolderError::TooMany { path: folder.to_owned() });
            }
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
