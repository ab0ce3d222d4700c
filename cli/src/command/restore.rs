//! `restore`: a backup in place of a registry that is gone, or only looked at.
//!
//! It is unpacked into a private folder beside the registry's place and proven whole there; with one
//! rename it is the registry. Until then it is nothing: whatever fails, folder and key are gone again.

mod key;
mod room;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;
use serde_json::{Map, json};
use subrosa_exchange::{Identity, unseal};
use subrosa_registry::{Contents, HeldKey, KEY_ENTRY, KeyError, RegistryError, Report};
use zeroize::Zeroizing;

use crate::args::exchange::RestoreArgs;
use crate::command::backup::summary;
use crate::command::secret::Told;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::interrupt::{Stop, until_stopped};
use crate::registry::{Held, OpenSecrets};
use crate::text::{count, shown};
use crate::{sealing, value};

use room::Room;

/// Several times what the text of a key has.
const KEY_LEN_MAX: u64 = 4096;

/// Puts the backup in place, or says what is in it.
pub(crate) fn restore(args: &RestoreArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let target = world.open_secrets()?;
    if !args.check {
        refuse_occupied(&target)?;
    }
    let file = open(&args.file)?;
    let identity = sealing::identity(args.identity.as_deref(), world)?;
    let mut restored = until_stopped(|stop| {
        let mut copy = unpack(&file, &identity, &target.folder, (world, stop))?;
        if !args.check {
            copy.put_in_place(&target.folder, world)?;
        }
        Ok(copy)
    })?;
    restored.room.clear();
    tell(args, &restored, &target)
}

/// A plain file: how long it is bounds what is unpacked.
fn open(path: &Path) -> Result<File, Failure> {
    let file = value::open_file(path, OFlags::empty())?;
    match file.metadata() {
        Ok(found) if found.is_file() => Ok(file),
        Ok(_) => Err(Failure::usage(format!("`{}` is not a plain file", path.display()))),
        Err(error) => Err(value::unreadable(path, &error)),
    }
}

/// Refuses to mix a backup with what is there.
fn refuse_occupied(target: &OpenSecrets) -> Result<(), Failure> {
    let folder = target.folder.display().to_string();
    if target.registry.exists()? {
        let failure = Failure::new(Exit::SECRETS, format!("there is a registry in `{folder}`"));
        return Err(failure.help(
            "a backup never replaces one; move it away first, or restore elsewhere with \
             `SUBROSA_HOME`",
        ));
    }
    match std::fs::read_dir(&target.folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(Failure::new(Exit::SECRETS, format!("`{folder}` is not empty"))
            .help("move away what is in it first")),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::engine(format!("cannot look into `{folder}`: {error}"))),
    }
}

/// A backup that was unpacked and is whole.
struct Copy {
    room: Room,
    secrets: OpenSecrets,
    contents: Contents,
    report: Report,
    held: Held,
    /// Where the key is, in words.
    key: String,
}

fn unpack(
    file: &File,
    identity: &Identity,
    target: &Path,
    (world, stop): (&Opener<'_>, &Stop),
) -> Result<Copy, Failure> {
    let unreadable = |error| Failure::engine(format!("cannot read the backup: {error}"));
    // What is inside is not compressed: more than this is no backup of ours.
    let bytes_max = file.metadata().map_err(unreadable)?.len();
    let room = Room::beside(target)?;
    let held = Held::default();
    let secrets = world.open_secrets_in(room.path().to_path_buf(), held.clone());
    unseal(stop.watch(file), identity, bytes_max, &mut |name, len, content| {
        if name.as_str() == KEY_ENTRY {
            return hold(len, content, &held);
        }
        secrets.registry.unpack(name.as_str(), content)
    })?;
    let (contents, report) = secrets.registry.contents().map_err(not_whole)?;
    let key = match held.get() {
        Some(_) => "in the backup".to_owned(),
        None => secrets.key(),
    };
    Ok(Copy { room, secrets, contents, report, held, key })
}

/// Takes the key; it never lies in the folder.
fn hold(len: u64, content: &mut dyn io::Read, held: &Held) -> io::Result<()> {
    let mut text = Zeroizing::new(Vec::with_capacity(KEY_LEN_MAX as usize));
    if len > KEY_LEN_MAX {
        return Err(io::Error::other("it is too long for a key"));
    }
    content.take(KEY_LEN_MAX).read_to_end(&mut text)?;
    let key = HeldKey::from_text(&text).map_err(io::Error::other)?;
    held.set(Arc::new(key)).map_err(|_| io::Error::other("there is a key already"))
}

/// The help of the registry's own errors is for a store that is in place.
fn not_whole(error: RegistryError) -> Failure {
    let help = match &error {
        RegistryError::Key(KeyError::Missing { .. }) => {
            "the backup does not hold the key; put your copy of the key there, or name it with \
             `--key-file FILE`"
        }
        RegistryError::Key(_) => "name the key of this backup with `--key-file FILE`",
        RegistryError::Damaged { .. } | RegistryError::Missing { .. } => {
            "the backup is not whole; nothing was put in place"
        }
        _ => return error.into(),
    };
    Failure::from(error).help(help)
}

impl Copy {
    /// Makes it the registry: key, newest state, name, in this order, so that it is usable at once.
    fn put_in_place(&mut self, target: &Path, world: &Opener<'_>) -> Result<(), Failure> {
        let kept = key::keep(world, &self.contents.store, self.held.get().map(|held| &**held))?;
        let admin = self.secrets.admin("restore", false, world);
        self.contents.generation = self.secrets.registry.adopt(&admin.actor)?;
        self.room.become_folder(target)?;
        self.key = kept.stay();
        // Through the door that everybody takes: with the key from its place, and the anchor.
        let opened = world.open_secrets()?.admin("restore", false, world).environments();
        opened.map(|_| ()).map_err(Failure::from)
    }
}

fn tell(args: &RestoreArgs, copy: &Copy, target: &OpenSecrets) -> Result<Exit, Failure> {
    let (file, folder) = (args.file.display().to_string(), target.folder.display().to_string());
    let summary = summary(&copy.contents);
    let line = match args.check {
        true => format!("`{}` is whole: {summary}", shown(&file)),
        false => format!("restored `{}` into `{}`: {summary}", shown(&file), shown(&folder)),
    };
    let problems = copy.report.problems.len() as u64 + copy.report.problems_unlisted;
    let mut json = Map::new();
    json.insert("file".to_owned(), json!(file));
    json.insert("registry".to_owned(), json!((!args.check).then_some(folder)));
    let mut told = Told { line, json, notes: Vec::new() }
        .with("secrets", copy.contents.secrets)
        .with("versions", copy.contents.versions)
        .with("generation", copy.contents.generation)
        .with("key", copy.key.as_str())
        .with("key_included", copy.held.get().is_some())
        .with("audit_lines", copy.report.lines)
        .with("audit_problems", problems);
    told.note(match copy.held.get() {
        Some(_) if args.check => {
            "the key is in it: whoever opens the backup has every secret".into()
        }
        _ => format!("the key is {}", copy.key),
    });
    if let Some(first) = copy.report.problems.first() {
        let problems = count(copy.report.problems.len(), "problem");
        told.note(format!("its audit log has {problems}, the first: {first}"));
    }
    told.tell(args.json)
}
