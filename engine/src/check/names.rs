//! Names and ids of steps: given, made, unique.

use std::collections::{HashMap, HashSet};

use crate::diagnostic::Diagnostic;
use crate::names::shown;
use crate::source::Span;
use crate::spec::{Notes, Steps};
use crate::workflow::Step;

/// Names unnamed steps (id, then `step-N` by place) and handlers (`on-failure`), and reports names and
/// ids that are there twice, also one step's id that is another's name.
pub(super) fn check(notes: &mut Notes, steps: &mut Steps) {
    let mut owners: HashMap<String, (usize, Span)> = HashMap::new();
    let mut taken: HashSet<String> = HashSet::new();
    let all = steps.steps.iter_mut().map(|draft| &mut draft.step);
    let all = all.chain(steps.handlers.iter_mut().map(|(_, step)| step));
    for (number, step) in all.enumerate() {
        for name in [Some(step.name.clone()), step.id.clone()].into_iter().flatten() {
            if !name.is_empty() {
                claim(notes, &mut owners, name, number, step.span);
            }
        }
    }
    taken.extend(owners.into_keys());
    for (number, draft) in steps.steps.iter_mut().enumerate() {
        let default = format!("step-{}", number + 1);
        name(&mut draft.step, default, &mut taken);
    }
    for (key, step) in &mut steps.handlers {
        name(step, format!("on-{key}"), &mut taken);
    }
}

fn claim(
    notes: &mut Notes,
    owners: &mut HashMap<String, (usize, Span)>,
    name: String,
    number: usize,
    span: Span,
) {
    match owners.get(&name) {
        None => {
            owners.insert(name, (number, span));
        }
        Some((owner, _)) if *owner == number => {}
        Some((_, first)) => notes.add(
            Diagnostic::error(
                "duplicate-step-name",
                format!("two steps are called {}", shown(&name)),
            )
            .at(start(span), "again here")
            .at(start(*first), "first here")
            .help("names and ids tell steps apart; rename one of them"),
        ),
    }
}

fn name(step: &mut Step, default: String, taken: &mut HashSet<String>) {
    if !step.name.is_empty() {
        return;
    }
    step.name = step.id.clone().unwrap_or_else(|| {
        let mut name = default;
        while taken.contains(&name) {
            name.push('_');
        }
        name
    });
    taken.insert(step.name.clone());
}

/// The place where a step begins: the whole of it is too much to underline.
pub(super) fn start(span: Span) -> Span {
    Span::new(span.start..span.start)
}
