//! Sending: authenticated where the credential belongs, repeated where that is safe, led on where the step
//! allows it.

use std::sync::Arc;
use std::time::Duration;

use subrosa_connections::apply::{ApplyError, Context, authenticate, locate};
use subrosa_connections::files::HttpCredentials;
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::sink::StepIo;
use subrosa_http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION};
use subrosa_http::{
    Address, Call, Fault, FaultKind, Http, Incoming, Method, Roots, StatusCode, Url,
};
use zeroize::Zeroizing;

use super::HttpSteps;
use super::answer::{self, Came};
use super::wanted::Wanted;
use crate::clients::Identity;
use crate::lender::{Credential, Looked};

/// How often a step is led on.
const REDIRECTS_MAX: usize = 10;
/// The pause before the first repetition, and the longest, if the server names none.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A server that asks for a longer pause is not asked again: it would hold the step for as long as it likes.
const ASKED_PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// No answer.
struct Lost {
    fault: StepFault,
    /// Whether it may be another time.
    is_passing: bool,
}

impl From<StepFault> for Lost {
    fn from(fault: StepFault) -> Lost {
        Lost { fault, is_passing: false }
    }
}

/// The next request of a step.
struct Hop {
    /// Where a redirect leads; nothing for the first.
    url: Option<Url>,
    method: Method,
    has_body: bool,
    /// Whether no redirect has led to another origin yet.
    is_home: bool,
}

/// A request that is ready, and how it is named.
struct Ready {
    client: Arc<Http>,
    call: Call,
    shown: String,
}

