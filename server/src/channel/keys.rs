//! Where the key of the registry is and which one it is; never the key.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Ask, Call};

/// What can be asked about the key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeysCall {
    /// What is known of it.
    KeyStatus(KeyStatus),
}

/// Asks what is known of the key.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeyStatus {}

/// What is known of the key of the registry; nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// The id of the store.
    pub store: String,
    /// How often the store was changed.
    #[schema(minimum = 0)]
    pub generation: Option<u64>,
    /// Where the key is looked for, in words.
    pub place: String,
    /// Why there: `option`, `variable`, `settings` or `default`.
    #[schema(example = "default")]
    pub chosen_by: String,
    /// The id of the key that is there; null: none.
    pub key: Option<String>,
    /// The id of the key that the registry needs; null: the registry is damaged.
    pub wanted: Option<String>,
    /// `in-use`, `unknown`, `missing`, `wrong` or `failed`.
    #[schema(example = "in-use")]
    pub state: String,
    /// Why it cannot be had.
    pub error: Option<String>,
    /// An exchange of the key that was cut off: `prepared` or `in-use`.
    pub rotation: Option<String>,
}

impl Ask for KeyStatus {
    type Answer = KeyView;

    fn into_call(self) -> Call {
        Call::Keys(KeysCall::KeyStatus(self))
    }
}
