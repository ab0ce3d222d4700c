//! What the value of a field has to look like.
//!
//! Nothing here says what a value is, nor how long it is: errors name the rule.

use std::str;

use serde::de::IgnoredAny;
use subrosa_http::{Address, AddressError};
use zeroize::Zeroizing;

use super::{ConnectionType, Field, Format};

/// Bytes a value may have: as many as a value of the registry.
const VALUE_LEN_MAX: usize = 64 * 1024;

/// Why a value is none of its field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Nothing, or white space.
    #[error("it is empty")]
    Empty,
    /// More than the registry keeps.
    #[error("it is longer than 64 KiB")]
    TooLong,
    /// Not UTF-8.
    #[error("it is no text")]
    NotText,
    /// A line ending or another control character.
    #[error("it has a line ending or another control character")]
    Control,
    /// No URL.
    #[error("{0}")]
    Url(#[from] AddressError),
    /// `http` to another machine.
    #[error("it is not encrypted: `http://` is for this machine only")]
    Unencrypted,
    /// No host.
    #[error("it is no host: a name or an address, without scheme, port or path")]
    Host,
    /// No port.
    #[error("it is no port: 1 to 65535")]
    Port,
    /// No whole number.
    #[error("it is no whole number")]
    Integer,
    /// Neither `true` nor `false`.
    #[error("it is neither `true` nor `false`")]
    Boolean,
    /// No address of mail.
    #[error("it is no address of mail")]
    Email,
    /// No JSON object.
    #[error("it is no JSON object")]
    Json,
    /// No PEM.
    #[error("it is no PEM block (`-----BEGIN ...`)")]
    Pem,
    /// No path.
    #[error("it is no path: it begins with `/`")]
    Path,
    /// None of the choices.
    #[error("it is none of {0}")]
    Choice(String),
}

/// Fields that a connection needs and does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these fields have no value: {}", .missing.join(", "))]
pub struct Incomplete {
    /// Their names.
    pub missing: Vec<String>,
}

impl ConnectionType {
    /// Whether a connection has all it needs; `has` says which fields were given.
    ///
    /// # Errors
    /// [`Incomplete`]
    pub fn check_complete(&self, has: impl Fn(&str) -> bool) -> Result<(), Incomplete> {
        let is_missing = |field: &&Field| field.is_required && !has(&field.name);
        let missing: Vec<String> =
            self.fields.iter().filter(is_missing).map(|field| field.name.clone()).collect();
        if missing.is_empty() { Ok(()) } else { Err(Incomplete { missing }) }
    }
}

impl Field {
    /// Whether a value may stand in the field, once it is [normalised](Field::normalise).
    ///
    /// # Errors
    /// [`ValueError`]
    pub fn check(&self, value: &[u8]) -> Result<(), ValueError> {
        if value.trim_ascii().is_empty() {
            return Err(ValueError::Empty);
        }
        if value.len() > VALUE_LEN_MAX {
            return Err(ValueError::TooLong);
        }
        let text = str::from_utf8(value).map_err(|_| ValueError::NotText)?;
        let has_lines = matches!(self.format, Format::Lines | Format::Json | Format::Pem);
        let is_line_end = |c: char| has_lines && matches!(c, '\n' | '\r' | '\t');
        if text.chars().any(|c| c.is_control() && !is_line_end(c)) {
            return Err(ValueError::Control);
        }
        self.format.check(text)?;
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice == text) {
            return Err(ValueError::Choice(self.choices.join(", ")));
        }
        Ok(())
    }

    /// The value without what copying and typing leave around it: white space, but of a secret text
    /// only line endings at its end, since a password may begin or end with a space; of a URL also the
    /// last slashes.
    pub fn normalise(&self, value: &[u8]) -> Zeroizing<Vec<u8>> {
        let trimmed = match self.format {
            Format::Text if self.is_secret => trim_line_ends(value),
            Format::Url => {
                let mut url = value.trim_ascii();
                while let Some(shorter) = url.strip_suffix(b"/") {
                    url = shorter;
                }
                url
            }
            _ => value.trim_ascii(),
        };
        Zeroizing::new(trimmed.to_vec())
    }
}

fn trim_line_ends(value: &[u8]) -> &[u8] {
    let mut rest = value;
    while let Some(shorter) = rest.strip_suffix(b"\n").or_else(|| rest.strip_suffix(b"\r")) {
        rest = shorter;
    }
    rest
}

