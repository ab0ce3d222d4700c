//! What encrypts and opens exports and backups: age recipients, identities and passphrases.
//!
//! A passphrase comes from a prompt without echo or from the file that SUBROSA_PASSPHRASE_FILE names; that
//! file and those with identities must be ours alone. What is no recipient is not repeated: it may be
//! the secret half.

use std::path::Path;

use secrecy::SecretSlice;
use subrosa_engine::remedy::with_causes;
use subrosa_exchange::{ArchiveError, Identity, InvalidKey, Recipient, Recipients};
use subrosa_registry::{Disk, Files as _, RegistryError};
use zeroize::Zeroizing;

use crate::args::exchange::SealingArgs;
use crate::failure::{Exit, Failure};
use crate::prompt::{self, Hiding};
use crate::registry::keys;
use crate::wiring::World;

/// More than any passphrase, and than hundreds of identities, have.
const FILE_LEN_MAX: u64 = 64 << 10;
/// Names the file that the passphrase is in.
const VARIABLE: &str = "SUBROSA_PASSPHRASE_FILE";

/// Who can open what will be written; nobody was named: `None`.
pub(crate) fn recipients(args: &SealingArgs, world: &World) -> Result<Option<Recipients>, Failure> {
    if args.passphrase {
        return Recipients::passphrase(&new_passphrase(world)?).map(Some).map_err(invalid);
    }
    let parse = |word: &std::ffi::OsString| {
        let parsed = word.to_str().ok_or(InvalidKey::Recipient).and_then(Recipient::parse);
        parsed.map_err(|why| {
            invalid(why).help("a recipient is the `public key` that `age-keygen` prints")
        })
    };
    let keys: Vec<Recipient> = args.recipients.iter().map(parse).collect::<Result<_, _>>()?;
    Ok((!keys.is_empty()).then_some(Recipients::Keys(keys)))
}

/// What opens a backup: the identities in a file, else a passphrase.
pub(crate) fn identity(file: Option<&Path>, world: &World) -> Result<Identity, Failure> {
    match file {
        Some(path) => {
            let bytes = private_file(path)?;
            Identity::parse(&SecretSlice::from(bytes.to_vec())).map_err(|why| {
                Failure::usage(format!("`{}` cannot be used: {why}", path.display()))
            })
        }
        None => {
            let passphrase = match passphrase_file(world)? {
                Some(passphrase) => passphrase,
                None => secret(&prompt::hidden("passphrase of the backup (not shown): ")?),
            };
            Identity::passphrase(&passphrase).map_err(invalid)
        }
    }
}

fn new_passphrase(world: &World) -> Result<SecretSlice<u8>, Failure> {
    if let Some(passphrase) = passphrase_file(world)? {
        return Ok(passphrase);
    }
    let hiding = Hiding::default();
    let first = hiding.ask("new passphrase (not shown): ")?;
    if first.is_empty() {
        return Err(invalid(InvalidKey::Passphrase));
    }
    let second = hiding.ask("the same again: ")?;
    if *first != *second {
        return Err(Failure::usage("the two passphrases differ; nothing was written"));
    }
    Ok(secret(&first))
}

/// The passphrase in the file that was named.
fn passphrase_file(world: &World) -> Result<Option<SecretSlice<u8>>, Failure> {
    let Some(path) = world.var(VARIABLE) else { return Ok(None) };
    let passphrase = keys::read(&world.current_dir.join(path)).map_err(RegistryError::Key)?;
    Ok(Some(secret(&passphrase)))
}

/// Exactly as long as it has to be.
fn secret(bytes: &[u8]) -> SecretSlice<u8> {
    SecretSlice::from(bytes.to_vec())
}

/// A file of ours that is closed to others.
fn private_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let no_file = || Failure::usage(format!("there is no file `{}`", path.display()));
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(no_file)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = Disk::beside(parent.unwrap_or(Path::new(".")));
    let bytes = folder.read(name, FILE_LEN_MAX).map_err(RegistryError::File)?;
    bytes.map(Zeroizing::new).ok_or_else(no_file)
}

fn invalid(why: InvalidKey) -> Failure {
    Failure::usage(why.to_string())
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Failure {
        let exit = match error {
            ArchiveError::WrongKey | ArchiveError::OtherKind { .. } => Exit::SECRETS,
            ArchiveError::NoRecipients => Exit::USAGE,
            ArchiveError::Io(_)
            | ArchiveError::Entry { .. }
            | ArchiveError::SizeChanged { .. }
            | ArchiveError::Twice { .. }
            | ArchiveError::NotAnArchive(_)
            | ArchiveError::TooSlow { .. }
            | ArchiveError::Damaged
            | ArchiveError::Content(_)
            | ArchiveError::TooLarge { .. } => Exit::ENGINE,
        };
        let failure = Failure::new(exit, with_causes(&error));
        match error {
            ArchiveError::Damaged => failure.help("take another copy of it; this one is not whole"),
            ArchiveError::OtherKind { found: "with a passphrase", .. } => {
                failure.help("open it with `--passphrase`")
            }
            ArchiveError::OtherKind { .. } => failure.help("open it with `--identity FILE`"),
            _ => failure,
        }
    }
}
