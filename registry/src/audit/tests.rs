//! What the audit log promises, over a folder in memory.

mod faults;
mod properties;
mod tampering;

use std::time::{Duration, UNIX_EPOCH};

use super::fake::Fake;
use super::line::LINE_LEN_MAX;
use super::{
    Action, Actor, AuditEntry, AuditKeys, AuditLog, Event, Filter, Head, Names, Outcome, Report,
    Why,
};
use crate::keys::StoreId;
use crate::names::{EnvironmentName, Scope, SecretRef, WorkspaceName};

const LOG: &str = "audit.log";
const FORMAT: &str = include_str!("../../FORMAT.md");

/// A store with its log.
struct Store {
    files: Fake,
    keys: AuditKeys,
    id: StoreId,
}

impl Store {
    fn new() -> Store {
        let id = StoreId::parse("000102030405060708090a0b0c0d0e0f").unwrap();
        Store { files: Fake::default(), keys: AuditKeys::derive(&[7; 32], &id), id }
    }

    /// A store whose log has one event for each workflow.
    fn with(workflows: &[&str]) -> Store {
        let store = Store::new();
        for workflow in workflows {
            store.log().append(&[of(workflow)]).unwrap();
        }
        store
    }

    fn log(&self) -> AuditLog<'_> {
        AuditLog::new(&self.files, &self.keys, &self.id, Names::Open)
    }

    fn sealed_log(&self) -> AuditLog<'_> {
        AuditLog::new(&self.files, &self.keys, &self.id, Names::Sealed)
    }

    fn text(&self) -> String {
        String::from_utf8(self.files.content(LOG).unwrap_or_default()).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        self.text().split_inclusive('\n').map(str::to_owned).collect()
    }

    fn put(&self, lines: &[&str]) {
        self.files.put(LOG, lines.concat().as_bytes());
    }

    fn report(&self) -> Report {
        self.log().verify(None).unwrap()
    }

    fn problems(&self) -> Vec<(u64, Why)> {
        self.report().problems.into_iter().map(|problem| (problem.line, problem.why)).collect()
    }

    fn listed(&self, filter: Filter) -> Vec<AuditEntry> {
        self.log().list(filter).unwrap().map(Result::unwrap).collect()
    }

    fn workflows(&self) -> Vec<String> {
        let listed = self.listed(Filter::default()).into_iter();
        listed.map(|entry| entry.event.actor.workflow.unwrap_or_default()).collect()
    }
}

fn of(workflow: &str) -> Event {
    Event {
        time: UNIX_EPOCH + Duration::from_secs(1_795_371_990),
        actor: Actor {
            user: "ada".to_owned(),
            command: "run".to_owned(),
            run: Some("r1".to_owned()),
            workflow: Some(workflow.to_owned()),
            step: None,
        },
        action: Action::Read,
        reference: Some(SecretRef::parse("prod/db").unwrap()),
        scope: Scope { workspace: Some(WorkspaceName::parse("pay").unwrap()), environment: None },
        version: Some(3),
        outcome: Outcome::Ok,
    }
}

#[test]
fn the_lines_are_those_of_the_format_document() {
    let store = Store::new();
    let start = store.log().verify(None).unwrap().head;
    assert!(FORMAT.contains(&data_encoding::HEXLOWER.encode(&start.mac)), "{start:?}");
    let mut refused = of("nightly \"é\"\n");
    refused.actor.step = Some("load".to_owned());
    refused.scope.environment = Some(EnvironmentName::parse("prod").unwrap());
    (refused.version, refused.outcome) = (None, Outcome::NotFound);
    store.log().append(&[of("nightly"), refused]).unwrap();
    for line in store.lines() {
        assert!(FORMAT.contains(&line), "{line}");
    }
    store.files.put(LOG, &[store.text().as_bytes(), b"{\"seq\":2}\n"].concat());
    store.log().append(&[of("nightly")]).unwrap();
    for line in &store.lines()[3..] {
        assert!(FORMAT.contains(line), "{line}");
    }
}

#[test]
fn the_sealed_line_of_the_format_document_opens() {
    let store = Store::new();
    let line = FORMAT.lines().find(|line| line.starts_with("{\"seq\":1,\"sealed\":")).unwrap();
    store.put(&[line, "\n"]);
    assert_eq!(store.problems(), []);
    assert_eq!(store.listed(Filter::default()), [AuditEntry { seq: 1, event: of("nightly") }]);
}

#[test]
fn events_come_back_as_they_went_in() {
    let store = Store::with(&["a", "b"]);
    store.sealed_log().append(&[of("c"), of("d")]).unwrap();
    let head = store.log().append(&[of("e")]).unwrap();
    assert_eq!(head.seq, 5);
    assert_eq!(store.workflows(), ["a", "b", "c", "d", "e"]);
    let report = store.log().verify(Some(&head)).unwrap();
    assert_eq!((report.lines, report.head, report.problems), (5, head, vec![]));
    assert_eq!((report.first, report.last), (Some(of("a").time), Some(of("e").time)));
}