impl Format {
    fn check(self, text: &str) -> Result<(), ValueError> {
        let holds = |holds: bool, error: ValueError| if holds { Ok(()) } else { Err(error) };
        match self {
            Format::Text | Format::Lines => Ok(()),
            Format::Url => {
                let address = Address::parse(text)?;
                holds(address.is_encrypted() || address.is_loopback(), ValueError::Unencrypted)
            }
            Format::Host => holds(is_host(text), ValueError::Host),
            Format::Port => {
                let is_port = text.parse::<u16>().is_ok_and(|port| port > 0);
                holds(is_port && is_number(text), ValueError::Port)
            }
            Format::Integer => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                holds(is_number(digits) && text.parse::<i64>().is_ok(), ValueError::Integer)
            }
            Format::Boolean => holds(matches!(text, "true" | "false"), ValueError::Boolean),
            Format::Email => holds(is_email(text), ValueError::Email),
            Format::Json => holds(is_object(text), ValueError::Json),
            Format::Pem => {
                let text = text.trim();
                let is_pem = text.starts_with("-----BEGIN ") && text.ends_with("-----");
                holds(is_pem && text.contains("-----END "), ValueError::Pem)
            }
            Format::Path => {
                let is_plain = text.chars().all(|c| c.is_ascii_graphic() && c != '#');
                let is_local = text.starts_with('/') && !text.starts_with("//");
                holds(is_local && is_plain && !text.contains('\\'), ValueError::Path)
            }
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_host(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    let is_label = |label: &str| {
        let holds = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(holds)
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else { return false };
    !user.is_empty() && !text.contains(char::is_whitespace) && is_host(host)
}

/// Whether a text is a JSON object; nothing of it is kept.
fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::ValueError;
    use crate::kind::{Field, Format};

    fn field(format: Format) -> Field {
        Field {
            name: "f".to_owned(),
            label: "F".to_owned(),
            help: "what it is".to_owned(),
            is_secret: false,
            is_required: true,
            format,
            default: None,
            choices: Vec::new(),
        }
    }

    fn check(format: Format, good: &[&str], bad: &[(&str, ValueError)]) {
        for text in good {
            assert_eq!(field(format).check(text.as_bytes()), Ok(()), "{text}");
        }
        for (text, error) in bad {
            assert_eq!(field(format).check(text.as_bytes()).as_ref(), Err(error), "{text}");
        }
    }

    #[test]
    fn values_look_like_their_format() {
        check(
            Format::Text,
            &["a", " a b ", "ä"],
            &[("", ValueError::Empty), (" \n", ValueError::Empty), ("a\nb", ValueError::Control)],
        );
        check(Format::Lines, &["a\r\n\tb\n"], &[("a\0b", ValueError::Control)]);
        check(
            Format::Url,
            &["https://host", "https://host:8443/below", "http://127.0.0.1:8080", "http://[::1]"],
            &[
                ("http://host", ValueError::Unencrypted),
                ("host", ValueError::Url(subrosa_http::AddressError::Malformed)),
                ("https://u:p@host", ValueError::Url(subrosa_http::AddressError::Credentials)),
                ("https://host/?a=b", ValueError::Url(subrosa_http::AddressError::Query)),
            ],
        );
        check(
            Format::Host,
            &["db", "db.example.com", "10.0.0.1", "::1", "[::1]", "my_db"],
            &[
                ("https://db", ValueError::Host),
                ("db:5432", ValueError::Host),
                ("db/x", ValueError::Host),
                ("a..b", ValueError::Host),
                ("a b", ValueError::Host),
            ],
        );
        check(
            Format::Port,
            &["1", "5432", "65535"],
            &[("0", ValueError::Port), ("65536", ValueError::Port), ("+1", ValueError::Port)],
        );
        check(
            Format::Integer,
            &["0", "-1", "42"],
            &[
                ("1.5", ValueError::Integer),
                ("-", ValueError::Integer),
                ("+1", ValueError::Integer),
            ],
        );
        check(Format::Boolean, &["true", "false"], &[("yes", ValueError::Boolean)]);
        check(
            Format::Email,
            &["a@b", "a.b+c@example.com"],
            &[("a", ValueError::Email), ("@b", ValueError::Email), ("a b@c", ValueError::Email)],
        );
        check(
            Format::Json,
            &["{}", "{\n \"a\": 1}"],
            &[("[]", ValueError::Json), ("{", ValueError::Json), ("{} x", ValueError::Json)],
        );
        check(
            Format::Pem,
            &["-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"],
            &[("MIIB", ValueError::Pem)],
        );
        check(
            Format::Path,
            &["/", "/api/v1?limit=1"],
            &[
                ("api", ValueError::Path),
                ("//evil.example", ValueError::Path),
                ("/\\evil", ValueError::Path),
                ("/a b", ValueError::Path),
            ],
        );
    }

    #[test]
    fn choices_are_the_only_values() {
        let field = Field { choices: vec!["a".into(), "b".into()], ..field(Format::Text) };
        assert_eq!(field.check(b"a"), Ok(()));
        assert_eq!(field.check(b"canary"), Err(ValueError::Choice("a, b".into())));
        assert_eq!(field.check(&[0xff]), Err(ValueError::NotText));
        assert_eq!(field.check(&vec![b'a'; 65 * 1024]), Err(ValueError::TooLong));
    }

    #[test]
    fn what_copying_leaves_is_taken_away() {
        let check = |field: &Field, text: &str, expected: &str| {
            assert_eq!(
                field.normalise(text.as_bytes()).as_slice(),
                expected.as_bytes(),
                "{text:?}"
            );
        };
        let secret = Field { is_secret: true, ..field(Format::Text) };
        check(&secret, " pass word \r\n\n", " pass word ");
        check(&field(Format::Text), " text \n", "text");
        check(&field(Format::Url), " https://host/api// \n", "https://host/api");
        check(&Field { is_secret: true, ..field(Format::Pem) }, "\nx\ny\n", "x\ny");
    }
}
