//! From nodes to a draft of the workflow: every field is read by hand, and reading goes on after a
//! problem, so that one pass finds them all.
//!
//! What can be judged looking at one entry is judged here (types, names, words, patterns, secrets);
//! what takes the whole document (unique step names, dependencies, cycles) is left to `check`.
//! Values of variables and options never get into a message, and their places are noted as private.

mod action;
mod conditions;
mod env;
mod labels;
mod outputs;
mod params;
mod policies;
mod read;
mod secrets;
mod steps;
mod trigger;
mod typed;
mod words;
mod workflow;

pub(crate) use steps::{StepDraft, Steps};
pub(crate) use workflow::{Draft, decode};

use crate::diagnostic::Diagnostic;
use crate::kind::Kinds;
use crate::source::Span;
use crate::yaml::{Kind, Node};

/// Beyond this many problems a file is not being mended but replaced.
const PROBLEMS_MAX: usize = 100;

/// What decoding collects.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    problems: Vec<Diagnostic>,
    left_out: usize,
    private: Vec<Span>,
    patterns: usize,
    kinds: Kinds,
}

impl Notes {
    /// Starts with what the YAML layer found.
    pub(crate) fn new(problems: Vec<Diagnostic>, private: Vec<Span>, kinds: Kinds) -> Notes {
        let mut notes = Notes { private, kinds, ..Notes::default() };
        for problem in problems {
            notes.add(problem);
        }
        notes
    }

    /// Adds a problem.
    pub(crate) fn add(&mut self, problem: Diagnostic) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    /// Counts a problem that will not be shown, for which no words need be found.
    pub(crate) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// How many problems there are so far.
    pub(crate) fn count(&self) -> usize {
        self.problems.len() + self.left_out
    }

    /// Whether more problems will be shown, so that work for their help is worth it.
    pub(crate) fn has_room(&self) -> bool {
        self.problems.len() < PROBLEMS_MAX
    }

    /// Marks everything that is said below a node as not to be shown.
    pub(crate) fn hide(&mut self, node: &Node) {
        match &node.kind {
            Kind::Scalar(_) => self.private.push(node.span),
            Kind::Sequence(items) => items.iter().for_each(|item| self.hide(item)),
            Kind::Mapping(entries) => entries.iter().for_each(|entry| self.hide(&entry.value)),
        }
    }

    /// Marks a place as not to be shown.
    pub(crate) fn hide_span(&mut self, span: Span) {
        self.private.push(span);
    }

    /// The problems in the order of the file, and the private places.
    pub(crate) fn finish(mut self) -> (Vec<Diagnostic>, Vec<Span>) {
        let start = |problem: &Diagnostic| problem.labels.first().map(|label| label.span.start);
        self.problems.sort_by_key(start);
        if self.left_out > 0 {
            let message = format!("and {} more problems", self.left_out);
            self.problems
                .push(Diagnostic::error("too-many-problems", message).help("mend these first"));
        }
        self.private.sort_unstable();
        self.private.dedup();
        (self.problems, self.private)
    }
}
