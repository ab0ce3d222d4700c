//! Everything ambient, handed in: the front end snapshots it once, the engine reads no other.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use subrosa_masker::Short;
use subrosa_registry::Reader;

use crate::cache::ValueCache;
use crate::config::Settings;
use crate::kind::Runners;
use crate::provider::Providers;

/// The world a run lives in.
pub struct Host {
    /// The process environment at start.
    pub process_env: Vec<(OsString, OsString)>,
    /// The current directory at start.
    pub current_dir: PathBuf,
    /// Where run records live (`SUBROSA_HOME`).
    pub data_dir: PathBuf,
    /// The providers a workflow can name.
    pub providers: Providers,
    /// What carries out the steps that are neither processes nor calls.
    pub runners: Runners,
    /// The registry that answers `ref:`; `None` if there is none.
    pub registry: Option<Arc<dyn Reader>>,
    /// Values of earlier runs, for when a provider is out of reach; `None` unless the user wants that.
    pub cache: Option<Arc<dyn ValueCache>>,
    /// Who runs this: the user's name, or number where there is none. The registry's audit log says it.
    pub user: String,
    /// The wall clock.
    pub clock: fn() -> SystemTime,
    /// Randomness that need not be secret: it spreads repeated requests over time.
    pub random: fn() -> u64,
    /// The command that ends left-over process groups if the engine is killed; `None`: no guard.
    pub guard: Option<Vec<OsString>>,
    /// How short values are masked, whatever a workflow says; `None`: as it says.
    pub short: Option<Short>,
    /// Bounds.
    pub limits: Limits,
    /// What the configuration says.
    pub settings: Settings,
}

/// Bounds on waiting, and on asking.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For all secrets of a workflow together.
    pub resolve: Duration,
    /// For one request to a provider, with all its repetitions; also for logging in.
    pub request: Duration,
    /// How often a request is repeated that may be.
    pub retries: u32,
    /// How many requests are under way at a time.
    pub at_once: usize,
    /// For giving back, after a run, what was got for it alone.
    pub close: Duration,
    /// Between asking a process group to end and killing it.
    pub grace: Duration,
    /// For a pipe that somebody keeps open after the step's process ended.
    pub leak: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            resolve: Duration::from_secs(60),
            request: Duration::from_secs(15),
            retries: 4,
            at_once: 32,
            close: Duration::from_secs(5),
            grace: Duration::from_secs(10),
            leak: Duration::from_secs(2),
        }
    }
}

impl Host {
    /// A variable of the process environment.
    pub fn env(&self, name: &str) -> Option<&OsString> {
        self.process_env.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A path as seen from the directory in which the process started.
    pub fn absolute(&self, path: &std::path::Path) -> PathBuf {
        self.current_dir.join(path)
    }
}
