use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::source::{SourceFile, Span};

use super::{Excerpts, Look, json, masked_line};

/// A file with places marked by `«` and `»`; the spans in the order they end.
fn marked(text: &str) -> (SourceFile, Vec<Span>) {
    let (mut plain, mut open, mut spans) = (String::new(), Vec::new(), Vec::new());
    for character in text.chars() {
        match character {
            '«' => open.push(plain.len()),
            '»' => spans.push(Span::new(open.pop().unwrap()..plain.len())),
            _ => plain.push(character),
        }
    }
    (SourceFile::new("w.yaml", plain), spans)
}

fn at(spans: &[Span]) -> Diagnostic {
    let error = Diagnostic::error("some-code", "what is wrong");
    let label = |error: Diagnostic, (index, span): (usize, &Span)| {
        error.at(*span, ["first", "second", "third"][index])
    };
    spans.iter().enumerate().fold(error, label)
}

/// What is shown for an error at the marked places, on a screen of 60 columns.
fn check(text: &str, expected: &str) {
    let (file, spans) = marked(text);
    let shown = Excerpts::new(&file).render(&at(&spans), Look { colour: false, width: 60 });
    assert_eq!(shown, expected.trim_start_matches('\n'), "\n{shown}");
}

#[test]
fn one_label() {
    check(
        "secrets:\n  - name: «DAGU_X»\n",
        "
error[some-code]: what is wrong
 --> w.yaml:2:11
  |
2 |   - name: DAGU_X
  |           ^^^^^^ first

",
    );
}

#[test]
fn labels_far_apart_are_in_the_order_of_the_file_and_the_first_is_the_place() {
    let (file, spans) = marked("a: «1»\nb: 2\nc: 3\n«a»: 4\n");
    let error = at(&[spans[1], spans[0]]).help("rename one\nor the other");
    let expected = "\
error[some-code]: what is wrong
 --> w.yaml:4:1
  |
1 | a: 1
  |    - second
...
4 | a: 4
  | ^ first
  = help: rename one
  = help: or the other

";
    assert_eq!(Excerpts::new(&file).render(&error, Look::PLAIN), expected);
}

#[test]
fn labels_on_one_line_share_it() {
    check(
        "depends: [«a», b, «a»]\n",
        "
error[some-code]: what is wrong
 --> w.yaml:1:11
  |
1 | depends: [a, b, a]
  |           ^ first
  |                 - second

",
    );
}

