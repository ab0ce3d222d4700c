//! What the tests of whole stores share: a store, its key and its anchor over one file system, and all
//! that can be seen of it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::{ExposeSecret as _, SecretSlice};
use subrosa_registry::{
    Action, Actor, Address, Admin, Answer, Ask, Cost, Disk, EnvironmentInfo, EnvironmentName,
    FileError, FileInfo, Files, Found, KeyError, KeyFile, KeyPlace, Lock, Lookup, LookupError,
    MustBe, Names, OpenFile, Passphrase, Reader as _, RecordChange, RecordInfo, RecordReader as _,
    Registry, RegistryError, Scope, SecretInfo, SecretRef, SetOptions, Surroundings, WorkspaceName,
    Written,
};

use crate::model::ModelFiles;

/// Something that happens once.
pub(crate) type Incident = Box<dyn FnOnce() + Send>;

/// A folder of other files as files of their own.
pub(crate) struct Below<F> {
    files: F,
    folder: &'static str,
    /// What happens before the next lock is taken.
    before_lock: Mutex<Option<Incident>>,
}

impl<F: Files> Below<F> {
    pub(crate) fn new(files: F, folder: &'static str) -> Below<F> {
        Below { files, folder, before_lock: Mutex::new(None) }
    }

    /// The same, but that something happens before the first lock is taken.
    fn interrupted(files: F, folder: &'static str, incident: Incident) -> Below<F> {
        Below { files, folder, before_lock: Mutex::new(Some(incident)) }
    }

    fn path(&self, path: &str) -> String {
        if path.is_empty() { self.folder.to_owned() } else { format!("{}/{path}", self.folder) }
    }
}

impl<F: Files> Files for Below<F> {
    fn shown(&self, path: &str) -> String {
        self.files.shown(&self.path(path))
    }

    fn read(&self, path: &str, len_max: u64) -> Result<Option<Vec<u8>>, FileError> {
        self.files.read(&self.path(path), len_max)
    }

    fn read_at(&self, path: &str, at: u64, len: u64) -> Result<Option<Vec<u8>>, FileError> {
        self.files.read_at(&self.path(path), at, len)
    }

    fn create(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError> {
        self.files.create(&self.path(path))
    }

    fn append(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError> {
        self.files.append(&self.path(path))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.files.rename(&self.path(from), &self.path(to))
    }

    fn link(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.files.link(&self.path(from), &self.path(to))
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        self.files.remove(&self.path(path))
    }

    fn make_folder(&self, path: &str) -> Result<(), FileError> {
        self.files.make_folder(&self.path(path))
    }

    fn sync_folder(&self, path: &str) -> Result<(), FileError> {
        self.files.sync_folder(&self.path(path))?;
        // The folder's own name is in the folder above.
        if path.is_empty() { self.files.sync_folder("") } else { Ok(()) }
    }

    fn list(&self, path: &str) -> Result<Vec<FileInfo>, FileError> {
        self.files.list(&self.path(path))
    }

    fn lock(&self, path: &str) -> Result<Box<dyn Lock>, FileError> {
        let incident = self.before_lock.lock().unwrap().take();
        if let Some(incident) = incident {
            incident();
        }
        self.files.lock(&self.path(path))
    }
}

/// When tests begin: 2026-11-22, a good while after the files of a model were made.
pub(crate) const START_S: u64 = 1_795_371_990;

thread_local! {
    static NOW_S: Cell<u64> = const { Cell::new(START_S) };
}

/// The clock of the tests, which stands still in each thread.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW_S.get())
}

/// Moves the clock of this thread.
pub(crate) fn set_now_s(seconds: u64) {
    NOW_S.set(seconds);
}

/// The store on a model, with its key and its anchor on the same one.
pub(crate) fn registry(files: &ModelFiles) -> Registry {
    let anchors = Below::new(files.clone(), "anchors");
    registry_over(Arc::new(Below::new(files.clone(), "secrets")), files, Some(Arc::new(anchors)))
}

/// The same, but that something happens when a prepared change is about to take the store's lock.
pub(crate) fn registry_interrupted(files: &ModelFiles, incident: Incident) -> Registry {
    let store = Below::interrupted(files.clone(), "secrets", incident);
    let anchors = Below::new(files.clone(), "anchors");
    registry_over(Arc::new(store), files, Some(Arc::new(anchors)))
}

/// The store on a model, which nobody has seen before.
pub(crate) fn registry_unanchored(files: &ModelFiles) -> Registry {
    registry_over(Arc::new(Below::new(files.clone(), "secrets")), files, None)
}

fn registry_over(
    store: Arc<dyn Files>,
    keys: &ModelFiles,
    anchors: Option<Arc<dyn Files>>,
) -> Registry {
    let keys: Arc<dyn Files> = Arc::new(Below::new(keys.clone(), "keys"));
    registry_with(store, key_file(keys), anchors)
}

/// A store whose parts are given.
pub(crate) fn registry_with(
    files: Arc<dyn Files>,
    place: Arc<dyn KeyPlace>,
    anchors: Option<Arc<dyn Files>>,
) -> Registry {
    let keys = Arc::new(move |_: &_| Ok(Arc::clone(&place)));
    Registry::new(Surroundings { files, keys, anchors, clock: now })
}

/// The store in a real folder.
pub(crate) fn registry_on_disk(folder: &Path) -> Registry {
    let disk = |name: &str| -> Arc<dyn Files> { Arc::new(Disk::private(&folder.join(name))) };
    registry_with(disk("secrets"), key_file(disk("keys")), Some(disk("anchors")))
}

pub(crate) fn key_file(keys: Arc<dyn Files>) -> Arc<dyn KeyPlace> {
    let nobody = |_: Ask| {
        let (place, why) = ("the passphrase".to_owned(), "nobody is there to ask".to_owned());
        Err(KeyError::Source { place, why })
    };
    let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    Arc::new(KeyFile::in_key_folder(keys, Arc::new(Passphrase::new(Arc::new(nobody), cost))))
}

pub(crate) fn actor() -> Actor {
    Actor { user: "ada".into(), command: "test".into(), ..Actor::default() }
}

pub(crate) fn admin(registry: &Registry) -> Admin<'_> {
    registry.admin(actor())
}

