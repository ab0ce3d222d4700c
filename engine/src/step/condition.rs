//! Conditions: a text that is compared, or a command that must succeed.
//!
//! What a condition was compared with is never told, only that it did not hold. A command runs as a
//! step does, in a process group of its own that ends with it; what it prints is dropped.

use subrosa_masker::MaskedText;

use super::Context;
use super::attempt::{Prepared, shell_text};
use super::context::{arguments, fill};
use crate::cancel::StopToken;
use crate::executor::{ExitHow, StepCall};
use crate::names;
use crate::run::level::Level;
use crate::shell::ShellLine;
use crate::sink::{MaskedSink, StepIo};
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
            let pattern = Pattern::new(&expected.raw);
            let mut lines = text.lines().chain(text.is_empty().then_some(""));
            lines.any(|line| pattern.matches(line))
        }
        None => match succeeds(level, context, &condition.text.raw, stop).await? {
            Some(met) => met,
            None => return Ok(false),
        },
    };
    Ok(met != condition.negate)
}

/// What a line is compared with: a literal must equal it; `re:` and a regular expression must match
/// somewhere in it.
pub(super) enum Pattern<'a> {
    Literal(&'a str),
    Expression(regex::Regex),
    /// An expression that is none.
    Nothing,
}

impl<'a> Pattern<'a> {
    pub(super) fn new(text: &'a str) -> Pattern<'a> {
        match text.strip_prefix("re:").map(regex::Regex::new) {
            None => Pattern::Literal(text),
            Some(Ok(expression)) => Pattern::Expression(expression),
            Some(Err(_)) => Pattern::Nothing,
        }
    }

    pub(super) fn matches(&self, line: &str) -> bool {
        match self {
            Pattern::Literal(text) => *text == line,
            Pattern::Expression(expression) => expression.is_match(line),
            Pattern::Nothing => false,
        }
    }

    /// As [`Pattern::matches`], but a literal need only be a part of the line.
    pub(super) fn is_in(&self, line: &str) -> bool {
        match self {
            Pattern::Literal(text) => line.contains(text),
            Pattern::Expression(_) | Pattern::Nothing => self.matches(line),
        }
    }
}

/// Runs a command; `None` if the run was stopped meanwhile.
async fn succeeds(
    level: &Level,
    context: &Context,
    text: &str,
    stop: StopToken,
) -> Result<Option<bool>, MaskedText> {
    let Prepared { text, variables } = shell_text(level, context, text);
    let shared = &level.shared;
    let own = context.variables.values().filter(|(name, _)| names::is_env_name(name));
    let own = own.map(|(name, value)| (name.to_owned(), value.clone()));
    let call = StepCall {
        command: context.shell.for_condition(&text),
        env: own.chain(variables).collect(),
        working_dir: context.working_dir.clone(),
        timeout: None,
        signal_on_stop: None,
        grace: shared.host.limits.grace,
        leak: shared.host.limits.leak,
    };
    let nowhere = MaskedSink::new(shared.masks.clone(), Vec::new(), None, None);
    let mut io = StepIo::new(nowhere, None, false);
    let exit = shared.executor.run(call, &mut io, stop).await;
    match exit.map_err(|error| shared.masks.text(&format!("a condition: {error}")))?.how {
        ExitHow::Code(code) => Ok(Some(code == 0)),
        ExitHow::Signal(_) | ExitHow::TimedOut => Ok(Some(false)),
        ExitHow::Stopped => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn literals_equal_and_expressions_match() {
        let matches = |pattern: &str, line: &str| Pattern::new(pattern).matches(line);
        assert!(matches("prod", "prod") && !matches("prod", "production"));
        assert!(matches("re:^prod", "production") && !matches("re:^prod$", "production"));
        assert!(!matches("re:(", "("));
        let is_in = |pattern: &str, line: &str| Pattern::new(pattern).is_in(line);
        assert!(is_in("WARN", "a WARNING") && !is_in("W.RN", "WARN") && is_in("re:^W.R", "WARN"));
    }
}
