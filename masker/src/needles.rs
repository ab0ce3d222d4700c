//! Derives the needles of a set of values.
//!
//! Needles are searched in the bytes as they come; those of wrapped forms are also found across line
//! wraps. Folded needles are searched in the folded stream (see [`crate::fold`]), which is entered where
//! their heads are found; so a head is a needle, too. Copies of values are wiped when dropped.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::fold::{GAP, fold, head, trim};
use crate::forms::{Encoded, Form, encoded, lines};
use crate::policy::{Forms, Policy, Reach};
use crate::set::TooLarge;
use crate::tally::{Match, Shape};

/// More values than this are refused.
const VALUES_MAX: usize = 10_000;
/// More bytes of values than this, all together, are refused. Their forms take up to forty times that.
const VALUE_BYTES_MAX: usize = 4 << 20;
/// Derived forms shorter than this are left out: they would hide ordinary text.
const DERIVED_LEN_MIN: usize = 8;

/// Bytes to search for, and what their end means.
pub(crate) struct Needle {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) ends: Ends,
    /// Of what it is a shape, among all origins.
    pub(crate) origins: Range<usize>,
}

/// What it means that a needle ends; several may be true of one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ends {
    /// A match.
    pub(crate) anywhere: bool,
    /// A match if no letter, digit or underscore stands next to it.
    pub(crate) word: bool,
    /// The same bytes with line wraps between them are a match, too.
    pub(crate) wraps: bool,
    /// The head of a folded needle.
    pub(crate) head: bool,
}

const ANYWHERE: Ends = Ends { anywhere: true, word: false, wraps: false, head: false };

/// What to search for.
#[derive(Default)]
pub(crate) struct Needles {
    /// Sorted by their bytes, each once.
    pub(crate) literal: Vec<Needle>,
    /// What the literal needles are shapes of.
    pub(crate) origins: Vec<Match>,
    /// Folded needles, sorted by their bytes; each has a head.
    pub(crate) folded: Vec<Folded>,
}

/// A needle of the folded stream.
pub(crate) struct Folded {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) origin: Match,
}

/// What was derived so far, in no order and with repetitions.
#[derive(Default)]
struct Drafts {
    literal: Vec<(Zeroizing<Vec<u8>>, Ends, Option<Match>)>,
    folded: Vec<Folded>,
}

impl Needles {
    /// The needles that `policy` derives from `values`.
    ///
    /// # Errors
    ///
    /// There are more than 10 000 values that are not blank, or more than 4 MiB of them.
    pub(crate) fn derive<'a>(
        values: impl IntoIterator<Item = &'a [u8]>,
        policy: &Policy,
    ) -> Result<Needles, TooLarge> {
        let mut drafts = Drafts::default();
        let (mut count, mut byte_count) = (0, 0);
        for (value, core) in values.into_iter().map(trim).enumerate() {
            count += usize::from(!core.is_empty());
            byte_count += core.len();
            if count > VALUES_MAX || byte_count > VALUE_BYTES_MAX {
                return Err(TooLarge);
            }
            if !core.is_empty() {
                drafts.add_value(value, core, policy);
            }
        }
        Ok(drafts.finish())
    }
}

impl Drafts {
    /// Sorts, and joins what is the same.
    fn finish(mut self) -> Needles {
        // A value may have one line thousands of times: that is one origin.
        self.literal.sort_unstable_by(|one, other| (&*one.0, one.2).cmp(&(&*other.0, other.2)));
        self.folded.sort_unstable_by(|one, other| one.bytes.cmp(&other.bytes));
        let mut needles = Needles { folded: self.folded, ..Needles::default() };
        for (bytes, ends, origin) in self.literal {
            let start = needles.origins.len();
            let last = needles.literal.last().filter(|last| last.bytes == bytes);
            let known = last.and_then(|last| needles.origins[last.origins.clone()].last()).copied();
            needles.origins.extend(origin.filter(|_| origin != known));
            let end = needles.origins.len();
            match needles.literal.last_mut().filter(|last| last.bytes == bytes) {
                Some(last) => {
                    last.ends.add(ends);
                    last.origins.end = end;
                }
                None => needles.literal.push(Needle { bytes, ends, origins: start..end }),
            }
        }
        needles
    }

    fn add_value(&mut self, value: usize, core: &[u8], policy: &Policy) {
        let reach = policy.reach(core);
        let origin = |shape| Match { value, shape };
        self.add_literal(core, reach, origin(Shape::Value));
        match policy.forms {
            Forms::Raw => {}
            Forms::All => {
                if reach != Reach::Nowhere {
                    for Encoded { form, offset, bytes } in encoded(core) {
                        let wraps = matches!(form, Form::Base64 | Form::Base64Url);
                        let shape = Shape::Encoded { form, offset };
                        self.add(bytes, Ends { wraps, ..ANYWHERE }, Some(origin(shape)));
                    }
                }
                if core.contains(&b'\n') && reach != Reach::Nowhere {
                    self.add_lines(core, policy, origin(Shape::Line));
                }
                if core.contains(&b'\n') && reach == Reach::Anywhere {
                    self.add_folded(core, origin(Shape::Layout));
                }
            }
        }
    }

    fn add_lines(&mut self, core: &[u8], policy: &Policy, origin: Match) {
        for line in lines(core) {
            self.add_literal(line, policy.reach(line), origin);
        }
    }

    fn add_literal(&mut self, needle: &[u8], reach: Reach, origin: Match) {
        let ends = match reach {
            Reach::Anywhere => ANYWHERE,
            Reach::WholeWord => Ends { word: true, ..Ends::default() },
            Reach::Nowhere => return,
        };
        self.add(Zeroizing::new(needle.to_vec()), ends, Some(origin));
    }

    fn add_folded(&mut self, core: &[u8], origin: Match) {
        let folded = fold(core);
        if folded.len() < DERIVED_LEN_MIN {
            return;
        }
        if let Some(head) = head(core).filter(|_| folded.contains(&GAP)) {
            let ends = Ends { head: true, ..Ends::default() };
            self.add(Zeroizing::new(head.to_vec()), ends, None);
            self.folded.push(Folded { bytes: folded, origin });
        }
    }

    fn add(&mut self, bytes: Zeroizing<Vec<u8>>, ends: Ends, origin: Option<Match>) {
        self.literal.push((bytes, ends, origin));
    }
}

impl Ends {
    /// Makes true what is true of `other`.
    fn add(&mut self, other: Ends) {
        self.anywhere |= other.anywhere;
        self.word |= other.word;
        self.wraps |= other.wraps;
        self.head |= other.head;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The more origins a needle has, the longer each of its matches takes to count.
    #[test]
    fn a_repeated_line_has_one_origin_for_each_value() {
        let value = b"same-line\n".repeat(1000);
        let values = [value.as_slice(), value.as_slice()];
        let needles = Needles::derive(values, &Policy::default()).unwrap();
        let line = needles.literal.iter().find(|needle| needle.bytes.as_slice() == b"same-line");
        let origin = |value| Match { value, shape: Shape::Line };
        assert_eq!(needles.origins[line.unwrap().origins.clone()], [origin(0), origin(1)]);
    }
}
