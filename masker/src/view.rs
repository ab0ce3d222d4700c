//! The bytes of a stream that can be looked at: those held back, then the piece that came last.
//!
//! Positions count all input from the start of the stream, so that they mean the same whichever of the
//! two slices a byte is in.

use std::ops::Range;

/// What was held and the piece after it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) held: &'a [u8],
    pub(crate) held_start: u64,
    pub(crate) piece: &'a [u8],
}

impl<'a> View<'a> {
    /// Where the piece begins.
    pub(crate) fn piece_start(&self) -> u64 {
        self.held_start + self.held.len() as u64
    }

    /// Where the input ends so far.
    pub(crate) fn end(&self) -> u64 {
        self.piece_start() + self.piece.len() as u64
    }

    /// The byte at a position that is neither before what was held nor after the piece.
    pub(crate) fn byte(&self, position: u64) -> u8 {
        match position.checked_sub(self.piece_start()) {
            Some(in_piece) => self.piece[index(in_piece)],
            None => self.held[index(position - self.held_start)],
        }
    }

    /// The bytes of `range`: the part that was held and the part in the piece.
    pub(crate) fn slices(&self, range: Range<u64>) -> [&'a [u8]; 2] {
        let piece_start = self.piece_start();
        let middle = piece_start.clamp(range.start, range.end);
        let held = match range.start < middle {
            true => {
                &self.held[index(range.start - self.held_start)..index(middle - self.held_start)]
            }
            false => &[],
        };
        let piece = match middle < range.end {
            true => &self.piece[index(middle - piece_start)..index(range.end - piece_start)],
            false => &[],
        };
        [held, piece]
    }

    /// How many of `bytes` stand at `start`, as far as the slice goes that it is in.
    pub(crate) fn common_len(&self, start: u64, bytes: &[u8]) -> usize {
        let rest = match start.checked_sub(self.piece_start()) {
            Some(in_piece) => &self.piece[index(in_piece)..],
            None => &self.held[index(start - self.held_start)..],
        };
        rest.iter().zip(bytes).take_while(|(one, other)| one == other).count()
    }

    /// Whether `bytes` stand at `start`, given that the view reaches that far.
    pub(crate) fn has(&self, start: u64, bytes: &[u8]) -> bool {
        let [held, piece] = self.slices(start..start + bytes.len() as u64);
        let (first, rest) = bytes.split_at(held.len());
        is_same(first, held) && is_same(rest, piece)
    }
}

/// Whether two slices of one length are equal.
///
/// Most comparisons are of few bytes and fail early. Calling the C library for those took most of the time
/// where secrets are frequent: its masked loads stall some processors.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    const LONG_LEN: usize = 128;
    if one.len() >= LONG_LEN {
        return one[..8] == other[..8] && one == other;
    }
    let ((one, one_rest), (other, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let words = one.iter().zip(other);
    let bytes = one_rest.iter().zip(other_rest);
    words.map(|(one, other)| (u64::from_le_bytes(*one), u64::from_le_bytes(*other))).all(is_pair)
        && bytes.map(|(one, other)| (u64::from(*one), u64::from(*other))).all(is_pair)
}

fn is_pair((one, other): (u64, u64)) -> bool {
    one == other
}

/// A distance within the view as an index.
pub(crate) fn index(distance: u64) -> usize {
    usize::try_from(distance).expect("the view is in memory")
}