#[test]
fn tabs_wide_and_hidden_characters_keep_the_caret_in_place() {
    check(
        "\tk: 漢字\u{1b}[2J «x»\n",
        "
error[some-code]: what is wrong
 --> w.yaml:1:12
  |
1 |     k: 漢字\\u{1b}[2J x
  |                      ^ first

",
    );
}

#[test]
fn a_span_of_nothing_still_gets_a_caret() {
    check(
        "steps:«»\n",
        "
error[some-code]: what is wrong
 --> w.yaml:1:7
  |
1 | steps:
  |       ^ first

",
    );
}

#[test]
fn a_span_of_several_lines_shows_the_first() {
    check(
        "a:\n  «- b\n  - c»\n",
        "
error[some-code]: what is wrong
 --> w.yaml:2:3
  |
2 |   - b
  |   ^^^ first

",
    );
}

#[test]
fn long_lines_are_cut_around_the_caret() {
    let long = "x".repeat(80);
    check(
        &format!("{long}«here»{long}\n"),
        "
error[some-code]: what is wrong
 --> w.yaml:1:81
  |
1 | …xxxxxxxxxxxxxxxxxxherexxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
  |                    ^^^^ first

",
    );
    check(
        &format!("a: «{long}»\n"),
        "
error[some-code]: what is wrong
 --> w.yaml:1:4
  |
1 | a: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
  |    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ first

",
    );
}

#[test]
fn a_diagnostic_without_a_place_names_the_file() {
    check("", "\nerror[some-code]: what is wrong\n --> w.yaml\n\n");
}

#[test]
fn private_spans_are_blanked_and_carets_move_along() {
    let (file, spans) = marked("options: {vault_token: «hunter2», «k»: v}\n");
    let error = at(&spans[1..]);
    let shown = Excerpts::new(&file).private(&spans[..1]).render(&error, Look::PLAIN);
    let expected = "\
error[some-code]: what is wrong
 --> w.yaml:1:33
  |
1 | options: {vault_token: •••, k: v}
  |                             ^ first

";
    assert_eq!(shown, expected);
    let inside = at(&spans[..1]);
    let shown = Excerpts::new(&file).private(&spans[..1]).render(&inside, Look::PLAIN);
    assert!(shown.contains("\n  |                        ^^^ first\n"), "{shown}");
}

#[test]
fn private_spans_may_touch_overlap_and_lie_in_each_other() {
    let joined = |spans: &[(usize, usize)]| {
        let spans: Vec<Span> = spans.iter().map(|(start, end)| Span::new(*start..*end)).collect();
        let parts = super::in_line(10..30, &spans);
        parts.into_iter().map(|part| (part.start, part.end)).collect::<Vec<_>>()
    };
    assert_eq!(joined(&[(0, 10), (30, 40)]), []);
    assert_eq!(joined(&[(14, 16), (12, 20), (20, 22), (24, 25)]), [(12, 22), (24, 25)]);
    assert_eq!(joined(&[(0, 50), (12, 13)]), [(0, 50)]);
}

#[test]
fn private_text_of_several_lines_is_blanked_in_each() {
    let (file, spans) = marked("key: «hunter\n  two» «x»\n");
    let shown = Excerpts::new(&file).private(&spans[..1]).render(&at(&spans[1..]), Look::PLAIN);
    assert!(shown.contains("\n2 | ••• x\n"), "{shown}");
    assert!(shown.contains("\n  |     ^ first\n"), "{shown}");
}

#[test]
fn marks_move_with_what_is_masked_before_them() {
    let check = |line: &str, marked: std::ops::Range<usize>, masked: &str, expected: &str| {
        let (text, moved) = masked_line(line, marked, masked);
        assert_eq!(&text[moved], expected);
    };
    check("a: hunter2 b", 11..12, "a: ******* b", "b");
    check("a: hunter22 b", 0..1, "a: ******* b", "a");
    check("a: hunter22 b", 12..13, "a: ******* b", "b");
    check("a: hunter22 b", 5..7, "a: ******* b", "*******");
    check("é: päss é", 10..12, "é: ******* é", "é");
    check("same", 1..2, "same", "a");
}

#[test]
fn colours_are_only_added() {
    let (file, spans) = marked("a: «b»\n");
    let (plain, coloured) = (Look::PLAIN, Look { colour: true, ..Look::PLAIN });
    let excerpts = Excerpts::new(&file);
    let shown = excerpts.render(&at(&spans), coloured);
    assert!(shown.starts_with("\u{1b}[1m\u{1b}[31merror[some-code]\u{1b}[0m: "), "{shown:?}");
    let mut stripped = String::new();
    let mut rest = shown.as_str();
    while let Some((text, code)) = rest.split_once("\u{1b}[") {
        stripped.push_str(text);
        rest = code.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, excerpts.render(&at(&spans), plain));
}

#[test]
fn json_counts_lines_and_columns_from_one() {
    let (file, spans) = marked("a: 1\né: «x\ny»\n");
    let error = at(&spans).help("do this");
    let expected = concat!(
        r#"{"file":"w.yaml","diagnostics":[{"code":"some-code","severity":"error","#,
        r#""message":"what is wrong","line":2,"column":4,"end_line":3,"end_column":2,"#,
        r#""labels":[{"line":2,"column":4,"end_line":3,"end_column":2,"text":"first"}],"#,
        r#""help":"do this"}]}"#
    );
    assert_eq!(serde_json::to_string(&json(&file, &[error])).unwrap(), expected);
    let bare = serde_json::to_string(&json(&file, &[at(&[])])).unwrap();
    assert!(bare.contains(r#""message":"what is wrong","labels":[],"help":null"#), "{bare}");
}

#[test]
fn what_the_command_line_added_has_no_line_number() {
    let (file, spans) = marked("a: 1\n--secret A=env:«X»\n");
    let shown = Excerpts::new(&file).file_end(5).render(&at(&spans), Look::PLAIN);
    let expected = "\
error[some-code]: what is wrong
 --> <command line>
  |
  | --secret A=env:X
  |                ^ first

";
    assert_eq!(shown, expected, "\n{shown}");
}
