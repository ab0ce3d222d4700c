//! The process of one run: takes an order from the runner, tells what came of it, and ends with the run.
//!
//! It leads a session of its own, so that neither a terminal's signals nor its questions reach it, and nothing
//! is shown: records tell how a run goes. When nobody steers it any more, it stops as if it were asked to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use subrosa_engine::event::{EventSink, RunEvent};
use subrosa_engine::host::Host;
use subrosa_engine::remedy::with_causes;
use subrosa_engine::source::SourceFile;
use subrosa_engine::{
    EnvironmentChoice, Explained, ParamArg, Purpose, ResolveFailure, ResolveOptions, Resolved,
};
use subrosa_masker::MaskSet;
use subrosa_registry::{Ask, EnvironmentName, KeyError};
use subrosa_server::channel::runs::{
    HiddenView, PlanView, PlannedSecret, ProblemView, StartKind, Started, VariableView,
};
use subrosa_server::channel::{Refusal, RefusalKind};
use tokio::sync::mpsc::UnboundedReceiver;

use super::line::{Line, say};
use super::order::{Order, Told};
use super::refusal;
use crate::command::run::{self, NotRun, Start};
use crate::command::{dry, retry};
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::load::{self, Loaded, Unresolved};
use crate::signals::{STOPPING, Signals};
use crate::text::shown;
use crate::wiring::{Named, World};
use crate::{records, registry};

/// The hidden command.
pub(crate) const WORD: &str = "__run";

/// Carries out the order of whoever started us.
pub(crate) fn run(opener: for<'a> fn(&'a World) -> Opener<'a>) -> Exit {
    // It fails for who leads a group already, and then there is nothing to leave.
    rustix::process::setsid().ok();
    let Some((order, line, stops)) = Line::open() else { return Exit::USAGE };
    match carry_out(order, Arc::new(line), stops, opener) {
        // Told when the run began.
        Ok(None) => {}
        Ok(Some(started)) => say(&Told::Done(started)),
        Err(refusal) => say(&Told::Refused(refusal)),
    }
    Exit::OK
}

fn carry_out(
    order: Order,
    line: Arc<Line>,
    stops: UnboundedReceiver<i32>,
    opener: for<'a> fn(&'a World) -> Opener<'a>,
) -> Result<Option<Started>, Refusal> {
    let mut world = World::snapshot(Named::default()).map_err(|why| broken(&why))?;
    world.asks = Some(Arc::new(move |ask| answer(&line, ask)));
    let world = opener(&world);
    let source = subrosa_engine::load(&order.file).map(Arc::new).map_err(|_| Refusal {
        kind: RefusalKind::NotFound,
        message: "the workflow's file cannot be read".to_owned(),
        help: None,
    })?;
    let found = subrosa_engine::validate(source.clone(), subrosa_executors::KINDS);
    let Some(workflow) = found.workflow else {
        let problems = found.diagnostics.iter().map(|one| ProblemView::of(one, &source, lines));
        return Ok(Some(Started::Not { run: None, problems: problems.collect() }));
    };
    if workflow.workspace().map(|name| name.to_string()) != order.workspace {
        return Err(Refusal {
            kind: RefusalKind::Changed,
            message: "the workflow is not in the workspace where it was looked for".to_owned(),
            help: Some("look at it again".to_owned()),
        });
    }
    let file_end = source.text().len() + 1;
    let loaded = Loaded { workflow, private: found.private, file_end };
    match order.kind.clone() {
        StartKind::Run => go(order, loaded, stops, &world),
        StartKind::Retry { run } => again(&run, order, loaded, stops, &world),
        StartKind::Dry => plan(order, &loaded, stops, &world).map(Some),
        StartKind::Explain { step } => explain(order, &loaded, step.as_deref(), &world).map(Some),
    }
}

/// Hands a question for a passphrase on, and keeps the answer for the brokers that the run starts.
fn answer(line: &Line, ask: Ask) -> Result<zeroize::Zeroizing<Vec<u8>>, KeyError> {
    let (place, why) = match ask {
        Ask::Existing { place } => match line.passphrase(&place) {
            Some(passphrase) => {
                registry::remember(place, passphrase.clone());
                return Ok(passphrase);
            }
            None => (place, "nobody is there to ask: set `SUBROSA_PASSPHRASE_FILE` for the server"),
        },
        Ask::New { place } => (place, "a new key is not made by a run"),
    };
    Err(KeyError::Source { place, why: why.to_owned() })
}

