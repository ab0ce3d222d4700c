//! A server of the library that the protocol's authors publish for Python; `./test` installs it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::world::{Left, World};

const CANARY: &str = "canary-4711";

fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    assert!(python.exists(), "there is no .venv: ./test makes it");
    python
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp/server.py")
}

async fn step(world: &World, action: &str, with: &str) -> Left {
    let secrets = "secrets: [{name: TOKEN, provider: said, key: canary-4711}]";
    let step = format!("{{name: s, action: {action}, env: {{A: plain}}, with: {{{with}}}}}");
    let left = world.run(&format!("{secrets}\nsteps: [{step}]\n")).await;
    assert!(!left.all().contains(CANARY), "{}", left.all());
    left
}

/// What calls are answered with, over any way to the server.
async fn all(world: &World, server: &str) {
    let call = async |with: &str| step(world, "mcp.call", &format!("{server}, {with}")).await;
    let left = call("tool: echo, arguments: {text: 'a $TOKEN b'}").await;
    assert_eq!(
        (left.failure().as_str(), left.out().as_str()),
        ("", "a ******* b\n"),
        "{}",
        left.err()
    );
    let left = call("tool: add, arguments: {a: 1, b: 2}, output: json").await;
    assert_eq!((left.failure().as_str(), left.out().as_str()), ("", "{\"sum\":3}\n"));
    let left = call("tool: fail, arguments: {text: 'no $TOKEN'}").await;
    assert!(left.failure().contains("the tool `fail` of"), "{}", left.failure());
    assert!(left.err().contains("no *******") && left.out().is_empty(), "{}", left.err());
    let left = call("tool: none").await;
    assert!(!left.failure().is_empty(), "{}", left.out());
    let left = step(world, "mcp.list_tools", server).await;
    let names: Vec<String> = left
        .out()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["echo", "add", "variable", "fail"], "{}", left.failure());
}

#[tokio::test]
async fn tools_of_a_program_are_called() {
    let world = World::new();
    let server = format!("command: ['{}', '{}']", python().display(), script().display());
    all(&world, &server).await;
    let with = format!("{server}, env: {{B: $TOKEN}}, tool: variable, arguments");
    let left = step(&world, "mcp.call", &format!("{with}: {{name: B}}")).await;
    assert_eq!((left.failure().as_str(), left.out().as_str()), ("", "*******\n"), "{}", left.err());
    let left = step(&world, "mcp.call", &format!("{with}: {{name: ''}}")).await;
    let names: Vec<String> = left.out().split_whitespace().map(str::to_owned).collect();
    assert!(names.contains(&"A".to_owned()) && names.contains(&"TOKEN".to_owned()), "{names:?}");
    // Set for the tests, and not declared by the step.
    assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");
}

struct Http(Child);

impl Drop for Http {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn listen(world: &World, way: &str) -> (Http, String) {
    let mut command = Command::new(python());
    command.arg(script()).args([way, CANARY]).arg(world.path("log"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Http(child), format!("http://127.0.0.1:{}/mcp", line.trim()))
}

#[tokio::test]
async fn tools_of_a_server_over_http_are_called() {
    for way in ["http", "http-json"] {
        let world = World::new();
        let (_server, url) = listen(&world, way);
        world.write("c.json", "{\"bearer_auth\": \"canary-4711\"}");
        all(&world, &format!("url: '{url}', credentials_path: c.json")).await;
        let with = format!(
            "url: '{url}', headers: {{Authorization: 'Bearer $TOKEN'}}, tool: echo, \
                            arguments: {{text: x}}"
        );
        assert_eq!(step(&world, "mcp.call", &with).await.out(), "x\n");
        let left = step(&world, "mcp.call", &format!("url: '{url}', tool: echo")).await;
        assert!(left.failure().contains("answered 401"), "{}", left.failure());
        let log = fs::read_to_string(world.path("log")).unwrap();
        assert_eq!(log.matches("DELETE /mcp").count(), 6, "{way}: {log}");
    }
}
