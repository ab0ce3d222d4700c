//! Keeps plaintext out of core files, debuggers of other processes and panic messages.
//!
//! Called before anything else in `main`; nothing here allocates or fails.

use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{out, terminal};

/// No core file for this process or what it starts, and no reading of its memory by others.
pub(crate) fn harden() {
    // Only the soft limit: a step that wants core files can still raise its own.
    let maximum = getrlimit(Resource::Core).maximum;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum }).ok();
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).ok();
}

/// Makes a panic say where it happened and never what its message was. One of a library that is held, and told
/// as the failure of a step, says nothing.
pub(crate) fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        // Our own files are named from the workspace on, those of libraries from the root.
        let is_ours = panic.location().is_none_or(|at| Path::new(at.file()).is_relative());
        if subrosa_executors::holds_panics() && !is_ours {
            return;
        }
        terminal::restore();
        let place = panic
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        out::stderr(&format!(
            "error[internal]: subrosa broke{place}\n  help: this is a bug; please report this line\n"
        ));
    }));
}
