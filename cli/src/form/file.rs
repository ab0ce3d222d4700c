//! Answers from the file that a service hands out, or that another program uses (`--from-file`).
//!
//! The type says where in the file each field is, or the file is known by its shape. Of a file that cannot
//! be used nothing is repeated but names.

use std::path::Path;

use subrosa_connections::form::{self, Filled};
use subrosa_connections::{ConnectionType, Field};

use super::given;
use crate::failure::{Exit, Failure};
use crate::value;

/// Adds what the file says to the answers.
pub(crate) fn read(path: &Path, kind: &ConnectionType, filled: &mut Filled) -> Result<(), Failure> {
    let bytes = value::credentials(path)?;
    let found = kind.read_file(&bytes).map_err(|why| {
        let message = format!("`{}` cannot be used for `{}`: {why}", path.display(), kind.id);
        Failure::new(Exit::INVALID, message)
            .help("`--set-file FIELD=PATH` takes one field from a file")
    })?;
    for (name, value) in &found {
        let Some(field) = kind.field(name) else { continue };
        value::with(value, |bytes| given::accept(field, bytes, filled))?;
    }
    Ok(())
}

/// Adds what else is in a file that was given for `whole`, if the type has all of the file there. What
/// cannot be used of it is asked for.
pub(crate) fn take_others(bytes: &[u8], kind: &ConnectionType, whole: &Field, filled: &mut Filled) {
    if kind.file.get(&whole.name).is_none_or(|pointer| !pointer.is_empty()) {
        return;
    }
    let Ok(found) = kind.read_file(bytes) else { return };
    for (name, value) in found.iter().filter(|(name, _)| **name != whole.name) {
        if let Some(field) = kind.field(name) {
            // One that does not fit is as good as none.
            value::with(value, |bytes| form::put(field, bytes, filled)).ok();
        }
    }
}
