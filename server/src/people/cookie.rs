//! The cookie that holds a session's id.

use axum::http::{HeaderMap, HeaderValue, header};

/// Over TLS: browsers take it from this host and this path alone.
const SECURE: &str = "__Host-subrosa";
/// Without TLS, on the own machine.
const PLAIN: &str = "subrosa";

fn name(is_secure: bool) -> &'static str {
    if is_secure { SECURE } else { PLAIN }
}

/// The session's id that a request shows.
pub(crate) fn shown(headers: &HeaderMap, is_secure: bool) -> Option<&str> {
    let wanted = name(is_secure);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim())
}

/// Hands the browser an id. `Lax`: the way back from an OpenID provider is a link from elsewhere.
pub(crate) fn set(id: &str, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let name = name(is_secure);
    HeaderValue::from_str(&format!("{name}={id}; Path=/; HttpOnly; SameSite=Lax{secure}")).ok()
}

/// Takes it away.
pub(crate) fn clear(is_secure: bool) -> HeaderValue {
    HeaderValue::from_static(if is_secure {
        "__Host-subrosa=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0"
    } else {
        "subrosa=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    })
}
