//! What the providers of clouds have in common: settings, addresses, and the value in an answer.
//!
//! Settings are read from the process alone: neither a workflow nor a dotenv file chooses whom a cloud
//! takes us for. Credentials go to `https` or to this machine, and nowhere else.

#[cfg(any(feature = "azure", feature = "gcp"))]
pub(crate) mod jwt;
#[cfg(any(feature = "azure", feature = "gcp"))]
pub(crate) mod token;

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use subrosa_engine::provider::{
    Environment, ProviderError, ProviderErrorKind, ResolveContext, Retry, SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use crate::document::{Document, Field, Format};
use crate::http::{self, Address, Answer, Call, Http, HttpSettings, Roots, Tls, sensitive};
use crate::setup::invalid;
use crate::value;

/// How long a request may take, of what the engine allows: it cannot say which server it was.
const TIMEOUT_PART: f64 = 0.95;

/// How long the metadata service of a machine may take, where none may be.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// An error about credentials.
pub(crate) fn unauthenticated(message: impl Into<String>) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Unauthenticated, message)
}

/// A setting of the process, if it is not blank.
pub(crate) fn variable(environment: &Environment, name: &str) -> Option<String> {
    text(&credential(environment, name)?)
}

/// A credential of the process, without blanks around it, if it is not blank.
pub(crate) fn credential(environment: &Environment, name: &str) -> Option<SecretValue> {
    trimmed(environment.process.get(name)?)
}

#[expect(clippy::disallowed_methods, reason = "blanks around it are taken away")]
fn trimmed(value: &SecretValue) -> Option<SecretValue> {
    let bytes = value.expose().trim_ascii();
    (!bytes.is_empty()).then(|| SecretValue::new(bytes.to_vec()))
}

/// A setting as text: an address, a path, a name.
#[expect(clippy::disallowed_methods, reason = "addresses, paths and names are settings")]
pub(crate) fn text(value: &SecretValue) -> Option<String> {
    std::str::from_utf8(value.expose()).ok().map(str::to_owned)
}

/// A header with a credential behind `prefix`; none if it holds what no credential holds.
#[expect(clippy::disallowed_methods, reason = "the credential is sent to the server it is for")]
pub(crate) fn header(prefix: &str, credential: &SecretValue) -> Option<HeaderValue> {
    let bytes = credential.expose();
    let is_credential = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic);
    let mut value = Zeroizing::new(Vec::with_capacity(prefix.len() + bytes.len()));
    value.extend_from_slice(prefix.as_bytes());
    value.extend_from_slice(bytes);
    is_credential.then(|| sensitive(value)).flatten()
}

/// A form of names and values, the last ones of which may be credentials.
pub(crate) fn form(plain: &[(&str, &str)], credentials: &[(&str, &[u8])]) -> Zeroizing<Vec<u8>> {
    let plain = plain.iter().map(|(name, value)| (*name, value.as_bytes()));
    let fields: Vec<(&str, &[u8])> = plain.chain(credentials.iter().copied()).collect();
    // An encoded byte takes three; a vector that grew would leave copies behind.
    let capacity = fields.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(capacity));
    for (name, value) in fields {
        if !body.is_empty() {
            body.push(b'&');
        }
        body.extend_from_slice(name.as_bytes());
        body.push(b'=');
        for byte in value {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    body.push(*byte)
                }
                _ => {
                    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                    let digit = |half: u8| DIGITS[usize::from(half & 15)];
                    body.extend_from_slice(&[b'%', digit(byte >> 4), digit(*byte)]);
                }
            }
        }
    }
    body
}

/// A form on its way.
pub(crate) fn posted(url: Url, form: Zeroizing<Vec<u8>>) -> Call {
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    Call { method: Method::POST, url, headers, body: Some(form) }
}

/// The address that `from` gives, if credentials may go there.
///
/// # Errors
/// It is no address, or not encrypted and elsewhere.
pub(crate) fn address(text: &str, from: &str) -> Result<Address, ProviderError> {
    let address = Address::parse(text)
        .map_err(|error| invalid(format!("the address in {from} is no good: {error}")))?;
    if !address.is_encrypted() && !address.is_loopback() {
        let message = format!("`{address}` in {from} would be asked over the network unencrypted");
        return Err(invalid(message).help("use `https://`"));
    }
    Ok(address)
}

