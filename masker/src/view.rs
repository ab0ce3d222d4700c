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

    /// Whether `bytes` stand at `start`, given that the view reaches that far.
    pub(crate) fn has(&self, start: u64, bytes: &[u8]) -> bool {
        let [held, piece] = self.slices(start..start + bytes.len() as u64);
        bytes[..held.len()] == *held && bytes[held.len()..] == *piece
    }
}

/// A distance within the view as an index.
pub(crate) fn index(distance: u64) -> usize {
    usize::try_from(distance).expect("the view is in memory")
}
