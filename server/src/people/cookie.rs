//! The cookies: one holds a session's id, one ties the forms of who is not in to their browser.

use axum::http::{HeaderMap, HeaderValue, header};

/// Over TLS: browsers take it from this host and this path alone.
const SECURE: &str = "__Host-subrosa";
/// Without TLS, on the own machine.
const PLAIN: &str = "subrosa";
/// Both again, for who is not in.
const ENTRY_SECURE: &str = "__Host-subrosa-entry";
const ENTRY_PLAIN: &str = "subrosa-entry";
/// Longest value that is looked at.
const LEN_MAX: usize = 256;

fn name(is_secure: bool) -> &'static str {
    if is_secure { SECURE } else { PLAIN }
}

fn entry_name(is_secure: bool) -> &'static str {
    if is_secure { ENTRY_SECURE } else { ENTRY_PLAIN }
}

/// The value of a cookie. Two of one name count as none: one was put there by somebody else on this host, at another
/// port for one, and nobody is to be led into a session that is not theirs.
fn find<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim());
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    Some(value).filter(|value| !value.is_empty() && value.len() <= LEN_MAX)
}

/// `Lax`: the way back from an OpenID provider is a link from elsewhere.
fn make(name: &str, value: &str, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}");
    let mut made = HeaderValue::from_str(&text).ok()?;
    made.set_sensitive(true);
    Some(made)
}

/// The session's id that a request shows.
pub(crate) fn shown(headers: &HeaderMap, is_secure: bool) -> Option<&str> {
    find(headers, name(is_secure))
}

/// Hands the browser an id.
pub(crate) fn set(id: &str, is_secure: bool) -> Option<HeaderValue> {
    make(name(is_secure), id, is_secure)
}

/// What ties the forms of who is not in to the browser.
pub(crate) fn entry_shown(headers: &HeaderMap, is_secure: bool) -> Option<&str> {
    find(headers, entry_name(is_secure))
}

/// Hands it to the browser.
pub(crate) fn set_entry(value: &str, is_secure: bool) -> Option<HeaderValue> {
    make(entry_name(is_secure), value, is_secure)
}

/// Takes the session's id away.
pub(crate) fn clear(is_secure: bool) -> HeaderValue {
    HeaderValue::from_static(if is_secure {
        "__Host-subrosa=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0"
    } else {
        "subrosa=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::{set, shown};

    #[test]
    fn over_tls_a_cookie_goes_to_this_host_over_tls_alone() {
        let check = |is_secure, expected: &str| {
            let cookie = set("id", is_secure).unwrap();
            assert_eq!(cookie.to_str().unwrap(), expected);
        };
        check(true, "__Host-subrosa=id; Path=/; HttpOnly; SameSite=Lax; Secure");
        check(false, "subrosa=id; Path=/; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let check = |text: &str, is_secure, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert("cookie", HeaderValue::from_str(text).unwrap());
            assert_eq!(shown(&headers, is_secure), expected, "{text}");
        };
        check("subrosa=a", false, Some("a"));
        check("other=1; subrosa=a ; more=2", false, Some("a"));
        check("subrosa-entry=b", false, None);
        check("xsubrosa=b", false, None);
        check("subrosa=", false, None);
        check("subrosa=a; subrosa=b", false, None);
        check("subrosa=; subrosa=b", false, None);
        check("subrosa=a", true, None);
        check("__Host-subrosa=a", true, Some("a"));
        check(&format!("subrosa={}", "a".repeat(300)), false, None);
    }
}
