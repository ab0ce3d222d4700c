//! Dependencies as indices, and that they lead nowhere in circles.

use std::collections::{BTreeSet, HashMap};

use crate::diagnostic::Diagnostic;
use crate::names::{closest, shown};
use crate::spec::{Notes, StepDraft};
use crate::workflow::{Step, Text};

use super::names::start;

/// Two nested lists of a thousand steps, one after the other, come to as many.
const EDGES_MAX: usize = 1_000_000;
/// Names of a cycle that a message shows.
const CYCLE_SHOWN_MAX: usize = 12;

/// Resolves what steps depend on.
pub(super) fn connect(notes: &mut Notes, drafts: Vec<StepDraft>, chain: bool) -> Vec<Step> {
    let mut indices: HashMap<&str, usize> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        indices.entry(&draft.step.name).or_insert(index);
        if let Some(id) = &draft.step.id {
            indices.entry(id).or_insert(index);
        }
    }
    let mut edges = 0;
    let mut depends: Vec<Vec<usize>> = Vec::with_capacity(drafts.len());
    // The groups before the current one: a chain goes from group to group.
    let (mut previous, mut current, mut group) = (0..0, 0..0, usize::MAX);
    for (index, draft) in drafts.iter().enumerate() {
        if draft.group != group {
            (previous, current, group) = (current, index..index, draft.group);
        }
        current.end = index + 1;
        let resolved: BTreeSet<usize> = match &draft.depends {
            Some(names) => {
                names.iter().filter_map(|name| find(notes, &drafts, &indices, name)).collect()
            }
            None if chain => previous.clone().collect(),
            None => BTreeSet::new(),
        };
        edges += resolved.len();
        if edges > EDGES_MAX {
            notes.add(
                Diagnostic::error("too-much", format!("more than {EDGES_MAX} dependencies"))
                    .at(start(draft.step.span), "")
                    .help("put a step between large groups that all of one wait for"),
            );
            return Vec::new();
        }
        depends.push(resolved.into_iter().collect());
    }
    report_cycle(notes, &drafts, &depends);
    let steps = drafts.into_iter().zip(depends);
    steps.map(|(draft, depends)| Step { depends, ..draft.step }).collect()
}

fn find(
    notes: &mut Notes,
    drafts: &[StepDraft],
    indices: &HashMap<&str, usize>,
    name: &Text,
) -> Option<usize> {
    let found = indices.get(name.raw.as_str()).or_else(|| indices.get(name.raw.trim())).copied();
    if found.is_none() {
        let message = format!("no step is called {}", shown(&name.raw));
        let problem = Diagnostic::error("unknown-dependency", message).at(name.span, "");
        let names = drafts.iter().map(|draft| draft.step.name.as_str());
        let meant = if notes.has_room() { closest(&name.raw, names) } else { None };
        notes.add(match meant {
            Some(meant) => problem.help(format!("did you mean {}?", shown(meant))),
            None => problem.help("`depends` takes names or ids of steps of this workflow"),
        });
    }
    found
}

/// Reports one cycle: mending it may mend the others.
fn report_cycle(notes: &mut Notes, drafts: &[StepDraft], depends: &[Vec<usize>]) {
    let Some(cycle) = cycle(depends) else { return };
    let names = cycle.iter().filter_map(|index| drafts.get(*index));
    let mut names: Vec<String> = names.map(|draft| shown(&draft.step.name)).collect();
    if names.len() > CYCLE_SHOWN_MAX {
        names.splice(CYCLE_SHOWN_MAX - 1..names.len() - 1, ["…".to_owned()]);
    }
    let Some(first) = cycle.first().and_then(|index| drafts.get(*index)) else { return };
    let message = match names.as_slice() {
        [name, _] => format!("step {name} waits for itself"),
        names => format!("steps wait for each other: {}", names.join(" -> ")),
    };
    notes.add(
        Diagnostic::error("cycle", message)
            .at(start(first.step.span), "")
            .help("remove one of these dependencies"),
    );
}

/// A way from a node back to itself, that node at both ends.
pub(super) fn cycle(edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath,
        Done,
    }
    let mut marks = vec![Mark::New; edges.len()];
    for root in 0..edges.len() {
        // The way down, each with how many of its edges were followed; no recursion, since the way
        // may be as long as the file.
        let mut path: Vec<(usize, usize)> = Vec::new();
        if marks[root] == Mark::New {
            marks[root] = Mark::OnPath;
            path.push((root, 0));
        }
        while let Some((node, followed)) = path.last_mut() {
            let Some(next) = edges[*node].get(*followed).copied() else {
                marks[*node] = Mark::Done;
                path.pop();
                continue;
            };
            *followed += 1;
            match marks[next] {
                Mark::New => {
                    marks[next] = Mark::OnPath;
                    path.push((next, 0));
                }
                Mark::OnPath => {
                    let way = path.iter().map(|(node, _)| *node);
                    return Some(way.skip_while(|node| *node != next).chain([next]).collect());
                }
                Mark::Done => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::cycle;

    fn check(edges: &[&[usize]], expected: Option<&[usize]>) {
        let edges: Vec<Vec<usize>> = edges.iter().map(|to| to.to_vec()).collect();
        assert_eq!(cycle(&edges).as_deref(), expected);
    }

    #[test]
    fn a_cycle_is_named_from_end_to_end() {
        check(&[], None);
        check(&[&[]], None);
        check(&[&[0]], Some(&[0, 0]));
        check(&[&[1], &[0]], Some(&[0, 1, 0]));
        check(&[&[1], &[2], &[1]], Some(&[1, 2, 1]));
        check(&[&[1, 2], &[3], &[3], &[]], None);
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let mut edges: Vec<Vec<usize>> = (1..100_000).map(|next| vec![next]).collect();
        edges.push(Vec::new());
        assert_eq!(cycle(&edges), None);
    }
}
