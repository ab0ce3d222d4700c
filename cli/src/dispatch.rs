//! How the words of the command line reach the commands, and which of them may open values.
//!
//! An [`Opener`] can be made here alone: what gets none cannot open anything, whatever it calls.

use std::ffi::OsString;

use crate::args::key::KeyCommand;
use crate::args::{Cli, Command};
use crate::command::{
    ai_key, audit, backup, check, connection, doctor, dry, environment, exec, explain, init, key,
    logs, mask, pages, providers, restore, retry, run, runs, scan, secret, serve, status, surplus,
    validate,
};
use crate::failure::{Exit, Failure};
use crate::wiring::{Named, World};
use crate::{broker, out, prompt, runner};

/// The surroundings, and the right to open values in them: steps need it, and who reveals, exports or copies
/// what is kept.
pub(crate) struct Opener<'a>(&'a World);

impl std::ops::Deref for Opener<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        self.0
    }
}

/// Serves whoever started us as the process that opens connections.
pub(crate) fn serve() -> Exit {
    broker::serve::serve(|world| Opener(world))
}

/// Serves the process that listens as the one that starts runs and changes the registry.
pub(crate) fn serve_listener(words: &[OsString]) -> Exit {
    runner::run(words, |world| Opener(world))
}

/// Carries out one run for the process that [`serve_listener`] is.
pub(crate) fn carry_out_run() -> Exit {
    runner::process::run(|world| Opener(world))
}

/// Runs the command that the words name, and tells why if it fails.
pub(crate) fn dispatch(words: Vec<OsString>) -> Exit {
    let cli = match Cli::read(&words) {
        Ok(cli) => cli,
        Err(shown) => {
            if let Some(failure) = surplus::refusal(&words, &shown) {
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
    let named = cli.global.key_file.as_deref();
    // To `key move`, the file that is named is where the key goes, not where it is.
    let is_target = matches!(&cli.command, Command::Key(KeyCommand::Move(_)));
    let key_file = named.filter(|_| !is_target);
    let profile = cli.global.profile.as_deref();
    let world = World::snapshot(Named { no_color: cli.global.no_color, key_file, profile })?;
    let opener = Opener(&world);
    match &cli.command {
        Command::Run(args) => run::run(args, &opener),
        Command::Dry(args) => dry::dry(args, &opener),
        Command::Validate(args) => validate::validate(args, &opener),
        Command::Check(args) => check::check(args, &opener),
        Command::Providers(args) => providers::providers(args, &opener),
        Command::Explain(args) => explain::explain(args, &opener),
        Command::Exec(args) => exec::exec(args, &opener),
        Command::Status(args) => status::status(args, &world),
        Command::Runs(args) => runs::runs(args, &world),
        Command::Logs(args) => logs::logs(args, &world),
        Command::Retry(args) => retry::retry(args, &opener),
        // It listens, and gets no way to a value.
        Command::Serve(args) => serve::serve(args, &world),
        Command::Mask(args) => mask::mask(args, &opener),
        Command::Scan(args) => scan::scan(args, &opener),
        Command::Secret(command) => secret::secret(command, &opener),
        Command::Connection(command) => connection::connection(command, &world),
        Command::AiKey(command) => ai_key::ai_key(command, &world),
        Command::Environment(command) => environment::environment(command, &world),
        Command::Init(args) => init::init(args, &world),
        Command::Key(command) => key::key(command, named, &opener),
        Command::Audit(command) => audit::audit(command, &opener),
        Command::Doctor(args) => doctor::doctor(args, &opener),
        Command::Backup(args) => backup::backup(args, &opener),
        Command::Restore(args) => restore::restore(args, &opener),
        Command::Schema => pages::schema(),
        Command::Completions { shell } => pages::completions(*shell),
        Command::Man { dir } => pages::man(dir.as_deref()),
    }
}
