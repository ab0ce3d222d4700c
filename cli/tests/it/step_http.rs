//! `http` steps of the built program: credentials, shared clients, and what they leave when things go wrong.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::peer::{Peer, Received, Reply, dead_url};
use crate::program::{Ended, Place, SUBROSA};

const CANARY: &str = "canary-4711-hunter2";

/// A place with a connection to a server, whose token is the canary.
fn stocked(url: &str) -> Place {
    let place = Place::new();
    let base = format!("base_url={url}");
    let words = ["connection", "add", "http_bearer", "api", "--set", &base, "--set", "token=-"];
    let ended = place.feed(&words, CANARY.as_bytes());
    assert_eq!(ended.code, 0, "{ended:?}");
    place
}

fn run(place: &Place, workflow: &str) -> Ended {
    place.write("w.yaml", workflow);
    let output = place.command(&["run", "w.yaml", "--follow"]).env("SOURCE", CANARY).output();
    Ended::of(&output.unwrap())
}

/// The steps of every record below a folder.
pub(crate) fn steps(folder: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(steps(&path));
        } else if path.ends_with("status.json") {
            let record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            found.extend(record["steps"].as_array().unwrap().clone());
        }
    }
    found
}

/// No file that the program wrote holds a value, however it is written.
pub(crate) fn clean(folder: &Path, values: &[&str]) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            clean(&path, values);
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for value in values {
            assert!(!text.contains(value), "{}", path.display());
        }
    }
}

fn fine(_: &Received) -> Reply {
    Reply::text(200, "fine")
}

#[test]
fn a_connection_a_file_and_secrets_authenticate() {
    let peer = Peer::plain(|request: &Received| Reply::text(200, &request.text()));
    let place = stocked(&peer.url());
    place.write("c.json", "{\"basic_auth\": {\"username\": \"me\", \"password\": \"canary-p\"}}");
    let url = peer.url();
    let ended = run(
        &place,
        &format!(
            "type: chain\nsecrets: [{{name: TOKEN, provider: env, key: SOURCE}}]\nsteps:\n\
             - {{name: a, type: http, connection: api, with: {{url: /one?x=1}}}}\n\
             - {{name: b, action: http.request, with: {{url: '{url}/two', connection: api}}}}\n\
             - {{name: c, type: http, with: {{url: '{url}', credentials_path: c.json}}}}\n\
             - {{name: d, type: http, with: {{url: '{url}', headers: {{X: \"$TOKEN\"}}}}}}\n\
             - {{name: e, executor: {{type: http, config: {{json: true}}}}, command: 'GET {url}'}}\n"
        ),
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    let seen = peer.received();
    let header = |index: usize, name: &str| seen[index].header(name).map(str::to_owned);
    let bearer = format!("Bearer {CANARY}");
    assert_eq!((seen[0].line.as_str(), seen[1].line.as_str()), ("GET /one?x=1", "GET /two"));
    assert_eq!(header(0, "authorization").as_ref(), Some(&bearer));
    assert_eq!(header(1, "authorization").as_ref(), Some(&bearer));
    assert_eq!(header(2, "authorization").as_deref(), Some("Basic bWU6Y2FuYXJ5LXA="));
    assert_eq!(header(3, "x").as_deref(), Some(CANARY));
    assert_eq!(header(4, "authorization"), None);
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains("canary") && !text.contains("bWU6Y2Fu"), "{text}");
    }
    assert!(ended.stdout.contains("authorization: Bearer *******"), "{ended:?}");
    assert!(ended.stderr.contains("chmod 600") || ended.stdout.contains("chmod 600"), "{ended:?}");
    clean(&place.home(), &[CANARY, "canary-p", "bWU6Y2Fu"]);
}

#[test]
fn a_default_is_for_its_server_and_gives_way() {
    let (peer, other) = (Peer::plain(fine), Peer::plain(fine));
    let place = Place::new();
    let file = place.write("default.json", "{\"bearer_auth\": \"default\"}");
    place.write("own.json", "{\"bearer_auth\": \"own\"}");
    let (url, elsewhere) = (peer.url(), other.url());
    place.write(
        "w.yaml",
        &format!(
            "type: chain\nsteps:\n- {{name: a, type: http, with: {{url: '{url}'}}}}\n\
             - {{name: b, type: http, with: {{url: '{url}'}}, credentials_path: own.json}}\n\
             - {{name: c, type: http, with: {{url: '{elsewhere}'}}}}\n"
        ),
    );
    let run = |value: &str| {
        let mut command = place.command(&["run", "w.yaml"]);
        Ended::of(&command.env("SUBROSA_HTTP_CREDENTIALS", value).output().unwrap())
    };
    let ended = run(&format!("{url}={}", file.display()));
    assert_eq!(ended.code, 0, "{ended:?}");
    let seen: Vec<_> =
        peer.received().iter().map(|one| one.header("authorization").map(str::to_owned)).collect();
    assert_eq!(seen, [Some("Bearer default".to_owned()), Some("Bearer own".to_owned())]);
    assert_eq!(other.received()[0].header("authorization"), None);
    let ended = run("default.json");
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("`SUBROSA_HTTP_CREDENTIALS` is no list"), "{ended:?}");
}

