//! Back-ticked commands in texts of the workflow: their output becomes part of the text.
//!
//! What runs is decided by the file alone; values reach the command as its environment. Its standard
//! error is dropped, and a failure is told without quoting anything but the command's place.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::time::timeout;

use crate::env::{self, Variables};
use crate::expand::{Scope, Template};
use crate::secret::SecretValue;

/// Where commands run.
pub(crate) struct Place<'a> {
    pub(crate) variables: &'a Variables,
    pub(crate) working_dir: PathBuf,
    pub(crate) timeout: Duration,
}

/// Why a command gave no output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubstituteError {
    #[error("a command in back-ticks could not be started")]
    Start,
    #[error("a command in back-ticks failed with {0}")]
    Failed(String),
    #[error("a command in back-ticks took longer than {0} s")]
    TimedOut(u64),
}

/// Expands a text, running the commands in it; without a place (a dry run) none is run.
pub(crate) async fn expand(
    text: &str,
    scope: &(dyn Scope + Sync),
    place: Option<&Place<'_>>,
) -> Result<SecretValue, SubstituteError> {
    let template = Template::parse(text);
    let mut outputs = Vec::new();
    if let Some(place) = place {
        for command in template.commands() {
            outputs.push(run(command, place).await?);
        }
    }
    Ok(template.fill(scope, &outputs))
}

/// The processes of a command, killed when this is dropped: its end is theirs.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        let _gone = self.0.map(|id| kill_process_group(id, Signal::KILL));
    }
}

async fn run(text: &str, place: &Place<'_>) -> Result<SecretValue, SubstituteError> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(text).env_clear().current_dir(&place.working_dir);
    for (name, variable) in place.variables.iter() {
        if let Some(value) = &variable.value {
            command.env(name, env::to_os(value));
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.process_group(0);
    let child = command.spawn().map_err(|_| SubstituteError::Start)?;
    let _group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let output = match timeout(place.timeout, child.wait_with_output()).await {
        Err(_) => return Err(SubstituteError::TimedOut(place.timeout.as_secs())),
        Ok(Err(_)) => return Err(SubstituteError::Start),
        Ok(Ok(output)) => output,
    };
    let mut bytes = output.stdout;
    if !output.status.success() {
        zeroize::Zeroize::zeroize(&mut bytes);
        return Err(SubstituteError::Failed(output.status.to_string()));
    }
    while bytes.ends_with(b"\n") || bytes.ends_with(b"\r") {
        bytes.pop();
    }
    Ok(SecretValue::new(bytes))
}
