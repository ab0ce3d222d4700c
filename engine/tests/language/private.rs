//! What an excerpt must not show is said to be private, in every shape of file.

use std::sync::Arc;

use subrosa_engine::source::SourceFile;
use subrosa_engine::validate;

/// Every `hunter2` of the text must be private, and no `visible`.
fn check(text: &str) {
    let file = Arc::new(SourceFile::new("w.yaml", text));
    let validation = validate(Arc::clone(&file), &[]);
    let hidden = |at: usize, length: usize| {
        validation.private.iter().any(|span| span.start <= at && at + length <= span.end)
    };
    for (at, found) in text.match_indices("hunter2") {
        assert!(hidden(at, found.len()), "byte {at} shows:\n{text}");
    }
    for (at, found) in text.match_indices("visible") {
        assert!(!hidden(at, found.len()), "byte {at} is hidden:\n{text}");
    }
    let told = crate::render::render(&file, &validation);
    assert!(!told.contains("hunter2"), "{told}");
    assert!(validation.private.is_sorted());
}

#[test]
fn values_of_variables() {
    check("env: {A: hunter2}\nsteps: [visible]");
    check("env: [A=hunter2, {B: 'hunter2', C: \"hunter2\"}]\nsteps: [visible]");
    check("env:\n  A: |\n    one hunter2\n    two hunter2\nsteps: [visible]");
    check("defaults: {env: {A: hunter2}}\nsteps: [{run: visible, env: [B=hunter2]}]");
    check("handler_on: {exit: {run: visible, env: {A: hunter2}}}\nsteps: [x]");
    check("env: {A: [hunter2, {b: hunter2}]}\nsteps: [x]");
    check("env: hunter2\nsteps: [x]");
    check("env: [visible=hunter2, 'B=hunter2', visible=ö hunter2]\nsteps: [x]");
    check("x: &x {A: hunter2}\nenv: *x\nsteps: [x]");
}

#[test]
fn values_of_options() {
    check("secrets: [{name: visible, provider: vault, key: k, options: {t: hunter2}}]\nsteps: [x]");
    check("secrets: [{name: A, provider: vault, key: k, options: hunter2}]\nsteps: [x]");
    check("secrets: [{name: A, provider: vault, key: k, options: {t: {u: hunter2}}}]\nsteps: [x]");
    check("secrets: [{name: A, provider: vault, key: k, optoins: {t: hunter2}}]\nsteps: [x]");
    check("secrets: {A: hunter2}\nsteps: [x]");
    check("secrets: [hunter2]\nsteps: [x]");
    check("secrets: [{name: A, options: {t: x, t: hunter2}}]\nsteps: [x]");
}

#[test]
fn values_of_what_is_unknown_or_refused() {
    check("smtp: {host: h, password: hunter2}\nregistry_auths: {x: hunter2}\nsteps: [visible]");
    check("steps: [{type: http, with: {headers: [hunter2]}}, {action: x.y, with: {p: hunter2}}]");
    check("pasword: hunter2\nsteps: [x]");
    check("steps: [x]\nsteps: hunter2");
    check("hunter: [x]\n? {a: hunter2}\n: hunter2\nsteps: [x]");
}

#[test]
fn values_of_a_file_that_is_no_yaml() {
    check("visible:\n  - options: {vault_token: hunter2\n");
    check("visible: \"hunter2\n  more hunter2\n");
    check("visible: hunter2\n\tb: hunter2: hunter2\n  hunter2");
    check("visible: &a [hunter2, *b]");
    check("visible: hunter2 \0");
}
