//! References inside shell text, without pasting values into it.
//!
//! The shell knows `$NAME` and `${NAME}` itself. What it cannot read, such as `${params.region}` or
//! `${LOGIN.password}`, is rewritten to a variable of our own, and its value goes into the step's
//! environment: so a value is never part of a command line and never parsed as shell. Inside single
//! quotes the quotes are closed and opened again around the variable.

use crate::expand::is_reference;
use crate::secret::SecretValue;

/// Prefix of the variables that stand in for references.
const STAND_IN: &str = "SUBROSA_REF_";

/// Shell text with stand-ins, and their values.
pub(crate) struct Rewritten {
    pub(crate) text: String,
    pub(crate) variables: Vec<(String, SecretValue)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Quote {
    None,
    Single,
    Double,
}

/// Rewrites every reference that `lookup` knows.
pub(crate) fn rewrite(text: &str, lookup: impl Fn(&str) -> Option<SecretValue>) -> Rewritten {
    let mut out = Rewritten { text: String::with_capacity(text.len()), variables: Vec::new() };
    let mut quote = Quote::None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match (quote, c) {
            (Quote::None, '#') if starts_word(&out.text) => taken = line_len(rest),
            (Quote::None | Quote::Double, '\\') => {
                taken += rest[1..].chars().next().map_or(0, char::len_utf8);
            }
            (Quote::None, '\'') => quote = Quote::Single,
            (Quote::Single, '\'') | (Quote::Double, '"') => quote = Quote::None,
            (Quote::None, '"') => quote = Quote::Double,
            (_, '$') => {
                if let Some((len, value)) = reference_at(rest, &lookup) {
                    stand_in(&mut out, quote, value);
                    rest = &rest[len..];
                    continue;
                }
            }
            _ => {}
        }
        out.text.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

/// Pastes references into a text that is no shell text; `None` if a value may not stand there.
pub(crate) fn paste(
    text: &str,
    lookup: impl Fn(&str) -> Option<SecretValue>,
    may_show: impl Fn(&SecretValue) -> Option<String>,
) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let len = match reference_at(rest, &lookup) {
            Some((len, value)) => {
                out.push_str(&may_show(&value)?);
                len
            }
            None => {
                out.push_str("${");
                2
            }
        };
        rest = &rest[len..];
    }
    out.push_str(rest);
    Some(out)
}

fn starts_word(before: &str) -> bool {
    before.is_empty() || before.ends_with([' ', '\t', '\n', ';', '&', '|', '('])
}

fn line_len(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

fn reference_at(
    text: &str,
    lookup: &impl Fn(&str) -> Option<SecretValue>,
) -> Option<(usize, SecretValue)> {
    let inner = text.strip_prefix("${")?;
    let inner = &inner[..inner.find('}')?];
    if !is_reference(inner) {
        return None;
    }
    lookup(inner).map(|value| (inner.len() + 3, value))
}

fn stand_in(out: &mut Rewritten, quote: Quote, value: SecretValue) {
    let name = format!("{STAND_IN}{}", out.variables.len() + 1);
    let form = match quote {
        Quote::None | Quote::Double => format!("${{{name}}}"),
        Quote::Single => format!("'\"${{{name}}}\"'"),
    };
    out.text.push_str(&form);
    out.variables.push((name, value));
}

#[cfg(test)]
mod tests {
    use super::{paste, rewrite};
    use crate::env::from_text;

    fn check(text: &str, expected: &str) {
        let known = |path: &str| path.starts_with("params.").then(|| from_text(path));
        assert_eq!(rewrite(text, known).text, expected, "{text}");
    }

    #[test]
    fn references_become_variables_of_the_environment() {
        check("echo ${params.a} $X ${X}", "echo ${SUBROSA_REF_1} $X ${X}");
        check(
            r#"echo "${params.a}" '${params.b}'"#,
            r#"echo "${SUBROSA_REF_1}" ''"${SUBROSA_REF_2}"''"#,
        );
        check(r#"echo "it's ${params.a}""#, r#"echo "it's ${SUBROSA_REF_1}""#);
    }

    #[test]
    fn escapes_comments_and_unknown_roots_stay() {
        check(r"echo \${params.a}", r"echo \${params.a}");
        check(
            "echo a # don't ${params.a}\n${params.b}",
            "echo a # don't ${params.a}\n${SUBROSA_REF_1}",
        );
        check("awk '{print $1}' ${x.y} ${#a} a#b", "awk '{print $1}' ${x.y} ${#a} a#b");
        check("trailing \\", "trailing \\");
        check("open ${params.a", "open ${params.a");
    }

    #[test]
    fn pasting_asks_for_each_value() {
        let known = |path: &str| path.starts_with("params.").then(|| from_text(path));
        assert_eq!(
            paste("print(${params.a}, ${x})", known, |_| Some("1".into())).as_deref(),
            Some("print(1, ${x})")
        );
        assert_eq!(paste("print(${params.a})", known, |_| None), None);
    }
}
