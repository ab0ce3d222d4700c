//! What the registry refuses, as exit codes and remedies.

use subrosa_engine::remedy::{self, DOCTOR, file, key, with_causes};
use subrosa_registry::{Address, InvalidValue, RegistryError};

use crate::failure::{Exit, Failure};

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Failure {
        let failure = Failure::new(exit(&error), with_causes(&error));
        match help(&error) {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<InvalidValue> for Failure {
    fn from(error: InvalidValue) -> Failure {
        RegistryError::from(error).into()
    }
}

fn exit(error: &RegistryError) -> Exit {
    match error {
        RegistryError::StoreExists { .. }
        | RegistryError::InvalidValue(_)
        | RegistryError::InvalidDescription(_)
        | RegistryError::InvalidRecord(_)
        | RegistryError::WrongKind(_) => Exit::USAGE,
        RegistryError::NoStore { .. }
        | RegistryError::NotFound(_)
        | RegistryError::Exists(_)
        | RegistryError::NoVersion { .. }
        | RegistryError::NoValue(_)
        | RegistryError::Changed { .. }
        | RegistryError::UnknownEnvironment { .. }
        | RegistryError::Protected(_) => Exit::SECRETS,
        RegistryError::File(_)
        | RegistryError::Key(_)
        | RegistryError::Damaged { .. }
        | RegistryError::Missing { .. }
        | RegistryError::TooNew { .. }
        | RegistryError::RolledBack { .. }
        | RegistryError::Unconfirmed { .. }
        | RegistryError::Audit { .. }
        | RegistryError::Randomness => Exit::ENGINE,
    }
}

fn help(error: &RegistryError) -> Option<String> {
    match error {
        RegistryError::NoStore { .. } => {
            Some("the first `subrosa secret set REF` makes it, and so does `subrosa init`".into())
        }
        RegistryError::File(error) => file(error),
        RegistryError::Key(error) => key(error),
        RegistryError::Damaged { .. } | RegistryError::Missing { .. } => Some(DOCTOR.to_owned()),
        RegistryError::RolledBack { .. } => Some(
            "if you have restored a backup, `subrosa doctor` tells how to accept it; otherwise \
             somebody has put an old copy in its place"
                .to_owned(),
        ),
        RegistryError::TooNew { .. } => Some("use the newer subrosa that wrote it".to_owned()),
        RegistryError::Unconfirmed { .. } => {
            Some("see to the disk, then make the change once more".to_owned())
        }
        RegistryError::Audit { source } => file(source),
        RegistryError::NotFound(address) => Some(elsewhere(address)),
        RegistryError::Exists(address) => Some(format!(
            "look at it with `{}`; another name, or removing it, makes room",
            command("get-metadata", address)
        )),
        RegistryError::NoVersion { address, .. } => {
            Some(format!("`{}` lists them", command("versions", address)))
        }
        RegistryError::NoValue(address) => {
            Some(format!("give it one: `{}`", command("set", address)))
        }
        RegistryError::InvalidValue(_) => Some("a value has 1 byte to 64 KiB, any but NUL".into()),
        RegistryError::UnknownEnvironment { known, .. } if known.is_empty() => {
            Some("there are none yet; `subrosa secret set REF --env NAME` makes one".to_owned())
        }
        RegistryError::UnknownEnvironment { known, .. } => {
            let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            Some(format!("there are: {}", known.join(", ")))
        }
        RegistryError::Protected(_) => Some("if that is meant, add `--allow-protected`".to_owned()),
        RegistryError::StoreExists { .. } => {
            Some("`subrosa secret list` shows what is in it".to_owned())
        }
        RegistryError::Changed { .. } => Some("look at it again, then make the change".to_owned()),
        RegistryError::Randomness
        | RegistryError::InvalidDescription(_)
        | RegistryError::InvalidRecord(_)
        | RegistryError::WrongKind(_) => None,
    }
}

fn elsewhere(address: &Address) -> String {
    if address.reference.connection_name().is_some() {
        return "`subrosa connection list` shows what there is, and in which scopes".to_owned();
    }
    format!("`subrosa secret list --prefix {}` shows in which scopes it is", address.reference)
}

/// A command about a secret or a connection, as it can be typed.
pub(crate) fn command(verb: &str, address: &Address) -> String {
    if address.reference.connection_name().is_some() {
        let verb = match verb {
            "set" => "edit",
            "get-metadata" | "versions" => "show",
            verb => verb,
        };
        return crate::command::connection::command(verb, address);
    }
    remedy::command(verb, &address.reference, &address.scope)
}

#[cfg(test)]
mod tests {
    use std::io;

    use subrosa_registry::{Address, FileError, KeyError, RegistryError, Scope, SecretRef};

    use crate::failure::{Exit, Failure};

    fn told(error: RegistryError) -> (Exit, String) {
        let mut said = String::new();
        let exit = Failure::from(error).tell(|text| said.push_str(text));
        (exit, said)
    }

    fn address() -> Address {
        Address { reference: SecretRef::parse("prod/db").unwrap(), scope: Scope::default() }
    }

    #[test]
    fn what_can_be_mended_says_how() {
        let check = |error, exit, help: &str| {
            let (code, said) = told(error);
            assert_eq!(code, exit, "{said}");
            assert!(said.contains(&format!("  help: {help}")), "{said}");
        };
        let loose = |is_folder| {
            let file = "/s/it's".to_owned();
            RegistryError::File(FileError::NotPrivate { file, mode: 0o755, is_folder })
        };
        check(loose(true), Exit::ENGINE, r"close it: `chmod 700 '/s/it'\''s'`");
        check(loose(false), Exit::ENGINE, "close it: `chmod 600");
        check(RegistryError::NotFound(address()), Exit::SECRETS, "`subrosa secret list");
        check(
            RegistryError::NoVersion { address: address(), version: 3 },
            Exit::SECRETS,
            "`subrosa secret versions prod/db` lists them",
        );
        let place = "the file /k/master.key".to_owned();
        check(KeyError::Missing { place }.into(), Exit::ENGINE, "`subrosa key import`");
        let file = "/s/root".to_owned();
        check(RegistryError::Missing { file }, Exit::ENGINE, "`subrosa doctor`");
    }

    #[test]
    fn a_cause_is_told_once() {
        let source = FileError::Io {
            call: "write",
            file: "/s/root".to_owned(),
            source: io::Error::from(io::ErrorKind::StorageFull),
        };
        let (_, said) = told(RegistryError::File(source));
        assert_eq!(said.matches("could not write").count(), 1, "{said}");
        assert!(said.contains("`/s/root`: no storage space"), "{said}");
    }
}
