//! The places where keys can be, and who is asked for a passphrase.

use std::path::Path;
use std::sync::Arc;

use subrosa_registry::{Ask, AskPassphrase, Cost, Disk, Files, KeyError, Passphrase, Places};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::prompt;
use crate::wiring::World;

/// All places of keys; `folder` is the key folder.
pub(super) fn places(world: &World, folder: &Path) -> Places {
    Places {
        folder: Arc::new(Disk::private(folder)),
        open_folder: Arc::new(|path| {
            let folder: Arc<dyn Files> = Arc::new(Disk::beside(path));
            Ok(folder)
        }),
        key_file: world.key_file.clone(),
        passphrase: Arc::new(Passphrase::new(asker(), Cost::default())),
        environment: world.env.clone(),
    }
}

/// Asks on the controlling terminal, for a new passphrase twice.
fn asker() -> AskPassphrase {
    Arc::new(|asked| match asked {
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
    })
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
