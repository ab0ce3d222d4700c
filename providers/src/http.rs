//! HTTP for the providers whose secrets lie behind it: the client of [`subrosa_http`], told in words of
//! the provider port.
//!
//! What is wrong with a setting is an invalid request, what got no answer is as [`no_answer`] says. What an
//! answer means is the caller's business.

use std::collections::BTreeMap;
use std::time::Duration;

use subrosa_engine::provider::{ProviderError, ProviderErrorKind, Retry};
use subrosa_engine::secret::SecretValue;
use subrosa_http::{FaultKind, InvalidSetting};

use crate::setup::invalid;

pub(crate) use subrosa_http::{
    Address, Answer, Call, ClientIdentity, Fault, Http, HttpSettings, Proxy, Roots, Tls, TlsFault,
    sensitive,
};

/// A client. Reads the files of the TLS settings: not for async threads.
///
/// # Errors
/// [`ProviderErrorKind::InvalidRequest`]: a file or an address in the settings is no good.
pub(crate) fn client(settings: &HttpSettings) -> Result<Http, ProviderError> {
    Http::new(settings).map_err(no_good)
}

/// A client whose TLS was set up by the caller.
///
/// # Errors
/// [`ProviderErrorKind::InvalidRequest`]: the proxy's address is no good.
pub(crate) fn client_with_tls(
    tls: rustls::ClientConfig,
    proxy: Option<&Proxy>,
    timeout: Duration,
) -> Result<Http, ProviderError> {
    Http::with_tls(tls, proxy, timeout).map_err(no_good)
}

/// The error about a setting.
pub(crate) fn no_good(setting: InvalidSetting) -> ProviderError {
    invalid(setting.0)
}

/// The error of a request that got no answer; `server` is the place as it may be shown.
pub(crate) fn no_answer(fault: Fault, server: &str) -> ProviderError {
    let (kind, retry) = match fault.kind() {
        FaultKind::Unavailable => (ProviderErrorKind::Unavailable, Retry::Later),
        FaultKind::Untrusted => (ProviderErrorKind::Unavailable, Retry::Never),
        FaultKind::TimedOut => (ProviderErrorKind::TimedOut, Retry::Later),
        FaultKind::Malformed => (ProviderErrorKind::Malformed, Retry::Never),
    };
    let error = ProviderError::new(kind, fault.message(server)).retry(retry);
    match fault.help() {
        Some(help) => error.help(help),
        None => error,
    }
}

/// The proxy that the process environment names for `address`, if it needs one.
pub(crate) fn proxy(address: &Address, process: &BTreeMap<String, SecretValue>) -> Option<Proxy> {
    Proxy::of(address, |name| text(process.get(name)?))
}

#[expect(clippy::disallowed_methods, reason = "the address of a proxy is a setting")]
fn text(value: &SecretValue) -> Option<String> {
    std::str::from_utf8(value.expose()).ok().map(str::to_owned)
}
