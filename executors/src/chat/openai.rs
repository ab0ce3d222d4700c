//! The protocol of OpenAI, `/chat/completions`, which most other servers speak, too.

use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::prompt::{Call, Message, Prompt, Tool};
use super::reply::{Piece, Words};

/// What OpenAI itself wants; others know the older words only.
pub(super) enum Flavour {
    OpenAi,
    Compatible,
}

/// The request.
pub(super) fn body(prompt: &Prompt, flavour: &Flavour) -> Value {
    let system =
        prompt.system.iter().map(|text| json!({ "role": "system", "content": text.as_str() }));
    let messages: Vec<Value> = system.chain(prompt.messages.iter().map(message)).collect();
    let mut body = json!({
        "model": prompt.model.as_str(), "messages": messages, "stream": prompt.is_streamed,
    });
    if !prompt.tools.is_empty() {
        body["tools"] = prompt.tools.iter().map(tool).collect();
    }
    if let Some(temperature) = &prompt.temperature {
        body["temperature"] = Value::Number(temperature.clone());
    }
    if let Some(top_p) = &prompt.top_p {
        body["top_p"] = Value::Number(top_p.clone());
    }
    if let Some(max_tokens) = prompt.max_tokens {
        let name = match flavour {
            Flavour::OpenAi => "max_completion_tokens",
            Flavour::Compatible => "max_tokens",
        };
        body[name] = max_tokens.into();
    }
    if prompt.is_streamed && matches!(flavour, Flavour::OpenAi) {
        body["stream_options"] = json!({ "include_usage": true });
    }
    body
}

fn message(message: &Message) -> Value {
    match message {
        Message::User(text) => json!({ "role": "user", "content": text.as_str() }),
        Message::Assistant { text, calls } => {
            let text = text.as_ref().map(|text| text.as_str());
            let mut value = json!({ "role": "assistant", "content": text });
            if !calls.is_empty() {
                value["tool_calls"] = calls.iter().map(call).collect();
            }
            value
        }
        Message::Tool { call, text } => {
            json!({ "role": "tool", "tool_call_id": call.as_str(), "content": text.as_str() })
        }
    }
}

fn call(call: &Call) -> Value {
    let arguments = match &call.arguments {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let function = json!({ "name": call.name.as_str(), "arguments": arguments });
    json!({ "id": call.id.as_str(), "type": "function", "function": function })
}

fn tool(tool: &Tool) -> Value {
    let mut function = json!({ "name": tool.name.as_str() });
    if let Some(description) = &tool.description {
        function["description"] = description.as_str().into();
    }
    if let Some(parameters) = &tool.parameters {
        function["parameters"] = parameters.clone();
    }
    json!({ "type": "function", "function": function })
}

/// An answer, or a piece of one.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default, alias = "message")]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: Option<Words>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<Words>,
    #[serde(default)]
    refusal: Option<Words>,
    #[serde(default)]
    tool_calls: Option<Vec<Asked>>,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    id: Option<Words>,
    #[serde(default)]
    function: Option<Function>,
}

#[derive(Default, Deserialize)]
struct Function {
    #[serde(default)]
    name: Option<Words>,
    #[serde(default)]
    arguments: Option<Words>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
}

/// The pieces in an answer, or in an event of one.
pub(super) fn read(data: &[u8]) -> serde_json::Result<Vec<Piece>> {
    if data == b"[DONE]" {
        return Ok(vec![Piece::End]);
    }
    let answer: Answer = serde_json::from_slice(data)?;
    let mut pieces = Vec::new();
    if let Some(problem) = answer.error {
        pieces.push(Piece::Refused(problem.word()));
    }
    // More than one is never asked for.
    for choice in answer.choices.into_iter().take(1) {
        if let Some(delta) = choice.delta {
            pieces.extend(delta.content.map(Piece::Text));
            pieces.extend(delta.refusal.map(Piece::Text));
            for (place, asked) in (0..).zip(delta.tool_calls.unwrap_or_default()) {
                let Function { name, arguments } = asked.function.unwrap_or_default();
                let place = Some(asked.index.unwrap_or(place));
                pieces.push(Piece::Call { place, id: asked.id, name, arguments });
            }
        }
        pieces.extend(choice.finish_reason.map(Piece::Stop));
    }
    if let Some(Usage { prompt_tokens: prompt, completion_tokens: reply }) = answer.usage {
        pieces.push(Piece::Tokens { prompt, reply });
    }
    Ok(pieces)
}
