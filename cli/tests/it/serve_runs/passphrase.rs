//! A key that a passphrase protects: it is typed once, when the server starts.

use rustix::process::Signal;
use serde_json::json;

use super::server::Server;
use crate::program::{Place, SUBROSA};
use crate::terminal::Screen;

const TYPED: &str = "pass-in-clear\r";

#[test]
fn runs_have_the_passphrase_that_was_typed_when_the_server_started() {
    let place = Place::new();
    place.write(
        "flows/use.yaml",
        "secrets: [{name: TOKEN, ref: prod/token}]\nsteps: [{name: s, run: 'echo a $TOKEN'}]\n",
    );
    assert_eq!(place.run(&["init"]).code, 0);
    let mut screen = Screen::new();
    let words = ["__terminal", "--", SUBROSA, "key", "move", "--to", "passphrase"];
    let child = screen.start(place.command(&words).stderr(screen.stream()));
    for question in ["new passphrase", "the same again"] {
        screen.wait_for(question);
        screen.press(TYPED);
    }
    let (seen, moved) = screen.finish(child);
    assert!(moved.success(), "{seen}");
    let mut screen = Screen::new();
    let words = ["__terminal", "--", SUBROSA, "serve", "flows", "--bind", "127.0.0.1:0"];
    let child = screen.start(place.command(&words).stderr(screen.stream()));
    screen.wait_for("passphrase of the key");
    screen.press(TYPED);
    let address = screen.line_after("subrosa serves http://");
    let link = screen.line_after("as an admin: ");
    let server = Server::enter(child, address, &link);
    let secret = json!({"ref": "prod/token", "value": "hunter2-in-the-registry"});
    assert_eq!(server.post("/api/v1/secrets", &secret).status, 201);
    for _ in 0..2 {
        let run = server.begin("use");
        server.wait(&run, "succeeded");
        let log = server.get(&format!("/api/v1/runs/{run}/steps/s/log")).body;
        assert_eq!(log, "a *******\n");
    }
    server.send(Signal::TERM);
    let seen = screen.line_after("passphrase of the key");
    assert!(!seen.contains("pass-in-clear"), "{seen}");
}
