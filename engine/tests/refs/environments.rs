//! Which environment a workflow gets: the flag, the file, the caller.

use subrosa_engine::{EnvironmentChoice, Purpose, ResolveOptions, explain};
use subrosa_registry::EnvironmentName;

use crate::fake::Fake;
use crate::world::{World, given, running, workflow};

/// One ref with a value wherever it can be.
fn everywhere() -> Fake {
    let mut fake = Fake::default();
    for (at, value) in [
        ("", "in-global-4711"),
        ("/dev", "in-dev-4711"),
        ("/prod", "in-prod-4711"),
        ("pay", "in-pay-4711"),
        ("pay/dev", "in-pay-dev-4711"),
    ] {
        fake = fake.with("key", at, value);
    }
    fake
}

/// Workspace and environment in which the ref was found.
async fn found(text: &str, options: ResolveOptions) -> String {
    let resolved =
        World::new(everywhere()).resolve(text, options).await.unwrap_or_else(|e| panic!("{e}"));
    let found = resolved.secrets()[0].found.clone().unwrap();
    let words = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
    let workspace = words(found.scope.workspace.map(|name| name.to_string()));
    format!("{workspace}/{}", words(found.scope.environment.map(|name| name.to_string())))
}

fn file(head: &str) -> String {
    format!("{head}secrets: [{{name: A, ref: key}}]\nsteps: [work]\n")
}

fn recorded(name: &str) -> ResolveOptions {
    let name = EnvironmentName::parse(name).unwrap();
    let environment = EnvironmentChoice::Recorded(name);
    ResolveOptions { environment, ..ResolveOptions::new(Purpose::Retry) }
}

#[tokio::test]
async fn the_flag_wins_over_the_file_and_the_environment_over_the_workspace() {
    let in_dev = file("environment: dev\n");
    let pay = "labels: [workspace=pay]\n";
    assert_eq!(found(&file(""), running()).await, "-/-");
    assert_eq!(found(&in_dev, running()).await, "-/dev");
    assert_eq!(found(&in_dev, given("prod")).await, "-/prod");
    assert_eq!(found(&in_dev, recorded("prod")).await, "-/prod");
    assert_eq!(found(&file(pay), running()).await, "pay/-");
    assert_eq!(found(&file(pay), given("dev")).await, "pay/dev");
    assert_eq!(found(&file(pay), given("prod")).await, "-/prod");
}

/// A workflow that calls one with an environment of its own, one without, and one of a workspace.
const CALLS: &str = "\
name: caller
environment: dev
secrets: [{name: A, ref: key}]
steps:
  - {name: own, call: own}
  - {name: inherits, call: inherits, depends: own}
---
name: own
environment: prod
labels: [workspace=pay]
secrets: [{name: A, ref: key}]
steps: [{name: deeper, call: inherits}]
---
name: inherits
secrets: [{name: A, ref: key}]
steps: [{name: work, run: \"true\"}]
";

/// Step and environment of each question, in order.
async fn asked(options: ResolveOptions) -> Vec<String> {
    let world = World::new(everywhere());
    world.run(CALLS, options).await;
    let asked = world.registry().asked();
    let words = asked.iter().map(|(lookup, _)| {
        let step = lookup.actor.step.as_deref().unwrap_or("-");
        let workspace = lookup.scope.workspace.as_ref().map(ToString::to_string);
        let environment = lookup.scope.environment.as_ref().map(ToString::to_string);
        format!("{step} {} {}", workspace.unwrap_or("-".into()), environment.unwrap_or("-".into()))
    });
    words.collect()
}

#[tokio::test]
async fn a_called_workflow_has_its_own_environment_or_else_its_callers() {
    let by_file = ["- - dev", "own pay prod", "own/deeper - prod", "inherits - dev"];
    assert_eq!(asked(running()).await, by_file);
    let by_flag = ["- - dev", "own pay dev", "own/deeper - dev", "inherits - dev"];
    assert_eq!(asked(given("dev")).await, by_flag);
    let by_record = ["- - prod", "own pay prod", "own/deeper - prod", "inherits - prod"];
    assert_eq!(asked(recorded("prod")).await, by_record);
}

#[tokio::test]
async fn a_record_keeps_the_environment_of_each_workflow_and_who_chose_it() {
    let world = World::new(everywhere());
    let left = world.run(CALLS, running()).await;
    assert_eq!(left.events[0]["environment"], "dev");
    for (below, name) in
        [("", "dev"), ("called/own/", "prod"), ("called/own/called/deeper/", "prod")]
    {
        let record = left.record(below);
        assert_eq!(record["environment"], name, "{below}");
        assert_eq!(record["environment_given"], false, "{below}");
    }
    let left = world.run(CALLS, given("prod")).await;
    assert_eq!(left.record("called/inherits/")["environment"], "prod");
    assert_eq!(left.record("called/inherits/")["environment_given"], true);
}

#[tokio::test]
async fn explain_tells_where_a_ref_is_looked_for() {
    let text = file("labels: [workspace=pay]\nenvironment: dev\n");
    let check = async |text: &str, choice: EnvironmentChoice, expected: &str| {
        let host = World::without_registry().host();
        let explained = explain(&workflow(text), None, &[], choice, &host).await.ok().unwrap();
        let secret = explained.iter().find(|variable| variable.name == "A").unwrap();
        assert_eq!(secret.source, expected);
    };
    let files = EnvironmentChoice::Files;
    check(&file(""), files.clone(), "ref key, w.yaml:1").await;
    check(&text, files, "ref key, workspace pay, environment dev, w.yaml:3").await;
    let prod = given("prod").environment;
    check(&text, prod, "ref key, workspace pay, environment prod, w.yaml:3").await;
}