impl HttpSteps {
    /// Sends the request of a step and writes the answer.
    pub(super) async fn exchange(
        &self,
        request: &StepRequest,
        io: &mut StepIo,
    ) -> Result<(), StepFault> {
        let wanted = Wanted::read(request).await?;
        let mut left = wanted.retries;
        let mut pause = PAUSE_MIN;
        loop {
            let ended = Box::pin(self.once(request, &wanted)).await;
            let asked = match &ended {
                Ok(came) if is_busy(came.incoming.status) => {
                    let asked = came.incoming.retry_after();
                    if asked > Some(ASKED_PAUSE_MAX) {
                        left = 0;
                    }
                    asked
                }
                Err(lost) if lost.is_passing => None,
                Ok(_) | Err(_) => {
                    left = 0;
                    None
                }
            };
            if left == 0 {
                let came = ended.map_err(|lost| lost.fault)?;
                return answer::write(came, &wanted, request, io).await;
            }
            left -= 1;
            drop(ended);
            tokio::time::sleep(asked.unwrap_or(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One try, to the end of its redirects.
    async fn once(&self, request: &StepRequest, wanted: &Wanted) -> Result<Came, Lost> {
        let mut hop = Hop {
            url: None,
            method: wanted.method.clone(),
            has_body: wanted.body.is_some(),
            is_home: true,
        };
        for _ in 0..=REDIRECTS_MAX {
            let Ready { client, call, shown } = self.ready(request, wanted, &hop).await?;
            let url = call.url.clone();
            let incoming = client.open(call).await.map_err(|fault| lost(&shown, &url, fault))?;
            if !wanted.follows {
                return Ok(Came { incoming, shown, url });
            }
            match hop.next(&url, &incoming, &shown)? {
                Some(next) => hop = next,
                None => return Ok(Came { incoming, shown, url }),
            }
        }
        let message = format!("{} {} leads on and on", wanted.method, wanted.place);
        Err(StepFault::new(message).into())
    }

    /// A request with its credential, which is opened for it alone.
    async fn ready(
        &self,
        request: &StepRequest,
        wanted: &Wanted,
        hop: &Hop,
    ) -> Result<Ready, StepFault> {
        if !hop.is_home {
            return self.elsewhere(request, wanted, hop).await;
        }
        let looked = self.look(request, wanted, hop).await?;
        let name = request.connection.as_deref();
        let versions = looked.identity(name);
        let whose = match &looked {
            Looked::Connection(_) => format!(", connection {}", name.unwrap_or_default()),
            Looked::File(path, ..) => format!(", file {}", path.display()),
            Looked::Nothing => String::new(),
        };
        let credential = self.means.lender.open(request, looked).await?;
        let (mut url, shown) = place(&credential, wanted, hop)?;
        if hop.url.is_none() {
            add_query(&mut url, &wanted.query);
        }
        let body = wanted.body.as_ref().filter(|_| hop.has_body);
        let body = body.map(|body| Zeroizing::new(body.bytes.to_vec()));
        let mut headers = wanted.headers.clone();
        if body.is_none() {
            headers.remove(CONTENT_TYPE);
        }
        let mut call = Call { method: hop.method.clone(), url, headers, body };
        credential.apply(&mut call, request)?;
        let client = self.client((request, wanted), &call.url, versions, &whose).await?;
        Ok(Ready { client, call, shown })
    }

    /// What authenticates a request: what the step names, or else what is for its server anyway.
    async fn look(
        &self,
        request: &StepRequest,
        wanted: &Wanted,
        hop: &Hop,
    ) -> Result<Looked, StepFault> {
        let looked = self.means.lender.look(request, &self.clients).await?;
        if !matches!(looked, Looked::Nothing) || wanted.headers.contains_key(AUTHORIZATION) {
            return Ok(looked);
        }
        let files = self.means.http_files.as_ref().map_err(|error| *error)?;
        if files.is_empty() {
            return Ok(looked);
        }
        let (url, _) = place(&Credential::Nothing, wanted, hop)?;
        match files.of(&url) {
            Some(path) => self.means.lender.look_at_file(request, path),
            None => Ok(Looked::Nothing),
        }
    }

    /// A request to another origin: without anything that the step says in headers.
    async fn elsewhere(
        &self,
        request: &StepRequest,
        wanted: &Wanted,
        hop: &Hop,
    ) -> Result<Ready, StepFault> {
        let url = hop.url.clone().ok_or_else(malformed)?;
        let versions = Looked::Nothing.identity(None);
        let client = self.client((request, wanted), &url, versions, "").await?;
        // What stands in its path was made by a server that has seen the request.
        let shown = format!("{} {}", hop.method, url.origin().ascii_serialization());
        let call = Call { method: hop.method.clone(), url, headers: HeaderMap::new(), body: None };
        Ok(Ready { client, call, shown })
    }

    /// The client that steps with the same credential share for a server.
    async fn client(
        &self,
        (request, wanted): (&StepRequest, &Wanted),
        url: &Url,
        (identity, version): (Identity, Identity),
        whose: &str,
    ) -> Result<Arc<Http>, StepFault> {
        let origin = url.origin().ascii_serialization();
        let server = Address::parse(&origin).map_err(|_| malformed())?;
        let roots = wanted.roots();
        let file = wanted.roots.as_ref().map(|path| path.as_os_str().as_encoded_bytes());
        let timeout = wanted.timeout.as_secs().to_le_bytes();
        let identity = identity.and([origin.as_bytes(), file.unwrap_or_default(), &timeout]);
        let version = version.and([changed(&roots).as_bytes()]);
        let (make, timeout) = (self.means.http.clone(), wanted.timeout);
        let open = || async move {
            let made = tokio::task::spawn_blocking(move || make(&server, roots, timeout)).await;
            made.map_err(|_| StepFault::new("no HTTP client can be made"))?
        };
        let name = format!("http {origin}{whose}");
        self.clients.get((identity, version), (&request.usage, &name), open).await
    }
}

/// When a file of authorities was changed; a new one is another version of the client.
pub(crate) fn changed(roots: &Roots) -> String {
    let Roots::File(path) = roots else { return String::new() };
    let seen = std::fs::metadata(path).and_then(|seen| Ok((seen.len(), seen.modified()?)));
    seen.map(|seen| format!("{seen:?}")).unwrap_or_default()
}

fn is_busy(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

fn lost(shown: &str, url: &Url, fault: Fault) -> Lost {
    let server = url.origin().ascii_serialization();
    let message = format!("{shown}: {}", fault.message(&server));
    let help = match fault {
        Fault::Tls(subrosa_http::TlsFault::UnknownIssuer) => {
            Some("name the certificate authority that signed it in `ca_cert`")
        }
        _ => fault.help(),
    };
    let help = help.map(str::to_owned);
    let is_passing = fault.kind() == FaultKind::Unavailable;
    Lost { fault: StepFault { message, help }, is_passing }
}

/// What is said of a text that is no URL.
pub(crate) fn malformed() -> StepFault {
    StepFault::new("`url` is no URL that begins with `https://` or `http://`")
        .help("a path alone needs a `connection`, whose base URL it continues")
}

/// Where a request goes, and its method and place as they may be shown.
fn place(credential: &Credential, wanted: &Wanted, hop: &Hop) -> Result<(Url, String), StepFault> {
    if let Some(url) = &hop.url {
        let shown = format!("{} {}", hop.method, url.origin().ascii_serialization());
        return Ok((url.clone(), shown));
    }
    let target = wanted.target.as_str();
    let (method, place) = (&hop.method, &wanted.place);
    if let Credential::Connection(opened) = credential {
        let url = locate(opened, target).map_err(of_connection)?;
        if !target.starts_with('/') {
            return Ok((url, format!("{method} {place}")));
        }
        let base = locate(opened, "/").map_err(of_connection)?;
        return Ok((url, format!("{method} {}{place}", base.as_str().trim_end_matches('/'))));
    }
    Ok((own_url(target)?, format!("{method} {place}")))
}

/// A URL that a step says itself.
pub(crate) fn own_url(text: &str) -> Result<Url, StepFault> {
    let url = Url::parse(text).map_err(|_| malformed())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(malformed());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(StepFault::new("the URL has a user name or a password in it")
            .help("put them into a `connection` or a file for `credentials_path`"));
    }
    Ok(url)
}

/// Why a connection cannot be used for a request.
pub(crate) fn of_connection(error: ApplyError) -> StepFault {
    let help = match &error {
        ApplyError::OtherOrigin { .. } => {
            Some("a credential goes to the server of its connection only")
        }
        _ => None,
    };
    StepFault { message: error.to_string(), help: help.map(str::to_owned) }
}

fn add_query(url: &mut Url, more: &[u8]) {
    // Encoded: plain ASCII.
    let Some(more) = std::str::from_utf8(more).ok().filter(|more| !more.is_empty()) else { return };
    let query = match url.query().filter(|query| !query.is_empty()) {
        Some(query) => Zeroizing::new(format!("{query}&{more}")),
        None => Zeroizing::new(more.to_owned()),
    };
    url.set_query(Some(&query));
}

impl Credential {
    /// Authenticates a request.
    pub(crate) fn apply(&self, call: &mut Call, request: &StepRequest) -> Result<(), StepFault> {
        match self {
            Credential::Nothing | Credential::Http(HttpCredentials::Nothing) => Ok(()),
            Credential::Connection(opened) => {
                let context = Context { now: (request.clock)(), token: None };
                authenticate(opened, call, &context).map_err(of_connection)
            }
            Credential::Http(credentials) => {
                let origin = call.url.origin().ascii_serialization();
                let is_local = Address::parse(&origin).is_ok_and(|server| server.is_loopback());
                if call.url.scheme() != "https" && !is_local {
                    let message = ApplyError::Unencrypted { origin }.to_string();
                    return Err(StepFault::new(message)
                        .help("credentials go over `https` only, or stay on this machine"));
                }
                if call.headers.contains_key(AUTHORIZATION) {
                    let message = "both the header `authorization` and a file of credentials";
                    return Err(StepFault::new(message).help("keep one of them"));
                }
                let header = credentials.header();
                let header = header.map_err(|error| StepFault::new(error.to_string()))?;
                header.map(|value| call.headers.insert(AUTHORIZATION, value));
                Ok(())
            }
        }
    }
}

impl Hop {
    /// Where an answer leads; nothing if it stays.
    fn next(&self, url: &Url, incoming: &Incoming, shown: &str) -> Result<Option<Hop>, StepFault> {
        let status = incoming.status.as_u16();
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let location = incoming.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(location) = location else { return Ok(None) };
        let nowhere = || StepFault::new(format!("{shown} leads to something that is no URL"));
        let next = url.join(location).map_err(|_| nowhere())?;
        let is_web = matches!(next.scheme(), "http" | "https");
        if !is_web || !next.username().is_empty() || next.password().is_some() {
            return Err(nowhere());
        }
        if url.scheme() == "https" && next.scheme() == "http" {
            return Err(StepFault::new(format!("{shown} leads to a place without encryption")));
        }
        let is_home = self.is_home && next.origin() == url.origin();
        // As browsers do: what is posted is posted once.
        let asks_anew = match status {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        let has_body = self.has_body && !asks_anew;
        if has_body && !is_home {
            let origin = next.origin().ascii_serialization();
            return Err(StepFault::new(format!("{shown} wants the body to go to `{origin}`"))
                .help("bodies are not sent to another server; name it in `url` if it is right"));
        }
        let method = if asks_anew { Method::GET } else { self.method.clone() };
        Ok(Some(Hop { url: Some(next), method, has_body, is_home }))
    }
}
