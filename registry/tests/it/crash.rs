//! Every write operation, cut off or refused at each of its calls.
//!
//! Whatever happens: the store opens, what was acknowledged is there, what was not is entirely there or
//! entirely not, everything else is as it was, the next change works and takes a number that was never
//! given, a check finds nothing but what tidying removes, and the audit log holds.
//!
//! Stops, errors and lasting errors are tried at every call, each followed by a kill and by the plainest
//! power cuts. Of the other power cuts, which are some hundreds for each stop, one in [`SAMPLE`] is
//! judged, the same ones in every run.

use std::collections::BTreeMap;

use subrosa_registry::{Action, Actor, Filter, Finding, Outcome, Registry, Unanchored, Why};

use crate::model::{ModelFiles, for_every_fault};
use crate::operations::{Operation, operations, prepare};
use crate::support::{View, address, lay, model_of, prepared, registry as open, set};

const SAMPLE: u64 = 48;

/// What is true before and after an operation.
struct Expected {
    before: View,
    after: View,
    /// The version that the next value of `db` gets.
    next: (u64, u64),
    lines_before: usize,
}

impl Expected {
    fn of(start: &BTreeMap<String, Vec<u8>>, operation: &Operation) -> Expected {
        let look = |acts: bool| {
            let files = model_of(start);
            let registry = open(&files);
            if acts {
                (operation.act)(&registry).unwrap();
            }
            let view = View::of(&registry).unwrap();
            (
                view,
                lines(&registry, operation.lines.0),
                set(&registry, "db", "next").unwrap().version,
            )
        };
        let (before, lines_before, next_before) = look(false);
        let (after, lines_after, next_after) = look(true);
        assert_ne!(
            (&before, lines_before),
            (&after, lines_after),
            "{} does something",
            operation.name
        );
        Expected { before, after, next: (next_before, next_after), lines_before }
    }
}

/// How many lines of an action that was done the audit log has.
pub(crate) fn lines(registry: &Registry, action: Action) -> usize {
    let filter = Filter { action: Some(action), outcome: Some(Outcome::Ok), ..Filter::default() };
    let mut count = 0;
    registry.each_event(filter, |event| count += usize::from(event.is_ok())).unwrap();
    count
}

/// The same part of all power cuts in every run.
pub(crate) fn is_chosen(injected: &str) -> bool {
    let plain = ["Kill", "names: None, content: Lost", "names: All, content: Lost"];
    let hash = injected.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    plain.iter().any(|plain| injected.contains(plain)) || (hash >> 32).is_multiple_of(SAMPLE)
}

fn check_operation(operation: &Operation) {
    let start = prepared(prepare);
    let expected = Expected::of(&start, operation);
    for_every_fault(
        |files| lay(files, &start),
        |files| (operation.act)(&open(files)),
        |files, result, injected| {
            if is_chosen(injected) {
                judge(files, operation, &expected, result.is_ok(), injected);
            }
        },
    );
}

fn judge(
    files: &ModelFiles,
    operation: &Operation,
    expected: &Expected,
    is_acknowledged: bool,
    injected: &str,
) {
    let context = format!("{} by {injected}", operation.name);
    let registry = &open(files);
    check_findings(registry, &context);
    check_log(registry, &context);
    let view = View::of(registry).unwrap_or_else(|error| panic!("{error:?} in {context}"));
    let is_new = view == expected.after;
    if !is_new {
        assert_eq!(view, expected.before, "half of {context}");
    }
    assert!(is_new || !is_acknowledged, "lost {context}");
    if is_acknowledged {
        let found = lines(registry, operation.lines.0);
        assert!(found >= expected.lines_before + operation.lines.1, "unrecorded {context}");
    }
    let tidied = open(files).tidy(&Actor::default());
    assert!(tidied.is_ok(), "{tidied:?} in {context}");
    assert_eq!(View::of(registry).unwrap(), view, "tidying changed {context}");
    // Who still knows the former key keeps what it opens.
    let clean = open(files).check().findings;
    let rest = |finding: &Finding| {
        matches!(finding, Finding::NoPrevious { .. } | Finding::Anchor(Unanchored::Behind { .. }))
    };
    assert!(clean.iter().all(rest), "{clean:?} after tidying {context}");
    let next = set(registry, "db", "next").unwrap_or_else(|error| panic!("{error:?} in {context}"));
    let (before, after) = expected.next;
    // Where nothing tells the two states apart, either number was never given.
    let wanted = if is_new { after } else { before };
    assert_eq!(next.version, wanted, "the next one after {context}");
    let kept = View::of(registry).unwrap().without(&address("db"));
    assert_eq!(kept, view.without(&address("db")), "the next one changed {context}");
}

pub(crate) fn check_findings(registry: &Registry, context: &str) {
    let report = registry.check();
    for finding in &report.findings {
        let is_harmless = matches!(
            finding,
            Finding::Rubbish { .. }
                | Finding::HalfRotated { .. }
                | Finding::NoPrevious { .. }
                // It is not synced: an older one notices less.
                | Finding::Anchor(_)
        );
        assert!(is_harmless, "{finding:?} in {context}");
    }
}

/// Whatever was never acknowledged may be torn, or anything after a power cut.
pub(crate) fn check_log(registry: &Registry, context: &str) {
    let report = registry.verify_audit().unwrap();
    let may_be_anything = ["Zeros", "Garbage", "Random"].iter().any(|how| context.contains(how));
    for problem in &report.problems {
        let is_expected = match problem.why {
            Why::Torn => true,
            Why::Shape | Why::Chain | Why::Restart => may_be_anything,
            _ => false,
        };
        assert!(is_expected, "{problem:?} in {context}");
    }
}

macro_rules! each_operation {
    ($($name:ident: $from:literal..$to:literal,)*) => {$(
        #[test]
        fn $name() {
            for operation in &operations()[$from..$to] {
                check_operation(operation);
            }
        }
    )*};
}

// One test for each few, so that they run side by side.
each_operation! {
    setting_is_all_or_nothing: 0..4,
    importing_is_all_or_nothing: 4..5,
    changing_the_state_of_a_secret_is_all_or_nothing: 5..9,
    changing_what_is_said_of_a_secret_is_all_or_nothing: 9..13,
    moving_and_copying_is_all_or_nothing: 13..15,
    changing_environments_is_all_or_nothing: 15..17,
    exchanging_the_key_is_all_or_nothing: 17..18,
    sealing_names_is_all_or_nothing: 18..19,
    changing_a_connection_is_all_or_nothing: 19..21,
    exchanging_tokens_is_all_or_nothing: 21..23,
    moving_a_connection_is_all_or_nothing: 23..25,
}
