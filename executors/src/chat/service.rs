//! Who is asked: the provider's protocol, its server, and the API key.

use subrosa_connections::apply::{ApplyError, Context, authenticate, locate};
use subrosa_connections::files::HttpCredentials;
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::names::shown;
use subrosa_engine::secret::SecretValue;
use subrosa_http::header::{AUTHORIZATION, CONTENT_TYPE};
use subrosa_http::{Address, Call, HeaderMap, HeaderName, HeaderValue, Method, Url, sensitive};
use zeroize::Zeroizing;

use super::prompt::{Prompt, settings};
use super::{anthropic, gemini, openai};
use crate::lender::{Credential, Looked};

/// How a provider is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    OpenAi,
    Anthropic,
    Gemini,
}

/// A provider.
pub(super) struct Provider {
    words: &'static [&'static str],
    protocol: Protocol,
    base_url: &'static str,
    /// Variables that usually hold its key; the first that is there counts.
    variables: &'static [&'static str],
    /// The type of connection that is for it.
    connection: Option<&'static str>,
}

/// What may be written as `provider`.
pub(super) const PROVIDERS: &[&str] = &[
    "openai",
    "anthropic",
    "gemini",
    "google",
    "openrouter",
    "huggingface",
    "zai",
    "local",
    "ollama",
    "vllm",
    "llama",
];

static TABLE: &[Provider] = &[
    Provider {
        words: &["openai"],
        protocol: Protocol::OpenAi,
        base_url: OPENAI,
        variables: &["OPENAI_API_KEY"],
        connection: Some("openai"),
    },
    Provider {
        words: &["anthropic"],
        protocol: Protocol::Anthropic,
        base_url: "https://api.anthropic.com",
        variables: &["ANTHROPIC_API_KEY"],
        connection: Some("anthropic"),
    },
    Provider {
        words: &["gemini", "google"],
        protocol: Protocol::Gemini,
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        variables: &["GOOGLE_API_KEY", "GEMINI_API_KEY"],
        connection: Some("gemini"),
    },
    Provider {
        words: &["openrouter"],
        protocol: Protocol::OpenAi,
        base_url: "https://openrouter.ai/api/v1",
        variables: &["OPENROUTER_API_KEY"],
        connection: None,
    },
    Provider {
        words: &["huggingface"],
        protocol: Protocol::OpenAi,
        base_url: "https://router.huggingface.co/v1",
        variables: &["HF_TOKEN"],
        connection: Some("huggingface"),
    },
    Provider {
        words: &["zai"],
        protocol: Protocol::OpenAi,
        base_url: "https://api.z.ai/api/paas/v4",
        variables: &["ZAI_API_KEY"],
        connection: None,
    },
    Provider {
        words: &["local", "ollama", "vllm", "llama"],
        protocol: Protocol::OpenAi,
        base_url: "http://127.0.0.1:11434/v1",
        variables: &[],
        connection: None,
    },
];

const OPENAI: &str = "https://api.openai.com/v1";

/// Who is asked.
pub(super) struct Service {
    provider: Option<&'static Provider>,
    /// As the step says it.
    base_url: Option<Url>,
    key_name: Option<String>,
    pub(super) protocol: Protocol,
}

/// An API key, and what holds it, as it may be shown.
pub(super) struct Key {
    holder: String,
    value: SecretValue,
}

/// A request that is ready to go.
pub(super) struct Ready {
    pub(super) call: Call,
    /// The server.
    pub(super) address: Address,
    /// Its scheme, host and port.
    pub(super) server: String,
    /// What holds the API key.
    pub(super) key: Option<String>,
}

impl Service {
    /// Who is asked by a step; nothing is opened for it.
    pub(super) fn of(request: &StepRequest, looked: &Looked) -> Result<Service, StepFault> {
        let settings = settings(&request.input);
        let kind = looked.kind().map(|kind| kind.id.as_str());
        let word = settings.text("provider").map(text).transpose()?;
        let named = word
            .as_ref()
            .and_then(|word| TABLE.iter().find(|provider| provider.words.contains(&word.trim())));
        let of_kind = TABLE.iter().find(|one| kind.is_some() && one.connection == kind);
        if let (Some(named), Some(of_kind)) = (named, of_kind)
            && named.protocol != of_kind.protocol
        {
            let name = request.connection.as_deref().unwrap_or_default();
            let message = format!(
                "the connection {} is of the type `{}`, and the provider is `{}`",
                shown(name),
                of_kind.words[0],
                named.words[0]
            );
            return Err(
                StepFault::new(message).help("leave `provider` out, or name another connection")
            );
        }
        let provider = match kind {
            // The connection says where to, unless it is one for the provider itself.
            Some(_) => of_kind,
            None => named,
        };
        let protocol = named.or(of_kind).map_or(Protocol::OpenAi, |provider| provider.protocol);
        let base_url = settings.text("base_url").map(base_url).transpose()?.flatten();
        let key_name = settings.text("api_key_name").map(key_name).transpose()?;
        let named = provider.or(named);
        Ok(Service { provider: named, base_url, key_name, protocol })
    }

