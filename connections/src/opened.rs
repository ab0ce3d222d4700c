//! A connection with its values, for the one call that needs them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use subrosa_engine::secret::SecretValue;
use subrosa_registry::Address;

use crate::kind::ConnectionType;
use crate::record::{REFRESH_TOKEN, Record};

/// A connection with its values. It cannot be printed, compared or serialised.
pub struct Opened {
    /// Its type.
    pub kind: Arc<ConnectionType>,
    /// Where it was found.
    pub address: Address,
    /// Its version.
    pub version: u64,
    /// When it expires, if it does.
    pub expires: Option<SystemTime>,
    /// What may be read of it.
    pub record: Record,
    /// Its sealed parts, by the names of fields; tokens among them.
    pub parts: BTreeMap<String, SecretValue>,
    /// Parts of versions before that may still be in use: they are masked, too.
    pub retired: Vec<SecretValue>,
}

impl Opened {
    /// The value of a field: given, or the default of its type. The refresh token is no field: whoever had it
    /// could get access for ever, and would spoil it for all others.
    pub fn value(&self, name: &str) -> Option<SecretValue> {
        if !is_lent(&self.kind, name) {
            return None;
        }
        let public = |text: &String| SecretValue::new(text.as_bytes().to_vec());
        let given =
            self.parts.get(name).cloned().or_else(|| self.record.fields.get(name).map(public));
        let default = || {
            let field = self.kind.fields.iter().find(|field| field.name == name)?;
            field.default.as_ref().map(public)
        };
        given.or_else(default)
    }

    /// The text of a public field: given, or the default of its type.
    pub fn public(&self, name: &str) -> Option<String> {
        let default = || {
            let field = self.kind.fields.iter().find(|field| field.name == name)?;
            field.default.clone().filter(|_| !field.is_secret)
        };
        self.record.fields.get(name).cloned().or_else(default)
    }

    /// A command about the connection, as it can be typed, in back-ticks.
    pub(crate) fn command(&self, verb: &str) -> String {
        command(verb, &self.address)
    }

    /// The connection's name.
    pub fn name(&self) -> String {
        self.address.reference.connection_name().unwrap_or_default().to_owned()
    }
}

/// A command about a connection, as it can be typed, in back-ticks.
pub(crate) fn command(verb: &str, address: &Address) -> String {
    format!("`{}`", subrosa_engine::remedy::command(verb, &address.reference, &address.scope))
}

/// Whether a step may have a part of this name: not a refresh token that was exchanged.
pub(crate) fn is_lent(kind: &ConnectionType, part: &str) -> bool {
    part != REFRESH_TOKEN || kind.fields.iter().any(|field| field.name == part)
}
