//! Changing a store: one transaction, prepared beside the store and carried into it under the lock.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{Action, Actor, Event, Names, Outcome};
use crate::commit::{Draft, Pack};
use crate::crypto::digest;
use crate::entry::Entry;
use crate::error::RegistryError;
use crate::keys::Slot;
use crate::leaf::{Leaf, Place};
use crate::names::{Address, Scope, SecretRef};
use crate::parallel;
use crate::piece::{FAN, Pieces};
use crate::root::Root;
use crate::settings::Settings;
use crate::store::{Registry, Snapshot};
use crate::time::Time;

/// Writers hold it from looking at the root to having replaced it.
pub(crate) const LOCK: &str = "lock";

/// Who wants what: for the audit log.
#[derive(Clone)]
pub(crate) struct Deed<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) action: Action,
    pub(crate) reference: Option<&'a SecretRef>,
    pub(crate) scope: Scope,
}

impl<'a> Deed<'a> {
    /// Something that is about the whole store.
    pub(crate) fn of_store(actor: &'a Actor, action: Action) -> Deed<'a> {
        Deed { actor, action, reference: None, scope: Scope::default() }
    }

    /// Something that is about one secret.
    pub(crate) fn of_secret(actor: &'a Actor, action: Action, address: &'a Address) -> Deed<'a> {
        let (reference, scope) = (Some(&address.reference), address.scope.clone());
        Deed { actor, action, reference, scope }
    }

    pub(crate) fn event(&self, now: Time, outcome: Outcome) -> Event {
        let (reference, scope) = (self.reference.cloned(), self.scope.clone());
        let (time, actor, action) = (now.system(), self.actor.clone(), self.action);
        Event { time, actor, action, reference, scope, version: None, outcome }
    }
}

/// A change in the making: the entries that it puts, over one moment of the store.
pub(crate) struct Change<'a> {
    pub(crate) snapshot: Snapshot<'a>,
    pub(crate) now: Time,
    /// What the audit log will say, if it happens.
    pub(crate) events: Vec<Event>,
    entries: BTreeMap<Place, BTreeMap<Address, Entry>>,
    settings: Option<Settings>,
    /// The branches that the change was made from.
    made_from: BTreeSet<u8>,
    /// What was read, so that an import reads nothing twice.
    settings_read: Option<Settings>,
    branches: BTreeMap<u8, Pieces>,
    leaves: BTreeMap<Place, Leaf>,
}

impl<'a> Change<'a> {
    fn new(snapshot: Snapshot<'a>, now: Time) -> Change<'a> {
        Change {
            snapshot,
            now,
            events: Vec::new(),
            entries: BTreeMap::new(),
            settings: None,
            settings_read: None,
            made_from: BTreeSet::new(),
            branches: BTreeMap::new(),
            leaves: BTreeMap::new(),
        }
    }

    /// The entry as this change has it so far.
    pub(crate) fn entry(&mut self, address: &Address) -> Result<Option<Entry>, RegistryError> {
        let place = Place::of(&address.reference, &self.snapshot.inner);
        if let Some(entry) = self.entries.get(&place).and_then(|leaf| leaf.get(address)) {
            return Ok(Some(entry.clone()));
        }
        self.load(place)?;
        let found = self.leaves[&place].find(address);
        found.map_err(|_| {
            self.snapshot.unreadable(&self.snapshot.leaf_path(&self.branches[&place.branch], place))
        })
    }

    /// Reads the leaves of many secrets at once, before they are asked for one by one.
    pub(crate) fn load_all<'b>(
        &mut self,
        addresses: impl IntoIterator<Item = &'b Address>,
    ) -> Result<(), RegistryError> {
        let place = |address: &Address| Place::of(&address.reference, &self.snapshot.inner);
        let places: BTreeSet<Place> = addresses.into_iter().map(place).collect();
        self.made_from.extend(places.iter().map(|place| place.branch));
        for number in places.iter().map(|place| place.branch) {
            if !self.branches.contains_key(&number) {
                self.branches.insert(number, self.snapshot.branch(number)?);
            }
        }
        let missing = places.into_iter().filter(|place| !self.leaves.contains_key(place));
        let missing: Vec<Place> = missing.collect();
        let (snapshot, branches) = (&self.snapshot, &self.branches);
        let leaves =
            parallel::map(&missing, |place| snapshot.leaf(&branches[&place.branch], *place));
        for (place, leaf) in missing.into_iter().zip(leaves) {
            self.leaves.insert(place, leaf?);
        }
        Ok(())
    }

