//! What a caller of ours shows to be let in: the credentials of a file, or a signature over the body.
//!
//! The other way round from [`crate::apply`]. Everything is compared in constant time, and what is wrong is
//! told in words that help the caller no further than an honest one needs. Who calls, and what a call
//! starts, is the caller's business.

mod signature;

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use crate::files::HttpCredentials;

pub use signature::{Delivery, Headers, verify};

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// Nothing was shown.
    #[error("the call shows no {0}")]
    Missing(&'static str),
    /// It is not what it has to be.
    #[error("what the call shows is wrong")]
    Wrong,
    /// It was signed too long ago, or for a time to come.
    #[error("the call was signed too long ago, or for a time to come")]
    TooOld,
}

impl HttpCredentials {
    /// Whether a caller who shows this `Authorization` has these credentials; everybody has none.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    #[expect(clippy::disallowed_methods, reason = "compared with what the caller shows")]
    pub fn admit(&self, authorization: Option<&[u8]>) -> Result<(), NotAdmitted> {
        let shown = || authorization.ok_or(NotAdmitted::Missing("`Authorization`"));
        let is_right = match self {
            HttpCredentials::Nothing => true,
            HttpCredentials::Bearer(token) => {
                let shown = after_scheme(shown()?, "bearer").ok_or(NotAdmitted::Wrong)?;
                is_same(shown, token.expose())
            }
            HttpCredentials::Basic { username, password } => {
                let shown = after_scheme(shown()?, "basic").ok_or(NotAdmitted::Wrong)?;
                let shown = BASE64.decode(shown).map_err(|_| NotAdmitted::Wrong)?;
                let shown = Zeroizing::new(shown);
                is_same(&shown, &joined(username, password))
            }
        };
        if is_right { Ok(()) } else { Err(NotAdmitted::Wrong) }
    }
}

#[expect(clippy::disallowed_methods, reason = "compared with what the caller shows")]
fn joined(username: &SecretValue, password: &SecretValue) -> Zeroizing<Vec<u8>> {
    let (username, password) = (username.expose(), password.expose());
    let mut joined = Zeroizing::new(Vec::with_capacity(username.len() + password.len() + 1));
    joined.extend_from_slice(username);
    joined.push(b':');
    joined.extend_from_slice(password);
    joined
}

/// What stands behind the name of a scheme, which may be written in any case.
fn after_scheme<'a>(shown: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (name, rest) = shown.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?;
    name.eq_ignore_ascii_case(scheme.as_bytes()).then(|| rest.trim_ascii())
}

/// Whether two texts are the same. Their digests are compared, so that neither a common beginning nor the
/// length shows in the time that it takes.
fn is_same(shown: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && Sha256::digest(shown) == Sha256::digest(wanted)
}

#[cfg(test)]
mod tests {
    use subrosa_engine::secret::SecretValue;

    use super::NotAdmitted::{Missing, Wrong};
    use crate::files::HttpCredentials;

    fn value(text: &str) -> SecretValue {
        SecretValue::new(text.as_bytes().to_vec())
    }

    #[test]
    fn who_shows_what_the_file_has_is_let_in() {
        let bearer = HttpCredentials::Bearer(value("shh"));
        // `ops:open sesame:x`; a password may hold colons.
        let basic =
            HttpCredentials::Basic { username: value("ops"), password: value("open sesame:x") };
        let none = Missing("`Authorization`");
        for (credentials, shown, expected) in [
            (&bearer, Some("Bearer shh"), Ok(())),
            (&bearer, Some("bearer  shh "), Ok(())),
            (&bearer, Some("Bearer shhh"), Err(Wrong)),
            (&bearer, Some("Bearer sh"), Err(Wrong)),
            (&bearer, Some("Bearershh"), Err(Wrong)),
            (&bearer, Some("shh"), Err(Wrong)),
            (&bearer, Some("Basic shh"), Err(Wrong)),
            (&bearer, Some(""), Err(Wrong)),
            (&bearer, None, Err(none)),
            (&basic, Some("Basic b3BzOm9wZW4gc2VzYW1lOng="), Ok(())),
            (&basic, Some("basic b3BzOm9wZW4gc2VzYW1lOng="), Ok(())),
            (&basic, Some("Basic b3BzOm9wZW4="), Err(Wrong)),
            (&basic, Some("Basic %%%"), Err(Wrong)),
            (&basic, Some("Bearer open sesame:x"), Err(Wrong)),
            (&basic, None, Err(none)),
            (&HttpCredentials::Nothing, None, Ok(())),
        ] {
            let found = credentials.admit(shown.map(str::as_bytes));
            assert_eq!(found, expected, "{shown:?}");
        }
    }

    #[test]
    fn an_empty_token_lets_nobody_in() {
        let empty = HttpCredentials::Bearer(value(""));
        assert_eq!(empty.admit(Some(b"Bearer ")), Err(Wrong));
    }
}
