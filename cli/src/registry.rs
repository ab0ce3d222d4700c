//! The registry of this user: where its parts are, and how they are put together.
//!
//! The store is in the data folder and its key elsewhere, so that a copy of the one without the other
//! gives away no value. A place outside both remembers how new the store was, so that an old copy that
//! was put in its place is noticed.

mod failure;
pub(crate) mod keys;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use subrosa_engine::cache::ValueCache;
use subrosa_engine::remedy::with_causes;
use subrosa_registry::{
    Actor, Admin, Cache, Desk, Disk, Files, FindKeyPlace, HeldKey, KeyError, KeyPlace, Places,
    Registry, RegistryError, Surroundings,
};

use crate::dispatch::Opener;
use crate::failure::Failure;
use crate::out;
use crate::wiring::World;

pub(crate) use failure::command;
pub(crate) use keys::{ask_for_broker, remember};

/// A registry that is shown and changed, and where its parts are. It gives no value.
pub(crate) struct Secrets {
    desk: Desk,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// The place of the key that was used last.
    key: Arc<Mutex<Option<Arc<dyn KeyPlace>>>>,
    /// The places where the key can be; none without a home.
    places: Option<Arc<Places>>,
}

/// The same with what opens it; only an [`Opener`] has it.
pub(crate) struct OpenSecrets {
    /// The registry.
    pub(crate) registry: Arc<Registry>,
    shut: Secrets,
}

impl std::ops::Deref for OpenSecrets {
    type Target = Secrets;

    fn deref(&self) -> &Secrets {
        &self.shut
    }
}

/// A key that came with a backup, once it is known; it goes before the places of keys.
pub(crate) type Held = Arc<OnceLock<Arc<HeldKey>>>;

impl World {
    /// The registry, to show and to change.
    pub(crate) fn secrets(&self) -> Result<Secrets, Failure> {
        Ok(self.assemble(self.data_dir()?.join("secrets"), Held::default()).shut)
    }

    fn assemble(&self, folder: PathBuf, held: Held) -> OpenSecrets {
        let places = self.key_places().map(Arc::new);
        let key = Arc::new(Mutex::new(None));
        let (found, known) = (key.clone(), places.clone());
        let find: FindKeyPlace = Arc::new(move |store| {
            if let Some(held) = held.get() {
                return Ok(held.clone());
            }
            let place = known.as_ref().ok_or_else(homeless)?.place(store)?;
            *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(place.clone());
            Ok(place)
        });
        let anchors = self.anchor_folder().map(|path| private(&path));
        let surroundings =
            Surroundings { files: private(&folder), keys: find, anchors, clock: self.clock };
        let registry = Arc::new(Registry::new(surroundings));
        let shut = Secrets { desk: Desk::new(registry.clone()), folder, key, places };
        OpenSecrets { registry, shut }
    }

    /// The places where the key can be; none without a home. Only who needs the key has to mind.
    pub(crate) fn key_places(&self) -> Option<Places> {
        // The folder of a key file that was named holds no settings, and is not asked for any.
        let beside = || self.key_file.as_ref()?.parent().map(Path::to_path_buf);
        Some(keys::places(self, &self.key_folder().or_else(beside)?))
    }

    /// Where keys are: with the records if these have a folder of their own, else with the user's
    /// settings.
    pub(crate) fn key_folder(&self) -> Option<PathBuf> {
        match self.var("SUBROSA_HOME") {
            Some(home) => Some(self.current_dir.join(home).join("keys")),
            None => self.user_folder("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("keys")),
        }
    }

    /// The user's configuration: with the records if these have a folder of their own, else with the
    /// user's settings; none without a home.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        let folder = match self.var("SUBROSA_HOME") {
            Some(home) => Some(self.current_dir.join(home)),
            None => self.user_folder("XDG_CONFIG_HOME", ".config"),
        };
        Some(folder?.join("subrosa.toml"))
    }

    /// Where it is remembered how new a store was; nowhere without a home.
    pub(crate) fn anchor_folder(&self) -> Option<PathBuf> {
        self.user_folder("XDG_STATE_HOME", ".local/state").map(|dir| dir.join("anchors"))
    }

    /// Our folder in one of the user's folders of a kind.
    fn user_folder(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        // A relative path in an XDG variable is to be ignored, says the XDG specification.
        let set = self.var(variable).map(Path::new).filter(|path| path.is_absolute());
        let home = || Some(self.current_dir.join(self.var("HOME")?).join(below_home));
        Some(set.map(Path::to_path_buf).or_else(home)?.join("subrosa"))
    }
}

