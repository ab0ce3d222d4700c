//! The types of connections: those of the program, and those that the user declares.

use std::path::PathBuf;

use subrosa_connections::Types;

use crate::failure::Failure;
use crate::load;
use crate::render::Excerpts;
use crate::wiring::World;

impl World {
    /// Where the user declares types: with the records if these have a folder of their own, else with
    /// the user's settings; none without a home.
    pub(crate) fn types_folder(&self) -> Option<PathBuf> {
        Some(self.config_file()?.with_file_name("connection-types"))
    }

    /// The types there are. What is wrong with a file of the user is told, and the other types count all
    /// the same.
    pub(crate) fn connection_types(&self) -> Result<Types, Failure> {
        let mut types = Types::shipped();
        let Some(folder) = self.types_folder() else { return Ok(types) };
        let flawed =
            types.add_folder(&folder).map_err(|error| Failure::engine(error.to_string()))?;
        for file in &flawed {
            load::tell(&Excerpts::new(&file.source), &file.diagnostics, self);
        }
        Ok(types)
    }
}