    /// The request for a prompt, authenticated.
    pub(super) fn request(
        &self,
        request: &StepRequest,
        prompt: &Prompt,
        (credential, key): (&Credential, &Option<Key>),
    ) -> Result<Ready, StepFault> {
        let base = self.base(credential)?;
        let url = self.url(&base, prompt)?;
        let server = url.origin().ascii_serialization();
        let address = Address::parse(&server).map_err(|_| invalid("leads to no server"))?;
        let body = Zeroizing::new(request.hiding.document(self.body(prompt, &base)));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.protocol == Protocol::Anthropic {
            headers.insert("anthropic-version", HeaderValue::from_static(anthropic::VERSION));
        }
        let mut call = Call { method: Method::POST, url, headers, body: Some(body) };
        let holder = match credential {
            Credential::Connection(opened) => {
                let context = Context { now: (request.clock)(), token: None };
                let name = shown(&opened.name());
                authenticate(opened, &mut call, &context)
                    .map_err(|error| of_connection(&name, &error))?;
                Some(format!("the connection {name}"))
            }
            Credential::Http(_) | Credential::Nothing => match key {
                Some(key) => self.put_key(&mut call, &address, key)?,
                None => None,
            },
        };
        Ok(Ready { call, address, server, key: holder })
    }

    /// The API key, hidden in all that leaves from now on; none if a connection has it, or nobody.
    pub(super) fn key(
        &self,
        request: &StepRequest,
        credential: &Credential,
    ) -> Result<Option<Key>, StepFault> {
        match credential {
            Credential::Connection(_) | Credential::Http(HttpCredentials::Nothing) => Ok(None),
            Credential::Http(HttpCredentials::Bearer(token)) => {
                let holder = "the file of `credentials_path`".to_owned();
                Ok(Some(Key { holder, value: token.clone() }))
            }
            Credential::Http(HttpCredentials::Basic { .. }) => {
                Err(StepFault::new("the file of `credentials_path` has a user name and a password")
                    .help("models are asked with a token: `{\"bearer_auth\": ...}`"))
            }
            Credential::Nothing => {
                let Some((name, value)) = self.variable(request)? else { return Ok(None) };
                let hidden = request.hiding.hide(&name, std::slice::from_ref(&value));
                hidden.map_err(|error| StepFault::new(error.to_string()))?;
                Ok(Some(Key { holder: format!("the variable `{name}`"), value }))
            }
        }
    }

    /// The variable that holds the key, with its value.
    fn variable(&self, request: &StepRequest) -> Result<Option<(String, SecretValue)>, StepFault> {
        let usual: Vec<String> = match (&self.key_name, self.provider) {
            (Some(name), _) => vec![name.clone()],
            (None, Some(provider)) => {
                provider.variables.iter().map(|name| (*name).to_owned()).collect()
            }
            (None, None) => Vec::new(),
        };
        for name in &usual {
            let found = request.env.iter().find(|(known, _)| known == name);
            if let Some((_, value)) = found.filter(|(_, value)| !is_empty(value)) {
                return Ok(Some((name.clone(), value.clone())));
            }
        }
        let Some(first) = usual.first() else { return Ok(None) };
        let message = format!("the step has no API key: the variable {} is not set", shown(first));
        Err(StepFault::new(message)
            .help(format!("declare {} in `secrets`, or write `connection: NAME`", shown(first))))
    }

    fn base(&self, credential: &Credential) -> Result<Url, StepFault> {
        let fixed = self.provider.map(|provider| provider.base_url);
        match (&self.base_url, credential) {
            (Some(base), _) => Ok(base.clone()),
            (None, Credential::Connection(opened)) if opened.kind.id != "huggingface" => {
                locate(opened, "/").map_err(|error| of_connection(&shown(&opened.name()), &error))
            }
            (None, _) => Url::parse(fixed.unwrap_or_default()).map_err(|_| {
                StepFault::new("the step names no provider").help("write `provider: NAME`")
            }),
        }
    }

