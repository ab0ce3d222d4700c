//! What a check and a list of providers find out, and what they leave alone.

use std::sync::{Arc, Mutex};

use subrosa_engine::provider::{ProviderErrorKind, Retry};
use subrosa_engine::{
    CheckDepth, CheckedSecret, Finding, Probing, ProviderKind, Purpose, ResolveOptions,
    check_secrets, probe_providers,
};

use crate::fake::{Entry, Fake};
use crate::scripted::{Act, Scripted, error, unreachable};
use crate::settings::settings;
use crate::world::{World, workflow};

const TEXT: &str = "\
secrets:
  - {name: A, provider: box, key: a}
  - {name: B, provider: box, key: denied}
  - {name: C, provider: nobody, key: c}
  - {name: D, ref: prod/d}
  - {name: E, ref: prod/off}
steps: [{run: 'true'}]
";

async fn check(world: &World, depth: CheckDepth) -> Vec<CheckedSecret> {
    let options = ResolveOptions::new(Purpose::Check);
    let report = check_secrets(&workflow(TEXT), &[], &world.host(), options, depth).await;
    report.ok().unwrap().secrets
}

fn outcomes(secrets: &[CheckedSecret]) -> Vec<Result<Finding, ProviderErrorKind>> {
    secrets.iter().map(|one| one.outcome.clone().map_err(|error| error.kind)).collect()
}

fn world(provider: &Scripted) -> World {
    let off = Entry { is_disabled: true, ..Entry::default() };
    let registry = Fake::default().with("prod/d", "", "value of d").entry("prod/off", "", off);
    World::new(registry).with(provider.clone())
}

#[tokio::test]
async fn a_check_reads_nothing_unless_it_is_told_to() {
    let provider = Scripted::told(|request, _| match request.key.as_str() {
        "denied" => error(ProviderErrorKind::Denied, "not for us", Retry::Never),
        _ => Act::Give,
    });
    let world = world(&provider);
    let failures = [Err(ProviderErrorKind::Denied), Err(ProviderErrorKind::InvalidRequest)];
    let off = Err(ProviderErrorKind::Denied);
    let expected = |first, found| [&[Ok(first)], &failures[..], &[Ok(found), off]].concat();
    let looked = check(&world, CheckDepth::Metadata).await;
    assert_eq!(outcomes(&looked), expected(Finding::Likely, Finding::Readable));
    assert!(world.registry().asked().is_empty());
    assert_eq!(["fetch", "close"].map(|what| provider.log.count(what)), [0, 1]);
    let read = check(&world, CheckDepth::Values).await;
    assert_eq!(outcomes(&read), expected(Finding::Read, Finding::Read));
    assert_eq!(["fetch", "close"].map(|what| provider.log.count(what)), [2, 2]);
    assert_eq!((read[3].provider.as_str(), read[3].key.as_str()), ("ref", "prod/d"));
}

#[tokio::test(start_paused = true)]
async fn providers_are_listed_with_what_is_configured_and_asked_if_it_is() {
    let provider = Scripted { opens: |_| unreachable(), ..Scripted::giving() };
    let mut world = World::without_registry().with(provider);
    let text = "[provider.box.instance.eu]\naddress = 'https://eu'\n[provider.other]\nx = 1\n";
    world.settings = settings(&[(text, "")], None);
    let rows = |probed: Vec<subrosa_engine::ProbedProvider>| -> Vec<String> {
        let row = |one: subrosa_engine::ProbedProvider| {
            let answer = one.answer.map(|answer| answer.map_err(|error| error.to_string()));
            format!("{} {:?} {:?} {:?} {answer:?}", one.name, one.instance, one.kind, one.from)
        };
        probed.into_iter().map(row).collect()
    };
    assert_eq!(
        rows(probe_providers(&world.host(), Probing::Configured).await),
        [
            "box None BuiltIn [] None",
            "box Some(\"eu\") BuiltIn [\"user.toml:2\"] Some(Err(\"connection refused\"))",
            "other None Missing [\"user.toml:4\"] None",
        ]
    );
    let nobody = probe_providers(&world.host(), Probing::Nobody).await;
    assert!(nobody.iter().all(|one| one.answer.is_none()));
    let everybody = probe_providers(&world.host(), Probing::Everybody).await;
    assert_eq!(everybody.iter().filter(|one| one.answer.is_some()).count(), 2);
}

