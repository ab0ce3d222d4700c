//! Parameters of a run: declared ones, overridden by those that were given.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::secret::SecretValue;
use crate::workflow::{Param, ParamKind};

/// A parameter that was given; its value is literal.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) name: Option<String>,
    pub(crate) value: SecretValue,
}

/// A parameter of the run. Positional ones are named by their number, from 1.
#[derive(Clone)]
pub(crate) struct RunParam {
    pub(crate) name: String,
    pub(crate) positional: bool,
    pub(crate) value: SecretValue,
    pub(crate) given: bool,
}

/// What became of the parameters.
pub(crate) struct Chosen {
    pub(crate) params: Vec<RunParam>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Chooses between given values and defaults. `default` evaluates a default in the light of the
/// parameters before it.
pub(crate) fn choose(
    declared: &[Param],
    given: &[Given],
    mut default: impl FnMut(&Param, &[RunParam]) -> SecretValue,
) -> Chosen {
    let mut chosen = Chosen { params: Vec::new(), diagnostics: Vec::new() };
    let mut positional = given.iter().filter(|given| given.name.is_none());
    let mut number = 0;
    for param in declared {
        let name = param.name.clone().unwrap_or_else(|| {
            number += 1;
            number.to_string()
        });
        let named = given.iter().rev().find(|given| given.name.as_deref() == Some(name.as_str()));
        let found = named.or_else(|| positional.next()).map(|given| given.value.clone());
        let is_given = found.is_some();
        let value = match found {
            Some(value) => value,
            None if param.default.is_some() => default(param, &chosen.params),
            None if param.required => {
                chosen.diagnostics.push(missing(param, &name));
                continue;
            }
            None => SecretValue::new(Vec::new()),
        };
        if is_given {
            chosen.diagnostics.extend(check(param, &name, &value));
        }
        let positional = param.name.is_none();
        chosen.params.push(RunParam { name, positional, value, given: is_given });
    }
    for rest in positional {
        number += 1;
        let value = rest.value.clone();
        chosen.params.push(RunParam {
            name: number.to_string(),
            positional: true,
            value,
            given: true,
        });
    }
    add_undeclared(declared, given, &mut chosen);
    chosen
}

fn add_undeclared(declared: &[Param], given: &[Given], chosen: &mut Chosen) {
    let known: BTreeSet<String> = chosen.params.iter().map(|param| param.name.clone()).collect();
    for extra in given {
        let Some(name) = extra.name.as_ref().filter(|name| !known.contains(*name)) else {
            continue;
        };
        if !crate::names::is_env_name(name) || crate::names::is_managed(name) {
            let message = format!("parameter `{name}` cannot be a variable");
            let help = "use letters, digits and underscores, and no name that the engine sets";
            chosen.diagnostics.push(Diagnostic::error("invalid-parameter", message).help(help));
            continue;
        }
        if declared.iter().any(|param| param.name.is_some()) {
            let names = declared.iter().filter_map(|param| param.name.as_deref());
            let help = format!("declared: {}", names.collect::<Vec<_>>().join(", "));
            let message = format!("parameter `{name}` is not declared in `params`");
            chosen
                .diagnostics
                .push(Diagnostic::warning("undeclared-parameter", message).help(help));
        }
        let value = extra.value.clone();
        chosen.params.push(RunParam { name: name.clone(), positional: false, value, given: true });
    }
}

fn missing(param: &Param, name: &str) -> Diagnostic {
    Diagnostic::error("missing-parameter", format!("parameter `{name}` has no value"))
        .at(param.span, "declared here without a default")
        .help(format!("give it on the command line: `-- {name}=VALUE`"))
}

#[expect(clippy::disallowed_methods, reason = "a given value is checked against its declaration")]
fn check(param: &Param, name: &str, value: &SecretValue) -> Option<Diagnostic> {
    let text = String::from_utf8_lossy(value.expose());
    let wanted = match param.kind {
        ParamKind::Integer if text.parse::<i64>().is_err() => "a whole number",
        ParamKind::Number if text.parse::<f64>().is_err() => "a number",
        ParamKind::Boolean if text != "true" && text != "false" => "`true` or `false`",
        _ if !param.one_of.is_empty() && !param.one_of.iter().any(|one| *one == text) => {
            "one of the values that it may have"
        }
        ParamKind::String | ParamKind::Integer | ParamKind::Number | ParamKind::Boolean => {
            return None;
        }
    };
    let mut found = Diagnostic::error(
        "invalid-parameter",
        format!("the value of parameter `{name}` is not {wanted}"),
    )
    .at(param.span, "declared here");
    if !param.one_of.is_empty() {
        found = found.help(format!("allowed: {}", param.one_of.join(", ")));
    }
    Some(found)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at what they made")]
mod tests {
    use super::{Given, choose};
    use crate::env::from_text;
    use crate::source::Span;
    use crate::workflow::{Param, ParamKind, Text};

    fn declared(name: Option<&str>, default: Option<&str>, kind: ParamKind) -> Param {
        Param {
            name: name.map(str::to_owned),
            default: default.map(|raw| Text { raw: raw.to_owned(), span: Span::default() }),
            required: default.is_none(),
            description: None,
            kind,
            one_of: Vec::new(),
            span: Span::default(),
        }
    }

    fn check(params: &[Param], given: &[&str], expected: &str) {
        let given: Vec<Given> = given
            .iter()
            .map(|text| match text.split_once('=') {
                Some((name, value)) => Given { name: Some(name.into()), value: from_text(value) },
                None => Given { name: None, value: from_text(text) },
            })
            .collect();
        let chosen = choose(params, &given, |param, _| {
            from_text(param.default.as_ref().map_or("", |text| text.raw.as_str()))
        });
        let mut seen: Vec<String> = chosen
            .params
            .iter()
            .map(|p| format!("{}={}", p.name, String::from_utf8_lossy(p.value.expose())))
            .collect();
        seen.extend(chosen.diagnostics.iter().map(|d| d.code.to_owned()));
        assert_eq!(seen.join(" "), expected, "{:?}", given.len());
    }

    #[test]
    fn given_values_replace_defaults_by_name_or_by_place() {
        let params = [
            declared(Some("A"), Some("1"), ParamKind::String),
            declared(None, Some("x"), ParamKind::String),
        ];
        check(&params, &[], "A=1 1=x");
        check(&params, &["A=2", "y", "z"], "A=2 1=y 2=z");
        check(&params, &["first", "y"], "A=first 1=y");
    }

    #[test]
    fn missing_wrong_and_undeclared_ones_are_told() {
        let number = [declared(Some("N"), None, ParamKind::Integer)];
        check(&number, &[], "missing-parameter");
        check(&number, &["N=x"], "N=x invalid-parameter");
        check(&number, &["N=3", "M=4"], "N=3 M=4 undeclared-parameter");
        check(&[], &["M=4"], "M=4");
        check(&[], &["A-B=4", "DAG_NAME=x"], "invalid-parameter invalid-parameter");
    }
}
