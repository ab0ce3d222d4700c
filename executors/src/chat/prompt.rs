//! What a model is asked: all of it masked.
//!
//! A prompt can only be made of masked texts, so no protocol can put a value into a request. The body that
//! a protocol makes of it is masked once more as a document, before it is written out.

use serde_json::{Map, Number, Value, json};
use subrosa_engine::kind::{Hiding, Input, MaskedText};

use super::reply::Reply;

/// What a model is asked.
pub(super) struct Prompt {
    pub(super) model: MaskedText,
    /// What the model is told before all messages, from `system` and from messages of that role.
    pub(super) system: Vec<MaskedText>,
    pub(super) messages: Vec<Message>,
    pub(super) tools: Vec<Tool>,
    pub(super) temperature: Option<Number>,
    pub(super) top_p: Option<Number>,
    pub(super) max_tokens: Option<u64>,
    pub(super) is_streamed: bool,
}

/// A message.
pub(super) enum Message {
    User(MaskedText),
    Assistant { text: Option<MaskedText>, calls: Vec<Call> },
    Tool { call: MaskedText, text: MaskedText },
}

/// A call of a tool that a model asked for before.
pub(super) struct Call {
    pub(super) id: MaskedText,
    pub(super) name: MaskedText,
    /// A text is JSON already.
    pub(super) arguments: Value,
}

/// A tool that the model may ask for.
pub(super) struct Tool {
    pub(super) name: MaskedText,
    pub(super) description: Option<MaskedText>,
    /// A JSON Schema.
    pub(super) parameters: Option<Value>,
}

impl Prompt {
    /// The prompt of a step: `llm` has its settings, or the step itself.
    pub(super) fn of(input: &Input, hiding: &Hiding) -> Prompt {
        let settings = settings(input);
        let masked = Masked(hiding);
        let number = |name: &str| match settings.get(name) {
            Some(Input::Number(number)) => serde_json::from_str(number).ok(),
            _ => None,
        };
        let mut prompt = Prompt {
            model: masked.text(settings, "model").unwrap_or_else(|| hiding.text("")),
            system: masked.text(settings, "system").into_iter().collect(),
            messages: Vec::new(),
            tools: input.list("tools").iter().map(|tool| masked.tool(tool)).collect(),
            temperature: number("temperature"),
            top_p: number("top_p"),
            max_tokens: settings.whole("max_tokens"),
            is_streamed: settings.flag("stream", true),
        };
        for message in input.list("messages") {
            prompt.add(&masked, message);
        }
        prompt
    }

    fn add(&mut self, masked: &Masked<'_>, message: &Input) {
        let text = masked.text(message, "content");
        let or_empty = |text: Option<MaskedText>| text.unwrap_or_else(|| masked.0.text(""));
        let role = message.text("role").map(|role| masked.0.value(role));
        match role.as_ref().map_or("", MaskedText::as_str) {
            "system" => self.system.extend(text),
            "assistant" => {
                let calls = message.list("tool_calls").iter().map(|call| masked.call(call));
                self.messages.push(Message::Assistant { text, calls: calls.collect() });
            }
            "tool" => self.messages.push(Message::Tool {
                call: or_empty(masked.text(message, "tool_call_id")),
                text: or_empty(text),
            }),
            _ => self.messages.push(Message::User(or_empty(text))),
        }
    }

    /// It and its reply as a transcript.
    pub(super) fn transcript(&self, server: &str, reply: &Reply, hiding: &Hiding) -> Value {
        let system = self.system.iter();
        let system = system.map(|text| json!({ "role": "system", "content": text.as_str() }));
        let messages = self.messages.iter().map(Message::document);
        let all: Vec<Value> = system.chain(messages).chain([reply.message(hiding)]).collect();
        let tools: Vec<Value> = self.tools.iter().map(Tool::document).collect();
        json!({
            "server": server, "model": self.model.as_str(), "messages": all, "tools": tools,
            "end": reply.end(),
        })
    }

    /// All that the model is told before the messages, in one text.
    pub(super) fn system(&self) -> Option<String> {
        let parts: Vec<&str> = self.system.iter().map(MaskedText::as_str).collect();
        (!parts.is_empty()).then(|| parts.join("\n\n"))
    }
}

impl Message {
    /// As a step writes it.
    fn document(&self) -> Value {
        match self {
            Message::User(text) => json!({ "role": "user", "content": text.as_str() }),
            Message::Assistant { text, calls } => {
                let text = text.as_ref().map(MaskedText::as_str);
                let call = |call: &Call| {
                    json!({
                        "id": call.id.as_str(), "name": call.name.as_str(),
                        "arguments": call.document(),
                    })
                };
                let calls: Vec<Value> = calls.iter().map(call).collect();
                json!({ "role": "assistant", "content": text, "tool_calls": calls })
            }
            Message::Tool { call, text } => json!({
                "role": "tool", "tool_call_id": call.as_str(), "content": text.as_str(),
            }),
        }
    }
}

impl Tool {
    fn document(&self) -> Value {
        let description = self.description.as_ref().map(MaskedText::as_str);
        json!({
            "name": self.name.as_str(), "description": description, "parameters": self.parameters,
        })
    }
}

impl Call {
    /// The arguments, as what they say.
    pub(super) fn document(&self) -> Value {
        match &self.arguments {
            Value::String(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
            }
            other => other.clone(),
        }
    }
}

/// Where the settings of the model stand.
pub(super) fn settings(input: &Input) -> &Input {
    input.get("llm").unwrap_or(input)
}

struct Masked<'a>(&'a Hiding);

impl Masked<'_> {
    fn text(&self, input: &Input, name: &str) -> Option<MaskedText> {
        input.get(name)?.to_text().map(|text| self.0.value(&text))
    }

    fn or_empty(&self, input: &Input, name: &str) -> MaskedText {
        self.text(input, name).unwrap_or_else(|| self.0.text(""))
    }

    fn call(&self, call: &Input) -> Call {
        let arguments = call.get("arguments").map(|arguments| self.document(arguments));
        Call {
            id: self.or_empty(call, "id"),
            name: self.or_empty(call, "name"),
            arguments: arguments.unwrap_or_else(|| Value::Object(Map::new())),
        }
    }

    fn tool(&self, tool: &Input) -> Tool {
        Tool {
            name: self.or_empty(tool, "name"),
            description: self.text(tool, "description"),
            parameters: tool.get("parameters").map(|schema| self.document(schema)),
        }
    }

    fn document(&self, input: &Input) -> Value {
        match input {
            Input::Null => Value::Null,
            Input::Flag(flag) => Value::Bool(*flag),
            Input::Number(number) => {
                serde_json::from_str(number).map_or(Value::Null, Value::Number)
            }
            Input::Text(text) => Value::String(self.0.value(text).to_string()),
            Input::List(items) => {
                Value::Array(items.iter().map(|item| self.document(item)).collect())
            }
            Input::Map(entries) => {
                let entry = |(key, value): &(String, Input)| {
                    (self.0.text(key).to_string(), self.document(value))
                };
                Value::Object(entries.iter().map(entry).collect())
            }
        }
    }
}
