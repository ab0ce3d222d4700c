//! Files made to break things: nothing panics, and bounds are bounds on work, not on luck.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use subrosa_engine::source::SourceFile;
use subrosa_engine::{Validation, validate};

fn found(bytes: &[u8]) -> (Arc<SourceFile>, Validation) {
    let file = Arc::new(SourceFile::from_bytes("w.yaml", bytes));
    let validation = validate(Arc::clone(&file), &[]);
    (file, validation)
}

/// Whatever the bytes: either a workflow or an error, places inside of the text, words of ours.
fn check(bytes: &[u8]) {
    let (file, validation) = found(bytes);
    let errors = validation.diagnostics.iter().filter(|problem| problem.is_error()).count();
    assert_eq!(validation.workflow.is_some(), errors == 0);
    for problem in &validation.diagnostics {
        for label in &problem.labels {
            assert!(label.span.start <= label.span.end);
            assert!(label.span.end <= file.text().len());
            assert!(file.text().is_char_boundary(label.span.start));
            assert!(file.text().is_char_boundary(label.span.end));
        }
        assert!(!problem.message.is_empty() && problem.message.len() < 400, "{problem:?}");
        assert!(!problem.message.contains(char::is_control));
    }
    assert!(validation.diagnostics.len() <= 101);
}

fn good_files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/workflows/ok");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(fs::read_to_string(path).unwrap());
        }
    }
    files
}

/// A change at a place, as a fraction of the text.
#[derive(Clone, Debug)]
enum Change {
    Remove(f64, usize),
    Insert(f64, String),
    Repeat(f64, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = 0.0..1.0;
    let pieces = "[-:{}\\[\\]&*!|>'\"%@`#,? \n\tñx0<]{1,4}";
    prop_oneof![
        (place.clone(), 1usize..20).prop_map(|(at, length)| Change::Remove(at, length)),
        (place.clone(), pieces).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (place, 1usize..200).prop_map(|(at, length)| Change::Repeat(at, length)),
    ]
}

fn apply(text: &str, change: &Change) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let place = |at: f64| ((chars.len() as f64) * at) as usize;
    match change {
        Change::Remove(at, length) => {
            let (from, to) = (place(*at), (place(*at) + length).min(chars.len()));
            chars.drain(from..to);
        }
        Change::Insert(at, piece) => {
            let at = place(*at);
            chars.splice(at..at, piece.chars());
        }
        Change::Repeat(at, length) => {
            let (from, to) = (place(*at), (place(*at) + length).min(chars.len()));
            let copy: Vec<char> = chars[from..to].to_vec();
            chars.splice(to..to, copy);
        }
    }
    chars.into_iter().collect()
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
        check(&bytes);
    }

    #[test]
    fn no_signs_of_yaml_make_it_panic(
        text in "([-:{}\\[\\]&*!|>'\"%@`#,?~<=] ?|[a-c0\nñ\t] ?|steps:|\n  - |run: |\n---\n){0,60}",
    ) {
        check(text.as_bytes());
    }

    #[test]
    fn no_change_of_a_good_file_makes_it_panic(
        which in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec(change(), 1..6),
    ) {
        let files = good_files();
        let mut text = which.get(&files).clone();
        for change in &changes {
            text = apply(&text, change);
        }
        check(text.as_bytes());
    }
}

fn repeated(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        text.push_str(&line(number));
        text
    })
}

#[test]
fn large_files_that_mean_it_hold() {
    let secrets = repeated(2000, |n| format!("  - {{name: S{n}, provider: env, key: K{n}}}\n"));
    let steps = repeated(300, |n| {
        format!("  - name: s{n}\n    run: |\n      echo $S{n}\n      true\n    env: {{A: b}}\n")
    });
    let text = format!("type: chain\nsecrets:\n{secrets}steps:\n{steps}");
    let workflow = found(text.as_bytes()).1.workflow.unwrap();
    assert_eq!((workflow.secrets.len(), workflow.steps.len()), (2000, 300));
    assert_eq!(workflow.steps[299].depends, [298]);
}

#[test]
fn what_grows_without_end_is_refused() {
    let names = "n".repeat(900_000);
    let entries = repeated(5000, |n| format!("E{n}: x, "));
    let steps = "- x\n".repeat(5000);
    let mut doubling = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..60 {
        writeln!(doubling, "a{level}: &a{level} [*a{}, *a{}]", level - 1, level - 1).unwrap();
    }
    let patterns = repeated(3000, |_| "- {condition: a, expected: 're:\\w{200}'}\n".to_owned());
    for (text, code) in [
        (format!("steps: [{{name: {names}, run: x}}]"), "invalid-step-name"),
        (format!("secrets: [{{name: {names}-, ref: x}}]\nsteps: [x]"), "invalid-secret-name"),
        (format!("defaults: {{env: {{{entries}}}}}\nsteps:\n{steps}"), "too-much"),
        (format!("steps:\n{}", "- x\n".repeat(20_000)), "too-much"),
        (format!("params: {}\nsteps: [x]", "a ".repeat(400_000)), "too-much"),
        (doubling, "yaml-too-large"),
        (format!("preconditions:\n{patterns}steps: [x]"), "invalid-pattern"),
        (format!("x: &x {{k: v}}\ny: {{<<: [{}]}}\n", "*x, ".repeat(150_000)), "yaml-too-large"),
        ("? ".repeat(500_000), "yaml-too-deep"),
        ("{a: ".repeat(200_000), "yaml-too-deep"),
        ("[[] , ".repeat(150_000), "yaml-too-deep"),
    ] {
        check(text.as_bytes());
        let codes: Vec<&str> =
            found(text.as_bytes()).1.diagnostics.iter().map(|problem| problem.code).collect();
        assert!(codes.contains(&code), "{code}: {codes:?}");
    }
}

#[test]
fn odd_files_have_one_clear_end() {
    for text in [
        "&a ".repeat(300_000),
        "!".repeat(1 << 20),
        "'".repeat((1 << 20) - 1),
        "\"\\".repeat(500_000),
        "#".repeat(1 << 20),
        "a".repeat(1 << 20),
        "\n".repeat(1 << 20),
        "%TAG ! x\n".repeat(100_000),
        "---\n".repeat(200_000),
        "a: 1\n".repeat(200_000),
        "- a\n".repeat(190_000),
        "steps: [x]\n---\n".repeat(60_000),
        format!("[{}", "a: b, ".repeat(170_000)),
        format!("steps: {{{}", "? a\n".repeat(200_000)),
        "|\n".repeat(500_000),
        "\u{feff}".repeat(300_000),
        "steps:\n".to_owned() + &"  - {name: a, depends: [b, c, d, e, f]}\n".repeat(25_000),
        "steps:\n".to_owned()
            + &repeated(20_000, |n| format!("  - {{name: s{n}, run: x, depends: t{n}}}\n")),
    ] {
        check(text.as_bytes());
    }
}
