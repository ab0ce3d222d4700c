//! The commands, and how the words of the command line reach them.

mod dry;
mod exec;
mod explain;
mod logs;
mod pages;
mod retry;
mod run;
mod runs;
mod scan;
mod status;
mod validate;

use std::ffi::OsString;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::failure::{Exit, Failure};
use crate::out;
use crate::wiring::World;

/// Runs the command that the words name, and tells why if it fails.
pub(crate) fn dispatch(words: Vec<OsString>) -> Exit {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(shown) => {
            // Help and version come this way, too.
            shown.print().ok();
            return if shown.use_stderr() { Exit::USAGE } else { Exit::OK };
        }
    };
    match call(&cli) {
        Ok(exit) => exit,
        Err(failure) => failure.tell(out::stderr),
    }
}

fn call(cli: &Cli) -> Result<Exit, Failure> {
    let world = World::snapshot(cli.no_color)?;
    match &cli.command {
        Command::Run(args) => run::run(args, &world),
        Command::Dry(args) => dry::dry(args, &world),
        Command::Validate(args) => validate::validate(args, &world),
        Command::Explain(args) => explain::explain(args, &world),
        Command::Exec(args) => exec::exec(args, &world),
        Command::Status(args) => status::status(args, &world),
        Command::Runs(args) => runs::runs(args, &world),
        Command::Logs(args) => logs::logs(args, &world),
        Command::Retry(args) => retry::retry(args, &world),
        Command::Scan(args) => scan::scan(args, &world),
        Command::Schema => pages::schema(),
        Command::Completions { shell } => pages::completions(*shell),
        Command::Man { dir } => pages::man(dir.as_deref()),
    }
}
