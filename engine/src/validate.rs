//! PARSE, DECODE, CHECK: from a file to a workflow that holds together, or to all that is wrong.
//!
//! Pure: no file is opened, nothing is asked, no command is run.

mod codes;

use std::sync::Arc;

use subrosa_registry::WorkspaceName;

use crate::check::check;
use crate::diagnostic::Diagnostic;
use crate::kind::Kinds;
use crate::source::{SourceFile, Span};
use crate::spec::{Draft, Notes, decode};
use crate::workflow::Workflow;
use crate::yaml;

pub use codes::{CODES, Code};

/// What `validate` found.
#[derive(Debug)]
pub struct Validation {
    /// The workflow; absent if any diagnostic is an error.
    pub workflow: Option<Workflow>,
    /// In the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// Places whose text must not be shown in excerpts, sorted: values of variables and options, and
    /// all values of a file that could not be read to its end.
    pub private: Vec<Span>,
    /// The workspace of its label, also if it cannot be used; `None`: that cannot be told from the text.
    pub workspace: Option<Option<WorkspaceName>>,
}

/// Checks a file. Everything that is wrong with it is found in one pass, a file that is no YAML aside:
/// of that the first place is told. `kinds` are those that steps may have beside processes and calls.
pub fn validate(source: Arc<SourceFile>, kinds: Kinds) -> Validation {
    let parsed = yaml::parse(&source);
    let mut private = parsed.dropped;
    if parsed.broken {
        private.extend(all_values(source.text()));
    }
    let is_sound = !parsed.problems.iter().any(Diagnostic::is_error);
    let mut workspace = None;
    let mut notes = Notes::new(parsed.problems, private, kinds);
    let workflow = if parsed.broken {
        None
    } else if parsed.documents.is_empty() {
        notes.add(
            Diagnostic::error("empty-document", "an empty file")
                .at(Span::default(), "")
                .help("write `steps:` and below it `- run: ...`"),
        );
        None
    } else {
        let drafts: Vec<Draft> =
            parsed.documents.iter().map(|node| decode(&mut notes, node)).collect();
        let whole = drafts.first().is_some_and(|draft| draft.are_labels_whole);
        let workflow = check(&mut notes, &source, drafts);
        workspace = workflow.as_ref().filter(|_| is_sound && whole).map(Workflow::workspace);
        workflow
    };
    let (diagnostics, private) = notes.finish();
    let usable = !diagnostics.iter().any(Diagnostic::is_error);
    Validation { workflow: workflow.filter(|_| usable), diagnostics, private, workspace }
}

/// What cannot be told to be harmless in a text that is no YAML: all of a line after its first `:`,
/// or the whole line.
fn all_values(text: &str) -> Vec<Span> {
    let mut start = 0;
    let mut spans = Vec::new();
    for line in text.split_inclusive('\n') {
        let key = line.find(": ").map_or(0, |colon| colon + 2);
        let value = line.get(key..).unwrap_or("");
        let blank = value.len() - value.trim_start().len();
        let (from, to) = (start + key + blank, start + key + value.trim_end().len());
        let is_key_alone = key == 0 && line.trim_end().ends_with(':');
        if from < to && !is_key_alone {
            spans.push(Span::new(from..to));
        }
        start += line.len();
    }
    spans
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::validate;
    use crate::source::SourceFile;

    #[test]
    fn the_workspace_of_a_text_is_told_also_if_it_cannot_be_used_and_never_guessed() {
        let check = |text: &str, expected: Option<Option<&str>>| {
            let found = validate(Arc::new(SourceFile::new("w.yaml", text)), &[]).workspace;
            let found = found.map(|name| name.map(|name| name.to_string()));
            assert_eq!(found, expected.map(|name| name.map(str::to_owned)), "{text}");
        };
        check("steps: [{run: 'true'}]", Some(None));
        check("labels: [workspace=pay]\nsteps: [{run: 'true'}]", Some(Some("pay")));
        check("labels: [workspace=pay]\nsteps: [{run: 'true', depends: [x]}]", Some(Some("pay")));
        check("labels: [workspace=pay]\nsteps: 3", Some(Some("pay")));
        for unclear in [
            "labels: ['workspace=NOT OK']\nsteps: [{run: 'true'}]",
            "labels: [[workspace=pay]]\nsteps: [{run: 'true'}]",
            "labels: [workspace=pay]\nlabels: [a=b]\nsteps: [{run: 'true'}]",
            "labels: [workspace=pay]\nsteps: [{run: 'true'",
            "just text",
            "",
        ] {
            check(unclear, None);
        }
    }
}
