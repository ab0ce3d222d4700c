//! A role for a token of somebody else's: what a cluster or a CI service says who we are.

use std::path::PathBuf;

use subrosa_engine::provider::{ProviderError, ResolveContext};
use subrosa_engine::secret::SecretValue;

use super::account::{STS, endpoint};
use super::credentials::{Credentials, is_key_id, read_token};
use crate::cloud::{self, unauthenticated};
use crate::http::{self, Address, Http};
use crate::setup::invalid;

/// A role, and where a token for it lies.
pub(super) struct Role {
    http: Http,
    address: Address,
    /// Its ARN.
    pub(super) arn: String,
    session: String,
    token: PathBuf,
}

impl Role {
    /// Reads files: not for async threads.
    ///
    /// # Errors
    /// The address of STS is no good.
    pub(super) fn new(
        context: &ResolveContext,
        region: &str,
        arn: String,
        session: Option<String>,
        token: PathBuf,
    ) -> Result<Role, ProviderError> {
        let address = endpoint(&context.env, STS, region)?;
        let authority = cloud::variable(&context.env, "AWS_CA_BUNDLE").map(Into::into);
        let http = cloud::http(context, &address, authority)?;
        let session = session.unwrap_or_else(|| "subrosa".into());
        Ok(Role { http, address, arn, session, token })
    }

    /// Gets credentials: the request is not signed, the token says who asks.
    ///
    /// # Errors
    /// The role is not given.
    #[expect(clippy::disallowed_methods, reason = "the token is sent to the server it is for")]
    pub(super) async fn assume(&self) -> Result<Credentials, ProviderError> {
        let Role { http, address, arn, session, token } = self;
        let token = read_token(token).await?;
        let place = format!("role `{arn}`");
        let known = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", arn),
            ("RoleSessionName", session),
        ];
        let body = cloud::form(&known, &[("WebIdentityToken", token.expose())]);
        let url = address.join([]).ok_or_else(|| invalid("the address of STS is no good"))?;
        let answer = http
            .send(cloud::posted(url, body))
            .await
            .map_err(|fault| http::no_answer(fault, &address.to_string()))?;
        match answer.status.as_u16() {
            200 => {}
            429 | 500..=599 => return Err(cloud::unanswered(address, &answer, &place)),
            status => {
                return Err(unauthenticated(format!(
                    "`{address}` does not give {place} ({status})"
                ))
                .help(
                    "look at the trust policy of the role, and at the token's issuer and audience",
                ));
            }
        }
        let element = |name| element(&answer.body, name);
        let read = || {
            let key_id = String::from_utf8(element("AccessKeyId")?.to_vec()).ok()?;
            let key = SecretValue::new(element("SecretAccessKey")?.to_vec());
            let token = Some(SecretValue::new(element("SessionToken")?.to_vec()));
            is_key_id(&key_id).then_some(Credentials { key_id, key, token })
        };
        read().ok_or_else(|| cloud::malformed(address, &place))
    }
}

/// What stands between the marks of an element of XML; keys and tokens need no escapes.
fn element<'a>(body: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let find =
        |text: &[u8], mark: &str| text.windows(mark.len()).position(|at| at == mark.as_bytes());
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let rest = body.get(find(body, &open)? + open.len()..)?;
    let inside = rest.get(..find(rest, &close)?)?.trim_ascii();
    let is_plain = |b: &u8| b.is_ascii_graphic() && !b"<>&".contains(b);
    (!inside.is_empty() && inside.iter().all(is_plain)).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::element;

    #[test]
    fn elements_hold_plain_texts() {
        let body = b"<a><Key>x+/=</Key><Other>&lt;</Other><Empty></Empty><Open>y</a>";
        assert_eq!(element(body, "Key"), Some(b"x+/=".as_slice()));
        for name in ["Other", "Empty", "Open", "None"] {
            assert!(element(body, name).is_none(), "{name}");
        }
    }
}