impl Opener<'_> {
    /// The registry; nothing of it is opened yet.
    pub(crate) fn open_secrets(&self) -> Result<OpenSecrets, Failure> {
        Ok(self.assemble(self.data_dir()?.join("secrets"), Held::default()))
    }

    /// The registry in some folder, as [`Opener::open_secrets`] gives the one of this user.
    pub(crate) fn open_secrets_in(&self, folder: PathBuf, held: Held) -> OpenSecrets {
        self.assemble(folder, held)
    }

    /// The offline cache, if it is wanted. If it is not, what an earlier one left is taken away.
    pub(crate) fn cache(
        &self,
        registry: Arc<Registry>,
        max_age: Option<Duration>,
    ) -> Result<Option<Arc<dyn ValueCache>>, Failure> {
        let files = private(&self.data_dir()?.join("offline-cache"));
        let Some(max_age) = max_age else {
            if let Err(error) = Cache::discard(&*files) {
                let why = with_causes(&error);
                out::stderr(&format!(
                    "warning: the offline cache of earlier runs cannot be removed: {why}\n"
                ));
            }
            return Ok(None);
        };
        Ok(Some(Arc::new(Cache::new(registry, files, max_age))))
    }
}

fn homeless() -> KeyError {
    let why = "`HOME` is not set; `SUBROSA_HOME` or `SUBROSA_KEY_FILE` will do as well";
    KeyError::Source { place: "the key folder".to_owned(), why: why.to_owned() }
}

fn private(path: &Path) -> Arc<dyn Files> {
    Arc::new(Disk::private(path))
}

impl Secrets {
    /// Where the key is, in words, once it was used.
    pub(crate) fn key(&self) -> String {
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        key.as_ref().map_or_else(|| "not known yet".to_owned(), |place| place.describe())
    }

    /// The places where the key can be. The registry finds its key with the same, so nobody is asked for
    /// a passphrase twice.
    pub(crate) fn places(&self) -> Result<&Places, Failure> {
        self.places.as_deref().ok_or_else(|| RegistryError::from(homeless()).into())
    }

    /// The hand that changes secrets for whoever started us; `command` is what the audit log says.
    pub(crate) fn admin(&self, command: &str, allow_protected: bool, world: &World) -> Admin<'_> {
        let actor = Actor { user: world.user(), command: command.to_owned(), ..Actor::default() };
        let mut admin = self.desk.admin(actor);
        admin.allow_protected = allow_protected;
        admin
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::wiring::World;
    use crate::wiring::tests::world;

    #[test]
    fn a_key_is_never_in_the_folder_of_the_secrets() {
        let check = |env: &[(&str, &str)], keys: &str, anchors: Option<&str>| {
            let world = world(env);
            assert_eq!(world.key_folder().as_deref(), Some(Path::new(keys)));
            assert_eq!(world.anchor_folder().as_deref(), anchors.map(Path::new));
        };
        check(&[("SUBROSA_HOME", "/s")], "/s/keys", None);
        check(&[("SUBROSA_HOME", "rel")], "/here/rel/keys", None);
        let home = ("HOME", "/h");
        check(&[home], "/h/.config/subrosa/keys", Some("/h/.local/state/subrosa/anchors"));
        check(
            &[home, ("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "/t")],
            "/c/subrosa/keys",
            Some("/t/subrosa/anchors"),
        );
        check(
            &[home, ("XDG_CONFIG_HOME", "rel"), ("XDG_STATE_HOME", "")],
            "/h/.config/subrosa/keys",
            Some("/h/.local/state/subrosa/anchors"),
        );
    }

    #[test]
    fn without_a_home_there_is_a_registry_as_long_as_nobody_needs_its_key() {
        let homeless = world(&[("XDG_DATA_HOME", "/d")]);
        assert!(homeless.secrets().is_ok() && homeless.key_places().is_none());
        let named = World { key_file: Some("/k/key".into()), ..homeless };
        assert!(named.key_places().is_some());
        assert!(world(&[]).secrets().is_err());
    }
}
