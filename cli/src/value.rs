//! Taking in a value: from standard input, a file, or a person.
//!
//! It is read by plain system calls into one buffer that wipes itself, of a size that holds the largest
//! value and a newline; a longer one is refused as soon as it is known to be longer. Neither a message
//! nor a hint here says anything of what was read but whether it ended with a newline.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use secrecy::SecretSlice;
use subrosa_engine::secret::SecretValue;
use subrosa_registry::{VALUE_LEN_MAX, check_value};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::prompt::Hiding;
use crate::{out, terminal, text};

/// Room for the longest newline, and for one byte that is too many.
const READ_LEN_MAX: usize = VALUE_LEN_MAX + 2 + 1;

/// Where a value comes from.
pub(crate) struct Source<'a> {
    /// A file instead of standard input.
    pub(crate) file: Option<&'a Path>,
    /// Whether a newline at the end is part of the value.
    pub(crate) keep_newline: bool,
    /// What a person is asked for.
    pub(crate) what: &'a str,
}

/// A value, and what became of the newline at its end.
pub(crate) struct Taken {
    /// The value.
    pub(crate) value: SecretSlice<u8>,
    /// What to tell of the newline, if there was one.
    pub(crate) newline: Option<&'static str>,
}

/// Reads a value that can be stored.
pub(crate) fn take(source: &Source<'_>) -> Result<Taken, Failure> {
    if source.file.is_none() && terminal::is_terminal(&io::stdin()) {
        return typed(source.what);
    }
    let bytes = bytes(source.file)?;
    let (kept, newline) = without_newline(&bytes, source.keep_newline);
    check_value(kept)?;
    // Exactly as long as it has to be: no copy of it stays behind in a buffer that was cut.
    Ok(Taken { value: SecretSlice::from(kept.to_vec()), newline })
}

/// What a file, or else standard input, holds: as it is, and at most a byte more than can be stored.
pub(crate) fn bytes(file: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match file {
        Some(path) => read_file(path),
        None => read(rustix::stdio::stdin(), READ_LEN_MAX)
            .map_err(|error| Failure::engine(format!("cannot read standard input: {error}"))),
    }
}

/// Bytes that a file of credentials may have: it can hold those of many services.
const CREDENTIALS_LEN_MAX: usize = 1024 * 1024;

/// What a file of credentials holds, or a pipe. What is to be said of who else can read it is said here.
pub(crate) fn credentials(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = open_file(path, OFlags::empty())?;
    let judged = subrosa_connections::files::judge(&file, path);
    let warning = judged.map_err(|error| Failure::usage(error.to_string()))?;
    let bytes = read(file.as_fd(), CREDENTIALS_LEN_MAX + 1);
    let bytes = bytes.map_err(|error| unreadable(path, &error))?;
    if bytes.len() > CREDENTIALS_LEN_MAX {
        return Err(Failure::usage(format!("`{}` is larger than 1 MiB", path.display())));
    }
    if let Some(warning) = warning {
        out::stderr(&format!("warning: {}\n", text::shown(&warning)));
    }
    Ok(bytes)
}

/// A value that a reader of files has taken in, on its way into the registry.
pub(crate) type Given = SecretValue;

/// Does something with the bytes of a value on its way in.
#[expect(clippy::disallowed_methods, reason = "it goes from a file into the registry")]
pub(crate) fn with<T>(given: &Given, take: impl FnOnce(&[u8]) -> T) -> T {
    take(given.expose())
}

/// The value of a variable, on its way in.
pub(crate) fn of_variable(value: &OsStr) -> Option<Given> {
    Some(SecretValue::new(value.as_encoded_bytes().to_vec()))
}

fn typed(what: &str) -> Result<Taken, Failure> {
    let hiding = Hiding::default();
    let first = hiding.ask(&format!("value of {what} (not shown): "))?;
    check_value(&first)?;
    let second = hiding.ask("the same again: ")?;
    if *first != *second {
        return Err(Failure::usage("the two values differ; nothing was stored"));
    }
    Ok(Taken { value: SecretSlice::from(first.to_vec()), newline: None })
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = open_file(path, OFlags::empty())?;
    read(file.as_fd(), READ_LEN_MAX).map_err(|error| unreadable(path, &error))
}

/// Opens a file or a pipe for reading, with `more` flags than these need.
pub(crate) fn open_file(path: &Path, more: OFlags) -> Result<File, Failure> {
    let shown = path.display();
    // Not blocking: whoever opens a pipe that nobody writes to would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | more;
    let file = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
    let file = file.map_err(|errno| unreadable(path, &errno.into()))?;
    let stat = rustix::fs::fstat(&file).map_err(|errno| unreadable(path, &errno.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Fifo => wait_for_writer(&file, shown.to_string())?,
        FileType::Directory => return Err(Failure::usage(format!("`{shown}` is a folder"))),
        _ => return Err(Failure::usage(format!("`{shown}` is neither a file nor a pipe"))),
    }
    Ok(File::from(file))
}

/// That a file cannot be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read `{}`: {error}", path.display()))
}

/// Waits until a pipe (`<(command)` of a shell) has something, or its last writer went.
fn wait_for_writer(pipe: &impl AsFd, shown: String) -> Result<(), Failure> {
    use rustix::event::{PollFd, PollFlags, poll};
    let unreadable =
        |errno: rustix::io::Errno| Failure::usage(format!("cannot read `{shown}`: {errno}"));
    let mut waiting = [PollFd::new(pipe, PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut waiting, None)).map_err(unreadable)?;
    let flags = rustix::fs::fcntl_getfl(pipe).map_err(unreadable)?;
    rustix::fs::fcntl_setfl(pipe, flags - OFlags::NONBLOCK).map_err(unreadable)
}

/// Reads to the end, or until there are `len_max` bytes. The buffer has that size from the start, so that
/// no copy stays behind; the system gives memory only to what is used of it.
pub(crate) fn read(from: BorrowedFd<'_>, len_max: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; len_max]);
    let mut length = 0;
    while length < len_max {
        match rustix::io::retry_on_intr(|| rustix::io::read(from, &mut bytes[length..]))? {
            0 => break,
            more => length += more,
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The value, and what is told of its newline.
fn without_newline(bytes: &[u8], keep: bool) -> (&[u8], Option<&'static str>) {
    let cut = bytes.strip_suffix(b"\r\n").or_else(|| bytes.strip_suffix(b"\n"));
    match cut {
        Some(_) if keep => (bytes, Some("kept the trailing newline")),
        Some(cut) => (cut, Some("stored without the trailing newline")),
        None => (bytes, None),
    }
}

#[cfg(test)]
mod tests {
    use super::without_newline;

    #[test]
    fn one_newline_goes_unless_it_is_wanted() {
        let check = |bytes: &[u8], expected: &[u8], told: bool| {
            let (value, newline) = without_newline(bytes, false);
            assert_eq!((value, newline.is_some()), (expected, told));
            let (value, newline) = without_newline(bytes, true);
            assert_eq!((value, newline.is_some()), (bytes, told));
        };
        check(b"hunter2\n", b"hunter2", true);
        check(b"hunter2\r\n", b"hunter2", true);
        check(b"hunter2\n\n", b"hunter2\n", true);
        check(b"hunter2", b"hunter2", false);
        check(b"hunter2\r", b"hunter2\r", false);
        check(b"\n", b"", true);
        check(b"", b"", false);
    }
}
