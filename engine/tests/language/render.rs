//! Diagnostics as plain text, one form for all expectations.

use std::fmt::Write;
use std::sync::Arc;

use subrosa_engine::source::SourceFile;
use subrosa_engine::{Validation, validate};

/// `severity[code] line:column: message`, then labels and help, indented.
pub(crate) fn render(file: &SourceFile, validation: &Validation) -> String {
    let mut text = String::new();
    for problem in &validation.diagnostics {
        let place = problem.labels.first().map_or_else(String::new, |label| {
            let at = file.position(label.span.start);
            format!(" {}:{}", at.line, at.column)
        });
        let (severity, code) = (problem.severity.as_str(), problem.code);
        writeln!(text, "{severity}[{code}]{place}: {}", problem.message).unwrap();
        for label in problem.labels.iter().filter(|label| !label.text.is_empty()) {
            let at = file.position(label.span.start);
            writeln!(text, "  {}:{} {}", at.line, at.column, label.text).unwrap();
        }
        if let Some(help) = &problem.help {
            writeln!(text, "  help: {help}").unwrap();
        }
    }
    text
}

/// Validates a text and renders what was found.
pub(crate) fn check(text: &str, expected: &str) {
    let file = Arc::new(SourceFile::new("w.yaml", text));
    let found = render(&file, &validate(Arc::clone(&file), &[]));
    assert_eq!(found, expected, "---\n{text}");
}
