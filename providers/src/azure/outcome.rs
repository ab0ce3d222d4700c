//! What an answer that is no good means: known by its status and the codes of its error alone.

use reqwest::header::WWW_AUTHENTICATE;
use serde::Deserialize;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind};

use crate::cloud;
use crate::http::{Address, Answer};

/// What was asked.
pub(super) struct Asked<'a> {
    pub(super) address: &'a Address,
    /// The place, in words.
    pub(super) what: &'a str,
    /// Where the credentials came from.
    pub(super) from: &'a str,
}

/// Why a vault refuses (403).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// The secret is disabled.
    Disabled,
    /// The firewall of the vault.
    Firewall,
    /// An access policy of the vault.
    Policy,
    /// A role of the subscription.
    Role,
    /// It does not say.
    Unknown,
}

/// Why a vault refuses, as the code inside of its error says.
pub(super) fn denial(body: &[u8]) -> Denial {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        #[serde(borrow)]
        error: Outer<'a>,
    }
    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        innererror: Inner<'a>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        code: &'a str,
    }
    let refusal = serde_json::from_slice::<Refusal<'_>>(body).ok();
    match refusal.map(|refusal| refusal.error.innererror.code) {
        Some("SecretDisabled") => Denial::Disabled,
        Some("ForbiddenByFirewall" | "ForbiddenByConnection") => Denial::Firewall,
        Some("ForbiddenByPolicy" | "AccessDenied") => Denial::Policy,
        Some("ForbiddenByRbac") => Denial::Role,
        Some(_) | None => Denial::Unknown,
    }
}

/// The error for an answer that is no good.
pub(super) fn refused(asked: &Asked<'_>, answer: &Answer) -> ProviderError {
    let Asked { address, what, from } = asked;
    let error = ProviderError::new;
    match answer.status.as_u16() {
        401 => {
            let message = format!("`{address}` does not accept the credentials from {from} (401)");
            error(ProviderErrorKind::Unauthenticated, message).help(match tenant(answer) {
                Some(tenant) => format!("log in to tenant `{tenant}`, which the vault belongs to"),
                None => "log in again, to the tenant that the vault belongs to".to_owned(),
            })
        }
        403 => denied(asked, denial(&answer.body)),
        404 => error(ProviderErrorKind::NotFound, format!("{what} not found"))
            .help(format!("look at the name and the version; asked was `{address}`")),
        _ => cloud::unanswered(address, answer, what),
    }
}

fn denied(asked: &Asked<'_>, denial: Denial) -> ProviderError {
    let Asked { address, what, from } = asked;
    let denied = |by: &str| {
        let message = format!("`{address}` denies reading {what}{by} (403)");
        ProviderError::new(ProviderErrorKind::Denied, message)
    };
    match denial {
        Denial::Disabled => {
            let message = format!("{what} is disabled (403)");
            ProviderError::new(ProviderErrorKind::NotFound, message)
                .help("enable it with `az keyvault secret set-attributes --enabled true`")
        }
        Denial::Firewall => denied(": its firewall lets nobody in from here")
            .help("allow this network in the vault's networking, or use its private endpoint"),
        Denial::Policy => denied(": no access policy allows it").help(format!(
            "allow `get` on secrets to the identity from {from} in the vault's access policies"
        )),
        Denial::Role | Denial::Unknown => denied("").help(format!(
            "grant the role `Key Vault Secrets User` on the secret to the identity from {from}; \
             vaults with access policies want `get` on secrets instead"
        )),
    }
}

/// The tenant that the vault wants a login to: its id is no secret, and shown only if it is one.
fn tenant(answer: &Answer) -> Option<&str> {
    let challenge = answer.header(&WWW_AUTHENTICATE)?;
    let (_, rest) = challenge.split_once("authorization=\"https://")?;
    let (_, path) = rest.split_once('/')?;
    let id = path.split(['/', '"']).next()?;
    let is_id = |text: &str| {
        let groups = text.split('-').map(str::len);
        groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
    };
    is_id(id).then_some(id)
}