#[test]
fn two_hundred_steps_of_twenty_workflows_share_a_client() {
    let peer = Peer::plain(fine);
    let place = stocked(&peer.url());
    let items: Vec<String> = (1..=20).map(|item| item.to_string()).collect();
    let calls = items.iter().map(|item| {
        let mut steps = format!("---\nname: w{item}\ntype: chain\nsteps:\n");
        for step in 0..10 {
            let with = format!("with: {{url: /w{item}/s{step}}}");
            steps.push_str(&format!("- {{name: s{step}, type: http, connection: api, {with}}}\n"));
        }
        steps
    });
    let called: String =
        items.iter().map(|item| format!("- {{name: c{item}, call: w{item}}}\n")).collect();
    let ended = run(&place, &format!("type: graph\nsteps:\n{called}{}", calls.collect::<String>()));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(peer.received().len(), 200);
    // HTTP/1.1 has a connection for each request under way.
    assert!(peer.connections() <= 20, "{}", peer.connections());
    let steps = steps(&place.home().join("runs"));
    let sum = |field: &str| -> u64 {
        let used = steps.iter().filter_map(|step| step["clients"][0][field].as_u64());
        used.sum()
    };
    assert_eq!((sum("opened"), sum("shared")), (1, 199));
    let client = steps.iter().find_map(|step| step["clients"][0]["client"].as_str()).unwrap();
    assert_eq!(client, format!("http {}, connection api", peer.url()));
}

