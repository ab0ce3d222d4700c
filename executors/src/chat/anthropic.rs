//! The protocol of Anthropic, `/v1/messages`.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::problem::Problem;
use super::prompt::{Call, Message, Prompt, Tool};
use super::reply::{Piece, Words};

/// The version of the protocol.
pub(super) const VERSION: &str = "2023-06-01";

/// Every request has to say how long a reply may be.
const MAX_TOKENS: u64 = 4096;

/// The request.
pub(super) fn body(prompt: &Prompt) -> Value {
    let mut body = json!({
        "model": prompt.model.as_str(),
        "max_tokens": prompt.max_tokens.unwrap_or(MAX_TOKENS),
        "messages": messages(prompt),
        "stream": prompt.is_streamed,
    });
    if let Some(system) = prompt.system() {
        body["system"] = system.into();
    }
    if !prompt.tools.is_empty() {
        body["tools"] = prompt.tools.iter().map(tool).collect();
    }
    if let Some(temperature) = &prompt.temperature {
        body["temperature"] = Value::Number(temperature.clone());
    }
    if let Some(top_p) = &prompt.top_p {
        body["top_p"] = Value::Number(top_p.clone());
    }
    body
}

/// Answers of tools that follow each other are one message.
fn messages(prompt: &Prompt) -> Vec<Value> {
    let mut messages: Vec<Value> = Vec::new();
    let mut answers: Vec<Value> = Vec::new();
    for message in &prompt.messages {
        if let Message::Tool { call, text } = message {
            let answer = json!({
                "type": "tool_result", "tool_use_id": call.as_str(), "content": text.as_str(),
            });
            answers.push(answer);
            continue;
        }
        messages.extend(answered(&mut answers));
        messages.push(match message {
            Message::User(text) => json!({ "role": "user", "content": text.as_str() }),
            Message::Tool { .. } => continue,
            Message::Assistant { text, calls } => {
                let text = text.iter().filter(|text| !text.as_str().is_empty());
                let text = text.map(|text| json!({ "type": "text", "text": text.as_str() }));
                let blocks: Vec<Value> = text.chain(calls.iter().map(call)).collect();
                json!({ "role": "assistant", "content": blocks })
            }
        });
    }
    messages.extend(answered(&mut answers));
    messages
}

fn answered(answers: &mut Vec<Value>) -> Option<Value> {
    let answers = std::mem::take(answers);
    (!answers.is_empty()).then(|| json!({ "role": "user", "content": answers }))
}

fn call(call: &Call) -> Value {
    json!({
        "type": "tool_use", "id": call.id.as_str(), "name": call.name.as_str(),
        "input": call.document(),
    })
}

fn tool(tool: &Tool) -> Value {
    let schema = tool.parameters.clone().unwrap_or_else(|| json!({ "type": "object" }));
    let mut value = json!({ "name": tool.name.as_str(), "input_schema": schema });
    if let Some(description) = &tool.description {
        value["description"] = description.as_str().into();
    }
    value
}

/// An answer, or an event of one.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "type")]
    kind: Words,
    #[serde(default)]
    index: Option<u64>,
    /// Of a whole answer.
    #[serde(default, borrow)]
    content: Vec<Block<'a>>,
    #[serde(default)]
    stop_reason: Option<Words>,
    #[serde(default)]
    usage: Option<Usage>,
    /// Of events.
    #[serde(default)]
    message: Option<Started>,
    #[serde(default, borrow)]
    content_block: Option<Block<'a>>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type")]
    kind: Words,
    #[serde(default)]
    text: Option<Words>,
    #[serde(default)]
    id: Option<Words>,
    #[serde(default)]
    name: Option<Words>,
    #[serde(default, borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Started {
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    text: Option<Words>,
    #[serde(default)]
    partial_json: Option<Words>,
    #[serde(default)]
    stop_reason: Option<Words>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

/// The pieces in an answer, or in an event of one.
pub(super) fn read(data: &[u8]) -> serde_json::Result<Vec<Piece>> {
    let answer: Answer<'_> = serde_json::from_slice(data)?;
    let place = answer.index;
    let mut pieces = Vec::new();
    match answer.kind.as_str() {
        "message" => {
            for block in answer.content {
                let input = block.input.map(|input| Words::of(input.get()));
                pieces.extend(piece(block, None, input));
            }
        }
        // What a call is called with follows in events of its own.
        "content_block_start" => {
            pieces.extend(answer.content_block.and_then(|block| piece(block, place, None)));
        }
        "content_block_delta" => {
            if let Some(Delta { text, partial_json, .. }) = answer.delta {
                pieces.extend(text.map(Piece::Text));
                pieces.extend(partial_json.map(|json| Piece::Call {
                    place,
                    id: None,
                    name: None,
                    arguments: Some(json),
                }));
            }
        }
        "message_start" => {
            pieces.extend(answer.message.and_then(|message| message.usage).map(tokens));
        }
        "message_delta" => {
            pieces.extend(answer.delta.and_then(|delta| delta.stop_reason).map(Piece::Stop));
        }
        "message_stop" => pieces.push(Piece::End),
        "error" => pieces.push(Piece::Refused(answer.error.and_then(Problem::word))),
        _ => {}
    }
    pieces.extend(answer.stop_reason.map(Piece::Stop));
    pieces.extend(answer.usage.map(tokens));
    Ok(pieces)
}

fn piece(block: Block<'_>, place: Option<u64>, arguments: Option<Words>) -> Option<Piece> {
    match block.kind.as_str() {
        "text" => block.text.map(Piece::Text),
        "tool_use" => Some(Piece::Call { place, id: block.id, name: block.name, arguments }),
        _ => None,
    }
}

fn tokens(usage: Usage) -> Piece {
    Piece::Tokens { prompt: usage.input_tokens, reply: usage.output_tokens }
}
