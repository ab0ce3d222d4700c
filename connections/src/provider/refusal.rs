//! What a run is told of a connection that it cannot use, and how to mend it.

use subrosa_engine::provider::{ProviderError, ProviderErrorKind, SecretRequest};
use subrosa_registry::{Address, LookupError, RegistryError, SecretRef};

use super::REFRESH_TIMEOUT;
use crate::kind::Auth;
use crate::opened::{Opened, command};
use crate::protocol::{Failed, FailedKind};
use crate::record::ACCESS_TOKEN;

/// The name of a connection.
fn name(address: &Address) -> &str {
    address.reference.connection_name().unwrap_or_default()
}

pub(super) fn late() -> Failed {
    Failed {
        kind: FailedKind::Unavailable,
        message: format!("no answer within {} s", REFRESH_TIMEOUT.as_secs()),
        help: None,
    }
}

pub(super) fn unreadable(why: &str) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Unavailable, format!("cannot read connections: {why}"))
        .help("`subrosa doctor` looks at the registry")
}

pub(super) fn of_registry(error: &RegistryError) -> ProviderError {
    let why = subrosa_engine::remedy::with_causes(error);
    ProviderError::new(ProviderErrorKind::InvalidRequest, format!("cannot read connections: {why}"))
}

pub(super) fn of_lookup(error: &LookupError, name: &SecretRef) -> ProviderError {
    let (kind, help) = match error {
        LookupError::NotFound => {
            (ProviderErrorKind::NotFound, format!("add it: `subrosa connection add TYPE {name}`"))
        }
        LookupError::Disabled(found) => (
            ProviderErrorKind::Denied,
            format!("if it may be used again: {}", command("enable", found)),
        ),
        LookupError::Expired { address, .. } => {
            (ProviderErrorKind::Denied, format!("renew it: {}", command("rotate", address)))
        }
        LookupError::NoValue(found) => {
            (ProviderErrorKind::NotFound, format!("complete it: {}", command("edit", found)))
        }
        LookupError::Damaged { .. } => (
            ProviderErrorKind::Malformed,
            "`subrosa doctor` looks at the registry and says what can be done".to_owned(),
        ),
    };
    let message = match error {
        LookupError::NotFound => format!("there is no connection `{name}`"),
        LookupError::Disabled(found) => {
            format!("connection `{name}` is disabled in {}", found.scope)
        }
        LookupError::NoValue(found) => format!("connection `{name}` is empty in {}", found.scope),
        LookupError::Expired { address, at } => {
            let date = subrosa_engine::event::Timestamp(*at);
            format!("connection `{name}` in {} expired on {date}", address.scope)
        }
        LookupError::Damaged { .. } => format!("connection `{name}` cannot be used: {error}"),
    };
    ProviderError::new(kind, message).help(help)
}

pub(super) fn malformed(request: &SecretRequest) -> ProviderError {
    let key = subrosa_engine::names::shown(&request.key);
    let message = format!("the key {key} does not name a field of a connection");
    ProviderError::new(ProviderErrorKind::InvalidRequest, message)
        .help("write the name of the connection, a slash and the field: `key: jira-prod/api_token`")
}

pub(super) fn newer(name: &SecretRef) -> ProviderError {
    let message = format!("connection `{name}` was written by a newer version of subrosa");
    ProviderError::new(ProviderErrorKind::Malformed, message)
}

pub(super) fn not_authorized(address: &Address) -> ProviderError {
    let name = name(address);
    let message = format!("connection `{name}` was not authorized yet");
    ProviderError::new(ProviderErrorKind::Unauthenticated, message)
        .help(format!("grant access first: {}", command("authorize", address)))
}

pub(super) fn refused(address: &Address, word: &str) -> ProviderError {
    let name = name(address);
    let message =
        format!("the service refuses to refresh the token of connection `{name}` ({word})");
    ProviderError::new(ProviderErrorKind::Unauthenticated, message)
        .help(format!("grant access again: {}", command("authorize", address)))
}

pub(super) fn ended(address: &Address) -> ProviderError {
    let name = name(address);
    let message = format!("the token of connection `{name}` has ended, and cannot be refreshed");
    ProviderError::new(ProviderErrorKind::Unauthenticated, message)
        .help(format!("grant access again: {}", command("authorize", address)))
}

pub(super) fn no_field(opened: &Opened, field: &str) -> ProviderError {
    if field == ACCESS_TOKEN && opened.kind.auth == Auth::OAuth2 {
        return not_authorized(&opened.address);
    }
    let fields = opened.kind.fields.iter().map(|field| field.name.as_str());
    missing_field(&opened.address, field, fields)
}

pub(super) fn missing_field<'a>(
    address: &Address,
    field: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> ProviderError {
    let (name, shown) = (name(address), subrosa_engine::names::shown(field));
    let message = format!("connection `{name}` has no value for the field {shown}");
    let list = known.clone().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let help = match subrosa_engine::names::closest(field, known) {
        Some(near) if near != field => format!("did you mean `{near}`? its fields: {list}"),
        _ => format!("its fields: {list}; {} gives them values", command("edit", address)),
    };
    ProviderError::new(ProviderErrorKind::NotFound, message).help(help)
}
