//! Where a connection's requests may go.

use subrosa_engine::secret::SecretValue;
use subrosa_http::{Address, Url};

use super::ApplyError;
use super::values::encode;
use crate::kind::{ConnectionType, Format, Piece, Template};
use crate::opened::Opened;

/// The URL that a text means for a connection: a whole one, or a path below the base URL. It belongs to the
/// connection.
///
/// # Errors
/// [`ApplyError`]
pub fn locate(opened: &Opened, text: &str) -> Result<Url, ApplyError> {
    let base = base(opened)?;
    let url = if text.starts_with('/') {
        Url::parse(&format!("{}{text}", base.as_str().trim_end_matches('/')))
    } else {
        Url::parse(text)
    };
    let url = url.map_err(|_| ApplyError::Malformed)?;
    check(opened, &url)?;
    Ok(url)
}

/// Whether a URL belongs to a connection.
pub(super) fn check(opened: &Opened, url: &Url) -> Result<(), ApplyError> {
    let base = base(opened)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ApplyError::UserInfo);
    }
    let is_of_service = || {
        let host = url.host_str().unwrap_or_default();
        let is_plain = url.scheme() == "https" && url.port().is_none();
        is_plain && opened.kind.apply.hosts.iter().any(|known| is_host(known, host))
    };
    if url.origin() != base.origin() && !is_of_service() {
        let origin = |url: &Url| url.origin().ascii_serialization();
        return Err(ApplyError::OtherOrigin { found: origin(url), wanted: origin(&base) });
    }
    Ok(())
}

/// Whether a host is `known`, or below it if that is `*.host`.
fn is_host(known: &str, host: &str) -> bool {
    match known.strip_prefix("*.") {
        Some(parent) => host
            .strip_suffix(parent)
            .is_some_and(|rest| rest.strip_suffix('.').is_some_and(|name| !name.is_empty())),
        None => known == host,
    }
}

fn base(opened: &Opened) -> Result<Url, ApplyError> {
    let Some(template) = &opened.kind.apply.base_url else {
        return Err(ApplyError::NotHttp { kind: opened.kind.id.clone() });
    };
    let url = url(&opened.kind, template, |name| opened.value(name))?;
    let is_local = || {
        Address::parse(&url.origin().ascii_serialization())
            .is_ok_and(|address| address.is_loopback())
    };
    if url.scheme() != "https" && !is_local() {
        return Err(ApplyError::Unencrypted { origin: url.origin().ascii_serialization() });
    }
    Ok(url)
}

/// The URL of a template of public fields: endpoints of OAuth, too.
///
/// A value at the beginning is the address that it is; one in the name of a host has to be a part of such
/// a name; one elsewhere is encoded.
///
/// # Errors
/// [`ApplyError`]
pub fn url(
    kind: &ConnectionType,
    template: &Template,
    value: impl Fn(&str) -> Option<SecretValue>,
) -> Result<Url, ApplyError> {
    Url::parse(&text(kind, template, value)?).map_err(|_| ApplyError::Malformed)
}

/// The text of a URL or of a path.
pub(crate) fn text(
    kind: &ConnectionType,
    template: &Template,
    value: impl Fn(&str) -> Option<SecretValue>,
) -> Result<String, ApplyError> {
    let mut out = String::new();
    for (place, piece) in template.0.iter().enumerate() {
        let name = match piece {
            Piece::Text(text) => {
                out.push_str(text);
                continue;
            }
            Piece::Field(name) => name,
        };
        let field = kind.field(name).filter(|field| !field.is_secret);
        let misplaced = || ApplyError::Misplaced { field: name.clone() };
        let field = field.ok_or_else(misplaced)?;
        let value = value(name).ok_or_else(|| ApplyError::Missing { field: name.clone() })?;
        #[expect(clippy::disallowed_methods, reason = "the field is public")]
        let bytes = value.expose();
        let is_whole = place == 0 && matches!(field.format, Format::Url | Format::Path);
        if is_whole {
            let text = std::str::from_utf8(bytes).map_err(|_| misplaced())?;
            field.check(bytes).map_err(|_| misplaced())?;
            let text = if field.format == Format::Url { text.trim_end_matches('/') } else { text };
            out.push_str(text);
        } else if is_in_host(&out) {
            let holds = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
            if bytes.is_empty() || !bytes.iter().all(holds) {
                return Err(misplaced());
            }
            encode(bytes, &mut out);
        } else {
            // These are steps in a path even when they are encoded.
            if matches!(bytes, b"." | b"..") {
                return Err(misplaced());
            }
            encode(bytes, &mut out);
        }
    }
    Ok(out)
}

/// Whether what comes next still belongs to the name of the host.
fn is_in_host(written: &str) -> bool {
    match written.split_once("://") {
        Some((_, rest)) => !rest.contains(['/', '?', '#']),
        None => false,
    }
}
