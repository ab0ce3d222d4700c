//! `exec`: any command with secrets in its environment and its output masked. What providers lent is kept
//! valid while it runs, and given back when it has ended.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use subrosa_engine::secret::SecretValue;
use subrosa_engine::{MASK_FILE, Purpose};

use crate::args::ExecArgs;
use crate::dispatch::Opener;
use crate::exec::pump::Hiding;
use crate::exec::{adhoc, child};
use crate::failure::{Exit, Failure};
use crate::load;
use crate::signals::{STOPPING, Signals};
use crate::terminal;

/// Resolves, starts the command, passes on its exit code.
pub(crate) fn exec(args: &ExecArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let base = match &args.file {
        Some(path) => load::workflow(path, world)?,
        None => adhoc::empty(),
    };
    let loaded = adhoc::with_secrets(base, &args.secrets)?;
    let host = world.configured_host(args.masking.short(), args.file.as_deref())?;
    let params = args.params();
    let options = args.registry.options(Purpose::Exec);
    let logins = options.logins.clone();
    let runtime = load::runtime()?;
    let exit = runtime.block_on(Box::pin(async {
        let mut signals = Signals::listen(STOPPING)?;
        let resolved =
            Box::pin(load::resolve(&loaded, &params, &host, options, &mut signals, world))
                .await
                .map_err(|why| why.told(&loaded, world))?;
        if args.verbose {
            load::tell_summary(&resolved);
        }
        let masks = resolved.masks();
        let late = resolved.mask_file(&host).map_err(|error| {
            Failure::engine(format!("the file {MASK_FILE} cannot be made: {error}"))
        })?;
        let mut environment = resolved.exec_environment(&host, args.keep_env);
        environment.retain(|(name, _)| name != MASK_FILE);
        let path = late.path().as_os_str().as_bytes().to_vec();
        environment.push((MASK_FILE.to_owned(), SecretValue::new(path)));
        let command = child::Command {
            words: &args.command,
            environment,
            current_dir: &world.current_dir,
            trampoline: &world.executable,
            hiding: Hiding { masks: masks.clone(), late: Some(Arc::new(late)) },
            shows_starts: args.show_starts,
            leak: host.limits.leak,
        };
        drop(resolved);
        let exit = tokio::select! {
            exit = Box::pin(start(command, signals)) => exit,
            never = logins.keep(|message| load::warn(&message, &masks)) => match never {},
        };
        // Those of the command are over; what it ended with stays what it ended with.
        let mut signals = Signals::listen(STOPPING)?;
        load::close(&logins, &host, &masks, &mut signals).await;
        exit
    }));
    // A copy of standard input may still wait for a key.
    runtime.shutdown_background();
    exit
}

async fn start(command: child::Command<'_>, signals: Signals) -> Result<Exit, Failure> {
    let on_terminal = terminal::is_terminal(&io::stdin()) && terminal::is_terminal(&io::stdout());
    if on_terminal { command.in_terminal(signals).await } else { command.in_pipes(signals).await }
}
