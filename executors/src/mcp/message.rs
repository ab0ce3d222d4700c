//! Messages of the protocol: JSON-RPC, one document each.

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// A message, wiped when it is dropped.
pub(super) type Bytes = Zeroizing<Vec<u8>>;

/// What a message means for whoever waits for an answer.
pub(super) enum Heard {
    /// The answer: its result.
    Result(Bytes),
    /// The answer: an error, with the server's words.
    Error { code: i64, text: Zeroizing<String> },
    /// The server asks something; this is to be sent.
    Asked(Bytes),
    /// Nothing.
    Other,
}

/// This is no message of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoMessage;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Option<String>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    message: String,
}

/// A request. `params` is JSON; `method` is a plain word.
pub(super) fn request(id: u64, method: &str, params: &[u8]) -> Bytes {
    let head = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":");
    joined(&[head.as_bytes(), params, b"}"])
}

/// A notification. `params` is JSON; `method` is a plain word.
pub(super) fn notification(method: &str, params: &[u8]) -> Bytes {
    let head = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":");
    joined(&[head.as_bytes(), params, b"}"])
}

/// Pieces in a buffer that never grows.
pub(super) fn joined(pieces: &[&[u8]]) -> Bytes {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    out
}

/// What a message means for whoever waits for the answer to the request `id`.
pub(super) fn hear(data: &[u8], id: u64) -> Result<Heard, NoMessage> {
    let envelope: Envelope<'_> = serde_json::from_slice(data).map_err(|_| NoMessage)?;
    if let Some(method) = &envelope.method {
        let Some(id) = envelope.id else { return Ok(Heard::Other) };
        let head = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},", id.get());
        // Nothing was offered in the handshake, so nothing but this may be asked for.
        let rest: &[u8] = match method.as_str() {
            "ping" => b"\"result\":{}}",
            _ => b"\"error\":{\"code\":-32601,\"message\":\"not offered\"}}",
        };
        return Ok(Heard::Asked(joined(&[head.as_bytes(), rest])));
    }
    let is_answer = envelope.id.is_some_and(|found| found.get() == id.to_string());
    match (envelope.result, envelope.error) {
        (None, None) => Err(NoMessage),
        _ if !is_answer && envelope.id.is_some_and(|found| found.get() != "null") => {
            Ok(Heard::Other)
        }
        (_, Some(error)) => {
            Ok(Heard::Error { code: error.code, text: Zeroizing::new(error.message) })
        }
        (Some(result), None) if is_answer => {
            Ok(Heard::Result(Zeroizing::new(result.get().as_bytes().to_vec())))
        }
        (Some(_), None) => Err(NoMessage),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Heard, hear, notification, request};

    fn check(data: &str, expected: &str) {
        let heard = match hear(data.as_bytes(), 7) {
            Ok(Heard::Result(result)) => format!("result {}", String::from_utf8_lossy(&result)),
            Ok(Heard::Error { code, text }) => format!("error {code} {}", text.as_str()),
            Ok(Heard::Asked(reply)) => format!("reply {}", String::from_utf8_lossy(&reply)),
            Ok(Heard::Other) => "other".to_owned(),
            Err(_) => "none".to_owned(),
        };
        assert_eq!(heard, expected, "{data}");
    }

    #[test]
    fn messages_are_told_apart() {
        check(r#"{"jsonrpc":"2.0","id":7,"result":{"a": 1}}"#, "result {\"a\": 1}");
        check(r#"{"jsonrpc":"2.0","id":8,"result":{}}"#, "other");
        check(r#"{"jsonrpc":"2.0","id":"7","result":{}}"#, "other");
        check(r#"{"id":7,"error":{"code":-32602,"message":"m","data":1}}"#, "error -32602 m");
        check(r#"{"id":null,"error":{"code":-32700,"message":"m"}}"#, "error -32700 m");
        check(r#"{"id":8,"error":{"code":1,"message":"m"}}"#, "other");
        check(r#"{"method":"notifications/message","params":{}}"#, "other");
        check(r#"{"id":"x","method":"ping"}"#, r#"reply {"jsonrpc":"2.0","id":"x","result":{}}"#);
        let refused = r#"{"code":-32601,"message":"not offered"}"#;
        let expected = format!(r#"reply {{"jsonrpc":"2.0","id":1,"error":{refused}}}"#);
        check(r#"{"id":1,"method":"sampling/createMessage"}"#, &expected);
        for none in ["", "x", "{}", "[]", "{\"id\":7}", "{\"result\":{}}", "{\"id\":7,\"error\":1}"]
        {
            check(none, "none");
        }
    }

    #[test]
    fn what_is_sent_is_json() {
        for message in [request(1, "m", b"{\"a\":[]}"), notification("m", b"{\"a\":[]}")] {
            let read: serde_json::Value = serde_json::from_slice(&message).unwrap();
            assert_eq!(read["params"], serde_json::json!({"a": []}));
            assert_eq!(read["jsonrpc"], "2.0");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(data in prop::collection::vec(any::<u8>(), 0..200), id: u64) {
            drop(hear(&data, id));
        }
    }
}
