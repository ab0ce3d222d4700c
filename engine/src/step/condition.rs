//! Conditions: a text that is compared, or a command that must succeed.
//!
//! What a condition was compared with is never told, only that it did not hold.

use std::process::Stdio;

use subrosa_masker::MaskedText;
use tokio::process::Command;

use super::Context;
use super::attempt::{Prepared, shell_text};
use super::context::{arguments, fill};
use crate::cancel::{Stop, StopToken};
use crate::env;
use crate::run::level::Level;
use crate::shell::ShellLine;
use crate::workflow::Condition;

/// Whether a condition of the workflow holds.
pub(crate) async fn holds_for_workflow(
    level: &Level,
    condition: &Condition,
    stop: StopToken,
) -> Result<bool, MaskedText> {
    let variables = level.base.clone();
    let working_dir = level.setup.working_dir.clone();
    let shell = match &level.workflow().shell {
        None => ShellLine::default_of(&level.shared.host),
        Some(shell) => {
            let words = arguments(level, &variables, &working_dir, &shell.words).await?;
            ShellLine::of_workflow(words)
        }
    };
    holds(level, &Context { variables, working_dir, shell }, condition, stop).await
}

/// Whether a condition holds. A stop while it is looked at counts as not held.
#[expect(clippy::disallowed_methods, reason = "the text is compared with what is expected")]
pub(super) async fn holds(
    level: &Level,
    context: &Context,
    condition: &Condition,
    stop: StopToken,
) -> Result<bool, MaskedText> {
    let met = match &condition.expected {
        Some(expected) => {
            let value =
                fill(level, &condition.text, &context.variables, &context.working_dir).await?;
            let text = String::from_utf8_lossy(value.expose());
            let mut lines = text.lines().chain(text.is_empty().then_some(""));
            lines.any(|line| matches(&expected.raw, line))
        }
        None => match succeeds(level, context, &condition.text.raw, stop).await {
            Some(met) => met,
            None => return Ok(false),
        },
    };
    Ok(met != condition.negate)
}

/// A literal must equal the line; `re:` and a regular expression must match somewhere in it.
pub(super) fn matches(pattern: &str, line: &str) -> bool {
    match pattern.strip_prefix("re:") {
        Some(regex) => regex::Regex::new(regex).is_ok_and(|regex| regex.is_match(line)),
        None => pattern == line,
    }
}

/// Runs a command, its output dropped; `None` if the run was stopped meanwhile.
async fn succeeds(
    level: &Level,
    context: &Context,
    text: &str,
    mut stop: StopToken,
) -> Option<bool> {
    let Prepared { text, variables } = shell_text(level, context, text);
    let words = context.shell.for_condition(&text);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env_clear().current_dir(&context.working_dir);
    for (name, value) in
        context.variables.values().chain(variables.iter().map(|(n, v)| (n.as_str(), v)))
    {
        command.env(name, env::to_os(value));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().ok()?;
    tokio::select! {
        status = child.wait() => Some(status.is_ok_and(|status| status.success())),
        _ = stop.changed_from(Stop::No) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn literals_equal_and_expressions_match() {
        assert!(matches("prod", "prod") && !matches("prod", "production"));
        assert!(matches("re:^prod", "production") && !matches("re:^prod$", "production"));
        assert!(!matches("re:(", "("));
    }
}
