//! What failures are told as.

use std::time::{SystemTime, UNIX_EPOCH};

use subrosa_engine::remedy;
use subrosa_registry::{Address, LookupError, RegistryError};

use crate::kind::Auth;
use crate::oauth::OAuthError;
use crate::opened::{Opened, command};
use crate::protocol::{Failed, FailedKind};

/// The connection itself cannot be used so.
pub(super) fn unusable(message: &str, help: String) -> Failed {
    let help = Some(help).filter(|help| !help.is_empty());
    Failed { kind: FailedKind::Unusable, message: message.to_owned(), help }
}

/// The record has what this version does not know.
pub(super) fn newer() -> Failed {
    unusable("it was written by a newer version of subrosa", "use that one".to_owned())
}

/// Something of ours failed.
pub(super) fn broken(message: &str) -> Failed {
    Failed { kind: FailedKind::Broken, message: message.to_owned(), help: None }
}

pub(super) fn of_registry(error: &RegistryError) -> Failed {
    let (kind, help) = match error {
        RegistryError::NotFound(address) => (
            FailedKind::Unusable,
            format!("`subrosa connection list` shows what there is; {}", add(address)),
        ),
        RegistryError::Protected(_) => {
            (FailedKind::Unusable, "if that is meant, add `--allow-protected`".to_owned())
        }
        _ => (FailedKind::Broken, remedy::DOCTOR.to_owned()),
    };
    Failed { kind, message: remedy::with_causes(error), help: Some(help) }
}

fn add(address: &Address) -> String {
    format!("{} adds it", command("add TYPE", address))
}

pub(super) fn of_lookup(error: &LookupError, address: &Address) -> Failed {
    let help = match error {
        LookupError::Disabled(found) => command("enable", found),
        LookupError::NoValue(found) => command("edit", found),
        LookupError::Expired { .. } | LookupError::NotFound => command("show", address),
        LookupError::Damaged { .. } => remedy::DOCTOR.to_owned(),
    };
    Failed { kind: FailedKind::Unusable, message: error.to_string(), help: Some(help) }
}

/// The service has refused before, and said so with this word.
pub(super) fn refused(word: &str, opened: &Opened) -> Failed {
    Failed {
        kind: FailedKind::Refused,
        message: format!("the service has refused to exchange its token ({word})"),
        help: Some(format!("grant access again: {}", opened.command("authorize"))),
    }
}

/// What a flow failed of.
pub(super) fn of_oauth(error: &OAuthError, opened: &Opened) -> Failed {
    let again = || {
        Some(match opened.kind.auth {
            Auth::OAuth2 => format!("grant access again: {}", opened.command("authorize")),
            _ => format!("give it what the service takes: {}", opened.command("rotate")),
        })
    };
    let known = || error.help().map(str::to_owned);
    let (kind, help) = match error {
        error if error.ends_grant() => (FailedKind::Refused, again()),
        error if error.is_retryable() => (FailedKind::Unavailable, known()),
        OAuthError::Window(_) | OAuthError::CodeExpired => (FailedKind::Cancelled, again()),
        OAuthError::Denied { .. }
        | OAuthError::Refused { .. }
        | OAuthError::NoCode { .. }
        | OAuthError::State { .. }
        | OAuthError::Issuer { .. } => (FailedKind::Refused, known()),
        // What does not speak the protocol is not the service, but something in its place.
        OAuthError::Unanswered { .. }
        | OAuthError::Redirected { .. }
        | OAuthError::Malformed { .. }
        | OAuthError::TokenType { .. } => (FailedKind::Unavailable, known()),
        OAuthError::NoEndpoint(_)
        | OAuthError::ReservedParameter(_)
        | OAuthError::Key
        | OAuthError::PortTaken { .. } => (FailedKind::Unusable, known()),
        OAuthError::Busy { .. } => (FailedKind::Unavailable, known()),
        OAuthError::Random | OAuthError::Listen(_) => (FailedKind::Broken, known()),
    };
    Failed { kind, message: error.to_string(), help }
}

/// A moment in seconds since 1970.
pub(super) fn seconds(time: Option<SystemTime>) -> Option<u64> {
    Some(time?.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}
