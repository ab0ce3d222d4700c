//! The words of the commands that look at providers.

use std::path::PathBuf;

use clap::Args;

use super::{Params, RegistryArgs};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The workflow file
    pub(crate) file: PathBuf,
    /// Read the values of providers that cannot tell otherwise, and drop them
    ///
    /// Every value is then read, as for a run; none is shown.
    #[arg(long)]
    pub(crate) read: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) params: Params,
}

#[derive(Debug, Args)]
pub(crate) struct ProvidersArgs {
    /// Ask also those that nobody configured, at the places they have by default
    #[arg(long, conflicts_with = "offline")]
    pub(crate) all: bool,
    /// Ask nobody
    #[arg(long)]
    pub(crate) offline: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}
