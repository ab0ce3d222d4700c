//! The trampoline of `exec`: becomes the command once it has the terminal.
//!
//! Started by ourselves with a pseudoterminal as standard input. It makes that the controlling
//! terminal of a new session, which has to happen in the child before the command runs, then replaces
//! itself. A hidden command rather than code between fork and exec, because that would be `unsafe`.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{ioctl_tiocsctty, setsid};
use subrosa_masker::MaskSet;

use crate::exec::child;
use crate::failure::{Exit, Failure};
use crate::out;

/// The hidden command.
pub(crate) const WORD: &str = "__terminal";

/// Takes the terminal and becomes the command after `--`; returns only if that cannot be.
pub(crate) fn become_command(words: &[OsString]) -> Exit {
    let [separator, program, arguments @ ..] = words else {
        return Failure::usage("this command is for internal use").tell(out::stderr);
    };
    if separator != "--" {
        return Failure::usage("this command is for internal use").tell(out::stderr);
    }
    if let Err(error) = setsid().and_then(|_| ioctl_tiocsctty(io::stdin())) {
        return Failure::engine(format!("cannot take the terminal: {error}")).tell(out::stderr);
    }
    let error = Command::new(program).args(arguments).exec();
    // What is told here goes through the masks of the process that started us.
    child::spawn_failure(program, &MaskSet::empty(), &error).tell(out::stderr)
}
