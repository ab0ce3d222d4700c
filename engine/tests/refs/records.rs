//! What a run keeps of its refs, what it hides, and on whose behalf it asked.

use serde_json::json;
use subrosa_engine::{Purpose, ResolveOptions, RunOptions, record_unstarted};

use crate::fake::{Entry, Fake};
use crate::world::{World, given, now, running, workflow};

const TEXT: &str = "\
name: deploy
labels: [workspace=pay]
secrets:
  - {name: A, ref: key}
  - {name: B, ref: other}
steps:
  - name: one
    run: echo \"$A\"; echo an old-4711-old and older-4711-older one; test \"$B\" = beta-4711
";

fn registry() -> Fake {
    let overlapping = Entry {
        value: Some("alpha-4711"),
        retired: vec!["old-4711-old", "older-4711-older"],
        version: 3,
        ..Entry::default()
    };
    Fake::default().entry("key", "pay/prod", overlapping).with("other", "", "beta-4711")
}

#[tokio::test]
async fn retired_values_are_masked_like_values_and_the_record_says_where_they_came_from() {
    let world = World::new(registry());
    let left = world.run(TEXT, given("prod")).await;
    assert_eq!(left.read("steps/one.out"), "*******\nan ******* and ******* one\n");
    let record = left.record("");
    assert_eq!(record["status"], "succeeded");
    let found = |workspace, environment, version, overlapping| {
        json!({"workspace": workspace, "environment": environment, "version": version,
            "expired": false, "overlapping": overlapping})
    };
    let (pay, prod) = (Some("pay"), Some("prod"));
    let secrets = json!([
        {"name": "A", "provider": "ref", "ref": "key", "found": found(pay, prod, 3, true),
            "masked": true, "short": false},
        {"name": "B", "provider": "ref", "ref": "other", "found": found(None, None, 1, false),
            "masked": true, "short": false},
    ]);
    assert_eq!(record["secrets"], secrets);
}

#[tokio::test]
async fn an_expired_value_that_was_allowed_is_recorded_as_one() {
    let entry = Entry { value: Some("alpha-4711"), expires: Some(now()), ..Entry::default() };
    let world = World::new(registry().entry("key", "pay", entry));
    let left = world.run(TEXT, ResolveOptions { allow_expired: true, ..running() }).await;
    assert_eq!(left.record("")["secrets"][0]["found"]["expired"], true);
}

#[tokio::test]
async fn a_run_that_could_not_start_is_recorded_under_the_id_that_the_registry_was_told() {
    let world = World::new(Fake::default().with("key", "/prod", "alpha-4711"));
    let failure = world.failure(TEXT, given("prod")).await;
    let options = RunOptions::default();
    let dir = record_unstarted(&workflow(TEXT), &[], &options, &failure, &world.host()).unwrap();
    let record = std::fs::read(dir.join("status.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(
        (&record["environment"], &record["environment_given"]),
        (&json!("prod"), &json!(true))
    );
    let unresolved = json!({"name": "B", "provider": "ref", "ref": "other", "found": null,
        "masked": true, "short": false});
    assert_eq!(record["secrets"][1], unresolved);
    assert_eq!(record["run"].as_str(), world.registry().asked()[0].0.actor.run.as_deref());
    assert!(dir.starts_with(world.home()));
}

#[tokio::test]
async fn a_workflow_without_refs_asks_nothing_and_records_the_environment() {
    let world = World::new(Fake::default());
    let left = world.run("steps: [{name: one, run: \"true\"}]\n", given("nowhere")).await;
    assert!(world.registry().asked().is_empty());
    assert_eq!(left.record("")["environment"], "nowhere");
}

#[tokio::test]
async fn the_registry_is_told_who_asks_and_what_is_allowed() {
    for (purpose, command, has_run) in [
        (Purpose::Run, "run", true),
        (Purpose::Retry, "retry", true),
        (Purpose::Dry, "dry", false),
        (Purpose::Exec, "exec", false),
    ] {
        let world = World::new(registry().with("key", "", "alpha-4711"));
        let options = ResolveOptions { allow_protected: true, ..ResolveOptions::new(purpose) };
        assert!(world.resolve(TEXT, options).await.is_ok());
        let asked = world.registry().asked();
        let (lookup, refs) = &asked[0];
        assert_eq!(refs, &["key", "other"]);
        assert!(lookup.allow_protected && !lookup.allow_expired && !lookup.audit_required);
        let actor = &lookup.actor;
        assert_eq!((actor.user.as_str(), actor.command.as_str()), ("kim", command));
        assert_eq!((actor.workflow.as_deref(), actor.step.as_deref()), (Some("deploy"), None));
        assert_eq!(actor.run.is_some(), has_run, "{command}");
    }
}

#[tokio::test]
async fn the_registry_is_told_the_run_that_is_recorded_and_the_step_that_calls() {
    let text = "name: outer\nsteps: [{name: go, call: deploy, parallel: [x, y]}]\n---\n".to_owned();
    let world = World::new(registry().with("key", "", "alpha-4711"));
    let left = world.run(&(text + TEXT), running()).await;
    let asked = world.registry().asked();
    assert_eq!(asked.len(), 2);
    for (lookup, _) in asked.iter() {
        let actor = &lookup.actor;
        assert_eq!(actor.run.as_deref(), Some(left.report.run.as_str()));
        assert_eq!(
            (actor.workflow.as_deref(), actor.step.as_deref()),
            (Some("deploy"), Some("go"))
        );
    }
}

#[tokio::test]
async fn an_audit_that_is_required_is_required_of_called_workflows_too() {
    let check = async |head: &str, called: &str, expected: &[bool]| {
        let secrets = "secrets: [{name: A, ref: key}]\n";
        let world = World::new(Fake::default().with("key", "", "alpha-4711"));
        let text = format!(
            "{head}{secrets}steps: [{{name: go, call: other}}]\n---\nname: other\n{called}{secrets}\
             steps: [{{name: one, run: \"true\"}}]\n"
        );
        world.run(&text, running()).await;
        let asked = world.registry().asked();
        let required: Vec<bool> = asked.iter().map(|(lookup, _)| lookup.audit_required).collect();
        assert_eq!(required, expected, "{head}{called}");
    };
    check("", "", &[false, false]).await;
    check("audit: optional\n", "audit: required\n", &[false, true]).await;
    check("audit: required\n", "", &[true, true]).await;
    check("audit: required\n", "audit: optional\n", &[true, true]).await;
}
