//! The API held against its own description, by server/tests/api.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::serve_site::Server;

/// Takes two minutes.
#[test]
fn every_answer_is_as_described() {
    let server = Server::stocked();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/tests/api/check.py");
    let mut command = Command::new("python");
    command.arg(script).stdin(Stdio::piped());
    let mut child = command.spawn().expect("`./test` puts Python with schemathesis into the PATH");
    let url = format!("http://{}", server.address);
    let line = json!({ "url": url, "cookie": server.cookie, "csrf": server.csrf });
    child.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "schemathesis tells why above");
    let said = server.stop();
    assert!(!said.contains("panic"), "{said}");
}
