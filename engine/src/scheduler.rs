//! Which steps may start, and what a finished one means for the others. Pure: no clock, no I/O.

use std::collections::BTreeSet;

use crate::workflow::Step;

/// What a finished step means for those that depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They may run.
    Pass,
    /// They never run, because it failed.
    Failed,
    /// They never run, because it was skipped.
    Skipped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many dependencies are not done.
    Waiting(usize),
    Running,
    Done,
}

/// The state of a workflow's graph.
pub(crate) struct Scheduler {
    states: Vec<State>,
    dependants: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    running: usize,
    running_max: usize,
    halted: bool,
}

impl Scheduler {
    pub(crate) fn new(steps: &[Step], running_max: Option<usize>) -> Scheduler {
        let mut dependants = vec![Vec::new(); steps.len()];
        let mut states = Vec::with_capacity(steps.len());
        let mut ready = BTreeSet::new();
        for (index, step) in steps.iter().enumerate() {
            let depends: BTreeSet<usize> = step.depends.iter().copied().collect();
            for dependency in &depends {
                dependants[*dependency].push(index);
            }
            if depends.is_empty() {
                ready.insert(index);
            }
            states.push(State::Waiting(depends.len()));
        }
        let running_max = running_max.unwrap_or(usize::MAX);
        Scheduler { states, dependants, ready, running: 0, running_max, halted: false }
    }

    /// Takes the next step that may start, in file order; it counts as running.
    pub(crate) fn start_next(&mut self) -> Option<usize> {
        if self.halted || self.running >= self.running_max {
            return None;
        }
        let index = self.ready.pop_first()?;
        self.states[index] = State::Running;
        self.running += 1;
        Some(index)
    }

    /// Notes the end of a step that was started; returns those that now never run, with the step
    /// that each of them waited for.
    pub(crate) fn finish(&mut self, index: usize, verdict: Verdict) -> Vec<(usize, usize)> {
        if self.states[index] == State::Running {
            self.running -= 1;
        }
        self.settle(index, verdict)
    }

    fn settle(&mut self, index: usize, verdict: Verdict) -> Vec<(usize, usize)> {
        self.states[index] = State::Done;
        self.ready.remove(&index);
        let mut never = Vec::new();
        for dependant in self.dependants[index].clone() {
            let State::Waiting(count) = self.states[dependant] else {
                continue;
            };
            if verdict == Verdict::Pass {
                self.states[dependant] = State::Waiting(count - 1);
                if count == 1 {
                    self.ready.insert(dependant);
                }
            } else {
                never.push((dependant, index));
                never.extend(self.settle(dependant, verdict));
            }
        }
        never
    }

    /// Nothing more starts; returns the steps that were not reached.
    pub(crate) fn halt(&mut self) -> Vec<usize> {
        self.halted = true;
        let waiting = |state: &State| matches!(state, State::Waiting(_));
        let unreached: Vec<usize> =
            (0..self.states.len()).filter(|index| waiting(&self.states[*index])).collect();
        for index in &unreached {
            self.states[*index] = State::Done;
        }
        unreached
    }

    #[cfg(test)]
    fn is_done(&self) -> bool {
        self.states.iter().all(|state| *state == State::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::{Scheduler, State, Verdict};
    use std::collections::BTreeSet;

    fn graph(edges: &[&[usize]], running_max: usize) -> Scheduler {
        let mut dependants = vec![Vec::new(); edges.len()];
        for (index, depends) in edges.iter().enumerate() {
            depends.iter().for_each(|dependency| dependants[*dependency].push(index));
        }
        let ready: BTreeSet<usize> = (0..edges.len()).filter(|i| edges[*i].is_empty()).collect();
        let states = edges.iter().map(|depends| State::Waiting(depends.len())).collect();
        Scheduler { states, dependants, ready, running: 0, running_max, halted: false }
    }

    fn started(scheduler: &mut Scheduler) -> Vec<usize> {
        std::iter::from_fn(|| scheduler.start_next()).collect()
    }

    #[test]
    fn a_step_starts_when_all_it_depends_on_has_passed() {
        let mut diamond = graph(&[&[], &[0], &[0], &[1, 2]], usize::MAX);
        assert_eq!(started(&mut diamond), [0]);
        assert!(diamond.finish(0, Verdict::Pass).is_empty());
        assert_eq!(started(&mut diamond), [1, 2]);
        diamond.finish(2, Verdict::Pass);
        assert!(started(&mut diamond).is_empty());
        diamond.finish(1, Verdict::Pass);
        assert_eq!(started(&mut diamond), [3]);
        diamond.finish(3, Verdict::Pass);
        assert!(diamond.is_done());
    }

    #[test]
    fn a_failure_ends_what_depends_on_it_and_nothing_else() {
        let mut two = graph(&[&[], &[0], &[1], &[]], usize::MAX);
        assert_eq!(started(&mut two), [0, 3]);
        assert_eq!(two.finish(0, Verdict::Failed), [(1, 0), (2, 1)]);
        assert!(!two.is_done());
        two.finish(3, Verdict::Pass);
        assert!(two.is_done());
    }

    #[test]
    fn no_more_than_the_limit_run_at_once() {
        let mut wide = graph(&[&[], &[], &[]], 2);
        assert_eq!(started(&mut wide), [0, 1]);
        wide.finish(1, Verdict::Failed);
        assert_eq!(started(&mut wide), [2]);
    }

    #[test]
    fn after_a_halt_nothing_starts_and_the_running_finish() {
        let mut three = graph(&[&[], &[0], &[]], 1);
        assert_eq!(started(&mut three), [0]);
        assert_eq!(three.halt(), [1, 2]);
        assert!(!three.is_done());
        three.finish(0, Verdict::Pass);
        assert!(three.is_done() && three.start_next().is_none());
    }
}
