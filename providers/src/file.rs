//! `provider: file`: the whole content of a file.
//!
//! An absolute key is taken as it is; a relative one is looked up in the folders of the run, the first
//! file that exists wins. Every byte belongs to the value, the last newline too. Links are followed,
//! because mounted secrets are links; what is no regular file is refused without waiting for it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use subrosa_engine::provider::{
    Client, Identity, Provider, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;

/// Bytes a secret file may have.
const FILE_LEN_MAX: usize = 1024 * 1024;

/// Files that are read by one thread: handing each to a thread of its own takes longer than reading it.
const BATCH_LEN: usize = 64;

/// The provider.
pub(crate) struct Files;

#[async_trait]
impl Provider for Files {
    fn name(&self) -> &str {
        "file"
    }

    fn needs_settings(&self) -> bool {
        false
    }

    async fn open(
        &self,
        context: &ResolveContext,
        _identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        Ok(Box::new(Folders(context.folders.clone())))
    }
}

struct Folders(Arc<[PathBuf]>);

#[async_trait]
impl Client for Folders {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let mut fetched = self.fetch_many(std::slice::from_ref(request)).await;
        fetched.pop().unwrap_or_else(|| Err(called_off(&request.key)))
    }

    fn batch_len_max(&self) -> usize {
        BATCH_LEN
    }

    async fn fetch_many(
        &self,
        requests: &[SecretRequest],
    ) -> Vec<Result<SecretValue, ProviderError>> {
        let keys: Vec<String> = requests.iter().map(|request| request.key.clone()).collect();
        let folders = self.0.clone();
        // Off the async threads: a file may lie on a disk that does not answer.
        let reading = move || keys.iter().map(|key| fetch(key, &folders)).collect();
        match tokio::task::spawn_blocking(reading).await {
            Ok(fetched) => fetched,
            Err(_) => requests.iter().map(|request| Err(called_off(&request.key))).collect(),
        }
    }
}

fn called_off(key: &str) -> ProviderError {
    let message = format!("reading secret file {key} was called off");
    ProviderError::new(ProviderErrorKind::Unavailable, message)
}

fn fetch(key: &str, folders: &[PathBuf]) -> Result<SecretValue, ProviderError> {
    if key.contains('\0') {
        let message = "the key of a secret file contains a NUL byte";
        return Err(ProviderError::new(ProviderErrorKind::InvalidRequest, message));
    }
    let places = places(key, folders);
    for place in &places {
        // Reading without waiting: a pipe that nobody writes to must not hold the run.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        match open(place, flags, Mode::empty()) {
            Ok(file) => return read(place, File::from(file)),
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

fn read(place: &Path, mut file: File) -> Result<SecretValue, ProviderError> {
    let stat = fstat(&file).map_err(|error| unreadable(place, error))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::RegularFile {
        return Err(not_regular(place, kind));
    }
    let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
    if size > FILE_LEN_MAX {
        return Err(too_large(place));
    }
    // Room for all of it and a byte to see the end: a vector that grew would leave copies behind.
    let mut bytes = vec![0; size + 1];
    let length = read_all(&mut file, &mut bytes)
        .map_err(|error| unreadable(place, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    let grew = length > size;
    bytes.truncate(length);
    let has_nul = bytes.contains(&0);
    let value = SecretValue::new(bytes);
    if grew {
        return Err(ProviderError::new(
            ProviderErrorKind::Malformed,
            format!("secret file changed while it was read: {}", place.display()),
        ));
    }
    if has_nul {
        return Err(ProviderError::new(
            ProviderErrorKind::Malformed,
            format!("secret file holds a NUL byte: {}", place.display()),
        )
        .help("an environment variable cannot hold one; store the value as text, such as base64"));
    }
    Ok(value)
}

/// Fills `bytes` as far as the file goes.
fn read_all(file: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read(&mut bytes[length..]) {
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

fn too_large(place: &Path) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::Malformed,
        format!("secret file is larger than 1 MiB: {}", place.display()),
    )
}
