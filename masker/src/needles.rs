//! Derives the needles of a set of values.
//!
//! Two kinds leave here: literal needles, searched in the bytes as they come, and folded needles,
//! searched in the folded stream (see [`crate::fold`]). A further form of a value is one more function
//! that adds to these two lists. Copies of values are wiped when dropped.

use zeroize::Zeroizing;

use crate::fold::{fold, head, trim};
use crate::forms::lines;
use crate::policy::{Forms, Policy, Reach};
use crate::set::TooLarge;

/// More values than this are refused.
const VALUES_MAX: usize = 10_000;
/// More bytes of needles than this, all forms together, are refused.
const NEEDLE_BYTES_MAX: usize = 4 << 20;
/// Derived forms shorter than this are left out: they would hide ordinary text.
const DERIVED_LEN_MIN: usize = 8;

/// What to search for, in any order; the same needle may be there twice.
#[derive(Default)]
pub(crate) struct Needles {
    /// Literal needles, each with its reach: anywhere if `true`, otherwise as a whole word.
    pub(crate) literal: Vec<(Zeroizing<Vec<u8>>, bool)>,
    /// Folded needles; each has a head.
    pub(crate) folded: Vec<Zeroizing<Vec<u8>>>,
    byte_count: usize,
}

impl Needles {
    /// The needles that `policy` derives from `values`.
    ///
    /// # Errors
    ///
    /// There are more than 10 000 values that are not blank, or more than 4 MiB of needles.
    pub(crate) fn derive<'a>(
        values: impl IntoIterator<Item = &'a [u8]>,
        policy: &Policy,
    ) -> Result<Needles, TooLarge> {
        let mut needles = Needles::default();
        let cores = values.into_iter().map(trim).filter(|core| !core.is_empty());
        for (index, core) in cores.enumerate() {
            if index == VALUES_MAX {
                return Err(TooLarge);
            }
            needles.add_value(core, policy);
            if needles.byte_count > NEEDLE_BYTES_MAX {
                return Err(TooLarge);
            }
        }
        Ok(needles)
    }

    fn add_value(&mut self, core: &[u8], policy: &Policy) {
        let reach = policy.reach(core);
        self.add_literal(core, reach);
        match policy.forms {
            Forms::Raw => {}
            Forms::All => {
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
        let anywhere = match reach {
            Reach::Anywhere => true,
            Reach::WholeWord => false,
            Reach::Nowhere => return,
        };
        self.byte_count += needle.len();
        self.literal.push((Zeroizing::new(needle.to_vec()), anywhere));
    }

    fn add_folded(&mut self, core: &[u8]) {
        let folded = fold(core);
        if folded.len() >= DERIVED_LEN_MIN && head(&folded).is_some() {
            self.byte_count += folded.len();
            self.folded.push(folded);
        }
    }
}
