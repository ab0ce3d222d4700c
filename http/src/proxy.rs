//! The proxy on the way to servers elsewhere.
//!
//! Only for `https`: the proxy then sees where to, and nothing else. What a proxy does with `http` would be
//! to read along. This machine is never reached through a proxy.

use reqwest::NoProxy;

use crate::{Address, InvalidSetting};

/// Where the proxy is, and what needs none.
#[derive(Clone)]
pub struct Proxy {
    url: String,
    bypass: Option<String>,
}

impl Proxy {
    /// The proxy that the environment names for `address`, if it needs one; `variable` looks one up.
    pub fn of(address: &Address, variable: impl Fn(&str) -> Option<String>) -> Option<Proxy> {
        if !address.is_encrypted() || address.is_loopback() {
            return None;
        }
        let first = |names: [&str; 2]| {
            let set = |name| Some(variable(name)?.trim().to_owned());
            names.into_iter().filter_map(set).find(|text| !text.is_empty())
        };
        let url = first(["HTTPS_PROXY", "https_proxy"])?;
        Some(Proxy { url, bypass: first(["NO_PROXY", "no_proxy"]) })
    }

    pub(crate) fn rule(&self) -> Result<reqwest::Proxy, InvalidSetting> {
        let rule = reqwest::Proxy::https(&self.url).map_err(|_| {
            // Not shown: it may hold a password.
            let message = "the proxy in `HTTPS_PROXY` is no address like `http://host:3128`";
            InvalidSetting(message.to_owned())
        })?;
        Ok(rule.no_proxy(self.bypass.as_deref().and_then(NoProxy::from_string)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Proxy};

    #[test]
    fn only_encrypted_requests_to_elsewhere_go_through_a_proxy() {
        let set = |name: &str| (name == "https_proxy").then(|| "http://proxy:3128".to_owned());
        let has_proxy = |text| Proxy::of(&Address::parse(text).unwrap(), set).is_some();
        assert!(has_proxy("https://vault.example"));
        assert!(!has_proxy("http://vault.example"));
        assert!(!has_proxy("https://127.0.0.1:8200"));
        let address = Address::parse("https://vault.example").unwrap();
        assert!(Proxy::of(&address, |_| None).is_none());
        assert!(Proxy::of(&address, |_| Some(" ".to_owned())).is_none());
    }
}
