//! From a declaration to a request: the provider, and the options of the file over those configured.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{ADDRESSES, ProviderSettings, Settings, Whose};
use crate::host::Host;
use crate::names::closest;
use crate::provider::{INSTANCE, Provider, ProviderError, ProviderErrorKind, SecretRequest};
use crate::workflow::{Options, SecretDecl, SecretSource};

/// A request that can be put.
pub(super) struct Ready {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) request: SecretRequest,
    /// Whether the file names an address that the configuration, which names others, does not.
    pub(super) leads_elsewhere: bool,
}

/// Why a request cannot be put, in words for the line that asked.
pub(super) enum Unready {
    /// There is no such provider.
    NoProvider(ProviderError),
    /// The provider is there, and the request makes no sense.
    Refused(ProviderError),
}

impl Unready {
    /// The error alone.
    pub(super) fn into_error(self) -> ProviderError {
        match self {
            Unready::NoProvider(error) | Unready::Refused(error) => error,
        }
    }
}

/// Providers by name, each looked for once.
#[derive(Default)]
pub(super) struct Looked(BTreeMap<String, Option<Arc<dyn Provider>>>);

impl Looked {
    fn named(&mut self, name: &str, host: &Host) -> Option<Arc<dyn Provider>> {
        let known = self.0.entry(name.to_owned());
        known.or_insert_with(|| host.providers.named(name)).clone()
    }
}

/// The request of a declaration; `None` if it has a ref.
pub(super) fn ready(
    secret: &SecretDecl,
    host: &Host,
    looked: &mut Looked,
) -> Option<Result<Ready, Unready>> {
    let SecretSource::Provider { provider: name, key, options } = &secret.source else {
        return None;
    };
    let Some(provider) = looked.named(name, host) else {
        return Some(Err(Unready::NoProvider(unknown_provider(name, host))));
    };
    let (options, leads_elsewhere) = match with_settings(name, options, &host.settings) {
        Ok(options) => options,
        Err(error) => return Some(Err(Unready::Refused(error))),
    };
    let request = SecretRequest { name: secret.name.clone(), key: key.clone(), options };
    // Before the login, which may need the option that was meant.
    if let Err(error) = request.only(provider.options()) {
        return Some(Err(Unready::Refused(error)));
    }
    Some(Ok(Ready { provider, request, leads_elsewhere }))
}

/// The options as written, over those of the instance they name.
fn with_settings(
    provider: &str,
    written: &Options,
    settings: &Settings,
) -> Result<(Options, bool), ProviderError> {
    let nothing = ProviderSettings::default();
    let settings = settings.providers.get(provider).unwrap_or(&nothing);
    let configured = match written.0.get(INSTANCE) {
        None => &settings.defaults,
        Some(name) => match settings.instances.get(name) {
            Some(instance) => instance,
            None => return Err(unknown_instance(provider, settings)),
        },
    };
    let mut leads_elsewhere = false;
    for (name, address) in &written.0 {
        if !ADDRESSES.contains(&name.as_str()) {
            continue;
        }
        match settings.whose(configured, name, address) {
            Whose::Own => {}
            Whose::Anothers => return Err(of_another(name)),
            Whose::Nobodys if !settings.trusts(name, address) => {
                return Err(untrusted(provider, name));
            }
            Whose::Nobodys => {
                leads_elsewhere |= settings.trusted_addresses.is_none() && settings.has_addresses();
            }
        }
    }
    let mut options = configured.options.clone();
    options.0.extend(written.0.clone());
    options.0.remove(INSTANCE);
    Ok((options, leads_elsewhere))
}

/// The name may be a credential in the wrong place, as the value of any option.
fn unknown_instance(provider: &str, settings: &ProviderSettings) -> ProviderError {
    let message = "the instance that `options.instance` names is not configured";
    let error = ProviderError::new(ProviderErrorKind::InvalidRequest, message);
    let known: Vec<&str> = settings.instances.keys().map(String::as_str).collect();
    match known.is_empty() {
        true => error.help(format!("write `[provider.{provider}.instance.NAME]` in subrosa.toml")),
        false => error.help(format!("configured instances: {}", known.join(", "))),
    }
}

fn of_another(option: &str) -> ProviderError {
    let message = format!(
        "`options.{option}` names an address that is configured for other credentials than these"
    );
    ProviderError::new(ProviderErrorKind::InvalidRequest, message).help(format!(
        "leave `{option}` out, and name the instance that has this address, if one has it, as \
         `options.instance`"
    ))
}

fn untrusted(provider: &str, option: &str) -> ProviderError {
    let message = format!("`options.{option}` names an address that is not trusted");
    ProviderError::new(ProviderErrorKind::InvalidRequest, message).help(format!(
        "if your credentials may go there, add it to `trusted_addresses` of `[provider.{provider}]` \
         in your subrosa.toml"
    ))
}

fn unknown_provider(name: &str, host: &Host) -> ProviderError {
    let known: Vec<&str> = host.providers.names().collect();
    let others = match host.providers.find.is_some() {
        true => "; any other is an executable `subrosa-provider-NAME` in `PATH`",
        false => "",
    };
    let help = match closest(&name.to_lowercase(), known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? Known providers: {}", known.join(", ")),
        None => format!("known providers: {}{others}", known.join(", ")),
    };
    ProviderError::new(
        ProviderErrorKind::InvalidRequest,
        format!("unknown secret provider: {name}"),
    )
    .help(help)
}
