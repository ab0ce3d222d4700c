//! Steps of the built program at a real PostgreSQL, by a connection: what is masked, how sessions are shared,
//! what a change in mid-run does, and what is left when things go wrong.

use std::process::{Command, Stdio};

use crate::database::{Database, PASSWORD, mariadb, postgres};
use crate::program::{Ended, Place, SUBROSA, eventually};
use crate::step_http::{clean, steps};

/// A server, and a place with the connection `db` to it.
fn stocked() -> (Database, Place) {
    let (server, place) = (postgres(None), Place::new());
    add(&place, "db", server.port, PASSWORD);
    (server, place)
}

fn add(place: &Place, name: &str, port: u16, password: &str) {
    let port = format!("port={port}");
    let mut words = vec!["connection", "add", "postgres", name];
    for pair in ["host=127.0.0.1", &port, "database=postgres", "username=ada", "sslmode=disable"] {
        words.extend(["--set", pair]);
    }
    words.extend(["--set", "password=-"]);
    let ended = place.feed(&words, password.as_bytes());
    assert_eq!(ended.code, 0, "{ended:?}");
}

fn run(place: &Place, workflow: &str) -> Ended {
    place.write("w.yaml", workflow);
    let ended = place.run(&["run", "w.yaml", "--follow"]);
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    clean(&place.home(), &[PASSWORD]);
    ended
}

fn handshakes(server: &Database) -> usize {
    server.log().matches("connection authorized").count()
}

#[test]
fn a_password_in_a_row_is_masked() {
    let (_server, place) = stocked();
    let reversed: String = PASSWORD.chars().rev().collect();
    let ended = run(
        &place,
        &format!(
            "type: chain\nsteps:\n\
             - {{name: make, type: postgres, connection: db, command: \"CREATE TABLE t AS SELECT 7 AS id, reverse('{reversed}') AS word\"}}\n\
             - {{name: show, type: postgres, connection: db, command: 'SELECT id, word FROM t WHERE id = :id', with: {{params: {{id: 7}}}}, output: ROW}}\n\
             - {{name: use, type: postgres, with: {{connection: db, query: 'SELECT :row::json AS row', params: {{row: $ROW}}, output_format: csv}}}}\n"
        ),
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(place.find("steps/show.out"), "{\"id\":7,\"word\":\"*******\"}\n");
    assert_eq!(place.find("steps/show.err"), "1 row\n");
    assert_eq!(
        place.find("steps/use.out"),
        "row\n\"{\"\"id\"\":7,\"\"word\"\":\"\"*******\"\"}\"\n"
    );
}

#[test]
fn two_hundred_steps_of_twenty_workflows_log_in_once() {
    let (server, place) = stocked();
    let items: Vec<String> = (1..=20).map(|item| item.to_string()).collect();
    let calls = items.iter().map(|item| {
        let mut steps = format!("---\nname: w{item}\ntype: chain\nsteps:\n");
        for step in 0..10 {
            let what = "type: postgres, connection: db, command: SELECT 1 AS a";
            steps.push_str(&format!("- {{name: s{step}, {what}}}\n"));
        }
        steps
    });
    let called: String =
        items.iter().map(|item| format!("- {{name: c{item}, call: w{item}}}\n")).collect();
    let ended = run(&place, &format!("type: graph\nsteps:\n{called}{}", calls.collect::<String>()));
    assert_eq!(ended.code, 0, "{ended:?}");
    // One, unless the machine is so busy that somebody waits for more than a second.
    assert!((1..=2).contains(&handshakes(&server)), "{}", handshakes(&server));
    let steps = steps(&place.home().join("runs"));
    let sum = |field: &str| -> u64 {
        let used = steps.iter().filter_map(|step| step["clients"][0][field].as_u64());
        used.sum()
    };
    assert_eq!((sum("opened"), sum("shared")), (1, 199));
    let client = steps.iter().find_map(|step| step["clients"][0]["client"].as_str()).unwrap();
    assert_eq!(client, format!("postgres 127.0.0.1:{}, connection db", server.port));
}

#[test]
fn a_connection_that_changes_in_mid_run_counts_from_the_next_step_on() {
    let (server, place) = stocked();
    add(&place, "other", server.port, "second-word");
    // The server may take a moment to end a session.
    let count = "SELECT 1 AS a FROM pg_sleep(0.5); SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'subrosa'";
    let home = place.home().display().to_string();
    let subrosa = |words: &str| format!("SUBROSA_HOME='{home}' '{SUBROSA}' connection {words}");
    let edit = format!("printf second-word | {}", subrosa("edit db --set password=-"));
    let ended = run(
        &place,
        &format!(
            "type: chain\nsteps:\n\
             - {{name: a, type: postgres, connection: db, command: \"ALTER USER ada PASSWORD 'second-word'\"}}\n\
             - {{name: edit, run: \"{edit}\"}}\n\
             - {{name: b, type: postgres, connection: db, command: SELECT 1 AS a}}\n\
             - {{name: c, type: postgres, connection: db, command: SELECT 2 AS a}}\n\
             - {{name: disable, run: \"{}\"}}\n\
             - {{name: d, type: postgres, connection: db, command: SELECT 3 AS a, continue_on: {{failure: true}}}}\n\
             - {{name: e, type: postgres, connection: other, command: \"{count}\"}}\n",
            subrosa("disable db")
        ),
    );
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("disabled"), "{ended:?}");
    let steps = steps(&place.home().join("runs"));
    let of = |name: &str| steps.iter().find(|step| step["name"] == name).unwrap();
    assert_eq!(of("a")["clients"][0]["opened"], 1, "{}", of("a"));
    assert_eq!(of("b")["clients"][0]["opened"], 1, "{}", of("b"));
    assert_eq!(of("c")["clients"][0]["shared"], 1, "{}", of("c"));
    assert!(of("d")["message"].as_str().unwrap().contains("is disabled"), "{}", of("d"));
    // What was opened with it is closed.
    assert_eq!(place.find("steps/e.out"), "{\"a\":1}\n{\"n\":1}\n");
    assert_eq!(handshakes(&server), 3);
}

