//! Writers that were stopped, and others that go on from there; writers that change a store under the
//! hands of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use subrosa_registry::{
    Actor, Finding, KeyError, KeyPlace, MasterKey, Names, Registry, RegistryError, Slot, StoreId,
};

use crate::crash::{check_log, is_chosen};
use crate::model::{Fault, ModelFiles, Plan, for_every_fault};
use crate::operations::{Operation, operations, prepare};
use crate::support::{
    Below, View, address, admin, create, key_file, lay, model_of, prepared, registry,
    registry_interrupted, registry_with, resolve_one, set, text_of,
};

/// Has one process do something, and others go on after it, whatever became of it: the same process if
/// it lives, then another one.
fn check_continued(
    setup: impl Fn(&ModelFiles),
    first: impl Fn(&Registry) -> Result<(), RegistryError>,
    judge: impl Fn(&Registry, bool, &str),
) {
    let begin = |registry: &Registry, at: &str| {
        create(registry, Names::Open).and_then(|()| set(registry, at, "value"))
    };
    for_every_fault(
        setup,
        |files| {
            let one = registry(files);
            let first = first(&one).is_ok();
            let same = begin(&one, "same").is_ok();
            let other = begin(&registry(&files.another_process()), "other").is_ok();
            (first, same, other)
        },
        |files, (first, same, other), injected| {
            if !is_chosen(injected) {
                return;
            }
            let registry = registry(files);
            for (is_acknowledged, reference) in [(same, "same"), (other, "other")] {
                if *is_acknowledged {
                    let found = resolve_one(&registry, "", reference).unwrap().unwrap();
                    assert_eq!(text_of(&found.value), "value", "{reference} after {injected}");
                }
            }
            judge(&registry, *first, injected);
            create(&registry, Names::Open).unwrap();
            set(&registry, "at-last", "value").unwrap();
            check_log(&registry, injected);
        },
    );
}

#[test]
fn making_a_store_is_finished_by_the_next_writer() {
    check_continued(
        |_| {},
        |registry| {
            create(registry, Names::Open).and_then(|()| set(registry, "db", "value").map(drop))
        },
        |registry, is_acknowledged, injected| {
            if is_acknowledged {
                let found = resolve_one(registry, "", "db").unwrap().unwrap();
                assert_eq!(text_of(&found.value), "value", "after {injected}");
            }
        },
    );
}

/// The view but for what the others wrote.
fn without_others(registry: &Registry) -> View {
    let view = View::of(registry).unwrap();
    view.without(&address("same")).without(&address("other"))
}

fn check_operation_continued(name: &str) {
    let operation = operations().into_iter().find(|operation| operation.name == name).unwrap();
    let small = |registry: &Registry| {
        create(registry, Names::Open).unwrap();
        set(registry, "db", "first").unwrap();
    };
    let start = prepared(small);
    let look = |acts: bool| {
        let registry = registry(&model_of(&start));
        if acts {
            (operation.act)(&registry).unwrap();
        }
        without_others(&registry)
    };
    let (before, after) = (look(false), look(true));
    check_continued(
        |files| lay(files, &start),
        |registry| (operation.act)(registry),
        |registry, is_acknowledged, injected| {
            let view = without_others(registry);
            assert!(view == after || (view == before && !is_acknowledged), "{injected}: {view:?}");
        },
    );
}

#[test]
fn a_value_that_was_being_set_is_in_nobodys_way() {
    check_operation_continued("set again");
}

#[test]
fn exchanging_the_key_is_finished_by_the_next_writer() {
    check_operation_continued("rotate the key");
}

/// Stores on which exchanging the key was stopped after the new key came into use.
fn half_rotated() -> Vec<ModelFiles> {
    let start = prepared(prepare);
    let mut found = Vec::new();
    for index in 0.. {
        let files = model_of(&start);
        files.arm(Some(Plan::Once(index, Fault::StopBefore)));
        if admin(&registry(&files)).rotate_key(None).is_ok() {
            break;
        }
        let files = files.another_process();
        let findings = registry(&files).check().findings;
        if findings
            .iter()
            .any(|finding| matches!(finding, Finding::HalfRotated { is_in_use: true }))
        {
            found.push(files);
        }
    }
    assert!(found.len() > 3, "a rotation can be stopped in between");
    found
}

