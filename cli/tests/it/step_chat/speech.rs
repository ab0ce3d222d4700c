//! What is said in the three protocols, in both directions.

use serde_json::{Value, json};

use super::KEY;
use super::peer::Script;

/// A reply in the words of a protocol: as events or in one.
pub(super) fn reply(provider: &str, stream: bool, words: &[&str]) -> String {
    let text = words.concat();
    let event = |value: &Value| format!("data: {value}\n\n");
    match (provider, stream) {
        ("anthropic", true) => {
            let deltas = words.iter().map(|word| {
                let delta = json!({"type": "text_delta", "text": word});
                event(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
            });
            let start = json!({"type": "message_start", "message": {"usage": {"input_tokens": 7}}});
            let stop = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
                              "usage": {"output_tokens": 2}});
            let block = json!({"type": "content_block_start", "index": 0,
                               "content_block": {"type": "text", "text": ""}});
            let all = [event(&start), event(&block), event(&json!({"type": "ping"}))].into_iter();
            let all = all.chain(deltas).chain([event(&stop), event(&json!({"type": "message_stop"}))]);
            all.collect()
        }
        ("anthropic", false) => json!({"type": "message", "role": "assistant", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": text}],
            "usage": {"input_tokens": 7, "output_tokens": 2}})
        .to_string(),
        ("gemini", true) => {
            let parts = words.iter().map(|word| {
                event(&json!({"candidates": [{"content": {"parts": [{"text": word}]}}]}))
            });
            let usage = json!({"promptTokenCount": 7, "candidatesTokenCount": 2});
            let end = json!({"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage});
            parts.chain([event(&end)]).collect()
        }
        ("gemini", false) => json!({
            "candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2}})
        .to_string(),
        (_, true) => {
            let deltas = words.iter().map(|word| {
                event(&json!({"choices": [{"index": 0, "delta": {"content": word}}]}))
            });
            let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
            let usage = json!({"choices": [],
                               "usage": {"prompt_tokens": 7, "completion_tokens": 2}});
            deltas.chain([event(&end), event(&usage), "data: [DONE]\n\n".to_owned()]).collect()
        }
        (_, false) => json!({
            "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 2}})
        .to_string(),
    }
}

pub(super) fn script(stream: bool, text: &str, length: usize) -> Script {
    if stream { Script::events(text, length) } else { Script::whole("200 OK", text) }
}

/// What each protocol sends for the same step.
pub(super) fn sent(provider: &str, stream: bool) -> (&'static str, &'static str, Value) {
    let (system, user) = ("be kind to *******", "my token is ******* thanks");
    match provider {
        "anthropic" => (
            "POST /v1/messages HTTP/1.1",
            "x-api-key",
            json!({"model": "m-1", "max_tokens": 9, "stream": stream, "system": system,
                   "messages": [{"role": "user", "content": user}],
                   "temperature": 0.5, "top_p": 1}),
        ),
        "gemini" => (
            if stream {
                "POST /v1beta/models/m-1:streamGenerateContent?alt=sse HTTP/1.1"
            } else {
                "POST /v1beta/models/m-1:generateContent HTTP/1.1"
            },
            "x-goog-api-key",
            json!({"contents": [{"role": "user", "parts": [{"text": user}]}],
                   "systemInstruction": {"parts": [{"text": system}]},
                   "generationConfig": {"temperature": 0.5, "topP": 1, "maxOutputTokens": 9}}),
        ),
        _ => (
            "POST /v1/chat/completions HTTP/1.1",
            "authorization",
            json!({"model": "m-1", "stream": stream, "temperature": 0.5, "top_p": 1, "max_tokens": 9,
                   "messages": [{"role": "system", "content": system},
                                {"role": "user", "content": user}]}),
        ),
    }
}

/// Calls of a tool in the words of a protocol, with the key in their arguments.
pub(super) fn calls(provider: &str, stream: bool) -> String {
    let event = |value: &Value| format!("data: {value}\n\n");
    let arguments = json!({"of": KEY, "deep": [{"n": 1}]});
    let text = arguments.to_string();
    let half = text.char_indices().nth(12).unwrap().0;
    match (provider, stream) {
        ("anthropic", true) => {
            let block = json!({"type": "tool_use", "id": "c1", "name": "look", "input": {}});
            let delta = |part: &str| {
                let delta = json!({"type": "input_json_delta", "partial_json": part});
                event(&json!({"type": "content_block_delta", "index": 1, "delta": delta}))
            };
            let start = json!({"type": "content_block_start", "index": 1, "content_block": block});
            [event(&start), delta(&text[..half]), delta(&text[half..])].concat()
                + &event(&json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}))
        }
        ("anthropic", false) => json!({"type": "message", "stop_reason": "tool_use",
            "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": arguments}]})
        .to_string(),
        ("gemini", _) => {
            let part = json!({"functionCall": {"id": "c1", "name": "look", "args": arguments}});
            let whole =
                json!({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]});
            if stream { event(&whole) } else { whole.to_string() }
        }
        (_, true) => {
            let delta = |call: Value| {
                event(
                    &json!({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": null}]}),
                )
            };
            let first = json!({"index": 0, "id": "c1",
                               "function": {"name": "look", "arguments": text[..half]}});
            let second = json!({"index": 0, "function": {"arguments": text[half..]}});
            [delta(first), delta(second)].concat() + "data: [DONE]\n\n"
        }
        (_, false) => {
            let call = json!({"id": "c1", "type": "function",
                              "function": {"name": "look", "arguments": text}});
            let message = json!({"content": null, "tool_calls": [call]});
            json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).to_string()
        }
    }
}
