//! What the registry shows of a connection without opening anything: its type, its public fields and
//! how its tokens stand. Kept as one JSON text beside the sealed parts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The part of a connection that may be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The id of its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its public fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// How its tokens stand; `None` before it was authorized, and for types without OAuth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenState>,
}

/// How the tokens of a connection stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenState {
    /// When the grant was given, in seconds since 1970.
    pub authorized: u64,
    /// When the access token was last exchanged, in seconds since 1970.
    pub refreshed: u64,
    /// When the access token ends, in seconds since 1970; `None`: it does not, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// When the grant ends, whatever is refreshed, in seconds since 1970, if the server said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_expires: Option<u64>,
    /// Whether there is a refresh token.
    #[serde(default)]
    pub can_refresh: bool,
    /// What was granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Why the server refuses to refresh, once it did: the standard's error word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Record {
    /// Reads what the registry keeps; `None`: it is not ours, or of a newer version.
    pub fn parse(text: &str) -> Option<Record> {
        serde_json::from_str(text).ok()
    }

    /// What the registry keeps.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("plain fields become JSON")
    }
}

/// The sealed part with the access token.
pub const ACCESS_TOKEN: &str = "access_token";
/// The sealed part with the refresh token.
pub const REFRESH_TOKEN: &str = "refresh_token";
