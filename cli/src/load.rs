//! From a path to a checked workflow, and from there to resolved secrets, telling what is wrong.

use std::io;
use std::path::Path;
use std::sync::Arc;

use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::host::Host;
use subrosa_engine::source::{SourceFile, Span};
use subrosa_engine::workflow::Workflow;
use subrosa_engine::{Logins, ParamArg, ResolveFailure, ResolveOptions, Resolved, Validation};
use subrosa_masker::MaskSet;
use tokio::runtime::{Builder, Runtime};

use crate::failure::{Exit, Failure};
use crate::out;
use crate::render::{Excerpts, Look};
use crate::signals::Signals;
use crate::text;
use crate::wiring::World;

/// A checked workflow with the spans of its text that excerpts must not show.
pub(crate) struct Loaded {
    /// The workflow.
    pub(crate) workflow: Workflow,
    /// Spans of option values.
    pub(crate) private: Vec<Span>,
    /// Where the file's own text ends, and what the command line added begins.
    pub(crate) file_end: usize,
}

impl Loaded {
    fn excerpts(&self) -> Excerpts<'_> {
        let excerpts = Excerpts::new(&self.workflow.source).private(&self.private);
        excerpts.file_end(self.file_end)
    }
}

/// Reads a workflow file.
pub(crate) fn source(path: &Path) -> Result<Arc<SourceFile>, Failure> {
    let source = subrosa_engine::load(path);
    source.map(Arc::new).map_err(|error| Failure::new(Exit::INVALID, error.to_string()))
}

/// Reads and checks a workflow file; tells every problem.
pub(crate) fn workflow(path: &Path, world: &World) -> Result<Loaded, Failure> {
    let source = source(path)?;
    let Validation { workflow, diagnostics, private, .. } =
        subrosa_engine::validate(source.clone(), subrosa_executors::KINDS);
    let excerpts = Excerpts::new(&source).private(&private);
    tell(&excerpts, &diagnostics, world);
    match workflow {
        Some(workflow) => Ok(Loaded { workflow, private, file_end: source.text().len() + 1 }),
        None => Err(Failure::Told(Exit::INVALID)),
    }
}

/// Writes diagnostics to standard error.
pub(crate) fn tell(excerpts: &Excerpts<'_>, diagnostics: &[Diagnostic], world: &World) {
    let look: Look = world.look(&io::stderr());
    for diagnostic in diagnostics {
        out::stderr(&excerpts.render(diagnostic, look));
    }
}

/// A runtime for the network and for children.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::engine(format!("cannot start the runtime: {error}")))
}

/// Why there are no values.
pub(crate) enum Unresolved {
    /// A signal came first.
    Stopped(Exit),
    /// Something is wrong; nobody has told yet.
    Failed(Box<ResolveFailure>),
}

impl Unresolved {
    /// Tells what is wrong.
    pub(crate) fn told(self, loaded: &Loaded, world: &World) -> Failure {
        match self {
            Unresolved::Stopped(exit) => Failure::Told(exit),
            Unresolved::Failed(failure) => told(&loaded.excerpts(), &failure, world),
        }
    }
}

/// Resolves every secret and tells what is worth a warning; a signal ends it.
pub(crate) async fn resolve(
    loaded: &Loaded,
    params: &[ParamArg],
    host: &Host,
    options: ResolveOptions,
    signals: &mut Signals,
    world: &World,
) -> Result<Resolved, Unresolved> {
    let resolved = resolve_quietly(loaded, params, host, options, signals).await?;
    tell_warnings(loaded, &resolved, world);
    Ok(resolved)
}

/// Resolves every secret; a signal ends it.
pub(crate) async fn resolve_quietly(
    loaded: &Loaded,
    params: &[ParamArg],
    host: &Host,
    options: ResolveOptions,
    signals: &mut Signals,
) -> Result<Resolved, Unresolved> {
    let logins = options.logins.clone();
    let resolved = tokio::select! {
        resolved = Box::pin(subrosa_engine::resolve(&loaded.workflow, params, host, options)) => resolved,
        number = signals.next() => {
            // Nothing was resolved that messages could repeat; what was lent already goes back.
            close(&logins, host, &MaskSet::empty(), signals).await;
            return Err(Unresolved::Stopped(Exit::signal(number)));
        }
    };
    resolved.map_err(|failure| Unresolved::Failed(Box::new(failure)))
}

/// Tells what the resolution found worth a warning.
pub(crate) fn tell_warnings(loaded: &Loaded, resolved: &Resolved, world: &World) {
    let masks = resolved.masks();
    tell(&loaded.excerpts().masks(&masks), resolved.warnings(), world);
}

/// Tells what the resolution did, in numbers.
pub(crate) fn tell_summary(resolved: &Resolved) {
    let line = resolved.masks().mask_text(&resolved.summary().to_string());
    out::stderr(&format!("{}\n", text::shown(line.as_str())));
}

/// Gives back what providers lent for this command alone; a signal, which is then the answer, ends the
/// wait.
pub(crate) async fn close(
    logins: &Logins,
    host: &Host,
    masks: &MaskSet,
    signals: &mut Signals,
) -> Option<i32> {
    let left = tokio::select! {
        left = logins.close(host.limits.close) => left,
        number = signals.next() => {
            warn("what providers lent was not waited for; it ends by itself, or not at all", masks);
            return Some(number);
        }
    };
    for message in left {
        warn(&message, masks);
    }
    None
}

/// Tells what a person should know, masked.
pub(crate) fn warn(message: &str, masks: &MaskSet) {
    let message = masks.mask_text(message);
    out::stderr(&format!("warning: {}\n", text::shown(message.as_str())));
}

/// Tells why nothing was resolved.
pub(crate) fn told(excerpts: &Excerpts<'_>, failure: &ResolveFailure, world: &World) -> Failure {
    tell(&excerpts.masks(&failure.masks), &failure.diagnostics, world);
    Failure::Told(if failure.about_secrets { Exit::SECRETS } else { Exit::INVALID })
}