    /// Where a prompt goes. Without a path of its own a server has the usual one.
    fn url(&self, base: &Url, prompt: &Prompt) -> Result<Url, StepFault> {
        let has_path = !base.path().trim_matches('/').is_empty();
        let base = Address::parse(base.as_str()).map_err(|error| invalid(&error.to_string()))?;
        let segments: Vec<String> = match self.protocol {
            Protocol::OpenAi => {
                let version = (!has_path).then_some("v1");
                version.into_iter().chain(["chat", "completions"]).map(str::to_owned).collect()
            }
            Protocol::Anthropic => {
                let has_version = base.to_string().ends_with("/v1");
                let version = (!has_version).then_some("v1");
                version.into_iter().chain(["messages"]).map(str::to_owned).collect()
            }
            Protocol::Gemini => {
                let verb =
                    if prompt.is_streamed { "streamGenerateContent" } else { "generateContent" };
                let name = prompt.model.as_str();
                let (folder, name) = name.split_once('/').unwrap_or(("models", name));
                let version = (!has_path).then(|| "v1beta".to_owned());
                version.into_iter().chain([folder.to_owned(), format!("{name}:{verb}")]).collect()
            }
        };
        let mut url = base
            .join(segments.iter().map(String::as_str))
            .ok_or_else(|| StepFault::new("the model has a name that cannot stand in a URL"))?;
        if self.protocol == Protocol::Gemini && prompt.is_streamed {
            url.set_query(Some("alt=sse"));
        }
        Ok(url)
    }

    fn body(&self, prompt: &Prompt, base: &Url) -> serde_json::Value {
        match self.protocol {
            Protocol::OpenAi => {
                let is_own = base.host_str() == Some("api.openai.com");
                let flavour =
                    if is_own { openai::Flavour::OpenAi } else { openai::Flavour::Compatible };
                openai::body(prompt, &flavour)
            }
            Protocol::Anthropic => anthropic::body(prompt),
            Protocol::Gemini => gemini::body(prompt),
        }
    }

    fn put_key(
        &self,
        call: &mut Call,
        address: &Address,
        Key { holder, value: key }: &Key,
    ) -> Result<Option<String>, StepFault> {
        if !address.is_encrypted() && !address.is_loopback() {
            let message =
                format!("`{address}` is not encrypted, and not this machine: it gets no key");
            return Err(StepFault::new(message).help("write `https://` in `base_url`"));
        }
        let (name, prefix): (HeaderName, &[u8]) = match self.protocol {
            Protocol::OpenAi => (AUTHORIZATION, b"Bearer "),
            Protocol::Anthropic => (HeaderName::from_static("x-api-key"), b""),
            Protocol::Gemini => (HeaderName::from_static("x-goog-api-key"), b""),
        };
        let value = header(prefix, key).ok_or_else(|| {
            StepFault::new(format!("{holder} has a line ending or another control character"))
        })?;
        call.headers.insert(name, value);
        Ok(Some(holder.clone()))
    }
}

#[expect(clippy::disallowed_methods, reason = "the key goes into the header, which is wiped")]
fn header(prefix: &[u8], key: &SecretValue) -> Option<HeaderValue> {
    let bytes = key.expose();
    let mut value = Zeroizing::new(Vec::with_capacity(prefix.len() + bytes.len()));
    value.extend_from_slice(prefix);
    value.extend_from_slice(bytes);
    sensitive(value)
}

#[expect(clippy::disallowed_methods, reason = "only whether there is a value is told")]
fn is_empty(value: &SecretValue) -> bool {
    value.expose().trim_ascii().is_empty()
}

/// A setting that has to be a text.
#[expect(clippy::disallowed_methods, reason = "it is compared with words, or is a place or a name")]
fn text(value: &SecretValue) -> Result<Zeroizing<String>, StepFault> {
    let text = std::str::from_utf8(value.expose());
    text.map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| StepFault::new("a setting of `llm` is not UTF-8"))
}

/// The address that a step gives; nothing if it is empty.
fn base_url(value: &SecretValue) -> Result<Option<Url>, StepFault> {
    let text = text(value)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let address = Address::parse(&text).map_err(|error| invalid(&error.to_string()))?;
    Url::parse(&address.to_string()).map(Some).map_err(|_| invalid("it cannot be read"))
}

fn invalid(why: &str) -> StepFault {
    StepFault::new(format!("`base_url` is no address of a server: {why}"))
}

/// `NAME`, `$NAME` and `${NAME}` mean the same.
fn key_name(value: &SecretValue) -> Result<String, StepFault> {
    let text = text(value)?;
    let bare = text.trim().trim_start_matches('$');
    let bare = bare.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(bare);
    if subrosa_engine::names::is_env_name(bare) {
        return Ok(bare.to_owned());
    }
    Err(StepFault::new("`api_key_name` is no name of a variable")
        .help("write the name of the variable that holds the key, not the key"))
}

fn of_connection(name: &str, error: &ApplyError) -> StepFault {
    StepFault::new(format!("the connection {name} cannot be used: {error}"))
}