#[test]
fn a_log_that_is_not_there_is_empty() {
    let store = Store::new();
    let report = store.report();
    assert_eq!((report.lines, report.head.seq, report.problems.len()), (0, 0, 0));
    assert_eq!(store.listed(Filter::default()), []);
    assert_eq!(store.log().append(&[]).unwrap(), report.head);
    assert_eq!(store.log().verify(Some(&report.head)).unwrap().problems, []);
}

#[test]
fn a_head_is_one_json_object() {
    let head = Store::with(&["a"]).report().head;
    let json = serde_json::to_string(&head).unwrap();
    assert_eq!(serde_json::from_str::<Head>(&json).unwrap(), head);
    for bad in [json.replace("\"mac\":\"", "\"mac\":\"A"), json.replace("\"}", "0\"}")] {
        assert!(serde_json::from_str::<Head>(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_sealed_log_shows_no_name() {
    let store = Store::new();
    let mut event = of("workflow-name");
    // No dash is in base64, so that none of these can be there by chance.
    event.actor.user = "user-name".to_owned();
    event.actor.command = "command-name".to_owned();
    event.actor.run = Some("run-name".to_owned());
    event.actor.step = Some("step-name".to_owned());
    event.reference = Some(SecretRef::parse("ref-name").unwrap());
    event.scope.workspace = Some(WorkspaceName::parse("workspace-name").unwrap());
    event.scope.environment = Some(EnvironmentName::parse("environment-name").unwrap());
    store.sealed_log().append(&[event.clone()]).unwrap();
    let text = store.text();
    assert!(!text.contains('-'), "{text}");
    assert!(text.starts_with("{\"seq\":1,\"sealed\":\""), "{text}");
    assert_eq!(store.listed(Filter::default()), [AuditEntry { seq: 1, event }]);
    let len = |workflow| {
        let store = Store::new();
        store.sealed_log().append(&[of(workflow)]).unwrap();
        store.text().len()
    };
    assert_eq!(len("a"), len("abcdefgh"));
}

#[test]
fn texts_are_cut_at_256_bytes_and_times_at_four_digits_of_year() {
    let store = Store::new();
    let mut event = of(&"é".repeat(200));
    event.actor.user = format!("a{}", "é".repeat(200));
    event.time = UNIX_EPOCH - Duration::from_secs(9);
    let late = Event { time: UNIX_EPOCH + Duration::from_secs(1 << 40), ..event.clone() };
    store.log().append(&[event, late]).unwrap();
    let [early, late] = [0, 1].map(|at| store.listed(Filter::default())[at].event.clone());
    assert_eq!(early.actor.workflow, Some("é".repeat(128)));
    assert_eq!(early.actor.user, format!("a{}", "é".repeat(127)));
    assert_eq!(early.time, UNIX_EPOCH);
    assert_eq!(late.time, UNIX_EPOCH + Duration::from_secs(253_402_300_799));
}

#[test]
fn the_longest_line_is_within_the_bound() {
    let long = "\u{1}".repeat(300);
    let segment = "a".repeat(64);
    let mut event = of(&long);
    event.actor = Actor {
        user: long.clone(),
        command: long.clone(),
        run: Some(long.clone()),
        workflow: Some(long.clone()),
        step: Some(long),
    };
    event.reference = SecretRef::parse(&[segment.as_str(); 8].join("/")).ok();
    event.scope.workspace = WorkspaceName::parse(&segment).ok();
    event.scope.environment = EnvironmentName::parse(&segment).ok();
    (event.action, event.outcome) = (Action::EnvironmentUnprotect, Outcome::UnknownEnvironment);
    event.version = Some(u64::MAX);
    let store = Store::new();
    store.log().append(&[event.clone()]).unwrap();
    store.sealed_log().append(&[event]).unwrap();
    assert!(store.lines().iter().all(|line| line.len() < LINE_LEN_MAX - 3000));
    assert_eq!(store.problems(), []);
}

#[test]
fn words_of_actions_and_outcomes_are_read_back() {
    for word in ["read", "chain-restart", "environment-protect", "key-rotate", "seal-names"] {
        assert_eq!(Action::parse(word).unwrap().to_string(), word);
    }
    for word in ["ok", "not-found", "no-value", "unknown-environment", "rolled-back"] {
        assert_eq!(Outcome::parse(word).unwrap().to_string(), word);
    }
    assert_eq!((Action::parse("Read"), Outcome::parse("")), (None, None));
}

#[test]
fn since_is_compared_in_whole_seconds() {
    let store = Store::new();
    let time = UNIX_EPOCH + Duration::from_millis(5_900);
    store.log().append(&[Event { time, ..of("a") }]).unwrap();
    let since = |seconds| Filter {
        since: Some(UNIX_EPOCH + Duration::from_secs(seconds)),
        ..Filter::default()
    };
    assert_eq!(store.listed(since(5)).len(), 1);
    assert_eq!(store.listed(since(6)).len(), 0);
}
