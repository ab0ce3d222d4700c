//! `key status`: where the key is looked for and why, and whether it is the right one.

use serde_json::{Map, Value};
use subrosa_registry::{KeyFound, KeySettings, KeyStatus, RegistryError, Source, StoreId};

use super::{field, words};
use crate::command::validate::to_line;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::registry::OpenSecrets;
use crate::text::shown;
use crate::wiring::World;
use crate::{out, table};

/// Tells it; that the key cannot be used is an exit code.
pub(super) fn status(json: bool, world: &Opener<'_>) -> Result<Exit, Failure> {
    let secrets = world.open_secrets()?;
    let told = Told::of(&secrets, world)?;
    if json {
        out::stdout(to_line(&told.to_json(&secrets))?)?;
    } else {
        let lines = table::lines(&told.rows());
        out::stdout(lines.iter().map(|line| format!("{}\n", shown(line))).collect::<String>())?;
    }
    Ok(if told.state == State::InUse { Exit::OK } else { Exit::ENGINE })
}

/// What is told of the key.
pub(crate) struct Told {
    /// What the registry knows of it.
    pub(crate) status: KeyStatus,
    /// Why it is looked for there.
    pub(crate) why: Why,
    left: Option<Source>,
    /// Whether it is the right one.
    pub(crate) state: State,
}

/// Why the key is looked for there.
#[derive(Clone, Copy)]
pub(crate) enum Why {
    Option,
    Variable,
    Settings,
    Default,
}

impl Why {
    /// For programs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Why::Option => "option",
            Why::Variable => "variable",
            Why::Settings => "settings",
            Why::Default => "default",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Why::Option => "`--key-file` names it",
            Why::Variable => "`SUBROSA_KEY_FILE` names it",
            Why::Settings => "`subrosa key move` has settled it",
            Why::Default => "nothing else was chosen",
        }
    }
}

fn why(secrets: &OpenSecrets, store: &StoreId, world: &World) -> Why {
    if let Some(path) = &world.key_file {
        let variable = world.var("SUBROSA_KEY_FILE").map(|path| world.current_dir.join(path));
        return if variable.as_ref() == Some(path) { Why::Variable } else { Why::Option };
    }
    let source = secrets.places().ok().and_then(|places| places.source(store).ok());
    match source {
        Some(Source::File { path: None }) | None => Why::Default,
        Some(_) => Why::Settings,
    }
}

/// Where a copy may lie of a move that was cut off.
fn left(secrets: &OpenSecrets, store: &StoreId) -> Option<Source> {
    let places = secrets.places().ok()?;
    KeySettings::read(&*places.folder).ok()?.left(store)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is the one that the registry needs.
    InUse,
    /// It is there, and nobody can say whether it is the right one: the root cannot be read.
    Unknown,
    /// There is none.
    Missing,
    /// It is another one.
    Wrong,
    /// It cannot be had.
    Failed,
}

impl State {
    fn of(status: &KeyStatus) -> State {
        match (&status.current, &status.next) {
            (KeyFound::Key { is_wanted: true, .. }, _)
            | (_, KeyFound::Key { is_wanted: true, .. }) => State::InUse,
            (KeyFound::Key { .. }, _) if status.wanted.is_none() => State::Unknown,
            (KeyFound::Key { .. }, _) => State::Wrong,
            (KeyFound::Absent, _) => State::Missing,
            (KeyFound::Failed(_), _) => State::Failed,
        }
    }

    /// For programs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::InUse => "in-use",
            State::Unknown => "unknown",
            State::Missing => "missing",
            State::Wrong => "wrong",
            State::Failed => "failed",
        }
    }

    fn sentence(self, status: &KeyStatus) -> String {
        match (self, &status.current) {
            (State::InUse, _) => "the one that the registry needs".to_owned(),
            (State::Unknown, _) => {
                "whether it is the right one is not known: the registry is damaged".to_owned()
            }
            (State::Missing, _) => match status.absent_means {
                Some(means) => format!("there is none: {means}"),
                None => "there is none".to_owned(),
            },
            (State::Wrong, _) => "another one than the registry needs".to_owned(),
            (State::Failed, KeyFound::Failed(error)) => error.to_string(),
            (State::Failed, KeyFound::Absent | KeyFound::Key { .. }) => String::new(),
        }
    }
}

/// An exchange of the key that was cut off.
fn rotation(status: &KeyStatus) -> Option<(&'static str, &'static str)> {
    match status.next {
        KeyFound::Key { is_wanted: true, .. } => {
            Some(("in-use", "cut off when the new key was in use already"))
        }
        KeyFound::Key { is_wanted: false, .. } => {
            Some(("prepared", "cut off before anything was changed"))
        }
        KeyFound::Absent | KeyFound::Failed(_) => None,
    }
}

impl Told {
    /// Looks at it.
    pub(crate) fn of(secrets: &OpenSecrets, world: &World) -> Result<Told, RegistryError> {
        let status = secrets.registry.key_status()?;
        Ok(Told {
            why: why(secrets, &status.store, world),
            left: left(secrets, &status.store),
            state: State::of(&status),
            status,
        })
    }

    /// Why it cannot be had.
    pub(crate) fn error(&self) -> Option<String> {
        match &self.status.current {
            KeyFound::Failed(error) => Some(error.to_string()),
            KeyFound::Absent | KeyFound::Key { .. } => None,
        }
    }

    /// An exchange of the key that was cut off, in a word and in a sentence.
    pub(crate) fn rotation(&self) -> Option<(&'static str, &'static str)> {
        rotation(&self.status)
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let Told { status, why, left, state } = self;
        let mut rows = vec![
            vec!["place".to_owned(), format!("{} ({})", status.place, why.sentence())],
            vec!["key".to_owned(), self.id().unwrap_or("none").to_owned()],
            vec!["state".to_owned(), state.sentence(status)],
        ];
        let mut add = |name: &str, text: String| rows.push(vec![name.to_owned(), text]);
        if let Some(wanted) = status.wanted.as_deref().filter(|_| *state != State::InUse) {
            add("wanted", wanted.to_owned());
            add("cure", "`subrosa key import FILE` puts a copy of it back".to_owned());
        }
        if let Some((_, sentence)) = rotation(status) {
            add("rotation", format!("{sentence}; `subrosa doctor --repair` settles it"));
        }
        if let Some(left) = left {
            add(
                "move",
                format!(
                    "cut off; `subrosa key move` goes on, a copy may be where `{}` leads",
                    words(left)
                ),
            );
        }
        rows
    }

    /// The id of the key that is there, the one in use first.
    pub(crate) fn id(&self) -> Option<&str> {
        match (&self.status.next, &self.status.current) {
            (KeyFound::Key { id, is_wanted: true }, _) | (_, KeyFound::Key { id, .. }) => Some(id),
            _ => None,
        }
    }

    fn to_json(&self, secrets: &OpenSecrets) -> Map<String, Value> {
        let Told { status, why, left, state } = self;
        let mut map = Map::new();
        field(&mut map, "registry", secrets.folder.display().to_string());
        field(&mut map, "store", status.store.as_str());
        field(&mut map, "place", &status.place);
        field(&mut map, "chosen_by", why.word());
        field(&mut map, "key", self.id());
        field(&mut map, "wanted", &status.wanted);
        field(&mut map, "state", state.word());
        field(&mut map, "error", self.error());
        field(&mut map, "absent_means", status.absent_means);
        field(&mut map, "rotation", rotation(status).map(|(word, _)| word));
        field(&mut map, "left", left.as_ref().map(words));
        map
    }
}