#[test]
fn whoever_has_read_with_the_next_key_finishes_the_exchange_as_well() {
    let finishers: [fn(&Registry); 3] = [
        |registry| assert!(registry.tidy(&Actor::default()).is_ok()),
        |registry| assert!(set(registry, "new", "value").is_ok()),
        |registry| assert!(admin(registry).rotate_key(None).is_ok()),
    ];
    for finish in finishers {
        for files in half_rotated() {
            let one = registry(&files);
            let view = View::of(&one).unwrap();
            finish(&one);
            let other = registry(&files);
            assert_eq!(View::of(&other).unwrap().without(&address("new")), view);
            assert!(
                !other.check().findings.iter().any(|it| matches!(it, Finding::HalfRotated { .. }))
            );
        }
    }
}

/// A place in which the next key becomes the current one right after the current one was looked at.
struct PromotedMeanwhile {
    place: Arc<dyn KeyPlace>,
    is_promoted: AtomicBool,
}

impl KeyPlace for PromotedMeanwhile {
    fn describe(&self) -> String {
        self.place.describe()
    }

    fn load(&self, store: &StoreId, slot: Slot) -> Result<Option<MasterKey>, KeyError> {
        let found = self.place.load(store, slot);
        if !self.is_promoted.swap(true, Ordering::Relaxed) {
            self.place.promote(store)?;
        }
        found
    }

    fn keep(&self, store: &StoreId, slot: Slot, key: &MasterKey) -> Result<(), KeyError> {
        self.place.keep(store, slot, key)
    }

    fn promote(&self, store: &StoreId) -> Result<(), KeyError> {
        self.place.promote(store)
    }

    fn forget(&self, store: &StoreId, slot: Slot) -> Result<(), KeyError> {
        self.place.forget(store, slot)
    }
}

#[test]
fn a_reader_does_not_mind_that_the_next_key_becomes_the_current_one() {
    for files in half_rotated() {
        let place = key_file(Arc::new(Below::new(files.clone(), "keys")));
        let place = Arc::new(PromotedMeanwhile { place, is_promoted: AtomicBool::new(false) });
        let registry = registry_with(Arc::new(Below::new(files, "secrets")), place, None);
        let found = resolve_one(&registry, "pay", "db").unwrap().unwrap();
        assert_eq!(text_of(&found.value), "of pay");
    }
}

/// What an operation said, and what is to be seen afterwards.
fn outcome(files: &ModelFiles, result: &Result<(), RegistryError>) -> (String, View) {
    (format!("{result:?}"), View::of(&registry(files)).unwrap())
}

#[test]
fn a_change_under_the_hands_of_another_is_as_one_after_the_other() {
    let start = prepared(prepare);
    let others = operations();
    let others: Vec<&Operation> = others.iter().filter(|other| other.name != "import").collect();
    for operation in operations() {
        for other in &others {
            let files = model_of(&start);
            let (meanwhile, act) = (files.another_process(), other.act);
            let incident = Box::new(move || act(&registry(&meanwhile)).unwrap());
            let result = (operation.act)(&registry_interrupted(&files, incident));
            let together = outcome(&files, &result);
            let files = model_of(&start);
            (other.act)(&registry(&files)).unwrap();
            let apart = outcome(&files, &(operation.act)(&registry(&files)));
            assert_eq!(together, apart, "{}, meanwhile {}", operation.name, other.name);
        }
    }
}

#[test]
fn an_environment_that_is_used_meanwhile_is_not_removed() {
    let files = model_of(&prepared(prepare));
    let name = address("x@/dev").scope.environment.unwrap();
    set(&registry(&files), "x@/dev", "value").unwrap();
    admin(&registry(&files)).remove(&address("x@/dev")).unwrap();
    let meanwhile = files.another_process();
    let incident = Box::new(move || assert!(set(&registry(&meanwhile), "y@/dev", "value").is_ok()));
    let result = admin(&registry_interrupted(&files, incident)).remove_environment(&name);
    assert!(matches!(result, Err(RegistryError::Exists(at)) if at == address("y@/dev")));
    let found = resolve_one(&registry(&files), "/dev", "y").unwrap().unwrap();
    assert_eq!(text_of(&found.value), "value");
}

#[test]
fn a_change_whose_file_was_swept_away_meanwhile_is_made_again() {
    let files = model_of(&prepared(prepare));
    let view = View::of(&registry(&files)).unwrap();
    let meanwhile = files.another_process();
    // On a model every file is old, as after a night.
    let incident = Box::new(move || {
        assert!(registry(&meanwhile).tidy(&Actor::default()).unwrap().removed > 0)
    });
    set(&registry_interrupted(&files, incident), "new", "value").unwrap();
    let found = View::of(&registry(&files)).unwrap();
    assert_eq!(found.values[&(address("new"), 1)], "value");
    assert_eq!(found.without(&address("new")), view);
}
