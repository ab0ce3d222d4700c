//! The environment of steps, built from layers; later layers win.
//!
//! Every variable remembers its layer and where it was written, so that `explain` can say what hid
//! what. Values are plaintext types throughout: a variable may hold a secret or be made from one.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

use crate::host::Host;
use crate::secret::SecretValue;

/// Where a variable stands in the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Process,
    Params,
    Env,
    Dotenv,
    Managed,
    Secret,
    Output,
    Step,
}

impl Layer {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Layer::Process => "process",
            Layer::Params => "params",
            Layer::Env => "env",
            Layer::Dotenv => "dotenv",
            Layer::Managed => "managed",
            Layer::Secret => "secret",
            Layer::Output => "output",
            Layer::Step => "step",
        }
    }
}

/// A variable with its origin. The value is absent only where `explain` cannot know it.
pub(crate) struct Variable {
    pub(crate) value: Option<SecretValue>,
    pub(crate) layer: Layer,
    pub(crate) source: Arc<str>,
    hidden: Option<Arc<Variable>>,
}

impl Variable {
    /// What it hides, nearest first.
    pub(crate) fn hides(&self) -> impl Iterator<Item = &Variable> {
        std::iter::successors(self.hidden.as_deref(), |variable| variable.hidden.as_deref())
    }
}

/// Variables by name. Cloning is cheap: every step has its own, and most of it is shared.
#[derive(Clone, Default)]
pub(crate) struct Variables(BTreeMap<Arc<str>, Arc<Variable>>);

impl Variables {
    /// Puts a variable on top of what is there.
    pub(crate) fn set(
        &mut self,
        layer: Layer,
        name: &str,
        value: Option<SecretValue>,
        source: impl Into<Arc<str>>,
    ) {
        let (name, hidden) = match self.0.remove_entry(name) {
            Some((name, below)) => (name, Some(below)),
            None => (Arc::from(name), None),
        };
        let variable = Variable { value, layer, source: source.into(), hidden };
        self.0.insert(name, Arc::new(variable));
    }

    /// Puts all variables of other layers on top.
    pub(crate) fn put(&mut self, above: &Variables) {
        for (name, variable) in &above.0 {
            let variable = if self.0.contains_key(name) {
                self.above(name, variable)
            } else {
                variable.clone()
            };
            self.0.insert(name.clone(), variable);
        }
    }

    /// The variable as it stands on top of what is there.
    fn above(&self, name: &str, variable: &Variable) -> Arc<Variable> {
        let hidden = match &variable.hidden {
            Some(hidden) => Some(self.above(name, hidden)),
            None => self.0.get(name).cloned(),
        };
        let (layer, source) = (variable.layer, variable.source.clone());
        Arc::new(Variable { value: variable.value.clone(), layer, source, hidden })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&SecretValue> {
        self.0.get(name).and_then(|variable| variable.value.as_ref())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Names with the values that are known.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &SecretValue)> {
        self.iter().filter_map(|(name, variable)| Some((name, variable.value.as_ref()?)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Variable)> {
        self.0.iter().map(|(name, variable)| (&**name, &**variable))
    }
}

/// Variables of the process that reach steps; everything else is filtered out.
const PASSED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TERM",
    "EDITOR",
    "VISUAL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_API_VERSION",
    "SSH_AUTH_SOCK",
];
const PASSED_PREFIXES: &[&str] = &["DAGU_", "DAG_", "LC_", "KUBERNETES_", "SUBROSA_"];
/// The transport variables of pre-resolved secrets begin with an underscore and are never passed.
fn is_passed(name: &str) -> bool {
    PASSED.contains(&name) || PASSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The process environment as a step may see it.
pub(crate) fn process_layer(host: &Host, keep_all: bool) -> Variables {
    let mut variables = Variables::default();
    for (name, value) in utf8_names(host) {
        if keep_all || is_passed(name) {
            variables.set(Layer::Process, name, Some(from_os(value)), "process environment");
        }
    }
    variables
}

/// Every variable of the process whose name is text.
pub(crate) fn utf8_names(host: &Host) -> impl Iterator<Item = (&str, &OsString)> {
    host.process_env.iter().filter_map(|(name, value)| Some((name.to_str()?, value)))
}

pub(crate) fn from_os(value: &OsStr) -> SecretValue {
    SecretValue::new(value.as_bytes().to_vec())
}

pub(crate) fn from_text(value: impl AsRef<str>) -> SecretValue {
    SecretValue::new(value.as_ref().as_bytes().to_vec())
}

#[expect(clippy::disallowed_methods, reason = "paths and environment blocks are made of bytes")]
pub(crate) fn to_os(value: &SecretValue) -> OsString {
    OsString::from_vec(value.expose().to_vec())
}

#[cfg(test)]
mod tests {
    use super::{Layer, Variables, from_text, is_passed};

    #[test]
    fn a_later_layer_hides_an_earlier_one_and_remembers_it() {
        let mut variables = Variables::default();
        variables.set(Layer::Process, "A", Some(from_text("1")), "process");
        variables.set(Layer::Env, "A", Some(from_text("2")), "w.yaml:3");
        variables.set(Layer::Secret, "A", None, "provider env");
        let (_, top) = variables.iter().next().expect("one variable");
        assert_eq!(top.layer, Layer::Secret);
        let hidden: Vec<(Layer, &str)> = top.hides().map(|v| (v.layer, &*v.source)).collect();
        assert_eq!(hidden, [(Layer::Env, "w.yaml:3"), (Layer::Process, "process")]);
    }

    #[test]
    fn layers_put_on_others_keep_what_both_hide() {
        let (mut below, mut above) = (Variables::default(), Variables::default());
        below.set(Layer::Process, "A", None, "process");
        above.set(Layer::Env, "A", None, "env");
        above.set(Layer::Secret, "A", None, "secret");
        above.set(Layer::Env, "B", None, "env");
        below.put(&above);
        let sources: Vec<String> = below
            .iter()
            .map(|(name, v)| {
                let hidden: Vec<&str> = v.hides().map(|v| &*v.source).collect();
                format!("{name}={} over {}", v.source, hidden.join(","))
            })
            .collect();
        assert_eq!(sources, ["A=secret over env,process", "B=env over "]);
    }

    #[test]
    fn only_known_process_variables_pass() {
        for name in ["PATH", "LC_TIME", "DAG_X", "KUBERNETES_PORT"] {
            assert!(is_passed(name), "{name}");
        }
        for name in ["AWS_SECRET_ACCESS_KEY", "_DAGU_PRESOLVED_SECRET_X", "PATHS", "UNRELATED"] {
            assert!(!is_passed(name), "{name}");
        }
    }
}
