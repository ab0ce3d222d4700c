//! The secrets of the registry as this process knows them: names and dates, read again when they change.
//!
//! The runner reads the registry; here is what it last told. Whether that still holds is seen by the root of
//! the store, which is replaced with each change, whoever makes it. When a run last used a secret is no
//! change, and may be a few seconds old.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::value::{RawValue, to_raw_value};
use subrosa_registry::WorkspaceName;
use tokio::sync::Mutex;

use crate::channel::secrets::{ListSecrets, SecretView};
use crate::channel::{By, Refusal};
use crate::runner::Runner;

/// How old what was told may be, if nothing was changed.
const AGE_MAX: Duration = Duration::from_secs(5);

/// Secrets, sorted by what tells them apart.
pub(crate) struct Listed {
    /// What is told of it.
    pub(crate) view: SecretView,
    /// Its workspace.
    pub(crate) workspace: Option<WorkspaceName>,
    /// What sorts and tells it apart.
    pub(crate) key: String,
    /// The same as JSON: lists are made of these.
    pub(crate) json: Box<RawValue>,
}

/// What the runner last told.
pub(crate) struct Overview {
    root: PathBuf,
    known: Mutex<Option<Known>>,
}

struct Known {
    list: Arc<Vec<Listed>>,
    stamp: Option<Stamp>,
    read: Instant,
}

/// What changes whenever the store does.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    len: u64,
    modified: Option<SystemTime>,
}

impl Overview {
    /// Of the store in the data folder.
    pub(crate) fn new(data_dir: &std::path::Path) -> Overview {
        Overview { root: data_dir.join("secrets/root"), known: Mutex::new(None) }
    }

    fn stamp(&self) -> Option<Stamp> {
        use std::os::unix::fs::MetadataExt as _;
        let meta = std::fs::symlink_metadata(&self.root).ok()?;
        Some(Stamp { inode: meta.ino(), len: meta.len(), modified: meta.modified().ok() })
    }

    /// All secrets, as new as the last change. Whoever comes while they are read waits for the same.
    pub(crate) async fn secrets(&self, runner: &Runner) -> Result<Arc<Vec<Listed>>, Refusal> {
        let mut known = self.known.lock().await;
        // Before reading: what changes meanwhile is seen the next time.
        let stamp = self.stamp();
        if let Some(known) = &*known
            && known.stamp == stamp
            && known.read.elapsed() < AGE_MAX
        {
            return Ok(known.list.clone());
        }
        let by = By { user: String::new(), allow_protected: true };
        let views = runner.ask(by, ListSecrets {}).await?;
        let list: Vec<Listed> = views.into_iter().filter_map(listed).collect();
        let list = Arc::new(sorted(list));
        *known = Some(Known { list: list.clone(), stamp, read: Instant::now() });
        Ok(list)
    }
}

fn sorted(mut list: Vec<Listed>) -> Vec<Listed> {
    list.sort_by(|a, b| a.key.cmp(&b.key));
    list
}

fn listed(view: SecretView) -> Option<Listed> {
    let workspace = view.workspace.as_deref().map(WorkspaceName::parse).transpose().ok()?;
    // Refs and names have no spaces.
    let (at, environment) = (view.workspace.as_deref(), view.environment.as_deref());
    let key = format!(
        "{} {} {}",
        view.reference,
        at.unwrap_or_default(),
        environment.unwrap_or_default()
    );
    let json = to_raw_value(&view).ok()?;
    Some(Listed { view, workspace, key, json })
}
