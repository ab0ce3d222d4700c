//! `provider: keyring`: the keyring of the system (Secret Service, Keychain, Windows Credential Manager).
//!
//! An entry has a service and an account: `key` is `service/account`, or one of them if an option names
//! the other. Every byte of the entry belongs to the value. A locked keyring says so where it knows the
//! entry, and may ask a person to unlock it; one that hides its entries while it is locked answers that
//! it has none. Calls have no deadline of their own and no way to be called off: each is made in a thread
//! that is left behind if no answer comes.

use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use keyring::{Entry, Error};
use subrosa_engine::provider::{
    Checked, Client, Identity, Provider, ProviderError, ProviderErrorKind, ResolveContext, Retry,
    SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use tokio::sync::oneshot;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::place::VALUE_LEN_MAX;
use crate::{program, value};

/// The provider.
pub(crate) struct KeyRing;

#[async_trait]
impl Provider for KeyRing {
    fn name(&self) -> &str {
        "keyring"
    }

    fn options(&self) -> &[&str] {
        &["service", "account"]
    }

    async fn open(
        &self,
        context: &ResolveContext,
        _identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        Ok(Box::new(Entries { limit: program::limit(context) }))
    }
}

struct Entries {
    limit: Duration,
}

/// Which entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    service: String,
    account: String,
}

impl Place {
    /// With an option for one of the two, the key is the other. In a key that is both, the last `/`
    /// stands between them: services are often addresses.
    fn of(request: &SecretRequest) -> Result<Place, ProviderError> {
        let option = |name: &str| request.options.0.get(name).map(String::as_str);
        let key = request.key.as_str();
        let (service, account) = match (option("service"), option("account")) {
            (Some(service), Some(account)) => (service, account),
            (Some(service), None) => (service, key),
            (None, Some(account)) => (key, account),
            (None, None) => key.rsplit_once('/').unwrap_or((key, "")),
        };
        if service.is_empty() || account.is_empty() {
            let message = format!("`{key}` does not name a service and an account");
            return Err(ProviderError::new(ProviderErrorKind::InvalidRequest, message)
                .help("write the key as service/account, or name one of them in option `service` or `account`"));
        }
        Ok(Place { service: service.to_owned(), account: account.to_owned() })
    }

    fn shown(&self) -> String {
        format!("service `{}`, account `{}`", self.service, self.account)
    }
}

#[async_trait]
impl Client for Entries {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let place = Place::of(request)?;
        let asked = place.clone();
        let read = move || {
            let entry = Entry::new(&asked.service, &asked.account)
                .map_err(|error| refused(&error, &asked))?;
            let secret = entry.get_secret().map_err(|error| refused(&error, &asked))?;
            Ok(Zeroizing::new(secret))
        };
        let secret = self.ask(read).await?;
        if secret.len() > VALUE_LEN_MAX {
            let message = format!("keyring entry is larger than 1 MiB: {}", place.shown());
            return Err(ProviderError::new(ProviderErrorKind::Malformed, message));
        }
        value::from_bytes(secret, || format!("keyring entry ({})", place.shown()))
    }

    /// Whether there is a keyring. Looking for an entry in it is reading it.
    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        Place::of(request)?;
        self.ask(|| match Entry::store_status() {
            Ok(()) => Ok(Checked::WouldRead),
            Err(_) => Err(unreachable_keyring()),
        })
        .await
    }
}

impl Entries {
    async fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let unavailable = |why| ProviderError::new(ProviderErrorKind::Unavailable, why);
        let (give, take) = oneshot::channel();
        // Not one of the runtime's own threads: those are waited for at the end.
        thread::Builder::new()
            .spawn(move || {
                // Nobody takes it any more after the deadline; it is wiped then.
                give.send(call()).ok();
            })
            .map_err(|_| unavailable("there is no thread to ask the keyring of the system"))?;
        match timeout(self.limit, take).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unavailable("the keyring of the system could not be asked")),
            Err(_) => {
                let limit = self.limit.as_secs_f32();
                let message =
                    format!("the keyring of the system did not answer within {limit:.1} s");
                Err(ProviderError::new(ProviderErrorKind::TimedOut, message)
                    .retry(Retry::Later)
                    .help("it may be waiting for somebody to unlock it: unlock it, and try again"))
            }
        }
    }
}

