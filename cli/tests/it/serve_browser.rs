//! The pages in a real browser, all that links lead to, judged by server/tests/browser.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::serve_site::Server;

/// What the flows start. The secret is stored by one of them.
const REPORT: &str = r#"name: report
params:
  - CITY: Bergen
secrets:
  - {name: TOKEN, ref: flows/printed}
steps:
  - name: print
    run: |
      echo "to $CITY with $TOKEN"
      printf %s "$TOKEN" | base64
"#;
const PATIENT: &str = r#"name: patient
secrets:
  - {name: TOKEN, ref: flows/printed}
steps:
  - name: wait
    run: |
      echo "it waits with $TOKEN"
      sleep 600
"#;

/// What the walk says of a site.
fn walk(link: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/tests/browser/walk.js");
    let mut command = Command::new("node");
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("Node.js is in the PATH: `./test` sees to it");
    let line = json!({ "link": link }).to_string() + "\n";
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = said.lines().next_back().and_then(|line| serde_json::from_str(line).ok());
    report.unwrap_or_else(|| panic!("the walk did not come to its end: {said}"))
}

#[test]
fn every_page_is_right_in_a_browser() {
    let server = Server::stocked_with(&["--allow-private-hosts", "127.0.0.1"]);
    server.place.write("flows/report.yaml", REPORT);
    server.place.write("flows/patient.yaml", PATIENT);
    let report = walk(&format!("http://{}{}", server.address, server.link));
    let problems: Vec<&str> =
        report["problems"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(problems.is_empty(), "{}\n{}", problems.join("\n"), server.said());
    assert!(report["seen"].as_array().unwrap().len() >= 4, "{report}");
}