/// Whether it is asked by `http`, at this machine or one of these hosts: whoever gives a machine or a container
/// its credentials.
pub(crate) fn is_near(url: &Url, hosts: &[&str]) -> bool {
    let origin = Address::parse(&url.origin().ascii_serialization());
    let is_loopback = origin.is_ok_and(|origin| origin.is_loopback());
    url.scheme() == "http"
        && url.username().is_empty()
        && (is_loopback || url.host_str().is_some_and(|host| hosts.contains(&host)))
}

/// A client for an address. Reads files: not for async threads.
///
/// # Errors
/// A file, or the proxy, is no good.
pub(crate) fn http(
    context: &ResolveContext,
    address: &Address,
    authority: Option<PathBuf>,
) -> Result<Http, ProviderError> {
    let roots = match authority {
        _ if !address.is_encrypted() => Roots::None,
        Some(path) => Roots::File(path),
        None => Roots::System,
    };
    http::client(&HttpSettings {
        tls: Tls { roots, identity: None },
        proxy: http::proxy(address, &context.env.process),
        timeout: context.request_timeout.mul_f64(TIMEOUT_PART),
    })
}

/// A client for the metadata service of the machine, which is near or not there.
///
/// # Errors
/// No client can be made.
pub(crate) fn metadata_http(context: &ResolveContext) -> Result<Http, ProviderError> {
    http::client(&HttpSettings {
        tls: Tls { roots: Roots::None, identity: None },
        proxy: None,
        timeout: METADATA_TIMEOUT.min(context.request_timeout.mul_f64(TIMEOUT_PART)),
    })
}

/// What an answer means that is none of those of the service: `what` was asked for, in words.
pub(crate) fn unanswered(address: &Address, answer: &Answer, what: &str) -> ProviderError {
    let error = ProviderError::new;
    match answer.status.as_u16() {
        300..=399 => error(
            ProviderErrorKind::Unavailable,
            format!("`{address}` sends elsewhere, and credentials do not follow"),
        ),
        status @ (429 | 500..=599) => error(
            ProviderErrorKind::Unavailable,
            format!("`{address}` cannot answer now ({status})"),
        )
        .retry(answer.retry_after().map_or(Retry::Later, Retry::After)),
        status => {
            error(ProviderErrorKind::Malformed, format!("`{address}` answered {status} for {what}"))
        }
    }
}

/// An answer that is none; `what` was asked for, in words.
pub(crate) fn malformed(address: &Address, what: &str) -> ProviderError {
    let message = format!("`{address}` answered for {what} with something that is no answer");
    ProviderError::new(ProviderErrorKind::Malformed, message)
}

/// An option that is not blank.
pub(crate) fn option(request: &SecretRequest, name: &str) -> Option<String> {
    let value = request.options.0.get(name)?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// The field of JSON that a request asks for; none if for the whole.
///
/// # Errors
/// It is no field.
pub(crate) fn field(request: &SecretRequest) -> Result<Option<Field>, ProviderError> {
    // The ending says what the text is taken for.
    Field::of(request, ".json")
}

/// All of a value, or a field of it; `place` is for messages.
///
/// # Errors
/// It is no JSON, has no such field, or no variable can hold it.
#[expect(clippy::disallowed_methods, reason = "a value is taken apart, or copied into its own")]
pub(crate) fn pick(
    whole: &SecretValue,
    field: Option<&Field>,
    environment: &Environment,
    place: &str,
) -> Result<SecretValue, ProviderError> {
    match field {
        None => value::from_bytes(Zeroizing::new(whole.expose().to_vec()), || place.to_owned()),
        Some(field) => {
            Document::parse(whole.expose(), Format::Json, place)?.field(field, environment, place)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{address, form};

    #[test]
    fn forms_escape_all_that_is_not_plain() {
        let body = form(&[("a", "x y"), ("b", "1-2")], &[("c", b"+/=&\xff")]);
        assert_eq!(body.as_slice(), b"a=x%20y&b=1-2&c=%2B%2F%3D%26%FF");
    }

    #[test]
    fn credentials_go_to_encrypted_servers_or_this_machine() {
        assert!(address("https://host", "it").is_ok());
        assert!(address("http://127.0.0.1:1", "it").is_ok());
        for text in ["http://host", "ftp://host", "host", "https://canary@host"] {
            let error = address(text, "it").unwrap_err();
            assert!(!error.message.contains("canary"), "{error}");
        }
    }
}
