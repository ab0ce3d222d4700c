//! Finding and opening a store, and reading from one moment of it.
//!
//! A [`Snapshot`] is a root whose MAC was checked, and the keys. Whatever is read through it is what
//! that root is bound to, or an error; an entry that is not there is proven not to be there. Readers
//! take no lock: an old root stays readable while newer ones appear, and where a file of it has
//! been swept away meanwhile, the reader begins again with the newer root.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::anchor::{Anchor, Anchors, Verdict};
use crate::audit::{AuditEntry, AuditLog, Filter, Head, ListError, Report};
use crate::crypto::{Inner, Keys};
use crate::entry::Entry;
use crate::error::RegistryError;
use crate::files::Files;
use crate::keys::{KeyError, KeyPlace, Slot, StoreId};
use crate::leaf::{Leaf, Place};
use crate::names::Address;
use crate::piece::{FAN, Pieces};
use crate::root::{self, Claim, ROOT, Root};
use crate::settings::Settings;
use crate::used::UsedFile;
use crate::vault::Vault;

/// Says which store it is, from before there is a key: where it is, a root must be.
pub(crate) const MARKER: &str = "store.json";

/// How often a reader begins again because the store moved under it.
const RETRIES_MAX: usize = 100;

/// Finds the place that keeps the master key of a store.
pub type FindKeyPlace = Arc<dyn Fn(&StoreId) -> Result<Arc<dyn KeyPlace>, KeyError> + Send + Sync>;

/// Where a store and what belongs to it are. The parts are handed in, so that a test can exchange each.
pub struct Surroundings {
    /// The store's folder, `secrets` below the data folder.
    pub files: Arc<dyn Files>,
    /// Finds where the master key is.
    pub keys: FindKeyPlace,
    /// A folder elsewhere that remembers the newest generation seen; `None`: a store that was taken back
    /// as a whole is not noticed.
    pub anchors: Option<Arc<dyn Files>>,
    /// The wall clock; only shown and compared with dates, never trusted for an order.
    pub clock: fn() -> SystemTime,
}

/// A registry of secrets. It is cheap to make: nothing is opened before it is used.
pub struct Registry {
    pub(crate) surroundings: Surroundings,
    keys: Mutex<Option<Arc<Keys>>>,
}

/// Ends that the audit log has had: it must have them still, whatever came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownEnds {
    /// When the root was written; `None` before the first change.
    pub root: Option<Head>,
    /// When the newest state was seen that is remembered elsewhere.
    pub anchor: Option<Head>,
}

/// The marker's content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    subrosa: String,
    format: u64,
    id: String,
}

impl Registry {
    /// Takes note of where the store is or will be.
    pub fn new(surroundings: Surroundings) -> Registry {
        Registry { surroundings, keys: Mutex::new(None) }
    }

    /// Whether there is a store, whole or not.
    ///
    /// # Errors
    /// [`RegistryError::File`] if the folder cannot be looked into.
    pub fn exists(&self) -> Result<bool, RegistryError> {
        let files = self.files();
        Ok(files.read(ROOT, root::LEN_MAX)?.is_some() || self.marker()?.is_some())
    }

    pub(crate) fn files(&self) -> &dyn Files {
        &*self.surroundings.files
    }

    /// The id in the marker, if there is one.
    pub(crate) fn marker(&self) -> Result<Option<StoreId>, RegistryError> {
        let Some(bytes) = self.files().read(MARKER, root::LEN_MAX)? else {
            return Ok(None);
        };
        let file = || self.files().shown(MARKER);
        let damaged = || RegistryError::Damaged { file: file(), why: "its content" };
        // A newer one may have other fields.
        root::check_kind(&bytes, "store").map_err(|why| why.into_error(file()))?;
        let marker: Marker = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        // One spelling only: what we read is what we would write.
        let id = StoreId::parse(&marker.id);
        id.filter(|id| Registry::marker_bytes(id) == bytes).map(Some).ok_or_else(damaged)
    }

    pub(crate) fn marker_bytes(id: &StoreId) -> Vec<u8> {
        let (subrosa, id) = ("store".to_owned(), id.as_str().to_owned());
        let marker = Marker { subrosa, format: root::FORMAT, id };
        let mut bytes = serde_json::to_vec(&marker).expect("plain fields become JSON");
        bytes.push(b'\n');
        bytes
    }

