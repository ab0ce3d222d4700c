//! How a request is authenticated with a connection.
//!
//! A credential goes to the origin of the connection's base URL, to the further hosts that its type names,
//! and nowhere else: whoever writes a step cannot send it away by writing another URL. Values cannot add
//! headers or leave their place in a URL. Headers that carry them are marked, so that no log prints them,
//! and are wiped afterwards; a credential in the query cannot be, since URLs are plain text below, so types
//! use the query only where a service knows nothing else.
//!
//! A token is passed in, or is the part `access_token`; the one of a service account can be exchanged here,
//! those of OAuth cannot.

mod aws_v4;
mod azure;
mod google;
mod place;
mod values;

use std::time::SystemTime;

use data_encoding::BASE64;
use subrosa_engine::secret::SecretValue;
use subrosa_http::header::AUTHORIZATION;
use subrosa_http::{Call, HeaderName, HeaderValue, Url, sensitive};
use zeroize::Zeroizing;

use crate::kind::{Scheme, Template};
use crate::opened::Opened;

pub(crate) use google::token_address;
pub(crate) use place::text as place_text;
pub use place::{locate, url};
use values::Values;

/// What a request needs beside the connection.
pub struct Context<'a> {
    /// For signatures.
    pub now: SystemTime,
    /// The token, if it was exchanged just now; otherwise the part `access_token` counts.
    pub token: Option<&'a SecretValue>,
}

/// Why a request cannot be authenticated. No text has a value of a secret field in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The type has no base URL: it is not for HTTP.
    #[error("connections of the type `{kind}` are not for HTTP")]
    NotHttp {
        /// The type's id.
        kind: String,
    },
    /// The text is no URL, nor a path.
    #[error("this is neither a URL nor a path that begins with `/`")]
    Malformed,
    /// The URL leads elsewhere.
    #[error("`{found}` does not belong to the connection, whose server is `{wanted}`")]
    OtherOrigin {
        /// Where the URL leads: scheme, host and port.
        found: String,
        /// Where it may lead.
        wanted: String,
    },
    /// The URL has a user name or a password in it.
    #[error("the URL has a user name or a password in it")]
    UserInfo,
    /// The base URL is `http` to another machine.
    #[error("`{origin}` is not encrypted, and not this machine")]
    Unencrypted {
        /// Scheme, host and port.
        origin: String,
    },
    /// A field has no value.
    #[error("the field `{field}` has no value")]
    Missing {
        /// Its name.
        field: String,
    },
    /// There is no token yet.
    #[error("the connection was not authorized yet: it has no access token")]
    NoToken,
    /// A value has a line ending or another control character.
    #[error("the field `{field}` has a line ending or another control character")]
    Control {
        /// Its name.
        field: String,
    },
    /// A value would change the structure of the URL.
    #[error("the field `{field}` cannot stand where it stands in the URL")]
    Misplaced {
        /// Its name.
        field: String,
    },
    /// The name of a header that comes from a field is none.
    #[error("`{name}` is no name of a header")]
    HeaderName {
        /// The text.
        name: String,
    },
    /// A user name with a colon, which `Authorization: Basic` cannot carry.
    #[error("the user name has a `:` in it")]
    Colon,
    /// A key that cannot be read.
    #[error("the field `{field}` is no key")]
    Key {
        /// Its name.
        field: String,
    },
}

/// Authenticates a request: its headers, its query, its signature.
///
/// # Errors
/// [`ApplyError`]: the request stays as it was, as far as anyone may send it; it must not be sent.
pub fn authenticate(
    opened: &Opened,
    call: &mut Call,
    context: &Context<'_>,
) -> Result<(), ApplyError> {
    place::check(opened, &call.url)?;
    let values = Values { opened, token: context.token };
    for (name, template) in &opened.kind.apply.headers {
        put_header(&values, call, name, template)?;
    }
    if let Some((user, password)) = &opened.kind.apply.basic {
        let value = basic(&values, user, password)?;
        call.headers.insert(AUTHORIZATION, value);
    }
    for (name, template) in &opened.kind.apply.query {
        if let Some(value) = values.render(template)? {
            put_query(&mut call.url, name, &value);
        }
    }
    match opened.kind.apply.scheme {
        Some(Scheme::AwsV4) => aws_v4::sign(&values, call, context.now),
        Some(Scheme::AzureSharedKey) => azure::sign(&values, call, context.now),
        // Their headers are templates with the token, or there is nothing to do for HTTP.
        Some(Scheme::GoogleServiceAccount | Scheme::Driver) | None => Ok(()),
    }
}

fn put_header(
    values: &Values<'_>,
    call: &mut Call,
    name: &str,
    template: &Template,
) -> Result<(), ApplyError> {
    let Some(value) = values.render(template)? else { return Ok(()) };
    let name = header_name(values, name)?;
    if !values.is_secret(template) {
        // What a step says about the form of its request is for the step to say.
        if !call.headers.contains_key(&name) {
            let value = HeaderValue::from_bytes(&value).map_err(|_| control(template))?;
            call.headers.insert(name, value);
        }
        return Ok(());
    }
    let value = sensitive(value).ok_or_else(|| control(template))?;
    call.headers.insert(name, value);
    Ok(())
}

fn header_name(values: &Values<'_>, name: &str) -> Result<HeaderName, ApplyError> {
    let written = match Template::parse(name) {
        Ok(template) if template.fields().next().is_some() => {
            values.public(&template)?.unwrap_or_default()
        }
        Ok(_) | Err(_) => name.to_owned(),
    };
    HeaderName::from_bytes(written.as_bytes()).map_err(|_| ApplyError::HeaderName { name: written })
}

/// The first field of a template, which is the one whose value does not fit.
fn control(template: &Template) -> ApplyError {
    ApplyError::Control { field: template.fields().next().unwrap_or_default().to_owned() }
}

fn basic(
    values: &Values<'_>,
    user: &Template,
    password: &Template,
) -> Result<HeaderValue, ApplyError> {
    let missing = |template: &Template| ApplyError::Missing {
        field: template.fields().next().unwrap_or_default().to_owned(),
    };
    let name = values.render(user)?.ok_or_else(|| missing(user))?;
    let word = values.render(password)?.ok_or_else(|| missing(password))?;
    basic_value(&name, &word).map_err(|_| ApplyError::Colon)?.ok_or_else(|| control(user))
}

/// A user name has a colon in it.
pub(crate) struct HasColon;

/// `Basic ...`; nothing if it cannot stand in a header.
pub(crate) fn basic_value(user: &[u8], password: &[u8]) -> Result<Option<HeaderValue>, HasColon> {
    if user.contains(&b':') {
        return Err(HasColon);
    }
    let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
    pair.extend_from_slice(user);
    pair.push(b':');
    pair.extend_from_slice(password);
    let head = b"Basic ";
    let mut value = Zeroizing::new(vec![0; head.len() + BASE64.encode_len(pair.len())]);
    let (start, rest) = value.split_at_mut(head.len());
    start.copy_from_slice(head);
    BASE64.encode_mut(&pair, rest);
    Ok(sensitive(value))
}

/// Adds `name=value` to the query, both encoded.
fn put_query(url: &mut Url, name: &str, value: &[u8]) {
    let mut query = Zeroizing::new(url.query().unwrap_or_default().to_owned());
    if !query.is_empty() {
        query.push('&');
    }
    values::encode(name.as_bytes(), &mut query);
    query.push('=');
    values::encode(value, &mut query);
    url.set_query(Some(&query));
}