fn broken(failure: &Failure) -> Refusal {
    let (message, help) = failure.parts();
    let (message, help) = (message.to_owned(), help.map(str::to_owned));
    Refusal { kind: RefusalKind::Broken, message, help }
}

fn stopped() -> Refusal {
    let message = "it was stopped before it began".to_owned();
    Refusal { kind: RefusalKind::Unavailable, message, help: None }
}

/// What is not meant to be seen made visible, line by line.
fn lines(text: &str) -> String {
    text.lines().map(shown).collect::<Vec<_>>().join("\n")
}

fn problems(failure: &ResolveFailure, source: &SourceFile) -> Vec<ProblemView> {
    let mask = |text: &str| lines(failure.masks.mask_text(text).as_str());
    failure.diagnostics.iter().map(|one| ProblemView::of(one, source, mask)).collect()
}

impl Order {
    fn options(&self, purpose: Purpose) -> Result<ResolveOptions, Refusal> {
        let name = self.environment.as_deref().map(EnvironmentName::parse).transpose();
        let name = name.map_err(|why| refusal::name(&why))?;
        Ok(ResolveOptions {
            environment: name.map_or(EnvironmentChoice::Files, EnvironmentChoice::Given),
            allow_protected: self.allow_protected,
            run_id: Some(self.run.clone()).filter(|_| purpose != Purpose::Dry),
            ..ResolveOptions::new(purpose)
        })
    }

    fn params(&mut self) -> Vec<ParamArg> {
        let given = std::mem::take(&mut self.params).into_iter();
        given.map(|param| ParamArg { name: param.name, value: param.value }).collect()
    }

    fn host(&self, world: &Opener<'_>) -> Result<Host, Refusal> {
        let host = world.configured_host(None, Some(&self.file)).map_err(|why| broken(&why))?;
        Ok(Host { user: self.user.clone(), ..host })
    }
}

/// Tells the runner once the run is recorded.
#[derive(Default)]
struct Begun(AtomicBool);

impl EventSink for Begun {
    fn emit(&self, event: &RunEvent) {
        if let RunEvent::RunStarted { run, .. } = event {
            self.0.store(true, Ordering::Relaxed);
            say(&Told::Done(Started::Run { run: run.clone() }));
        }
    }
}

fn go(
    mut order: Order,
    loaded: Loaded,
    stops: UnboundedReceiver<i32>,
    world: &Opener<'_>,
) -> Result<Option<Started>, Refusal> {
    let start = Start {
        host: Arc::new(order.host(world)?),
        options: order.options(Purpose::Run)?,
        params: order.params(),
        retry_of: None,
        loaded,
    };
    drive(start, &order.run, stops)
}

