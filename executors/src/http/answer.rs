//! What came of a request, told to the step's streams.
//!
//! A body goes out as it comes. As a document it is held until its end, which its bound makes safe.

use std::io;

use serde::de::IgnoredAny;
use subrosa_engine::kind::{Hiding, Input, StepFault, StepRequest};
use subrosa_engine::secret::SecretValue;
use subrosa_engine::sink::StepIo;
use subrosa_http::header::{HeaderMap, LOCATION};
use subrosa_http::{Fault, Incoming, StatusCode, Url};
use zeroize::Zeroizing;

use super::wanted::Wanted;

/// An answer, and the method and place that gave it as they may be shown.
pub(super) struct Came {
    pub(super) incoming: Incoming,
    pub(super) shown: String,
    /// The one that was asked.
    pub(super) url: Url,
}

/// Writes an answer; whether its status is a good one decides about the step.
pub(super) async fn write(
    came: Came,
    wanted: &Wanted,
    request: &StepRequest,
    io: &mut StepIo,
) -> Result<(), StepFault> {
    let Came { incoming, shown, url } = came;
    let status = incoming.status;
    if !wanted.is_silent {
        io.tell(format!("{shown} answered {}\n", words(status)).as_bytes()).map_err(unwritten)?;
    }
    if wanted.tells_headers {
        for (name, value) in &incoming.headers {
            let parts = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"];
            io.tell(&Zeroizing::new(parts.concat())).map_err(unwritten)?;
        }
    }
    let refusal = (!wanted.expect.holds(status)).then(|| unexpected(&shown, &url, &incoming));
    let written = if wanted.wants_document {
        document(incoming, wanted, &request.hiding, io, &shown).await
    } else {
        stream(incoming, wanted, io, &shown).await
    };
    match refusal {
        Some(refusal) => Err(refusal),
        None => written,
    }
}

fn words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

fn unexpected(shown: &str, url: &Url, incoming: &Incoming) -> StepFault {
    let fault = StepFault::new(format!("{shown} answered {}", incoming.status.as_u16()));
    if !incoming.status.is_redirection() {
        return fault;
    }
    let location = incoming.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    match location.and_then(|text| url.join(text).ok()) {
        Some(next) => {
            let origin = next.origin().ascii_serialization();
            fault.help(format!("it leads to `{origin}`; `follow_redirects: true` goes there"))
        }
        None => fault,
    }
}

fn unwritten(error: io::Error) -> StepFault {
    StepFault::new(format!("cannot write the output of the step: {error}"))
}

fn broken(shown: &str, fault: Fault, wanted: &Wanted) -> StepFault {
    let what = match fault {
        Fault::TooLarge => format!("answered with more than {} bytes", wanted.length_max),
        Fault::TimedOut => "did not answer in time".to_owned(),
        Fault::Closed => "closed the connection before all of the answer was there".to_owned(),
        _ => "answered with something that is not HTTP".to_owned(),
    };
    let broken = StepFault::new(format!("{shown} {what}"));
    match fault {
        Fault::TooLarge => broken.help("`max_bytes` allows more"),
        Fault::TimedOut => broken.help("`timeout` gives it more time"),
        _ => broken,
    }
}

async fn stream(
    mut incoming: Incoming,
    wanted: &Wanted,
    io: &mut StepIo,
    shown: &str,
) -> Result<(), StepFault> {
    let mut left = wanted.length_max;
    loop {
        let piece = incoming.chunk().await.map_err(|fault| broken(shown, fault, wanted))?;
        let Some(piece) = piece else { return Ok(()) };
        let taken = piece.get(..left).unwrap_or(&piece);
        io.split().0.write(taken).map_err(unwritten)?;
        if taken.len() < piece.len() {
            return Err(broken(shown, Fault::TooLarge, wanted));
        }
        left -= taken.len();
    }
}

/// The answer as a document: what is captured, and what is shown, in which texts are masked one by one
/// before they are quoted.
async fn document(
    incoming: Incoming,
    wanted: &Wanted,
    hiding: &Hiding,
    io: &mut StepIo,
    shown: &str,
) -> Result<(), StepFault> {
    let (status, headers) = (incoming.status, incoming.headers.clone());
    let body = incoming.body(wanted.length_max).await;
    let body = body.map_err(|fault| broken(shown, fault, wanted))?;
    let raw = assembled(status, &headers, &body, |bytes| SecretValue::new(bytes.to_vec()));
    let masked = assembled(status, &headers, &body, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        SecretValue::new(hiding.text(&text).as_str().as_bytes().to_vec())
    });
    io.split().0.write_apart(&raw, &masked).map_err(unwritten)
}

fn assembled(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    text: impl Fn(&[u8]) -> SecretValue,
) -> Zeroizing<Vec<u8>> {
    let values = |name| headers.get_all(name).iter();
    let headers = headers.keys().map(|name| {
        let values = values(name).map(|value| Input::Text(text(value.as_bytes())));
        (name.to_string(), Input::List(values.collect()))
    });
    let head = Input::Map(vec![
        ("status_code".to_owned(), Input::Number(status.as_u16().to_string())),
        ("headers".to_owned(), Input::Map(headers.collect())),
    ]);
    let head = head.to_json();
    let is_json = serde_json::from_slice::<IgnoredAny>(body).is_ok();
    let quoted = (!is_json).then(|| Input::Text(text(body)).to_json());
    let body = quoted.as_ref().map_or(body, |quoted| quoted.as_slice());
    let open = head.strip_suffix(b"}").unwrap_or(&head);
    let mut out = Zeroizing::new(Vec::with_capacity(open.len() + body.len() + 16));
    for piece in [open, b",\"body\":", body.trim_ascii(), b"}\n"] {
        out.extend_from_slice(piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use subrosa_engine::secret::SecretValue;
    use subrosa_http::StatusCode;
    use subrosa_http::header::{HeaderMap, HeaderValue, SET_COOKIE};

    use super::assembled;

    fn check(body: &str, expected: &serde_json::Value) {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
        headers.append(SET_COOKIE, HeaderValue::from_static("b=2"));
        let as_it_is = |bytes: &[u8]| SecretValue::new(bytes.to_vec());
        let made = assembled(StatusCode::CREATED, &headers, body.as_bytes(), as_it_is);
        let read: serde_json::Value = serde_json::from_slice(&made).unwrap();
        assert_eq!(read["status_code"], 201);
        assert_eq!(read["headers"]["set-cookie"], serde_json::json!(["a=1", "b=2"]));
        assert_eq!(&read["body"], expected, "{body}");
    }

    #[test]
    fn a_document_holds_json_as_it_is_and_other_bodies_as_texts() {
        check("{\"a\": [1, null]}\n", &serde_json::json!({"a": [1, null]}));
        check("\"x\"", &serde_json::json!("x"));
        check("plain \"text\"\n", &serde_json::json!("plain \"text\"\n"));
        check("{\"a\": 1} x", &serde_json::json!("{\"a\": 1} x"));
        check("", &serde_json::json!(""));
    }
}
