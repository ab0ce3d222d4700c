//! Has git run `subrosa scan --staged` before each commit.
//!
//! A hook of someone else is never touched. Ours is known by its second line, and replaced whole.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::git::Git;
use crate::failure::Failure;

const HOOK: &str = "\
#!/bin/sh
# Made by `subrosa scan --install-hook`; written anew when that runs again.
exec subrosa scan --staged
";

/// The line that makes a hook ours.
const MARK: &str = "# Made by `subrosa scan --install-hook`";

/// What a hook has to run.
const CALL: &str = "subrosa scan --staged";

/// What became of the hook.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// It was written.
    Installed(PathBuf),
    /// It was there.
    Unchanged(PathBuf),
    /// Someone else's hook makes the call.
    CalledFrom(PathBuf),
}

/// Writes the hook; `dir` is where git was asked.
pub(crate) fn install(git: &Git<'_>, dir: &Path) -> Result<Hook, Failure> {
    let mut answer = git.output(&["rev-parse", "--git-path", "hooks"])?;
    if answer.last() == Some(&b'\n') {
        answer.pop();
    }
    let folder = dir.join(OsString::from_vec(answer));
    let path = folder.join("pre-commit");
    let failed = |error: io::Error| {
        Failure::engine(format!("cannot write the hook `{}`: {error}", path.display()))
    };
    match existing(&path).map_err(failed)? {
        Existing::None => {}
        Existing::Ours { is_current: true } => return Ok(Hook::Unchanged(path)),
        Existing::Ours { is_current: false } => {}
        Existing::Calls => return Ok(Hook::CalledFrom(path)),
        Existing::Foreign => {
            let failure =
                format!("there is a hook `{}` already; it was left as it is", path.display());
            return Err(Failure::engine(failure)
                .help(format!("add this line to it, before any `exec`: {CALL} || exit")));
        }
    }
    write(&folder, &path).map_err(failed)?;
    Ok(Hook::Installed(path))
}

enum Existing {
    None,
    Ours { is_current: bool },
    Calls,
    Foreign,
}

fn existing(path: &Path) -> io::Result<Existing> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Existing::None),
        Err(error) => return Err(error),
    };
    if !found.is_file() {
        return Ok(Existing::Foreign);
    }
    let text = fs::read(path)?;
    let text = String::from_utf8_lossy(&text);
    if text.lines().nth(1).is_some_and(|line| line.starts_with(MARK)) {
        let is_current = text == HOOK && found.permissions().mode() & 0o111 == 0o111;
        return Ok(Existing::Ours { is_current });
    }
    let calls = text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(CALL));
    Ok(if calls { Existing::Calls } else { Existing::Foreign })
}

/// Puts the hook in its place as a whole: git may start it at any time.
fn write(folder: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let beside = folder.join(format!(".pre-commit.subrosa.{}", std::process::id()));
    let written = (|| {
        let mut file = fs::File::create_new(&beside)?;
        file.write_all(HOOK.as_bytes())?;
        file.set_permissions(Permissions::from_mode(0o755))?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // The reason is told; a file that cannot be removed either adds nothing.
        fs::remove_file(&beside).ok();
    }
    written
}
