//! What a model answers: shown while it comes, and kept until it is whole.

use std::io;

use serde::Deserialize;
use serde_json::{Value, json};
use subrosa_engine::kind::{Hiding, StepFault};
use subrosa_engine::sink::StepIo;
use zeroize::Zeroizing;

/// Bytes that the words of a reply may have, with the calls in it.
const REPLY_LEN_MAX: usize = 4 * 1024 * 1024;
/// Calls of tools that a reply may have.
const CALLS_MAX: usize = 128;

/// A text that a server sent. It may hold anything, be it a value that was told to it before.
#[derive(Default)]
pub(super) struct Words(Zeroizing<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Words, D::Error> {
        String::deserialize(from).map(|text| Words(Zeroizing::new(text)))
    }
}

impl Words {
    pub(super) fn of(text: &str) -> Words {
        Words(Zeroizing::new(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Leaves no copies behind when it grows.
    fn push(&mut self, text: &str) {
        let length = self.0.len() + text.len();
        if length > self.0.capacity() {
            let mut larger = Zeroizing::new(String::with_capacity(length * 2));
            larger.push_str(&self.0);
            self.0 = larger;
        }
        self.0.push_str(text);
    }
}

/// A piece of a reply.
pub(super) enum Piece {
    /// More of its text.
    Text(Words),
    /// A call, or more arguments of one. Without a place it is another one.
    Call { place: Option<u64>, id: Option<Words>, name: Option<Words>, arguments: Option<Words> },
    /// Why it ends here, in the provider's word.
    Stop(Words),
    /// What it cost so far.
    Tokens { prompt: Option<u64>, reply: Option<u64> },
    /// Nothing follows.
    End,
    /// The provider broke it off, for a reason that it names by a word.
    Refused(Option<Words>),
}

/// A reply.
#[derive(Default)]
pub(super) struct Reply {
    text: Words,
    calls: Vec<Asked>,
    stop: Option<Words>,
    tokens: (Option<u64>, Option<u64>),
    is_whole: bool,
    length: usize,
}

/// A call of a tool.
struct Asked {
    place: Option<u64>,
    id: Words,
    name: Words,
    arguments: Words,
}

/// Why a reply is none.
pub(super) enum Broken {
    /// The provider broke it off, perhaps with a word for it.
    Refused(Option<Words>),
    /// It is too large.
    TooLarge,
    /// It cannot be shown.
    Output(io::Error),
}

impl Reply {
    /// Takes a piece; text is shown at once.
    pub(super) fn take(&mut self, piece: Piece, io: &mut StepIo) -> Result<(), Broken> {
        match piece {
            Piece::Text(text) => {
                self.grow(text.as_str().len())?;
                self.text.push(text.as_str());
                io.split().0.write(text.as_str().as_bytes()).map_err(Broken::Output)?;
            }
            Piece::Call { place, id, name, arguments } => {
                self.call(place, [id, name, arguments])?
            }
            Piece::Stop(word) => self.stop = Some(word),
            Piece::Tokens { prompt, reply } => {
                self.tokens = (prompt.or(self.tokens.0), reply.or(self.tokens.1));
            }
            Piece::End => self.is_whole = true,
            Piece::Refused(word) => return Err(Broken::Refused(word)),
        }
        Ok(())
    }

    fn grow(&mut self, by: usize) -> Result<(), Broken> {
        self.length += by;
        if self.length > REPLY_LEN_MAX { Err(Broken::TooLarge) } else { Ok(()) }
    }

    fn call(&mut self, place: Option<u64>, pieces: [Option<Words>; 3]) -> Result<(), Broken> {
        self.grow(pieces.iter().flatten().map(|words| words.as_str().len()).sum())?;
        let known = self.calls.iter().position(|call| call.place.is_some() && call.place == place);
        let at = known.unwrap_or(self.calls.len());
        if at >= CALLS_MAX {
            return Err(Broken::TooLarge);
        }
        if known.is_none() {
            let (id, name, arguments) = Default::default();
            self.calls.push(Asked { place, id, name, arguments });
        }
        let call = &mut self.calls[at];
        let [id, name, arguments] = pieces;
        for (words, given) in [(&mut call.id, id), (&mut call.name, name)] {
            // Some repeat them with every piece.
            if words.as_str().is_empty() {
                *words = given.unwrap_or_default();
            }
        }
        call.arguments.push(arguments.unwrap_or_default().as_str());
        Ok(())
    }

    /// Whether all of it came: it says so, or why it ends.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole || self.stop.is_some()
    }

    /// Shows what is left to show: the end of the line, and the calls, a line each.
    pub(super) fn finish(&self, hiding: &Hiding, io: &mut StepIo) -> io::Result<()> {
        let mut out = io.split().0;
        if !self.text.as_str().is_empty() || self.calls.is_empty() {
            out.write(b"\n")?;
        }
        for call in &self.calls {
            let document = call.document();
            let raw = Zeroizing::new(document.to_string().into_bytes());
            out.write_apart(&raw, &hiding.line(document))?;
            out.write(b"\n")?;
        }
        Ok(())
    }

    /// Why it ends before its end, if it does, in the provider's word.
    pub(super) fn cut(&self) -> Option<&'static str> {
        let words = ["length", "max_tokens", "MAX_TOKENS", "content_filter", "SAFETY", "refusal"];
        let stop = self.stop.as_ref()?.as_str();
        words.into_iter().find(|word| *word == stop)
    }

    /// It, as a message of a transcript.
    pub(super) fn message(&self, hiding: &Hiding) -> Value {
        let calls: Vec<Value> = self.calls.iter().map(Asked::document).collect();
        let mut message =
            json!({ "role": "assistant", "content": hiding.text(self.text.as_str()).as_str() });
        if !calls.is_empty() {
            message["tool_calls"] = Value::Array(calls);
        }
        message
    }

    /// Why it ends, and what it cost, as far as the provider says so.
    pub(super) fn end(&self) -> Value {
        let stop = self.stop.as_ref().and_then(|word| plain(word.as_str()));
        json!({ "stop": stop, "prompt_tokens": self.tokens.0, "reply_tokens": self.tokens.1 })
    }
}

impl Asked {
    /// As a step can give it back in `tool_calls`.
    fn document(&self) -> Value {
        let text = self.arguments.as_str();
        let arguments = match serde_json::from_str(text) {
            Ok(arguments) => arguments,
            Err(_) if text.is_empty() => json!({}),
            Err(_) => Value::String(text.to_owned()),
        };
        json!({ "id": self.id.as_str(), "name": self.name.as_str(), "arguments": arguments })
    }
}

impl Broken {
    /// In words that may be shown; `server` is the place as it may be shown.
    pub(super) fn fault(self, server: &str) -> StepFault {
        match self {
            Broken::Refused(word) => {
                let word = word.as_ref().and_then(|word| plain(word.as_str()));
                let word = word.map(|word| format!(": `{word}`")).unwrap_or_default();
                StepFault::new(format!("`{server}` broke the reply off{word}"))
            }
            Broken::TooLarge => StepFault::new(format!("`{server}` replied with more than 4 MiB"))
                .help("`max_tokens` bounds a reply"),
            Broken::Output(error) => {
                StepFault::new(format!("could not write the reply: {}", error.kind()))
            }
        }
    }
}

/// A word of a provider, if it is nothing but a word: bodies of errors repeat what was sent.
pub(super) fn plain(word: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
    let fits = (1..=48).contains(&word.len()) && word.bytes().all(is_plain);
    fits.then_some(word)
}
