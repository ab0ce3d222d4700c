//! What the registry refuses, as the API tells it.

use subrosa_connections::change::ChangeError;
use subrosa_connections::protocol::{Failed, FailedKind};
use subrosa_engine::remedy::with_causes;
use subrosa_registry::{InvalidName, RegistryError};
use subrosa_server::channel::{Refusal, RefusalKind, SealError};

use crate::out;

/// A refusal of the registry.
pub(super) fn registry(error: &RegistryError) -> Refusal {
    let kind = match error {
        RegistryError::InvalidValue(_)
        | RegistryError::InvalidDescription(_)
        | RegistryError::InvalidRecord(_)
        | RegistryError::WrongKind(_) => RefusalKind::Invalid,
        RegistryError::NoStore { .. }
        | RegistryError::NotFound(_)
        | RegistryError::NoVersion { .. }
        | RegistryError::NoValue(_)
        | RegistryError::UnknownEnvironment { .. } => RefusalKind::NotFound,
        RegistryError::Exists(_) | RegistryError::StoreExists { .. } => RefusalKind::Exists,
        RegistryError::Changed { .. } => RefusalKind::Changed,
        RegistryError::Protected(_) => RefusalKind::Forbidden,
        RegistryError::File(_)
        | RegistryError::Key(_)
        | RegistryError::Damaged { .. }
        | RegistryError::Missing { .. }
        | RegistryError::TooNew { .. }
        | RegistryError::RolledBack { .. }
        | RegistryError::Unconfirmed { .. }
        | RegistryError::Audit { .. }
        | RegistryError::Randomness => RefusalKind::Broken,
    };
    let help = match error {
        RegistryError::InvalidValue(_) => Some("a value has 1 byte to 64 KiB, any but NUL"),
        RegistryError::Changed { .. } => Some("look at it again, then make the change"),
        RegistryError::Protected(_) => Some("it takes the role of a manager"),
        RegistryError::Damaged { .. } | RegistryError::Missing { .. } => {
            Some("`subrosa doctor` on the server tells what can be done")
        }
        RegistryError::File(_)
        | RegistryError::Key(_)
        | RegistryError::TooNew { .. }
        | RegistryError::Audit { .. } => Some("the log of the server tells why"),
        _ => None,
    };
    Refusal { kind, message: outside(error), help: help.map(str::to_owned) }
}

/// What is told of an error to people elsewhere. Where our files are, that of the key among them, is for whoever
/// runs the server, who is told all of it.
fn outside(error: &RegistryError) -> String {
    let words = match error {
        RegistryError::NoStore { .. } => return "there is no registry yet".to_owned(),
        RegistryError::StoreExists { .. } => return "there is a registry already".to_owned(),
        RegistryError::File(_) => "the registry cannot be read or written",
        RegistryError::Key(_) => "the key of the registry cannot be used",
        RegistryError::Damaged { .. } | RegistryError::Missing { .. } => "the registry is damaged",
        RegistryError::TooNew { .. } => "the registry is of a newer version",
        RegistryError::Audit { .. } => "the audit log cannot be written",
        RegistryError::Unconfirmed { .. } => {
            "the change was made, but whether it would survive a power cut is not known"
        }
        _ => return with_causes(error),
    };
    out::stderr(&format!("error: {}\n", with_causes(error)));
    words.to_owned()
}

/// A change of a connection that was not stored.
pub(super) fn change(error: &ChangeError) -> Refusal {
    let (kind, help) = match error {
        ChangeError::NotStored(error) => return registry(error),
        ChangeError::Newer(_) => (RefusalKind::Broken, Some("use the newer subrosa that wrote it")),
        ChangeError::OtherType { .. } => (RefusalKind::Invalid, None),
        ChangeError::Kept { .. } => (RefusalKind::Invalid, Some("give it anew in the same change")),
    };
    Refusal { kind, message: error.to_string(), help: help.map(str::to_owned) }
}

/// What the broker did not do.
pub(super) fn failed(failed: Failed) -> Refusal {
    let kind = match failed.kind {
        FailedKind::Unusable | FailedKind::Refused | FailedKind::Cancelled => RefusalKind::Invalid,
        FailedKind::Unavailable => RefusalKind::Unavailable,
        FailedKind::Broken => RefusalKind::Broken,
    };
    Refusal { kind, message: failed.message, help: failed.help }
}

/// Too much is under way.
pub(super) fn busy() -> Refusal {
    Refusal {
        kind: RefusalKind::Unavailable,
        message: "too many services are being asked at the same time".to_owned(),
        help: Some("try it again in a moment".to_owned()),
    }
}

/// A name that breaks the grammar.
pub(super) fn name(why: &InvalidName) -> Refusal {
    invalid(format!("a name breaks the grammar: {why}"))
}

/// What makes no sense.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal { kind: RefusalKind::Invalid, message: message.into(), help: None }
}

/// A value that was sealed to another runner.
pub(super) fn sealed(error: SealError) -> Refusal {
    let help = Some("send it once more".to_owned());
    Refusal { kind: RefusalKind::Unavailable, message: error.to_string(), help }
}

/// More calls of services than are looked at, at the same time.
pub(super) fn busy_hooks() -> Refusal {
    Refusal {
        kind: RefusalKind::Unavailable,
        message: "too many calls start runs at the same time".to_owned(),
        help: Some("send it once more, later".to_owned()),
    }
}
