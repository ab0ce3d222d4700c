//! The fields of a form, and what was sent for them.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::channel::connections::{ConnectionView, FieldView, TypeView};
use crate::extract::Value;

/// How a field is filled in.
pub(super) enum Control {
    /// One of these.
    Choice(Vec<String>),
    /// Several lines.
    Lines,
    /// One line, not shown.
    Hidden,
    /// One line of a kind that browsers know.
    Line(&'static str),
}

/// A field of the form.
pub(super) struct Input {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) help: String,
    pub(super) required: bool,
    pub(super) secret: bool,
    /// Whether the browser asks for it.
    pub(super) is_needed: bool,
    pub(super) control: Control,
    pub(super) value: String,
    /// What holds if nothing is given.
    pub(super) hint: Option<String>,
    /// What is said of a secret that is there.
    pub(super) set: Option<String>,
}

/// What was sent. Any of it may be a secret: which, the type says.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Sent(Vec<(String, Value)>);

impl Sent {
    fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A field of the form that is no secret's.
    #[expect(clippy::disallowed_methods, reason = "fields that are read so are public")]
    pub(super) fn text(&self, name: &str) -> String {
        self.find(name).map(|value| value.0.expose_secret().trim().to_owned()).unwrap_or_default()
    }

    pub(super) fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    #[expect(clippy::disallowed_methods, reason = "asked only whether there is anything")]
    fn is_given(&self, name: &str) -> bool {
        self.find(name).is_some_and(|value| !value.0.expose_secret().is_empty())
    }

    /// The value of a field, with the line ends that were typed and not those of forms.
    #[expect(clippy::disallowed_methods, reason = "copied into a buffer that wipes itself")]
    fn value(&self, name: &str) -> Option<Value> {
        let text = self.find(name)?.0.expose_secret();
        // Never longer than what came: nothing is left behind by growing.
        let mut plain = Zeroizing::new(String::with_capacity(text.len()));
        text.split("\r\n").enumerate().for_each(|(number, line)| {
            if number > 0 {
                plain.push('\n');
            }
            plain.push_str(line);
        });
        Some(Value(SecretString::from(plain.as_str())))
    }
}

fn id(field: &FieldView) -> String {
    format!("field-{}", field.name)
}

fn control(field: &FieldView) -> Control {
    if !field.choices.is_empty() {
        return Control::Choice(field.choices.clone());
    }
    match (field.format.as_str(), field.secret) {
        ("lines" | "json" | "pem", _) => Control::Lines,
        (_, true) => Control::Hidden,
        ("boolean", false) => Control::Choice(vec!["true".to_owned(), "false".to_owned()]),
        ("url", false) => Control::Line("url"),
        ("email", false) => Control::Line("email"),
        ("port" | "integer", false) => Control::Line("number"),
        _ => Control::Line("text"),
    }
}

/// The fields of a form; `typed` are the public values to show.
pub(super) fn inputs(
    kind: &TypeView,
    current: Option<&ConnectionView>,
    typed: impl Fn(&str) -> Option<String>,
    is_wanted: impl Fn(&FieldView) -> bool,
) -> Vec<Input> {
    let input = |field: &FieldView| {
        let sealed = current.and_then(|view| view.secrets.get(&field.name));
        let kept = || current.and_then(|view| view.fields.get(&field.name)).cloned();
        let value = match field.secret {
            true => String::new(),
            false => typed(&id(field)).or_else(kept).unwrap_or_default(),
        };
        let control = control(field);
        let is_choice = matches!(control, Control::Choice(_));
        Input {
            id: id(field),
            name: field.name.clone(),
            label: field.label.clone(),
            help: field.help.clone(),
            required: field.required,
            secret: field.secret,
            is_needed: field.required && field.default.is_none() && sealed.is_none(),
            value: match (value.is_empty(), &field.default) {
                (true, Some(default)) if is_choice && !field.secret => default.clone(),
                _ => value,
            },
            control,
            hint: field.default.clone().filter(|_| !field.secret),
            set: sealed.map(|part| {
                format!("Sealed, version {}. Leave it empty to keep it.", part.version)
            }),
        }
    };
    kind.fields.iter().filter(|field| is_wanted(field)).map(input).collect()
}

/// The answers that were given: what is empty stays, but for public fields that were not empty before.
pub(super) fn answers(
    kind: &TypeView,
    current: Option<&ConnectionView>,
    sent: &Sent,
) -> Vec<(String, Option<Value>)> {
    let answer = |field: &FieldView| {
        let name = id(field);
        if sent.is_given(&name) {
            return Some((field.name.clone(), sent.value(&name)));
        }
        let is_shown = sent.find(&name).is_some() && !field.secret;
        let was_there = current.is_some_and(|view| view.fields.contains_key(&field.name));
        let is_taken = sent.text(&format!("take:{}", field.name)) == "yes";
        ((is_shown && was_there) || is_taken).then(|| (field.name.clone(), None))
    };
    kind.fields.iter().filter_map(answer).collect()
}
