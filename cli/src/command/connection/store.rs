//! What the command line says of a change that was not stored.

use subrosa_connections::Record;
use subrosa_connections::change::{self, ChangeError};
use subrosa_registry::RecordInfo;

use crate::failure::{Exit, Failure};

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Failure {
        let message = error.to_string();
        match error {
            ChangeError::NotStored(error) => error.into(),
            ChangeError::Newer(_) => {
                Failure::new(Exit::ENGINE, message).help("use the newer subrosa that wrote it")
            }
            ChangeError::OtherType { .. } => Failure::new(Exit::SECRETS, message),
            ChangeError::Kept { kept, .. } => {
                let words: Vec<String> =
                    kept.iter().map(|name| format!("`--set-file {name}=PATH`")).collect();
                let first = kept.first().map_or("FIELD", String::as_str);
                Failure::new(Exit::SECRETS, message).help(format!(
                    "give it anew in the same command, with {} or `--set {first}=-`",
                    words.join(", "),
                ))
            }
        }
    }
}

/// What the text of a connection says.
pub(crate) fn parse(info: &RecordInfo) -> Result<Record, Failure> {
    Ok(change::parse(info)?)
}
