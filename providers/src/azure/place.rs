//! What a request asks for: a vault, a secret, a version, and a field.

use subrosa_engine::provider::{Environment, Identity, ProviderError, SecretRequest};

use crate::cloud;
use crate::document::Field;
use crate::http::Address;
use crate::setup::invalid;

/// All options.
pub(super) const OPTIONS: &[&str] = &["field", "format", "vault", "version"];

/// The variable that names a vault if no option does.
const VARIABLE: &str = "AZURE_KEYVAULT_URL";

/// A cloud of Microsoft.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cloud {
    /// What its vaults' names end with; also whom their tokens are for.
    pub(super) suffix: &'static str,
    /// Who gives tokens.
    pub(super) authority: &'static str,
}

/// Those that tokens go to, the public one first.
const CLOUDS: [Cloud; 3] = [
    Cloud { suffix: "vault.azure.net", authority: "https://login.microsoftonline.com" },
    Cloud { suffix: "vault.azure.cn", authority: "https://login.chinacloudapi.cn" },
    Cloud { suffix: "vault.usgovcloudapi.net", authority: "https://login.microsoftonline.us" },
];

/// A vault.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Vault {
    pub(super) address: Address,
    pub(super) cloud: &'static Cloud,
}

/// A version of a secret, in the vault of a login.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) secret: String,
    /// `None`: the one that is current.
    pub(super) version: Option<String>,
}

/// What a request asks for.
pub(super) struct Wanted {
    pub(super) place: Place,
    pub(super) field: Option<Field>,
}

impl Place {
    /// For messages, and to tell places apart.
    pub(super) fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{}/{version}", self.secret),
            None => self.secret.clone(),
        }
    }
}

impl Cloud {
    /// Whom a token has to be for.
    pub(super) fn audience(&self) -> String {
        format!("https://{}", self.suffix)
    }
}

impl Vault {
    /// A vault by its name or its address; nothing else gets a token.
    pub(super) fn parse(text: &str) -> Option<Vault> {
        let text = text.trim();
        let host = match text.strip_prefix("https://") {
            Some(rest) => rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase(),
            None => format!("{}.{}", text.to_ascii_lowercase(), CLOUDS[0].suffix),
        };
        let (name, suffix) = host.split_once('.')?;
        let is_name = (3..=24).contains(&name.len()) && name.bytes().all(is_letter);
        let cloud = CLOUDS.iter().find(|cloud| cloud.suffix == suffix).filter(|_| is_name)?;
        Some(Vault { address: Address::parse(&format!("https://{host}")).ok()?, cloud })
    }

    /// The vault of a login: that of the request, else that of the process, which may also be this machine.
    ///
    /// # Errors
    /// There is none, or it is no good.
    pub(super) fn of(
        environment: &Environment,
        identity: &Identity,
    ) -> Result<Vault, ProviderError> {
        let bad = |from: &str| {
            invalid(format!("{from} names no vault"))
                .help("write its name, or its address such as `https://NAME.vault.azure.net`")
        };
        if let Some(text) = identity.0.get("vault").filter(|text| !text.trim().is_empty()) {
            return Vault::parse(text).ok_or_else(|| bad("option `vault`"));
        }
        let Some(text) = cloud::variable(environment, VARIABLE) else {
            return Err(invalid("no vault is given")
                .help(format!("set option `vault`, or `{VARIABLE}` to its address")));
        };
        let near = || Address::parse(&text).ok().filter(Address::is_loopback);
        Vault::parse(&text)
            .or_else(|| Some(Vault { address: near()?, cloud: &CLOUDS[0] }))
            .ok_or_else(|| bad(&format!("`{VARIABLE}`")))
    }
}

impl Wanted {
    /// Takes a request apart.
    ///
    /// # Errors
    /// The key or an option is no good.
    pub(super) fn parse(request: &SecretRequest) -> Result<Wanted, ProviderError> {
        request.only(OPTIONS)?;
        let (own, secret, version) = parts(&request.key).ok_or_else(|| {
            invalid("the key is neither a secret's name nor its identifier")
                .help("write `db-password`, or `https://NAME.vault.azure.net/secrets/db-password`")
        })?;
        let given = cloud::option(request, "vault");
        if let (Some(own), Some(given)) = (own, given)
            && Vault::parse(own) != Vault::parse(&given)
        {
            return Err(invalid("the key names another vault than option `vault`")
                .help("leave one of them out; the configuration counts, too"));
        }
        let asked = cloud::option(request, "version");
        if version.is_some() && asked.is_some() {
            return Err(
                invalid("option `version` says what the key says, too").help("keep one of them")
            );
        }
        let version = version.map(str::to_owned).or(asked);
        if version.as_deref().is_some_and(|version| !is_version(version)) {
            return Err(invalid("the version is none: they are 32 letters and digits"));
        }
        let place = Place { secret: secret.to_owned(), version };
        Ok(Wanted { place, field: cloud::field(request)? })
    }
}

