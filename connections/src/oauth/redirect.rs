//! Where the browser comes back to: this machine (RFC 8252).

use std::fmt;

use subrosa_http::Url;

/// An address on this machine that the browser comes back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    host: &'static str,
    port: Option<u16>,
    path: String,
}

/// Why a text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// It cannot be read.
    #[error("it is no address like `http://127.0.0.1/callback`")]
    Malformed,
    /// It is not on this machine.
    #[error("its host is neither `127.0.0.1` nor `localhost`")]
    Elsewhere,
    /// It says more than a place.
    #[error("it holds more than host, port and path")]
    More,
}

impl Redirect {
    /// Reads the address that is registered for the client. Without a port, a free one is taken, which
    /// servers allow for addresses of this machine (RFC 8252, 7.3).
    ///
    /// # Errors
    /// [`RedirectError`]
    pub fn parse(text: &str) -> Result<Redirect, RedirectError> {
        let url = Url::parse(text.trim()).map_err(|_| RedirectError::Malformed)?;
        if url.scheme() != "http" {
            return Err(RedirectError::Malformed);
        }
        let has_more = !url.username().is_empty() || url.password().is_some();
        if has_more || url.query().is_some() || url.fragment().is_some() {
            return Err(RedirectError::More);
        }
        let host = match url.host_str() {
            Some("127.0.0.1") => "127.0.0.1",
            Some("localhost") => "localhost",
            _ => return Err(RedirectError::Elsewhere),
        };
        if url.port() == Some(0) {
            return Err(RedirectError::Malformed);
        }
        Ok(Redirect { host, port: url.port(), path: url.path().to_owned() })
    }

    /// The port, if it must be this one.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// The path, which begins with `/`.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The host as a browser names it that asks at `port`, which is not the one that HTTP has anyway:
    /// an address with that one reads like one without.
    pub(super) fn authority(&self, port: u16) -> String {
        format!("{}:{port}", self.host)
    }

    /// The address, at `port`.
    pub(super) fn uri(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.path)
    }
}

impl Default for Redirect {
    /// `http://127.0.0.1/callback` at a free port.
    fn default() -> Redirect {
        Redirect { host: "127.0.0.1", port: None, path: "/callback".to_owned() }
    }
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        write!(f, "http://{}{port}{}", self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::{Redirect, RedirectError};

    fn check(text: &str, expected: Result<&str, RedirectError>) {
        let found = Redirect::parse(text).map(|redirect| redirect.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn the_browser_comes_back_to_this_machine_only() {
        check("http://127.0.0.1/callback", Ok("http://127.0.0.1/callback"));
        check("http://localhost:8400/a/b", Ok("http://localhost:8400/a/b"));
        check("http://localhost", Ok("http://localhost/"));
        check("http://localhost:80", Ok("http://localhost/"));
        check("http://localhost.example/", Err(RedirectError::Elsewhere));
        check("http://[::1]:1/", Err(RedirectError::Elsewhere));
        check("http://0.0.0.0:1/", Err(RedirectError::Elsewhere));
        check("http://10.0.0.1:1/", Err(RedirectError::Elsewhere));
        check("https://127.0.0.1:1/", Err(RedirectError::Malformed));
        check("urn:ietf:wg:oauth:2.0:oob", Err(RedirectError::Malformed));
        check("http://127.0.0.1:0/", Err(RedirectError::Malformed));
        check("", Err(RedirectError::Malformed));
        check("http://canary@127.0.0.1:1/", Err(RedirectError::More));
        check("http://127.0.0.1:1/?a=b", Err(RedirectError::More));
        check("http://127.0.0.1:1/#a", Err(RedirectError::More));
        assert_eq!(Redirect::default().to_string(), "http://127.0.0.1/callback");
    }

    #[test]
    fn the_free_port_takes_its_place() {
        let redirect = Redirect::parse("http://localhost").unwrap();
        assert_eq!(redirect.uri(4711), "http://localhost:4711/");
        assert_eq!(redirect.authority(4711), "localhost:4711");
    }
}
