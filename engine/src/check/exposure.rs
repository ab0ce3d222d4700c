//! Secrets where other users of the machine could see them.
//!
//! Shell text is not concerned: the shell expands it from its environment. Arguments of `exec`, of an
//! interpreter and of a shell are expanded by the engine and are readable in the process list; a path
//! is readable in the folder. A step variable made of a secret counts as one.

use std::collections::{HashMap, HashSet};

use crate::diagnostic::Diagnostic;
use crate::names::shown;
use crate::spec::Notes;
use crate::workflow::{Action, Step, Text, Workflow};

/// Looks at all steps and handlers.
pub(super) fn check(notes: &mut Notes, workflow: &Workflow) {
    if workflow.secrets.is_empty() {
        return;
    }
    let secrets: HashSet<&str> = workflow.secrets.iter().map(|s| s.name.as_str()).collect();
    if let Some(shell) = &workflow.shell {
        arguments(notes, &Known::new(&secrets), &shell.words);
    }
    let handlers = &workflow.handlers;
    let handlers =
        [&handlers.init, &handlers.success, &handlers.failure, &handlers.abort, &handlers.exit];
    for step in workflow.steps.iter().chain(handlers.into_iter().flatten()) {
        step_exposure(notes, &secrets, step);
    }
}

/// Names whose values are secret, as one step sees them.
struct Known<'a> {
    secrets: &'a HashSet<&'a str>,
    /// The step's own variables, and whether they are made of secrets.
    own: HashMap<&'a str, bool>,
}

impl<'a> Known<'a> {
    fn new(secrets: &'a HashSet<&'a str>) -> Known<'a> {
        Known { secrets, own: HashMap::new() }
    }

    fn has(&self, name: &str) -> bool {
        self.own.get(name).copied().unwrap_or_else(|| self.secrets.contains(name))
    }
}

fn step_exposure(notes: &mut Notes, secrets: &HashSet<&str>, step: &Step) {
    let mut secrets = Known::new(secrets);
    for entry in &step.env {
        let made_of_secret = mentioned(&secrets, &entry.value.raw).is_some();
        secrets.own.insert(&entry.name, made_of_secret);
    }
    if let Some(shell) = &step.shell {
        arguments(notes, &secrets, &shell.words);
    }
    match &step.action {
        Action::Exec(words) => arguments(notes, &secrets, words),
        Action::Script { interpreter: Some(words), .. } => arguments(notes, &secrets, words),
        Action::Script { interpreter: None, .. }
        | Action::Shell(_)
        | Action::Call { .. }
        | Action::Typed(_) => {}
    }
    for path in [&step.stdout, &step.stderr, &step.working_dir].into_iter().flatten() {
        if let Some(name) = mentioned(&secrets, &path.raw) {
            let message = format!("the value of {} becomes part of a path", shown(name));
            notes.add(
                Diagnostic::warning("secret-in-path", message)
                    .at(path.span, "")
                    .help("names of files are visible to others; choose one without the secret"),
            );
        }
    }
}

fn arguments(notes: &mut Notes, secrets: &Known<'_>, words: &[Text]) {
    for word in words {
        if let Some(name) = mentioned(secrets, &word.raw) {
            let message = format!("the value of {} becomes an argument", shown(name));
            notes.add(
                Diagnostic::error("secret-in-argument", message).at(word.span, "").help(
                    "arguments are visible to other users; let the program read the variable, or use `run`",
                ),
            );
        }
    }
}

/// The first secret that stands in `text` as `$NAME`, `${NAME...}` or `${env.NAME}`.
fn mentioned<'t>(secrets: &Known<'_>, text: &'t str) -> Option<&'t str> {
    text.match_indices('$').find_map(|(at, _)| {
        let rest = &text[at + 1..];
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let rest = rest.strip_prefix("env.").unwrap_or(rest);
        let rest = rest.trim_start_matches(['#', '!']);
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        Some(&rest[..end]).filter(|name| secrets.has(name))
    })
}

#[cfg(test)]
mod tests {
    use super::{Known, mentioned};

    #[test]
    fn references_are_found_in_all_their_forms() {
        let names = ["TOK"].into_iter().collect();
        let names = Known::new(&names);
        for (text, found) in [
            ("$TOK", true),
            ("a-${TOK}-b", true),
            ("${TOK.field}", true),
            ("${TOK:-x}", true),
            ("${env.TOK}", true),
            ("$$TOK", true),
            ("$TOKEN", false),
            ("${MY_TOK}", false),
            ("TOK", false),
            ("$", false),
            ("${", false),
            ("ä$ö${TOK", true),
        ] {
            assert_eq!(mentioned(&names, text).is_some(), found, "{text}");
        }
    }
}
