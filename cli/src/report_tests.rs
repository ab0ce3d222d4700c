use std::path::{Path, PathBuf};
use std::time::SystemTime;

use subrosa_engine::event::{
    RunEvent, RunStatus, StepEnd, StepPath, StepStatus, Stream, Timestamp,
};
use subrosa_masker::{MaskSet, MaskedText};

use super::live::Live;
use super::plain::{Lines, Plain};
use super::{View, json};
use crate::render::Look;

const TIME: Timestamp = Timestamp(SystemTime::UNIX_EPOCH);

fn text(text: &str) -> MaskedText {
    MaskSet::empty().mask_text(text)
}

fn path(name: &str) -> StepPath {
    StepPath(text(name))
}

fn run_started(dir: &Path) -> RunEvent {
    RunEvent::RunStarted {
        time: TIME,
        run: "2026-ab".into(),
        workflow: text("deploy"),
        environment: None,
        steps: 3,
        secrets: vec![text("TOKEN"), text("PUBLIC")],
        unmasked: vec![text("PUBLIC")],
        dir: dir.to_path_buf(),
    }
}

fn started(name: &str, attempt: u32) -> RunEvent {
    RunEvent::StepStarted { time: TIME, step: path(name), attempt }
}

fn finished(name: &str, status: StepStatus, end: StepEnd) -> RunEvent {
    RunEvent::StepFinished {
        time: TIME,
        step: path(name),
        status,
        attempts: 1,
        end,
        duration_ms: 1_200,
    }
}

fn run_finished(status: RunStatus) -> RunEvent {
    RunEvent::RunFinished { time: TIME, status, duration_ms: 2_500, reason: None }
}

/// A run in which the second step fails, and the third is not reached.
fn failing(dir: &Path) -> Vec<RunEvent> {
    vec![
        run_started(dir),
        started("build", 1),
        finished("build", StepStatus::Succeeded, StepEnd::Exited { code: 0 }),
        started("test\u{1b}", 1),
        RunEvent::StepRetrying {
            time: TIME,
            step: path("test\u{1b}"),
            attempt: 1,
            end: StepEnd::TimedOut,
            pause_ms: 500,
        },
        started("test\u{1b}", 2),
        finished("test\u{1b}", StepStatus::Failed, StepEnd::Exited { code: 3 }),
        finished(
            "ship",
            StepStatus::UpstreamFailed,
            StepEnd::NotRun { reason: text("step test failed") },
        ),
        RunEvent::Warning { time: TIME, step: None, message: text("beware") },
        run_finished(RunStatus::Failed),
    ]
}

fn shown(view: &mut dyn View, events: &[RunEvent]) -> String {
    let mut screen = Vec::new();
    for event in events {
        view.event(event, &mut screen);
        view.frame(&mut screen);
    }
    view.end(&mut screen);
    String::from_utf8(screen).unwrap()
}

const SUMMARY: &str = "
✗ test\\u{1b}: exit 3
  more: subrosa logs 2026-ab 'test\\u{1b}'

failed in 2.5s: 1 succeeded, 1 failed, 1 not run
masked   1 secret (TOKEN)
shown    PUBLIC (`mask: false`)
record   /nowhere
";

#[test]
fn plain_is_a_line_per_event_and_a_summary() {
    let expected = "\
deploy: run 2026-ab, 3 steps, 2 secrets
build: started
build: succeeded in 1.2s
test\\u{1b}: started
test\\u{1b}: timed out, next try in 500ms
test\\u{1b}: started, attempt 2
test\\u{1b}: failed (exit 3) in 1.2s
ship: not run (step test failed)
warning: beware
";
    let shown = shown(&mut Plain::new(Look::PLAIN, false), &failing(Path::new("/nowhere")));
    assert_eq!(shown, format!("{expected}{SUMMARY}"), "\n{shown}");
}

