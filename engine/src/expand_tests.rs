//! Tables for `expand`: text, what it becomes.
#![expect(clippy::disallowed_methods, reason = "tests look at what they made")]

use proptest::prelude::{ProptestConfig, proptest};

use super::{Scope, Template};
use crate::env::from_text;
use crate::secret::SecretValue;

struct Fixture;

impl Scope for Fixture {
    fn variable(&self, name: &str) -> Option<SecretValue> {
        match name {
            "A" => Some(from_text("apple")),
            "EMPTY" => Some(from_text("")),
            "NASTY" => Some(from_text("~/$A${A}`id`\\$A")),
            "UML" => Some(from_text("äöü")),
            "1" => Some(from_text("first")),
            _ => None,
        }
    }

    fn reference(&self, path: &str) -> Option<SecretValue> {
        (path == "A.b.c" || path == "steps.my-step.outputs.x").then(|| from_text("found"))
    }

    fn home(&self) -> Option<SecretValue> {
        Some(from_text("/home/me"))
    }
}

fn check(text: &str, expected: &str) {
    let filled = Template::parse(text).fill(&Fixture, &[from_text("OUT")]);
    assert_eq!(String::from_utf8_lossy(filled.expose()), expected, "{text}");
}

#[test]
fn variables_are_filled_and_unknown_ones_stay() {
    check("$A-${A}-$NOPE-${NOPE}", "apple-apple-$NOPE-${NOPE}");
    check("$A$A", "appleapple");
    check("${1}", "first");
    check("100$ and $ and ${", "100$ and $ and ${");
    check("$(date) $$ $1", "$(date) $$ $1");
}

#[test]
fn values_are_never_looked_at_again() {
    check("v=${NASTY}", "v=~/$A${A}`id`\\$A");
    check("${NASTY}", "~/$A${A}`id`\\$A");
    check("${NOPE:-$NASTY}", "~/$A${A}`id`\\$A");
}

#[test]
fn operators_follow_the_shell() {
    check("${NOPE:-d}", "d");
    check("${NOPE:-${A}x}", "applex");
    check("${EMPTY:-d}|${EMPTY-d}", "d|");
    check("${A:+yes}${NOPE:+no}${EMPTY:+no}${EMPTY+yes}", "yesyes");
    check("${A:1}|${A:1:2}|${A: -2}|${A:0:-1}|${A:9}", "pple|pp|le|appl|");
    check("${UML:1:1}", "ö");
    check("${#A}${#UML}${#NOPE}", "530");
    check("${A%x} ${A/x/y}", "${A%x} ${A/x/y}");
}

#[test]
fn references_have_dots() {
    check("${A.b.c}", "found");
    check("${steps.my-step.outputs.x}", "found");
    check("${A.x} $A.b.c", "${A.x} apple.b.c");
}

#[test]
fn escapes_and_single_quotes_keep_the_text() {
    check(r"\$A \${A}", "$A ${A}");
    check(r"\\$A", r"\\apple");
    check(r"\\\$A", r"\\$A");
    check(r"C:\dir\$A", r"C:\dir$A");
    check("'${A}' '$A' '$A", "'${A}' '$A' 'apple");
    check(r"\`id\`", "`id`");
}

#[test]
fn commands_are_named_and_filled_and_home_is_a_leading_tilde() {
    check("x`date +%s`y", "xOUTy");
    check("``", "``");
    check("open `tick", "open `tick");
    let template = Template::parse("`one`-`two`");
    assert_eq!(template.commands().collect::<Vec<_>>(), ["one", "two"]);
    check("~", "/home/me");
    check("~/x", "/home/me/x");
    check("~root a~ x=~/y", "~root a~ x=~/y");
    check("${NOPE:-`id`}", "`id`");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_text_panics(text in r"[A-E$\\{}'`:~#.\-+ 0-9äé]{0,24}") {
        let template = Template::parse(&text);
        let _ = template.commands().count();
        template.fill(&Fixture, &[]);
    }
}
