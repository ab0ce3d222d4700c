//! When the offline cache serves, and when it must not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use subrosa_engine::cache::ValueCache;
use subrosa_engine::host::Limits;
use subrosa_engine::provider::{ProviderErrorKind, Retry};
use subrosa_engine::secret::SecretValue;
use subrosa_registry::{About, RegistryError};

use crate::providers::{workflow, world};
use crate::scripted::{Act, Scripted, error, unreachable};
use crate::world::{World, now, running};

/// A cache in memory; what is in it was kept 12 minutes ago.
#[derive(Default)]
struct Shelf {
    values: Mutex<BTreeMap<About, SecretValue>>,
    is_broken: bool,
    /// How often something was kept.
    kept: AtomicUsize,
    /// Nothing is done while this is locked.
    gate: Mutex<()>,
}

impl ValueCache for Shelf {
    fn keep(&self, values: Vec<(About, SecretValue)>) -> Result<(), RegistryError> {
        if self.is_broken {
            return Err(RegistryError::Randomness);
        }
        let _open = self.gate.lock().unwrap();
        self.kept.fetch_add(values.len(), Ordering::SeqCst);
        self.values.lock().unwrap().extend(values);
        Ok(())
    }

    fn forget(&self, abouts: &[About]) -> Result<(), RegistryError> {
        self.values.lock().unwrap().retain(|about, _| !abouts.contains(about));
        Ok(())
    }

    fn find(
        &self,
        abouts: &[About],
    ) -> Result<Vec<Option<(SecretValue, SystemTime)>>, RegistryError> {
        if self.is_broken {
            return Err(RegistryError::Randomness);
        }
        let _open = self.gate.lock().unwrap();
        let values = self.values.lock().unwrap();
        let at = now() - Duration::from_secs(12 * 60);
        let value = |about: &About| values.get(about).map(|value| (value.clone(), at));
        Ok(abouts.iter().map(value).collect())
    }
}

fn with(provider: &Scripted, shelf: &Arc<Shelf>) -> World {
    let mut world = world(provider);
    world.cache = Some(shelf.clone());
    world
}

/// A shelf on which a run has left these.
async fn filled(keys: &[&str]) -> Arc<Shelf> {
    let shelf = Arc::new(Shelf::default());
    let world = with(&Scripted::giving(), &shelf);
    let resolved = world.resolve(&workflow(keys), running()).await.unwrap();
    assert!(resolved.warnings().is_empty());
    shelf
}

#[tokio::test]
async fn it_serves_while_a_provider_is_out_of_reach_and_says_so() {
    let shelf = filled(&["a", "b"]).await;
    let dead = [
        Scripted::told(|_, _| error(ProviderErrorKind::Unavailable, "is sealed", Retry::Never)),
        Scripted {
            opens: |_| error(ProviderErrorKind::TimedOut, "is sealed", Retry::Never),
            ..Scripted::giving()
        },
    ];
    for provider in dead {
        let resolved = with(&provider, &shelf).resolve(&workflow(&["a", "b"]), running()).await;
        let resolved = resolved.unwrap();
        let told: Vec<&str> = resolved.warnings().iter().map(|found| &*found.message).collect();
        let expected = "provider `box` is out of reach (is sealed): secrets `S0`, `S1` from the \
                        offline cache, up to 12m old";
        assert_eq!(told, [expected]);
        assert_eq!(resolved.warnings()[0].labels.len(), 2);
        assert_eq!(resolved.masks().mask_text("value of a").as_str(), "*******");
        let world = with(&provider, &shelf);
        let left = world.run(&workflow(&["a", "b"]), running()).await;
        assert_eq!(left.record("")["secrets"][0]["cached"], "2026-11-21T23:48:00.000Z");
    }
}