#[test]
fn quiet_shows_failures_and_nothing_of_a_success() {
    let failed = shown(&mut Plain::new(Look::PLAIN, true), &failing(Path::new("/nowhere")));
    let expected = "test\\u{1b}: failed (exit 3) in 1.2s\nwarning: beware\n";
    assert_eq!(failed, format!("{expected}{SUMMARY}"), "\n{failed}");
    let good = [
        run_started(Path::new("/nowhere")),
        started("build", 1),
        finished("build", StepStatus::Succeeded, StepEnd::Exited { code: 0 }),
        run_finished(RunStatus::Succeeded),
    ];
    assert_eq!(shown(&mut Plain::new(Look::PLAIN, true), &good), "");
}

#[test]
fn nothing_is_said_of_a_run_that_never_started() {
    assert_eq!(shown(&mut Plain::new(Look::PLAIN, false), &[]), "");
    assert_eq!(shown(&mut Live::new(Look::PLAIN), &[]), "");
}

#[test]
fn json_is_a_line_per_event() {
    let shown = shown(&mut json::Json, &failing(Path::new("/nowhere")));
    assert_eq!(shown.lines().count(), 10);
    let first: serde_json::Value = serde_json::from_str(shown.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "run_started");
    assert_eq!(first["time"], "1970-01-01T00:00:00.000Z");
}

/// A screen that understands what the live view sends.
struct Screen {
    lines: Vec<String>,
    row: usize,
    cursor: bool,
    highest: usize,
}

impl Screen {
    fn take(&mut self, bytes: &[u8]) {
        let mut rest = std::str::from_utf8(bytes).unwrap();
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            match character {
                '\u{1b}' => rest = self.command(rest),
                '\n' => {
                    self.row += 1;
                    if self.row == self.lines.len() {
                        self.lines.push(String::new());
                    }
                }
                '\r' => {}
                other => self.lines[self.row].push(other),
            }
        }
    }

    fn command<'a>(&mut self, text: &'a str) -> &'a str {
        let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        match (&text[1..end], &text[end..=end]) {
            (up, "A") => {
                let up: usize = up.parse().unwrap();
                self.highest = self.highest.max(up);
                self.row -= up;
            }
            ("", "J") => {
                self.lines.truncate(self.row + 1);
                self.lines[self.row].clear();
            }
            ("?25", "l") => self.cursor = false,
            ("?25", "h") => self.cursor = true,
            other => panic!("unknown command {other:?}"),
        }
        &text[end + 1..]
    }
}

fn screen() -> Screen {
    Screen { lines: vec![String::new()], row: 0, cursor: true, highest: 0 }
}

#[test]
fn live_keeps_what_is_done_and_redraws_what_goes_on() {
    let mut live = Live::sized(Look::PLAIN, || (40, 10));
    let mut screen = screen();
    for event in failing(Path::new("/nowhere")) {
        let mut bytes = Vec::new();
        live.event(&event, &mut bytes);
        live.frame(&mut bytes);
        screen.take(&bytes);
        if matches!(event, RunEvent::StepStarted { attempt: 2, .. }) {
            let lines = &screen.lines;
            assert_eq!(lines[1], "✓ build  succeeded in 1.2s");
            assert_eq!(lines[2], "↻ test\\u{1b}  timed out, next try in 500ms");
            assert!(lines[3].ends_with(" test\\u{1b}  0.0s  attempt 2"), "{lines:?}");
            assert_eq!(lines[4], "  1 of 3 done");
            assert!(!screen.cursor);
        }
    }
    let mut bytes = Vec::new();
    live.end(&mut bytes);
    screen.take(&bytes);
    let expected = "\
deploy  run 2026-ab, 3 steps, 2 secrets
✓ build  succeeded in 1.2s
↻ test\\u{1b}  timed out, next try in 500ms
✗ test\\u{1b}  failed (exit 3) in 1.2s
⊘ ship  not run (step test failed)
warning: beware
";
    assert_eq!(screen.lines.join("\n"), format!("{expected}{SUMMARY}"));
    assert!(screen.cursor);
}