#[test]
fn the_last_step_says_goodbye() {
    let (server, place) = (mariadb(None), Place::new());
    let port = server.port;
    let with = format!("{{dsn: 'mysql://ada@127.0.0.1:{port}/books', password: $WORD}}");
    place.write(
        "w.yaml",
        &format!(
            "secrets: [{{name: WORD, provider: env, key: SOURCE}}]\n\
             steps: [{{name: s, type: mysql, command: SELECT 1 AS a, with: {with}}}]\n"
        ),
    );
    let output = place.command(&["run", "w.yaml"]).env("SOURCE", PASSWORD).output().unwrap();
    let ended = Ended::of(&output);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(place.find("steps/s.out"), "{\"a\":1}\n");
    assert!(!server.log().contains("user: 'ada'"), "{}", server.log());
    clean(&place.home(), &[PASSWORD]);
}

#[test]
fn a_step_that_is_stopped_ends_at_the_server() {
    let (server, place) = stocked();
    let sql = "DO $$ BEGIN RAISE LOG 'begun'; END $$; SELECT pg_sleep(600)";
    place.write(
        "w.yaml",
        &format!("steps: [{{name: s, type: postgres, connection: db, command: \"{sql}\"}}]\n"),
    );
    let mut command = place.command(&["run", "w.yaml"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("it has begun", || server.log().contains("LOG:  begun"));
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    child.wait().unwrap();
    let cancelled = "canceling statement due to user request";
    eventually("it was cancelled", || server.log().contains(cancelled));
    clean(&place.home(), &[PASSWORD]);
}

#[test]
fn whatever_goes_wrong_no_password_is_shown() {
    let (server, place) = stocked();
    add(&place, "wrong", server.port, "canary-4711-wrong");
    add(&place, "dead", 1, PASSWORD);
    let words =
        ["connection", "add", "http_bearer", "api", "--set", "base_url=https://api.example"];
    let ended = place.feed(&[&words[..], &["--set", "token=-"]].concat(), b"canary-4711-bearer");
    assert_eq!(ended.code, 0, "{ended:?}");
    let mut text = "type: graph\nsteps:\n".to_owned();
    for (name, connection, sql) in [
        ("refused", "dead", "SELECT 1"),
        ("password", "wrong", "SELECT 1"),
        ("type", "api", "SELECT 1"),
        ("syntax", "db", "SELEC 1"),
        ("slow", "db", "SELECT pg_sleep(600)"),
        ("huge", "db", "SELECT repeat(reverse('1174-yranac'), 1000000) AS a"),
        ("other", "db", "SELECT 'x'::int AS a"),
    ] {
        let with = "with: {timeout: 1}, continue_on: {failure: true}";
        text.push_str(&format!(
            "- {{name: {name}, type: postgres, connection: {connection}, command: \"{sql}\", {with}}}\n"
        ));
    }
    let ended = run(&place, &text);
    assert_eq!(ended.code, 1);
    for message in [
        "cannot reach `127.0.0.1:1`: connection refused",
        "the server refuses the user or the password",
        "`api` is a connection of type `http_bearer`; name one of type `postgres`",
        "syntax error at or near",
        "took more than 1 second and was cancelled",
        "the error 22P02",
    ] {
        assert!(
            ended.stdout.contains(message),
            "{message}: {}",
            &ended.stdout[..4000.min(ended.stdout.len())]
        );
    }
    assert!(place.find("steps/huge.out").starts_with("{\"a\":\"*******"));
    assert!(!server.log().contains("canary-4711"));
}

#[test]
fn a_driver_that_breaks_over_what_it_was_told_is_told_as_the_step() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // A message that is shorter than its own length.
        std::io::Write::write_all(&mut stream, b"R\0\0\0\0").unwrap();
        std::io::copy(&mut stream, &mut std::io::sink())
    });
    let dsn = format!("postgres://ada@{address}/books?sslmode=disable");
    let place = Place::new();
    let ended = run(
        &place,
        &format!(
            "steps: [{{name: s, type: postgres, command: SELECT 1, with: {{dsn: '{dsn}'}}}}]\n"
        ),
    );
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("answered something else than asked for"), "{ended:?}");
    assert!(!format!("{ended:?}").contains("broke"), "{ended:?}");
}

#[test]
fn validate_dry_and_schema_know_the_kinds() {
    let place = Place::new();
    let good = "steps:\n- {name: a, type: postgres, with: {dsn: 'postgres://ada@h/d'}, command: SELECT 1}\n\
                - {name: b, type: mariadb, with: {dsn: 'mysql://ada@h/d', query: SELECT 1}}\n\
                - {name: c, action: sqlite.query, with: {path: x.db, query: SELECT 1}}\n";
    place.write("w.yaml", good);
    let dry = place.run(&["dry", "w.yaml"]);
    for line in ["a  postgres", "b  mysql", "c  sqlite"] {
        assert!(dry.stdout.contains(line), "{dry:?}");
    }
    let schema = place.run(&["schema"]);
    assert!(schema.stdout.contains("with_postgres") && schema.stdout.contains("isolation_level"));
    place.write(
        "w.yaml",
        "steps: [{name: a, type: postgres, connection: db, command: 'SELECT ${X}'}]\n",
    );
    let ended = place.run(&["validate", "w.yaml"]);
    assert!(ended.code == 3 && ended.stderr.contains("a reference in SQL"), "{ended:?}");
}
