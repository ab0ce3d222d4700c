//! `schema`, `completions`, `man`: texts made from what the program knows of itself.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::{Exit, Failure};
use crate::out;

/// Prints the JSON Schema of workflow files.
pub(crate) fn schema() -> Result<Exit, Failure> {
    out::stdout(format!("{:#}\n", subrosa_engine::schema(subrosa_executors::KINDS)))?;
    Ok(Exit::OK)
}

/// Prints completions.
pub(crate) fn completions(shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "subrosa", &mut script);
    out::stdout(script)?;
    Ok(Exit::OK)
}

/// Prints the main manual page, or writes all of them into a folder.
pub(crate) fn man(dir: Option<&Path>) -> Result<Exit, Failure> {
    let unwritten = |error| Failure::engine(format!("cannot write the manual: {error}"));
    match dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(unwritten)?;
            clap_mangen::generate_to(Cli::command(), dir).map_err(unwritten)?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(unwritten)?;
            out::stdout(page)?;
        }
    }
    Ok(Exit::OK)
}
