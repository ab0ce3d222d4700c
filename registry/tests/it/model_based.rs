//! Random operations of several processes, against a plain map.
//!
//! The oracle knows nothing of files, keys or leaves: for each address a list of versions with their
//! dates, and the rule of scopes written down once more, the other way round.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use subrosa_registry::{
    Address, Expiry, Finding, LookupError, Names, Registry, RegistryError, SetOptions,
};

use crate::model::ModelFiles;
use crate::support::{
    START_S, address, admin, create, registry, resolve_one, secret, set_now_s, text_of,
};

const REFERENCES: [&str; 3] = ["a", "b/c", "d"];
const SCOPES: [&str; 6] = ["", "pay", "other", "/prod", "pay/prod", "pay/dev"];
const KEEP: usize = 10;

#[derive(Clone, Debug)]
enum Step {
    Set { at: usize, len: usize, overlap_s: Option<u64>, expiry: Option<Option<i64>> },
    Rotate { at: usize, len: usize },
    Remove(usize),
    Enable(usize),
    Disable(usize),
    Declare(usize),
    Prune { at: usize, keep: u32 },
    Rollback { at: usize, back: u64 },
    Move { from: usize, to: usize },
    Copy { from: usize, to: usize },
    Expire { at: usize, in_s: Option<i64> },
    RotateKey { sealed: bool },
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..REFERENCES.len() * SCOPES.len();
    let moment = || prop::option::of(-50_i64..200);
    let len = || prop_oneof![4 => 1_usize..80, 1 => 1_usize..=65_536];
    prop_oneof![
        6 => (at(), len(), prop::option::of(0_u64..100), prop::option::of(moment()))
            .prop_map(|(at, len, overlap_s, expiry)| Step::Set { at, len, overlap_s, expiry }),
        2 => (at(), len()).prop_map(|(at, len)| Step::Rotate { at, len }),
        1 => at().prop_map(Step::Remove),
        1 => at().prop_map(Step::Enable),
        2 => at().prop_map(Step::Disable),
        1 => at().prop_map(Step::Declare),
        1 => (at(), 0_u32..4).prop_map(|(at, keep)| Step::Prune { at, keep }),
        1 => (at(), 0_u64..4).prop_map(|(at, back)| Step::Rollback { at, back }),
        1 => (at(), at()).prop_map(|(from, to)| Step::Move { from, to }),
        1 => (at(), at()).prop_map(|(from, to)| Step::Copy { from, to }),
        1 => (at(), moment()).prop_map(|(at, in_s)| Step::Expire { at, in_s }),
        1 => any::<bool>().prop_map(|sealed| Step::RotateKey { sealed }),
        2 => (-100_i64..100).prop_map(Step::Wait),
    ]
}

fn address_of(at: usize) -> Address {
    let (reference, scope) = (at % REFERENCES.len(), at / REFERENCES.len());
    address(&format!("{}@{}", REFERENCES[reference], SCOPES[scope]))
}

#[derive(Clone, Debug)]
struct Kept {
    n: u64,
    value: String,
    until_s: Option<u64>,
}

/// One secret as the oracle knows it.
#[derive(Clone, Debug, Default)]
struct Known {
    is_disabled: bool,
    expires_s: Option<u64>,
    keep: Option<usize>,
    versions: Vec<Kept>,
}

#[derive(Default)]
struct Oracle {
    now_s: u64,
    secrets: BTreeMap<Address, Known>,
    /// The highest numbers ever given.
    last: BTreeMap<Address, u64>,
    written: usize,
}

impl Oracle {
    fn moment(&self, in_s: i64) -> u64 {
        self.now_s.saturating_add_signed(in_s)
    }

    fn give(&mut self, at: &Address) -> u64 {
        let last = self.last.entry(at.clone()).or_default();
        *last += 1;
        *last
    }

    fn value(&mut self, len: usize) -> String {
        self.written += 1;
        let start = self.written.to_string();
        format!("{start}{}", "x".repeat(len.saturating_sub(start.len())))
    }

    fn add(&mut self, at: &Address, value: String) {
        let n = self.give(at);
        let now_s = self.now_s;
        let known = self.secrets.entry(at.clone()).or_default();
        known.versions.push(Kept { n, value, until_s: None });
        known.prune(known.keep.unwrap_or(KEEP), now_s);
    }

