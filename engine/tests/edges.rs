//! Which crate may depend on which:
//! `{masker, registry, http} <- engine <- {connections, providers, exchange} <- {executors, server} <- cli`; of
//! the third group executors and the server know connections only.
//!
//! The manifests are read as cargo reads them, dev and build dependencies included. Foreign crates
//! that would drag a front end, a client or a runtime into the wrong layer are held to theirs.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

/// Every crate of ours, with those of ours it may depend on.
const EDGES: [(&str, &[&str]); 10] = [
    ("subrosa-masker", &[]),
    ("subrosa-registry", &[]),
    ("subrosa-http", &[]),
    ("subrosa-engine", &["subrosa-masker", "subrosa-registry"]),
    (
        "subrosa-connections",
        &["subrosa-masker", "subrosa-engine", "subrosa-registry", "subrosa-http"],
    ),
    ("subrosa-providers", &["subrosa-engine", "subrosa-http"]),
    ("subrosa-exchange", &["subrosa-engine", "subrosa-registry"]),
    (
        "subrosa-executors",
        &["subrosa-connections", "subrosa-engine", "subrosa-http", "subrosa-registry"],
    ),
    (
        "subrosa-server",
        &["subrosa-connections", "subrosa-engine", "subrosa-http", "subrosa-registry"],
    ),
    (
        "subrosa",
        &[
            "subrosa-masker",
            "subrosa-registry",
            "subrosa-http",
            "subrosa-engine",
            "subrosa-connections",
            "subrosa-providers",
            "subrosa-exchange",
            "subrosa-executors",
            "subrosa-server",
        ],
    ),
];

/// Foreign crates, each with its companions such as `clap_complete`, and the only crates of ours
/// that may name them.
const HELD: [(&str, &[&str]); 7] = [
    ("clap", &["subrosa"]),
    ("axum", &["subrosa-server"]),
    ("kube", &["subrosa-providers"]),
    ("reqwest", &["subrosa-http", "subrosa-providers"]),
    (
        "rustls",
        &[
            "subrosa-http",
            "subrosa-connections",
            "subrosa-executors",
            "subrosa-providers",
            "subrosa-server",
        ],
    ),
    ("vaultrs", &["subrosa-providers"]),
    (
        "tokio",
        &[
            "subrosa-http",
            "subrosa-engine",
            "subrosa-connections",
            "subrosa-executors",
            "subrosa-providers",
            "subrosa-server",
            "subrosa",
        ],
    ),
];

fn name_of(value: &Value) -> &str {
    value["name"].as_str().expect("cargo names every package and every dependency")
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().expect("cargo lists packages and dependencies").iter()
}

fn is_companion(name: &str, family: &str) -> bool {
    name.strip_prefix(family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-') || rest.starts_with('_'))
}

/// The edges in `metadata` that must not be, in the order of the packages.
fn violations(metadata: &Value) -> Vec<String> {
    let edges = BTreeMap::from(EDGES);
    let mut found = Vec::new();
    for package in items(metadata, "packages") {
        let user = name_of(package);
        let Some(allowed) = edges.get(user) else {
            found.push(format!("`{user}` has no place in the order of crates"));
            continue;
        };
        for used in items(package, "dependencies").map(name_of) {
            let ours = is_companion(used, "subrosa");
            let held = HELD
                .iter()
                .any(|(family, users)| is_companion(used, family) && !users.contains(&user));
            if held || (ours && !allowed.contains(&used)) {
                found.push(format!("`{user}` may not depend on `{used}`"));
            }
        }
    }
    found
}

fn check(user: &str, used: &str, expected: &[&str]) {
    let metadata = json!({ "packages": [{ "name": user, "dependencies": [{ "name": used }] }] });
    assert_eq!(violations(&metadata), expected, "{user} -> {used}");
}

#[test]
fn the_workspace_keeps_the_order_of_crates() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs: it has just built this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");

    assert_eq!(violations(&metadata), Vec::<String>::new());
    let mut seen: Vec<&str> = items(&metadata, "packages").map(name_of).collect();
    let mut wanted: Vec<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    seen.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(seen, wanted);
}

#[test]
fn an_edge_with_the_arrow_is_fine() {
    check("subrosa-engine", "subrosa-masker", &[]);
    check("subrosa-providers", "subrosa-engine", &[]);
    check("subrosa-exchange", "subrosa-engine", &[]);
    check("subrosa", "subrosa-registry", &[]);
    check("subrosa", "clap_complete", &[]);
    check("subrosa-providers", "kube", &[]);
}

#[test]
fn an_edge_against_the_arrow_is_named() {
    check(
        "subrosa-masker",
        "subrosa-engine",
        &["`subrosa-masker` may not depend on `subrosa-engine`"],
    );
    check(
        "subrosa-masker",
        "subrosa-registry",
        &["`subrosa-masker` may not depend on `subrosa-registry`"],
    );
    check("subrosa-engine", "subrosa", &["`subrosa-engine` may not depend on `subrosa`"]);
    check(
        "subrosa-providers",
        "subrosa-masker",
        &["`subrosa-providers` may not depend on `subrosa-masker`"],
    );
}

#[test]
fn crates_of_one_rank_do_not_know_each_other() {
    check(
        "subrosa-exchange",
        "subrosa-providers",
        &["`subrosa-exchange` may not depend on `subrosa-providers`"],
    );
    check(
        "subrosa-providers",
        "subrosa-exchange",
        &["`subrosa-providers` may not depend on `subrosa-exchange`"],
    );
}

#[test]
fn a_held_crate_outside_its_layer_is_named() {
    check("subrosa-engine", "clap", &["`subrosa-engine` may not depend on `clap`"]);
    check("subrosa", "kube-client", &["`subrosa` may not depend on `kube-client`"]);
    check("subrosa-engine", "vaultrs", &["`subrosa-engine` may not depend on `vaultrs`"]);
    check("subrosa", "reqwest", &["`subrosa` may not depend on `reqwest`"]);
    check(
        "subrosa-exchange",
        "rustls-native-certs",
        &["`subrosa-exchange` may not depend on `rustls-native-certs`"],
    );
    check("subrosa-registry", "tokio-util", &["`subrosa-registry` may not depend on `tokio-util`"]);
}

#[test]
fn a_crate_nobody_placed_is_named() {
    check("subrosa-fleet", "serde", &["`subrosa-fleet` has no place in the order of crates"]);
}
