//! What names and references in the texts of a workflow lead to.

use std::collections::BTreeMap;

use crate::env::{self, Layer, Variables};
use crate::expand::Scope;
use crate::host::Host;
use crate::masks::Masks;
use crate::params::RunParam;
use crate::secret::SecretValue;
use crate::select::select;

/// What is known of a step that has ended.
#[derive(Clone, Default)]
pub(crate) struct StepFacts {
    pub(crate) outputs: BTreeMap<String, SecretValue>,
    pub(crate) stdout: Option<String>,
    pub(crate) stderr: Option<String>,
    pub(crate) exit_code: Option<i32>,
}

/// The scope of one text: variables (the nearest first), then the process, and references.
pub(crate) struct TextScope<'a> {
    pub(crate) host: &'a Host,
    pub(crate) variables: &'a [&'a Variables],
    pub(crate) params: &'a [RunParam],
    /// What is known of a step, by its id or name.
    pub(crate) steps: &'a (dyn Fn(&str) -> Option<StepFacts> + Sync),
    /// Gets the fields that are taken out of JSON secrets.
    pub(crate) masks: &'a Masks,
}

impl Scope for TextScope<'_> {
    fn variable(&self, name: &str) -> Option<SecretValue> {
        let found = self.variables.iter().find_map(|variables| variables.get(name)).cloned();
        found.or_else(|| self.host.env(name).map(|value| env::from_os(value)))
    }

    fn reference(&self, path: &str) -> Option<SecretValue> {
        let (root, rest) = path.split_once('.')?;
        match root {
            "params" => {
                self.params.iter().find(|param| param.name == rest).map(|param| param.value.clone())
            }
            "env" => self.variable(rest),
            "steps" => {
                let (id, rest) = rest.split_once('.')?;
                (self.steps)(id).and_then(|facts| facts.field(rest, self.masks))
            }
            _ => (self.steps)(root)
                .and_then(|facts| facts.field(rest, self.masks))
                .or_else(|| self.json_field(root, rest)),
        }
    }

    fn home(&self) -> Option<SecretValue> {
        self.host.env("HOME").map(|home| env::from_os(home))
    }
}

impl TextScope<'_> {
    fn json_field(&self, name: &str, path: &str) -> Option<SecretValue> {
        let whole = self.variable(name)?;
        let found = select(&whole, path)?;
        let of_secret =
            self.variables.iter().find(|variables| variables.has(name)).is_some_and(|variables| {
                variables.iter().any(|(other, v)| other == name && v.layer == Layer::Secret)
            });
        let added = match of_secret {
            true => self.masks.add_new([&found]),
            false => self.masks.add_parts(&whole, [&found]),
        };
        // A value that cannot be masked is not handed out.
        added.ok().map(|()| found)
    }
}

impl StepFacts {
    fn field(&self, path: &str, masks: &Masks) -> Option<SecretValue> {
        let text = |text: &Option<String>| text.as_ref().map(env::from_text);
        match path {
            "stdout" => text(&self.stdout),
            "stderr" => text(&self.stderr),
            "exit_code" | "exitCode" => self.exit_code.map(|code| env::from_text(code.to_string())),
            _ => {
                let path = path.strip_prefix("outputs.")?;
                if let Some(value) = self.outputs.get(path) {
                    return Some(value.clone());
                }
                let (name, rest) = path.split_once('.')?;
                let whole = self.outputs.get(name)?;
                let found = select(whole, rest)?;
                masks.add_parts(whole, [&found]).ok().map(|()| found)
            }
        }
    }
}
