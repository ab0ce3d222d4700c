//! Small files that a provider is set up by: tokens, certificates, keys.
//!
//! What is no regular file is refused without waiting for it, and no more than a mebibyte is read. The
//! buffer is wiped when it is dropped. Links are followed: mounted tokens are links.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use subrosa_engine::provider::{ProviderError, ProviderErrorKind, ResolveContext};
use zeroize::Zeroizing;

/// Bytes such a file may have.
const FILE_LEN_MAX: usize = 1024 * 1024;

/// Reads all of it; `what` names the file in messages.
///
/// # Errors
/// [`ProviderErrorKind::InvalidRequest`]: it cannot be read.
pub(crate) fn read(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    read_bytes(path).map_err(|error| {
        let message = format!("cannot read {what} `{}`: {error}", path.display());
        ProviderError::new(ProviderErrorKind::InvalidRequest, message)
    })
}

/// The same; nothing if there is no such file.
///
/// # Errors
/// As for [`read`].
pub(crate) fn read_if_there(
    path: &Path,
    what: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>, ProviderError> {
    match open_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(_) | Err(_) => read(path, what).map(Some),
    }
}

/// Where a path leads: a relative one into the first folder of the run that has it.
pub(crate) fn locate(path: &str, context: &ResolveContext) -> PathBuf {
    let places = || context.folders.iter().map(|folder| folder.join(path));
    places().find(|place| place.exists()).or_else(|| places().next()).unwrap_or_else(|| path.into())
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
