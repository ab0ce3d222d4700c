//! Derives the needles of a set of values.
//!
//! Needles are searched in the bytes as they come; those of wrapped forms are also found across line
//! wraps. Folded needles are searched in the folded stream (see [`crate::fold`]), which is entered where
//! their heads are found; so a head is a needle, too. Copies of values are wiped when dropped.

use zeroize::Zeroizing;

use crate::fold::{GAP, fold, head, trim};
use crate::forms::{Form, encoded, lines};
use crate::policy::{Forms, Policy, Reach};
use crate::set::TooLarge;

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
    /// Folded needles; each has a head.
    pub(crate) folded: Vec<Zeroizing<Vec<u8>>>,
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
        let mut needles = Needles::default();
        let mut byte_count = 0;
        let cores = values.into_iter().map(trim).filter(|core| !core.is_empty());
        for (index, core) in cores.enumerate() {
            byte_count += core.len();
            if index == VALUES_MAX || byte_count > VALUE_BYTES_MAX {
                return Err(TooLarge);
            }
            needles.add_value(core, policy);
        }
        needles.literal.sort_unstable_by(|one, other| one.bytes.cmp(&other.bytes));
        needles.literal.dedup_by(|later, kept| {
            let is_same = later.bytes == kept.bytes;
            if is_same {
                kept.ends.add(later.ends);
            }
            is_same
        });
        Ok(needles)
    }

    fn add_value(&mut self, core: &[u8], policy: &Policy) {
        let reach = policy.reach(core);
        self.add_literal(core, reach);
        match policy.forms {
            Forms::Raw => {}
            Forms::All => {
                if reach != Reach::Nowhere {
                    for form in encoded(core) {
                        let wraps = matches!(form.form, Form::Base64 | Form::Base64Url);
                        self.add(form.bytes, Ends { wraps, ..ANYWHERE });
                    }
                }
                if core.contains(&b'\n') && reach != Reach::Nowhere {
                    self.add_lines(core, policy);
                }
                if core.contains(&b'\n') && reach == Reach::Anywhere {
                    self.add_folded(core);
                }
            }
        }
    }

    fn add_lines(&mut self, core: &[u8], policy: &Policy) {
        for line in lines(core) {
            self.add_literal(line, policy.reach(line));
        }
    }

    fn add_literal(&mut self, needle: &[u8], reach: Reach) {
        let ends = match reach {
            Reach::Anywhere => ANYWHERE,
            Reach::WholeWord => Ends { word: true, ..Ends::default() },
            Reach::Nowhere => return,
        };
        self.add(Zeroizing::new(needle.to_vec()), ends);
    }

    fn add_folded(&mut self, core: &[u8]) {
        let folded = fold(core);
        if folded.len() < DERIVED_LEN_MIN {
            return;
        }
        if let Some(head) = head(core).filter(|_| folded.contains(&GAP)) {
            let ends = Ends { head: true, ..Ends::default() };
            self.add(Zeroizing::new(head.to_vec()), ends);
            self.folded.push(folded);
        }
    }

    fn add(&mut self, bytes: Zeroizing<Vec<u8>>, ends: Ends) {
        self.literal.push(Needle { bytes, ends });
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
