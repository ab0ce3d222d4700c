//! The protocol of Gemini, `models/NAME:generateContent`.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::prompt::{Call, Message, Prompt, Tool};
use super::reply::{Piece, Words};

/// The request. Whether it is streamed is said by the URL.
pub(super) fn body(prompt: &Prompt) -> Value {
    let contents: Vec<Value> = prompt.messages.iter().map(|one| content(prompt, one)).collect();
    let mut body = json!({ "contents": contents });
    if let Some(system) = prompt.system() {
        body["systemInstruction"] = json!({ "parts": [{ "text": system }] });
    }
    if !prompt.tools.is_empty() {
        let tools: Vec<Value> = prompt.tools.iter().map(tool).collect();
        body["tools"] = json!([{ "functionDeclarations": tools }]);
    }
    let mut config = Map::new();
    if let Some(temperature) = &prompt.temperature {
        config.insert("temperature".to_owned(), Value::Number(temperature.clone()));
    }
    if let Some(top_p) = &prompt.top_p {
        config.insert("topP".to_owned(), Value::Number(top_p.clone()));
    }
    if let Some(max_tokens) = prompt.max_tokens {
        config.insert("maxOutputTokens".to_owned(), max_tokens.into());
    }
    if !config.is_empty() {
        body["generationConfig"] = Value::Object(config);
    }
    body
}

fn content(prompt: &Prompt, message: &Message) -> Value {
    let (role, parts): (_, Vec<Value>) = match message {
        Message::User(text) => ("user", vec![json!({ "text": text.as_str() })]),
        Message::Assistant { text, calls } => {
            let text = text.iter().filter(|text| !text.as_str().is_empty());
            let text = text.map(|text| json!({ "text": text.as_str() }));
            ("model", text.chain(calls.iter().map(call)).collect())
        }
        Message::Tool { call, text } => {
            let response = json!({
                "name": name_of(prompt, call.as_str()), "response": { "result": text.as_str() },
            });
            ("user", vec![json!({ "functionResponse": response })])
        }
    };
    json!({ "role": role, "parts": parts })
}

fn call(call: &Call) -> Value {
    json!({ "functionCall": { "name": call.name.as_str(), "args": call.document() } })
}

/// The tool of a call that was asked for before. Calls of Gemini have no ids but the names of tools.
fn name_of<'p>(prompt: &'p Prompt, id: &'p str) -> &'p str {
    let calls = prompt.messages.iter().flat_map(|message| match message {
        Message::Assistant { calls, .. } => calls.as_slice(),
        Message::User(_) | Message::Tool { .. } => &[],
    });
    let mut found = calls.filter(|call| call.id.as_str() == id);
    found.next().map_or(id, |call| call.name.as_str())
}

fn tool(tool: &Tool) -> Value {
    let mut value = json!({ "name": tool.name.as_str() });
    if let Some(description) = &tool.description {
        value["description"] = description.as_str().into();
    }
    if let Some(parameters) = &tool.parameters {
        value["parameters"] = parameters.clone();
    }
    value
}

/// An answer, or a piece of one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(default, borrow)]
    candidates: Vec<Candidate<'a>>,
    #[serde(default)]
    prompt_feedback: Option<Feedback>,
    #[serde(default)]
    usage_metadata: Option<Usage>,
    #[serde(default)]
    error: Option<Problem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default, borrow)]
    content: Option<Content<'a>>,
    #[serde(default)]
    finish_reason: Option<Words>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(default, borrow)]
    parts: Vec<Part<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(default)]
    text: Option<Words>,
    /// What the model thought, which nobody asked for.
    #[serde(default)]
    thought: bool,
    #[serde(default, borrow)]
    function_call: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(default)]
    id: Option<Words>,
    name: Words,
    #[serde(default, borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(default)]
    block_reason: Option<Words>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    #[serde(default)]
    prompt_token_count: Option<u64>,
    #[serde(default)]
    candidates_token_count: Option<u64>,
}

/// The pieces in an answer, or in an event of one.
pub(super) fn read(data: &[u8]) -> serde_json::Result<Vec<Piece>> {
    let answer: Answer<'_> = serde_json::from_slice(data)?;
    let mut pieces = Vec::new();
    if let Some(problem) = answer.error {
        pieces.push(Piece::Refused(problem.word()));
    }
    if let Some(word) = answer.prompt_feedback.and_then(|feedback| feedback.block_reason) {
        pieces.push(Piece::Refused(Some(word)));
    }
    for candidate in answer.candidates.into_iter().take(1) {
        let parts = candidate.content.map(|content| content.parts).unwrap_or_default();
        for part in parts.into_iter().filter(|part| !part.thought) {
            pieces.extend(part.text.map(Piece::Text));
            pieces.extend(part.function_call.map(|function| Piece::Call {
                place: None,
                id: Some(function.id.unwrap_or_else(|| Words::of(function.name.as_str()))),
                name: Some(function.name),
                arguments: function.args.map(|args| Words::of(args.get())),
            }));
        }
        pieces.extend(candidate.finish_reason.map(Piece::Stop));
    }
    if let Some(usage) = answer.usage_metadata {
        let (prompt, reply) = (usage.prompt_token_count, usage.candidates_token_count);
        pieces.push(Piece::Tokens { prompt, reply });
    }
    Ok(pieces)
}