/// The vault, the secret and the version in a key.
fn parts(key: &str) -> Option<(Option<&str>, &str, Option<&str>)> {
    let Some((vault, rest)) = key.split_once("/secrets/") else {
        return is_secret(key).then_some((None, key, None));
    };
    Vault::parse(vault).filter(|_| vault.starts_with("https://"))?;
    let (secret, version) = match rest.split_once('/') {
        Some((secret, version)) => (secret, Some(version)),
        None => (rest, None),
    };
    is_secret(secret).then_some((Some(vault), secret, version))
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn is_secret(text: &str) -> bool {
    (1..=127).contains(&text.len()) && text.bytes().all(is_letter)
}

fn is_version(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The login of a request: the vault, however it is written.
pub(super) fn identity(request: &SecretRequest) -> Identity {
    let of_key = || Some(parts(&request.key)?.0?.to_owned());
    let written = of_key().or_else(|| cloud::option(request, "vault"));
    let Some(written) = written else { return Identity::default() };
    let vault = Vault::parse(&written).map_or(written, |vault| vault.address.to_string());
    Identity([("vault".to_owned(), vault)].into())
}

#[cfg(test)]
mod tests {
    use subrosa_engine::provider::{Environment, Identity, SecretRequest};
    use subrosa_engine::secret::SecretValue;
    use subrosa_engine::workflow::Options;

    use super::{Vault, Wanted, identity};

    const VERSION: &str = "0123456789abcdef0123456789abcdef";

    fn request(key: &str, options: &[(&str, &str)]) -> SecretRequest {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        SecretRequest { name: "N".into(), key: key.into(), options: Options(options.collect()) }
    }

    fn check(key: &str, options: &[(&str, &str)], expected: Option<&str>) {
        let wanted = Wanted::parse(&request(key, options)).ok();
        assert_eq!(wanted.map(|wanted| wanted.place.label()).as_deref(), expected, "{key}");
    }

    #[test]
    fn keys_are_names_or_identifiers() {
        let both = format!("db/{VERSION}");
        check("db", &[("vault", "shop")], Some("db"));
        check("db", &[("version", VERSION)], Some(&both));
        let id = "https://shop.vault.azure.net/secrets/db";
        check(id, &[], Some("db"));
        check(id, &[("version", VERSION)], Some(&both));
        check(id, &[("vault", "shop")], Some("db"));
        check(id, &[("vault", "other")], None);
        check(&format!("{id}/{VERSION}"), &[], Some(&both));
        check(&format!("{id}/{VERSION}"), &[("version", VERSION)], None);
        for bad in [
            "",
            "a/b",
            "..",
            "a b",
            "a_b",
            "https://evil.example/secrets/db",
            "http://shop.vault.azure.net/secrets/db",
            "https://shop.vault.azure.net/keys/db",
            "shop/secrets/db",
        ] {
            check(bad, &[], None);
        }
        check("db", &[("version", "3")], None);
        check("db", &[("stage", "x")], None);
    }

    #[test]
    fn tokens_go_to_vaults_of_the_clouds_alone() {
        let vault = |text| Vault::parse(text).map(|vault| vault.address.to_string());
        for text in
            ["shop", " Shop ", "https://shop.vault.azure.net/", "https://SHOP.vault.azure.net"]
        {
            assert_eq!(vault(text).as_deref(), Some("https://shop.vault.azure.net"), "{text}");
        }
        let china = Vault::parse("https://shop.vault.azure.cn").unwrap();
        assert_eq!(china.cloud.audience(), "https://vault.azure.cn");
        for text in [
            "ab",
            "a.b",
            "http://shop.vault.azure.net",
            "https://shop.vault.azure.net.evil.example",
            "https://shop.evil.vault.azure.net",
            "https://evil.example/shop.vault.azure.net",
            "https://user@shop.vault.azure.net",
            "https://shop.vault.azure.net:8443",
            "https://shop.vault.azure.net/x",
            "https://shop.vault.azure.net?x",
            "http://127.0.0.1:1",
            "shop#",
        ] {
            assert_eq!(vault(text), None, "{text}");
        }
    }

    #[test]
    fn the_process_alone_may_name_this_machine() {
        let of = |option: &str, variable: &str| {
            let value = SecretValue::new(variable.as_bytes().to_vec());
            let process = [("AZURE_KEYVAULT_URL".to_owned(), value)].into();
            let environment = Environment { process, ..Environment::default() };
            let identity = Identity([("vault".to_owned(), option.to_owned())].into());
            Vault::of(&environment, &identity).ok().map(|vault| vault.address.to_string())
        };
        assert_eq!(of("", "http://127.0.0.1:1").as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(of("", "https://shop.vault.azure.net").as_deref(), of("shop", "x").as_deref());
        assert_eq!(of("http://127.0.0.1:1", ""), None);
        for bad in ["", "https://evil.example", "http://192.0.2.1"] {
            assert_eq!(of("", bad), None, "{bad}");
        }
    }

    #[test]
    fn one_vault_is_one_login_however_it_is_written() {
        let login = identity(&request("db", &[("vault", "shop")]));
        assert_eq!(login, identity(&request("https://shop.vault.azure.net/secrets/db", &[])));
        assert_ne!(login, identity(&request("db", &[("vault", "other")])));
        assert_eq!(identity(&request("db", &[])), Identity::default());
    }
}
