//! The commands, and how the words of the command line reach them.

mod ai_key;
mod audit;
mod backup;
mod check;
pub(crate) mod connection;
mod doctor;
mod dry;
mod environment;
mod exec;
mod explain;
mod init;
mod key;
mod logs;
mod mask;
mod pages;
mod providers;
mod restore;
mod retry;
mod run;
mod runs;
mod scan;
mod secret;
mod status;
mod surplus;
mod validate;

use std::ffi::OsString;

use clap::Parser;

use crate::args::key::KeyCommand;
use crate::args::{Cli, Command};
use crate::failure::{Exit, Failure};
use crate::wiring::{Named, World};
use crate::{out, prompt};

/// Runs the command that the words name, and tells why if it fails.
pub(crate) fn dispatch(words: Vec<OsString>) -> Exit {
    let spoken = words.clone();
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(shown) => {
            if let Some(failure) = surplus::refusal(&spoken, &shown) {
                return failure.tell(out::stderr);
            }
            // Help and version come this way, too.
            shown.print().ok();
            return if shown.use_stderr() { Exit::USAGE } else { Exit::OK };
        }
    };
    match call(&cli) {
        Ok(exit) => exit,
        // Whoever pressed Ctrl-C at a question knows why it ended.
        Err(failure) => prompt::ended().unwrap_or_else(|| failure.tell(out::stderr)),
    }
}

fn call(cli: &Cli) -> Result<Exit, Failure> {
    let named = cli.key_file.as_deref();
    // To `key move`, the file that is named is where the key goes, not where it is.
    let is_target = matches!(&cli.command, Command::Key(KeyCommand::Move(_)));
    let key_file = named.filter(|_| !is_target);
    let profile = cli.profile.as_deref();
    let world = World::snapshot(Named { no_color: cli.no_color, key_file, profile })?;
    match &cli.command {
        Command::Run(args) => run::run(args, &world),
        Command::Dry(args) => dry::dry(args, &world),
        Command::Validate(args) => validate::validate(args, &world),
        Command::Check(args) => check::check(args, &world),
        Command::Providers(args) => providers::providers(args, &world),
        Command::Explain(args) => explain::explain(args, &world),
        Command::Exec(args) => exec::exec(args, &world),
        Command::Status(args) => status::status(args, &world),
        Command::Runs(args) => runs::runs(args, &world),
        Command::Logs(args) => logs::logs(args, &world),
        Command::Retry(args) => retry::retry(args, &world),
        Command::Mask(args) => mask::mask(args, &world),
        Command::Scan(args) => scan::scan(args, &world),
        Command::Secret(command) => secret::secret(command, &world),
        Command::Connection(command) => connection::connection(command, &world),
        Command::AiKey(command) => ai_key::ai_key(command, &world),
        Command::Environment(command) => environment::environment(command, &world),
        Command::Init(args) => init::init(args, &world),
        Command::Key(command) => key::key(command, named, &world),
        Command::Audit(command) => audit::audit(command, &world),
        Command::Doctor(args) => doctor::doctor(args, &world),
        Command::Backup(args) => backup::backup(args, &world),
        Command::Restore(args) => restore::restore(args, &world),
        Command::Schema => pages::schema(),
        Command::Completions { shell } => pages::completions(*shell),
        Command::Man { dir } => pages::man(dir.as_deref()),
    }
}
