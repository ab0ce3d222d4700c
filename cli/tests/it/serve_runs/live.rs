//! Runs that are followed: nothing is lost, and nothing comes twice.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::thread;

use serde_json::{Value, json};

use super::server::Server;
use crate::program::Place;

/// An event of a stream.
#[derive(Debug, PartialEq)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

/// Events from a stream until it ends, or as many as are wanted.
fn events(stream: TcpStream, most: usize) -> Vec<Event> {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let status = lines.next().unwrap();
    assert!(status.contains(" 200 "), "{status}");
    let (mut found, mut id, mut kind) = (Vec::new(), String::new(), String::new());
    for line in lines {
        match line.split_once(": ") {
            Some(("id", rest)) => id = rest.to_owned(),
            Some(("event", rest)) => kind = rest.to_owned(),
            Some(("data", rest)) => {
                let data = serde_json::from_str(rest).unwrap();
                found.push(Event { id: id.clone(), kind: kind.clone(), data });
            }
            _ => {}
        }
        if found.len() == most {
            break;
        }
    }
    found
}

fn follow(server: &Server, run: &str, last: Option<&str>) -> TcpStream {
    let more = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
    server.open("GET", &format!("/api/v1/runs/{run}/events"), &more, "")
}

/// The log of a step, put together; its pieces have to follow each other.
fn log(events: &[Event], step: &str) -> String {
    let mut text = String::new();
    let mut at = 0;
    for event in events.iter().filter(|event| event.kind == "log" && event.data["step"] == step) {
        assert_eq!(event.data["offset"], at, "{event:?}");
        at = event.data["end"].as_u64().unwrap();
        text.push_str(event.data["text"].as_str().unwrap());
    }
    text
}

fn place() -> Place {
    let place = Place::new();
    place.write(
        "flows/talk.yaml",
        "steps:\n- name: talk\n  run: |\n    for i in 1 2 3 4 5; do echo \"line $i é漢🦀\"; sleep 0.1; done\n    \
         until [ -e open ]; do sleep 0.05; done\n    seq 1 20000\n- {name: after, run: echo over, depends: [talk]}\n",
    );
    place
}

fn whole() -> String {
    let first = (1..=5).map(|i| format!("line {i} é漢🦀\n"));
    first.chain((1..=20_000).map(|i| format!("{i}\n"))).collect()
}

#[test]
fn whoever_follows_gets_every_byte_once_and_the_end() {
    let place = place();
    let server = Server::start(&place, &[]);
    let run = server.begin("talk");
    let stream = follow(&server, &run, None);
    let early = events(stream.try_clone().unwrap(), 3);
    assert_eq!(early[0].data["event"], "run_started");
    assert!(early[0].data.get("dir").is_none());
    place.write("flows/open", "");
    drop(stream);
    let rest = events(follow(&server, &run, Some(&early[2].id)), usize::MAX);
    let all: Vec<Event> = early.into_iter().chain(rest).collect();
    assert!(all.iter().all(|event| event.kind != "reset"));
    assert_eq!(log(&all, "talk"), whole());
    assert_eq!(log(&all, "after"), "over\n");
    let last = all.last().unwrap();
    assert_eq!((last.kind.as_str(), &last.data), ("end", &json!({"status": "succeeded"})));
    let states: Vec<&Value> =
        all.iter().filter(|event| event.kind == "run").map(|event| &event.data["event"]).collect();
    let expected = [
        "run_started",
        "step_started",
        "step_finished",
        "step_started",
        "step_finished",
        "run_finished",
    ];
    assert_eq!(states, expected);
    let path = format!("/api/v1/runs/{run}/events");
    let over = server.open("GET", &path, &format!("Last-Event-ID: {}\r\n", last.id), "");
    let status = BufReader::new(over).lines().next().unwrap().unwrap();
    assert!(status.contains(" 204 "), "{status}");
    let again = events(follow(&server, &run, Some("other.7")), usize::MAX);
    assert_eq!(again[0].kind, "reset");
    assert_eq!(log(&again, "talk"), whole());
}

#[test]
fn two_hundred_follow_at_once_and_lose_nothing() {
    let place = place();
    let server = Server::start(&place, &[]);
    let run = server.begin("talk");
    let streams: Vec<TcpStream> = (0..200).map(|_| follow(&server, &run, None)).collect();
    let opener = place.path().join("flows/open");
    let seen: Vec<Vec<Event>> = thread::scope(|scope| {
        let readers: Vec<_> =
            streams.into_iter().map(|stream| scope.spawn(|| events(stream, usize::MAX))).collect();
        std::fs::write(opener, "").unwrap();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    assert_eq!(seen.len(), 200);
    for events in &seen {
        assert_eq!(events, &seen[0]);
    }
    assert_eq!(log(&seen[0], "talk"), whole());
    assert_eq!(seen[0].last().unwrap().kind, "end");
}
