//! What a step wants, read from its filled fields.

use std::path::PathBuf;
use std::time::Duration;

use subrosa_engine::kind::{Input, StepFault, StepRequest};
use subrosa_engine::secret::SecretValue;
use subrosa_http::Roots;
use zeroize::Zeroizing;

use crate::http::body::working_path;

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
const RETRIES: usize = 2;
/// Bytes of an object that is written to the step's output, unless the step says otherwise.
const OUTPUT_LEN_MAX: u64 = 10 * 1024 * 1024;

/// Words for operations, those of Dagu among them.
pub(super) const WORDS: &[&str] = &["get", "put", "list", "delete", "head", "download", "upload"];

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Get,
    Put,
    List,
    Delete,
    Head,
}

impl Operation {
    /// What a word means.
    pub(super) fn of(word: &str) -> Option<Operation> {
        match word.trim() {
            "get" | "download" => Some(Operation::Get),
            "put" | "upload" => Some(Operation::Put),
            "list" => Some(Operation::List),
            "delete" => Some(Operation::Delete),
            "head" => Some(Operation::Head),
            _ => None,
        }
    }

    /// Its name in messages.
    pub(super) fn word(self) -> &'static str {
        match self {
            Operation::Get => "get",
            Operation::Put => "put",
            Operation::List => "list",
            Operation::Delete => "delete",
            Operation::Head => "head",
        }
    }
}

/// What is stored.
pub(super) enum Content {
    File(PathBuf),
    Bytes(Zeroizing<Vec<u8>>),
}

/// What a step wants.
pub(super) struct Wanted {
    pub(super) operation: Operation,
    /// The store, if the step names it.
    pub(super) store: Option<String>,
    pub(super) bucket: Option<String>,
    pub(super) key: Option<Zeroizing<String>>,
    pub(super) prefix: Option<Zeroizing<String>>,
    pub(super) content: Option<Content>,
    pub(super) destination: Option<PathBuf>,
    pub(super) content_type: Option<String>,
    pub(super) metadata: Vec<(String, String)>,
    pub(super) is_if_absent: bool,
    pub(super) is_recursive: bool,
    pub(super) keys_max: u64,
    /// Bytes that are fetched at most.
    pub(super) length_max: u64,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) account: Option<String>,
    pub(super) root: Option<PathBuf>,
    /// Parts of a credential that the step has itself, by the names that connections have for them.
    pub(super) parts: Vec<(&'static str, SecretValue)>,
    pub(super) roots: Option<PathBuf>,
    pub(super) patience: Duration,
    pub(super) retries: usize,
}

impl Wanted {
    /// Reads the fields of a step.
    pub(super) fn read(request: &StepRequest) -> Result<Wanted, StepFault> {
        let input = &request.input;
        let path = |name: &str| -> Result<Option<PathBuf>, StepFault> {
            input.text(name).map(|path| working_path(request, path)).transpose()
        };
        let public = |name: &str| -> Result<Option<String>, StepFault> {
            Ok(plain(input, name)?.map(|text| text.as_str().to_owned()))
        };
        let operation = operation(request)?;
        let destination = path("destination")?;
        let default = if destination.is_some() { u64::MAX } else { OUTPUT_LEN_MAX };
        Ok(Wanted {
            operation,
            store: public("store")?,
            bucket: public("bucket")?,
            key: plain(input, "key")?,
            prefix: plain(input, "prefix")?,
            content: content(request)?,
            length_max: input.whole("max_bytes").unwrap_or(default),
            destination,
            content_type: public("content_type")?,
            metadata: metadata(input)?,
            is_if_absent: input.flag("if_absent", false),
            is_recursive: input.flag("recursive", true),
            keys_max: input.whole("max_keys").unwrap_or(u64::MAX),
            region: public("region")?,
            endpoint: public("endpoint")?,
            account: public("account")?,
            root: path("root")?,
            parts: parts(input),
            roots: path("ca_cert")?,
            patience: input.whole("timeout").map_or(PATIENCE, Duration::from_secs),
            retries: input
                .whole("retries")
                .and_then(|count| usize::try_from(count).ok())
                .unwrap_or(RETRIES),
        })
    }

    /// Whom to trust.
    pub(super) fn roots(&self) -> Roots {
        self.roots.clone().map_or(Roots::System, Roots::File)
    }
}

/// The text of a field that is not empty, wiped when it is dropped.
#[expect(clippy::disallowed_methods, reason = "it becomes part of the request")]
fn plain(input: &Input, name: &str) -> Result<Option<Zeroizing<String>>, StepFault> {
    let Some(value) = input.text(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.expose())
        .map_err(|_| StepFault::new(format!("`{name}` is no text in UTF-8")))?;
    Ok(Some(text).filter(|text| !text.is_empty()).map(|text| Zeroizing::new(text.to_owned())))
}

fn operation(request: &StepRequest) -> Result<Operation, StepFault> {
    if let Some(operation) = Operation::of(request.operation) {
        return Ok(operation);
    }
    let command = plain(&request.input, "command")?;
    let word = plain(&request.input, "operation")?.or(command);
    word.and_then(|word| Operation::of(&word))
        .ok_or_else(|| StepFault::new("the step does not say what is done with an object"))
}

#[expect(clippy::disallowed_methods, reason = "it is what is stored")]
fn content(request: &StepRequest) -> Result<Option<Content>, StepFault> {
    let input = &request.input;
    if let Some(path) = input.text("source") {
        return Ok(Some(Content::File(working_path(request, path)?)));
    }
    if let Some(text) = input.text("content") {
        return Ok(Some(Content::Bytes(Zeroizing::new(text.expose().to_vec()))));
    }
    Ok(input.get("json").map(|document| Content::Bytes(document.to_json())))
}

/// Texts that become headers; what cannot stand in one is refused before anything is sent.
#[expect(clippy::disallowed_methods, reason = "it becomes part of the request")]
fn metadata(input: &Input) -> Result<Vec<(String, String)>, StepFault> {
    let mut metadata = Vec::new();
    for (name, value) in input.entries("metadata") {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(StepFault::new("a name in `metadata` is none")
                .help("letters, digits, `-` and `_` make one"));
        }
        let Some(value) = value.to_text() else { continue };
        let is_text = |b: u8| b == b' ' || b.is_ascii_graphic();
        let text = std::str::from_utf8(value.expose()).ok();
        let Some(text) = text.filter(|text| text.bytes().all(is_text)) else {
            return Err(StepFault::new(format!(
                "`{name}` in `metadata` has something else in it than plain ASCII"
            )));
        };
        metadata.push((name.clone(), text.to_owned()));
    }
    Ok(metadata)
}

fn parts(input: &Input) -> Vec<(&'static str, SecretValue)> {
    let names =
        ["access_key_id", "secret_access_key", "session_token", "account_key", "access_token"];
    let part = |name| input.text(name).map(|value| (name, value.clone()));
    names.into_iter().filter_map(part).collect()
}
