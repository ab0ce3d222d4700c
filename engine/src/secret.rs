//! The one type that holds plaintext.
//!
//! [`SecretValue`] cannot be printed, serialised or compared, is wiped when the last copy goes, and
//! opens only through [`SecretValue::expose`], which the lints forbid: each site that may call it
//! says why in an `#[expect]`, so a search for those lists every place that touches plaintext.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretSlice};
use zeroize::Zeroize;

/// Plaintext. Cloning shares it.
#[derive(Clone)]
pub struct SecretValue(Arc<SecretSlice<u8>>);

impl SecretValue {
    /// Takes bytes over: the vector's own memory becomes the value's and is wiped with it, or is wiped at once
    /// if it is larger than the bytes. To shrink it may move them and leave them where they were.
    pub fn new(mut bytes: Vec<u8>) -> SecretValue {
        if bytes.capacity() > bytes.len() {
            let exact: Box<[u8]> = bytes.as_slice().into();
            bytes.zeroize();
            return SecretValue(Arc::new(SecretSlice::from(exact)));
        }
        SecretValue(Arc::new(SecretSlice::from(bytes)))
    }

    /// The plaintext. Every caller carries an `#[expect]` with its reason.
    #[expect(clippy::disallowed_methods, reason = "the one door")]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl From<SecretSlice<u8>> for SecretValue {
    fn from(value: SecretSlice<u8>) -> SecretValue {
        SecretValue(Arc::new(value))
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::SecretValue;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the bytes of the test are compared")]
    fn a_value_is_the_bytes_whatever_room_they_had() {
        for room in [0, 7, 64] {
            let mut bytes = Vec::with_capacity(room);
            bytes.extend_from_slice(b"hunter2");
            assert_eq!(SecretValue::new(bytes).expose(), b"hunter2");
        }
    }
}
