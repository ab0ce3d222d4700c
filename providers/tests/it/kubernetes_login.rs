//! How the kubernetes provider finds the cluster and logs in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use subrosa_engine::provider::{ProviderError, ProviderErrorKind};
use tempfile::TempDir;

use crate::conformance::context;
use crate::kubernetes::{kubeconfig, secret};
use crate::peer::{Peer, Received, Reply};
use crate::remote::{clean, fetch, request};

/// A cluster that says who came.
fn cluster() -> Peer {
    Peer::plain(|request: &Received| {
        let who = request.header("authorization").unwrap_or("nobody");
        let acts_for = request.headers.iter().filter(|(name, _)| name.starts_with("impersonate-"));
        let acts_for = acts_for.map(|(name, value)| format!(" {name}={value}"));
        let said = format!("{who}{}", acts_for.collect::<String>());
        secret(&[("who", said.replace("canary", "bird").as_bytes())])
    })
}

/// What the cluster says, with these options and this process environment.
async fn ask(options: &[(&str, &str)], process: &[(&str, &str)]) -> Result<String, ProviderError> {
    let process: Vec<(&str, &[u8])> =
        process.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let wanted = request("payments/who", options);
    fetch("kubernetes", &context(&[], &process, &[]), &wanted).await.map_err(clean)
}

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What the cluster says to this user.
async fn log_in(folder: &TempDir, user: &Value) -> Result<String, ProviderError> {
    let peer = cluster();
    let file = write(folder, "config", &kubeconfig(&json!({"server": peer.url()}), user));
    let process = [
        ("PATH", "/usr/bin:/bin"),
        ("OWN", "canary-own"),
        ("_DAGU_PRESOLVED_SECRET_A", "canary-of-another"),
        ("SUBROSA_KEY_FILE", "canary-key"),
    ];
    ask(&[("kubeconfig", &file)], &process).await
}

#[tokio::test]
async fn users_log_in_by_what_the_kubeconfig_gives() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "tokens/mine", "canary-file\n");
    for (user, expected) in [
        (json!({"token": "canary-1"}), "Bearer bird-1"),
        (json!({"token": "canary-1", "tokenFile": "tokens/mine"}), "Bearer bird-file"),
        (json!({"username": "me", "password": "pw"}), "Basic bWU6cHc="),
        (json!({}), "nobody"),
        (
            json!({"token": "t", "as": "bob", "as-groups": ["a", "b"]}),
            "Bearer t impersonate-user=bob impersonate-group=a impersonate-group=b",
        ),
    ] {
        assert_eq!(log_in(&folder, &user).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn what_cannot_be_a_login_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (user, expected) in [
        (json!({"token": "can ary"}), "the token of user `me` is no token"),
        (json!({"tokenFile": "missing"}), "cannot read the token file"),
        (json!({"client-certificate": "missing"}), "cannot read `client-certificate`"),
        (
            json!({"client-key-data": "?"}),
            "kubeconfig error: `client-key-data` of `me` is no base64",
        ),
        (json!({"auth-provider": {"name": "gcp"}}), "user `me` logs in by `auth-provider`"),
        (json!({"as": "x", "as-user-extra": {"a": ["canary"]}}), "`as-user-extra` of user `me`"),
    ] {
        let error = log_in(&folder, &user).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::InvalidRequest);
        assert!(error.message.starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn files_of_the_environment_are_merged_and_the_first_counts() {
    let (folder, peer) = (tempfile::tempdir().unwrap(), cluster());
    let first = write(
        &folder,
        "first/config",
        "current-context: main\nusers: [{name: me, user: {tokenFile: token}}]\n",
    );
    write(&folder, "first/token", "canary-first");
    let whole = kubeconfig(&json!({"server": peer.url()}), &json!({"token": "canary-second"}));
    let second = write(&folder, "second", &whole);
    let missing = folder.path().join("missing").to_str().unwrap().to_owned();
    let listed = [missing.as_str(), &first, &second].join(":");
    assert_eq!(ask(&[], &[("KUBECONFIG", &listed)]).await.unwrap(), "Bearer bird-first");
    assert_eq!(ask(&[], &[("KUBECONFIG", &second)]).await.unwrap(), "Bearer bird-second");
    write(&folder, ".kube/config", &whole);
    let home = folder.path().to_str().unwrap();
    assert_eq!(ask(&[], &[("HOME", home)]).await.unwrap(), "Bearer bird-second");
    let shown = [("kubeconfig", second.as_str())];
    assert_eq!(ask(&shown, &[("KUBECONFIG", &first)]).await.unwrap(), "Bearer bird-second");
}

#[tokio::test]
async fn what_leads_to_no_cluster_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| write(&folder, "config", text);
    let whole = kubeconfig(&json!({"server": "http://127.0.0.1:9"}), &json!({"token": "canary"}));
    let insecure = json!({"server": "https://127.0.0.1:9", "insecure-skip-tls-verify": true});
    let exposed = json!({"server": "http://cluster.invalid"});
    for (text, chosen, expected) in [
        (whole.clone(), "other", "kubeconfig error: there is no context `other`"),
        ("contexts: []".into(), "", "kubeconfig error: no context is chosen"),
        (
            whole.replace("\"here\",\"user", "\"gone\",\"user"),
            "",
            "kubeconfig error: there is no cluster `gone`",
        ),
        ("canary: [".into(), "", "kubeconfig error: `"),
        ("- canary".into(), "", "kubeconfig error: `"),
        (kubeconfig(&insecure, &json!({})), "", "cluster `here` has `insecure-skip-tls-verify`"),
        (
            kubeconfig(&exposed, &json!({"token": "canary"})),
            "",
            "`http://cluster.invalid` would get",
        ),
        (
            kubeconfig(&json!({}), &json!({})),
            "",
            "kubeconfig error: cluster `here` has no `server`",
        ),
    ] {
        let path = file(&text);
        let error = ask(&[("kubeconfig", &path), ("context", chosen)], &[]).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::InvalidRequest);
        assert!(error.message.starts_with(expected), "{error}");
    }
    let error = ask(&[("kubeconfig", "missing")], &[]).await.unwrap_err();
    assert!(error.message.starts_with("cannot read the kubeconfig `missing`"), "{error}");
    let error = ask(&[], &[("HOME", "/nowhere")]).await.unwrap_err();
    assert_eq!(error.message, "kubeconfig error: there is none, and this is no pod of a cluster");
    let pod = [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", "9")];
    let error = ask(&[("context", "main")], &pod).await.unwrap_err();
    assert_eq!(error.message, "kubeconfig error: there is none to have context `main`");
}

/// Writes a plugin, and gives back the user who logs in by it.
fn plugin(folder: &TempDir, script: &str) -> Value {
    let path = write(folder, "bin/plugin", &format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(Path::new(&path), fs::Permissions::from_mode(0o700)).unwrap();
    json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "./bin/plugin",
        "args": ["a b", "$HOME"], "env": [{"name": "ADDED", "value": "canary-added"}],
        "installHint": "get it from the shop", "provideClusterInfo": true,
    }})
}

