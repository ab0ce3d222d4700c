//! Every code a diagnostic of a workflow file can have.

/// A code and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The kebab-case word, which never changes.
    pub name: &'static str,
    /// What it is about, one line.
    pub about: &'static str,
}

/// All codes, sorted. A test holds that each has a file that shows it.
pub const CODES: &[Code] = &[
    code("call-cycle", "Documents of the file call each other in a circle."),
    code("control-character", "A character that no text file has."),
    code("cycle", "Steps wait for each other."),
    code("duplicate-document-name", "Two documents of the file have one name."),
    code("duplicate-key", "A key is there twice, or in two spellings."),
    code("duplicate-param", "Two parameters have one name."),
    code("duplicate-secret-name", "Two secrets have one name."),
    code("duplicate-step-name", "Two steps share a name or an id."),
    code("empty-document", "The file or a document of it holds nothing."),
    code("file-too-large", "The file is larger than 1 MiB."),
    code("invalid-environment", "`environment` is no name of one."),
    code("invalid-name", "A variable, parameter or output cannot have this name."),
    code("invalid-pattern", "The text after `re:` is no regular expression."),
    code("invalid-secret-name", "A secret cannot have this name."),
    code("invalid-secret-ref", "A `ref` that cannot be a key of the registry."),
    code("invalid-step-id", "A step cannot have this id."),
    code("invalid-step-name", "A step cannot have this name."),
    code("invalid-workflow-name", "A workflow cannot have this name."),
    code("invalid-workspace", "The label `workspace` names no workspace, or there are several."),
    code("misplaced-field", "A field that means nothing for this kind of step."),
    code("missing-field", "A field without which the others mean nothing."),
    code("no-action", "A step that does nothing."),
    code("no-steps", "A workflow without steps."),
    code("not-utf8", "The file is not UTF-8."),
    code("reserved-name", "The name of a variable belongs to the engine."),
    code("reserved-secret-name", "The name of a secret belongs to the engine."),
    code("same-redirect", "Both streams of a step go into one file."),
    code("secret-in-argument", "A secret would become visible in the process list."),
    code("secret-in-path", "A secret would become visible in the name of a file (warning)."),
    code("secret-source", "A secret without exactly one source, or with options it cannot have."),
    code("secret-without-name", "A secret without a name."),
    code("several-actions", "A step that does more than one thing."),
    code("steering-secret-name", "A secret whose variable steers shells or programs (warning)."),
    code("too-many-problems", "Only the first hundred problems are shown."),
    code("too-much", "Something small in the file stands for too much."),
    code("unclosed-word", "A quote in a text that is split into words is not closed."),
    code("unknown-dependency", "`depends` names a step that is not there."),
    code("unknown-field", "A key that means nothing here."),
    code("unnamed-document", "A document after the first without a name."),
    code("unsupported-field", "A field or kind that subrosa does not run."),
    code("wrong-default", "The default of a parameter does not fit its type or values."),
    code("wrong-type", "A value of another kind than the field takes."),
    code("wrong-value", "A value that the field does not have."),
    code("yaml-alias", "An alias or anchor that cannot be resolved."),
    code("yaml-key", "A key that is a list or a mapping."),
    code("yaml-merge", "`<<` merges something that is no mapping."),
    code("yaml-syntax", "The file is no YAML."),
    code("yaml-tab", "A tab is used for indentation."),
    code("yaml-tag", "A tag that means nothing here."),
    code("yaml-too-deep", "Nested more than 64 levels deep."),
    code("yaml-too-large", "Too many values or too much text after aliases are expanded."),
    code("yaml-unclosed-bracket", "A bracket is not closed."),
    code("yaml-unclosed-quote", "A quoted text is not closed."),
];

const fn code(name: &'static str, about: &'static str) -> Code {
    Code { name, about }
}
