//! The fields of the language: the one table behind the decoder's checks, the suggestions for
//! misspelt keys, the JSON Schema and the reference in `docs/workflow.md`.
//!
//! A field that is here and not refused is read by `spec`; a field that is refused says why and what
//! to write instead; a key that is not here is unknown. `snake_case` is the name, its `camelCase` is
//! always accepted beside it, other spellings are aliases.

mod parts;
mod reference;
mod step;
mod workflow;

pub(crate) use parts::{
    CONDITION, CONTINUE_ON, EXEC, EXECUTOR, HANDLERS, MASKING, OUTPUT, OUTPUT_ENTRY, PARALLEL,
    PARAM, REPEAT, RETRY, SECRET, SIGNATURE, STDOUT, STDOUT_OUTPUTS, TRIGGER, TRIGGER_HTTP,
    WITH_CALL, WITH_EXEC, WITH_SHELL,
};
pub use reference::table;
pub(crate) use step::{DEFAULTS, STEP};
pub(crate) use workflow::WORKFLOW;

/// A kind of mapping: what it is called and what may be in it.
#[derive(Debug)]
pub struct Section {
    /// What it is, for messages and headings: "a step".
    pub name: &'static str,
    /// Its anchor in the JSON Schema.
    pub id: &'static str,
    /// Its fields, in the order of the reference.
    pub fields: &'static [Field],
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// In `snake_case`.
    pub name: &'static str,
    /// Other spellings, the derived `camelCase` aside.
    pub aliases: &'static [&'static str],
    /// What it takes.
    pub shape: Shape,
    /// What it is for, one line.
    pub doc: &'static str,
    /// Whether it works.
    pub status: Status,
}

/// Whether a field works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is read and does what it says.
    Works,
    /// It is for people and screens; a run has nothing to do with it by nature.
    Shown,
    /// It is refused: the rest of the sentence that begins with its name, and what to do instead.
    Refused {
        /// "is not run by subrosa"
        why: &'static str,
        /// The cure.
        instead: &'static str,
    },
}

/// What a field takes, as far as a schema can say it.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A text.
    Text,
    /// A text, a number, `true` or `false`; the text as written counts.
    Scalar,
    /// `true` or `false`.
    Flag,
    /// A whole number of at least so much.
    Whole(i64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A text or a list of texts.
    Texts,
    /// Variables: a mapping, a list of mappings, or a list of `NAME=value`.
    Env,
    /// Labels: a mapping, a list, or a text.
    Labels,
    /// Declared parameters.
    Params,
    /// Parameters handed to a called workflow.
    CallParams,
    /// A list of `secrets:` entries.
    Secrets,
    /// A mapping of texts.
    TextMap,
    /// Steps as a list or mapping.
    Steps,
    /// One step.
    Step,
    /// Conditions.
    Conditions,
    /// A mapping with these fields.
    Object(&'static Section),
    /// One of these words, or a mapping.
    WordOr(&'static [&'static str], &'static Section),
    /// A text, or a mapping.
    TextOr(&'static Section),
    /// A text, a list of texts, or a mapping.
    TextsOr(&'static Section),
    /// `output:`.
    Output,
    /// `true`, `false` or a factor above 1.
    Backoff,
    /// An exit code or a list of them.
    ExitCodes,
    /// `true`, `false`, `while` or `until`.
    Repeat,
    /// Items of `parallel`.
    Items,
    /// A text, a list of items, or a mapping.
    Parallel,
    /// The parameters of the step's action.
    With,
    /// A field that only some kinds of steps have, and that they describe.
    OfKind,
    /// A text that is taken as it is: references in it are not filled.
    Literal,
    /// A number.
    Number,
    /// Anything; texts in it are filled.
    Data,
    /// A list of mappings with these fields.
    Objects(&'static Section),
    /// Anything: the field is refused.
    Any,
}

impl Section {
    /// The field that `key` is a spelling of.
    pub(crate) fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.is_spelt(key))
    }

    /// The names that may be written, for suggestions.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|field| field.name)
    }
}

impl Field {
    /// Whether `key` means this field.
    pub(crate) fn is_spelt(&self, key: &str) -> bool {
        key == self.name || self.aliases.contains(&key) || (self.has_camel() && key == self.camel())
    }

    /// The older spelling, `workingDir` for `working_dir`.
    pub(crate) fn camel(&self) -> String {
        let mut words = self.name.split('_');
        let mut camel = words.next().unwrap_or_default().to_owned();
        for word in words {
            let mut letters = word.chars();
            camel.extend(letters.next().map(|c| c.to_ascii_uppercase()));
            camel.push_str(letters.as_str());
        }
        camel
    }

    /// Whether the older spelling is another one.
    pub(crate) fn has_camel(&self) -> bool {
        self.name.contains('_')
    }

    /// Every other spelling.
    pub(crate) fn spellings(&self) -> Vec<String> {
        let camel = self.has_camel().then(|| self.camel());
        camel.into_iter().chain(self.aliases.iter().map(|alias| (*alias).to_owned())).collect()
    }
}

/// A field that works.
pub const fn works(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { name, aliases: &[], shape, doc, status: Status::Works }
}

/// A field that works, with other spellings.
pub const fn alias(
    name: &'static str,
    aliases: &'static [&'static str],
    shape: Shape,
    doc: &'static str,
) -> Field {
    Field { name, aliases, shape, doc, status: Status::Works }
}

/// A mapping with these fields.
pub const fn section(name: &'static str, id: &'static str, fields: &'static [Field]) -> Section {
    Section { name, id, fields }
}

/// A field that is refused.
pub const fn refused(name: &'static str, why: &'static str, instead: &'static str) -> Field {
    Field {
        name,
        aliases: &[],
        shape: Shape::Any,
        doc: "",
        status: Status::Refused { why, instead },
    }
}

#[cfg(test)]
mod tests {
    use super::{STEP, WORKFLOW};

    #[test]
    fn both_generations_of_spelling_are_known() {
        for key in ["working_dir", "workingDir", "max_active_steps", "maxActiveSteps", "tags"] {
            assert!(WORKFLOW.field(key).is_some(), "{key}");
        }
        for key in ["retryPolicy", "dir", "timeout_sec", "timeoutSec", "precondition"] {
            assert!(STEP.field(key).is_some(), "{key}");
        }
        for key in ["WorkingDir", "working-dir", "workingdir", ""] {
            assert!(WORKFLOW.field(key).is_none(), "{key}");
        }
    }

    #[test]
    fn no_spelling_means_two_fields() {
        for section in [&WORKFLOW, &STEP] {
            let mut seen = std::collections::HashSet::new();
            for field in section.fields {
                assert!(seen.insert(field.name.to_owned()), "{}", field.name);
                for other in field.spellings() {
                    assert!(seen.insert(other.clone()), "{other}");
                }
            }
        }
    }
}
