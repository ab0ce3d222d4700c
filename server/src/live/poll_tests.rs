use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::super::journal::{Journal, render};
use super::Poll;

/// A run that goes on: somebody holds the lock on its events.
struct Run {
    home: tempfile::TempDir,
    events: Option<fs::File>,
}

impl Run {
    fn new() -> Run {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("steps")).unwrap();
        let events = fs::File::create(home.path().join("events.jsonl")).unwrap();
        rustix::fs::flock(&events, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
        let run = Run { home, events: Some(events) };
        run.record("running", "running");
        run
    }

    fn dir(&self) -> &Path {
        self.home.path()
    }

    fn record(&self, run: &str, step: &str) {
        let step = json!({
            "name": "a", "status": step, "attempts": 1, "started": null, "finished": null,
            "exit_code": null, "signal": null, "message": null, "stdout": "steps/a.out",
            "stderr": null, "outputs": [], "called": [],
        });
        let record = json!({
            "format": 1, "run": "r", "retry_of": null, "workflow": "w", "file": "/w.yaml",
            "environment": null, "status": run, "reason": null, "started": "2026-11-22T15:32:05Z",
            "finished": null, "pid": 1, "params": [], "secrets": [], "steps": [step],
        });
        let new = self.dir().join("new");
        fs::write(&new, record.to_string()).unwrap();
        fs::rename(&new, self.dir().join("status.json")).unwrap();
    }

    fn log(&self, bytes: &[u8]) {
        let path = self.dir().join("steps/a.out");
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn event(&mut self, text: &str) {
        self.events.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }
}

/// Frames as pairs of kind and data.
async fn frames(journal: &Journal, from: usize) -> Vec<(String, Value)> {
    let mut text = String::new();
    let mut next = from;
    loop {
        let batch = journal.batch(next, true);
        if batch.next == next {
            break;
        }
        next = batch.next;
        text.push_str(std::str::from_utf8(&render(batch.frames).await).unwrap());
    }
    let frames = text.split_terminator("\n\n").map(|frame| {
        let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        (field("event: ").to_owned(), serde_json::from_str(field("data: ")).unwrap())
    });
    frames.collect()
}

fn text(frames: &[(String, Value)]) -> String {
    let logs = frames.iter().filter(|(kind, _)| kind == "log");
    logs.map(|(_, data)| data["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_grows_is_seen_once_and_whole_characters_at_a_time() {
    let mut run = Run::new();
    let mut poll = Poll::new(run.dir());
    let mut journal = Journal::new(poll.is_over());
    run.event("{\"event\":\"run_started\",\"dir\":\"/secret/place\"}\n{\"event\":\"step_");
    run.log("h\u{e9}".as_bytes().split_last().unwrap().1);
    poll.look(&mut journal);
    let seen = frames(&journal, 0).await;
    assert_eq!(seen[0], ("run".to_owned(), json!({"event": "run_started"})));
    assert_eq!((seen.len(), text(&seen).as_str()), (2, "h"));
    run.event("started\"}\n");
    run.log(&[0xa9, b'\n', 0xff, 0xe6]);
    poll.look(&mut journal);
    let seen = frames(&journal, 2).await;
    assert_eq!(seen[0].1, json!({"event": "step_started"}));
    assert_eq!(text(&seen), "\u{e9}\n\u{fffd}");
    run.record("succeeded", "succeeded");
    run.events = None;
    poll.look(&mut journal);
    let seen = frames(&journal, 4).await;
    assert_eq!(text(&seen), "\u{fffd}", "half a character at the end is told, too");
    assert_eq!(seen.last().unwrap(), &("end".to_owned(), json!({"status": "succeeded"})));
    assert!(journal.is_over(6) && !journal.is_over(5));
}

#[tokio::test]
async fn a_run_that_was_killed_ends_as_interrupted() {
    let mut run = Run::new();
    run.log(b"last words");
    run.events = None;
    let mut poll = Poll::new(run.dir());
    let mut journal = Journal::new(poll.is_over());
    poll.look(&mut journal);
    let seen = frames(&journal, 0).await;
    assert_eq!(text(&seen), "last words");
    assert_eq!(seen.last().unwrap().1, json!({"status": "interrupted"}));
}

#[tokio::test]
async fn whoever_comes_back_goes_on_where_they_were_also_in_another_journal_of_a_run_that_is_over()
{
    let mut run = Run::new();
    let log: String =
        (0..400_000).map(|n| char::from(b'a' + u8::try_from(n % 26).unwrap())).collect();
    run.log(log.as_bytes());
    run.record("failed", "failed");
    run.events = None;
    let mut journals = (0..2).map(|_| {
        let mut poll = Poll::new(run.dir());
        let mut journal = Journal::new(poll.is_over());
        poll.look(&mut journal);
        journal
    });
    let (first, second) = (journals.next().unwrap(), journals.next().unwrap());
    let whole = frames(&first, 0).await;
    assert_eq!(text(&whole), log);
    let next = second.after("over.3").unwrap();
    let rest = frames(&second, next).await;
    assert_eq!([&whole[..3], &rest[..]].concat(), whole);
    for other in ["over.999", "0123.1", "over", "", "over.x"] {
        assert_eq!(second.after(other), None, "{other}");
    }
}

#[tokio::test]
async fn what_is_not_recent_is_read_again() {
    let mut run = Run::new();
    let line = "0123456789abcde\n".repeat(4096 * 40);
    run.log(line.as_bytes());
    run.record("failed", "failed");
    run.events = None;
    let mut poll = Poll::new(run.dir());
    let mut journal = Journal::new(poll.is_over());
    poll.look(&mut journal);
    assert_eq!(text(&frames(&journal, 0).await), line);
}