    fn load(&mut self, place: Place) -> Result<(), RegistryError> {
        self.made_from.insert(place.branch);
        if !self.branches.contains_key(&place.branch) {
            self.branches.insert(place.branch, self.snapshot.branch(place.branch)?);
        }
        if !self.leaves.contains_key(&place) {
            let leaf = self.snapshot.leaf(&self.branches[&place.branch], place)?;
            self.leaves.insert(place, leaf);
        }
        Ok(())
    }

    /// Puts an entry in place of what was there. The entry must have been looked for before.
    pub(crate) fn put(&mut self, address: &Address, entry: Entry) {
        let place = Place::of(&address.reference, &self.snapshot.inner);
        self.entries.entry(place).or_default().insert(address.clone(), entry);
    }

    /// Every entry of the store before this change, which is then made from all of them.
    pub(crate) fn entries_before(&mut self) -> Result<Vec<(Address, Entry)>, RegistryError> {
        self.made_from.extend(0..FAN);
        self.snapshot.entries()
    }

    pub(crate) fn settings(&mut self) -> Result<Settings, RegistryError> {
        if let Some(settings) = self.settings.as_ref().or(self.settings_read.as_ref()) {
            return Ok(settings.clone());
        }
        Ok(self.settings_read.insert(self.snapshot.settings()?).clone())
    }

    pub(crate) fn put_settings(&mut self, settings: Settings) {
        self.settings = Some(settings);
    }

    /// Says what was done, for the audit log.
    pub(crate) fn tell(&mut self, deed: &Deed, address: &Address, version: Option<u64>) {
        let deed = Deed::of_secret(deed.actor, deed.action, address);
        self.events.push(Event { version, ..deed.event(self.now, Outcome::Ok) });
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.settings.is_none()
    }

    /// Puts the new leaves, then the branches that name them, into a new index file.
    fn draft(&mut self) -> Result<Draft, RegistryError> {
        let places: Vec<Place> = self.entries.keys().copied().collect();
        places.into_iter().try_for_each(|place| self.load(place))?;
        let Change { snapshot, entries, settings, made_from, branches, leaves, .. } = self;
        let mut root = snapshot.root.clone();
        let mut pack = Pack::new(root.generation + 1)?;
        let sealing = (&snapshot.inner, &snapshot.root.store);
        let mut touched = BTreeSet::new();
        let changed: Vec<_> = entries.iter().collect();
        let made = parallel::map(&changed, |(place, changed)| {
            let bytes = leaves[place].with(changed).to_bytes(root.names, **place, sealing)?;
            Ok::<_, RegistryError>((digest(&bytes), bytes))
        });
        for ((place, _), made) in changed.into_iter().zip(made) {
            let (sha256, bytes) = made?;
            let branch = branches.get_mut(&place.branch).expect("a leaf is loaded with its branch");
            branch.0.insert(place.leaf, pack.add_known(&bytes, sha256));
            touched.insert(place.branch);
        }
        for number in &touched {
            let piece = pack.add(branches[number].to_text().as_bytes());
            root.branches.0.insert(*number, piece);
        }
        if let Some(settings) = settings {
            root.settings = Some(pack.add(&settings.to_bytes(root.names, sealing)?));
        }
        Ok(Draft { root, pack, touched, made_from: std::mem::take(made_from) })
    }
}

