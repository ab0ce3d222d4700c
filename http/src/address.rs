//! The address of a server.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// The address of a server: `http` or `https`, without credentials; a path is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Url);

/// Why a text is no address. The text is not shown: it may hold credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read.
    #[error("it is no address like `https://host:8200`")]
    Malformed,
    /// It is for something other than HTTP.
    #[error("it begins with neither `https://` nor `http://`")]
    Scheme,
    /// It holds credentials.
    #[error("it holds a user name or a password")]
    Credentials,
    /// It holds more than a place.
    #[error("it has a part behind `?` or `#`")]
    Query,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`AddressError`]
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let url = Url::parse(text.trim()).map_err(|_| AddressError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AddressError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Query);
        }
        Ok(Address(url))
    }

    /// Whether requests are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether requests stay on this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Whether both are the same server.
    pub fn is_same_server(&self, other: &Address) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// The place below the address that these segments lead to, each taken as it is; `None` if one is
    /// `.` or `..`, or has a control character: URLs drop some of these, and so it would lead elsewhere.
    pub fn join<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Option<Url> {
        let mut url = self.0.clone();
        let mut path = url.path_segments_mut().ok()?;
        path.pop_if_empty();
        for segment in segments {
            if matches!(segment, "." | "..") || segment.bytes().any(|byte| byte.is_ascii_control())
            {
                return None;
            }
            path.push(segment);
        }
        drop(path);
        Some(url)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError};

    fn check(text: &str, expected: Result<&str, AddressError>) {
        let shown = Address::parse(text).map(|address| address.to_string());
        assert_eq!(shown, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn addresses_are_http_and_hold_no_credentials() {
        check("https://vault.example:8200", Ok("https://vault.example:8200"));
        check(" http://127.0.0.1:8200/ ", Ok("http://127.0.0.1:8200"));
        check("https://host/below/this/", Ok("https://host/below/this"));
        check("vault.example", Err(AddressError::Malformed));
        check("localhost:8200", Err(AddressError::Scheme));
        check("unix:///run/vault.sock", Err(AddressError::Scheme));
        check("https://user@host", Err(AddressError::Credentials));
        check("https://user:canary@host", Err(AddressError::Credentials));
        check("https://host/?token=canary", Err(AddressError::Query));
        check("https://host/#canary", Err(AddressError::Query));
        check("", Err(AddressError::Malformed));
    }

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for local in ["http://localhost", "http://127.0.0.9:1", "http://[::1]:8200"] {
            assert!(Address::parse(local).unwrap().is_loopback(), "{local}");
        }
        for other in
            ["http://localhost.example", "http://10.0.0.1", "http://127.example", "http://[::2]"]
        {
            assert!(!Address::parse(other).unwrap().is_loopback(), "{other}");
        }
    }

    #[test]
    fn segments_stay_segments() {
        let address = Address::parse("https://host/base/").unwrap();
        let url = address.join(["v1", "kv", "a b", "50%", "q?x#y", "ä"]).unwrap();
        assert_eq!(url.as_str(), "https://host/base/v1/kv/a%20b/50%25/q%3Fx%23y/%C3%A4");
        assert_eq!(address.join(["v1", ".."]), None);
        assert_eq!(address.join(["v1", "."]), None);
        for dropped in ["prod\tapi", ".\t.", "a\nb", "a\rb", "\u{0}", "\u{7f}"] {
            assert_eq!(address.join(["v1", dropped]), None, "{dropped:?}");
        }
    }

    #[test]
    fn servers_are_the_same_by_scheme_host_and_port() {
        let is_same = |a, b| Address::parse(a).unwrap().is_same_server(&Address::parse(b).unwrap());
        assert!(is_same("https://HOST", "https://host:443/"));
        assert!(!is_same("https://host", "http://host"));
        assert!(!is_same("https://host", "https://host:8200"));
    }
}
