//! The set of needles, ready to search.
//!
//! Immutable, so that all streams of a run share one. It has no `Debug`: the automata spell the needles.

use std::fmt;
use std::io;

use crate::automaton::{Automaton, Ends, Head, Pattern, START};
use crate::fold;
use crate::needles::Needles;
use crate::policy::Policy;
use crate::stream::Stream;
use crate::text::MaskedText;

/// The needles of a set of values.
pub struct MaskSet {
    pub(crate) literal: Automaton,
    pub(crate) folded: Option<Automaton>,
    is_empty: bool,
}

/// There are more than 10 000 values that are not blank, or more than 4 MiB of needles.
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
        Ok(MaskSet::from_needles(&Needles::derive(values, policy)?))
    }

    /// The set that hides nothing.
    pub fn empty() -> MaskSet {
        MaskSet::from_needles(&Needles::default())
    }

    /// Whether the set hides nothing.
    pub fn is_empty(&self) -> bool {
        self.is_empty
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
            .and_then(|()| stream.finish(self, &mut masked))
            .expect("writing to memory does not fail");
        masked
    }

    /// Whether masking `bytes` on their own would change them.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        let mut rest = Expected(bytes);
        let mut stream = Stream::default();
        stream.write(self, bytes, &mut rest).and_then(|()| stream.finish(self, &mut rest)).is_err()
            || !rest.0.is_empty()
    }

    fn from_needles(needles: &Needles) -> MaskSet {
        let anywhere = |bytes| Pattern { bytes, ends: Ends::Anywhere };
        let folded = needles.folded.iter().map(|needle| anywhere(needle.as_slice()));
        let folded =
            (!needles.folded.is_empty()).then(|| Automaton::new(folded.collect::<Vec<_>>()));
        let mut patterns = Vec::with_capacity(needles.literal.len() + needles.folded.len());
        for (needle, anywhere) in &needles.literal {
            let ends = if *anywhere { Ends::Anywhere } else { Ends::WholeWord };
            patterns.push(Pattern { bytes: needle, ends });
        }
        if let Some(folded) = &folded {
            patterns.extend(needles.folded.iter().filter_map(|needle| head(folded, needle)));
        }
        let is_empty = patterns.is_empty();
        MaskSet { literal: Automaton::new(patterns), folded, is_empty }
    }
}

/// The pattern that finds the head of a folded needle.
fn head<'a>(folded: &Automaton, needle: &'a [u8]) -> Option<Pattern<'a>> {
    let bytes = fold::head(needle)?;
    let after = |bytes: &[u8]| bytes.iter().fold(START, |state, &byte| folded.step(state, byte));
    let head = Head { aligned: after(bytes), shifted: after(&bytes[1..]) };
    Some(Pattern { bytes, ends: Ends::Head(head) })
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
