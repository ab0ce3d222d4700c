//! Where Google exchanges the statement that a service account signs (RFC 7523).
//!
//! The key file says where tokens are given; it is believed only if that is Google, or this machine. The
//! exchange itself is one of the flows of OAuth.

use subrosa_http::Address;

/// Where Google gives tokens.
const TOKENS: &str = "https://oauth2.googleapis.com/token";

/// Where the statement of a key file goes: where the file says, if that is Google or this machine.
pub(crate) fn token_address(of_file: Option<String>) -> Option<String> {
    let url = of_file.unwrap_or_else(|| TOKENS.to_owned());
    let is_local = || Address::parse(&url).is_ok_and(|address| address.is_loopback());
    (url == TOKENS || is_local()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::{TOKENS, token_address};

    #[test]
    fn a_statement_goes_to_google_or_stays_on_this_machine() {
        let check = |of_file: Option<&str>, expected: Option<&str>| {
            let found = token_address(of_file.map(str::to_owned));
            assert_eq!(found.as_deref(), expected, "{of_file:?}");
        };
        check(None, Some(TOKENS));
        check(Some(TOKENS), Some(TOKENS));
        check(Some("http://127.0.0.1:8080/token"), Some("http://127.0.0.1:8080/token"));
        check(Some("https://evil.example/token"), None);
        check(Some("http://oauth2.googleapis.com/token"), None);
        check(Some("https://oauth2.googleapis.com/token/x"), None);
        check(Some("https://oauth2.googleapis.com@evil.example/token"), None);
        check(Some(""), None);
    }
}