/// `ref`, `ref@workspace`, `ref@workspace/environment` or `ref@/environment`.
pub(crate) fn address(text: &str) -> Address {
    let (reference, scope) = text.split_once('@').unwrap_or((text, ""));
    Address { reference: SecretRef::parse(reference).unwrap(), scope: scope_of(scope) }
}

/// `workspace`, `workspace/environment`, `/environment` or nothing.
pub(crate) fn scope_of(text: &str) -> Scope {
    let (workspace, environment) = text.split_once('/').unwrap_or((text, ""));
    Scope {
        workspace: (!workspace.is_empty()).then(|| WorkspaceName::parse(workspace).unwrap()),
        environment: (!environment.is_empty())
            .then(|| EnvironmentName::parse(environment).unwrap()),
    }
}

/// As [`address`], of the connection of that name.
pub(crate) fn connection(text: &str) -> Address {
    let Address { reference, scope } = address(text);
    Address { reference: SecretRef::connection(&reference), scope }
}

pub(crate) fn secret(text: &str) -> SecretSlice<u8> {
    SecretSlice::from(text.as_bytes().to_vec())
}

#[expect(clippy::disallowed_methods, reason = "tests compare values that are none of anybody's")]
pub(crate) fn text_of(value: &SecretSlice<u8>) -> String {
    String::from_utf8(value.expose_secret().to_vec()).unwrap()
}

pub(crate) fn set(registry: &Registry, at: &str, value: &str) -> Result<Written, RegistryError> {
    admin(registry).set(&address(at), &secret(value), &SetOptions::default())
}

/// Makes the store and one secret.
pub(crate) fn create(registry: &Registry, names: Names) -> Result<(), RegistryError> {
    admin(registry).create_store(names)
}

/// Parts of a change, from their names and values.
pub(crate) fn parts(parts: &[(&str, Option<&str>)]) -> Vec<(String, Option<SecretSlice<u8>>)> {
    parts.iter().map(|(name, value)| ((*name).to_owned(), value.map(secret))).collect()
}

/// Stores a new version of a connection.
pub(crate) fn put(
    registry: &Registry,
    at: &str,
    public: Option<&str>,
    changed: &[(&str, Option<&str>)],
) -> Result<Written, RegistryError> {
    let public = public.map(str::to_owned);
    let change = RecordChange { public, parts: parts(changed), ..RecordChange::default() };
    admin(registry).put_record(Action::Set, &connection(at), &change)
}

/// Makes a change of a connection.
pub(crate) fn change(
    registry: &Registry,
    at: &str,
    change: RecordChange,
) -> Result<Written, RegistryError> {
    admin(registry).put_record(Action::Set, &connection(at), &change)
}

/// Exchanges the tokens of a connection, as a refresh does.
pub(crate) fn refresh(
    registry: &Registry,
    at: &str,
    token: &str,
    overlap_s: Option<u64>,
) -> Result<Written, RegistryError> {
    let overlap = overlap_s.map(Duration::from_secs);
    let change = RecordChange {
        parts: parts(&[("access_token", Some(token))]),
        options: SetOptions { overlap, ..SetOptions::default() },
        must_be: MustBe::Present,
        replaces: true,
        ..RecordChange::default()
    };
    admin(registry).put_record(Action::Refresh, &connection(at), &change)
}

