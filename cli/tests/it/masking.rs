//! Values that a step registers while it runs, what of masking a workflow decides, and what a run's
//! record says of it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::program::{Ended, Place};

/// Fails if a file below a folder holds one of the values.
fn check_files(folder: &Path, values: &[&str]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check_files(&path, values);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for value in values.iter().map(|value| value.as_bytes()) {
            let is_there = bytes.windows(value.len()).any(|window| window == value)
                || path.as_os_str().as_bytes().windows(value.len()).any(|window| window == value);
            assert!(!is_there, "{} holds a value", path.display());
        }
    }
}

/// Runs a workflow that lies outside of what is searched, and checks that no value came out.
fn run(text: &str, words: &[&str], values: &[&str]) -> (Place, Ended) {
    let (place, outside) = (Place::new(), Place::new());
    let file = outside.write("work.yaml", text).display().to_string();
    let ended = Ended::of(&place.command(&[&["run", &file], words].concat()).output().unwrap());
    for value in values {
        assert!(!ended.stdout.contains(value) && !ended.stderr.contains(value), "{ended:?}");
    }
    check_files(place.path(), values);
    (place, ended)
}

/// Two values made when the workflow runs, so that its text does not hold them.
const MAKE: &str = "A=late-$(echo value); B=\"two $(echo late)\nlines here\"; ";
const MADE: &[&str] = &["late-value", "two late", "lines here"];

