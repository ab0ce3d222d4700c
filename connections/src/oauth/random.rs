//! What must not be guessed: states and verifiers.

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::oauth::OAuthError;

/// 256 bits in 43 characters, which is the least that RFC 7636 allows.
pub(super) fn token() -> Result<Zeroizing<String>, OAuthError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|_| OAuthError::Random)?;
    Ok(Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes)))
}

/// What is told of a verifier in the browser (RFC 7636, S256).
pub(super) fn challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(digest(&SHA256, verifier.as_bytes()).as_ref())
}

/// Whether both are the same, in a time that does not say where they differ.
pub fn is_same(left: &[u8], right: &[u8]) -> bool {
    let differing = left.iter().zip(right).fold(0, |so_far, (a, b)| so_far | (a ^ b));
    left.len() == right.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::{challenge, is_same, token};

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn no_two_are_the_same() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_eq!((one.len(), other.len()), (43, 43));
        assert!(is_same(one.as_bytes(), one.as_bytes()));
        assert!(!is_same(one.as_bytes(), other.as_bytes()));
        assert!(!is_same(one.as_bytes(), &one.as_bytes()[..42]));
        assert!(!is_same(b"", one.as_bytes()));
    }
}
