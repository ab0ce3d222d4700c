//! The files in `testdata/workflows`: those that hold, and one for each way not to.
//!
//! Beside `bad/<code>.yaml` (or `<code>.<case>.yaml`) stands what a user is told, beside `ok/*.yaml`
//! the workflow as read. `BLESS=1` writes them anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use subrosa_engine::source::SourceFile;
use subrosa_engine::{CODES, validate};

use crate::render::render;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/workflows").join(name)
}

fn files(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

/// Compares with the file, or writes it.
#[expect(
    clippy::disallowed_methods,
    reason = "`BLESS` is a switch of the tests, not of the product"
)]
fn expect(path: &Path, found: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "{}: run with BLESS=1 if this is meant", path.display());
}

/// Files that are too large or too odd to keep, by code.
fn generated() -> Vec<(&'static str, Vec<u8>)> {
    let bomb = |width: usize| {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..8 {
            let items = vec![format!("*a{}", level - 1); width].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        text
    };
    let members = "    - x\n".repeat(1100);
    vec![
        ("control-character", b"steps:\n  - run: \"a\0b\"\n".to_vec()),
        ("control-character.escape", b"steps: [\"\x1b[31m\"]\n".to_vec()),
        ("file-too-large", vec![b'#'; (1 << 20) + 1]),
        ("not-utf8", b"steps:\n  - run: caf\xe9\n".to_vec()),
        ("too-many-problems", ["x: 1\n", &files_of_unknown_keys()].concat().into_bytes()),
        ("too-much", format!("type: chain\nsteps:\n  -\n{members}  -\n{members}").into_bytes()),
        ("yaml-too-deep", "[".repeat(100_000).into_bytes()),
        ("yaml-too-deep.block", format!("{}x", "- ".repeat(1000)).into_bytes()),
        ("yaml-too-large", bomb(10).into_bytes()),
        (
            "yaml-too-large.text",
            format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 20].join(", "))
                .into_bytes(),
        ),
    ]
}

fn files_of_unknown_keys() -> String {
    (0..200).map(|number| format!("k{number}: x\n")).collect::<String>() + "steps: [one]\n"
}

/// The code that a case is named for.
fn code_of(case: &str) -> &str {
    case.split_once('.').map_or(case, |(code, _)| code)
}

fn check_bad(case: &str, file: &Arc<SourceFile>) {
    let validation = validate(Arc::clone(file), &[]);
    let text = render(file, &validation);
    expect(&folder("bad").join(format!("{case}.txt")), &text);
    let codes: BTreeSet<&str> = validation.diagnostics.iter().map(|d| d.code).collect();
    assert!(codes.contains(code_of(case)), "{case} shows {codes:?}");
    let fails = validation.diagnostics.iter().any(subrosa_engine::diagnostic::Diagnostic::is_error);
    assert_eq!(validation.workflow.is_none(), fails, "{case}");
    assert!(!text.contains("hunter2"), "{case}: a message shows a value");
    check_private(case, file, &validation.private);
}

/// Every credential of the fixtures stands in a private place.
fn check_private(case: &str, file: &SourceFile, private: &[subrosa_engine::source::Span]) {
    for (at, value) in file.text().match_indices("hunter2") {
        let hidden = private.iter().any(|span| span.start <= at && at + value.len() <= span.end);
        assert!(hidden, "{case}: byte {at} is not private");
    }
}

#[test]
fn every_way_to_be_wrong_is_told() {
    for path in files("bad") {
        let case = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let file = SourceFile::from_bytes(format!("{case}.yaml"), &fs::read(&path).unwrap());
        check_bad(&case, &Arc::new(file));
    }
    for (case, bytes) in generated() {
        check_bad(case, &Arc::new(SourceFile::from_bytes(format!("{case}.yaml"), &bytes)));
    }
}

#[test]
fn every_code_has_a_file_that_shows_it() {
    let mut shown: BTreeSet<String> = generated().iter().map(|(c, _)| code_of(c).into()).collect();
    shown.extend(
        files("bad")
            .iter()
            .map(|path| code_of(path.file_stem().unwrap().to_str().unwrap()).to_owned()),
    );
    let known: BTreeSet<String> = CODES.iter().map(|code| code.name.to_owned()).collect();
    assert_eq!(shown, known);
    assert!(CODES.is_sorted_by_key(|code| code.name));
}

#[test]
fn files_that_hold_are_read_as_meant() {
    for path in files("ok") {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let file = Arc::new(SourceFile::from_bytes(&name, &fs::read(&path).unwrap()));
        let validation = validate(Arc::clone(&file), &[]);
        let problems = render(&file, &validation);
        assert_eq!(problems, "", "{name}");
        let workflow = validation.workflow.unwrap();
        expect(&path.with_extension("txt"), &crate::outline::outline(&workflow));
    }
}
