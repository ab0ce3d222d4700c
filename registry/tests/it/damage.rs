//! One file at a time is not what it was: a byte is changed, the end is missing, the file is gone or
//! another one.
//!
//! Every secret then reads as what it is, or as an error that names a file; never as another value, never
//! as not found, never as the value of a wider scope. What is in other places stays readable, and a
//! look at the whole store tells.

use std::collections::BTreeMap;
use std::fmt::Debug;

use subrosa_registry::{Actor, LookupError, Names, Registry, RegistryError};

use crate::model::ModelFiles;
use crate::support::{
    address, admin, create, model_of, prepared, registry, registry_unanchored, resolve, set,
    text_of,
};

/// Files by their paths.
pub(crate) type Contents = BTreeMap<String, Vec<u8>>;

pub(crate) const REFERENCES: [&str; 5] = ["db", "off", "token", "later", "absent"];
const SCOPES: [&str; 3] = ["", "pay", "pay/prod"];

/// Makes a store that has something of everything, and in which every byte counts.
pub(crate) fn small(names: Names) -> Contents {
    prepared(|registry| {
        create(registry, names).unwrap();
        fill(registry, "");
        admin(registry).rotate_key(Some(names)).unwrap();
        registry.tidy(&Actor::default()).unwrap();
    })
}

pub(crate) fn fill(registry: &Registry, suffix: &str) {
    for (at, value) in [
        ("db", "the first"),
        ("db", "the second"),
        ("db@pay", "of pay"),
        ("db@pay/prod", "of pay in prod"),
        ("db@/prod", "of prod"),
        ("off", "of everybody"),
        ("off@pay", "of nobody"),
        ("token", "a token"),
        ("later", "of everybody, too"),
    ] {
        set(registry, at, &format!("{value}{suffix}")).unwrap();
    }
    admin(registry).disable(&address("off@pay")).unwrap();
    if admin(registry).info(&address("later@pay")).is_err() {
        admin(registry).declare(&address("later@pay")).unwrap();
    }
}

/// What a run gets: a value and those to be masked, or why not.
pub(crate) type Seen = Result<(String, Vec<String>), LookupError>;

/// What runs of all scopes get.
pub(crate) fn seen(registry: &Registry) -> Vec<Result<Vec<Seen>, RegistryError>> {
    let scopes = SCOPES.iter().map(|scope| resolve(registry, scope, &REFERENCES));
    let results = |answer: subrosa_registry::Answer| {
        let results = answer.results.into_iter();
        results
            .map(|result| {
                result.map(|found| {
                    (text_of(&found.value), found.retired.iter().map(text_of).collect())
                })
            })
            .collect()
    };
    scopes.map(|answer| answer.map(results)).collect()
}

/// What is right, and how many refs are not read as that.
pub(crate) struct Judge {
    right: Vec<Vec<Seen>>,
}

impl Judge {
    pub(crate) fn of(contents: &Contents) -> Judge {
        let right = seen(&registry(&model_of(contents)));
        Judge { right: right.into_iter().map(Result::unwrap).collect() }
    }

    /// Every answer is right, or an error that names a file. Gives how many are wrong.
    pub(crate) fn judge(&self, registry: &Registry, context: &dyn Debug) -> usize {
        let mut wrong = 0;
        for (found, right) in seen(registry).into_iter().zip(&self.right) {
            match found {
                Ok(found) => {
                    for (found, right) in found.iter().zip(right) {
                        if found != right {
                            let named = matches!(found, Err(LookupError::Damaged { file, .. })
                                if file.contains("model:"));
                            assert!(named, "{found:?} instead of {right:?} after {context:?}");
                            wrong += 1;
                        }
                    }
                }
                Err(error) => {
                    check_named(&error, context);
                    wrong += right.len();
                }
            }
        }
        wrong
    }

    fn all(&self) -> usize {
        self.right.iter().map(Vec::len).sum()
    }
}

/// An error is one of those that tell of damage, and names the file.
fn check_named(error: &RegistryError, context: &dyn Debug) {
    let is_damage = matches!(
        error,
        RegistryError::Damaged { .. }
            | RegistryError::Missing { .. }
            | RegistryError::TooNew { .. }
            | RegistryError::Key(_)
            | RegistryError::File(_)
    );
    // Which generation was found and which was expected says it for the store as a whole.
    let is_rollback = matches!(error, RegistryError::RolledBack { .. });
    let is_named = is_damage && error.to_string().contains("model:");
    assert!(is_named || is_rollback, "{error:?} after {context:?}");
}

/// Whether a look at the whole store says that something is wrong.
fn is_reported(files: &ModelFiles) -> bool {
    let registry = registry(files);
    let is_whole = registry.check().findings.is_empty()
        && registry.verify_audit().is_ok_and(|report| report.problems.is_empty());
    !is_whole
}

