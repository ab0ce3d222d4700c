//! Counts what was found: which value, in which shape, how often.
//!
//! Counting is by occurrence: where values overlap, or one contains another, each counts. A stream counts
//! by needle, which is an index and no search; what a needle means is looked up when the counts are read.

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

/// A needle of a set, as counts name it.
#[derive(Clone, Copy)]
pub(crate) enum Counted {
    Literal(usize),
    Folded(usize),
}

/// The counts of one stream.
#[derive(Default)]
pub(crate) struct Counts {
    /// For every needle of the set, the literal ones first; empty until the first match.
    by_needle: Vec<Count>,
    /// What was counted for former sets.
    settled: Tally,
}

#[derive(Clone, Copy, Default)]
struct Count {
    times: u64,
    /// Where the last match ended: one that is met twice counts once.
    end: u64,
}

impl Counts {
    /// Counts a match that ends at `end`.
    pub(crate) fn add(&mut self, masks: &MaskSet, needle: Counted, end: u64) {
        if self.by_needle.is_empty() {
            self.by_needle = vec![Count::default(); masks.needles.len() + masks.layouts.len()];
        }
        let index = match needle {
            Counted::Literal(number) => number,
            Counted::Folded(number) => masks.needles.len() + number,
        };
        let count = &mut self.by_needle[index];
        if count.end != end {
            *count = Count { times: count.times + 1, end };
        }
    }

    /// Turns the counts for `masks` into what they mean; another set may follow.
    pub(crate) fn settle(&mut self, masks: &MaskSet) {
        let by_needle = std::mem::take(&mut self.by_needle);
        let origins = masks.needles.iter().map(|needle| &masks.origins[needle.origins.clone()]);
        let layouts = masks.layouts.iter().map(std::slice::from_ref);
        for (count, origins) in by_needle.iter().zip(origins.chain(layouts)) {
            for origin in origins.iter().filter(|_| count.times > 0) {
                *self.settled.0.entry(*origin).or_default() += count.times;
            }
        }
    }

    /// All counts, settled.
    pub(crate) fn into_tally(mut self, masks: &MaskSet) -> Tally {
        self.settle(masks);
        self.settled
    }
}
