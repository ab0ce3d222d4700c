//! Bytes that become a value.

use subrosa_engine::provider::{ProviderError, ProviderErrorKind};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

/// Takes bytes over as they are, unless no variable can hold them; `what` they are, in words.
pub(crate) fn from_bytes(
    mut bytes: Zeroizing<Vec<u8>>,
    what: impl FnOnce() -> String,
) -> Result<SecretValue, ProviderError> {
    if bytes.contains(&0) {
        return Err(ProviderError::new(
            ProviderErrorKind::Malformed,
            format!("{} holds a NUL byte", what()),
        )
        .help("an environment variable cannot hold one; store the value as text, such as base64"));
    }
    Ok(SecretValue::new(std::mem::take(&mut *bytes)))
}
