//! Words and signs for how steps stand and why.

use anstyle::{AnsiColor, Style};
use subrosa_engine::event::{RunStatus, StepEnd, StepStatus};
use subrosa_masker::MaskedText;

use crate::render::{Look, bold};
use crate::text::shown;

/// Sign, word and colour of a step's status.
pub(crate) fn step(status: StepStatus) -> (&'static str, &'static str, Style) {
    let dim = Style::new().dimmed();
    match status {
        StepStatus::NotStarted => ("·", "not started", dim),
        StepStatus::Running => ("▸", "running", bold(AnsiColor::Cyan)),
        StepStatus::Succeeded => ("✓", "succeeded", bold(AnsiColor::Green)),
        StepStatus::Failed => ("✗", "failed", bold(AnsiColor::Red)),
        StepStatus::PartiallySucceeded => ("!", "failed, went on", bold(AnsiColor::Yellow)),
        StepStatus::Skipped => ("○", "skipped", dim),
        StepStatus::UpstreamFailed => ("⊘", "not run", dim),
        StepStatus::Aborted => ("⊘", "aborted", bold(AnsiColor::Yellow)),
    }
}

/// The status that a record names; `None` for a word of another version.
pub(crate) fn parse_step(word: &str) -> Option<StepStatus> {
    const ALL: [StepStatus; 8] = [
        StepStatus::NotStarted,
        StepStatus::Running,
        StepStatus::Succeeded,
        StepStatus::Failed,
        StepStatus::PartiallySucceeded,
        StepStatus::Skipped,
        StepStatus::UpstreamFailed,
        StepStatus::Aborted,
    ];
    let name = |status: &StepStatus| serde_json::to_value(status).is_ok_and(|name| name == word);
    ALL.into_iter().find(name)
}

/// Sign and word of a step, in colour.
pub(crate) fn painted(status: StepStatus, look: Look) -> String {
    let (sign, _, style) = step(status);
    look.paint(style, sign)
}

/// Word and colour of a run's status.
pub(crate) fn run(status: RunStatus) -> (&'static str, Style) {
    match status {
        RunStatus::Running => ("running", bold(AnsiColor::Cyan)),
        RunStatus::Succeeded => ("succeeded", bold(AnsiColor::Green)),
        RunStatus::PartiallySucceeded => ("partially succeeded", bold(AnsiColor::Yellow)),
        RunStatus::Failed => ("failed", bold(AnsiColor::Red)),
        RunStatus::Aborted => ("aborted", bold(AnsiColor::Yellow)),
    }
}

/// Why an attempt ended; empty if there is nothing to say.
pub(crate) fn end(end: &StepEnd) -> String {
    match end {
        StepEnd::Exited { code: 0 } => String::new(),
        StepEnd::Exited { code } => format!("exit {code}"),
        StepEnd::Signalled { signal } => signal_name(*signal),
        StepEnd::TimedOut => "timed out".to_owned(),
        StepEnd::Cancelled => "cancelled".to_owned(),
        StepEnd::Error { message } => shown(message.as_str()),
        StepEnd::NotRun { reason } => shown(reason.as_str()),
        StepEnd::Called { status: RunStatus::Succeeded } => String::new(),
        StepEnd::Called { status } => format!("called workflow {}", run(*status).0),
    }
}

/// `, environment prod`; empty if none was chosen.
pub(crate) fn environment(name: Option<&MaskedText>) -> String {
    name.map_or_else(String::new, |name| format!(", environment {}", shown(name.as_str())))
}

/// `signal 9 (KILL)`.
pub(crate) fn signal_name(number: i32) -> String {
    let name = match number {
        1 => " (HUP)",
        2 => " (INT)",
        3 => " (QUIT)",
        6 => " (ABRT)",
        9 => " (KILL)",
        11 => " (SEGV)",
        13 => " (PIPE)",
        15 => " (TERM)",
        _ => "",
    };
    format!("signal {number}{name}")
}

#[cfg(test)]
mod tests {
    use subrosa_engine::event::StepStatus;

    use super::parse_step;

    #[test]
    fn records_name_statuses_as_events_do() {
        assert_eq!(parse_step("upstream_failed"), Some(StepStatus::UpstreamFailed));
        assert_eq!(parse_step("partially_succeeded"), Some(StepStatus::PartiallySucceeded));
        assert_eq!(parse_step("dreaming"), None);
    }
}
