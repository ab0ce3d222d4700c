//! The login of somebody at the Azure CLI: `az` is asked for a token.

use std::path::PathBuf;
use std::time::SystemTime;

use subrosa_engine::provider::{ProviderError, ProviderErrorKind, ResolveContext};

use super::place::Cloud;
use crate::cloud::token::Token;
use crate::cloud::unauthenticated;
use crate::program::{self, Failed};

/// What it is called in messages.
const WORDS: &str = "the Azure CLI (`az`)";

/// `az`, in `PATH`.
pub(super) struct CommandLine {
    program: PathBuf,
    context: ResolveContext,
    cloud: &'static Cloud,
}

impl CommandLine {
    /// Looks for it.
    pub(super) fn find(context: &ResolveContext, cloud: &'static Cloud) -> Option<CommandLine> {
        let path = program::path_of(&context.env)?;
        let program = program::in_path("az", &path)?;
        Some(CommandLine { program, context: context.clone(), cloud })
    }

    /// Asks it for a token.
    ///
    /// # Errors
    /// It gives none in time.
    pub(super) async fn token(&self, now: SystemTime) -> Result<Token, ProviderError> {
        let mut command = program::command(&self.program, &self.context);
        command.args(["account", "get-access-token", "--output", "json", "--resource"]);
        command.arg(self.cloud.audience());
        // The metadata service was asked before, under the same deadline.
        let limit = program::limit(&self.context).mul_f64(0.9);
        let printed = program::output(command, limit).await.map_err(|failed| match failed {
            Failed::Exit(_) => unauthenticated(format!("{WORDS} gives no token"))
                .help("run `az login`, to the tenant that the vault belongs to"),
            failed => program::error(WORDS, &failed),
        })?;
        Token::parse(&printed, WORDS, now).ok_or_else(|| {
            let message = format!("{WORDS} printed something that is no token");
            ProviderError::new(ProviderErrorKind::Malformed, message)
        })
    }
}