/// Puts an error in words. Some of the crate's carry the secret, so its own words are taken only from
/// those that are about the way to the keyring.
fn refused(error: &Error, place: &Place) -> ProviderError {
    use ProviderErrorKind::{Denied, InvalidRequest, Malformed, NotFound, Unavailable};
    let place = place.shown();
    let (kind, message) = match error {
        Error::NoEntry => {
            let message = format!("the keyring of the system has no entry with {place}");
            return ProviderError::new(NotFound, message).help(
                "it has none, or is locked and hides it, or is another one than in your desktop session; \
                 on Linux, store one with `secret-tool store --label=NAME service S username A`",
            );
        }
        Error::NoDefaultStore => return unreachable_keyring(),
        Error::NoStorageAccess(_) => {
            let message =
                format!("the keyring of the system is locked, or does not let us in: {place}");
            return ProviderError::new(Denied, message).help("unlock it, and try again");
        }
        Error::PlatformFailure(cause) => {
            let why = first_line(&cause.to_string());
            (Unavailable, format!("the keyring of the system failed for {place}: {why}"))
        }
        Error::Ambiguous(_) => (
            InvalidRequest,
            format!("the keyring of the system has more than one entry with {place}"),
        ),
        Error::BadEncoding(_) | Error::BadDataFormat(..) | Error::BadStoreFormat(_) => {
            (Malformed, format!("the keyring of the system gives what is not readable for {place}"))
        }
        Error::TooLong(..) | Error::Invalid(..) | Error::NotSupportedByStore(_) => {
            (InvalidRequest, format!("the keyring of the system can have no entry with {place}"))
        }
        // The crate may get more kinds.
        _ => (Unavailable, format!("the keyring of the system failed for {place}")),
    };
    ProviderError::new(kind, message)
}

fn unreachable_keyring() -> ProviderError {
    let why = match Entry::store_status() {
        Ok(()) => "there is none to be had".to_owned(),
        Err(Error::PlatformFailure(cause)) => first_line(&cause.to_string()),
        Err(_) => "it gives no reason".to_owned(),
    };
    let message = format!("the keyring of the system cannot be reached: {why}");
    ProviderError::new(ProviderErrorKind::Unavailable, message)
        .help("on Linux it is part of a session: `DBUS_SESSION_BUS_ADDRESS` says which")
}

/// The first line of a platform's words, and not too much of it.
fn first_line(words: &str) -> String {
    words.chars().take_while(|character| !character.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use keyring::Error;
    use subrosa_engine::provider::{ProviderErrorKind, SecretRequest};
    use subrosa_engine::workflow::Options;

    use super::{Place, refused};

    fn place(key: &str, options: &[(&str, &str)]) -> Option<(String, String)> {
        let option = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let options: BTreeMap<String, String> = options.iter().map(option).collect();
        let request =
            SecretRequest { name: "NAME".into(), key: key.into(), options: Options(options) };
        Place::of(&request).ok().map(|place| (place.service, place.account))
    }

    #[test]
    fn an_entry_has_a_service_and_an_account() {
        let check = |key: &str, options: &[(&str, &str)], expected: Option<(&str, &str)>| {
            let expected = expected.map(|(service, account)| (service.into(), account.into()));
            assert_eq!(place(key, options), expected, "{key}");
        };
        check("shop/api", &[], Some(("shop", "api")));
        check("https://shop.example/api/ann", &[], Some(("https://shop.example/api", "ann")));
        check("ann/b", &[("service", "shop")], Some(("shop", "ann/b")));
        check("a/b", &[("account", "ann")], Some(("a/b", "ann")));
        check("x", &[("service", "shop"), ("account", "ann")], Some(("shop", "ann")));
        for bad in ["shop", "shop/", "/api", ""] {
            check(bad, &[], None);
        }
        check("x", &[("service", "")], None);
        check("", &[("service", "shop")], None);
    }

    #[test]
    fn errors_tell_nothing_of_what_was_read() {
        let place = Place { service: "shop".into(), account: "ann".into() };
        for (error, kind) in [
            (Error::BadEncoding(b"canary".to_vec()), ProviderErrorKind::Malformed),
            (Error::BadStoreFormat("canary".into()), ProviderErrorKind::Malformed),
            (Error::Invalid("canary".into(), "canary".into()), ProviderErrorKind::InvalidRequest),
            (Error::NoEntry, ProviderErrorKind::NotFound),
            (Error::NoStorageAccess("canary".into()), ProviderErrorKind::Denied),
            (Error::Ambiguous(Vec::new()), ProviderErrorKind::InvalidRequest),
        ] {
            let refused = refused(&error, &place);
            assert_eq!(refused.kind, kind);
            assert!(!format!("{refused:?}").contains("canary"), "{refused:?}");
            assert!(refused.message.contains("service `shop`, account `ann`"), "{refused}");
        }
    }
}