    /// The newest root and what it takes to read on.
    pub(crate) fn snapshot(&self) -> Result<Snapshot<'_>, RegistryError> {
        let snapshot = self.snapshot_of_any_age()?;
        let Some(anchor) = self.anchor(&snapshot.root.store) else {
            return Ok(snapshot);
        };
        if snapshot.judge(&anchor).is_ok() {
            return Ok(snapshot);
        }
        // Root and anchor may both have moved between the two looks; the root is never behind.
        let newer = self.snapshot_of_any_age()?;
        newer.judge(&anchor)?;
        Ok(newer)
    }

    /// As [`Registry::snapshot`], also if a newer state was seen before.
    pub(crate) fn snapshot_of_any_age(&self) -> Result<Snapshot<'_>, RegistryError> {
        let mut bytes = self.root_bytes()?;
        for _ in 0..RETRIES_MAX {
            let failed = match self.open(&bytes, ROOT) {
                Ok(snapshot) => return Ok(snapshot),
                Err(failed) => failed,
            };
            // A key may have been exchanged between reading the root and reading the key.
            let again = self.root_bytes()?;
            if again == bytes {
                return Err(failed);
            }
            bytes = again;
        }
        self.open(&bytes, ROOT)
    }

    pub(crate) fn root_bytes(&self) -> Result<Vec<u8>, RegistryError> {
        match self.files().read(ROOT, root::LEN_MAX)? {
            Some(bytes) => Ok(bytes),
            None if self.marker()?.is_some() => {
                Err(RegistryError::Missing { file: self.files().shown(ROOT) })
            }
            None => Err(RegistryError::NoStore { folder: self.files().shown("") }),
        }
    }

    /// Opens the root that is in `bytes` and was read from `name`.
    pub(crate) fn open(&self, bytes: &[u8], name: &str) -> Result<Snapshot<'_>, RegistryError> {
        let claim = Claim::read(bytes).map_err(|why| why.into_error(self.files().shown(name)))?;
        let (keys, slot) = self.keys(&claim)?;
        self.open_with(bytes, name, keys, slot)
    }

    /// As [`Registry::open`], with a key that was found in `slot`.
    pub(crate) fn open_with(
        &self,
        bytes: &[u8],
        name: &str,
        keys: Arc<Keys>,
        slot: Slot,
    ) -> Result<Snapshot<'_>, RegistryError> {
        let file = || self.files().shown(name);
        let root = Root::open(bytes, &keys).map_err(|why| why.into_error(file()))?;
        let inner = Inner::open(&keys, &root.store, &root.inner)
            .ok_or_else(|| RegistryError::Damaged { file: file(), why: "its inner key" })?;
        let mac = root::mac(bytes).unwrap_or_default();
        Ok(Snapshot { files: self.files(), root, keys, inner, slot, mac })
    }

    /// The key that a root claims to need. What is cached was right before.
    fn keys(&self, claim: &Claim) -> Result<(Arc<Keys>, Slot), RegistryError> {
        let mut cached = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = cached.as_ref().filter(|keys| keys.id == claim.key) {
            return Ok((keys.clone(), Slot::Current));
        }
        let place = self.key_place(&claim.store)?;
        let mut found = None;
        // The current one twice: between the first two looks a rotation may have moved the next key there.
        for slot in [Slot::Current, Slot::Next, Slot::Current] {
            let Some(master) = place.load(&claim.store, slot)? else { continue };
            let keys = Arc::new(Keys::derive(&master, &claim.store));
            if keys.id == claim.key {
                // A key that waits in the second slot is looked up again each time: whoever takes it for
                // the current one would never finish the rotation, or would drop the key in use.
                if slot == Slot::Current {
                    *cached = Some(keys.clone());
                }
                return Ok((keys, slot));
            }
            found.get_or_insert(keys);
        }
        Err(RegistryError::Key(match found {
            None => KeyError::missing(&*place),
            Some(keys) => {
                let (place, wanted) = (place.describe(), claim.key.clone());
                KeyError::Wrong { place, found: keys.id.clone(), wanted }
            }
        }))
    }

    /// Where the master key of a store is.
    pub(crate) fn key_place(&self, store: &StoreId) -> Result<Arc<dyn KeyPlace>, KeyError> {
        (self.surroundings.keys)(store)
    }

    /// Does what `read` says with the newest root, and again with a newer one if that has appeared
    /// while something of the older one was found missing.
    pub(crate) fn read<T>(
        &self,
        read: impl Fn(&Snapshot) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut snapshot = self.snapshot()?;
        for _ in 0..RETRIES_MAX {
            match read(&snapshot) {
                Err(RegistryError::Damaged { .. } | RegistryError::Missing { .. })
                    if self.has_moved(&mut snapshot)? => {}
                result => return result,
            }
        }
        read(&snapshot)
    }

    /// Takes the newest root in place of `snapshot`, and says whether it is a newer one.
    pub(crate) fn has_moved<'a>(
        &'a self,
        snapshot: &mut Snapshot<'a>,
    ) -> Result<bool, RegistryError> {
        let newest = self.snapshot()?;
        let moved = newest.root.generation != snapshot.root.generation;
        *snapshot = newest;
        Ok(moved)
    }

    /// The audit log, as far as the root knows it at least.
    pub(crate) fn audit<'a>(&'a self, snapshot: &'a Snapshot) -> AuditLog<'a> {
        let Snapshot { root, inner, .. } = snapshot;
        let log = AuditLog::new(self.files(), &inner.audit, &root.store, root.names);
        match root.audit {
            Some(head) => log.after(head),
            None => log,
        }
    }

    /// Goes through the audit log and says what is wrong with it.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn verify_audit(&self) -> Result<Report, RegistryError> {
        let snapshot = self.snapshot()?;
        let seen = self.anchor(&snapshot.root.store).map(|anchor| anchor.audit);
        let known = [snapshot.root.audit, seen].into_iter().flatten().max_by_key(|head| head.seq);
        Ok(self.audit(&snapshot).verify(known.as_ref())?)
    }

    /// How often the store was changed.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn generation(&self) -> Result<u64, RegistryError> {
        Ok(self.snapshot()?.root.generation)
    }

    /// The ends of the audit log that are known outside of it.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn known_ends(&self) -> Result<KnownEnds, RegistryError> {
        let snapshot = self.snapshot()?;
        let anchor = self.anchor(&snapshot.root.store).map(|anchor| anchor.audit);
        Ok(KnownEnds { root: snapshot.root.audit, anchor })
    }

    /// Hands the events of the audit log to `visit`, the oldest first.
    ///
    /// # Errors
    /// [`RegistryError`]; lines that do not hold are handed on as errors.
    pub fn each_event(
        &self,
        filter: Filter,
        mut visit: impl FnMut(Result<AuditEntry, ListError>),
    ) -> Result<(), RegistryError> {
        let snapshot = self.snapshot()?;
        self.audit(&snapshot).list(filter)?.for_each(&mut visit);
        Ok(())
    }

    /// The times of use.
    pub(crate) fn used<'a>(&'a self, snapshot: &'a Snapshot) -> UsedFile<'a> {
        UsedFile::new(self.files(), &snapshot.inner.usage)
    }

    /// As [`Registry::anchor`], where to miss one would do harm.
    pub(crate) fn anchor_for_sure(&self, store: &StoreId) -> Result<Option<Anchor>, RegistryError> {
        let Some(anchors) = &self.surroundings.anchors else { return Ok(None) };
        Ok(Anchors::new(&**anchors).look(store)?.anchor())
    }

    /// The newest state that was seen, as far as anything remembers.
    pub(crate) fn anchor(&self, store: &StoreId) -> Option<Anchor> {
        Anchors::new(&**self.surroundings.anchors.as_ref()?).read(store).anchor()
    }

    /// Where the anchor of a store is, for messages.
    pub(crate) fn anchor_path(&self, store: &StoreId) -> String {
        let anchors = self.surroundings.anchors.as_ref();
        anchors.map_or_else(String::new, |anchors| anchors.shown(store.as_str()))
    }
}

