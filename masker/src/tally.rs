//! Counts what was found: which value, in which shape, how often.
//!
//! Counting is by occurrence: where values overlap, or one contains another, each counts. Of needles that
//! end at one byte and that the automaton finds (those that repeat themselves, and layouts) only the longest
//! counts. A stream counts by needle, which is an index and no search; what a needle means is looked up when
//! the counts are read.

use std::collections::BTreeMap;

use crate::forms::Form;
use crate::set::MaskSet;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Match {
    /// The place of the value among those that the set was made of, counted from 0.
    pub value: usize,
    /// As what it stood there.
    pub shape: Shape,
}

/// As what a value stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// The value itself, without whitespace around it.
    Value,
    /// A line of a value of several lines.
    Line,
    /// A value of several lines, with other whitespace between them.
    Layout,
    /// What an encoding makes of it.
    Encoded {
        /// Which encoding.
        form: Form,
        /// How many bytes stand before the value in its group of three, for base64; for base64 of base64
        /// three times that plus the same of the outer one. Otherwise 0.
        offset: u8,
    },
}

impl Shape {
    /// A name for people and for reports.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Value => "value",
            Shape::Line => "line",
            Shape::Layout => "layout",
            Shape::Encoded { form, .. } => form.name(),
        }
    }
}

/// How often what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Match, u64>);

impl Tally {
    /// What was found and how often, in the order of the values.
    pub fn iter(&self) -> impl Iterator<Item = (Match, u64)> + '_ {
        self.0.iter().map(|(&found, &times)| (found, times))
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what another stream found, given that both mean the same values.
    pub fn add(&mut self, other: &Tally) {
        for (found, times) in other.iter() {
            *self.0.entry(found).or_default() += times;
        }
    }
}

/// A needle of a set as counts name it: the literal ones first, then those of the folded stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counted(usize);

impl Counted {
    pub(crate) fn literal(number: usize) -> Counted {
        Counted(number)
    }

    pub(crate) fn folded(masks: &MaskSet, number: usize) -> Counted {
        Counted(masks.needles.len() + number)
    }

    fn origins<'a>(&self, masks: &'a MaskSet) -> &'a [Match] {
        match masks.needles.get(self.0) {
            Some(needle) => &masks.origins[needle.origins.clone()],
            None => std::slice::from_ref(&masks.layouts[self.0 - masks.needles.len()]),
        }
    }
}

/// So many matches are noted before it is seen which of them are the same.
const NOTED_MAX: usize = 1 << 16;
/// So many are found before they are counted: few needles are found often, and looking each up takes long.
const FOUND_MAX: usize = 1 << 12;

/// The counts of one stream.
#[derive(Default)]
pub(crate) struct Counts {
    /// The matches of this search and where they end, in any order: one is met on several occasions.
    noted: Vec<(Counted, u64)>,
    /// The matches of searches before that are not counted yet.
    found: Vec<Counted>,
    by_needle: BTreeMap<Counted, u64>,
    /// Those of the last search that end in the tail: another set would meet them again.
    in_tail: Vec<(Counted, u64)>,
    /// What former sets found there.
    former: Vec<(Match, u64)>,
    /// What was counted for former sets.
    settled: Tally,
}

impl Counts {
    /// Notes a match that ends at `end`.
    pub(crate) fn note(&mut self, needle: Counted, end: u64) {
        self.noted.push((needle, end));
        if self.noted.len() == NOTED_MAX {
            self.find();
        }
    }

    /// Ends a search that left the bytes from `tail` on undecided.
    pub(crate) fn end_search(&mut self, masks: &MaskSet, tail: u64) {
        self.noted.sort_unstable();
        self.noted.dedup();
        let former = std::mem::take(&mut self.former);
        if !former.is_empty() {
            let is_new = |(needle, end): &(Counted, u64)| {
                needle.origins(masks).iter().all(|origin| !former.contains(&(*origin, *end)))
            };
            self.noted.retain(is_new);
        }
        self.in_tail.clear();
        self.in_tail.extend(self.noted.iter().filter(|(_, end)| *end > tail));
        self.find();
    }

    /// Adds what is noted, each once, to what was found.
    fn find(&mut self) {
        self.noted.sort_unstable();
        self.noted.dedup();
        self.found.extend(self.noted.drain(..).map(|(needle, _)| needle));
        if self.found.len() >= FOUND_MAX {
            self.count();
        }
    }

    fn count(&mut self) {
        self.found.sort_unstable();
        for of_needle in self.found.chunk_by(|one, other| one == other) {
            *self.by_needle.entry(of_needle[0]).or_default() += of_needle.len() as u64;
        }
        self.found.clear();
    }

    /// Turns the counts for `masks` into what they mean; another set may follow.
    pub(crate) fn settle(&mut self, masks: &MaskSet) {
        self.find();
        self.count();
        for (needle, times) in std::mem::take(&mut self.by_needle) {
            for origin in needle.origins(masks) {
                *self.settled.0.entry(*origin).or_default() += times;
            }
        }
        for (needle, end) in std::mem::take(&mut self.in_tail) {
            let origins = needle.origins(masks).iter();
            self.former.extend(origins.map(|origin| (*origin, end)));
        }
    }

    /// All counts, settled.
    pub(crate) fn into_tally(mut self, masks: &MaskSet) -> Tally {
        self.settle(masks);
        self.settled
    }
}
