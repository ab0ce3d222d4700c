//! Tokens of connections, exchanged by the built program at a server of the test's own.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::peer::{Peer, Received, Reply};
use crate::program::{Ended, Place};

const KEY: &str = include_str!("../../../connections/tests/kinds/rsa_key.pem");

fn token(asked: &Received) -> Reply {
    assert_eq!(asked.line, "POST /token");
    Reply::text(
        200,
        r#"{"access_token":"token-canary-41","token_type":"Bearer","expires_in":3600}"#,
    )
}

fn ok(ended: Ended) -> Ended {
    assert_eq!(ended.code, 0, "{ended:?}");
    ended
}

fn run(place: &Place, workflow: &str) -> Ended {
    place.write("w.yaml", workflow);
    place.run(&["run", "--follow", "w.yaml"])
}

#[test]
fn the_key_of_a_service_account_gets_a_token() {
    let (place, peer) = (Place::new(), Peer::plain(token));
    let file = serde_json::json!({
        "type": "service_account", "client_email": "robot@example.test", "private_key_id": "1",
        "private_key": KEY, "token_uri": format!("{}/token", peer.url()),
    });
    place.write("key.json", &file.to_string());
    ok(place.run(&["connection", "add", "gcp_service_account", "g", "--from-file", "key.json"]));
    ok(place.run(&["connection", "refresh", "g"]));
    let ended = ok(run(
        &place,
        "secrets: [{name: T, provider: connection, key: g/access_token}]\n\
         steps: ['test \"$T\" = token-canary-41 && echo it is $T']\n",
    ));
    assert!(ended.stdout.contains("it is *******"), "{ended:?}");
    // The token holds for an hour: one exchange was enough.
    assert_eq!(peer.received().len(), 1);
    assert!(peer.received()[0].text().contains("jwt-bearer"));
}

#[test]
fn a_key_file_does_not_send_its_statement_elsewhere() {
    let place = Place::new();
    let file = serde_json::json!({
        "type": "service_account", "client_email": "robot@example.test",
        "private_key": KEY, "token_uri": "https://tokens.example.test/token",
    });
    place.write("key.json", &file.to_string());
    ok(place.run(&["connection", "add", "gcp_service_account", "g", "--from-file", "key.json"]));
    let ended = place.run(&["connection", "refresh", "g"]);
    assert_ne!(ended.code, 0, "{ended:?}");
}

/// A type whose tokens are got with the client's own credentials, and a connection of it.
fn stocked(place: &Place, token_url: &str) {
    let own = format!(
        "id: own\nlabel: Own\nsummary: Ours.\nauth: client_credentials\nfields:\n\
         - {{name: client_id, label: Id, help: It.}}\n\
         - {{name: client_secret, label: Secret, help: It., secret: true}}\n\
         apply:\n  base_url: http://127.0.0.1:1\n  headers: {{Authorization: 'Bearer ${{access_token}}'}}\n\
         oauth:\n  token_url: {token_url}\n"
    );
    place.write("home/connection-types/own.yaml", &own);
    let add =
        ["connection", "add", "own", "c", "--set", "client_id=me", "--set", "client_secret=-"];
    ok(place.feed(&add, b"secret-canary-42"));
}

#[test]
fn a_run_of_a_workspace_has_the_token_of_a_global_connection_exchanged() {
    let place = Place::new();
    let count = AtomicUsize::new(0);
    let peer = Peer::plain(move |_: &Received| {
        // Due at once.
        let number = count.fetch_add(1, Ordering::Relaxed);
        Reply::text(200, &format!(r#"{{"access_token":"token-canary-{number}","expires_in":0}}"#))
    });
    stocked(&place, &format!("{}/token", peer.url()));
    let workflow = "labels: {workspace: team}\n\
                    secrets: [{name: T, provider: connection, key: c/access_token}]\n\
                    steps: ['echo got $T']\n";
    for _ in 0..2 {
        let ended = ok(run(&place, workflow));
        assert!(ended.stdout.contains("got *******"), "{ended:?}");
    }
    assert_eq!(peer.received().len(), 2);
}

#[test]
fn no_value_leaves_its_place_in_an_address() {
    let (place, peer) = (Place::new(), Peer::plain(token));
    let host = peer.url().replace("http://", "");
    stocked(&place, "https://${client_id}.api.example.test/token");
    let steered = format!("client_id={host}/x?");
    let edit = ["connection", "edit", "c", "--set", &steered, "--set", "client_secret=-"];
    place.feed(&edit, b"secret-canary-42");
    let ended = place.run(&["connection", "refresh", "c"]);
    assert_ne!(ended.code, 0, "{ended:?}");
    assert!(peer.received().is_empty());
}

#[test]
fn a_step_gets_no_refresh_token_and_no_field_that_is_not_there() {
    let (place, peer) = (Place::new(), Peer::plain(token));
    stocked(&place, &format!("{}/token", peer.url()));
    for field in ["refresh_token", "nothing"] {
        let workflow = format!(
            "secrets: [{{name: T, provider: connection, key: c/{field}}}]\nsteps: ['true']\n"
        );
        let ended = run(&place, &workflow);
        assert_eq!(ended.code, 4, "{ended:?}");
        assert!(ended.stderr.contains("has no value for the field"), "{ended:?}");
    }
}
