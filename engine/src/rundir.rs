//! The folder of a run: private, with names that are safe whatever the workflow calls its steps.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;

/// A run's folder.
#[derive(Clone, Debug)]
pub(crate) struct RunDir(PathBuf);

impl RunDir {
    /// Makes the folder of a new run below the data directory.
    pub(crate) fn create(data_dir: &Path, workflow: &str, run: &str) -> io::Result<RunDir> {
        let parent = data_dir.join("runs").join(file_name(workflow));
        private_folders(&parent)?;
        check_own(&data_dir.join("runs"))?;
        check_own(&parent)?;
        DirBuilder::new().mode(0o700).create(parent.join(run))?;
        RunDir::fill(parent.join(run))
    }

    /// Makes the folder of a called workflow's record.
    pub(crate) fn called(&self, step: &str, item: Option<usize>) -> io::Result<RunDir> {
        RunDir::fill(self.0.join(Self::called_path(step, item)))
    }

    /// Where the record of a called workflow lies, relative to the caller's.
    pub(crate) fn called_path(step: &str, item: Option<usize>) -> PathBuf {
        let path = Path::new("called").join(file_name(step));
        item.map_or(path.clone(), |item| path.join(item.to_string()))
    }

    fn fill(path: PathBuf) -> io::Result<RunDir> {
        private_folders(&path.join("steps"))?;
        private_folders(&path.join("work"))?;
        Ok(RunDir(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// The log of an attempt, relative to the folder.
    pub(crate) fn log_path(step: &str, attempt: u32, ending: &str) -> PathBuf {
        // `a.2.out` is the second attempt of `a`, never the first of `a.2`.
        let name = if ends_in_number(step) { marked(step) } else { file_name(step) };
        Path::new("steps").join(match attempt {
            0 | 1 => format!("{name}.{ending}"),
            _ => format!("{name}.{attempt}.{ending}"),
        })
    }

    /// Makes a private file; one that is there already is replaced.
    pub(crate) fn create_file(&self, relative: &Path) -> io::Result<File> {
        create_new(&self.0.join(relative))
    }

    /// Replaces a file as a whole: readers see the old one or the new one.
    pub(crate) fn replace_file(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = self.0.join(format!(".{name}.tmp"));
        let mut file = create_new(&temporary)?;
        file.write_all(content)?;
        drop(file);
        std::fs::rename(&temporary, self.0.join(name))
    }
}

/// What stands in the place of a new file, be it a link or a pipe, is removed and never opened.
fn create_new(path: &Path) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            create()
        }
        result => result,
    }
}

/// Opens a file of a record for reading: a regular one, and without waiting for what is none.
///
/// # Errors
/// It is not there, cannot be read or is no regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// A folder for the runs of a workflow that somebody else could change is not ours to fill.
fn check_own(folder: &Path) -> io::Result<()> {
    let found = std::fs::symlink_metadata(folder)?;
    let refused = |why: &str| Err(io::Error::other(format!("`{}` {why}", folder.display())));
    match () {
        () if !found.is_dir() => refused("is a link"),
        () if found.uid() != rustix::process::geteuid().as_raw() => {
            refused("belongs to another user")
        }
        () if found.mode() & 0o022 != 0 => refused("can be changed by other users: chmod 700 it"),
        () => Ok(()),
    }
}

fn private_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A file name for a step or workflow. Names that are not plain get a checksum, so that no two
/// meet in one file.
pub(crate) fn file_name(name: &str) -> String {
    // No step has such a name, and none gets such a file: plain names that begin so are not plain.
    if let Some(handler) = name.strip_prefix("handler/") {
        return format!("handler-{handler}");
    }
    let is_plain = name.len() <= LEN_MAX
        && !name.starts_with('.')
        && !name.starts_with("handler-")
        && !name.is_empty()
        && name.chars().all(plain);
    if is_plain { name.to_owned() } else { marked(name) }
}

const LEN_MAX: usize = 80;

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn ends_in_number(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| end.bytes().all(|byte| byte.is_ascii_digit()))
}

fn marked(name: &str) -> String {
    let mut safe: String =
        name.chars().map(|c| if plain(c) { c } else { '_' }).take(LEN_MAX - 10).collect();
    if safe.starts_with('.') {
        safe.replace_range(..1, "_");
    }
    format!("{safe}-{:08x}", checksum(name.as_bytes()))
}

/// FNV-1a: names are told apart, nothing is protected.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The id of a run that is to come, `20261122T153205-k3v9x2`: sorts by time, differs between runs of one
/// second.
///
/// # Errors
/// The system gives no randomness.
pub fn run_id(now: SystemTime) -> io::Result<String> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0u8; 6];
    getrandom::fill(&mut random).map_err(|_| io::Error::other("no randomness to be had"))?;
    let tail: String =
        random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    let time = humantime::format_rfc3339_seconds(now).to_string();
    let time: String = time.chars().filter(|c| c.is_ascii_digit() || *c == 'T').collect();
    Ok(format!("{time}-{tail}"))
}

#[cfg(test)]
mod tests {
    use super::{RunDir, file_name, run_id};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    #[test]
    fn plain_names_stay_and_others_become_safe_and_distinct() {
        assert_eq!(file_name("make-it_2.0"), "make-it_2.0");
        assert!(file_name("../../etc").starts_with("_._.._etc-"));
        assert_ne!(file_name("a b"), file_name("a/b"));
        assert_eq!(file_name("handler/exit"), "handler-exit");
        assert_ne!(file_name("handler-exit"), "handler-exit");
        assert!(file_name(&"x".repeat(300)).len() <= 80);
        assert!(file_name(".hidden").starts_with("_hidden-"));
    }

    #[test]
    fn attempts_of_one_step_and_other_steps_have_logs_of_their_own() {
        let log = |step, attempt| RunDir::log_path(step, attempt, "out");
        assert_eq!(log("a", 2), Path::new("steps/a.2.out"));
        assert_ne!(log("a.2", 1), log("a", 2));
        assert_eq!(log("a.b", 1), Path::new("steps/a.b.out"));
    }

    #[test]
    fn run_ids_sort_by_time() {
        let at = |s| run_id(SystemTime::UNIX_EPOCH + Duration::from_secs(s)).expect("randomness");
        assert!(at(1_000_000_000).starts_with("20010909T014640-"));
        assert!(at(5) < at(1_000_000_000));
        assert_eq!(at(5).len(), "20010909T014640-abcdef".len());
    }
}
