//! A folder, a fixed clock and a registry: what a workflow is resolved or run in.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use subrosa_engine::cache::ValueCache;
use subrosa_engine::cancel::{StopToken, stop_pair};
use subrosa_engine::config::Settings;
use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::event::{EventSink, RunEvent};
use subrosa_engine::host::{Host, Limits};
use subrosa_engine::kind::Runners;
use subrosa_engine::provider::{FindProvider, Provider, Providers};
use subrosa_engine::source::SourceFile;
use subrosa_engine::workflow::Workflow;
use subrosa_engine::{
    EnvironmentChoice, Purpose, ResolveFailure, ResolveOptions, Resolved, RunOptions, RunReport,
    resolve, run, validate,
};
use subrosa_registry::{EnvironmentName, Reader};
use tempfile::TempDir;

use crate::fake::Fake;

/// 2026-11-22T00:00:00Z.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

/// So many hours from now.
pub(crate) fn in_hours(hours: u64) -> SystemTime {
    now() + Duration::from_secs(hours * 60 * 60)
}

/// Options of a run.
pub(crate) fn running() -> ResolveOptions {
    ResolveOptions::new(Purpose::Run)
}

/// Options of a run with `--env`.
pub(crate) fn given(environment: &str) -> ResolveOptions {
    let name = EnvironmentName::parse(environment).unwrap();
    ResolveOptions { environment: EnvironmentChoice::Given(name), ..running() }
}

pub(crate) struct World {
    folder: TempDir,
    registry: Option<Arc<Fake>>,
    pub(crate) providers: Vec<Arc<dyn Provider>>,
    pub(crate) find: Option<FindProvider>,
    pub(crate) limits: Limits,
    pub(crate) settings: Settings,
    pub(crate) cache: Option<Arc<dyn ValueCache>>,
}

/// What watched a run.
#[derive(Default)]
pub(crate) struct Watcher(pub(crate) Mutex<Vec<Value>>);

impl EventSink for Watcher {
    fn emit(&self, event: &RunEvent) {
        self.0.lock().unwrap().push(serde_json::to_value(event).unwrap());
    }
}

/// What a run left; its files go with the world.
pub(crate) struct Left {
    pub(crate) report: RunReport,
    pub(crate) events: Vec<Value>,
}

impl Left {
    /// A file of the record.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.report.dir.join(name)).unwrap()
    }

    /// `status.json`, of a called workflow if `below` says so.
    pub(crate) fn record(&self, below: &str) -> Value {
        serde_json::from_str(&self.read(&format!("{below}status.json"))).unwrap()
    }

    /// The messages of warnings while it ran.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let warnings = self.events.iter().filter(|event| event["event"] == "warning");
        warnings.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }
}

impl World {
    pub(crate) fn new(registry: Fake) -> World {
        World { registry: Some(Arc::new(registry)), ..World::without_registry() }
    }

    pub(crate) fn without_registry() -> World {
        let folder = TempDir::new().unwrap();
        let (limits, settings) = (Limits::default(), Settings::default());
        let (registry, providers, find, cache) = (None, Vec::new(), None, None);
        World { folder, registry, providers, find, limits, settings, cache }
    }

    /// With one provider.
    pub(crate) fn with(self, provider: impl Provider + 'static) -> World {
        World { providers: vec![Arc::new(provider)], ..self }
    }

    pub(crate) fn registry(&self) -> &Fake {
        self.registry.as_deref().unwrap()
    }

    pub(crate) fn home(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn host(&self) -> Host {
        let registry = self.registry.clone().map(|fake| fake as Arc<dyn Reader>);
        Host {
            process_env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            current_dir: self.folder.path().to_path_buf(),
            data_dir: self.folder.path().join("home"),
            runners: Runners::default(),
            providers: Providers { built_in: self.providers.clone(), find: self.find.clone() },
            registry,
            cache: self.cache.clone(),
            user: "kim".to_owned(),
            clock: now,
            random: || u64::MAX,
            guard: None,
            short: None,
            limits: self.limits,
            settings: self.settings.clone(),
        }
    }

    /// Resolves a workflow; the failure, if it is one, comes rendered.
    pub(crate) async fn resolve(
        &self,
        text: &str,
        options: ResolveOptions,
    ) -> Result<Resolved, String> {
        let workflow = workflow(text);
        let resolved = Box::pin(resolve(&workflow, &[], &self.host(), options)).await;
        resolved.map_err(|failure| render(&workflow, &failure.diagnostics))
    }

    /// Resolves a workflow that cannot be.
    pub(crate) async fn failure(&self, text: &str, options: ResolveOptions) -> ResolveFailure {
        let failed = Box::pin(resolve(&workflow(text), &[], &self.host(), options)).await;
        failed.err().expect("nothing to resolve it with")
    }

    /// Runs a workflow to its end.
    pub(crate) async fn run(&self, text: &str, options: ResolveOptions) -> Left {
        let (_handle, token) = stop_pair();
        self.run_until(text, options, token).await
    }

    /// Runs a workflow to its end, or until it is stopped.
    pub(crate) async fn run_until(
        &self,
        text: &str,
        options: ResolveOptions,
        token: StopToken,
    ) -> Left {
        let (host, workflow) = (Arc::new(self.host()), Arc::new(workflow(text)));
        let resolved = Box::pin(resolve(&workflow, &[], &host, options)).await;
        let resolved = resolved.map_err(|failure| render(&workflow, &failure.diagnostics)).unwrap();
        let watcher = Arc::new(Watcher::default());
        let ran = run(workflow, resolved, RunOptions::default(), host, watcher.clone(), token);
        let report = Box::pin(ran).await.unwrap();
        let events = watcher.0.lock().unwrap().clone();
        Left { report, events }
    }
}

/// A workflow that holds.
pub(crate) fn workflow(text: &str) -> Workflow {
    let validation = validate(Arc::new(SourceFile::new("w.yaml", text)), &[]);
    validation.workflow.unwrap_or_else(|| panic!("{:?}", validation.diagnostics))
}

/// `code line: message`, then labels and help, indented.
pub(crate) fn render(workflow: &Workflow, diagnostics: &[Diagnostic]) -> String {
    let line = |offset: usize| workflow.source.position(offset).line;
    let mut text = String::new();
    for found in diagnostics {
        let place = found.labels.first().map(|label| format!(" {}", line(label.span.start)));
        writeln!(text, "{}{}: {}", found.code, place.unwrap_or_default(), found.message).unwrap();
        for label in found.labels.iter().skip(1) {
            writeln!(text, "  {}: {}", line(label.span.start), label.text).unwrap();
        }
        if let Some(help) = &found.help {
            writeln!(text, "  help: {help}").unwrap();
        }
    }
    text
}
