//! What a step wants, read from its filled fields.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::IgnoredAny;
use subrosa_engine::kind::{Input, StepFault, StepRequest};
use subrosa_engine::secret::SecretValue;
use subrosa_http::{HeaderMap, Roots};
use zeroize::Zeroizing;

use super::message::Bytes;
use crate::http::body::working_path;
use crate::http::wanted::headers;

const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a message, unless the step says otherwise.
const LENGTH_MAX: usize = 10 * 1024 * 1024;

/// Who is asked.
pub(super) enum Server {
    /// A program with its arguments.
    Program(Vec<String>),
    /// A URL, or a path below the base URL of a connection.
    Url(Zeroizing<String>),
}

/// A call of a tool.
pub(super) struct Tool {
    /// Its name as JSON.
    pub(super) name: Bytes,
    /// Its name as it may be shown.
    pub(super) shown: String,
    /// JSON.
    pub(super) arguments: Bytes,
}

/// What a step wants.
pub(super) struct Wanted {
    pub(super) server: Server,
    /// The call; none if the tools are listed.
    pub(super) tool: Option<Tool>,
    /// Variables of a program.
    pub(super) env: Vec<(String, SecretValue)>,
    pub(super) headers: HeaderMap,
    pub(super) wants_json: bool,
    pub(super) timeout: Duration,
    pub(super) length_max: usize,
    /// The authorities that count, if the step names them.
    pub(super) roots: Option<PathBuf>,
}

impl Wanted {
    /// Reads the fields of a step.
    pub(super) fn read(request: &StepRequest) -> Result<Wanted, StepFault> {
        let input = &request.input;
        let tool = if request.operation == "list" { None } else { Some(tool(request)?) };
        let length_max = input.whole("max_bytes").and_then(|length| usize::try_from(length).ok());
        Ok(Wanted {
            server: server(request)?,
            tool,
            env: env(request),
            headers: headers(input, None)?,
            wants_json: input.text("output").is_some_and(is_json),
            timeout: input.whole("timeout").map_or(TIMEOUT, Duration::from_secs),
            length_max: length_max.unwrap_or(LENGTH_MAX),
            roots: input.text("ca_cert").map(|path| working_path(request, path)).transpose()?,
        })
    }

    /// Whom to trust.
    pub(super) fn roots(&self) -> Roots {
        self.roots.clone().map_or(Roots::System, Roots::File)
    }
}

#[expect(clippy::disallowed_methods, reason = "it is one of two words")]
fn is_json(text: &SecretValue) -> bool {
    text.expose() == b"json"
}

/// The text of a field, wiped when it is dropped.
#[expect(clippy::disallowed_methods, reason = "it becomes part of the request")]
fn plain(value: &SecretValue, field: &str) -> Result<Zeroizing<String>, StepFault> {
    let text = std::str::from_utf8(value.expose())
        .map_err(|_| StepFault::new(format!("`{field}` is no text in UTF-8")))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn server(request: &StepRequest) -> Result<Server, StepFault> {
    if let Some(url) = request.input.text("url") {
        return Ok(Server::Url(plain(url, "url")?));
    }
    let mut words = Vec::new();
    for field in ["command", "args"] {
        for item in request.input.list(field) {
            words.extend(item.to_text().map(|word| argument(request, &word, field)).transpose()?);
        }
    }
    if words.first().is_none_or(String::is_empty) {
        return Err(StepFault::new("`command` is empty"));
    }
    Ok(Server::Program(words))
}

/// A word of a command line. Everybody on this machine can read those, so there is no secret in it.
#[expect(clippy::disallowed_methods, reason = "it is compared with what of it may be shown")]
fn argument(request: &StepRequest, word: &SecretValue, field: &str) -> Result<String, StepFault> {
    let shown = request.hiding.value(word);
    if shown.as_str().as_bytes() != word.expose() {
        let message = format!("`{field}` has a secret in it, or something that is no text");
        return Err(StepFault::new(message)
            .help("everybody on this machine can read command lines; hand it over in `env`"));
    }
    if word.expose().contains(&0) {
        return Err(StepFault::new(format!("`{field}` has a character in it that ends texts")));
    }
    Ok(shown.as_str().to_owned())
}

/// The variables of the step, and those of the server beside them.
fn env(request: &StepRequest) -> Vec<(String, SecretValue)> {
    let mut env = request.env.clone();
    for (name, value) in request.input.entries("env") {
        let Some(value) = value.to_text() else { continue };
        env.retain(|(known, _)| known != name);
        env.push((name.clone(), value));
    }
    env
}

#[expect(clippy::disallowed_methods, reason = "it is what the tool gets")]
fn tool(request: &StepRequest) -> Result<Tool, StepFault> {
    let input = &request.input;
    let name = input.text("tool").ok_or_else(|| StepFault::new("there is no `tool`"))?;
    let no_mapping = || StepFault::new("`arguments` is no mapping, nor a text that is one in JSON");
    let arguments = match input.get("arguments") {
        None => Zeroizing::new(b"{}".to_vec()),
        Some(map @ Input::Map(_)) => map.to_json(),
        Some(Input::Text(text)) => {
            let bytes = text.expose().trim_ascii();
            let is_object =
                bytes.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
            // In one line, as servers want their messages: JSON has line endings between values only.
            let flat = bytes.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b });
            if !is_object {
                return Err(no_mapping());
            }
            let mut line = Zeroizing::new(Vec::with_capacity(bytes.len()));
            line.extend(flat);
            line
        }
        Some(_) => return Err(no_mapping()),
    };
    let shown = request.hiding.value(name);
    let shown = shown.as_str().chars().filter(|character| !character.is_control()).collect();
    Ok(Tool { name: Input::Text(name.clone()).to_json(), shown, arguments })
}
