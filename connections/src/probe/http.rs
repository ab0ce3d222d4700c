//! A question over HTTP.

use serde_json::Value;
use subrosa_engine::secret::SecretValue;
use subrosa_http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use subrosa_http::{Answer, Call, Method};
use zeroize::Zeroizing;

use super::{Means, Outcome};
use crate::apply::{Context, authenticate, locate, place_text};
use crate::kind::{Piece, Template, Test};
use crate::opened::Opened;

/// Characters of an answer that are shown.
const SHOWN_MAX: usize = 100;
/// A shorter secret is found in any text; it does not keep one from being shown.
const SECRET_LEN_MIN: usize = 4;

/// Asks, and says what the answer means.
pub(super) async fn ask(
    opened: &Opened,
    means: &Means<'_>,
    token: Option<&SecretValue>,
) -> Result<Outcome, Outcome> {
    let Some(Test::Http { method, url, body, .. }) = &opened.kind.test else {
        return Err(Outcome::untested("its type has no test over HTTP"));
    };
    let target = place_text(&opened.kind, url, |name| opened.value(name))?;
    let url = locate(opened, &target)?;
    let server = url.origin().ascii_serialization();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Outcome::untested("its type has a method that is none"))?;
    let mut headers = HeaderMap::new();
    let body = body.as_ref().map(|body| json(opened, body)).transpose()?;
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let mut call = Call { method, url, headers, body };
    authenticate(opened, &mut call, &Context { now: means.now, token })?;
    match means.http.send(call).await {
        Err(fault) => Err(Outcome::unreachable(fault.message(&server))),
        Ok(answer) => Ok(meaning(opened, &answer)),
    }
}

/// A body of JSON; values stand in its strings.
fn json(opened: &Opened, template: &Template) -> Result<Zeroizing<Vec<u8>>, Outcome> {
    let mut out = Zeroizing::new(Vec::new());
    for piece in &template.0 {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Field(name) => {
                let quoted = Value::String(super::text(opened, name)?).to_string();
                let inside = quoted.get(1..quoted.len() - 1).unwrap_or_default();
                out.extend_from_slice(inside.as_bytes());
            }
        }
    }
    Ok(out)
}

fn meaning(opened: &Opened, answer: &Answer) -> Outcome {
    let Some(Test::Http { expect, refused, shows, ok, .. }) = &opened.kind.test else {
        return Outcome::untested("its type has no test over HTTP");
    };
    let status = answer.status.as_u16();
    if expect.contains(&status) {
        let wants_body = shows.is_some() || ok.is_some();
        let body: Option<Value> =
            wants_body.then(|| serde_json::from_slice(&answer.body).ok()).flatten();
        let at = |pointer: &Option<String>| body.as_ref()?.pointer(pointer.as_deref()?);
        return match (ok, at(ok).and_then(Value::as_bool)) {
            (None, _) | (Some(_), Some(true)) => {
                Outcome::Works { shows: at(shows).and_then(|value| shown(opened, value)) }
            }
            (Some(_), Some(false)) => Outcome::Refused,
            (Some(_), None) => Outcome::unexpected("the answer is not what the service documents"),
        };
    }
    match status {
        _ if refused.contains(&status) => Outcome::Refused,
        403 => Outcome::Denied,
        429 => Outcome::unexpected("the service answered 429: too many requests"),
        500..=599 => Outcome::unreachable(format!("the service answered {status}")),
        300..=399 => {
            Outcome::unexpected(format!("the service answered {status}: it is at another address"))
        }
        _ => Outcome::unexpected(format!("the service answered {status}")),
    }
}

/// What of an answer is shown.
fn shown(opened: &Opened, value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    // A service that gives back what it was given must not have it shown.
    #[expect(clippy::disallowed_methods, reason = "compared only")]
    let has_secret = opened.parts.values().any(|part| {
        let part = part.expose();
        part.len() >= SECRET_LEN_MIN
            && text.as_bytes().windows(part.len()).any(|window| window == part)
    });
    let plain: String = text.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect();
    (!has_secret && !plain.trim().is_empty()).then_some(plain)
}
