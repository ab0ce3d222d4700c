//! From a path to a checked workflow, and from there to resolved secrets, telling what is wrong.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::host::Host;
use subrosa_engine::source::{SourceFile, Span};
use subrosa_engine::workflow::Workflow;
use subrosa_engine::{ParamArg, Purpose, ResolveFailure, Resolved, Validation};
use tokio::runtime::{Builder, Runtime};

use crate::failure::{Exit, Failure};
use crate::out;
use crate::render::{Excerpts, Look};
use crate::signals::Signals;
use crate::wiring::World;

/// Bytes a workflow file may have.
const FILE_LEN_MAX: u64 = 1024 * 1024;

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

/// Reads a workflow file. Pipes are fine (`<(generate)`); endless ones end at a bound.
pub(crate) fn source(path: &Path) -> Result<Arc<SourceFile>, Failure> {
    let name = path.display();
    let unreadable =
        |error: io::Error| Failure::new(Exit::INVALID, format!("cannot read `{name}`: {error}"));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(Failure::new(Exit::INVALID, format!("`{name}` is larger than 1 MiB")));
    }
    Ok(Arc::new(SourceFile::from_bytes(path, &bytes)))
}

/// Reads and checks a workflow file; tells every problem.
pub(crate) fn workflow(path: &Path, world: &World) -> Result<Loaded, Failure> {
    let source = source(path)?;
    let Validation { workflow, diagnostics, private } = subrosa_engine::validate(source.clone());
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

/// Resolves every secret, or tells why not; a signal ends it.
pub(crate) async fn resolve(
    loaded: &Loaded,
    params: &[ParamArg],
    host: &Host,
    purpose: Purpose,
    signals: &mut Signals,
    world: &World,
) -> Result<Resolved, Failure> {
    let resolved = tokio::select! {
        resolved = Box::pin(subrosa_engine::resolve(&loaded.workflow, params, host, purpose)) => resolved,
        number = signals.next() => return Err(Failure::Told(Exit::signal(number))),
    };
    let excerpts = loaded.excerpts();
    match resolved {
        Ok(resolved) => {
            let masks = resolved.masks();
            tell(&excerpts.masks(&masks), resolved.warnings(), world);
            Ok(resolved)
        }
        Err(failure) => Err(told(&excerpts, &failure, world)),
    }
}

/// Tells why nothing was resolved.
pub(crate) fn told(excerpts: &Excerpts<'_>, failure: &ResolveFailure, world: &World) -> Failure {
    tell(&excerpts.masks(&failure.masks), &failure.diagnostics, world);
    Failure::Told(if failure.about_secrets { Exit::SECRETS } else { Exit::INVALID })
}
