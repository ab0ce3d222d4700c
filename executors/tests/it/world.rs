//! A folder in which workflows run with the kinds of this crate, and what they leave.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::Value;
use subrosa_connections::protocol::{Done, Failed};
use subrosa_connections::provider::{Connections, Refresher};
use subrosa_connections::types::Types;
use subrosa_engine::cancel::stop_pair;
use subrosa_engine::config::Settings;
use subrosa_engine::event::{EventSink, RunEvent};
use subrosa_engine::host::{Host, Limits};
use subrosa_engine::kind::StepFault;
use subrosa_engine::provider::{
    Client, Identity, Provider, ProviderError, Providers, ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use subrosa_engine::source::SourceFile;
use subrosa_engine::{Purpose, ResolveOptions, RunOptions, resolve, run, validate};
use subrosa_executors::{HttpFiles, KINDS, Lender, Means, runners};
use subrosa_http::{Http, HttpSettings, Roots, Tls};
use subrosa_registry::{Lookup, RecordReader, SecretRef};
use tempfile::TempDir;

use crate::kept::Kept;

/// A folder to run workflows in.
pub(crate) struct World {
    folder: Arc<TempDir>,
    http_files: HttpFiles,
    kept: Option<Arc<Kept>>,
}

/// What a run left.
pub(crate) struct Left {
    /// Where its files are.
    _folder: Arc<TempDir>,
    dir: PathBuf,
    events: String,
}

struct Watcher(std::sync::Mutex<String>);

impl EventSink for Watcher {
    fn emit(&self, event: &RunEvent) {
        let mut text = self.0.lock().unwrap();
        text.push_str(&serde_json::to_string(event).unwrap());
        text.push('\n');
    }
}

/// Secrets whose values are their keys.
struct Said;

struct Saying;

#[async_trait]
impl Provider for Said {
    fn name(&self) -> &'static str {
        "said"
    }

    async fn open(
        &self,
        _: &ResolveContext,
        _: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        Ok(Box::new(Saying))
    }
}

#[async_trait]
impl Client for Saying {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        Ok(SecretValue::new(request.key.as_bytes().to_vec()))
    }
}

struct Nobody;

#[async_trait]
impl Refresher for Nobody {
    async fn refresh(
        &self,
        _: &Lookup,
        _: &SecretRef,
        _: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Done, Failed> {
        panic!("there is no registry");
    }
}

/// 2026-11-22T00:00:00Z.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

fn means(http_files: HttpFiles, kept: Option<Arc<Kept>>) -> Means {
    let types = kept.as_ref().map_or_else(Types::shipped, |kept| kept.types());
    let types = Arc::new(types);
    let connections = Connections {
        reader: kept.map(|kept| kept as Arc<dyn RecordReader>),
        types: Arc::new(move || Ok(types.clone())),
        refresher: Arc::new(Nobody),
        clock: now,
    };
    let http = |server: &subrosa_http::Address, roots: Roots, timeout| {
        let roots = if server.is_encrypted() { roots } else { Roots::None };
        let tls = Tls { roots, identity: None };
        Http::new(&HttpSettings { tls, proxy: None, timeout })
            .map_err(|error| StepFault::new(error.to_string()))
    };
    Means {
        lender: Arc::new(Lender::new(Arc::new(connections))),
        http: Arc::new(http),
        http_files: Ok(http_files),
    }
}

impl World {
    pub(crate) fn new() -> World {
        World {
            folder: Arc::new(TempDir::new().unwrap()),
            http_files: HttpFiles::default(),
            kept: None,
        }
    }

    /// With credentials for steps that name none.
    pub(crate) fn with_files(self, text: &str) -> World {
        World { http_files: HttpFiles::parse(text).unwrap(), ..self }
    }

    /// With a connection.
    pub(crate) fn with_connection(self, kept: Kept) -> World {
        World { kept: Some(Arc::new(kept)), ..self }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that only its owner reads.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Runs a workflow to its end.
    pub(crate) async fn run(&self, text: &str) -> Left {
        let validation = validate(Arc::new(SourceFile::new("w.yaml", text)), KINDS);
        let workflow =
            validation.workflow.unwrap_or_else(|| panic!("{text}: {:?}", validation.diagnostics));
        let host = Arc::new(self.host());
        let workflow = Arc::new(workflow);
        let options = ResolveOptions::new(Purpose::Run);
        let resolved = Box::pin(resolve(&workflow, &[], &host, options)).await;
        let Ok(resolved) = resolved else { panic!("{text}: secrets are missing") };
        let watcher = Arc::new(Watcher(std::sync::Mutex::default()));
        let (_handle, token) = stop_pair();
        let ran = run(workflow, resolved, RunOptions::default(), host, watcher.clone(), token);
        let report = Box::pin(ran).await.unwrap();
        let events = watcher.0.lock().unwrap().clone();
        Left { _folder: self.folder.clone(), dir: report.dir, events }
    }

    /// Runs a workflow of one `http` step, named `s`; `fields` are those of the step, in flow style.
    pub(crate) async fn step(&self, fields: &str) -> Left {
        let secrets = "secrets: [{name: TOKEN, provider: said, key: canary-4711}]";
        self.run(&format!("{secrets}\nsteps:\n  - {{name: s, type: http, {fields}}}\n")).await
    }

    fn host(&self) -> Host {
        Host {
            process_env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            current_dir: self.folder.path().to_path_buf(),
            data_dir: self.path("home"),
            runners: runners(&means(self.http_files.clone(), self.kept.clone())),
            providers: Providers { built_in: vec![Arc::new(Said)], find: None },
            registry: None,
            cache: None,
            user: "kim".to_owned(),
            clock: now,
            random: || u64::MAX,
            guard: None,
            short: None,
            limits: Limits { grace: Duration::from_secs(1), ..Limits::default() },
            settings: Settings::default(),
        }
    }
}

impl Left {
    /// The standard output of the step `s`.
    pub(crate) fn out(&self) -> String {
        self.log("s.out")
    }

    /// The standard error of the step `s`.
    pub(crate) fn err(&self) -> String {
        self.log("s.err")
    }

    /// A file of logs, such as `s.out`.
    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join("steps").join(name)).unwrap_or_default()
    }

    /// `status.json`.
    pub(crate) fn record(&self) -> Value {
        serde_json::from_slice(&fs::read(self.dir.join("status.json")).unwrap()).unwrap()
    }

    /// What was told as the failure of the step `s`; empty if it succeeded.
    pub(crate) fn failure(&self) -> String {
        let record = self.record();
        let step = &record["steps"][0];
        if step["status"] == "succeeded" {
            return String::new();
        }
        step["message"].as_str().map_or_else(|| step.to_string(), str::to_owned)
    }

    /// The messages of warnings.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let events = self.events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let warnings = events.filter(|event| event["event"] == "warning");
        warnings.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }

    /// All that it left and told, in one text.
    pub(crate) fn all(&self) -> String {
        let mut text = self.events.clone();
        gather(&self.dir, &mut text);
        text
    }
}

fn gather(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, text);
        } else {
            text.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap()));
        }
    }
}