fn again(
    run: &str,
    mut order: Order,
    loaded: Loaded,
    stops: UnboundedReceiver<i32>,
    world: &Opener<'_>,
) -> Result<Option<Started>, Refusal> {
    let refused = |why: Failure| Refusal { kind: RefusalKind::Invalid, ..broken(&why) };
    let data_dir = world.data_dir().map_err(|why| broken(&why))?;
    let found = records::find(&data_dir, Some(run)).map_err(refused)?;
    if !is_same(Path::new(&found.record.file), &order.file) {
        return Err(refusal::invalid("the run was one of another workflow"));
    }
    let mut options = order.options(Purpose::Retry)?;
    let params = retry::carry_over(&found.record, order.params(), &mut options);
    // Its words are those of the command line.
    let help = Some("give it again with the retry".to_owned());
    let params = params.map_err(|why| Refusal { help, ..refused(why) })?;
    let host = Arc::new(order.host(world)?);
    let start = Start { host, options, params, retry_of: Some(found.dir), loaded };
    drive(start, &order.run, stops)
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn drive(
    start: Start,
    run: &str,
    stops: UnboundedReceiver<i32>,
) -> Result<Option<Started>, Refusal> {
    let source = start.loaded.workflow.source.clone();
    let runtime = load::runtime().map_err(|why| broken(&why))?;
    let begun = Arc::new(Begun::default());
    let outcome = runtime.block_on(Box::pin(async {
        let signals = listen(stops)?;
        Ok::<_, Refusal>(run::drive(start, signals, begun.clone(), |_, _| ()).await)
    }));
    // A reader of the registry may still block; it has nothing left to give.
    runtime.shutdown_background();
    match outcome? {
        _ if begun.0.load(Ordering::Relaxed) => Ok(None),
        Ok(_) => Ok(None),
        Err(NotRun::Stopped(_)) => Err(stopped()),
        Err(NotRun::Unresolved { failure, record, .. }) => {
            let run = record.is_ok().then(|| run.to_owned());
            Ok(Some(Started::Not { run, problems: problems(&failure, &source) }))
        }
        Err(NotRun::Broken(error)) => Err(Refusal {
            kind: RefusalKind::Broken,
            message: with_causes(&error),
            help: error.help.map(str::to_owned),
        }),
    }
}

fn listen(stops: UnboundedReceiver<i32>) -> Result<Signals, Refusal> {
    let signals = Signals::listen(STOPPING).map_err(|why| broken(&why))?;
    signals.also_from(stops);
    Ok(signals)
}

fn plan(
    mut order: Order,
    loaded: &Loaded,
    stops: UnboundedReceiver<i32>,
    world: &Opener<'_>,
) -> Result<Started, Refusal> {
    let (host, options) = (order.host(world)?, order.options(Purpose::Dry)?);
    let (params, logins) = (order.params(), options.logins.clone());
    let runtime = load::runtime().map_err(|why| broken(&why))?;
    let resolved = runtime.block_on(Box::pin(async {
        let mut signals = listen(stops)?;
        let resolving = load::resolve_quietly(loaded, &params, &host, options, &mut signals);
        let resolved = Box::pin(resolving).await;
        if let Ok(resolved) = &resolved {
            load::close(&logins, &host, &resolved.masks(), &mut signals).await;
        }
        Ok::<_, Refusal>(resolved)
    }));
    runtime.shutdown_background();
    let source = &loaded.workflow.source;
    match resolved? {
        Ok(resolved) => Ok(Started::Plan(plan_view(loaded, &resolved))),
        Err(Unresolved::Stopped(_)) => Err(stopped()),
        Err(Unresolved::Failed(failure)) => {
            Ok(Started::Not { run: None, problems: problems(&failure, source) })
        }
    }
}

fn plan_view(loaded: &Loaded, resolved: &Resolved) -> PlanView {
    let masks: Arc<MaskSet> = resolved.masks();
    let say = |text: &str| lines(masks.mask_text(text).as_str());
    let source = &loaded.workflow.source;
    let secrets = resolved.secrets().iter().map(|secret| PlannedSecret {
        name: say(&secret.name),
        provider: say(&secret.provider),
        reference: secret.reference.as_ref().map(|reference| say(reference.as_str())),
        found: secret.found.as_ref().map(|found| say(&dry::found_words(found))),
    });
    PlanView {
        environment: resolved.environment().map(|name| say(name.as_str())),
        secrets: secrets.collect(),
        warnings: resolved.warnings().iter().map(|one| ProblemView::of(one, source, say)).collect(),
    }
}

fn explain(
    mut order: Order,
    loaded: &Loaded,
    step: Option<&str>,
    world: &Opener<'_>,
) -> Result<Started, Refusal> {
    let (host, params) = (order.host(world)?, order.params());
    let environment = order.options(Purpose::Dry)?.environment;
    let runtime = load::runtime().map_err(|why| broken(&why))?;
    let explaining = subrosa_engine::explain(&loaded.workflow, step, &params, environment, &host);
    match runtime.block_on(Box::pin(explaining)) {
        Ok(explained) => Ok(Started::Explained(explained.into_iter().map(variable).collect())),
        Err(failure) => {
            let problems = problems(&failure, &loaded.workflow.source);
            Ok(Started::Not { run: None, problems })
        }
    }
}

fn variable(explained: Explained) -> VariableView {
    let hidden = explained
        .overrides
        .into_iter()
        .map(|hidden| HiddenView { layer: hidden.layer.to_owned(), source: shown(&hidden.source) });
    VariableView {
        name: explained.name,
        layer: explained.layer.to_owned(),
        source: shown(&explained.source),
        overrides: hidden.collect(),
    }
}
