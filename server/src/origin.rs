//! Where a request comes from, and by which name it came: neither is taken on trust.
//!
//! A page of another site can make its own name point at this server once it is loaded, and then talk to
//! it as to its own (DNS rebinding). So a request that names a host which is not ours is refused. An address
//! cannot be pointed elsewhere, and is let through.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::problem::Problem;
use crate::settings::Settings;

/// Where proxies write whom they speak for.
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Under which names the server is reached.
pub(crate) struct Origin {
    /// The host of the public address.
    public: Option<String>,
    /// Whether that is reached over TLS.
    is_https: bool,
}

impl Origin {
    /// As the settings have it.
    pub(crate) fn new(settings: &Settings) -> Origin {
        let url = settings.public_url.as_ref();
        let public = url.and_then(Uri::host).map(plain);
        Origin { public, is_https: url.and_then(Uri::scheme_str) == Some("https") }
    }

    /// Whether this server has that name, whatever the port: a proxy may have another.
    fn has(&self, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        if authority.as_str().contains('@') {
            return false;
        }
        let host = plain(authority.host());
        host.parse::<IpAddr>().is_ok() || host == "localhost" || self.public.as_ref() == Some(&host)
    }

    /// Whether browsers should use TLS from now on: not for the own machine, whose name other servers
    /// share.
    pub(crate) fn wants_tls_only(&self) -> bool {
        let is_name =
            |host: &String| host.parse::<IpAddr>().is_err() && !host.ends_with("localhost");
        self.is_https && self.public.as_ref().is_some_and(is_name)
    }
}

/// A host without what is spelled in more than one way.
fn plain(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Refuses what is meant for another server.
pub(crate) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    match verdict(&app.origin, request.version(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn verdict(
    origin: &Origin,
    version: Version,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    // No browser leaves it out; what looks after servers, in HTTP/1.0, does.
    let is_missing = host.is_none() && version != Version::HTTP_10;
    if is_missing || another.is_some() {
        let refused = "the request does not have one `Host`";
        return Err(Problem::new(StatusCode::BAD_REQUEST, refused));
    }
    let is_ours = host.is_none_or(|host| host.to_str().is_ok_and(|host| origin.has(host)));
    let target = uri.authority().is_none_or(|target| origin.has(target.as_str()));
    if is_ours && target {
        return Ok(());
    }
    let refused = "this server is not known by the name in `Host`";
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, refused)
        .help("use its address, or start it with the name that it is reached by as `--public-url`"))
}

/// Whose a request is: the connection's other end, or whom the proxy there speaks for. Of several
/// addresses the last counts, since the proxy wrote that one; those before it are what it was told.
pub(crate) fn caller(headers: &HeaderMap, peer: IpAddr, trust_proxy: bool) -> IpAddr {
    let told = headers.get_all(FORWARDED).iter().next_back().filter(|_| trust_proxy);
    let told = told.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    let address = |text: &str| {
        let plain = text.parse::<IpAddr>().ok();
        plain.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
    };
    told.and_then(|text| address(text.trim())).unwrap_or(peer).to_canonical()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::http::{HeaderMap, Uri, Version};

    use super::{Origin, caller, verdict};

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn refusal(hosts: &[&str], target: &str, version: Version) -> Option<u16> {
        let origin = Origin { public: Some("flows.example.com".to_owned()), is_https: true };
        let target: Uri = target.parse().unwrap();
        let verdict = verdict(&origin, version, &target, &headers("host", hosts));
        verdict.err().map(|problem| problem.status().as_u16())
    }

    #[test]
    fn only_addresses_localhost_and_the_public_name_are_ours() {
        for (host, expected) in [
            ("127.0.0.1:8080", None),
            ("127.0.0.1", None),
            ("192.168.1.5:1", None),
            ("[::1]:8080", None),
            ("localhost:8080", None),
            ("LOCALHOST", None),
            ("flows.example.com", None),
            ("Flows.Example.Com.:443", None),
            ("evil.example", Some(421)),
            ("evil.example:8080", Some(421)),
            ("localhost.evil.example", Some(421)),
            ("127.0.0.1.evil.example", Some(421)),
            ("evil.flows.example.com", Some(421)),
            ("localhost@evil.example", Some(421)),
            ("evil.example@localhost", Some(421)),
            ("a b", Some(421)),
            ("", Some(421)),
        ] {
            assert_eq!(refusal(&[host], "/", Version::HTTP_11), expected, "{host:?}");
        }
    }

    #[test]
    fn there_is_one_host_and_the_target_names_no_other() {
        let (http_10, http_11) = (Version::HTTP_10, Version::HTTP_11);
        for (hosts, target, version, expected) in [
            (&[][..], "/", http_11, Some(400)),
            (&[], "/", http_10, None),
            (&["evil.example"], "/", http_10, Some(421)),
            (&["localhost", "localhost"], "/", http_11, Some(400)),
            (&["localhost"], "http://localhost/secrets", http_11, None),
            (&["localhost"], "http://evil.example/secrets", http_11, Some(421)),
            (&["evil.example"], "http://localhost/secrets", http_11, Some(421)),
            (&["localhost"], "evil.example:443", http_11, Some(421)),
        ] {
            assert_eq!(refusal(hosts, target, version), expected, "{hosts:?} {target}");
        }
    }

    #[test]
    fn browsers_are_held_to_tls_where_the_name_is_ours_alone() {
        for (public, is_https, expected) in [
            (Some("flows.example.com"), true, true),
            (Some("flows.example.com"), false, false),
            (Some("localhost"), true, false),
            (Some("10.0.0.1"), true, false),
            (None, true, false),
        ] {
            let origin = Origin { public: public.map(str::to_owned), is_https };
            assert_eq!(origin.wants_tls_only(), expected, "{public:?}");
        }
    }

    #[test]
    fn a_proxy_is_believed_if_that_was_said_and_only_what_it_wrote_itself() {
        let check = |told: &[&str], trust_proxy, expected: &str| {
            let peer: IpAddr = "10.0.0.9".parse().unwrap();
            let found = caller(&headers("x-forwarded-for", told), peer, trust_proxy);
            assert_eq!(found.to_string(), expected, "{told:?}");
        };
        check(&[], true, "10.0.0.9");
        check(&["203.0.113.7"], false, "10.0.0.9");
        check(&["203.0.113.7"], true, "203.0.113.7");
        check(&["1.1.1.1, 203.0.113.7"], true, "203.0.113.7");
        check(&["1.1.1.1", "2.2.2.2, 203.0.113.7:4711"], true, "203.0.113.7");
        check(&["2001:db8::1"], true, "2001:db8::1");
        check(&["::ffff:203.0.113.7"], true, "203.0.113.7");
        check(&["unknown"], true, "10.0.0.9");
    }
}
