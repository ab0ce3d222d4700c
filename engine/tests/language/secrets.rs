//! The rules of `secrets:`, as a user sees them broken.

use crate::render::check;

/// Puts one entry into a workflow.
fn entry(entry: &str) -> String {
    format!("secrets:\n  - {entry}\nsteps: [{{run: work}}]\n")
}

#[test]
fn entries_that_hold() {
    for text in [
        "{name: A, ref: prod/db-password}",
        "{name: a1, ref: token}",
        "{name: _b, provider: env, key: SRC}",
        "{name: A, provider: unknown-provider, key: ' ${X} '}",
        "{name: A, provider: vault, key: kv/a, options: {field: value, depth: '3'}}",
        "{name: A, ref: a/b, options: {}}",
        "{name: A, ref: a/b, provider: '', key:}",
    ] {
        check(&entry(text), "");
    }
    check("secrets: []\nsteps: [work]\n", "");
    check("secrets:\nsteps: [work]\n", "");
}

#[test]
fn an_entry_has_one_source() {
    let help = "  help: write either `ref`, or both `provider` and `key`\n";
    for (text, expected) in [
        ("{name: A}", "2:5: a secret without a source"),
        ("{name: A, key: SRC}", "2:20: a `key` without a `provider`"),
        ("{name: A, provider: env}", "2:25: a `provider` without a `key`"),
        ("{name: A, provider: env, key: ' '}", "2:25: a `provider` without a `key`"),
        ("{name: A, ref: a, key: b}", "2:28: a `ref` beside `provider` or `key`"),
    ] {
        check(&entry(text), &format!("error[secret-source] {expected}\n{help}"));
    }
}

#[test]
fn values_of_options_are_in_no_message() {
    let text = entry("{name: A, provider: vault, key: k, options: {token: [hunter2]}}");
    check(
        &text,
        "error[wrong-type] 2:57: found a list where option `token` takes a text\n  \
         help: write a text\n",
    );
}
