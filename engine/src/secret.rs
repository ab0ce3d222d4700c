//! The one type that holds plaintext.
//!
//! [`SecretValue`] cannot be printed, serialised or compared, is wiped when the last copy goes, and
//! opens only through [`SecretValue::expose`], which the lints forbid: each site that may call it
//! says why in an `#[expect]`, so a search for those lists every place that touches plaintext.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretSlice};

/// Plaintext. Cloning shares it.
#[derive(Clone)]
pub struct SecretValue(Arc<SecretSlice<u8>>);

impl SecretValue {
    /// Takes bytes over; the vector's own memory becomes the value's and is wiped with it.
    pub fn new(bytes: Vec<u8>) -> SecretValue {
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
