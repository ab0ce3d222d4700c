//! The server, how it is trusted and how to log in: options before the standard variables.
//!
//! What would send a credential in the clear, or to a server that it is not for, is refused here.

use std::time::Duration;

use reqwest::header::HeaderValue;
use subrosa_engine::provider::{Identity, ProviderError, ResolveContext};

use super::login::Login;
use super::options::Given;
use super::server::Server;
use crate::http::{self, Address, ClientIdentity, HttpSettings, Roots, Tls};
use crate::setup::invalid;

/// Where Vault listens unless something else is said.
const DEFAULT_ADDRESS: &str = "https://127.0.0.1:8200";

/// Where to log in, and as whom.
pub(super) struct Settings {
    pub(super) server: Server,
    pub(super) login: Login,
}

impl Settings {
    /// Reads options, variables and files; asks nobody.
    ///
    /// # Errors
    /// [`ProviderError`]: something is no good, or there is no credential.
    pub(super) fn read(
        context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Settings, ProviderError> {
        let given = Given { context, identity };
        let address = address(&given)?;
        verification_is_on(&given, &address)?;
        let settings = HttpSettings {
            tls: Tls { roots: roots(&given, &address), identity: client_identity(&given)? },
            proxy: http::proxy(&address, &context.env.process),
            timeout: timeout(&given)?,
        };
        let login = Login::read(&given, &address)?;
        let server =
            Server { http: http::client(&settings)?, namespace: namespace(&given)?, address };
        Ok(Settings { server, login })
    }
}

fn address(given: &Given<'_>) -> Result<Address, ProviderError> {
    let (text, from) = match (given.option("vault_address"), given.variable("VAULT_ADDR")) {
        (Some(text), _) => (text.to_owned(), "option `vault_address`"),
        (None, Some(text)) => (text, "variable `VAULT_ADDR`"),
        (None, None) => (DEFAULT_ADDRESS.to_owned(), "the default"),
    };
    let address = Address::parse(&text)
        .map_err(|error| invalid(format!("the address in {from} is no good: {error}")))?;
    // Only the user's own environment may say that the network is safe enough.
    let is_exposed = !address.is_encrypted() && !address.is_loopback();
    if is_exposed && given.option("vault_address").is_some() && !is_own(given, &address) {
        let message = format!("`{address}` would send the token over the network unencrypted");
        return Err(invalid(message).help(
            "use `https://`; an `http://` server elsewhere is taken from `VAULT_ADDR` alone",
        ));
    }
    Ok(address)
}

/// Which server, and which part of it, as far as the settings are good.
pub(super) fn server_scope(context: &ResolveContext, identity: &Identity) -> Option<Vec<String>> {
    let given = Given { context, identity };
    let namespace = given.setting("namespace", "VAULT_NAMESPACE").unwrap_or_default();
    Some(vec![address(&given).ok()?.to_string(), namespace])
}

/// Whether `VAULT_ADDR` names the same server.
pub(super) fn is_own(given: &Given<'_>, address: &Address) -> bool {
    let own = given.variable("VAULT_ADDR").and_then(|text| Address::parse(&text).ok());
    own.is_some_and(|own| own.is_same_server(address))
}

fn verification_is_on(given: &Given<'_>, address: &Address) -> Result<(), ProviderError> {
    let off = given.variable("VAULT_SKIP_VERIFY");
    let is_off =
        off.is_some_and(|text| matches!(text.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"));
    if is_off && address.is_encrypted() {
        return Err(invalid("`VAULT_SKIP_VERIFY` is set, and servers are always verified")
            .help("unset it, and name the server's certificate authority in `VAULT_CACERT`"));
    }
    Ok(())
}

fn roots(given: &Given<'_>, address: &Address) -> Roots {
    // An option of either kind comes before a variable of either kind.
    let has_option = given.option("ca_cert").is_some() || given.option("ca_path").is_some();
    let variable = |name| if has_option { "" } else { name };
    if let Some(path) = given.path("ca_cert", variable("VAULT_CACERT")) {
        return Roots::File(path);
    }
    match given.path("ca_path", variable("VAULT_CAPATH")) {
        Some(path) => Roots::Folder(path),
        None if address.is_encrypted() => Roots::System,
        None => Roots::None,
    }
}

fn client_identity(given: &Given<'_>) -> Result<Option<ClientIdentity>, ProviderError> {
    let certificate = given.path("client_cert", "VAULT_CLIENT_CERT");
    match (certificate, given.path("client_key", "VAULT_CLIENT_KEY")) {
        (Some(certificate), Some(key)) => Ok(Some(ClientIdentity { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(invalid("`client_cert` is given without `client_key`")),
        (None, Some(_)) => Err(invalid("`client_key` is given without `client_cert`")),
    }
}

fn namespace(given: &Given<'_>) -> Result<Option<HeaderValue>, ProviderError> {
    let Some(name) = given.setting("namespace", "VAULT_NAMESPACE") else {
        return Ok(None);
    };
    match HeaderValue::from_str(&name) {
        Ok(name) => Ok(Some(name)),
        Err(_) => Err(invalid(format!("`{name}` is no name of a namespace"))),
    }
}

/// How long a request may take: what is asked for, and less than what the engine allows, because the
/// engine cannot say which server it was.
fn timeout(given: &Given<'_>) -> Result<Duration, ProviderError> {
    let allowed = given.context.request_timeout.mul_f64(0.95);
    let Some(text) = given.setting("timeout", "VAULT_CLIENT_TIMEOUT") else {
        return Ok(allowed);
    };
    match seconds(&text) {
        Some(asked) if !asked.is_zero() => Ok(asked.min(allowed)),
        Some(_) | None => Err(invalid(format!("`{text}` is no timeout"))
            .help("write seconds, such as `10`, or a number with `ms`, `s` or `m`")),
    }
}

/// `10`, `10s`, `1.5s`, `500ms`, `2m`.
fn seconds(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(digits.parse::<f64>().ok()? * factor).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::seconds;

    #[test]
    fn timeouts_are_seconds_or_have_a_unit() {
        for (text, expected) in [
            ("10", Some(10_000)),
            ("1.5s", Some(1_500)),
            ("500ms", Some(500)),
            ("2m", Some(120_000)),
            ("s", None),
            ("", None),
            ("-1", None),
            ("1h", None),
            ("nan", None),
            ("inf", None),
        ] {
            assert_eq!(seconds(text), expected.map(Duration::from_millis), "{text}");
        }
    }
}
