//! What a run does where Dagu, run beside it on the same files, shows what is meant.

use std::fs;

use crate::program::{Ended, Place};

/// Runs `steps` and returns how it ended and what `got` holds.
fn run(workflow: &str) -> (Ended, String) {
    let place = Place::new();
    place.write("w.yaml", workflow);
    let ended = place.run(&["run", "w.yaml"]);
    (ended, fs::read_to_string(place.path().join("got")).unwrap_or_default())
}

fn check(workflow: &str, code: i32, expected: &str) {
    let (ended, got) = run(workflow);
    assert_eq!((ended.code, got.as_str()), (code, expected), "{workflow}{ended:?}");
}

#[test]
fn a_repeat_policy_sees_the_output_of_the_round_before() {
    for test in [
        "repeat: until, condition: \"${N}\", expected: \"2\"",
        "repeat: until, condition: \"test $N -ge 2\"",
        "repeat: while, condition: $N, expected: \"1\"",
    ] {
        let workflow = format!(
            "steps:\n  - run: echo x >> got; wc -l < got\n    output: N\n    \
             repeat_policy: {{{test}, limit: 4}}\n"
        );
        check(&workflow, 0, "x\nx\n");
    }
}

#[test]
fn env_of_the_step_hides_its_output_from_a_repeat_policy() {
    let workflow = "steps:\n  - run: echo x >> got; wc -l < got\n    output: N\n    env: [N=2]\n    \
                    repeat_policy: {repeat: until, condition: $N, expected: \"2\", limit: 4}\n";
    check(workflow, 0, "x\n");
}

#[test]
fn continue_on_looks_for_a_literal_anywhere_in_a_line_of_stdout() {
    let workflow = |command: &str, pattern: &str| {
        format!(
            "steps:\n  - name: a\n    run: {command}; exit 1\n    \
             continue_on: {{output: \"{pattern}\", mark_success: true}}\n  \
             - depends: a\n    run: printf on > got\n"
        )
    };
    check(&workflow("echo a WARNING b", "WARN"), 0, "on");
    check(&workflow("echo axb", "a.b"), 1, "");
    check(&workflow("echo axb", "re:a.b"), 0, "on");
    check(&workflow("echo WARN >&2", "WARN"), 1, "");
}

const CHILD: &str = "\
---
name: child
params: A=none B=none
steps:
  - run: printf '%s/%s ' \"$A\" \"$B\" >> got
";

fn parallel(items: &str, params: &str) -> String {
    format!(
        "env: [{{LIST: '{items}'}}]\nsteps:\n  - call: child\n    \
         parallel: {{items: \"${{LIST}}\", max_concurrent: 1}}\n{params}{CHILD}"
    )
}

#[test]
fn params_beside_parallel_are_all_that_a_call_gets() {
    let items = r#"[{"A": "1", "B": "2"}]"#;
    check(&parallel(items, ""), 0, "1/2 ");
    check(&parallel(items, "    params: A=${ITEM.B}\n"), 0, "2/none ");
}

#[test]
fn a_text_of_items_is_parted_as_in_dagu() {
    for (items, expected) in [
        ("p q", "p/none q/none "),
        ("p q, r", "p q/none r/none "),
        ("p;q|r", "p;q/none r/none "),
        (r#""p q" r"#, "p q/none r/none "),
        (r#"{"B": 3}"#, "none/3 "),
    ] {
        check(&parallel(items, ""), 0, expected);
    }
}

#[test]
fn parallel_over_nothing_fails() {
    let (ended, got) = run(&parallel("", ""));
    assert_eq!((ended.code, got.as_str()), (1, ""), "{ended:?}");
    assert!(ended.stdout.contains("`parallel` has no items"), "{ended:?}");
}

#[test]
fn keys_of_outputs_are_camel_case_whatever_the_variables_case() {
    let place = Place::new();
    let step = |name: &str| format!("  - run: echo 1\n    output: {name}\n");
    let steps: String = ["MY_RES", "a_b", "Mixed_Case2"].into_iter().map(step).collect();
    place.write("w.yaml", &format!("name: keys\nsteps:\n{steps}"));
    assert_eq!(place.run(&["run", "w.yaml"]).code, 0);
    let run = fs::read_dir(place.home().join("runs/keys")).unwrap().next().unwrap().unwrap();
    let outputs = fs::read_to_string(run.path().join("outputs.json")).unwrap();
    for key in ["\"myRes\"", "\"aB\"", "\"mixedCase2\""] {
        assert!(outputs.contains(key), "{outputs}");
    }
}

#[test]
fn a_command_in_a_default_stays_in_one_piece_and_runs_only_in_a_run() {
    let workflow =
        "params: A=`touch ran; echo 'x y'`! B=z\nsteps:\n  - run: printf '%s|%s' \"$A\" $B > got\n";
    check(workflow, 0, "x y!|z");
    let place = Place::new();
    place.write("w.yaml", workflow);
    for command in ["validate", "dry", "explain"] {
        assert_eq!(place.run(&[command, "w.yaml"]).code, 0);
    }
    assert!(!place.path().join("ran").exists());
}
