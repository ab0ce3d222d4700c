//! When the offline cache serves, and when it must not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use subrosa_engine::cache::ValueCache;
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
}

impl ValueCache for Shelf {
    fn keep(&self, values: Vec<(About, SecretValue)>) -> Result<(), RegistryError> {
        if self.is_broken {
            return Err(RegistryError::Randomness);
        }
        self.values.lock().unwrap().extend(values);
        Ok(())
    }

    fn find(
        &self,
        abouts: &[About],
    ) -> Result<Vec<Option<(SecretValue, SystemTime)>>, RegistryError> {
        if self.is_broken {
            return Err(RegistryError::Randomness);
        }
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