/// A connection as a run gets it, its values as text.
#[derive(Debug)]
pub(crate) struct OpenRecord {
    pub(crate) version: u64,
    pub(crate) public: String,
    pub(crate) parts: Vec<(String, String)>,
    pub(crate) retired: Vec<String>,
}

impl OpenRecord {
    pub(crate) fn parts(&self) -> Vec<(&str, &str)> {
        self.parts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

/// What a run of a scope gets for the connection of that name.
pub(crate) fn open_record(
    registry: &Registry,
    scope: &str,
    name: &str,
) -> Result<OpenRecord, LookupError> {
    let reference = SecretRef::connection(&SecretRef::parse(name).unwrap());
    let answer = registry.open_records(&lookup(scope), &[reference]).unwrap();
    answer.results.into_iter().next().unwrap().map(|found| OpenRecord {
        version: found.version,
        public: found.public,
        parts: found.parts.iter().map(|(name, value)| (name.clone(), text_of(value))).collect(),
        retired: found.retired.iter().map(text_of).collect(),
    })
}

pub(crate) fn lookup(scope: &str) -> Lookup {
    Lookup {
        scope: scope_of(scope),
        allow_protected: true,
        allow_expired: false,
        allow_disabled: false,
        audit_required: false,
        actor: actor(),
    }
}

/// What runs of a scope get for the refs.
pub(crate) fn resolve(
    registry: &Registry,
    scope: &str,
    references: &[&str],
) -> Result<Answer, RegistryError> {
    let references: Vec<SecretRef> =
        references.iter().map(|text| SecretRef::parse(text).unwrap()).collect();
    registry.resolve(&lookup(scope), &references)
}

/// What a run of a scope gets for one ref.
pub(crate) fn resolve_one(
    registry: &Registry,
    scope: &str,
    reference: &str,
) -> Result<Result<Found, LookupError>, RegistryError> {
    resolve(registry, scope, &[reference]).map(|answer| answer.results.into_iter().next().unwrap())
}

/// All that can be seen of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) secrets: Vec<SecretInfo>,
    pub(crate) records: Vec<RecordInfo>,
    /// Parts of connections that the same version wrote are lines of one text.
    pub(crate) values: BTreeMap<(Address, u64), String>,
    pub(crate) environments: Vec<EnvironmentInfo>,
}

impl View {
    pub(crate) fn of(registry: &Registry) -> Result<View, RegistryError> {
        let mut values: BTreeMap<(Address, u64), String> = BTreeMap::new();
        for (address, n, value) in registry.every_value(&actor())? {
            let text = values.entry((address, n)).or_default();
            *text += if text.is_empty() { "" } else { "\n" };
            *text += &text_of(&value);
        }
        let secrets = admin(registry).list()?;
        let mut records = admin(registry).records()?;
        records.iter_mut().for_each(|record| record.info.last_used = None);
        Ok(View {
            secrets: secrets
                .into_iter()
                .map(|info| SecretInfo { last_used: None, ..info })
                .collect(),
            records,
            values,
            environments: admin(registry).environments()?,
        })
    }

    /// The same without one secret.
    pub(crate) fn without(mut self, at: &Address) -> View {
        self.secrets.retain(|info| info.address != *at);
        self.records.retain(|record| record.info.address != *at);
        self.values.retain(|(address, _), _| address != at);
        self
    }
}

/// The files of a model that has nothing to fear, to begin others with.
pub(crate) fn prepared(prepare: impl Fn(&Registry)) -> BTreeMap<String, Vec<u8>> {
    let files = ModelFiles::new();
    prepare(&registry(&files));
    files.snapshot()
}

/// Lays files down durably.
pub(crate) fn lay(files: &ModelFiles, contents: &BTreeMap<String, Vec<u8>>) {
    for (path, bytes) in contents {
        files.put(path, bytes);
    }
}

/// A store on a model, at the moment when tests begin.
pub(crate) fn made(names: Names) -> (ModelFiles, Registry) {
    set_now_s(START_S);
    let files = ModelFiles::new();
    let registry = registry(&files);
    create(&registry, names).unwrap();
    (files, registry)
}

/// A model with these files.
pub(crate) fn model_of(contents: &BTreeMap<String, Vec<u8>>) -> ModelFiles {
    let files = ModelFiles::new();
    lay(&files, contents);
    files
}
