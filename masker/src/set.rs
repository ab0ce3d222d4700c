//! The set of needles, ready to search.
//!
//! Immutable, so that all streams of a run share one. It has no `Debug`: it holds the needles.

use std::fmt;
use std::io;

use crate::anchors::Finders;
use crate::automaton::Automaton;
use crate::needles::{Needle, Needles};
use crate::policy::Policy;
use crate::prefixes::Prefixes;
use crate::stream::Stream;
use crate::tally::Match;
use crate::text::MaskedText;
use crate::track::Head;
use crate::writer::End;

/// The needles of a set of values.
pub struct MaskSet {
    /// Sorted by their bytes, each once.
    pub(crate) needles: Vec<Needle>,
    /// What the needles are shapes of.
    pub(crate) origins: Vec<Match>,
    /// What the needles of the folded stream are shapes of.
    pub(crate) layouts: Vec<Match>,
    pub(crate) finders: Finders,
    pub(crate) prefixes: Prefixes,
    pub(crate) folded: Option<Automaton>,
    /// The heads of its needles, in the order of their numbers.
    pub(crate) heads: Vec<Head>,
}

/// There are more than 10 000 values that are not blank, or more than 4 MiB of them.
#[derive(Debug)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many or too large values to mask")
    }
}

impl std::error::Error for TooLarge {}

impl MaskSet {
    /// The set that hides `values`, in any order, as `policy` says; blank values hide nothing.
    ///
    /// # Errors
    ///
    /// The values exceed what one set holds.
    pub fn new<'a>(
        values: impl IntoIterator<Item = &'a [u8]>,
        policy: &Policy,
    ) -> Result<MaskSet, TooLarge> {
        Ok(MaskSet::from_needles(Needles::derive(values, policy)?))
    }

    /// The set that hides nothing.
    pub fn empty() -> MaskSet {
        MaskSet::from_needles(Needles::default())
    }

    /// Whether the set hides nothing.
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// `text` with every region replaced.
    pub fn mask_text(&self, text: &str) -> MaskedText {
        MaskedText::from_masked(self.mask_bytes(text.as_bytes()))
    }

    /// `bytes` with every region replaced.
    pub fn mask_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut masked = Vec::with_capacity(bytes.len());
        let mut stream = Stream::default();
        stream
            .write(self, bytes, &mut masked)
            .and_then(|()| stream.finish(self, End::Whole, &mut masked))
            .expect("writing to memory does not fail");
        masked
    }

    /// Whether masking `bytes` on their own would change them.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        let mut rest = Expected(bytes);
        let mut stream = Stream::default();
        let written = stream.write(self, bytes, &mut rest);
        written.and_then(|()| stream.finish(self, End::Whole, &mut rest)).is_err()
            || !rest.0.is_empty()
    }

    /// The head that the needle with this number is.
    pub(crate) fn head(&self, needle: usize) -> &Head {
        let place = self.heads.binary_search_by_key(&needle, |head| head.needle);
        &self.heads[place.expect("every head is among the heads")]
    }

    fn from_needles(needles: Needles) -> MaskSet {
        let Needles { literal, origins, folded } = needles;
        let finders = Finders::new(&literal);
        let prefixes = Prefixes::new(&literal, finders.unseen_len_max);
        let layouts = folded.iter().map(|needle| needle.origin).collect();
        let folded = (!folded.is_empty()).then(|| {
            Automaton::small(folded.iter().map(|needle| needle.bytes.as_slice()).collect())
        });
        let are_heads = literal.iter().enumerate().filter(|(_, needle)| needle.ends.head);
        let heads = folded.iter().flat_map(|folded| {
            are_heads.clone().map(|(number, needle)| Head::new(folded, number, &needle.bytes))
        });
        let heads = heads.collect();
        MaskSet { needles: literal, origins, layouts, finders, prefixes, folded, heads }
    }
}

/// A writer that fails at the first byte that is not the expected one.
struct Expected<'a>(&'a [u8]);

impl io::Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