const HEAD: &str = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential""#;

#[tokio::test]
async fn a_plugin_gets_its_environment_and_gives_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "echo \"$#/$1/$2/$OWN/$ADDED\" > '{0}/told'; echo \"$KUBERNETES_EXEC_INFO\" > '{0}/info'\n\
         env > '{0}/env'; echo canary >&2; echo '{HEAD},\"status\":{{\"token\":\"canary-plugin\"}}}}'",
        folder.path().display()
    );
    let user = plugin(&folder, &script);
    assert_eq!(log_in(&folder, &user).await.unwrap(), "Bearer bird-plugin");
    let told = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(told("told"), "2/a b/$HOME/canary-own/canary-added\n");
    let info: Value = serde_json::from_str(&told("info")).unwrap();
    assert_eq!(info["kind"], "ExecCredential");
    assert_eq!(info["spec"]["interactive"], false);
    assert!(info["spec"]["cluster"]["server"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    // Nothing that belongs to the engine, or was resolved for others.
    assert!(!told("env").contains("PRESOLVED") && !told("env").contains("SUBROSA_"));
    // Nothing of the test's own surroundings.
    assert!(!told("env").contains("CARGO"), "{}", told("env"));
}

#[tokio::test]
async fn a_plugin_that_gives_nothing_is_told_without_its_words() {
    use ProviderErrorKind::{InvalidRequest, Malformed, Unauthenticated};
    let folder = tempfile::tempdir().unwrap();
    let other = HEAD.replace("/v1\"", "/v1beta1\"");
    for (script, kind) in [
        ("echo canary; echo canary >&2; exit 3".to_owned(), Unauthenticated),
        ("echo canary".to_owned(), Malformed),
        (format!("echo '{HEAD}}}'"), Malformed),
        (format!("echo '{HEAD},\"status\":{{}}}}'"), Malformed),
        (format!("echo '{other},\"status\":{{\"token\":\"canary\"}}}}'"), Malformed),
        (format!("echo '{HEAD},\"status\":{{\"token\":\"can ary\"}}}}'"), InvalidRequest),
        ("head -c 300000 /dev/zero".to_owned(), Malformed),
    ] {
        let error = log_in(&folder, &plugin(&folder, &script)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{script}: {error}");
        assert!(error.message.contains("the exec plugin `./bin/plugin`"), "{error}");
    }
    let mut missing = plugin(&folder, "");
    missing["exec"]["command"] = "no-such-plugin".into();
    let error = log_in(&folder, &missing).await.unwrap_err();
    assert_eq!(error.message, "cannot run the exec plugin `no-such-plugin`: entity not found");
    assert_eq!(error.help.as_deref(), Some("get it from the shop"));
    for (name, value) in [("interactiveMode", "Always"), ("apiVersion", "canary/v9")] {
        let mut user = plugin(&folder, "");
        user["exec"][name] = value.into();
        assert_eq!(log_in(&folder, &user).await.unwrap_err().kind, InvalidRequest);
    }
}

#[tokio::test]
async fn a_plugin_that_hangs_is_ended_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let user = plugin(&folder, "sleep 1000 & echo $! > \"$PLACE\"; wait");
    let peer = Peer::plain(|_| Reply::Stall);
    let file = write(&folder, "config", &kubeconfig(&json!({"server": peer.url()}), &user));
    let place = folder.path().join("child");
    let process: [(&str, &[u8]); 2] =
        [("PATH", b"/usr/bin:/bin"), ("PLACE", place.to_str().unwrap().as_bytes())];
    let mut context = context(&[], &process, &[]);
    context.request_timeout = Duration::from_millis(500);
    let wanted = request("payments/who", &[("kubeconfig", &file)]);
    let begun = Instant::now();
    let error = fetch("kubernetes", &context, &wanted).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::TimedOut);
    assert!(peer.received().is_empty());
    let child: i32 = fs::read_to_string(&place).unwrap().trim().parse().unwrap();
    let child = rustix::process::Pid::from_raw(child).unwrap();
    // Nobody may collect it here, so gone and waiting to be collected are as good.
    let stat = format!("/proc/{}/stat", child.as_raw_nonzero());
    let is_gone = || fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z "));
    while !is_gone() {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::task::yield_now().await;
    }
}
