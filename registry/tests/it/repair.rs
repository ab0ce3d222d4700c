//! Repairs, and the sweeping of what is superseded, cut off or refused at each of their calls: what could
//! be read before is never lost, and asking again succeeds.

use std::collections::BTreeMap;

use subrosa_registry::{Actor, Names, Registry, RegistryError};

use crate::crash::is_chosen;
use crate::model::for_every_fault;
use crate::operations::prepare;
use crate::support::{View, address, create, lay, model_of, prepared, registry, set};

type Contents = BTreeMap<String, Vec<u8>>;

/// Tries a repair with every fault. Until it is done the store is refused, or reads as it does afterwards.
fn check_repair(
    start: &Contents,
    repair: fn(&Registry) -> Result<(), RegistryError>,
    is_refused: fn(&RegistryError) -> bool,
) {
    let files = model_of(start);
    repair(&registry(&files)).unwrap();
    let repaired = View::of(&registry(&files)).unwrap();
    for_every_fault(
        |files| lay(files, start),
        |files| repair(&registry(files)).is_ok(),
        |files, is_acknowledged, injected| {
            if !is_chosen(injected) {
                return;
            }
            match View::of(&registry(files)) {
                Ok(view) => assert_eq!(view, repaired, "by {injected}"),
                Err(error) => {
                    assert!(is_refused(&error) && !is_acknowledged, "{error:?} by {injected}");
                    repair(&registry(files)).unwrap();
                    assert_eq!(View::of(&registry(files)).unwrap(), repaired, "by {injected}");
                }
            }
            set(&registry(files), "at-last", "value").unwrap();
            let view = View::of(&registry(files)).unwrap().without(&address("at-last"));
            assert_eq!(view, repaired, "by {injected}");
        },
    );
}

#[test]
fn going_back_to_the_root_before_is_all_or_nothing() {
    let mut start = prepared(prepare);
    start.get_mut("secrets/root").unwrap()[0] ^= 1;
    check_repair(
        &start,
        |registry| registry.restore_previous_root(&Actor::default()).map(drop),
        |error| matches!(error, RegistryError::Damaged { .. }),
    );
}

#[test]
fn accepting_an_older_store_is_all_or_nothing() {
    let older = prepared(prepare);
    let files = model_of(&older);
    set(&registry(&files), "db", "newer").unwrap();
    let mut start = files.snapshot();
    start.retain(|path, _| !path.starts_with("secrets/"));
    start.extend(older.into_iter().filter(|(path, _)| path.starts_with("secrets/")));
    check_repair(
        &start,
        |registry| registry.accept(&Actor::default()).map(drop),
        |error| matches!(error, RegistryError::RolledBack { .. }),
    );
}

#[test]
fn tidying_loses_nothing() {
    check_repair(
        &prepared(prepare),
        |registry| registry.tidy(&Actor::default()).map(drop),
        |_| false,
    );
}

#[test]
fn a_change_that_sweeps_is_all_or_nothing() {
    // The root has generation 63, and every 64th sweeps.
    let start = prepared(|registry| {
        create(registry, Names::Open).unwrap();
        for n in 0..62 {
            set(registry, ["db", "token", "db@pay"][n % 3], &format!("value {n}")).unwrap();
        }
    });
    let sweep = |registry: &Registry| set(registry, "swept", "value").map(drop);
    let view = |registry: &Registry| View::of(registry).unwrap().without(&address("swept"));
    let before = view(&registry(&model_of(&start)));
    let files = model_of(&start);
    let count = |contents: &Contents| contents.keys().filter(|path| path.contains("/idx/")).count();
    sweep(&registry(&files)).unwrap();
    assert!(count(&files.snapshot()) < count(&start), "it sweeps");
    for_every_fault(
        |files| lay(files, &start),
        |files| sweep(&registry(files)).is_ok(),
        |files, is_acknowledged, injected| {
            if !is_chosen(injected) {
                return;
            }
            let registry = registry(files);
            assert_eq!(view(&registry), before, "by {injected}");
            let found = View::of(&registry).unwrap().values.contains_key(&(address("swept"), 1));
            assert!(found || !is_acknowledged, "lost by {injected}");
            set(&registry, "swept", "next").unwrap();
            assert_eq!(view(&registry), before, "by {injected}");
        },
    );
}
