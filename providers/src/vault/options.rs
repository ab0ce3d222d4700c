//! The options of the provider, and where else their values may come from.
//!
//! A credential is given by one of three: the option itself, the same with `_env` (the name of a variable of
//! the workflow or of the process) or with `_file` (a path; a relative one is looked up like that of a secret
//! file). Settings also have their standard variables, which are read from the process alone: a dotenv file
//! that lies about does not decide which server is trusted.

use std::path::PathBuf;

use subrosa_engine::provider::{Identity, ProviderError, ResolveContext};
use subrosa_engine::secret::SecretValue;

use crate::setup::{self, invalid};

/// All options, those of one request first.
pub(super) const ALL: &[&str] = &[
    "field",
    "version",
    "method",
    DATA,
    "vault_address",
    "namespace",
    "ca_cert",
    "ca_path",
    "client_cert",
    "client_key",
    "timeout",
    "auth",
    "auth_mount",
    "role",
    "username",
    "vault_token",
    "vault_token_env",
    "vault_token_file",
    "wrapped_token",
    "wrapped_token_env",
    "wrapped_token_file",
    "role_id",
    "role_id_env",
    "role_id_file",
    "secret_id",
    "secret_id_env",
    "secret_id_file",
    "wrapped_secret_id",
    "wrapped_secret_id_env",
    "wrapped_secret_id_file",
    "password",
    "password_env",
    "password_file",
    "jwt",
    "jwt_env",
    "jwt_file",
];

/// Those that decide which login a request needs.
pub(super) const LOGIN: &[&str] = ALL.split_at(4).1;

/// What stands before the names of what is sent along: `data.common_name`.
pub(super) const DATA: &str = "data.";

/// What was given for a login.
pub(super) struct Given<'a> {
    pub(super) context: &'a ResolveContext,
    pub(super) identity: &'a Identity,
}

impl Given<'_> {
    /// An option that is not blank.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        debug_assert!(LOGIN.contains(&name), "{name} has to be part of the identity");
        let value = self.identity.0.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// A setting of the process, if it is not blank: `VAULT_ADDR`, or else `BAO_ADDR`. Where only the latter
    /// says where the server is, its companions count first: a token goes to the server it is for.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let text = |name: &str| trimmed(self.context.env.process.get(name)?);
        let other = || text(&format!("BAO_{}", name.strip_prefix("VAULT_")?));
        let is_bao = text("VAULT_ADDR").is_none() && text("BAO_ADDR").is_some();
        if is_bao { other().or_else(|| text(name)) } else { text(name).or_else(other) }
    }

    /// A setting: the option, else the variable.
    pub(super) fn setting(&self, option: &str, variable: &str) -> Option<String> {
        self.option(option).map(str::to_owned).or_else(|| self.variable(variable))
    }

    /// The path of a file: the option, found in the folders of the run, else the variable as it is.
    pub(super) fn path(&self, option: &str, variable: &str) -> Option<PathBuf> {
        match self.option(option) {
            Some(path) => Some(setup::locate(path, self.context)),
            None => self.variable(variable).map(PathBuf::from),
        }
    }

    /// A credential by one of its three options, without blanks around it.
    ///
    /// # Errors
    /// More than one is given, or what it names is not there.
    pub(super) fn credential(&self, name: &str) -> Result<Option<SecretValue>, ProviderError> {
        let (by_name, by_file) = (format!("{name}_env"), format!("{name}_file"));
        match (self.option(name), self.option(&by_name), self.option(&by_file)) {
            (None, None, None) => Ok(None),
            (Some(value), None, None) => Ok(Some(SecretValue::new(value.into()))),
            (None, Some(variable), None) => self.named(variable, &by_name).map(Some),
            (None, None, Some(path)) => {
                let path = setup::locate(path, self.context);
                let bytes = setup::read(&path, &format!("the file of option `{by_file}`"))?;
                Ok(Some(without_blanks(&bytes)))
            }
            _ => {
                let message =
                    format!("more than one of `{name}`, `{by_name}` and `{by_file}` is given");
                Err(invalid(message).help("keep one of them; the configuration counts, too"))
            }
        }
    }

    /// The same for one that a login cannot do without.
    ///
    /// # Errors
    /// As for [`Given::credential`], or it is missing.
    pub(super) fn required(&self, name: &str, auth: &str) -> Result<SecretValue, ProviderError> {
        self.credential(name)?.ok_or_else(|| {
            let message = format!("`auth: {auth}` needs `{name}`, `{name}_env` or `{name}_file`");
            invalid(message)
        })
    }

    fn named(&self, variable: &str, option: &str) -> Result<SecretValue, ProviderError> {
        let environment = &self.context.env;
        let value = environment.workflow.get(variable);
        match value.or_else(|| environment.process.get(variable)) {
            Some(value) => Ok(trimmed_value(value)),
            None => {
                let message = format!("variable `{variable}` of option `{option}` is not set");
                Err(invalid(message))
            }
        }
    }
}

/// The value without blanks around it: files and variables often end with a newline.
pub(super) fn without_blanks(bytes: &[u8]) -> SecretValue {
    SecretValue::new(bytes.trim_ascii().to_vec())
}

#[expect(clippy::disallowed_methods, reason = "a credential is copied without its blanks")]
fn trimmed_value(value: &SecretValue) -> SecretValue {
    without_blanks(value.expose())
}

#[expect(clippy::disallowed_methods, reason = "addresses, paths and names are settings")]
fn trimmed(value: &SecretValue) -> Option<String> {
    let text = std::str::from_utf8(value.expose()).ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