    /// What a run in a scope gets: the nearest secret decides.
    fn resolve(&self, scope: &str, reference: &str) -> Result<(String, Vec<String>), String> {
        let (workspace, environment) = scope.split_once('/').unwrap_or((scope, ""));
        // From the widest to the nearest; the last one found wins.
        let mut found = None;
        for environment in if environment.is_empty() { vec![""] } else { vec!["", environment] } {
            for workspace in if workspace.is_empty() { vec![""] } else { vec!["", workspace] } {
                let at = address(&format!("{reference}@{workspace}/{environment}"));
                found = self.secrets.get(&at).or(found);
            }
        }
        let known = found.ok_or("not found")?;
        let Some((current, former)) = known.versions.split_last() else {
            return Err(if known.is_disabled { "disabled" } else { "no value" }.into());
        };
        if known.is_disabled {
            return Err("disabled".into());
        }
        if known.expires_s.is_some_and(|at| at <= self.now_s) {
            return Err("expired".into());
        }
        let in_use = former.iter().filter(|kept| kept.until_s.is_some_and(|at| at > self.now_s));
        Ok((current.value.clone(), in_use.map(|kept| kept.value.clone()).collect()))
    }
}

impl Known {
    fn prune(&mut self, keep: usize, now_s: u64) {
        let first_kept = self.versions.len().saturating_sub(keep.max(1));
        let mut position = 0;
        self.versions.retain(|kept| {
            position += 1;
            position > first_kept || kept.until_s.is_some_and(|until| until > now_s)
        });
    }
}

/// Does a step on both, and compares whether it was done.
fn take(registry: &Registry, oracle: &mut Oracle, step: &Step) {
    let by = admin(registry);
    match *step {
        Step::Set { at, len, overlap_s, expiry } => {
            let (at, value) = (address_of(at), oracle.value(len));
            let expiry = expiry.map(|in_s| in_s.map(|in_s| oracle.moment(in_s)));
            let options = SetOptions {
                overlap: overlap_s.map(Duration::from_secs),
                expiry: expiry.map(expiry_of),
                ..SetOptions::default()
            };
            let written = by.set(&at, &secret(&value), &options).unwrap();
            let now_s = oracle.now_s;
            if let Some(known) = oracle.secrets.get_mut(&at)
                && let Some(former) = known.versions.last_mut()
            {
                former.until_s = overlap_s.map(|overlap| now_s + overlap);
            }
            oracle.add(&at, value);
            oracle.secrets.get_mut(&at).unwrap().expires_s = expiry.flatten();
            assert_eq!(written.version, oracle.last[&at]);
        }
        Step::Rotate { at, len } => {
            let (at, value) = (address_of(at), oracle.value(len));
            let result = by.rotate(&at, &secret(&value), &SetOptions::default());
            assert_eq!(result.is_ok(), oracle.secrets.contains_key(&at));
            if result.is_ok() {
                let known = oracle.secrets.get_mut(&at).unwrap();
                known.expires_s = None;
                known.versions.last_mut().into_iter().for_each(|former| former.until_s = None);
                oracle.add(&at, value);
            }
        }
        Step::Wait(in_s) => {
            oracle.now_s = oracle.moment(in_s);
            set_now_s(oracle.now_s);
        }
        Step::RotateKey { sealed } => {
            let names = if sealed { Names::Sealed } else { Names::Open };
            by.rotate_key(Some(names)).unwrap();
        }
        _ => take_more(registry, oracle, step),
    }
}

fn take_more(registry: &Registry, oracle: &mut Oracle, step: &Step) {
    let by = admin(registry);
    match *step {
        Step::Remove(at) => {
            let at = address_of(at);
            assert_eq!(by.remove(&at).is_ok(), oracle.secrets.remove(&at).is_some());
        }
        Step::Enable(at) | Step::Disable(at) => {
            let (at, is_disabled) = (address_of(at), matches!(step, Step::Disable(_)));
            let done = if is_disabled { by.disable(&at) } else { by.enable(&at) };
            let known = oracle.secrets.get_mut(&at);
            let differs = known
                .map(|known| std::mem::replace(&mut known.is_disabled, is_disabled) != is_disabled);
            assert_eq!(done.ok(), differs);
        }
        Step::Declare(at) => {
            let at = address_of(at);
            assert_eq!(by.declare(&at).is_err(), oracle.secrets.contains_key(&at));
            oracle.secrets.entry(at).or_default();
        }
        Step::Prune { at, keep } => {
            let at = address_of(at);
            let now_s = oracle.now_s;
            let gone = oracle.secrets.get_mut(&at).map(|known| {
                let before = known.versions.len();
                known.keep = Some((keep as usize).max(1));
                known.prune(keep as usize, now_s);
                before - known.versions.len()
            });
            assert_eq!(by.prune(&at, keep).ok(), gone);
        }
        Step::Expire { at, in_s } => {
            let at = address_of(at);
            let moment = in_s.map(|in_s| oracle.moment(in_s));
            let known = oracle.secrets.get_mut(&at);
            assert_eq!(by.expire(&at, expiry_of(moment)).is_ok(), known.is_some());
            known.into_iter().for_each(|known| known.expires_s = moment);
        }
        Step::Rollback { at, back } => {
            let at = address_of(at);
            let to = oracle.last.get(&at).map_or(1, |last| last.saturating_sub(back));
            let kept = oracle.secrets.get(&at).and_then(|known| {
                known.versions.iter().find(|kept| kept.n == to).map(|kept| kept.value.clone())
            });
            assert_eq!(by.rollback(&at, Some(to)).is_ok(), kept.is_some());
            kept.into_iter().for_each(|value| oracle.add(&at, value));
        }
        Step::Move { from, to } | Step::Copy { from, to } => {
            let (from, to) = (address_of(from), address_of(to));
            let is_move = matches!(step, Step::Move { .. });
            let result = if is_move { by.move_to(&from, &to) } else { by.copy(&from, &to) };
            transfer(oracle, (&from, &to), is_move, &result);
        }
        Step::Set { .. } | Step::Rotate { .. } | Step::Wait(_) | Step::RotateKey { .. } => {}
    }
}

