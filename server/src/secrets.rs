//! The secrets of the registry as this process knows them: names and dates, read again when they change.
//!
//! The runner reads the registry; here is what it last told, with the JSON of each ready for lists. Whether
//! that still holds is seen by the root of the store, which is replaced with each change, whoever makes it.
//! When a run last used a secret is no change: in lists it may be half a minute old.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest as _, Sha256};
use subrosa_registry::WorkspaceName;
use tokio::sync::Mutex;

use crate::access::Action;
use crate::channel::secrets::{ListSecrets, SecretView};
use crate::channel::{By, Refusal, RefusalKind};
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::{Page, PageQuery};
use crate::runner::Runner;

/// How old what was told may be, if nothing was changed. Reading it again takes both processes a while, so
/// nobody waits for it then.
const AGE_MAX: Duration = Duration::from_secs(30);

/// A secret in the list.
pub(crate) struct Listed {
    /// What is told of it.
    pub(crate) view: SecretView,
    /// Its workspace.
    pub(crate) workspace: Option<WorkspaceName>,
    /// What sorts and tells it apart.
    pub(crate) key: String,
    /// The same as JSON: lists are made of these.
    pub(crate) json: Box<RawValue>,
    /// Tells whether that is still the same.
    pub(crate) digest: [u8; 32],
}

/// All secrets, sorted by [`Listed::key`].
pub(crate) type List = Arc<Vec<Listed>>;

/// What the runner last told.
pub(crate) struct Overview(Arc<Shared>);

struct Shared {
    root: PathBuf,
    known: RwLock<Option<Known>>,
    /// Held by the one who reads, so that those who come meanwhile wait for the same.
    reading: Mutex<()>,
    is_refreshed: AtomicBool,
}

struct Known {
    list: List,
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
    pub(crate) fn new(data_dir: &Path) -> Overview {
        Overview(Arc::new(Shared {
            root: data_dir.join("secrets/root"),
            known: RwLock::new(None),
            reading: Mutex::new(()),
            is_refreshed: AtomicBool::new(false),
        }))
    }

    /// All secrets, as new as the last change.
    pub(crate) async fn secrets(&self, runner: &Runner) -> Result<List, Refusal> {
        let shared = &self.0;
        if let Some((list, is_old)) = shared.known() {
            if is_old && !shared.is_refreshed.swap(true, Ordering::Relaxed) {
                let (shared, runner) = (shared.clone(), runner.clone());
                tokio::spawn(async move {
                    // What cannot be read now is read when it is asked for again.
                    shared.read(&runner).await.ok();
                    shared.is_refreshed.store(false, Ordering::Relaxed);
                });
            }
            return Ok(list);
        }
        let _turn = shared.reading.lock().await;
        match shared.known() {
            Some((list, _)) => Ok(list),
            None => shared.read(runner).await,
        }
    }
}

impl Shared {
    fn stamp(&self) -> Option<Stamp> {
        use std::os::unix::fs::MetadataExt as _;
        let meta = std::fs::symlink_metadata(&self.root).ok()?;
        Some(Stamp { inode: meta.ino(), len: meta.len(), modified: meta.modified().ok() })
    }

    /// What is known, if nothing was changed since, and whether it is old.
    fn known(&self) -> Option<(List, bool)> {
        let stamp = self.stamp();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|known| known.stamp == stamp)?;
        Some((known.list.clone(), known.read.elapsed() >= AGE_MAX))
    }

    async fn read(&self, runner: &Runner) -> Result<List, Refusal> {
        // Before reading: what changes meanwhile is seen the next time.
        let stamp = self.stamp();
        let by = By { user: String::new(), allow_protected: true };
        let views = runner.ask(by, ListSecrets {}).await?;
        // Thousands of them take a while, in which others are served.
        let list = tokio::task::spawn_blocking(move || Arc::new(sorted(views))).await;
        let list = list.map_err(|_| Refusal {
            kind: RefusalKind::Broken,
            message: "the list cannot be made".to_owned(),
            help: None,
        })?;
        let known = Known { list: list.clone(), stamp, read: Instant::now() };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(list)
    }
}

fn sorted(views: Vec<SecretView>) -> Vec<Listed> {
    let mut list: Vec<Listed> = views.into_iter().filter_map(listed).collect();
    list.sort_by(|a, b| a.key.cmp(&b.key));
    list
}

fn listed(view: SecretView) -> Option<Listed> {
    let workspace = view.workspace.as_deref().map(WorkspaceName::parse).transpose().ok()?;
    // Refs and names have no spaces, and nothing that is sorted before one.
    let (at, environment) = (view.workspace.as_deref(), view.environment.as_deref());
    let key = format!(
        "{} {} {}",
        view.reference,
        at.unwrap_or_default(),
        environment.unwrap_or_default()
    );
    let json = to_raw_value(&view).ok()?;
    let digest = Sha256::digest(json.get().as_bytes()).into();
    Some(Listed { view, workspace, key, json, digest })
}

/// Which secrets are wanted: those that meet all that is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Whose ref begins so.
    pub(crate) prefix: String,
    /// Of this workspace; empty: of the global scope.
    pub(crate) workspace: Option<String>,
    /// Of this environment; empty: those that hold in any.
    pub(crate) environment: Option<String>,
    /// `active` or `disabled`.
    pub(crate) state: Option<&'static str>,
    /// Whose value expires at this moment or before, as [`SecretView::expires`] writes it.
    pub(crate) expires_by: Option<String>,
}

impl Wanted {
    fn wants(&self, view: &SecretView) -> bool {
        let is_in = |wanted: &Option<String>, found: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| found.as_deref().unwrap_or_default() == wanted)
        };
        is_in(&self.workspace, &view.workspace)
            && is_in(&self.environment, &view.environment)
            && self.state.is_none_or(|state| view.state == state)
            && self.expires_by.as_ref().is_none_or(|by| {
                // All of them are written alike, so their order is that of the moments.
                view.expires.as_ref().is_some_and(|expires| expires <= by)
            })
    }
}

/// The page of a list that holds what is wanted and what the caller may see.
pub(crate) fn select<'a>(
    list: &'a [Listed],
    caller: &Caller,
    wanted: &Wanted,
    page: &PageQuery,
) -> Result<Page<&'a Listed>, Problem> {
    let begin = list.partition_point(|one| one.key.as_str() < wanted.prefix.as_str());
    let rest = &list[begin..];
    let len = rest.partition_point(|one| one.key.starts_with(&wanted.prefix));
    let mut sees = Seen::default();
    let is_wanted =
        |one: &Listed| wanted.wants(&one.view) && sees.sees(caller, one.workspace.as_ref());
    page.page_sorted(&rest[..len], |one| &one.key, is_wanted)
}

/// Remembers the last decision: neighbours in a list are mostly in the same workspace.
#[derive(Default)]
struct Seen {
    last: Option<(Option<WorkspaceName>, bool)>,
}

impl Seen {
    fn sees(&mut self, caller: &Caller, at: Option<&WorkspaceName>) -> bool {
        if let Some((known, sees)) = &self.last
            && known.as_ref() == at
        {
            return *sees;
        }
        let sees = caller.may(Action::SeeSecrets, at);
        self.last = Some((at.cloned(), sees));
        sees
    }
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