#[test]
fn a_connection_that_changes_in_mid_run_counts_from_the_next_step_on() {
    let home = Place::new();
    let (folder, count) = (home.path().to_path_buf(), AtomicUsize::new(0));
    // The program is asked by the server, between two steps.
    let edit = move |words: &[&str], input: &str| {
        use std::io::Write as _;
        let mut command = Command::new(SUBROSA);
        command.args(words).env_clear().env("SUBROSA_HOME", folder.join("home"));
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{words:?}");
    };
    let peer = Peer::plain(move |request| {
        match count.fetch_add(1, Ordering::SeqCst) {
            0 => edit(&["connection", "edit", "api", "--set", "token=-"], "second"),
            1 => edit(&["connection", "disable", "api"], ""),
            _ => {}
        }
        fine(request)
    });
    let base = format!("base_url={}", peer.url());
    let words = ["connection", "add", "http_bearer", "api", "--set", &base, "--set", "token=-"];
    assert_eq!(home.feed(&words, b"first").code, 0);
    let step =
        |name: &str| format!("- {{name: {name}, type: http, connection: api, with: {{url: /}}}}\n");
    let text: String = ["a", "b", "c"].map(step).concat();
    let ended = run(&home, &format!("type: chain\nsteps:\n{text}"));
    assert_eq!(ended.code, 1, "{ended:?}");
    let seen: Vec<String> =
        peer.received().iter().map(|one| one.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(seen, ["Bearer first", "Bearer second"]);
    assert!(ended.stdout.contains("disabled"), "{ended:?}");
    let steps = steps(&home.home().join("runs"));
    assert_eq!(steps[0]["clients"][0]["opened"], 1);
    assert_eq!(steps[1]["clients"][0]["opened"], 1);
}

#[test]
fn whatever_goes_wrong_no_credential_is_shown_or_sent_elsewhere() {
    let foreign = Peer::plain(fine);
    let landing = format!("{}/landed", foreign.url());
    let peer = Peer::plain(move |request| match request.line.split(['?', ' ']).nth(1).unwrap() {
        "/refused" => Reply::text(401, &request.text()),
        "/redirect" => Reply::redirect(302, &landing),
        "/repeat" => Reply::redirect(307, &landing),
        "/malformed" => Reply::Raw(request.text().into_bytes()),
        "/slow" => Reply::Stall,
        "/huge" => Reply::Endless,
        _ => Reply::text(200, &request.text()),
    });
    let place = stocked(&peer.url());
    place.write("c.json", &format!("{{\"bearer_auth\": \"{CANARY}\"}}"));
    let dead = dead_url();
    let authenticated = [
        "connection: api",
        "credentials_path: c.json",
        "headers: {Authorization: 'Bearer ${TOKEN}'}, query: {t: '$TOKEN'}",
    ];
    let mut text =
        "type: graph\nmax_active_steps: 8\nsecrets: [{name: TOKEN, provider: env, key: SOURCE}]\n\
                    steps:\n"
            .to_owned();
    let places = ["refused", "redirect", "repeat", "malformed", "slow", "huge", "echo"];
    for (index, by) in authenticated.iter().enumerate() {
        for (number, path) in places.iter().enumerate() {
            let url = format!("url: '{}/{path}', follow_redirects: true", peer.url());
            let bounds = "timeout: 1, max_bytes: 100000, debug: true";
            let output = if number % 2 == 0 { "json" } else { "body" };
            let with = format!("{{{url}, {bounds}, output: {output}, {by}}}");
            let step = format!("{{name: s{index}-{path}, type: http, with: {with}");
            text.push_str(&format!("- {step}, continue_on: {{failure: true}}}}\n"));
        }
        for (name, url) in [("foreign", foreign.url()), ("dead", dead.clone())] {
            if *by != "connection: api" && name == "foreign" {
                // It is where the step itself says.
                continue;
            }
            let with = format!("{{url: '{url}/?x=1', {by}}}");
            let step = format!("{{name: s{index}-{name}, type: http, with: {with}");
            text.push_str(&format!("- {step}, continue_on: {{failure: true}}}}\n"));
        }
    }
    let ended = run(&place, &text);
    // Some of them failed and went on.
    assert_eq!(ended.code, 1);
    for shown in [&ended.stdout, &ended.stderr] {
        assert!(!shown.contains("canary-4711"));
    }
    clean(&place.home(), &[CANARY]);
    let seen = foreign.received();
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert!(seen.iter().all(|request| !request.text().contains("canary")), "{seen:?}");
    let sent = peer.received().iter().filter(|one| one.text().contains(CANARY)).count();
    assert_eq!(sent, 21, "the steps did authenticate");
    assert!(ended.stdout.contains("does not belong to the connection"));
}

#[test]
fn validate_dry_and_schema_know_the_kind() {
    let place = Place::new();
    let good = "steps: [{name: a, type: http, with: {url: https://a.example}}]\n";
    place.write("w.yaml", good);
    assert_eq!(place.run(&["validate", "w.yaml"]).code, 0);
    let dry = place.run(&["dry", "w.yaml"]);
    assert!(dry.code == 0 && dry.stdout.contains("a  http"), "{dry:?}");
    let schema = place.run(&["schema"]);
    assert!(schema.stdout.contains("follow_redirects"), "{schema:?}");
    for (step, message) in [
        ("type: http", "without a `url`"),
        ("type: http, with: {urll: x}", "did you mean `url`?"),
        ("type: http, with: {url: x, skipTLSVerify: true}", "`ca_cert`"),
        ("type: http, with: {url: x, method: 'G T'}", "is no method that is sent"),
        ("type: http, with: {url: x, method: TRACE}", "is no method that is sent"),
        ("type: http, command: https://a.example", "no method with a URL"),
        ("type: http, command: GET x, with: {url: x}", "both `command` and `url`"),
        ("type: http, with: {url: x, body: a, json: {}}", "both `body` and `json`"),
        ("type: http, with: {url: x, files: [{name: a}]}", "a file without `path`"),
        ("type: http, with: {url: x, expect: ok}", "`ok` is no status"),
        ("type: http, with: {url: x, headers: {Host: a}}", "the header `host`"),
        ("type: http, with: {url: x, headers: {a b: c}}", "no name of a header"),
        ("type: http, with: {url: x, headers: {a: b, A: b}}", "given twice"),
        ("type: http, with: {url: x, body: a, retries: 1}", "`retries` of `POST`"),
        ("type: http, with: {url: x, connection: a}, credentials_path: b", "both `connection`"),
        ("run: 'true', connection: a", "a step that runs processes"),
    ] {
        place.write("w.yaml", &format!("steps: [{{name: a, {step}}}]\n"));
        let ended = place.run(&["validate", "w.yaml"]);
        assert!(ended.code == 3 && ended.stderr.contains(message), "{step}: {ended:?}");
    }
}
