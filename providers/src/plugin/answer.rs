//! What a plugin answers, and what its failures are in our words.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64;
use subrosa_engine::provider::{Checked, ProviderError, ProviderErrorKind, Retry, SecretRequest};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::message::Heard;
use crate::place::VALUE_LEN_MAX;
use crate::value;

/// What a plugin answers to a request.
pub(super) enum Answer {
    Value(SecretValue),
    Checked(Checked),
}

pub(super) fn error(kind: ProviderErrorKind, message: String) -> ProviderError {
    ProviderError::new(kind, message)
}

/// The plugin did what the protocol does not have. Its own words are not repeated.
pub(super) fn off_protocol(name: &str, what: &str) -> ProviderError {
    let message = format!("plugin `subrosa-provider-{name}` {what}");
    error(ProviderErrorKind::Malformed, message)
        .help("its standard output is for messages of the protocol alone")
}

pub(super) fn late(name: &str, what: &str, limit: Duration) -> ProviderError {
    let limit = limit.as_secs_f32();
    let message = format!("plugin `subrosa-provider-{name}` {what} within {limit:.1} s");
    error(ProviderErrorKind::TimedOut, message).retry(Retry::Later)
}

/// The answer to a request.
pub(super) fn answer(
    name: &str,
    heard: &Heard<'_>,
    request: &SecretRequest,
) -> Result<Answer, ProviderError> {
    match heard.word() {
        "value" => {
            let encoded = heard.value.as_ref().map(|value| value.0.as_bytes());
            let encoded =
                encoded.ok_or_else(|| off_protocol(name, "sent a value without `value`"))?;
            let decoded = BASE64.decode(encoded).map(Zeroizing::new);
            let value =
                decoded.map_err(|_| off_protocol(name, "sent a value that is no base64"))?;
            if value.len() > VALUE_LEN_MAX {
                return Err(off_protocol(name, "sent a value of more than 1 MiB"));
            }
            let what = || format!("the value of `{}`", request.key);
            value::from_bytes(value, what).map(Answer::Value)
        }
        "checked" => match heard.found.as_ref().map(|found| &*found.0) {
            Some("readable") => Ok(Answer::Checked(Checked::Readable)),
            Some("likely") => Ok(Answer::Checked(Checked::Likely)),
            Some("would-read") => Ok(Answer::Checked(Checked::WouldRead)),
            _ => Err(off_protocol(name, "found out what the protocol does not have")),
        },
        "error" => Err(told(name, heard, &[&request.options.0])),
        _ => Err(off_protocol(name, "sent a message that the protocol does not have")),
    }
}

/// A plugin's own account of a failure, cut to what may be shown: one line, not long, without the
/// options it was given.
pub(super) fn told(
    name: &str,
    heard: &Heard<'_>,
    given: &[&BTreeMap<String, String>],
) -> ProviderError {
    let kind = match heard.kind.as_ref().map(|kind| &*kind.0) {
        Some("invalid-request") => ProviderErrorKind::InvalidRequest,
        Some("not-found") => ProviderErrorKind::NotFound,
        Some("denied") => ProviderErrorKind::Denied,
        Some("unauthenticated") => ProviderErrorKind::Unauthenticated,
        Some("unavailable") => ProviderErrorKind::Unavailable,
        Some("timed-out") => ProviderErrorKind::TimedOut,
        Some("malformed") => ProviderErrorKind::Malformed,
        _ => return off_protocol(name, "told an error of a kind that there is not"),
    };
    let show = |text: &str| {
        // What is short is no credential, and would tear words apart.
        let values = given.iter().flat_map(|options| options.values());
        let mut values: Vec<&String> = values.filter(|value| value.len() >= 6).collect();
        // The longest first: one may have another inside.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let hidden = values
            .into_iter()
            .fold(text.to_owned(), |text, value| text.replace(value.as_str(), "*******"));
        let plain = hidden.chars().map(|c| if c.is_control() { ' ' } else { c });
        plain.take(300).collect::<String>().trim().to_owned()
    };
    let message = heard.message.as_ref().map(|message| show(&message.0)).unwrap_or_default();
    let message =
        if message.is_empty() { "the plugin does not say why".to_owned() } else { message };
    let retry = match (heard.retry_after_ms, heard.retry) {
        (Some(millis), _) => Retry::After(Duration::from_millis(millis)),
        (None, Some(true)) => Retry::Later,
        (None, Some(false) | None) => Retry::Never,
    };
    let error = error(kind, message).retry(retry);
    match heard.help.as_ref().map(|help| show(&help.0)).filter(|help| !help.is_empty()) {
        Some(help) => error.help(help),
        None => error,
    }
}
