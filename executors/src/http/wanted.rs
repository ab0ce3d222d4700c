//! What a step wants, read from its filled fields.

use std::path::PathBuf;
use std::time::Duration;

use subrosa_engine::kind::{Input, StepFault, StepRequest};
use subrosa_engine::secret::SecretValue;
use subrosa_http::header::{CONTENT_TYPE, HeaderMap};
use subrosa_http::{HeaderName, HeaderValue, Method, Roots, sensitive};
use zeroize::Zeroizing;

use super::body::{self, Body, working_path};
use super::check::{FRAMING, method};
use super::expect::Expect;

const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer, unless the step says otherwise.
const LENGTH_MAX: usize = 10 * 1024 * 1024;

/// What a step wants.
pub(super) struct Wanted {
    pub(super) method: Method,
    /// A URL, or a path below the base URL of a connection.
    pub(super) target: Zeroizing<String>,
    /// The target as it may be shown: masked, then without its query.
    pub(super) place: String,
    pub(super) headers: HeaderMap,
    /// What is added to the query.
    pub(super) query: Zeroizing<Vec<u8>>,
    pub(super) body: Option<Body>,
    pub(super) timeout: Duration,
    pub(super) retries: u64,
    pub(super) expect: Expect,
    pub(super) length_max: usize,
    /// The authorities that count, if the step names them.
    pub(super) roots: Option<PathBuf>,
    pub(super) wants_document: bool,
    pub(super) follows: bool,
    pub(super) is_silent: bool,
    pub(super) tells_headers: bool,
}

impl Wanted {
    /// Reads the fields of a step, and the files that it sends.
    pub(super) async fn read(request: &StepRequest) -> Result<Wanted, StepFault> {
        let input = &request.input;
        let body = body::make(request).await?;
        let (method, target) = target(input, body.is_some())?;
        let place = place(request, &target);
        let timeout = input.whole("timeout").map_or(TIMEOUT, Duration::from_secs);
        let length_max = input.whole("max_bytes").and_then(|length| usize::try_from(length).ok());
        let retries = if method.is_idempotent() { input.whole("retries") } else { None };
        Ok(Wanted {
            headers: headers(input, body.as_ref())?,
            query: body::pairs(input.entries("query")),
            expect: expect(input)?,
            roots: input.text("ca_cert").map(|path| working_path(request, path)).transpose()?,
            wants_document: wants_document(input),
            follows: input.flag("follow_redirects", false),
            is_silent: input.flag("silent", false),
            tells_headers: input.flag("debug", false),
            retries: retries.unwrap_or(0),
            length_max: length_max.unwrap_or(LENGTH_MAX),
            method,
            target,
            place,
            body,
            timeout,
        })
    }

    /// Whom to trust.
    pub(super) fn roots(&self) -> Roots {
        self.roots.clone().map_or(Roots::System, Roots::File)
    }
}

/// The text of a field, wiped when it is dropped.
#[expect(clippy::disallowed_methods, reason = "it becomes part of the request")]
fn plain(value: &SecretValue, field: &str) -> Result<Zeroizing<String>, StepFault> {
    let text = std::str::from_utf8(value.expose())
        .map_err(|_| StepFault::new(format!("`{field}` is no text in UTF-8")))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn target(input: &Input, has_body: bool) -> Result<(Method, Zeroizing<String>), StepFault> {
    let no_method = || StepFault::new("the method is none that is sent").help("such as `GET`");
    if let Some(command) = input.text("command") {
        let command = plain(command, "command")?;
        let Some((word, url)) = command.split_once(char::is_whitespace) else {
            return Err(StepFault::new("`command` is no method with a URL"));
        };
        let method = method(word).ok_or_else(no_method)?;
        return Ok((method, Zeroizing::new(url.trim().to_owned())));
    }
    let Some(url) = input.text("url") else { return Err(StepFault::new("there is no `url`")) };
    let method = match input.text("method") {
        Some(word) => method(&plain(word, "method")?).ok_or_else(no_method)?,
        None if has_body => Method::POST,
        None => Method::GET,
    };
    Ok((method, plain(url, "url")?))
}

/// Masked first: a secret with a `?` in it would be cut in two.
fn place(request: &StepRequest, target: &str) -> String {
    let masked = request.hiding.text(target);
    let whole = masked.as_str();
    let place = whole.split(['?', '#']).next().unwrap_or_default();
    place.chars().filter(|character| !character.is_control()).collect()
}

#[expect(clippy::disallowed_methods, reason = "the header carries the value")]
pub(crate) fn headers(input: &Input, body: Option<&Body>) -> Result<HeaderMap, StepFault> {
    let mut headers = HeaderMap::new();
    for (name, value) in input.entries("headers") {
        let Ok(found) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(StepFault::new("a name in `headers` is none"));
        };
        if FRAMING.contains(&found) {
            return Err(StepFault::new(format!("the header `{found}` is written by itself")));
        }
        let Some(value) = value.to_text() else { continue };
        let value = sensitive(Zeroizing::new(value.expose().to_vec())).ok_or_else(|| {
            let message = "has a line ending or another control character";
            StepFault::new(format!("the header `{found}` {message}"))
        })?;
        headers.insert(found, value);
    }
    let content_type = body.and_then(|body| body.content_type.as_deref());
    if let Some(content_type) = content_type
        && !headers.contains_key(CONTENT_TYPE)
        && let Ok(value) = HeaderValue::from_str(content_type)
    {
        headers.insert(CONTENT_TYPE, value);
    }
    Ok(headers)
}

fn expect(input: &Input) -> Result<Expect, StepFault> {
    let mut texts = Vec::new();
    for item in input.list("expect") {
        if let Some(text) = item.to_text() {
            texts.push(plain(&text, "expect")?);
        }
    }
    Expect::parse(texts.iter().map(|text| text.as_str())).map_err(|_| {
        StepFault::new("`expect` has something in it that is no status")
            .help("write one such as `200`, `200-204` or `2xx`")
    })
}

#[expect(clippy::disallowed_methods, reason = "it is one of two words")]
fn wants_document(input: &Input) -> bool {
    let is_json = |text: &SecretValue| text.expose() == b"json";
    input.text("output").is_some_and(is_json) || input.flag("json", false)
}
