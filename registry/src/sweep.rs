//! What lies about: index files that no root names any more, and temporary files.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::change::LOCK;
use crate::commit::TEMP;
use crate::error::RegistryError;
use crate::files::FileInfo;
use crate::piece::{self, Pieces};
use crate::root::{self, Claim, PREVIOUS, Root};
use crate::store::Registry;

/// Files that no root names any more are kept for readers and copies in progress.
pub(crate) const GRACE: Duration = Duration::from_secs(3600);

/// How many files are removed while others wait.
const SWEPT_AT_ONCE_MAX: usize = 256;

impl Registry {
    /// Removes the former root and every file that only it names.
    pub(crate) fn forget_previous(&self, root: &Root) -> Result<(), RegistryError> {
        self.files().remove(PREVIOUS)?;
        self.sweep(root, Duration::ZERO)?;
        Ok(self.files().sync_folder(piece::FOLDER)?)
    }

    /// Removes some [rubbish](Registry::rubbish), if there is any. Looking for it takes no lock; taking it
    /// away does, since a writer may be about to name a file that nobody names yet.
    pub(crate) fn sweep_some(&self) -> Result<(), RegistryError> {
        let mut rubbish = self.rubbish(&self.snapshot()?.root, GRACE)?;
        if rubbish.is_empty() {
            return Ok(());
        }
        rubbish.truncate(SWEPT_AT_ONCE_MAX);
        let _lock = self.files().lock(LOCK)?;
        let live = self.live_files(&self.snapshot()?.root)?;
        let is_live = |path: &str| live.iter().any(|name| path.ends_with(name.as_str()));
        let mut dead = rubbish.iter().filter(|path| !is_live(path));
        Ok(dead.try_for_each(|path| self.files().remove(path))?)
    }

    /// Removes [rubbish](Registry::rubbish), under the lock. Gives the number of files removed.
    pub(crate) fn sweep(&self, root: &Root, grace: Duration) -> Result<usize, RegistryError> {
        let rubbish = self.rubbish(root, grace)?;
        rubbish.iter().try_for_each(|path| self.files().remove(path))?;
        Ok(rubbish.len())
    }

    /// The index files that neither the root nor the one before it names, and left-over temporary
    /// files, if they are older than `grace`.
    pub(crate) fn rubbish(
        &self,
        root: &Root,
        grace: Duration,
    ) -> Result<Vec<String>, RegistryError> {
        let now = (self.surroundings.clock)();
        let old = |info: &FileInfo| {
            // Without grace the clock, which may have been set back, has no say.
            let is_old = now.duration_since(info.modified).is_ok_and(|age| age >= grace);
            !info.is_folder && (grace.is_zero() || is_old)
        };
        let mut live = self.live_files(root)?;
        if let Ok(Some(previous)) = self.previous_root(root) {
            live.extend(self.live_files(&previous).unwrap_or_default());
        }
        let dead = |info: &FileInfo| {
            piece::is_index_name(&info.name) && !live.contains(&info.name) && old(info)
        };
        let index = self.files().list(piece::FOLDER)?.into_iter().filter(dead);
        let temp = self.files().list("")?.into_iter();
        let temp = temp.filter(|info| info.name.starts_with(TEMP) && old(info));
        let index = index.map(|info| format!("{}/{}", piece::FOLDER, info.name));
        Ok(index.chain(temp.map(|info| info.name)).collect())
    }

    /// The root before `newest`; `None` if it is from before the key was exchanged, and thus of no use.
    pub(crate) fn previous_root(&self, newest: &Root) -> Result<Option<Root>, RegistryError> {
        let shown = || self.files().shown(PREVIOUS);
        let bytes = self.files().read(PREVIOUS, root::LEN_MAX)?;
        let bytes = bytes.ok_or_else(|| RegistryError::Missing { file: shown() })?;
        let claim = Claim::read(&bytes).map_err(|why| why.into_error(shown()))?;
        if claim.key != newest.key {
            return Ok(None);
        }
        Ok(Some(self.open(&bytes, PREVIOUS)?.root))
    }

    /// The index files that a root leads to.
    pub(crate) fn live_files(&self, root: &Root) -> Result<BTreeSet<String>, RegistryError> {
        let mut live = BTreeSet::new();
        live.extend(root.settings.iter().map(|piece| piece.file.clone()));
        for piece in root.branches.0.values() {
            live.insert(piece.file.clone());
            let bytes = piece.read(self.files())?;
            let branch = std::str::from_utf8(&bytes).ok().and_then(Pieces::parse);
            let file = || self.files().shown(&piece.path());
            let branch = branch
                .ok_or_else(|| RegistryError::Damaged { file: file(), why: "its content" })?;
            live.extend(branch.0.into_values().map(|leaf| leaf.file));
        }
        Ok(live)
    }
}
