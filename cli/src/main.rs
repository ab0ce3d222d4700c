//! The command line of subrosa: arguments, wiring, rendering, exit codes.
//!
//! Rules of the workflow language, of secrets and of masking are the engine's; what is here could be
//! replaced by another front end. Plaintext passes through this crate in few places: in `exec` the
//! environment block of the child, and the child's output on its way to the masker; in `value`,
//! `prompt` and `form` what is on its way into the registry; in `secret reveal` what a person asked to
//! see.

mod args;
mod broker;
mod command;
mod config;
mod connections;
mod dispatch;
mod exec;
mod executors;
mod failure;
mod form;
mod guard;
mod harden;
mod help;
mod interrupt;
mod load;
mod logs;
mod newfile;
mod out;
mod prompt;
mod records;
mod registry;
mod render;
mod report;
mod runner;
mod scan;
mod sealing;
mod signals;
mod table;
mod terminal;
mod text;
mod trampoline;
mod value;
mod wiring;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use crate::failure::Exit;

fn main() -> ExitCode {
    harden::harden();
    let arguments = wiring::arguments();
    // The helpers come before clap: the guard has to be there before the first step is.
    match arguments.get(1).and_then(|word| word.to_str()) {
        Some(guard::WORD) => {
            return guard::guard(arguments.get(2).map(OsString::as_os_str)).into();
        }
        Some(broker::WORD) => {
            harden::quiet_panics();
            return dispatch::serve().into();
        }
        Some(runner::WORD) => {
            harden::quiet_panics();
            return dispatch::serve_listener(&arguments[2..]).into();
        }
        Some(runner::RUN_WORD) => {
            harden::quiet_panics();
            return dispatch::carry_out_run().into();
        }
        Some(trampoline::WORD) => return trampoline::become_command(&arguments[2..]).into(),
        _ => {}
    }
    harden::quiet_panics();
    // A panic is a bug of ours; the hook has told where, and the terminal is as it was.
    let exit = catch_unwind(AssertUnwindSafe(|| dispatch::dispatch(arguments)));
    terminal::restore();
    exit.unwrap_or(Exit::ENGINE).into()
}
