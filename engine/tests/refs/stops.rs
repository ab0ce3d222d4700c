//! What a stop means for what has not begun yet.

use std::time::Duration;

use subrosa_engine::cancel::stop_pair;
use subrosa_engine::event::RunStatus;
use subrosa_engine::host::Limits;

use crate::providers::world;
use crate::scripted::{Act, Scripted};
use crate::world::running;

#[tokio::test]
async fn a_stop_ends_the_wait_for_secrets_and_no_other_call_begins() {
    let (handle, token) = stop_pair();
    let stopping = Scripted::told(move |_, _| {
        handle.escalate(15);
        Act::Hang
    });
    let mut world = world(&stopping);
    world.limits = Limits { request: Duration::from_millis(200), ..Limits::default() };
    let text = "\
steps:
  - {name: s, call: child, parallel: {items: [a, b, c], max_concurrent: 1}}
---
name: child
params: [KEY]
secrets: [{name: A, provider: box, key: a}]
steps: [{run: 'true'}]
";
    let left = world.run_until(text, running(), token).await;
    assert_eq!(left.report.status, RunStatus::Aborted);
    assert_eq!(left.record("")["steps"][0]["status"], "aborted");
    assert_eq!(stopping.log.count("fetch"), 1);
}

#[tokio::test]
async fn nothing_of_a_workflow_begins_after_a_stop() {
    let (handle, token) = stop_pair();
    handle.escalate(15);
    let world = world(&Scripted::giving());
    let init = world.home().join("init");
    let text = format!(
        "handler_on: {{init: {{run: 'touch {}'}}}}\nsteps: [{{run: 'true'}}]\n",
        init.display()
    );
    let left = world.run_until(&text, running(), token).await;
    assert_eq!(left.report.status, RunStatus::Aborted);
    assert!(!init.exists());
}
