//! Reads workflow files: regular files of a bounded size, whatever stands in their place.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::source::SourceFile;

/// A workflow file is not larger than this.
const LEN_MAX: u64 = 16 * 1024 * 1024;

/// Reads a workflow file. What its bytes say is for [`crate::validate`] to judge.
///
/// # Errors
/// A diagnostic without a place: the file is not there, may not be read, is no regular file, or is
/// larger than 16 MiB.
pub fn load(path: &Path) -> Result<SourceFile, Diagnostic> {
    let refuse = |what: String, help: &str| {
        let message = format!("workflow file `{}` {what}", path.display());
        Err(Diagnostic::error("unreadable-file", message).help(help))
    };
    match read(path) {
        Ok(bytes) if bytes.len() as u64 > LEN_MAX => {
            refuse("is larger than 16 MiB".to_owned(), "keep data out of the workflow file")
        }
        Ok(bytes) => Ok(SourceFile::from_bytes(path, &bytes)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => refuse("does not exist".to_owned(), "check the path"),
            io::ErrorKind::PermissionDenied => {
                refuse("may not be read".to_owned(), "give yourself read permission on it")
            }
            _ => refuse(format!("cannot be read: {error}"), "name a regular file"),
        },
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LEN_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
