//! Files of secrets: where a key leads, and reading without waiting and without leaving copies.
//!
//! An absolute key is taken as it is; a relative one is looked up in the folders of the run, the first
//! file that exists wins. Links are followed, because mounted secrets are links; what is no regular file
//! is refused without waiting for it. Size and mode are asked of the open file, not of its path.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind};
use zeroize::Zeroizing;

/// Bytes that a secret may have where it comes from.
pub(crate) const VALUE_LEN_MAX: usize = 1024 * 1024;

/// Bytes that an encrypted file may have: a value, and what the encryption makes of it (base64 is a third,
/// and each value of a sops file has a label of its own).
pub(crate) const SEALED_LEN_MAX: usize = 4 * VALUE_LEN_MAX;

/// A file that was read.
pub(crate) struct SecretFile {
    /// Where it was found.
    pub(crate) place: PathBuf,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// Who may do what with it.
    pub(crate) mode: Mode,
}

/// Reads the file that a key leads to, off the async threads: a disk may not answer.
pub(crate) async fn read(
    key: &str,
    folders: &Arc<[PathBuf]>,
    len_max: usize,
) -> Result<SecretFile, ProviderError> {
    let mut files = read_many(vec![key.to_owned()], folders, len_max).await;
    files.pop().unwrap_or_else(|| Err(called_off(key)))
}

/// Reads the files that several keys lead to, one after the other and off the async threads: handing
/// each to a thread of its own takes longer than reading it. One answer for each key, in their order.
pub(crate) async fn read_many(
    keys: Vec<String>,
    folders: &Arc<[PathBuf]>,
    len_max: usize,
) -> Vec<Result<SecretFile, ProviderError>> {
    let (to_read, folders) = (keys.clone(), folders.clone());
    let one = move |key: &String| {
        let (place, file) = find(key, &folders)?;
        read_file(place, file, len_max)
    };
    let reading = move || to_read.iter().map(one).collect();
    match tokio::task::spawn_blocking(reading).await {
        Ok(files) => files,
        Err(_) => keys.iter().map(|key| Err(called_off(key))).collect(),
    }
}

/// Where the file is that a key leads to; it may be read.
pub(crate) async fn locate(key: &str, folders: &Arc<[PathBuf]>) -> Result<PathBuf, ProviderError> {
    let (to_find, folders) = (key.to_owned(), folders.clone());
    let finding = move || {
        let (place, file) = find(&to_find, &folders)?;
        regular_size(&place, &file)?;
        Ok(place)
    };
    tokio::task::spawn_blocking(finding).await.unwrap_or_else(|_| Err(called_off(key)))
}

fn called_off(key: &str) -> ProviderError {
    let message = format!("reading secret file {key} was called off");
    ProviderError::new(ProviderErrorKind::Unavailable, message)
}

fn find(key: &str, folders: &[PathBuf]) -> Result<(PathBuf, File), ProviderError> {
    if key.contains('\0') {
        let message = "the key of a secret file contains a NUL byte";
        return Err(ProviderError::new(ProviderErrorKind::InvalidRequest, message));
    }
    let places = places(key, folders);
    for place in &places {
        // Reading without waiting: a pipe that nobody writes to must not hold the run.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        match open(place, flags, Mode::empty()) {
            Ok(file) => return Ok((place.clone(), File::from(file))),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(unreadable(place, error)),
        }
    }
    Err(missing(key, &places))
}

/// Where a key may be, in order.
fn places(key: &str, folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    // Joining an absolute path gives that path; doubles are named once.
    for place in folders.iter().map(|folder| folder.join(key)).chain(absolute(key)) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

fn absolute(key: &str) -> Option<PathBuf> {
    let path = Path::new(key);
    path.is_absolute().then(|| path.to_path_buf())
}

fn regular_size(place: &Path, file: &File) -> Result<(usize, Mode), ProviderError> {
    let stat = fstat(file).map_err(|error| unreadable(place, error))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::RegularFile {
        return Err(not_regular(place, kind));
    }
    let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
    Ok((size, Mode::from_raw_mode(stat.st_mode)))
}

fn read_file(place: PathBuf, mut file: File, len_max: usize) -> Result<SecretFile, ProviderError> {
    let (size, mode) = regular_size(&place, &file)?;
    if size > len_max {
        return Err(too_large(&place, len_max));
    }
    // Room for all of it and a byte to see the end: a vector that grew would leave copies behind.
    let mut bytes = Zeroizing::new(vec![0; size + 1]);
    let length = read_all(&mut file, &mut bytes)
        .map_err(|error| unreadable(&place, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    let grew = length > size;
    bytes.truncate(length);
    if grew {
        return Err(ProviderError::new(
            ProviderErrorKind::Malformed,
            format!("secret file changed while it was read: {}", place.display()),
        ));
    }
    Ok(SecretFile { place, bytes, mode })
}

/// Fills `bytes` as far as the stream goes.
pub(crate) fn read_all(stream: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match stream.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

fn missing(key: &str, places: &[PathBuf]) -> ProviderError {
    let error =
        ProviderError::new(ProviderErrorKind::NotFound, format!("secret file not found: {key}"));
    if key.starts_with('~') || key.contains('$') {
        return error.help("keys are literal: neither `~` nor `$NAME` is expanded");
    }
    if Path::new(key).is_absolute() {
        return error;
    }
    let looked: Vec<String> = places.iter().map(|place| format!("`{}`", place.display())).collect();
    error.help(format!("looked for {}", looked.join(", then ")))
}

fn unreadable(place: &Path, error: Errno) -> ProviderError {
    let place = place.display();
    match error {
        Errno::ACCESS | Errno::PERM => ProviderError::new(
            ProviderErrorKind::Denied,
            format!("permission denied reading secret file: {place}"),
        ),
        // No reader for it: a socket, or a device without a driver.
        Errno::NXIO => ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("secret file is no regular file: {place}"),
        ),
        Errno::LOOP => ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("secret file is a link that leads round in circles: {place}"),
        ),
        Errno::NAMETOOLONG => ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            "the path of a secret file is too long",
        ),
        error => ProviderError::new(
            ProviderErrorKind::Unavailable,
            format!("cannot read secret file {place}: {}", io::Error::from(error)),
        ),
    }
}

fn not_regular(place: &Path, kind: FileType) -> ProviderError {
    let what = match kind {
        FileType::Directory => "a folder",
        FileType::Fifo => "a pipe",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::RegularFile | FileType::Symlink | FileType::Socket | FileType::Unknown => {
            "no regular file"
        }
    };
    ProviderError::new(
        ProviderErrorKind::InvalidRequest,
        format!("secret file is {what}: {}", place.display()),
    )
}

fn too_large(place: &Path, len_max: usize) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::Malformed,
        format!("secret file is larger than {} MiB: {}", len_max >> 20, place.display()),
    )
}
