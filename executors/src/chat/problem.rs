//! What a provider says went wrong: a status and a word, never a text. Texts of errors repeat what was sent.

use serde::Deserialize;
use serde::de::IgnoredAny;
use subrosa_engine::kind::StepFault;
use subrosa_http::StatusCode;

use super::reply::{Words, plain};

/// The `error` of an answer or of an event.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Problem {
    /// As all three protocols have it.
    Object {
        /// OpenAI and Anthropic.
        #[serde(default, rename = "type")]
        kind: Option<Word>,
        /// OpenAI; a number for others.
        #[serde(default)]
        code: Option<Word>,
        /// Gemini.
        #[serde(default)]
        status: Option<Word>,
    },
    /// A text, as some servers write it.
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Word {
    Text(Words),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Body {
    error: Problem,
}

impl Problem {
    /// The most telling word of it.
    pub(super) fn word(self) -> Option<Words> {
        let Problem::Object { kind, code, status } = self else { return None };
        [code, status, kind].into_iter().flatten().find_map(|word| match word {
            Word::Text(text) => plain(text.as_str()).is_some().then_some(text),
            Word::Other(_) => None,
        })
    }
}

/// The word in the body of an error.
pub(super) fn word_of(body: &[u8]) -> Option<Words> {
    // Gemini answers with a list where it would have streamed.
    let listed = serde_json::from_slice::<[Body; 1]>(body).map(|[body]| body);
    let body = listed.or_else(|_| serde_json::from_slice::<Body>(body)).ok()?;
    body.error.word()
}

/// What an answer that is none says; `key` is what holds the API key, as it may be shown.
pub(super) fn refusal(
    status: StatusCode,
    body: &[u8],
    server: &str,
    key: Option<&str>,
) -> StepFault {
    let word = word_of(body);
    let word = word.as_ref().map(|word| format!(" `{}`", word.as_str())).unwrap_or_default();
    let fault = StepFault::new(format!("`{server}` answered {}{word}", status.as_u16()));
    match status.as_u16() {
        401 | 403 => match key {
            Some(key) => {
                fault.help(format!("is the key in {key} right, and may it use the model?"))
            }
            None => fault.help("it wants an API key: write `connection`, or `api_key_name`"),
        },
        404 => fault.help("are `model` and `base_url` right?"),
        408 | 429 | 500..=599 => fault.help("`retry_policy` of the step tries again"),
        300..=399 => {
            fault.help("redirects are not followed: write where it leads to as `base_url`")
        }
        _ => fault,
    }
}
