//! `backup`: the whole registry in one encrypted file.
//!
//! Others may read and write meanwhile: the backup has one moment. There is none without encryption.

use std::io::{Read, Write as _};

use serde_json::{Map, json};
use subrosa_exchange::{ArchiveError, EntryName, Recipients, seal};
use subrosa_registry::{Actor, BackupKey, Contents, Registry, RegistryError};

use crate::args::exchange::BackupArgs;
use crate::command::secret::{Told, stamp};
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::interrupt::{Stop, until_stopped};
use crate::newfile::NewFile;
use crate::sealing;
use crate::text::count;

/// A file that is swept away meanwhile belongs to a root that is no longer the newest one.
const TRIES: usize = 3;

/// Writes a backup and says what is in it.
pub(crate) fn backup(args: &BackupArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    if !args.sealing.passphrase && args.sealing.recipients.is_empty() {
        return Err(Failure::usage(
            "a backup is always encrypted, and nobody was named who opens it",
        )
        .help("add `--recipient age1…` (`age-keygen` makes one) or `--passphrase`"));
    }
    let secrets = world.open_secrets()?;
    let admin = secrets.admin("backup", false, world);
    admin.environments()?;
    let mut file = NewFile::create(&args.file)?;
    let recipients = sealing::recipients(&args.sealing, world)?;
    let recipients = recipients.expect("recipients or a passphrase were asked for above");
    let key = if args.with_key { BackupKey::In } else { BackupKey::Out };
    let contents = until_stopped(|stop| {
        write(&mut file, &recipients, (&secrets.registry, &admin.actor, key), stop)
    })?;
    file.keep()?;
    tell(args, &contents)
}

/// Why a backup was not written.
enum Broken {
    Registry(RegistryError),
    Archive(ArchiveError),
}

impl From<RegistryError> for Broken {
    fn from(error: RegistryError) -> Broken {
        Broken::Registry(error)
    }
}

impl From<ArchiveError> for Broken {
    fn from(error: ArchiveError) -> Broken {
        Broken::Archive(error)
    }
}

fn write(
    file: &mut NewFile,
    recipients: &Recipients,
    from: (&Registry, &Actor, BackupKey),
    stop: &Stop,
) -> Result<Contents, Failure> {
    for _ in 1..TRIES {
        match write_once(file, recipients, from, stop) {
            Ok(contents) => return Ok(contents),
            Err(Broken::Registry(RegistryError::Missing { .. })) => {
                file.restart().map_err(|error| file.broken(&error))?;
            }
            Err(Broken::Registry(error)) => return Err(error.into()),
            Err(Broken::Archive(error)) => return Err(error.into()),
        }
    }
    write_once(file, recipients, from, stop).map_err(|broken| match broken {
        Broken::Registry(error) => error.into(),
        Broken::Archive(error) => error.into(),
    })
}

fn write_once(
    file: &mut NewFile,
    recipients: &Recipients,
    (registry, actor, key): (&Registry, &Actor, BackupKey),
    stop: &Stop,
) -> Result<Contents, Broken> {
    let mut archive = seal(stop.watch(file), recipients)?;
    let mut add = |name: &str, len: u64, content: &mut dyn Read| -> Result<(), Broken> {
        let name = EntryName::parse(name).expect("names of a store are plain and short");
        Ok(archive.add(&name, len, content)?)
    };
    let contents = registry.backup(actor, key, &mut add)?;
    archive.finish()?.flush().map_err(ArchiveError::Io)?;
    Ok(contents)
}

fn tell(args: &BackupArgs, contents: &Contents) -> Result<Exit, Failure> {
    let shown = args.file.display().to_string();
    let line = format!("wrote `{}`: {}", crate::text::shown(&shown), summary(contents));
    let mut json = Map::new();
    json.insert("file".to_owned(), json!(shown));
    let mut told = Told { line, json, notes: Vec::new() }
        .with("secrets", contents.secrets)
        .with("versions", contents.versions)
        .with("generation", contents.generation)
        .with("key_included", args.with_key);
    told.note(if args.with_key {
        "the key is in it: whoever opens the backup has every secret"
    } else {
        "the key is not in it, and without the key it is of no use: keep a copy of that elsewhere \
         (`subrosa key export`)"
    });
    told.tell(args.json)
}

/// `2 secrets, 3 versions, state 17 of 2026-11-22T19:00:00Z`.
pub(crate) fn summary(contents: &Contents) -> String {
    let Contents { secrets, versions, generation, written, .. } = contents;
    let (secrets, versions) = (count(*secrets, "secret"), count(*versions, "version"));
    format!("{secrets}, {versions}, state {generation} of {}", stamp(*written))
}