/// With a provider that is found by its name, and how often names were looked for.
fn with_plugin() -> (World, Arc<Mutex<Vec<String>>>) {
    let looked = Arc::new(Mutex::new(Vec::new()));
    let asked = looked.clone();
    let find = move |name: &str| {
        asked.lock().unwrap().push(name.to_owned());
        let found = Scripted { name: "found", ..Scripted::giving() };
        (name == "found").then(|| Arc::new(found) as _)
    };
    let mut world = World::without_registry().with(Scripted::giving());
    world.find = Some(Arc::new(find));
    (world, looked)
}

#[tokio::test]
async fn a_name_that_is_not_built_in_is_looked_for_once() {
    let (world, looked) = with_plugin();
    let text = "\
secrets:
  - {name: A, provider: box, key: a}
  - {name: B, provider: found, key: b}
  - {name: C, provider: found, key: c}
steps: [{run: 'true'}]
";
    let resolved = world.resolve(text, ResolveOptions::new(Purpose::Run)).await.unwrap();
    let from: Vec<&str> = resolved.secrets().iter().map(|one| one.provider.as_str()).collect();
    assert_eq!(from, ["box", "found", "found"]);
    assert_eq!(*looked.lock().unwrap(), ["found"]);
    let options = ResolveOptions::new(Purpose::Check);
    let host = world.host();
    let report = check_secrets(&workflow(text), &[], &host, options, CheckDepth::Values).await;
    assert_eq!(outcomes(&report.ok().unwrap().secrets), [Ok(Finding::Read); 3]);
    let lost = text.replace("found", "lost");
    let told = world.resolve(&lost, ResolveOptions::new(Purpose::Run)).await.err().unwrap();
    assert!(told.contains("unknown secret provider: lost"), "{told}");
    assert!(told.contains("`subrosa-provider-NAME` in `PATH`"), "{told}");
}

#[tokio::test]
async fn a_plugin_is_listed_if_it_is_configured() {
    let (mut world, _) = with_plugin();
    world.settings = settings(&[("[provider.found]\nx = 1\n", "")], None);
    let probed = probe_providers(&world.host(), Probing::Configured).await;
    let kinds: Vec<_> =
        probed.iter().map(|one| (one.name.as_str(), one.kind, one.answer.is_some())).collect();
    assert_eq!(
        kinds,
        [("box", ProviderKind::BuiltIn, false), ("found", ProviderKind::Plugin, true)]
    );
}

#[tokio::test]
async fn what_is_read_is_masked_or_the_check_fails_as_a_run_does() {
    let text = "secrets: [{name: D, ref: prod/d}]\nsteps: [{run: 'true'}]\n";
    // The fake keeps what does not end.
    let large: &str = "0123456789abcdef".repeat(1 << 19).leak();
    for (value, is_masked) in [("value of d", true), (large, false)] {
        let world = World::new(Fake::default().with("prod/d", "", value));
        let options = ResolveOptions::new(Purpose::Check);
        let host = world.host();
        let depth = CheckDepth::Values;
        match check_secrets(&workflow(text), &[], &host, options, depth).await {
            Ok(report) => {
                assert!(is_masked);
                assert_eq!(report.masks.mask_text("a value of d").as_str(), "a *******");
            }
            Err(failure) => {
                assert!(!is_masked && failure.about_secrets);
                assert_eq!(failure.diagnostics[0].code, "too-many-secrets");
            }
        }
    }
}
