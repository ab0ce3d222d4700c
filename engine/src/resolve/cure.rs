//! What to do about a ref that gives no value: the commands to type.

use subrosa_registry::{Address, EnvironmentName, LookupError, RegistryError, Scope, SecretRef};

use crate::names::closest;
use crate::remedy::{DOCTOR, command, file, key};

/// Stores a value under the ref.
pub(super) fn set(reference: &SecretRef, scope: &Scope) -> String {
    format!("store it: `{}`", piped("set", reference, scope))
}

/// Gives the secret a new value.
pub(super) fn rotate(address: &Address) -> String {
    format!("give it a new value: `{}`", piped("rotate", &address.reference, &address.scope))
}

/// The value comes through a pipe: an argument would be visible to every user of the machine.
fn piped(verb: &str, reference: &SecretRef, scope: &Scope) -> String {
    format!(r#"printf %s "$VALUE" | {}"#, command(verb, reference, scope))
}

/// What to do about one ref.
pub(super) fn lookup(error: &LookupError, reference: &SecretRef, scope: &Scope) -> String {
    match error {
        LookupError::NotFound => set(reference, scope),
        LookupError::Disabled(address) => {
            format!("enable it: `{}`", command("enable", &address.reference, &address.scope))
        }
        LookupError::NoValue(address) => set(&address.reference, &address.scope),
        LookupError::Expired { address, .. } => {
            format!("{}, or use the expired one with `--allow-expired`", rotate(address))
        }
        LookupError::Damaged { .. } => DOCTOR.to_owned(),
    }
}

/// What to do about the registry; `reference` is the first ref that was asked for, in `scope`.
pub(super) fn registry(
    error: &RegistryError,
    reference: &SecretRef,
    scope: &Scope,
) -> Option<String> {
    let help = match error {
        RegistryError::NoStore { .. } => set(reference, scope),
        RegistryError::UnknownEnvironment { name, known } => {
            unknown_environment(name, known, reference, scope)
        }
        RegistryError::Protected(_) => "use it all the same with `--allow-protected`".to_owned(),
        RegistryError::File(error) => return file(error),
        RegistryError::Key(error) => return key(error),
        RegistryError::Damaged { .. }
        | RegistryError::Missing { .. }
        | RegistryError::RolledBack { .. } => DOCTOR.to_owned(),
        RegistryError::TooNew { .. } => "use the newer subrosa that wrote it".to_owned(),
        RegistryError::Audit { .. } => {
            "make room or mend the log's permissions; without `audit: required` the run would go on"
                .to_owned()
        }
        RegistryError::Randomness
        | RegistryError::StoreExists { .. }
        | RegistryError::Unconfirmed { .. }
        | RegistryError::NotFound(_)
        | RegistryError::Exists(_)
        | RegistryError::NoVersion { .. }
        | RegistryError::NoValue(_)
        | RegistryError::InvalidValue(_)
        | RegistryError::InvalidDescription(_)
        | RegistryError::InvalidRecord(_)
        | RegistryError::WrongKind(_)
        | RegistryError::Changed { .. } => return None,
    };
    Some(help)
}

fn unknown_environment(
    name: &EnvironmentName,
    known: &[EnvironmentName],
    reference: &SecretRef,
    scope: &Scope,
) -> String {
    let names: Vec<&str> = known.iter().map(EnvironmentName::as_str).collect();
    if names.is_empty() {
        return format!("no secret has a value in an environment yet; {}", set(reference, scope));
    }
    let known = names.join(", ");
    match closest(name.as_str(), names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? Known environments: {known}"),
        None => format!("known environments: {known}"),
    }
}
