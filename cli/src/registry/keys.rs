//! The places where keys can be, and who is asked for a passphrase.

use std::path::Path;
use std::sync::Arc;

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

/// Asks on the controlling terminal, for a new passphrase twice.
pub(crate) fn ask_person(asked: Ask) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    match asked {
        Ask::Existing { place } => {
            ask(&format!("passphrase of the key in {place} (not shown): "), &place)
        }
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
    prompt::hidden(question).map_err(|failure| {
        let why = match failure {
            Failure::Told(_) => "the question for the passphrase was broken off".to_owned(),
            Failure::Untold(reason) => format!("no passphrase: {}", reason.message()),
        };
        KeyError::Source { place: place.to_owned(), why }
    })
}
