//! The words of `scan`.

use std::path::PathBuf;

use clap::Args;

/// What to search, and how to tell.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Files and folders; the current folder if none is named
    #[arg(value_name = "PATH", conflicts_with_all = ["staged", "history", "install_hook"])]
    pub(crate) paths: Vec<PathBuf>,
    /// Search what is staged for the next commit
    #[arg(long, conflicts_with_all = ["history", "install_hook"])]
    pub(crate) staged: bool,
    /// Search every file of every commit that a branch or tag leads to
    #[arg(long, conflicts_with = "install_hook")]
    pub(crate) history: bool,
    /// Have git search what is staged before each commit
    #[arg(long, conflicts_with = "json")]
    pub(crate) install_hook: bool,
    /// Write one JSON object per finding to standard output
    #[arg(long)]
    pub(crate) json: bool,
}