/// A change whose index file is written.
struct Prepared {
    draft: Draft,
    events: Vec<Event>,
    /// What it was made from.
    root: Root,
}

impl Registry {
    /// Makes one change; nothing happens if `edit` fails or changes nothing.
    ///
    /// The change is prepared before the lock is taken, its index file synced. Under the lock it is
    /// carried over to what the store is by then; only if others changed the same branches is it made
    /// again. So writers in a queue wait for each other's roots, not for each other's work.
    pub(crate) fn change<T>(
        &self,
        deed: &Deed,
        edit: impl Fn(&mut Change) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let (prepared, result) = self.prepare(deed, self.snapshot()?, &edit)?;
        let Some(prepared) = prepared else {
            return Ok(result);
        };
        let lock = match self.files().lock(LOCK) {
            Ok(lock) => lock,
            Err(error) => {
                self.discard(&prepared.draft.pack);
                return Err(error.into());
            }
        };
        let newest = self.snapshot().inspect_err(|_| self.discard(&prepared.draft.pack))?;
        self.finish_rotation(&newest).inspect_err(|_| self.discard(&prepared.draft.pack))?;
        let Prepared { draft, events, root } = prepared;
        // Whoever was stopped for an hour at this point finds its file swept away.
        let carried = match self.is_written(&draft.pack)? {
            true => draft.carried_over(&root, &newest.root),
            false => None,
        };
        if let Some(root) = carried {
            let draft = Draft { root, ..draft };
            let anchor = self.commit(&newest, &newest.keys, draft, &events)?;
            drop(lock);
            self.remember(anchor);
            return Ok(result);
        }
        self.discard(&draft.pack);
        let (prepared, result) = self.prepare(deed, self.snapshot()?, &edit)?;
        let Some(Prepared { draft, events, .. }) = prepared else {
            return Ok(result);
        };
        let anchor = self.commit(&newest, &newest.keys, draft, &events)?;
        drop(lock);
        self.remember(anchor);
        Ok(result)
    }

    /// Makes a change as far as its index file; `None` if it changes nothing.
    fn prepare<T>(
        &self,
        deed: &Deed,
        snapshot: Snapshot,
        edit: &impl Fn(&mut Change) -> Result<T, RegistryError>,
    ) -> Result<(Option<Prepared>, T), RegistryError> {
        let now = Time::of((self.surroundings.clock)());
        let mut change = Change::new(snapshot, now);
        let result = match edit(&mut change) {
            Ok(result) => result,
            Err(refused) => {
                let event = deed.event(now, Outcome::from(&refused));
                // Nothing was done; that this goes unrecorded must not hide why.
                self.note(&change.snapshot, &[event], false).ok();
                return Err(refused);
            }
        };
        if change.is_empty() {
            return Ok((None, result));
        }
        let draft = change.draft()?;
        if change.snapshot.root.generation == 1 {
            // Whoever made the store may have been stopped before its root was durable. An index file
            // without any root would look like a store that has lost it.
            self.files().sync_folder("")?;
        }
        self.write_pack(&draft.pack)?;
        let Change { snapshot, events, .. } = change;
        Ok((Some(Prepared { draft, events, root: snapshot.root }), result))
    }

    /// A rotation that was cut off after its root was written left its key in the second slot.
    pub(crate) fn finish_rotation(&self, snapshot: &Snapshot) -> Result<(), RegistryError> {
        match snapshot.slot {
            Slot::Current => Ok(()),
            Slot::Next => {
                // Whoever wrote the root may have been stopped before its name was durable, and the root
                // before it needs the key and the files that are given up here.
                self.files().sync_folder("")?;
                if snapshot.root.names == Names::Sealed {
                    // The former index may show the names that are hidden now.
                    self.forget_previous(&snapshot.root)?;
                }
                Ok(self.key_place(&snapshot.root.store)?.promote(&snapshot.root.store)?)
            }
        }
    }
}
