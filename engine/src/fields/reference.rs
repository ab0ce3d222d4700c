//! Reference tables of fields, as the documentation has them; those of `docs/workflow.md` are kept equal
//! to the table of fields by a test here.

use super::{Field, Section, Shape, Status};

fn takes(shape: Shape) -> String {
    let words = |words: &[&str]| {
        words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    };
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Scalar => "text, number or boolean".to_owned(),
        Shape::Flag => "`true`, `false`".to_owned(),
        Shape::Whole(min) => format!("whole number from {min}"),
        Shape::OneOf(one_of) => words(one_of),
        Shape::Texts => "text or list".to_owned(),
        Shape::Env => "mapping, or list of mappings or `NAME=value`".to_owned(),
        Shape::Labels => "mapping, list of `name=value`, or text".to_owned(),
        Shape::Params => "text, mapping, or list".to_owned(),
        Shape::CallParams => "text, mapping, or list".to_owned(),
        Shape::Secrets => "list of secrets".to_owned(),
        Shape::TextMap => "mapping of texts".to_owned(),
        Shape::Steps => "list of steps, texts and lists; or mapping".to_owned(),
        Shape::Step => "step or text".to_owned(),
        Shape::Conditions => "text, condition, or list".to_owned(),
        Shape::Object(_) => "mapping".to_owned(),
        Shape::WordOr(one_of, _) => format!("{}, or mapping", words(one_of)),
        Shape::TextOr(_) | Shape::Output => "text or mapping".to_owned(),
        Shape::TextsOr(_) => "text, list or mapping".to_owned(),
        Shape::Backoff => "`true`, `false` or number above 1".to_owned(),
        Shape::ExitCodes => "number or list".to_owned(),
        Shape::Repeat => "`true`, `false`, `while`, `until`".to_owned(),
        Shape::Items => "text or list".to_owned(),
        Shape::Parallel => "text, list or mapping".to_owned(),
        Shape::With => "mapping".to_owned(),
        Shape::OfKind => "what the kind of step says".to_owned(),
        Shape::Literal => "text, taken as it is".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::Objects(_) => "list of mappings".to_owned(),
        Shape::Data | Shape::Any => "anything".to_owned(),
    }
}

fn row(field: &Field) -> String {
    let others = field.spellings().into_iter().map(|other| format!("`{other}`"));
    let others = others.collect::<Vec<_>>().join(", ");
    match field.status {
        Status::Works | Status::Shown => {
            let note = if field.status == Status::Shown { " Has no effect on a run." } else { "" };
            let doc = field.doc;
            format!("| `{}` | {others} | {} | {doc}{note} |", field.name, takes(field.shape))
        }
        Status::Refused { why, instead } => {
            format!("| `{}` | {others} | refused | It {why}: {instead}. |", field.name)
        }
    }
}

/// The fields as a table in Markdown, one row each.
pub fn table(section: &Section) -> String {
    let mut text = "| field | also | takes | meaning |\n|---|---|---|---|\n".to_owned();
    for field in section.fields {
        text.push_str(&row(field));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::table;
    use crate::fields::{
        CONDITION, CONTINUE_ON, DEFAULTS, EXEC, EXECUTOR, HANDLERS, MASKING, OUTPUT, OUTPUT_ENTRY,
        PARALLEL, PARAM, REPEAT, RETRY, SECRET, SIGNATURE, STDOUT, STDOUT_OUTPUTS, STEP, Section,
        TRIGGER, TRIGGER_HTTP, WITH_CALL, WITH_EXEC, WITH_SHELL, WORKFLOW,
    };

    const SECTIONS: &[&Section] = &[
        &WORKFLOW,
        &STEP,
        &SECRET,
        &MASKING,
        &PARAM,
        &TRIGGER,
        &TRIGGER_HTTP,
        &SIGNATURE,
        &HANDLERS,
        &DEFAULTS,
        &CONDITION,
        &CONTINUE_ON,
        &RETRY,
        &REPEAT,
        &PARALLEL,
        &OUTPUT,
        &OUTPUT_ENTRY,
        &STDOUT,
        &STDOUT_OUTPUTS,
        &EXEC,
        &EXECUTOR,
        &WITH_SHELL,
        &WITH_EXEC,
        &WITH_CALL,
    ];

    const BEGIN: &str = "<!-- fields: made from the table in engine/src/fields, do not edit -->\n";
    const END: &str = "<!-- end of fields -->";

    fn tables() -> String {
        let mut text = String::new();
        for section in SECTIONS {
            write!(text, "\n### The fields of {}\n\n", section.name).unwrap();
            text.push_str(&table(section));
        }
        text
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "`BLESS` is a switch of the tests, not of the product"
    )]
    fn the_reference_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/workflow.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once(BEGIN).expect("the marker where the tables begin");
        let (found, after) = rest.split_once(END).expect("the marker where the tables end");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, format!("{before}{BEGIN}{}\n{END}{after}", tables())).unwrap();
        } else {
            assert!(
                found == format!("{}\n", tables()),
                "docs/workflow.md is old: run with BLESS=1"
            );
        }
    }
}