#[tokio::test]
async fn it_never_serves_what_is_refused_or_gone() {
    let shelf = filled(&["a"]).await;
    for kind in [
        ProviderErrorKind::Denied,
        ProviderErrorKind::NotFound,
        ProviderErrorKind::Unauthenticated,
        ProviderErrorKind::Malformed,
        ProviderErrorKind::InvalidRequest,
    ] {
        let provider = Scripted::told(move |_, _| error(kind, "no", Retry::Never));
        let refused = with(&provider, &shelf).resolve(&workflow(&["a"]), running()).await;
        assert!(refused.err().unwrap().contains("provider `box`: no"), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_it_does_not_have_is_a_failure_and_what_is_lent_is_not_kept() {
    let shelf = filled(&["a", "lent"]).await;
    let text = workflow(&["a", "lent", "new"]);
    let dead = Scripted::told(|_, _| unreachable());
    let told = with(&dead, &shelf).resolve(&text, running()).await.err().unwrap();
    assert!(told.contains("secrets `S1`, `S2` from provider `box`: connection refused"), "{told}");
    let mut options = workflow(&["a"]);
    options = options.replace("key: 'a'", "key: 'a', options: {field: f}");
    assert!(with(&dead, &shelf).resolve(&options, running()).await.is_err());
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_is_a_warning() {
    let shelf = Arc::new(Shelf { is_broken: true, ..Shelf::default() });
    let world = with(&Scripted::giving(), &shelf);
    let resolved = world.resolve(&workflow(&["a"]), running()).await.unwrap();
    assert!(resolved.warnings()[0].message.starts_with("the offline cache cannot be written"));
    let dead = Scripted::told(|_, _| {
        Act::Fail(subrosa_engine::provider::ProviderError::new(
            ProviderErrorKind::Unavailable,
            "gone",
        ))
    });
    let told = with(&dead, &shelf).resolve(&workflow(&["a"]), running()).await.err().unwrap();
    assert!(told.contains("provider `box`: gone"), "{told}");
}

#[tokio::test]
async fn without_one_nothing_is_kept() {
    let world = world(&Scripted::giving());
    assert!(world.resolve(&workflow(&["a"]), running()).await.unwrap().warnings().is_empty());
    assert!(world.cache.is_none());
}

#[tokio::test]
async fn what_called_workflows_find_in_the_run_is_not_kept_again() {
    let shelf = Arc::new(Shelf::default());
    let world = with(&Scripted::giving(), &shelf);
    let child = workflow(&["a", "b"]).replace("steps", "name: child\nsteps");
    let text = workflow(&["a"]).replace("[{run: 'true'}]", "[{name: s, call: child}]");
    world.run(&format!("{text}---\n{child}"), running()).await;
    assert_eq!(shelf.kept.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_or_gone_is_kept_no_longer() {
    for (kind, is_there) in [
        (ProviderErrorKind::Denied, false),
        (ProviderErrorKind::NotFound, false),
        (ProviderErrorKind::Malformed, true),
        (ProviderErrorKind::Unauthenticated, true),
    ] {
        let shelf = filled(&["a", "b"]).await;
        let says = Scripted::told(move |request, _| match request.key.as_str() {
            "a" => error(kind, "no", Retry::Never),
            _ => Act::Give,
        });
        assert!(with(&says, &shelf).resolve(&workflow(&["a", "b"]), running()).await.is_err());
        let dead = with(&Scripted::told(|_, _| unreachable()), &shelf);
        let resolves = async |key| dead.resolve(&workflow(&[key]), running()).await.is_ok();
        assert_eq!(resolves("a").await, is_there, "{kind:?}");
        assert!(resolves("b").await, "{kind:?}");
    }
}

#[tokio::test]
async fn it_does_not_stand_in_for_a_provider_that_panics() {
    let shelf = filled(&["a"]).await;
    let provider = Scripted::told(|_, _| Act::Panic);
    let told = with(&provider, &shelf).resolve(&workflow(&["a"]), running()).await.err().unwrap();
    assert!(told.contains("provider `box`: the provider broke off"), "{told}");
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the cache hangs for as long as it is held")]
async fn a_cache_that_hangs_is_a_warning_within_the_deadline() {
    let shelf = filled(&["a"]).await;
    let limits = Limits {
        resolve: Duration::from_millis(100),
        request: Duration::from_millis(50),
        ..Limits::default()
    };
    let hanging = shelf.gate.lock().unwrap();
    let mut world = with(&Scripted::giving(), &shelf);
    world.limits = limits;
    let resolved = world.resolve(&workflow(&["a"]), running()).await.unwrap();
    let told = "the offline cache cannot be written: it is not done in time";
    assert_eq!(resolved.warnings()[0].message, told);
    let dead = Scripted::told(|_, _| error(ProviderErrorKind::TimedOut, "gone", Retry::Never));
    let mut world = with(&dead, &shelf);
    world.limits = limits;
    let told = world.resolve(&workflow(&["a"]), running()).await.err().unwrap();
    assert!(told.contains("the offline cache cannot be read: it is not done in time"), "{told}");
    drop(hanging);
}
