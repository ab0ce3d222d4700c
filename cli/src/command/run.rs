//! `run`: resolves, runs, shows, and turns the outcome into an exit code.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use subrosa_engine::cancel::{StopHandle, stop_pair};
use subrosa_engine::event::{EventSink, RunStatus};
use subrosa_engine::host::Host;
use subrosa_engine::{
    ParamArg, Purpose, ResolveFailure, ResolveOptions, Resolved, RunError, RunOptions, RunReport,
};

use crate::args::{DisplayArgs, RunArgs};
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::load::{self, Loaded, Unresolved};
use crate::out;
use crate::report::Report;
use crate::signals::{self, STOPPING, Signals};
use crate::wiring::World;

/// What is run, and how.
pub(crate) struct Start {
    /// The workflow.
    pub(crate) loaded: Loaded,
    /// Its parameters.
    pub(crate) params: Vec<ParamArg>,
    /// Folder of the run that is tried again.
    pub(crate) retry_of: Option<PathBuf>,
    /// What it is resolved for, and which values may be used.
    pub(crate) options: ResolveOptions,
    /// The engine's view of the world.
    pub(crate) host: Arc<Host>,
}

/// Why there is no outcome of a run.
pub(crate) enum NotRun {
    /// A signal came before anything was started.
    Stopped(Exit),
    /// Something could not be resolved; nobody has told yet.
    Unresolved {
        /// The workflow.
        loaded: Box<Loaded>,
        /// What could not.
        failure: Box<ResolveFailure>,
        /// The folder of the record that says so.
        record: io::Result<PathBuf>,
    },
    /// The engine itself could not go on.
    Broken(RunError),
}

/// Runs a workflow file.
pub(crate) fn run(args: &RunArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let loaded = load::workflow(&args.file, world)?;
    let start = Start {
        host: Arc::new(world.configured_host(args.masking.short(), Some(&args.file))?),
        loaded,
        params: args.params.parse(),
        retry_of: None,
        options: args.registry.options(Purpose::Run),
    };
    go(start, &args.display, world)
}

/// Runs what is described and shows it; the exit code tells how it ended.
pub(crate) fn go(start: Start, display: &DisplayArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let report = Report::start(display, world);
    let runtime = load::runtime()?;
    let tell = |loaded: &Loaded, resolved: &Resolved| {
        load::tell_warnings(loaded, resolved, world);
        if display.verbose {
            load::tell_summary(resolved);
        }
    };
    let outcome = runtime.block_on(Box::pin(async {
        let signals = Signals::listen(STOPPING)?;
        Ok::<_, Failure>(drive(start, signals, report.sink(), tell).await)
    }));
    // A reader of the registry may still block; it has nothing left to give.
    runtime.shutdown_background();
    let shown = report.close();
    let outcome = outcome?.map_err(|why| not_run(why, world))?;
    let exit = exit_code(&outcome);
    match shown {
        Ok(()) => Ok(exit),
        // The run is recorded and its outcome stands; only a success must not hide the lost output.
        Err(lost) if exit == Exit::OK => Err(lost.into()),
        Err(_) => Ok(exit),
    }
}

/// Resolves and runs, telling `events`; signals stop it. `ready` is told once everything is resolved.
pub(crate) async fn drive(
    start: Start,
    mut signals: Signals,
    events: Arc<dyn EventSink>,
    ready: impl FnOnce(&Loaded, &Resolved),
) -> Result<RunReport, NotRun> {
    let Start { loaded, params, retry_of, options, host } = start;
    let run = RunOptions { retry_of };
    let resolving = load::resolve_quietly(&loaded, &params, &host, options, &mut signals);
    let resolved = match Box::pin(resolving).await {
        Ok(resolved) => resolved,
        Err(Unresolved::Stopped(exit)) => return Err(NotRun::Stopped(exit)),
        Err(Unresolved::Failed(failure)) => {
            let workflow = &loaded.workflow;
            let record = subrosa_engine::record_unstarted(workflow, &params, &run, &failure, &host);
            return Err(NotRun::Unresolved { loaded: Box::new(loaded), failure, record });
        }
    };
    ready(&loaded, &resolved);
    let (stop, token) = stop_pair();
    let passing_on = tokio::spawn(pass_on(signals, stop));
    let workflow = Arc::new(loaded.workflow);
    let ended = subrosa_engine::run(workflow, resolved, run, host, events, token);
    let outcome = Box::pin(ended).await;
    passing_on.abort();
    outcome.map_err(NotRun::Broken)
}

/// Tells why there is no outcome.
fn not_run(why: NotRun, world: &World) -> Failure {
    match why {
        NotRun::Stopped(exit) => Failure::Told(exit),
        NotRun::Broken(error) => run_error(error),
        NotRun::Unresolved { loaded, failure, record } => {
            let told = Unresolved::Failed(failure).told(&loaded, world);
            if let Err(error) = record {
                out::stderr(&format!(
                    "warning: the record of this run cannot be written: {error}\n"
                ));
            }
            told
        }
    }
}

async fn pass_on(mut signals: Signals, stop: StopHandle) {
    loop {
        match signals.next().await {
            signals::KILL => stop.at_once(signals::TERM),
            number => stop.escalate(number),
        }
    }
}

fn run_error(error: RunError) -> Failure {
    let failure = Failure::engine(error.message.to_string());
    match error.help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

fn exit_code(report: &RunReport) -> Exit {
    match (report.signal, report.status) {
        (Some(number), _) => Exit::signal(number),
        // Aborted without a signal: the workflow's precondition did not hold, so there was nothing to do.
        (None, RunStatus::Succeeded | RunStatus::Aborted) => Exit::OK,
        (None, RunStatus::Running | RunStatus::PartiallySucceeded | RunStatus::Failed) => {
            Exit::STEP_FAILED
        }
    }
}
