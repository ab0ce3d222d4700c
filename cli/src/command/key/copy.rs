//! `key export` and `key import`: copies of the key for a safe place, and back.
//!
//! The text of a key lies in buffers that wipe themselves, and goes to a new file of ours, or to whatever
//! standard output leads to unless that is a screen.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use subrosa_registry::{Disk, FileError, Files, KeyCopy, Protection};
use zeroize::Zeroizing;

use super::{actor, told};
use crate::args::key::{ExportArgs, ImportArgs};
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::out;
use crate::registry::OpenSecrets;
use crate::terminal;

/// More bytes than the text of any key has, with room for a line end that was added.
const TEXT_LEN_MAX: u64 = 1024;

/// What stands for standard input or output.
const STREAM: &str = "-";

/// Writes a copy where there is nothing yet.
pub(super) fn export(args: &ExportArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let secrets = world.open_secrets()?;
    if args.file == Path::new(STREAM) {
        return export_to_stream(args, &secrets, world);
    }
    let path = world.current_dir.join(&args.file);
    let shown = path.display().to_string();
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(folder), Some(name)) = (path.parent(), name) else {
        return Err(Failure::usage(format!("`{shown}` names no file in UTF-8")));
    };
    let files = Disk::beside(folder);
    // Asked first so that nobody types a passphrase in vain; what counts is that a new file is made.
    if std::fs::symlink_metadata(&path).is_ok() {
        return Err(taken(&shown));
    }
    let copy = copy(args, &format!("the file {shown}"), &secrets, world)?;
    write(&files, name, &copy.text).map_err(|error| match error {
        FileError::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
            taken(&shown)
        }
        error => subrosa_registry::RegistryError::from(error).into(),
    })?;
    let mut told = told(format!("{shown}: a copy of the key {}", copy.id))
        .with("file", shown.as_str())
        .with("key", copy.id.as_str())
        .with("passphrase", args.passphrase);
    told.note(warning(args));
    told.tell(args.json)
}

fn export_to_stream(
    args: &ExportArgs,
    secrets: &OpenSecrets,
    world: &Opener<'_>,
) -> Result<Exit, Failure> {
    if args.json {
        return Err(Failure::usage("standard output takes the key or JSON, not both"));
    }
    if terminal::is_terminal(&io::stdout()) {
        return Err(Failure::usage("standard output is a terminal, where the key would be read")
            .help("name a file, or send it to a program: `subrosa key export - | age ...`"));
    }
    let copy = copy(args, "standard output", secrets, world)?;
    out::stdout(&*copy.text)?;
    out::stderr(&format!("note: {}\n", warning(args)));
    Ok(Exit::OK)
}

fn copy(
    args: &ExportArgs,
    to: &str,
    secrets: &OpenSecrets,
    world: &Opener<'_>,
) -> Result<KeyCopy, Failure> {
    let protection = match args.passphrase {
        true => Protection::Passphrase(&secrets.places()?.passphrase),
        false => Protection::None,
    };
    let actor = actor(secrets, "key export", world);
    Ok(secrets.registry.export_key(&actor, &protection, to)?)
}

fn warning(args: &ExportArgs) -> &'static str {
    match args.passphrase {
        true => {
            "whoever has this copy, its passphrase and the registry has every secret; without the \
             passphrase it is worth nothing"
        }
        false => {
            "whoever has this copy and the registry has every secret: keep it apart from \
                 the registry"
        }
    }
}

fn taken(shown: &str) -> Failure {
    Failure::usage(format!("there is something at `{shown}` already"))
        .help("a copy is never put over anything; name another file")
}

/// Writes a new file, durably; on failure it is gone again.
fn write(files: &Disk, name: &str, text: &[u8]) -> Result<(), FileError> {
    let mut file = files.create(name)?;
    let mut rest = text;
    let mut written = Ok(());
    while written.is_ok() && !rest.is_empty() {
        written = file.write(rest).map(|length| rest = &rest[length..]);
    }
    let failed = |call| move |source| FileError::Io { call, file: files.shown(name), source };
    let kept = written.map_err(failed("write")).and_then(|()| file.sync().map_err(failed("sync")));
    kept.and_then(|()| files.sync_folder("")).inspect_err(|_| {
        // What is told is why it could not be written.
        files.remove(name).ok();
    })
}

/// Puts a copy back where the key is missing.
pub(super) fn import(args: &ImportArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let secrets = world.open_secrets()?;
    let (text, from, lax) = if args.file == Path::new(STREAM) {
        let text = read_stdin()
            .map_err(|error| Failure::engine(format!("cannot read standard input: {error}")))?;
        (text, "standard input".to_owned(), None)
    } else {
        read_file(&world.current_dir.join(&args.file))?
    };
    let actor = actor(&secrets, "key import", world);
    let passphrase = &secrets.places()?.passphrase;
    let imported = secrets.registry.import_key(&actor, &text, &from, passphrase)?;
    let mut told = told(format!("the key {} is back in {}", imported.id, imported.place))
        .with("key", imported.id.as_str())
        .with("place", imported.place.as_str());
    if let Some(mode) = lax {
        told.note(format!(
            "{from} is open to others (mode {mode:04o}): who has read it has the key"
        ));
    }
    told.tell(args.json)
}

/// Not through the library's stream, whose buffer would keep the key.
fn read_stdin() -> io::Result<Zeroizing<Vec<u8>>> {
    read(File::from(rustix::stdio::stdin().try_clone_to_owned()?))
}

/// The text, where it was read in words, and the mode of a file that others can read.
type Copied = (Zeroizing<Vec<u8>>, String, Option<u32>);

/// Reads a file that may lie anywhere and have any mode, as on a stick; says which if others can read
/// it.
fn read_file(path: &Path) -> Result<Copied, Failure> {
    let unreadable =
        |error: io::Error| Failure::usage(format!("cannot read `{}`: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    let mode = found.mode() & 0o7777;
    let is_lax = found.is_file() && mode & 0o077 != 0;
    let text = read(file).map_err(unreadable)?;
    Ok((text, format!("the file {}", path.display()), is_lax.then_some(mode)))
}

/// Reads no more than tells that it is too much.
fn read(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let room = usize::try_from(TEXT_LEN_MAX).unwrap_or(usize::MAX).saturating_add(1);
    // Room for all of it: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(vec![0; room]);
    let mut from = from;
    let mut length = 0;
    while length < room {
        match from.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    text.truncate(length);
    Ok(text)
}
