//! What is lent lives as long as the run, and is given back however it ends.

use std::time::Duration;

use subrosa_engine::event::RunStatus;
use subrosa_engine::provider::{ProviderErrorKind, Retry};

use crate::providers::{workflow, world};
use crate::scripted::{Act, Scripted, error};
use crate::world::running;

fn lost(message: &str) -> Act {
    error(ProviderErrorKind::Unavailable, message, Retry::Never)
}

#[tokio::test]
async fn a_run_keeps_what_it_uses_and_gives_it_back() {
    for (step, status) in [("true", RunStatus::Succeeded), ("false", RunStatus::Failed)] {
        let provider = Scripted { keeps: Some(Act::Hang), ..Scripted::giving() };
        let text = workflow(&["a", "b"]).replace("'true'", &format!("'{step}'"));
        let left = world(&provider).run(&text, running()).await;
        assert_eq!(left.report.status, status);
        assert_eq!(left.warnings(), [""; 0]);
        let counts = ["open", "keep", "close"].map(|what| provider.log.count(what));
        assert_eq!(counts, [1, 1, 1]);
    }
}

#[tokio::test]
async fn what_cannot_be_kept_or_given_back_is_told_and_the_run_goes_on() {
    let provider = Scripted {
        keeps: Some(lost("lease of value of a is gone")),
        closes: lost("not revoked"),
        ..Scripted::giving()
    };
    let text = workflow(&["a"]).replace("'true'", "'sleep 0.1'");
    let left = world(&provider).run(&text, running()).await;
    assert_eq!(left.report.status, RunStatus::Succeeded);
    assert_eq!(
        left.warnings(),
        [
            "provider `box` cannot keep values valid: lease of ******* is gone",
            "provider `box` did not take everything back: not revoked",
        ]
    );
    assert_eq!(left.events.last().unwrap()["event"], "run_finished");
}

#[tokio::test]
async fn a_panic_while_giving_back_is_told() {
    let provider = Scripted { closes: Act::Panic, ..Scripted::giving() };
    let left = world(&provider).run(&workflow(&["a"]), running()).await;
    assert_eq!(left.warnings(), ["provider `box` did not take everything back: it broke off"]);
}

#[tokio::test(start_paused = true)]
async fn a_resolution_that_fails_gives_back_within_its_own_time() {
    let provider = Scripted {
        closes: Act::Hang,
        ..Scripted::told(|request, _| match request.key.as_str() {
            "bad" => error(ProviderErrorKind::NotFound, "nothing there", Retry::Never),
            _ => Act::Give,
        })
    };
    let told = world(&provider).resolve(&workflow(&["a", "bad"]), running()).await.err().unwrap();
    assert!(told.contains("nothing there"), "{told}");
    let late = "provider-close: provider `box` did not take everything back: no answer within 5s";
    assert!(told.contains(late), "{told}");
}

#[tokio::test(start_paused = true)]
async fn whoever_drops_a_resolution_can_still_give_back() {
    let provider = Scripted::told(|request, _| match request.key.as_str() {
        "slow" => Act::Hang,
        _ => Act::Give,
    });
    let (options, world) = (running(), world(&provider));
    let (logins, text) = (options.logins.clone(), workflow(&["a", "slow"]));
    let resolving = world.resolve(&text, options);
    assert!(tokio::time::timeout(Duration::from_secs(1), resolving).await.is_err());
    assert_eq!(provider.log.count("close"), 0);
    assert_eq!(logins.close(Duration::from_secs(1)).await, [""; 0]);
    assert_eq!(provider.log.count("close"), 1);
    assert_eq!(logins.close(Duration::from_secs(1)).await, [""; 0]);
    assert_eq!(provider.log.count("close"), 1);
}

#[tokio::test]
async fn called_workflows_share_the_login_and_what_it_gave() {
    let provider = Scripted::giving();
    let child = workflow(&["a", "c"]).replace("steps", "name: child\nsteps");
    let text = workflow(&["a", "b"])
        .replace("[{run: 'true'}]", "\n  - {name: s, call: child, parallel: [one, two, three]}");
    let left = world(&provider).run(&format!("{text}---\n{child}"), running()).await;
    assert_eq!(left.report.status, RunStatus::Succeeded);
    let counts = ["open", "fetch a", "fetch b", "fetch c", "close"];
    assert_eq!(counts.map(|what| provider.log.count(what)), [1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn a_called_workflow_with_another_environment_asks_for_itself() {
    let provider = Scripted::giving();
    let child = workflow(&["a"]).replace("steps", "name: child\nenv: [{REGION: eu}]\nsteps");
    let text = workflow(&["a"]).replace("[{run: 'true'}]", "\n  - {name: s, call: child}");
    let left = world(&provider).run(&format!("{text}---\n{child}"), running()).await;
    assert_eq!(left.report.status, RunStatus::Succeeded);
    assert_eq!(["open", "fetch", "close"].map(|what| provider.log.count(what)), [2, 2, 2]);
}
