//! Small files that a client is set up by: tokens, certificates, keys.
//!
//! What is no regular file is refused without waiting for it, and no more than a mebibyte is read. The
//! buffer is wiped when it is dropped. Links are followed: mounted tokens are links.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use zeroize::Zeroizing;

use crate::InvalidSetting;

/// Bytes such a file may have.
const FILE_LEN_MAX: usize = 1024 * 1024;

/// Reads all of it; `what` names the file in messages.
///
/// # Errors
/// [`InvalidSetting`]: it cannot be read.
pub fn read(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>, InvalidSetting> {
    read_bytes(path).map_err(|error| {
        let message = format!("cannot read {what} `{}`: {error}", path.display());
        InvalidSetting(message)
    })
}

/// The same; nothing if there is no such file.
///
/// # Errors
/// As for [`read`].
pub fn read_if_there(
    path: &Path,
    what: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>, InvalidSetting> {
    match open_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(_) | Err(_) => read(path, what).map(Some),
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(open(path, flags, Mode::empty())?))
}

fn read_bytes(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = open_file(path)?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    // Room for more than is read: a vector that grew would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LEN_MAX + 64));
    let limit = u64::try_from(FILE_LEN_MAX + 1).expect("a mebibyte fits");
    file.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > FILE_LEN_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(bytes)
}
