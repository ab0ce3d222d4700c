//! `run`: resolves, runs, shows, and turns the outcome into an exit code.

use std::path::PathBuf;
use std::sync::Arc;

use subrosa_engine::cancel::{StopHandle, stop_pair};
use subrosa_engine::event::RunStatus;
use subrosa_engine::host::Host;
use subrosa_engine::{ParamArg, Purpose, ResolveOptions, RunError, RunOptions, RunReport};

use crate::args::{DisplayArgs, MaskingArgs, RunArgs};
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::load::{self, Loaded, Unresolved};
use crate::out;
use crate::report::Report;
use crate::signals::{STOPPING, Signals};

/// What is run, and how.
pub(crate) struct Start<'a> {
    /// The workflow.
    pub(crate) loaded: Loaded,
    /// Its parameters.
    pub(crate) params: Vec<ParamArg>,
    /// Folder of the run that is tried again.
    pub(crate) retry_of: Option<PathBuf>,
    /// What it is resolved for, and which values may be used.
    pub(crate) options: ResolveOptions,
    /// What is shown.
    pub(crate) display: &'a DisplayArgs,
    /// How values are masked.
    pub(crate) masking: &'a MaskingArgs,
}

/// Runs a workflow file.
pub(crate) fn run(args: &RunArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let start = Start {
        loaded: load::workflow(&args.file, world)?,
        params: args.params.parse(),
        retry_of: None,
        options: args.registry.options(Purpose::Run),
        display: &args.display,
        masking: &args.masking,
    };
    go(start, world)
}

/// Runs what is described; the exit code tells how it ended.
pub(crate) fn go(start: Start<'_>, world: &Opener<'_>) -> Result<Exit, Failure> {
    let report = Report::start(start.display, world);
    let runtime = load::runtime()?;
    let outcome = runtime.block_on(Box::pin(drive(start, &report, world)));
    // A reader of the registry may still block; it has nothing left to give.
    runtime.shutdown_background();
    let shown = report.close();
    let outcome = outcome?.map_err(run_error)?;
    let exit = exit_code(&outcome);
    match shown {
        Ok(()) => Ok(exit),
        // The run is recorded and its outcome stands; only a success must not hide the lost output.
        Err(lost) if exit == Exit::OK => Err(lost.into()),
        Err(_) => Ok(exit),
    }
}

async fn drive(
    start: Start<'_>,
    report: &Report,
    world: &Opener<'_>,
) -> Result<Result<RunReport, RunError>, Failure> {
    let file = start.loaded.workflow.source.path();
    let host = Arc::new(world.configured_host(start.masking.short(), Some(file))?);
    let mut signals = Signals::listen(STOPPING)?;
    let options = start.options.clone();
    let resolved = load::resolve(&start.loaded, &start.params, &host, options, &mut signals, world);
    let resolved =
        Box::pin(resolved).await.map_err(|why| not_started(why, &start, &host, world))?;
    if start.display.verbose {
        load::tell_summary(&resolved);
    }
    let (stop, token) = stop_pair();
    let passing_on = tokio::spawn(pass_on(signals, stop));
    let options = RunOptions { retry_of: start.retry_of };
    let workflow = Arc::new(start.loaded.workflow);
    let outcome =
        Box::pin(subrosa_engine::run(workflow, resolved, options, host, report.sink(), token))
            .await;
    passing_on.abort();
    Ok(outcome)
}

/// Tells why no step was started, and leaves a record of it.
fn not_started(why: Unresolved, start: &Start<'_>, host: &Host, world: &Opener<'_>) -> Failure {
    let recorded = match &why {
        Unresolved::Stopped(_) => Ok(()),
        Unresolved::Failed(failure) => {
            let workflow = &start.loaded.workflow;
            let options = RunOptions { retry_of: start.retry_of.clone() };
            let recorded =
                subrosa_engine::record_unstarted(workflow, &start.params, &options, failure, host);
            recorded.map(drop)
        }
    };
    let told = why.told(&start.loaded, world);
    if let Err(error) = recorded {
        out::stderr(&format!("warning: the record of this run cannot be written: {error}\n"));
    }
    told
}

async fn pass_on(mut signals: Signals, stop: StopHandle) {
    loop {
        stop.escalate(signals.next().await);
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
