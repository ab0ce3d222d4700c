//! A store in a folder of its own, with its key and its anchor beside it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use secrecy::SecretSlice;
use subrosa_registry::{
    Action, Actor, Address, AskPassphrase, AuditEntry, Cost, Disk, Files, Filter, ListError, Names,
    Outcome, Passphrase, Places, Registry, Scope, SecretRef, SetOptions, Surroundings,
};
use tempfile::TempDir;
use zeroize::Zeroizing;

const VALUE: &[u8] = b"hunter2";
const PASSPHRASE: &str = "correct horse";

/// The clock that the files' times are of.
#[expect(clippy::disallowed_methods, reason = "files that are old by the clock of the disk")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// A store, its key and its anchor.
pub(crate) struct Home {
    folder: TempDir,
    pub(crate) registry: Registry,
    pub(crate) places: Arc<Places>,
}

impl Home {
    /// Without a store.
    pub(crate) fn new() -> Home {
        Home::within(TempDir::new().unwrap())
    }

    fn within(folder: TempDir) -> Home {
        let path = |name: &str| folder.path().join(name);
        let ask: AskPassphrase = Arc::new(|_| Ok(Zeroizing::new(PASSPHRASE.as_bytes().to_vec())));
        let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
        let places = Arc::new(Places {
            folder: Arc::new(Disk::private(&path("keys"))),
            open_folder: Arc::new(|path| Ok(Arc::new(Disk::beside(path)) as Arc<dyn Files>)),
            key_file: None,
            passphrase: Arc::new(Passphrase::new(ask, cost)),
            environment: Vec::new(),
        });
        let found = Arc::clone(&places);
        let registry = Registry::new(Surroundings {
            files: Arc::new(Disk::private(&path("secrets"))),
            keys: Arc::new(move |store| found.place(store)),
            anchors: Some(Arc::new(Disk::private(&path("anchors")))),
            clock: now,
        });
        Home { folder, registry, places }
    }

    /// With one secret in it.
    pub(crate) fn stocked() -> Home {
        let home = Home::new();
        home.set("prod/db");
        home
    }

    /// The same folders, as a new process finds them.
    pub(crate) fn again(self) -> Home {
        Home::within(self.folder)
    }

    /// Stores a value.
    pub(crate) fn set(&self, reference: &str) {
        let admin = self.registry.admin(actor());
        admin.create_store(Names::Open).unwrap();
        let value = SecretSlice::from(VALUE.to_vec());
        admin.set(&address(reference), &value, &SetOptions::default()).unwrap();
    }

    /// A path in it.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The file of its key.
    pub(crate) fn key(&self) -> PathBuf {
        self.path("keys/master.key")
    }

    /// Whether its one value opens.
    pub(crate) fn is_whole(&self) -> bool {
        let report = self.registry.check();
        report.secrets == 1 && report.versions == 1
    }

    /// What the audit log has of an action.
    pub(crate) fn recorded(&self, action: Action) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let filter = Filter { action: Some(action), ..Filter::default() };
        let visit = |entry: Result<AuditEntry, ListError>| {
            outcomes.push(entry.unwrap().event.outcome);
        };
        self.registry.each_event(filter, visit).unwrap();
        outcomes
    }

    /// Puts a key back.
    pub(crate) fn import(&self, text: &[u8]) -> Result<String, String> {
        let passphrase = &self.places.passphrase;
        let imported = self.registry.import_key(&actor(), text, "the copy", passphrase);
        imported.map(|imported| imported.id).map_err(|error| error.to_string())
    }
}

/// Who does it.
pub(crate) fn actor() -> Actor {
    Actor { user: "ada".to_owned(), command: "test".to_owned(), ..Actor::default() }
}

fn address(reference: &str) -> Address {
    Address { reference: SecretRef::parse(reference).unwrap(), scope: Scope::default() }
}