#[test]
fn live_is_never_higher_or_wider_than_the_screen() {
    let mut live = Live::sized(Look::PLAIN, || (20, 6));
    let mut screen = screen();
    let mut bytes = Vec::new();
    for index in 0..300 {
        live.event(&started(&format!("a step with a long name {index}"), 1), &mut bytes);
    }
    for _ in 0..3 {
        live.frame(&mut bytes);
    }
    screen.take(&bytes);
    assert!(screen.highest < 6, "{}", screen.highest);
    assert!(screen.lines.iter().all(|line| line.chars().count() < 20), "{:?}", screen.lines);
    assert!(screen.lines.iter().any(|line| line == "  and 297 more"), "{:?}", screen.lines);
}

#[test]
fn output_becomes_lines_and_what_is_unfinished_comes_at_the_end() {
    let mut lines = Lines::default();
    let mut seen = Vec::new();
    let (a, b) = (path("a"), path("b"));
    let mut push = |lines: &mut Lines, step: &StepPath, stream, bytes: &[u8]| {
        lines.push(step, stream, bytes, |name, line| {
            seen.push(format!("{name}:{}", String::from_utf8_lossy(line)));
        });
    };
    push(&mut lines, &a, Stream::Stdout, b"one\ntw");
    push(&mut lines, &a, Stream::Stderr, b"err");
    push(&mut lines, &b, Stream::Stdout, b"other\n");
    push(&mut lines, &a, Stream::Stdout, b"o\n\nend");
    lines.finish(&a, |name, line| seen.push(format!("{name}:{}", String::from_utf8_lossy(line))));
    assert_eq!(seen, ["a:one", "b:other", "a:two", "a:", "a:end", "a:err"]);
}

#[test]
fn the_last_words_of_a_failed_step_are_read_from_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let step = r#"{"name": "test\u001b", "status": "failed", "attempts": 1, "started": null,
        "finished": null, "exit_code": 3, "signal": null, "message": null,
        "stdout": "test.out", "stderr": "test.err", "outputs": [], "called": []}"#;
    let record = format!(
        r#"{{"format": 1, "run": "2026-ab", "retry_of": null, "workflow": "w", "file": "f",
        "status": "failed", "reason": null, "started": "", "finished": null, "pid": 1,
        "params": [], "secrets": [], "steps": [{step}]}}"#
    );
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("status.json", &record);
    write("test.out", "output\n");
    let numbered: String = (1..=12).map(|number| format!("line {number}\u{7}\n")).collect();
    write("test.err", &numbered);
    let view = &mut Plain::new(Look::PLAIN, true);
    let text = shown(view, &failing(folder.path()));
    assert!(text.contains("exit 3\n  │ line 3\\u{7}\n"), "{text}");
    assert!(text.contains("  │ line 12\\u{7}\n  more: "), "{text}");
    write("test.err", "");
    let view = &mut Plain::new(Look::PLAIN, true);
    let text = shown(view, &failing(folder.path()));
    assert!(text.contains("exit 3\n  │ output\n  more: "), "{text}");
}

#[test]
fn a_step_of_a_called_workflow_is_found_in_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let record = |steps: &str| {
        format!(
            r#"{{"format": 1, "run": "r", "retry_of": null, "workflow": "w", "file": "f",
            "status": "failed", "reason": null, "started": "", "finished": null, "pid": 1,
            "params": [], "secrets": [], "steps": [{steps}]}}"#
        )
    };
    let step = |name: &str, out: &str, called: &str| {
        format!(
            r#"{{"name": "{name}", "status": "failed", "attempts": 1, "started": null,
            "finished": null, "exit_code": 3, "signal": null, "message": null,
            "stdout": {out}, "stderr": null, "outputs": [], "called": [{called}]}}"#
        )
    };
    let write = |name: &str, text: &str| {
        let file: PathBuf = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    let items = r#""called/release/1", "called/release/2""#;
    let steps = [step("release", "null", items), step("one", "null", r#""called/one""#)];
    write("status.json", &record(&steps.join(",")));
    for inner in ["called/release/1", "called/release/2", "called/one"] {
        write(&format!("{inner}/status.json"), &record(&step("ship", r#""ship.out""#, "")));
    }
    let names: Vec<String> =
        crate::logs::files(folder.path()).into_iter().map(|file| file.step).collect();
    assert_eq!(names, ["release/1/ship", "release/2/ship", "one/ship"]);
}