/// Changes one file in many ways, and judges each.
fn check_changed(
    contents: &Contents,
    path: &str,
    changes: impl Iterator<Item = (String, Vec<u8>)>,
) {
    let judge = Judge::of(contents);
    for (how, bytes) in changes {
        let mut changed = contents.clone();
        changed.insert(path.to_owned(), bytes);
        let files = model_of(&changed);
        let tells = !is_unproven(path);
        assert!(!tells || is_reported(&files), "nobody tells of {how} in {path}");
        let is_one_byte = how.starts_with("0x");
        let wrong = judge.judge(&registry(&files), &(how, path));
        if is_one_byte && path.starts_with("secrets/idx") {
            assert!(wrong < judge.all(), "one place spoils all");
        }
    }
}

/// What may be changed unnoticed: nothing is read from a lock, the root before an exchanged key is of no
/// use to anybody, times of use are not proven, and an anchor that is damaged notices nothing.
fn is_unproven(path: &str) -> bool {
    let convenience = ["lock", "root.prev", "used"];
    path.starts_with("anchors/") || convenience.iter().any(|end| path.ends_with(end))
}

fn check_bytes(names: Names, bytes: fn(usize, u8) -> Vec<u8>) {
    let contents = small(names);
    for (path, content) in &contents {
        // The log is long, its lines are alike, and no value is in them.
        let step = if path.ends_with("audit.log") { 7 } else { 1 };
        let changes = (0..content.len()).step_by(step).flat_map(|at| {
            bytes(at, content[at]).into_iter().filter(move |byte| *byte != content[at]).map(
                move |byte| {
                    let mut changed = content.clone();
                    changed[at] = byte;
                    (format!("{byte:#04x} at {at}"), changed)
                },
            )
        });
        check_changed(&contents, path, changes);
    }
}

#[test]
fn no_bit_of_a_store_is_trusted() {
    check_bytes(Names::Open, |at, byte| vec![byte ^ (1 << (at % 8))]);
}

#[test]
fn no_bit_of_a_store_with_hidden_names_is_trusted() {
    check_bytes(Names::Sealed, |at, byte| vec![byte ^ (1 << (at % 8))]);
}

#[test]
fn no_byte_that_was_cleared_is_trusted() {
    check_bytes(Names::Open, |at, _| if at % 2 == 0 { vec![0] } else { vec![0xff] });
}

#[test]
fn no_byte_that_was_cleared_is_trusted_where_names_are_hidden() {
    check_bytes(Names::Sealed, |at, _| if at % 2 == 0 { vec![0xff] } else { vec![0] });
}

#[test]
fn no_file_that_was_cut_is_trusted() {
    let contents = small(Names::Open);
    for (path, content) in &contents {
        // What is cut off the log at the end of a line is seen by the anchor and the root alone.
        let step = if path.ends_with("audit.log") { 7 } else { 1 };
        let cuts = (0..content.len()).step_by(step);
        let cuts = cuts.map(|len| (format!("{len} bytes"), content[..len].to_vec()));
        check_changed(&contents, path, cuts);
    }
}

#[test]
fn no_file_that_was_exchanged_is_trusted() {
    for names in [Names::Open, Names::Sealed] {
        let contents = small(names);
        for path in contents.keys() {
            let others = contents.iter().filter(|(other, _)| *other != path);
            let others = others.filter(|(_, bytes)| **bytes != contents[path]);
            let changes =
                others.map(|(other, bytes)| (format!("the content of {other}"), bytes.clone()));
            check_changed(&contents, path, changes);
        }
    }
}

#[test]
fn no_file_is_missed_in_silence() {
    let contents = small(Names::Open);
    let judge = Judge::of(&contents);
    for path in contents.keys() {
        let mut changed = contents.clone();
        let content = changed.remove(path).unwrap();
        let tells = !is_unproven(path);
        assert!(!tells || is_reported(&model_of(&changed)), "nobody misses {path}");
        judge.judge(&registry(&model_of(&changed)), path);
        changed.insert(format!("{path}-renamed"), content);
        assert!(!tells || is_reported(&model_of(&changed)), "nobody misses {path}");
        judge.judge(&registry(&model_of(&changed)), path);
    }
}

#[test]
fn a_root_before_this_one_that_is_damaged_is_told() {
    let mut contents = small(Names::Open);
    let files = model_of(&contents);
    set(&registry(&files), "token", "another").unwrap();
    contents = files.snapshot();
    let path = "secrets/root.prev";
    assert!(!is_reported(&model_of(&contents)));
    let root = contents[path].clone();
    let text = String::from_utf8(root.clone()).unwrap();
    // It may well need a key that is gone; nobody knows which one.
    let key = text.find("\"key\":\"").unwrap() + 7;
    for at in (0..root.len()).filter(|at| !(key..key + 16).contains(at)) {
        let mut changed = contents.clone();
        changed.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
        assert!(is_reported(&model_of(&changed)), "bit {} of byte {at}", at % 8);
    }
}

#[test]
fn an_anchor_that_is_damaged_costs_only_itself() {
    let contents = small(Names::Open);
    let judge = Judge::of(&contents);
    assert_eq!(judge.judge(&registry_unanchored(&model_of(&contents)), &"no anchor"), 0);
}