fn transfer(
    oracle: &mut Oracle,
    (from, to): (&Address, &Address),
    is_move: bool,
    result: &Result<(), RegistryError>,
) {
    let is_free = !oracle.secrets.contains_key(to);
    let source = oracle.secrets.get(from).filter(|_| is_free).cloned();
    assert_eq!(result.is_ok(), source.is_some(), "{result:?}");
    let Some(mut target) = source else { return };
    let used = oracle.last.get(to).copied().unwrap_or(0);
    if is_move {
        target.versions.iter_mut().for_each(|kept| kept.n += used);
        oracle.secrets.remove(from);
    } else {
        target.versions = target.versions.pop().into_iter().collect();
        target.versions.iter_mut().for_each(|kept| kept.n = used + 1);
    }
    let highest =
        if is_move { used + oracle.last.get(from).copied().unwrap_or(0) } else { used + 1 };
    if !target.versions.is_empty() {
        oracle.last.insert(to.clone(), highest);
    }
    oracle.secrets.insert(to.clone(), target);
}

fn expiry_of(moment_s: Option<u64>) -> Expiry {
    moment_s.map_or(Expiry::Never, |at| Expiry::At(UNIX_EPOCH + Duration::from_secs(at)))
}

/// What runs get, and what is listed, is what the oracle says.
fn compare(registry: &Registry, oracle: &Oracle) {
    let known = admin(registry).environments().unwrap();
    for scope in SCOPES.into_iter().chain(["other/prod", "unknown"]) {
        let environment = scope.split_once('/').map_or("", |(_, name)| name);
        if !environment.is_empty() && known.iter().all(|it| it.name.as_str() != environment) {
            let refused = resolve_one(registry, scope, "a").err();
            assert!(matches!(refused, Some(RegistryError::UnknownEnvironment { .. })));
            continue;
        }
        for reference in REFERENCES.into_iter().chain(["absent"]) {
            let found = resolve_one(registry, scope, reference).unwrap();
            let found = match found {
                Ok(found) => {
                    Ok((text_of(&found.value), found.retired.iter().map(text_of).collect()))
                }
                Err(LookupError::NotFound) => Err("not found".to_owned()),
                Err(LookupError::Disabled(_)) => Err("disabled".to_owned()),
                Err(LookupError::NoValue(_)) => Err("no value".to_owned()),
                Err(LookupError::Expired { .. }) => Err("expired".to_owned()),
                Err(damaged @ LookupError::Damaged { .. }) => panic!("{damaged}"),
            };
            assert!(found == oracle.resolve(scope, reference), "{reference} in `{scope}`");
        }
    }
    let listed: Vec<(Address, Vec<u64>)> = admin(registry)
        .list()
        .unwrap()
        .into_iter()
        .map(|info| (info.address, info.versions.iter().map(|version| version.number).collect()))
        .collect();
    let expected = oracle
        .secrets
        .iter()
        .map(|(at, known)| (at.clone(), known.versions.iter().map(|kept| kept.n).collect()));
    assert_eq!(listed, expected.collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_registry_is_a_map_with_scopes_and_time(
        steps in prop::collection::vec((0_usize..3, step()), 1..40),
    ) {
        set_now_s(START_S);
        let files = ModelFiles::new();
        // Three processes that stay, so that what they remember gets old.
        let processes: Vec<Registry> =
            (0..3).map(|_| registry(&files.another_process())).collect();
        create(&processes[0], Names::Open).unwrap();
        let mut oracle = Oracle { now_s: START_S, ..Oracle::default() };
        for (process, step) in &steps {
            take(&processes[*process], &mut oracle, step);
        }
        for process in &processes {
            compare(process, &oracle);
        }
        compare(&registry(&files), &oracle);
        // On a model every file is old, and what was superseded is rubbish at once. Hiding names
        // removes the root before, which shows them.
        let findings = registry(&files).check().findings;
        let is_expected =
            |it: &Finding| matches!(it, Finding::Rubbish { .. } | Finding::NoPrevious { .. });
        prop_assert!(findings.iter().all(is_expected), "{findings:?}");
    }
}
