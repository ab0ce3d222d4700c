//! The proxy on the way to servers elsewhere.
//!
//! Only for `https`: the proxy then sees where to, and nothing else. What a proxy does with `http` would be
//! to read along. This machine is never reached through a proxy.

use std::collections::BTreeMap;

use reqwest::NoProxy;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind};
use subrosa_engine::secret::SecretValue;

use super::Address;

/// Where the proxy is, and what needs none.
#[derive(Clone)]
pub(crate) struct Proxy {
    url: String,
    bypass: Option<String>,
}

impl Proxy {
    /// The proxy that the environment names for `address`, if it needs one.
    pub(crate) fn of(address: &Address, process: &BTreeMap<String, SecretValue>) -> Option<Proxy> {
        if !address.is_encrypted() || address.is_loopback() {
            return None;
        }
        let first = |names: [&str; 2]| names.into_iter().find_map(|name| text(process.get(name)?));
        let url = first(["HTTPS_PROXY", "https_proxy"])?;
        Some(Proxy { url, bypass: first(["NO_PROXY", "no_proxy"]) })
    }

    pub(super) fn rule(&self) -> Result<reqwest::Proxy, ProviderError> {
        let rule = reqwest::Proxy::https(&self.url).map_err(|_| {
            // Not shown: it may hold a password.
            let message = "the proxy in `HTTPS_PROXY` is no address like `http://host:3128`";
            ProviderError::new(ProviderErrorKind::InvalidRequest, message)
        })?;
        Ok(rule.no_proxy(self.bypass.as_deref().and_then(NoProxy::from_string)))
    }
}

#[expect(clippy::disallowed_methods, reason = "the address of a proxy is a setting")]
fn text(value: &SecretValue) -> Option<String> {
    let text = std::str::from_utf8(value.expose()).ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use subrosa_engine::secret::SecretValue;

    use super::{Address, Proxy};

    #[test]
    fn only_encrypted_requests_to_elsewhere_go_through_a_proxy() {
        let proxy = SecretValue::new(b"http://proxy:3128".to_vec());
        let process = BTreeMap::from([("https_proxy".to_owned(), proxy)]);
        let has_proxy =
            |text, process| Proxy::of(&Address::parse(text).unwrap(), process).is_some();
        assert!(has_proxy("https://vault.example", &process));
        assert!(!has_proxy("http://vault.example", &process));
        assert!(!has_proxy("https://127.0.0.1:8200", &process));
        assert!(!has_proxy("https://vault.example", &BTreeMap::new()));
    }
}