#[test]
fn what_a_step_registers_is_masked_from_then_on_everywhere() {
    let text = format!(
        r#"
name: late
type: chain
handler_on:
  exit:
    run: |
      echo "in the handler: late-$(echo value)"
steps:
  - name: early
    run: |
      {make}
      printf '%s\n' "$A" >> "$SUBROSA_MASK_FILE"
      printf '"two late\\nlines here"\n' >> "$SUBROSA_MASK_FILE"
      echo "out $A"; echo "err $B" >&2
      echo "$A" | base64
      echo "$A"
    output: RESULT
  - name: script
    script: |
      #!/bin/sh
      echo "in a script: late-$(echo value) $RESULT"
  - name: exec
    exec: {{command: printenv, args: [RESULT]}}
  - name: call
    call: child
    params: {{GIVEN: "${{RESULT}}"}}
---
name: child
params: {{GIVEN: none}}
steps:
  - run: |
      echo "in the child: $GIVEN late-$(echo value)"
      C=from-$(echo child); echo "$C" > "$SUBROSA_MASK_FILE"; echo "$C"
    output: C
"#,
        make = MAKE
            .replace('\n', "\\n")
            .replace("\"two $(echo late)\\nlines here\"", "$(printf 'two %s\\nlines here' late)"),
    );
    let base64 = "bGF0ZS12YWx1";
    let (place, ended) = run(&text, &["--follow"], &[MADE, &["from-child", base64]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("in a script: ******* out *******"), "{ended:?}");
    let outputs = place.find("outputs.json");
    assert!(outputs.contains("*******"), "{outputs}");
    let record = place.find("status.json");
    assert!(record.contains("\"registered\": 2"), "{record}");
    assert!(record.contains("(registered by a step)"), "{record}");
}

#[test]
fn each_way_of_writing_the_file_is_seen_before_what_is_printed_next() {
    let text = r#"
name: ways
steps:
  - run: |
      for n in one two six ten; do
        printf "\nvalue-%s" "$n" >> "$SUBROSA_MASK_FILE"
        printf "value-%s\n" "$n"
      done
      echo >> "$SUBROSA_MASK_FILE"
      for n in aaa bbb ccc ddd eee; do
        echo "other-$n" >> "$SUBROSA_MASK_FILE"
        echo "other-$n" >&2
      done
"#;
    let values = ["value-one", "value-two", "value-six", "value-ten"];
    let others = ["other-aaa", "other-bbb", "other-ccc", "other-ddd", "other-eee"];
    for _ in 0..5 {
        let (place, ended) = run(text, &["--follow"], &[&values[..], &others].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(place.find("status.json").contains("\"registered\": 9"));
    }
}

#[test]
fn a_file_that_is_no_list_of_values_fails_the_step_without_quoting_it() {
    let check = |write: &str, told: &str| {
        let text = format!(
            "name: wrong\nsteps:\n  - name: a\n    run: |\n      V=never-$(echo seen)\n      {write}\n      echo \"$V\"\n      exit 0\n"
        );
        let (place, ended) = run(&text, &[], &["never-seen"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stdout.contains(told), "{ended:?}");
        assert!(place.find("status.json").contains(told));
    };
    check(
        "printf '\"%s\\n' \"$V\" > \"$SUBROSA_MASK_FILE\"",
        "line 1 of the file SUBROSA_MASK_FILE begins with a quote and is no JSON string",
    );
    check("rm \"$SUBROSA_MASK_FILE\"", "was removed or replaced");
    check("seq 100000 101001 > \"$SUBROSA_MASK_FILE\"", "more than 1000 values");
    check("head -c 300000 /dev/zero > \"$SUBROSA_MASK_FILE\"", "more than 256 KiB");
}

#[test]
fn the_file_is_private_and_gone_after_the_attempt() {
    let text = r#"
name: gone
type: chain
steps:
  - name: write
    run: |
      test "$(stat -c %a "$SUBROSA_MASK_FILE")" = 600
      test ! -s "$SUBROSA_MASK_FILE"
      echo "$SUBROSA_MASK_FILE"
    output: PATH_OF_BEFORE
  - name: look
    run: |
      test ! -e "$PATH_OF_BEFORE"
      test "$PATH_OF_BEFORE" != "$SUBROSA_MASK_FILE"
"#;
    let (_, ended) = run(text, &[], &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn a_command_of_exec_registers_too() {
    let place = Place::new();
    let shell = "V=late-$(echo value); echo $V > $SUBROSA_MASK_FILE; echo $V; echo e-$V >&2";
    let ended = place.run(&["exec", "--", "sh", "-c", shell]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "*******\n"), "{ended:?}");
    assert_eq!(ended.stderr, "e-*******\n");
    let shell = "V=never-$(echo seen); echo \\\"$V > $SUBROSA_MASK_FILE; echo $V";
    let wrong = place.run(&["exec", "--", "sh", "-c", shell]);
    assert_ne!(wrong.code, 0, "{wrong:?}");
    assert_eq!(wrong.stdout, "");
    assert!(wrong.stderr.contains("begins with a quote"), "{wrong:?}");
    assert!(!wrong.stderr.contains("never-seen"), "{wrong:?}");
}

const POLICIES: &str = r#"
name: policies
masking: {short: always, keys: [password]}
secrets:
  - {name: PIN, provider: env, key: SRC_PIN}
  - {name: OPEN, provider: env, key: SRC_OPEN, mask: false}
  - {name: TOKEN, provider: env, key: SRC_TOKEN}
steps:
  - name: show
    run: |
      echo "x${PIN}x $OPEN"
      printenv TOKEN | base64 >&2
  - name: json
    run: |
      echo "{\"password\": \"derived\", \"user\": \"bob\"}"
    output: RESULT
"#;

fn policies(words: &[&str]) -> (Place, Ended) {
    let place = Place::new();
    place.write("work.yaml", POLICIES);
    let mut command = place.command(&[words, &["work.yaml"]].concat());
    command.env("SRC_PIN", "47").env("SRC_OPEN", "open-value").env("SRC_TOKEN", "hunter2hunter2");
    let ended = Ended::of(&command.output().unwrap());
    (place, ended)
}

#[test]
fn a_workflow_says_how_short_values_are_masked_and_the_flag_wins() {
    let (_, ended) = policies(&["run", "--follow"]);
    assert!(ended.stdout.contains("x*******x open-value"), "{ended:?}");
    assert!(ended.stderr.contains("the value of secret `OPEN` is not masked"), "{ended:?}");
    let (_, word) = policies(&["run", "--follow", "--short", "word"]);
    assert!(word.stdout.contains("x47x open-value"), "{word:?}");
    assert!(word.stderr.contains("the value of secret `PIN` is short"), "{word:?}");
    assert!(!word.stderr.contains("47"), "{word:?}");
    let (_, dry) = policies(&["dry"]);
    assert!(dry.stderr.contains("the value of secret `OPEN` is not masked"), "{dry:?}");
}

#[test]
fn texts_of_named_keys_are_masked_where_records_hold_them() {
    let (place, ended) = policies(&["run"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for name in ["outputs.json", "status.json"] {
        let text = place.find(name);
        assert!(!text.contains("derived"), "{name}: {text}");
        assert!(text.contains("bob"), "{name}: {text}");
    }
}

#[test]
fn a_run_reports_what_was_masked_and_where() {
    let (place, _) = policies(&["run"]);
    let record: serde_json::Value = serde_json::from_str(&place.find("status.json")).unwrap();
    let counts = record["steps"][0]["masked"].as_array().unwrap();
    let count = |secret: &str, form: &str, stream: &str| {
        let found = counts.iter().find(|count| {
            (&count["secret"], &count["form"], &count["stream"])
                == (&secret.into(), &form.into(), &stream.into())
        });
        found.map_or(0, |found| found["count"].as_u64().unwrap())
    };
    assert_eq!(count("PIN", "value", "stdout"), 1, "{counts:?}");
    assert_eq!(count("TOKEN", "base64", "stderr"), 1, "{counts:?}");
    assert_eq!(count("TOKEN", "value", "stdout"), 0, "{counts:?}");
    let masked: Vec<bool> = record["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| secret["masked"].as_bool().unwrap())
        .collect();
    assert_eq!(masked, [true, false, true]);
    let leaks = place.run(&["runs", "--leaks"]);
    assert_eq!(leaks.code, 0, "{leaks:?}");
    let lines: Vec<Vec<&str>> =
        leaks.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["RUN", "WORKFLOW", "STEP", "STREAM", "SECRET", "FORM", "COUNT"]);
    assert!(
        lines
            .iter()
            .any(|line| line[1..] == ["policies", "show", "stderr", "TOKEN", "base64", "1"]),
        "{leaks:?}"
    );
    let json = place.run(&["runs", "--leaks", "--json"]);
    let first: serde_json::Value =
        serde_json::from_str(json.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&first["workflow"], &first["step"]), (&"policies".into(), &"show".into()));
    let status = place.run(&["status"]);
    assert!(status.stdout.contains("masked"), "{status:?}");
    assert!(status.stdout.contains("OPEN (env, not masked)"), "{status:?}");
}

#[test]
fn runs_without_leaks_say_so() {
    let place = Place::new();
    place.write("quiet.yaml", "name: quiet\nsteps:\n  - run: echo quiet\n");
    place.run(&["run", "quiet.yaml"]);
    let leaks = place.run(&["runs", "--leaks"]);
    assert_eq!((leaks.code, leaks.stdout.as_str()), (0, ""), "{leaks:?}");
    assert_eq!(leaks.stderr, "no step printed a secret\n");
}

#[test]
fn steps_of_called_workflows_are_among_the_leaks() {
    let place = Place::new();
    place.write(
        "outer.yaml",
        "name: outer\nsecrets:\n  - {name: TOKEN, provider: env, key: SRC_TOKEN}\nsteps:\n  - name: go\n    call: inner\n    params: {T: \"${TOKEN}\"}\n---\nname: inner\nparams: {T: none}\nsteps:\n  - name: say\n    run: echo $T\n",
    );
    let mut command = place.command(&["run", "outer.yaml"]);
    assert!(command.env("SRC_TOKEN", "hunter2hunter2").output().unwrap().status.success());
    let leaks = place.run(&["runs", "--leaks"]).stdout;
    assert!(leaks.contains("go/say") && leaks.contains("TOKEN"), "{leaks}");
}

#[test]
fn a_retry_runs_a_step_again_that_registered_values_if_others_need_it() {
    let place = Place::new();
    let text = r#"
name: again
steps:
  - name: fetch
    run: |
      echo "late-$(echo value)" >> "$SUBROSA_MASK_FILE"
      echo "late-$(echo value)" > kept
  - name: apart
    run: "true"
  - name: use
    depends: [fetch, apart]
    run: |
      cat kept
      test -e mended
"#;
    place.write("work.yaml", text);
    assert_eq!(place.run(&["run", "work.yaml"]).code, 1);
    place.write("mended", "");
    let runs = place.run(&["runs", "--json"]).stdout;
    let first: serde_json::Value = serde_json::from_str(runs.lines().next().unwrap()).unwrap();
    let retry = place.run(&["retry", first["run"].as_str().unwrap(), "--follow"]);
    assert_eq!(retry.code, 0, "{retry:?}");
    assert!(retry.stdout.contains("use | *******"), "{retry:?}");
    assert!(!retry.stdout.contains("late-value"), "{retry:?}");
    assert!(!retry.stdout.contains("apart: started"), "{retry:?}");
}

/// Runs a workflow that fails, retries it once it can succeed, and gives back the retry.
fn retried(text: &str) -> Ended {
    let place = Place::new();
    place.write("work.yaml", text);
    assert_eq!(place.run(&["run", "work.yaml"]).code, 1);
    place.write("mended", "");
    let runs = place.run(&["runs", "--json"]).stdout;
    let first: serde_json::Value = serde_json::from_str(runs.lines().next().unwrap()).unwrap();
    let retry = place.run(&["retry", first["run"].as_str().unwrap(), "--follow"]);
    assert_eq!(retry.code, 0, "{retry:?}");
    retry
}

#[test]
fn a_retry_knows_what_several_steps_registered_and_what_handlers_may_print() {
    let fetch = r#"x=late-$(echo value); echo $x >> $SUBROSA_MASK_FILE; echo $x > kept"#;
    let shared = retried(&format!(
        "name: w\nsteps:\n- {{name: a, run: '{fetch}'}}\n- {{name: b, depends: a, run: '{fetch}'}}\n\
         - {{name: c, depends: b, run: 'cat kept; test -e mended'}}\n"
    ));
    assert!(shared.stdout.contains("c | *******"), "{shared:?}");
    let handled = retried(&format!(
        "name: w\nhandler_on: {{exit: {{run: cat kept}}}}\nsteps:\n- {{name: a, run: '{fetch}'}}\n\
         - {{name: b, run: test -e mended}}\n- {{name: apart, run: 'true'}}\n"
    ));
    assert!(handled.stdout.contains("| *******"), "{handled:?}");
    assert!(!handled.stdout.contains("apart: started"), "{handled:?}");
    for retry in [shared, handled] {
        assert!(!retry.stdout.contains("late-value"), "{retry:?}");
    }
}

#[test]
fn items_of_a_secret_are_masked_in_their_own_forms() {
    let items: String = (0..150).map(|n| format!("user{n:03}:{n:072},")).collect();
    let text = "name: w\nsecrets:\n- {name: LIST, provider: env, key: SRC_LIST}\nsteps:\n\
                - {name: all, call: one, parallel: '${LIST}', params: {X: '${ITEM}'}}\n---\n\
                name: one\nparams: {X: none}\nsteps:\n\
                - 'case $X in user149*) printf %s \"$X\" | base64 -w0;; esac'\n";
    let place = Place::new();
    place.write("w.yaml", text);
    let mut command = place.command(&["run", "w.yaml", "--follow"]);
    let ended = command.env("SRC_LIST", items).output().unwrap();
    let shown = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{shown}");
    assert!(shown.contains("| *******"), "{shown}");
    assert!(!shown.contains("dXNlcjE0OTow"), "{shown}");
}

#[test]
fn what_the_record_held_before_a_value_was_registered_is_masked_at_its_end() {
    let text =
        "name: given\nparams: {GIVEN: none}\nsteps:\n  - run: echo $GIVEN >> $SUBROSA_MASK_FILE\n";
    let (place, ended) = run(text, &["--", "GIVEN=late-value"], &["late-value"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let record: serde_json::Value = serde_json::from_str(&place.find("status.json")).unwrap();
    assert_eq!(record["params"][0]["value"], "*******");
    assert_eq!(record["params"][0]["masked"], true);
}
