//! Who may come in to `subrosa serve`, how, and with what.

mod entry;
#[cfg(feature = "oauth-servers")]
mod openid;
mod rights;
pub(crate) mod site;
mod tokens;

/// A password that holds.
const PASSWORD: &str = "correct horse battery";
/// Another one.
const OTHER: &str = "staple battery horse";
