//! The places where keys can be, and who is asked for a passphrase.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use subrosa_registry::{Ask, AskPassphrase, Cost, Disk, Files, KeyError, Passphrase, Places};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::prompt;
use crate::wiring::World;

/// More bytes than anybody can type.
const PASSPHRASE_LEN_MAX: u64 = 64 * 1024;

/// All places of keys; `folder` is the key folder.
pub(super) fn places(world: &World, folder: &Path) -> Places {
    Places {
        folder: Arc::new(Disk::private(folder)),
        open_folder: Arc::new(|path| {
            let folder: Arc<dyn Files> = Arc::new(Disk::beside(path));
            Ok(folder)
        }),
        key_file: world.key_file.clone(),
        passphrase: Arc::new(Passphrase::new(asker(world), Cost::default())),
        environment: world.env.clone(),
    }
}

/// Whom to ask for a passphrase: the file that `SUBROSA_PASSPHRASE_FILE` names, else a person.
fn asker(world: &World) -> AskPassphrase {
    if let Some(asks) =
        world.asks.clone().filter(|_| world.var("SUBROSA_PASSPHRASE_FILE").is_none())
    {
        return asks;
    }
    match world.var("SUBROSA_PASSPHRASE_FILE") {
        Some(path) => {
            let path = world.current_dir.join(path);
            Arc::new(move |_| read(&path))
        }
        None => Arc::new(ask_person),
    }
}

/// Reads a passphrase from a file of ours that is closed to others, without the line end after it.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let place = || format!("the passphrase file {}", path.display());
    let source = |why: &str| KeyError::Source { place: place(), why: why.to_owned() };
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(folder), Some(name)) = (path.parent(), name) else {
        return Err(source("it names no file in UTF-8"));
    };
    let bytes = Disk::beside(folder).read(name, PASSPHRASE_LEN_MAX)?;
    let mut passphrase = Zeroizing::new(bytes.ok_or_else(|| source("it is not there"))?);
    let end = [&b"\r\n"[..], b"\n"].into_iter().find(|end| passphrase.ends_with(end));
    let kept = passphrase.len() - end.map_or(0, <[u8]>::len);
    passphrase.truncate(kept);
    Ok(passphrase)
}

/// What a person was asked for last, and the answer.
struct Answered {
    place: String,
    passphrase: Zeroizing<Vec<u8>>,
}

/// Held while somebody is asked: the registry of a run and each broker that it started have a question of
/// their own, at the same moment, and there is one terminal and one person. What was answered is for
/// whoever waited.
static ANSWERED: Mutex<Option<Answered>> = Mutex::new(None);

fn answered() -> MutexGuard<'static, Option<Answered>> {
    ANSWERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The passphrase of the key in `place`, for a broker that this process has started: what a person has
/// answered before, or else says now. A broker that `is_again` asking was given a wrong one.
pub(crate) fn ask_for_broker(
    place: String,
    is_again: bool,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut answered = answered();
    match answered.as_ref().filter(|known| known.place == place && !is_again) {
        Some(known) => Ok(known.passphrase.clone()),
        None => ask_existing(&mut answered, place),
    }
}

/// Remembers the passphrase of the key in `place` for brokers that this process starts.
pub(crate) fn remember(place: String, passphrase: Zeroizing<Vec<u8>>) {
    *answered() = Some(Answered { place, passphrase });
}

fn ask_existing(
    answered: &mut Option<Answered>,
    place: String,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    *answered = None;
    // Whoever has pressed Ctrl-C is not asked the next question.
    if prompt::ended().is_some() {
        return Err(broken_off(place));
    }
    let passphrase = ask(&format!("passphrase of the key in {place} (not shown): "), &place)?;
    *answered = Some(Answered { place, passphrase: passphrase.clone() });
    Ok(passphrase)
}

fn broken_off(place: String) -> KeyError {
    KeyError::Source { place, why: "the question for the passphrase was broken off".to_owned() }
}

/// Asks on the controlling terminal, for a new passphrase twice.
pub(crate) fn ask_person(asked: Ask) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut answered = answered();
    match asked {
        Ask::Existing { place } => ask_existing(&mut answered, place),
        Ask::New { place } => {
            let question = format!("new passphrase for the key in {place} (not shown): ");
            let first = ask(&question, &place)?;
            if *ask("the same again: ", &place)? != *first {
                let why = "the two passphrases differ".to_owned();
                return Err(KeyError::Source { place, why });
            }
            Ok(first)
        }
    }
}

fn ask(question: &str, place: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    prompt::hidden(question).map_err(|failure| match failure {
        Failure::Told(_) => broken_off(place.to_owned()),
        Failure::Untold(reason) => KeyError::Source {
            place: place.to_owned(),
            why: format!("no passphrase: {}", reason.message()),
        },
    })
}
