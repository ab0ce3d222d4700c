//! The values of a connection, put into its templates.

use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::ApplyError;
use crate::kind::{Piece, Template};
use crate::opened::Opened;
use crate::record::ACCESS_TOKEN;

/// The values of a connection.
pub(super) struct Values<'a> {
    pub(super) opened: &'a Opened,
    pub(super) token: Option<&'a SecretValue>,
}

impl Values<'_> {
    /// The value of a field or of the token; `None`: an optional field that has none.
    pub(super) fn get(&self, name: &str) -> Result<Option<SecretValue>, ApplyError> {
        if name == ACCESS_TOKEN {
            let kept = || self.opened.parts.get(ACCESS_TOKEN).cloned();
            return self.token.cloned().or_else(kept).ok_or(ApplyError::NoToken).map(Some);
        }
        match (self.opened.value(name), self.opened.kind.field(name)) {
            (Some(value), _) => Ok(Some(value)),
            (None, Some(field)) if !field.is_required => Ok(None),
            (None, _) => Err(ApplyError::Missing { field: name.to_owned() }),
        }
    }

    /// The value of a field that has to have one.
    pub(super) fn needed(&self, name: &str) -> Result<SecretValue, ApplyError> {
        self.get(name)?.ok_or_else(|| ApplyError::Missing { field: name.to_owned() })
    }

    /// The text of a public field that has to have one.
    pub(super) fn text(&self, name: &str) -> Result<String, ApplyError> {
        let value = self.needed(name)?;
        #[expect(clippy::disallowed_methods, reason = "fields that are read so are public")]
        let text = String::from_utf8(value.expose().to_vec());
        text.map_err(|_| ApplyError::Control { field: name.to_owned() })
    }

    /// Whether a template has a secret in it.
    pub(super) fn is_secret(&self, template: &Template) -> bool {
        template.fields().any(|name| {
            name == ACCESS_TOKEN || self.opened.kind.field(name).is_none_or(|field| field.is_secret)
        })
    }

    /// The text of a template for one line; nothing if an optional field of it has no value.
    pub(super) fn render(
        &self,
        template: &Template,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, ApplyError> {
        let mut values = Vec::new();
        for name in template.fields() {
            let Some(value) = self.get(name)? else { return Ok(None) };
            values.push((name, value));
        }
        Ok(Some(joined(template, &values)?))
    }

    /// The text of a template of public fields.
    pub(super) fn public(&self, template: &Template) -> Result<Option<String>, ApplyError> {
        let Some(bytes) = self.render(template)? else { return Ok(None) };
        let field = || template.fields().next().unwrap_or_default().to_owned();
        let text = String::from_utf8(bytes.to_vec());
        text.map(Some).map_err(|_| ApplyError::Control { field: field() })
    }
}

#[expect(clippy::disallowed_methods, reason = "the request needs the bytes")]
fn joined(
    template: &Template,
    values: &[(&str, SecretValue)],
) -> Result<Zeroizing<Vec<u8>>, ApplyError> {
    let texts: usize = template.0.iter().map(text_len).sum();
    let length = texts + values.iter().map(|(_, value)| value.expose().len()).sum::<usize>();
    // Of the right size at once: a vector that grew would leave copies behind.
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    let mut values = values.iter();
    for piece in &template.0 {
        match (piece, piece_value(piece, &mut values)) {
            (Piece::Text(text), _) => out.extend_from_slice(text.as_bytes()),
            (Piece::Field(name), Some(value)) => {
                if value.expose().iter().any(u8::is_ascii_control) {
                    return Err(ApplyError::Control { field: name.clone() });
                }
                out.extend_from_slice(value.expose());
            }
            (Piece::Field(name), None) => {
                return Err(ApplyError::Missing { field: name.clone() });
            }
        }
    }
    Ok(out)
}

fn text_len(piece: &Piece) -> usize {
    match piece {
        Piece::Text(text) => text.len(),
        Piece::Field(_) => 0,
    }
}

fn piece_value<'v>(
    piece: &Piece,
    values: &mut impl Iterator<Item = &'v (&'v str, SecretValue)>,
) -> Option<&'v SecretValue> {
    match piece {
        Piece::Text(_) => None,
        Piece::Field(_) => values.next().map(|(_, value)| value),
    }
}

/// Whether a byte stands for itself everywhere in a URL.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Appends bytes, all but unreserved ones as `%XX`.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        if is_unreserved(*byte) {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// What `%XX` stand for; a `%` that begins none is kept.
pub(super) fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| {
        let byte = *bytes.get(at)?;
        u8::try_from(char::from(byte).to_digit(16)?).ok()
    };
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}