/// One moment of a store.
pub(crate) struct Snapshot<'a> {
    pub(crate) files: &'a dyn Files,
    pub(crate) root: Root,
    pub(crate) keys: Arc<Keys>,
    pub(crate) inner: Inner,
    /// Where the key was found.
    pub(crate) slot: Slot,
    /// The root's MAC.
    pub(crate) mac: [u8; 32],
}

impl Snapshot<'_> {
    fn judge(&self, anchor: &Anchor) -> Result<(), RegistryError> {
        match anchor.judge(self.root.generation, &self.mac) {
            Verdict::Fine | Verdict::Newer => Ok(()),
            Verdict::RolledBack { seen } => {
                Err(RegistryError::RolledBack { found: self.root.generation, seen })
            }
            Verdict::Forked => Err(RegistryError::Damaged {
                file: self.files.shown(ROOT),
                why: "another root of this generation was seen before",
            }),
        }
    }

    pub(crate) fn vault(&self) -> Vault<'_> {
        Vault { keys: &self.keys, store: &self.root.store }
    }

    /// A branch; one that the root does not name is empty.
    pub(crate) fn branch(&self, number: u8) -> Result<Pieces, RegistryError> {
        let Some(piece) = self.root.branches.0.get(&number) else {
            return Ok(Pieces::default());
        };
        let bytes = piece.read(self.files)?;
        let text = std::str::from_utf8(&bytes).ok();
        text.and_then(Pieces::parse).ok_or_else(|| self.unreadable(&piece.path()))
    }

    /// A leaf of a branch; one that the branch does not name is empty.
    pub(crate) fn leaf(&self, branch: &Pieces, place: Place) -> Result<Leaf, RegistryError> {
        let Some(piece) = branch.0.get(&place.leaf) else {
            return Ok(Leaf::default());
        };
        let bytes = piece.read(self.files)?;
        Leaf::open(bytes, self.root.names, place, (&self.inner, &self.root.store))
            .map_err(|_| self.unreadable(&piece.path()))
    }

    /// The entry of an address and the file it is in.
    pub(crate) fn entry(&self, address: &Address) -> Result<Option<Entry>, RegistryError> {
        let place = Place::of(&address.reference, &self.inner);
        let branch = self.branch(place.branch)?;
        let leaf = self.leaf(&branch, place)?;
        leaf.find(address).map_err(|_| self.unreadable(&self.leaf_path(&branch, place)))
    }

    /// Where a leaf is, for messages.
    pub(crate) fn leaf_path(&self, branch: &Pieces, place: Place) -> String {
        branch.0.get(&place.leaf).map_or_else(|| ROOT.to_owned(), crate::piece::Piece::path)
    }

    pub(crate) fn unreadable(&self, path: &str) -> RegistryError {
        RegistryError::Damaged { file: self.files.shown(path), why: "its content" }
    }

    pub(crate) fn settings(&self) -> Result<Settings, RegistryError> {
        let Some(piece) = &self.root.settings else {
            return Ok(Settings::default());
        };
        let bytes = piece.read(self.files)?;
        Settings::open(bytes, self.root.names, (&self.inner, &self.root.store))
            .ok_or_else(|| self.unreadable(&piece.path()))
    }

    /// Goes through all entries, leaf by leaf; only one leaf is in memory at a time.
    pub(crate) fn each_leaf(
        &self,
        mut visit: impl FnMut(Place, Result<Leaf, RegistryError>) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        for number in 0..FAN {
            let branch = match self.branch(number) {
                Ok(branch) => branch,
                Err(error) => {
                    visit(Place { branch: number, leaf: 0 }, Err(error))?;
                    continue;
                }
            };
            for leaf in branch.0.keys() {
                let place = Place { branch: number, leaf: *leaf };
                visit(place, self.leaf(&branch, place))?;
            }
        }
        Ok(())
    }

    /// Every entry, sorted by address.
    pub(crate) fn entries(&self) -> Result<Vec<(Address, Entry)>, RegistryError> {
        let mut all = Vec::new();
        self.each_leaf(|_, leaf| {
            for entry in leaf?.entries() {
                all.push(entry.map_err(|_| self.unreadable(crate::piece::FOLDER))?);
            }
            Ok(())
        })?;
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(all)
    }
}
