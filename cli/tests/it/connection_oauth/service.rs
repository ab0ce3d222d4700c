//! A service that hands out tokens. Refresh tokens are good once: one that comes again ends its family, as
//! careful services have it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::peer::{Peer, Received, Reply};
use crate::program::{Ended, Place};

/// The secret of the client.
pub(crate) const SECRET: &str = "canary-client-secret";

/// How the service stands, and what it does next.
pub(crate) struct State {
    /// How often it has handed out tokens: the last ones are `access-canary-N` and `refresh-canary-N`.
    pub(crate) given: usize,
    /// Whether the family of tokens has ended.
    pub(crate) is_over: bool,
    /// How long an access token holds.
    pub(crate) lives_s: u64,
    /// How long a grant holds, if it says so.
    pub(crate) grant_lives_s: Option<u64>,
    /// How long it takes before and after it has exchanged a token.
    pub(crate) pauses: [Duration; 2],
    /// What it answers instead of tokens.
    pub(crate) fault: Option<fn() -> Reply>,
    /// Whether it takes no grant back.
    pub(crate) refuses_revocation: bool,
    /// What it answers who asks with the code of a device, the last one first; no more: tokens.
    pub(crate) device: Vec<&'static str>,
}

/// The server.
pub(crate) struct Service {
    peer: Peer,
    state: Arc<Mutex<State>>,
}

impl Service {
    pub(crate) fn start() -> Service {
        let state = Arc::new(Mutex::new(State {
            given: 0,
            is_over: false,
            lives_s: 3600,
            grant_lives_s: None,
            pauses: [Duration::ZERO; 2],
            fault: None,
            refuses_revocation: false,
            device: Vec::new(),
        }));
        let kept = state.clone();
        Service { peer: Peer::plain(move |request: &Received| answer(request, &kept)), state }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        self.peer.url()
    }

    /// Everything that came so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.peer.received()
    }

    /// How many requests came to a path so far.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.received().iter().filter(|request| request.line.ends_with(path)).count()
    }

    /// A place that knows a type of connection to this service, and has the connection `m` of it.
    pub(crate) fn place(&self) -> Place {
        let (place, url) = (Place::new(), self.url());
        let own = format!(
            "id: own\nlabel: Own\nsummary: Ours.\nauth: oauth2\nfields:\n\
             - {{name: client_id, label: Id, help: It.}}\n\
             - {{name: client_secret, label: Secret, help: It., secret: true}}\n\
             - {{name: redirect_uri, label: Redirect, help: It., format: url, required: false}}\n\
             apply:\n  base_url: {url}\n  headers: {{Authorization: 'Bearer ${{access_token}}'}}\n\
             test: {{kind: http, url: /me, shows: /name}}\n\
             oauth:\n  authorize_url: {url}/authorize\n  token_url: {url}/token\n\
             \x20 device_url: {url}/device\n  revoke_url: {url}/revoke\n  scopes: [read]\n"
        );
        place.write("home/connection-types/own.yaml", &own);
        let add =
            ["connection", "add", "own", "m", "--set", "client_id=me", "--set", "client_secret=-"];
        ok(place.feed(&add, SECRET.as_bytes()));
        place
    }
}

/// What ended well.
pub(crate) fn ok(ended: Ended) -> Ended {
    assert_eq!(ended.code, 0, "{ended:?}");
    ended
}

/// Runs a workflow.
pub(crate) fn run(place: &Place, workflow: &str) -> Ended {
    place.write("w.yaml", workflow);
    place.run(&["run", "--follow", "w.yaml"])
}

/// A workflow that uses the token, and says so.
pub(crate) const USES: &str = "secrets: [{name: T, provider: connection, key: m/access_token}]\n\
                               steps: ['touch begun; echo got $T']\n";

fn answer(request: &Received, state: &Mutex<State>) -> Reply {
    let (_, path) = request.line.split_once(' ').unwrap();
    match path {
        "/token" => exchange(request, state),
        "/device" => Reply::text(
            200,
            r#"{"device_code":"device-canary","user_code":"WDJB-MJHT","expires_in":60,"interval":1,
                "verification_uri":"https://service.example/device"}"#,
        ),
        "/revoke" => {
            let mut state = state.lock().unwrap();
            if state.refuses_revocation {
                return refused("invalid_client");
            }
            state.is_over = true;
            Reply::text(200, "")
        }
        "/me" => {
            let state = state.lock().unwrap();
            let wanted = format!("Bearer access-canary-{}", state.given);
            match request.header("authorization") == Some(&wanted) && !state.is_over {
                true => Reply::text(200, r#"{"name":"somebody"}"#),
                false => Reply::text(401, ""),
            }
        }
        _ => Reply::text(404, ""),
    }
}

fn refused(word: &str) -> Reply {
    Reply::text(400, &format!(r#"{{"error":"{word}","error_description":"canary-of-a-text"}}"#))
}

fn exchange(request: &Received, state: &Mutex<State>) -> Reply {
    let pauses = state.lock().unwrap().pauses;
    thread::sleep(pauses[0]);
    let reply = decide(request, &mut state.lock().unwrap());
    thread::sleep(pauses[1]);
    reply
}

fn decide(request: &Received, state: &mut State) -> Reply {
    if let Some(fault) = state.fault {
        return fault();
    }
    let body = request.text();
    if body.contains("grant_type=refresh_token") {
        let wanted = format!("refresh_token=refresh-canary-{}", state.given);
        state.is_over |= !body.split(['&', '\n']).any(|part| part == wanted);
        if state.is_over {
            return refused("invalid_grant");
        }
    } else if body.contains("device_code=device-canary") {
        if let Some(word) = state.device.pop() {
            return refused(word);
        }
    } else {
        assert!(body.contains("code=code-canary") && body.contains("code_verifier="), "{body}");
    }
    // What was granted is told once.
    let scope = if body.contains("grant_type=refresh_token") { "" } else { r#","scope":"narrow""# };
    state.given += 1;
    let (given, lives_s) = (state.given, state.lives_s);
    let grant = state.grant_lives_s.map(|s| format!(r#","refresh_token_expires_in":{s}"#));
    Reply::text(
        200,
        &format!(
            r#"{{"access_token":"access-canary-{given}","refresh_token":"refresh-canary-{given}",
                "token_type":"Bearer","expires_in":{lives_s}{scope}{}}}"#,
            grant.unwrap_or_default()
        ),
    )
}
