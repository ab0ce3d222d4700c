//! How providers are asked: how often, how long, and what is said when there is no answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use subrosa_engine::host::Limits;
use subrosa_engine::provider::{ProviderErrorKind, Retry};
use tokio::time::Instant;

use crate::scripted::{Act, Scripted, error, unreachable};
use crate::world::{World, running};

/// A workflow with secrets `S0`, `S1` and so on, of these keys.
pub(crate) fn workflow(keys: &[&str]) -> String {
    let entry = |(number, key): (usize, &&str)| {
        format!("  - {{name: S{number}, provider: box, key: '{key}'}}\n")
    };
    let secrets: String = keys.iter().enumerate().map(entry).collect();
    format!("secrets:\n{secrets}steps: [{{run: 'true'}}]\n")
}

pub(crate) fn world(provider: &Scripted) -> World {
    World::without_registry().with(provider.clone())
}

/// So many different keys.
fn keys(number: usize) -> Vec<String> {
    (0..number).map(|number| format!("k{number}")).collect()
}

fn many(number: usize) -> String {
    let keys = keys(number);
    workflow(&keys.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn what_is_the_same_is_asked_once_and_each_identity_logs_in_once() {
    let provider = Scripted::giving();
    let text = "\
secrets:
  - {name: A, provider: box, key: k}
  - {name: B, provider: box, key: k}
  - {name: C, provider: box, key: k, options: {field: f}}
  - {name: D, provider: box, key: k, options: {address: 'https://b'}}
steps: [{run: 'true'}]
";
    let resolved = world(&provider).resolve(text, running()).await.unwrap();
    let mut lines = provider.log.lines.lock().unwrap().clone();
    lines.sort();
    assert_eq!(lines, ["fetch k", "fetch k", "fetch k", "open ", "open https://b"]);
    let summary = resolved.summary();
    let known = &summary.providers[0];
    assert_eq!((summary.secrets, known.secrets, known.requests, known.logins), (4, 4, 3, 2));
}

#[tokio::test(start_paused = true)]
async fn places_are_bounded_and_not_the_requests_that_one_read_answers() {
    let provider = Scripted::told(|_, _| Act::Slow(Duration::from_millis(20)));
    let mut world = world(&provider);
    world.limits = Limits { at_once: 2, ..Limits::default() };
    let keys = ["a#1", "b#1", "a#2", "c#1", "b#2", "a#3", "c#2"];
    let started = Instant::now();
    assert!(world.resolve(&workflow(&keys), running()).await.is_ok());
    // First `a` and `b`, of which there are five, then `c`.
    assert_eq!(provider.log.at_once.load(Ordering::SeqCst), 5);
    assert_eq!(started.elapsed().as_millis() / 20, 2);
}

#[tokio::test]
async fn a_client_that_takes_batches_gets_them() {
    let provider = Scripted { batch_len: 10, ..Scripted::giving() };
    assert!(world(&provider).resolve(&many(25), running()).await.is_ok());
    assert_eq!((provider.log.count("batch of 10"), provider.log.count("batch of 5")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn what_may_be_asked_again_is_and_the_rest_of_a_batch_is_not() {
    let flaky = |request: &subrosa_engine::provider::SecretRequest, number| {
        if request.key == "k1" && number < 2 { unreachable() } else { Act::Give }
    };
    for batch_len in [1, 10] {
        let provider = Scripted { batch_len, ..Scripted::told(flaky) };
        let resolved = world(&provider).resolve(&many(3), running()).await.unwrap();
        assert_eq!((provider.log.count("fetch k0"), provider.log.count("fetch k1")), (1, 3));
        assert_eq!(resolved.summary().providers[0].retries, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_is_tried_again_like_a_request() {
    let opens = |number| if number == 0 { unreachable() } else { Act::Give };
    let provider = Scripted { opens, ..Scripted::giving() };
    assert!(world(&provider).resolve(&many(2), running()).await.is_ok());
    assert_eq!(provider.log.count("open"), 2);
}

#[tokio::test]
async fn what_would_be_answered_the_same_is_asked_once() {
    for kind in
        [ProviderErrorKind::Denied, ProviderErrorKind::NotFound, ProviderErrorKind::Malformed]
    {
        let provider = Scripted::told(move |_, _| error(kind, "no", Retry::Never));
        assert!(world(&provider).resolve(&many(1), running()).await.is_err());
        assert_eq!(provider.log.count("fetch"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_asked_for_is_made_if_there_is_time_for_it() {
    let busy = |pause| {
        let retry = Retry::After(Duration::from_secs(pause));
        Scripted::told(move |_, number| match number {
            0 => error(ProviderErrorKind::Unavailable, "busy", retry),
            _ => Act::Give,
        })
    };
    let provider = busy(7);
    let started = Instant::now();
    assert!(world(&provider).resolve(&many(1), running()).await.is_ok());
    assert!((7000..7300).contains(&started.elapsed().as_millis()));
    let provider = busy(15);
    let started = Instant::now();
    let told = world(&provider).resolve(&many(1), running()).await.err().unwrap();
    assert!(told.contains("from provider `box`: busy"), "{told}");
    assert_eq!((provider.log.count("fetch"), started.elapsed()), (1, Duration::ZERO));
}

#[tokio::test]
async fn a_login_that_fails_is_told_once_for_all_its_secrets() {
    let opens =
        |_| error(ProviderErrorKind::Unauthenticated, "the token is not valid", Retry::Never);
    let provider = Scripted { opens, ..Scripted::giving() };
    let told =
        world(&provider).resolve(&workflow(&["a", "b", "c"]), running()).await.err().unwrap();
    assert_eq!(
        told,
        "secret-not-resolved 2: could not resolve secrets `S0`, `S1`, `S2` from provider `box`: \
         the token is not valid\n  3: asked for here\n  4: asked for here\n"
    );
    assert_eq!(provider.log.count("fetch"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_provider_ends_within_its_deadline_with_one_message() {
    let dead =
        [Scripted::told(|_, _| Act::Hang), Scripted { opens: |_| Act::Hang, ..Scripted::giving() }];
    for provider in dead {
        let started = Instant::now();
        let told = world(&provider).resolve(&many(500), running()).await.err().unwrap();
        assert_eq!(started.elapsed().as_secs(), 15, "{told}");
        assert_eq!(told.matches("secret-not-resolved").count(), 1, "{told}");
        assert!(
            told.contains("`S7` and 492 more from provider `box`: no answer within 15s"),
            "{told}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_outlives_a_repetition_that_is_cut_off() {
    let fetches = Scripted::told(|_, number| if number == 0 { unreachable() } else { Act::Hang });
    let opens = |number| if number == 0 { unreachable() } else { Act::Hang };
    let logs_in = Scripted { opens, ..Scripted::giving() };
    for provider in [fetches, logs_in] {
        let told = world(&provider).resolve(&many(1), running()).await.err().unwrap();
        assert!(told.contains("from provider `box`: connection refused"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_not_tried_for_every_secret() {
    let provider = Scripted::told(|_, _| unreachable());
    let started = Instant::now();
    let told = world(&provider).resolve(&many(500), running()).await.err().unwrap();
    assert_eq!(told.matches("secret-not-resolved").count(), 1, "{told}");
    assert!(provider.log.count("fetch") <= 32 * 5, "{}", provider.log.count("fetch"));
    // Four pauses under ceilings of 200 ms to 1.6 s.
    assert!(started.elapsed() <= Duration::from_secs(3));
}

#[tokio::test]
async fn one_bad_place_does_not_speak_for_the_others() {
    let broken = |request: &subrosa_engine::provider::SecretRequest, _| match request.key.as_str() {
        "k1" => error(ProviderErrorKind::Unavailable, "cannot read k1", Retry::Never),
        "k2" => error(ProviderErrorKind::NotFound, "no k2", Retry::Never),
        _ => Act::Give,
    };
    let provider = Scripted::told(broken);
    let told = world(&provider).resolve(&many(4), running()).await.err().unwrap();
    assert_eq!(
        told,
        "secret-not-resolved 3: could not resolve secret `S1` from provider `box`: cannot read k1\n\
         secret-not-resolved 4: could not resolve secret `S2` from provider `box`: no k2\n"
    );
    assert_eq!(provider.log.count("fetch"), 4);
}

#[tokio::test]
async fn a_panic_of_a_provider_is_a_failure_of_the_request() {
    let rash = |request: &subrosa_engine::provider::SecretRequest, _| {
        if request.key == "k1" { Act::Panic } else { Act::Give }
    };
    let told = world(&Scripted::told(rash)).resolve(&many(3), running()).await.err().unwrap();
    assert!(told.starts_with("secret-not-resolved 3: could not resolve secret `S1`"), "{told}");
    assert!(told.contains("the provider broke off"), "{told}");
    let provider = Scripted { opens: |_| Act::Panic, ..Scripted::giving() };
    let told = world(&provider).resolve(&many(3), running()).await.err().unwrap();
    assert!(
        told.contains("`S0`, `S1`, `S2` from provider `box`: the provider broke off"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_all_bounds_those_that_wait() {
    let provider = Scripted::told(|_, _| Act::Slow(Duration::from_secs(10)));
    let mut world = world(&provider);
    let resolve = Duration::from_secs(25);
    world.limits = Limits { at_once: 1, resolve, ..Limits::default() };
    let started = Instant::now();
    let told = world.resolve(&many(4), running()).await.err().unwrap();
    assert_eq!(started.elapsed(), resolve);
    assert!(
        told.contains("secrets `S2`, `S3` from provider `box`: no answer within 15s"),
        "{told}"
    );
}
