//! The client: requests as they are given, answers whatever their status.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode, Url};
use zeroize::Zeroizing;

use crate::{Fault, InvalidSetting, Proxy, Reach, Tls};

/// Bytes an answer may have: a Kubernetes Secret (1 MiB) in base64 and JSON is 1.4 MiB.
const BODY_LEN_MAX: usize = 2 * 1024 * 1024;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest pause that a server can ask for, in seconds: a day, which nobody waits anyway.
const RETRY_AFTER_S_MAX: u64 = 24 * 60 * 60;

/// Connections that are kept for the next request.
const IDLE_MAX: usize = 32;

/// What a client is made of.
pub struct HttpSettings {
    /// Whom to trust, and who to be.
    pub tls: Tls,
    /// The way to servers elsewhere.
    pub proxy: Option<Proxy>,
    /// How long one request may take, with its answer.
    pub timeout: Duration,
}

/// A client.
pub struct Http {
    client: reqwest::Client,
    reach: Reach,
}

/// A request.
pub struct Call {
    /// GET, POST and so on.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Those with credentials are made by [`sensitive`].
    pub headers: HeaderMap,
    /// What is sent; wiped afterwards.
    pub body: Option<Zeroizing<Vec<u8>>>,
}

/// An answer, whatever its status.
pub struct Answer {
    /// Redirects are answers, too.
    pub status: StatusCode,
    headers: HeaderMap,
    /// All of it.
    pub body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// A header, if it is text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the server asks us to wait, if it says so in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }
}

/// How long a server asks us to wait, if it says so in seconds.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_S_MAX)))
}

impl Http {
    /// A client. Reads the files of the TLS settings: not for async threads.
    ///
    /// # Errors
    /// [`InvalidSetting`]: a file or an address in the settings is no good.
    pub fn new(settings: &HttpSettings) -> Result<Http, InvalidSetting> {
        Http::within(settings, &Reach::Anywhere)
    }

    /// A client that connects only to what may be reached. Where that is not everything, it uses no proxy,
    /// which would resolve names by itself.
    ///
    /// # Errors
    /// As for [`Http::new`].
    pub fn within(settings: &HttpSettings, reach: &Reach) -> Result<Http, InvalidSetting> {
        let proxy = settings.proxy.as_ref().filter(|_| *reach == Reach::Anywhere);
        Http::build(settings.tls.load()?, proxy, settings.timeout, reach)
    }

    /// A client whose TLS was set up by the caller.
    ///
    /// # Errors
    /// [`InvalidSetting`]: the proxy's address is no good.
    pub fn with_tls(
        tls: rustls::ClientConfig,
        proxy: Option<&Proxy>,
        timeout: Duration,
    ) -> Result<Http, InvalidSetting> {
        Http::build(tls, proxy, timeout, &Reach::Anywhere)
    }

    fn build(
        tls: rustls::ClientConfig,
        proxy: Option<&Proxy>,
        timeout: Duration,
        reach: &Reach,
    ) -> Result<Http, InvalidSetting> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .referer(false)
            // Also takes away the proxies of the environment.
            .no_proxy()
            .http1_only()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(IDLE_MAX)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .user_agent(concat!("subrosa/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = proxy {
            builder = builder.proxy(proxy.rule()?);
        }
        if let Reach::Public(_) = reach {
            builder = builder.dns_resolver(Arc::new(reach.clone()));
        }
        let client =
            builder.build().map_err(|_| InvalidSetting("no HTTP client can be made".to_owned()))?;
        Ok(Http { client, reach: reach.clone() })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// [`Fault`]: there is no answer.
    pub async fn send(&self, call: Call) -> Result<Answer, Fault> {
        let mut response = self.execute(call).await?;
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer {
            status: response.status(),
            headers,
            body: read_body(response, BODY_LEN_MAX).await?,
        })
    }

    pub(crate) async fn execute(&self, call: Call) -> Result<reqwest::Response, Fault> {
        // An address is not resolved.
        let literal = |host: &str| {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            bare.parse().is_ok_and(|address| !self.reach.admits(host, address))
        };
        if call.url.host_str().is_none_or(literal) {
            return Err(Fault::NotPublic);
        }
        let mut request = reqwest::Request::new(call.method, call.url);
        *request.headers_mut() = call.headers;
        if let Some(body) = call.body {
            *request.body_mut() = Some(Bytes::from_owner(body).into());
        }
        self.client.execute(request).await.map_err(|error| Fault::of(&error))
    }
}

/// A header value with a credential: wiped when it is dropped, and never printed.
pub fn sensitive(value: Zeroizing<Vec<u8>>) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

pub(crate) async fn read_body(
    mut response: reqwest::Response,
    length_max: usize,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut body = Zeroizing::new(Vec::with_capacity(4096));
    while let Some(piece) = response.chunk().await.map_err(|error| Fault::of(&error))? {
        let length = body.len() + piece.len();
        if length > length_max {
            return Err(Fault::TooLarge);
        }
        if length > body.capacity() {
            // By hand: a vector that grows by itself leaves what it held behind.
            let mut larger = Zeroizing::new(Vec::with_capacity(length * 2));
            larger.extend_from_slice(&body);
            body = larger;
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
