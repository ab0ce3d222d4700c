//! The words of `key`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::help::key::{EXPORT, IMPORT, MOVE, ROTATE, STATUS};
use crate::help::secret::EXIT_CODES_SECRET;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Tell where the key is looked for and whether it is the right one
    #[command(after_help = STATUS, after_long_help = long(STATUS))]
    Status {
        /// Write JSON to standard output
        #[arg(long)]
        json: bool,
    },
    /// Make a new key and take all secrets over to it
    #[command(after_help = ROTATE, after_long_help = long(ROTATE))]
    Rotate(RotateArgs),
    /// Take the key to another place
    #[command(after_help = MOVE, after_long_help = long(MOVE))]
    Move(MoveArgs),
    /// Write a copy of the key, for a safe place
    #[command(after_help = EXPORT, after_long_help = long(EXPORT))]
    Export(ExportArgs),
    /// Put a copy of the key back where the key is missing
    #[command(after_help = IMPORT, after_long_help = long(IMPORT))]
    Import(ImportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Seal the names of secrets from now on: nothing can be listed without the key
    #[arg(long, conflicts_with = "show_names")]
    pub(crate) seal_names: bool,
    /// Leave the names of secrets readable from now on
    #[arg(long)]
    pub(crate) show_names: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MoveArgs {
    /// What kind of place; with `file` and `passphrase`, --key-file says which
    #[arg(long, value_enum, value_name = "PLACE")]
    pub(crate) to: To,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// With `command`: the program that prints the key, and its arguments
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

/// A kind of place for the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// A file that only you can read
    File,
    /// A file that takes a passphrase
    Passphrase,
    /// The keyring of the system
    Keyring,
    /// A program that prints the key
    Command,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The new file; `-` for standard output, unless that is a terminal
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Encrypt the copy under a passphrase, which is asked for
    #[arg(long)]
    pub(crate) passphrase: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file that `key export` wrote; `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `--help` adds to the examples.
fn long(help: &str) -> String {
    format!("{help}\n\n{EXIT_CODES_SECRET}")
}
