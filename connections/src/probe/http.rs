//! A question over HTTP.

use serde_json::Value;
use subrosa_engine::secret::SecretValue;
use subrosa_http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use subrosa_http::{Answer, Call, Method};
use subrosa_masker::{MaskSet, Policy};
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
    let place = locate(opened, &target)?;
    let server = place.origin().ascii_serialization();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Outcome::untested("its type has a method that is none"))?;
    let mut headers = HeaderMap::new();
    let body = body.as_ref().map(|body| json(opened, body)).transpose()?;
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    // What is asked for is the user's choice where the type has a field for it, and may be for everybody.
    let is_chosen = url.fields().next().is_some() && body.is_none();
    let bare = is_chosen.then(|| Call {
        method: method.clone(),
        url: place.clone(),
        headers: HeaderMap::new(),
        body: None,
    });
    let mut call = Call { method, url: place, headers, body };
    authenticate(opened, &mut call, &Context { now: means.now, token })?;
    let outcome = match means.http.send(call).await {
        Err(fault) => return Err(Outcome::unreachable(fault.message(&server))),
        Ok(answer) => meaning(opened, &answer),
    };
    let (Outcome::Works { .. }, Some(bare)) = (&outcome, bare) else { return Ok(outcome) };
    match means.http.send(bare).await.map(|answer| meaning(opened, &answer)) {
        Ok(Outcome::Works { .. }) => Err(Outcome::untested(
            "the server answers so to everybody, without the credential as well; \
             a path that wants the credential tells more",
        )),
        Ok(_) | Err(_) => Ok(outcome),
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
    let has_secret = {
        let is_in = |part: &[u8]| text.as_bytes().windows(part.len()).any(|window| window == part);
        let parts = || opened.parts.values().map(|part| part.expose());
        // As it is, and in the forms in which a request carries it.
        let masks = MaskSet::new(parts(), &Policy::default());
        parts().any(|part| part.len() >= SECRET_LEN_MIN && is_in(part))
            || masks.is_ok_and(|masks| masks.finds(text.as_bytes()))
    };
    let plain: String = text.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect();
    (!has_secret && !plain.trim().is_empty()).then_some(plain)
}
