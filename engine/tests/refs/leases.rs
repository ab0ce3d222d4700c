//! What is lent lives as long as the run, and is given back however it ends.

use std::sync::atomic::Ordering;
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

/// One token each would be live until the run ends.
#[tokio::test]
async fn logins_of_ever_new_environments_are_closed_while_the_run_lasts() {
    let provider = Scripted { keeps: Some(Act::Hang), ..Scripted::giving() };
    let child = workflow(&["a"])
        .replace("steps", "name: child\nparams: [{ITEM: x}]\nenv: [{REGION: '${ITEM}'}]\nsteps");
    let items: Vec<String> = (0..40).map(|number| format!("i{number}")).collect();
    let text = workflow(&["a"]).replace(
        "[{run: 'true'}]",
        &format!(
            "\n  - {{name: s, call: child, parallel: {{items: [{}], max_concurrent: 2}}}}",
            items.join(", ")
        ),
    );
    let left = world(&provider).run(&format!("{text}---\n{child}"), running()).await;
    assert_eq!((left.report.status, left.warnings()), (RunStatus::Succeeded, Vec::new()));
    let counts = ["open", "fetch", "close"].map(|what| provider.log.count(what));
    assert_eq!(counts, [41, 41, 41]);
    let (mut live, mut most) = (0_usize, 0);
    for line in provider.log.lines.lock().unwrap().iter() {
        match line.split(' ').next() {
            Some("open") => live += 1,
            Some("close") => live -= 1,
            _ => {}
        }
        most = most.max(live);
    }
    // The caller's, two under way, eight that are kept, and those that are just being closed.
    assert!(most <= 14, "{most}");
}

#[tokio::test(start_paused = true)]
async fn no_more_logins_than_requests_are_under_way_at_once() {
    let opens = |_| Act::Slow(Duration::from_millis(10));
    let provider = Scripted { opens, ..Scripted::giving() };
    let mut world = world(&provider);
    world.limits.at_once = 3;
    let secrets = (0..12).map(|number| {
        format!("\n  - {{name: S{number}, provider: box, key: k, options: {{address: a{number}}}}}")
    });
    let text = format!("secrets:{}\nsteps: [{{run: 'true'}}]\n", secrets.collect::<String>());
    let resolved = world.resolve(&text, running()).await.unwrap();
    assert_eq!((resolved.secrets().len(), provider.log.count("open")), (12, 12));
    assert_eq!(provider.log.at_once.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_keeps_no_other_from_giving_back() {
    let hanging = Scripted { name: "dead", closes: Act::Hang, ..Scripted::giving() };
    let good = Scripted::giving();
    let mut world = world(&good);
    world.providers.push(std::sync::Arc::new(hanging));
    world.limits.at_once = 2;
    let secrets = (0..6).map(|number| {
        let provider = if number < 3 { "dead" } else { "box" };
        format!("\n  - {{name: S{number}, provider: {provider}, key: k, options: {{address: a{number}}}}}")
    });
    let text = format!("secrets:{}\nsteps: [{{run: 'true'}}]\n", secrets.collect::<String>());
    let options = running();
    let logins = options.logins.clone();
    assert!(world.resolve(&text, options).await.is_ok());
    let told = logins.close(Duration::from_secs(1)).await;
    let late = "provider `dead` did not take everything back: no answer within 1s";
    assert_eq!(told, [late; 3]);
    assert_eq!(good.log.count("close"), 3);
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
