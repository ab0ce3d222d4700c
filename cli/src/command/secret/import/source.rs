//! The file that is imported: reading it, and removing it afterwards if nothing happened to it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, OFlags, Stat};
use subrosa_exchange::Format;
use zeroize::Zeroizing;

use crate::args::exchange::ImportArgs;
use crate::failure::{Exit, Failure};
use crate::value;

/// What was read.
pub(super) struct Source {
    /// How the file is called in messages.
    pub(super) name: String,
    /// Its format.
    pub(super) format: Format,
    /// What is in it.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// The file, if it is to be removed.
    removable: Option<Removable>,
}

struct Removable {
    folder: File,
    name: PathBuf,
    /// What it was when it was opened.
    seen: Stat,
}

impl Source {
    /// Reads the file, or standard input.
    pub(super) fn take(args: &ImportArgs) -> Result<Source, Failure> {
        let path = args.file.as_path();
        if path == Path::new("-") {
            if args.remove {
                return Err(Failure::usage("`--move` is for files, and standard input is none"));
            }
            let format = args.format.ok_or_else(|| unknown("standard input"))?;
            let bytes = value::read(rustix::stdio::stdin(), format.bytes_max() + 1)
                .map_err(|error| Failure::engine(format!("cannot read standard input: {error}")))?;
            let name = "standard input".to_owned();
            return Ok(Source { name, format, bytes, removable: None });
        }
        let name = path.display().to_string();
        let guess = || Format::guess(path.file_name()?.to_str()?);
        let format = args.format.or_else(guess).ok_or_else(|| unknown(&format!("`{name}`")))?;
        let more = if args.remove { OFlags::NOFOLLOW } else { OFlags::empty() };
        if args.remove && path.is_symlink() {
            return Err(refused(&name, "is a link"));
        }
        let file = value::open_file(path, more)?;
        let removable = if args.remove { Some(Removable::of(&file, path)?) } else { None };
        let bytes = value::read(file.as_fd(), format.bytes_max() + 1)
            .map_err(|error| value::unreadable(path, &error))?;
        Ok(Source { name, format, bytes, removable })
    }

    /// Removes the file, durably, if it is what was read.
    pub(super) fn remove(&self) -> Result<(), Failure> {
        let removable = self.removable.as_ref().expect("only what was opened for it is removed");
        let stays = |why: String| {
            Failure::engine(format!("all values are stored, but `{}` {why}", self.name))
                .help("it is still there; remove it yourself")
        };
        let now = rustix::fs::statat(&removable.folder, &removable.name, AtFlags::SYMLINK_NOFOLLOW);
        let now = now.map_err(|errno| stays(format!("cannot be looked at: {errno}")))?;
        if !is_same(&removable.seen, &now) {
            return Err(stays("was changed meanwhile".to_owned()));
        }
        rustix::fs::unlinkat(&removable.folder, &removable.name, AtFlags::empty())
            .map_err(|errno| stays(format!("cannot be removed: {errno}")))?;
        removable.folder.sync_all().map_err(|error| {
            Failure::engine(format!(
                "`{}` was removed, but whether that would survive a power cut is not known: {error}",
                self.name
            ))
        })
    }
}

impl Removable {
    fn of(file: &File, path: &Path) -> Result<Removable, Failure> {
        let shown = path.display().to_string();
        let unreadable = |error: io::Error| value::unreadable(path, &error);
        let seen = rustix::fs::fstat(file).map_err(|errno| unreadable(errno.into()))?;
        if seen.st_uid != rustix::process::geteuid().as_raw() {
            return Err(refused(&shown, "belongs to somebody else"));
        }
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(refused(&shown, "is not a plain file"));
        }
        if seen.st_nlink > 1 {
            return Err(refused(&shown, "has other names, under which it would stay"));
        }
        let name = path.file_name().map(PathBuf::from);
        let name = name.ok_or_else(|| refused(&shown, "has no name of its own"))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = File::open(parent.unwrap_or(Path::new("."))).map_err(unreadable)?;
        Ok(Removable { folder, name, seen })
    }
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    let all = |stat: &Stat| {
        (stat.st_dev, stat.st_ino, stat.st_nlink, stat.st_size, stat.st_mtime, stat.st_mtime_nsec)
    };
    all(a) == all(b)
}

fn refused(name: &str, why: &str) -> Failure {
    Failure::new(Exit::SECRETS, format!("`{name}` {why}"))
        .help("nothing was stored; `--apply` imports it and leaves it where it is")
}

fn unknown(name: &str) -> Failure {
    let known: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
    Failure::usage(format!("the format of {name} cannot be guessed"))
        .help(format!("add `--format` and one of {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;

    use subrosa_exchange::Format;
    use zeroize::Zeroizing;

    use super::{Removable, Source};

    fn opened(path: &Path) -> Source {
        let removable = Removable::of(&File::open(path).unwrap(), path).unwrap();
        Source {
            name: "it".to_owned(),
            format: Format::Dotenv,
            bytes: Zeroizing::default(),
            removable: Some(removable),
        }
    }

    #[test]
    fn only_the_file_that_was_read_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.env");
        let check = |change: &dyn Fn(), goes: bool| {
            fs::write(&path, "A=1").unwrap();
            let source = opened(&path);
            change();
            assert_eq!(source.remove().is_ok(), goes);
            assert_eq!(path.exists(), !goes);
        };
        let other = folder.path().join("other");
        check(&|| fs::write(&path, "A=1\nB=2").unwrap(), false);
        check(&|| fs::hard_link(&path, &other).unwrap(), false);
        fs::remove_file(&path).unwrap();
        check(&|| fs::rename(&other, &path).unwrap(), false);
        check(&|| (), true);
    }
}
