//! Masks one stream.
//!
//! A stream takes input piece by piece, notes which bytes are covered, and hands on every byte whose
//! fate is known: those before the tail that may still become a needle, and regions that begin where
//! everything before is out. Positions count all input from the start of the stream.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::Range;

use zeroize::Zeroizing;

use crate::MASK;
use crate::automaton::{Finding, START, State};
use crate::policy::is_word;
use crate::set::MaskSet;
use crate::track::{Covered, Track};

/// Input is taken in pieces of at most this many bytes, which bounds the covered ranges kept.
const PIECE_LEN_MAX: usize = 64 << 10;
/// A held piece of this many bytes gives a needle away if the stream is cut there.
const CUT_LEN_MIN: u64 = 8;

/// The state of one stream.
#[derive(Default)]
pub(crate) struct Stream {
    /// How many bytes came in.
    end: u64,
    /// Where the tail begins that may still become a needle.
    tail: u64,
    /// How many bytes are decided and out, as they are or masked.
    out: u64,
    /// Whether a region ends at `out`: what touches it belongs to it.
    in_region: bool,
    /// The covered ranges not yet out, in order and apart from each other.
    covered: VecDeque<Range<u64>>,
    state: State,
    track: Track,
    /// Where the whole-word needle begins that ends with the input, if only the next byte is wanting.
    waiting: Option<u64>,
    /// The bytes from `held_start` to `end`: the tail and at least one byte before it, if there is one.
    held: Zeroizing<Vec<u8>>,
    held_start: u64,
}

/// The bytes that can be looked at: those held, then the piece.
#[derive(Clone, Copy)]
struct Window<'a> {
    held: &'a [u8],
    held_start: u64,
    piece: &'a [u8],
}

impl Stream {
    /// Takes `input` and writes to `out` what it decides.
    ///
    /// # Errors
    ///
    /// `out` failed; what was written is then not known, and the stream must not be used again.
    pub(crate) fn write(
        &mut self,
        masks: &MaskSet,
        input: &[u8],
        out: &mut impl Write,
    ) -> io::Result<()> {
        if masks.is_empty() && self.tail == self.end {
            return self.pass(input, out);
        }
        for piece in input.chunks(PIECE_LEN_MAX) {
            let held = std::mem::take(&mut self.held);
            let window = Window { held: &held, held_start: self.held_start, piece };
            self.scan(masks, window);
            self.tail = self.end - self.held_len(masks);
            self.release(self.tail, window, out)?;
            self.keep(held, piece);
        }
        Ok(())
    }

    /// Hands on all of `input`, given that nothing is held and nothing is searched for.
    fn pass(&mut self, input: &[u8], out: &mut impl Write) -> io::Result<()> {
        if input.is_empty() {
            return Ok(());
        }
        out.write_all(input)?;
        self.end += input.len() as u64;
        (self.tail, self.out, self.in_region) = (self.end, self.end, false);
        let held = std::mem::take(&mut self.held);
        // A later set may ask which byte stands before its first needle.
        self.keep(held, input);
        Ok(())
    }

    /// Searches the tail again, now for the needles of `masks`.
    ///
    /// # Errors
    ///
    /// As for `write`.
    pub(crate) fn rescan(&mut self, masks: &MaskSet, out: &mut impl Write) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let (before, tail) = held.split_at(index(self.tail - self.held_start));
        let window = Window { held: before, held_start: self.held_start, piece: tail };
        (self.state, self.waiting, self.track) = (START, None, Track::default());
        self.end = self.tail;
        let former = std::mem::take(&mut self.covered);
        self.scan(masks, window);
        self.cover_again(former);
        self.tail = self.end - self.held_len(masks);
        self.release(self.tail, window, out)?;
        self.keep(held, &[]);
        Ok(())
    }

    /// Ends the input and writes what is left.
    ///
    /// # Errors
    ///
    /// As for `write`.
    pub(crate) fn finish(mut self, masks: &MaskSet, out: &mut impl Write) -> io::Result<()> {
        self.decide(masks);
        self.release_rest(out)
    }

    /// Ends an input that was cut short: a tail long enough to give a needle away is masked.
    ///
    /// # Errors
    ///
    /// As for `write`.
    pub(crate) fn finish_cut(mut self, masks: &MaskSet, out: &mut impl Write) -> io::Result<()> {
        self.decide(masks);
        if self.end - self.tail >= CUT_LEN_MIN {
            self.cover(self.tail, self.end);
        }
        self.release_rest(out)
    }

    /// Decides what only waited for the next byte.
    fn decide(&mut self, masks: &MaskSet) {
        let waiting = self.waiting.take();
        let folded = masks.folded.as_ref().and_then(|folded| self.track.finish(folded));
        let starts = waiting.into_iter().chain(folded.map(|len| self.end - len));
        if let Some(start) = starts.min() {
            self.cover(start, self.end);
        }
    }

    fn release_rest(&mut self, out: &mut impl Write) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let window = Window { held: &held, held_start: self.held_start, piece: &[] };
        self.release(self.end, window, out)
    }

    /// Advances over the piece and notes what is covered.
    fn scan(&mut self, masks: &MaskSet, window: Window<'_>) {
        let piece = window.piece;
        let piece_start = self.end;
        let mut next = 0;
        while next < piece.len() {
            if self.waiting.is_none() && !self.track.is_active() {
                let run = masks.literal.run(self.state, piece, next);
                self.state = run.state;
                next = run.end;
                self.end = piece_start + next as u64;
                if !run.found {
                    break;
                }
            } else {
                self.step(masks, piece[next]);
                next += 1;
            }
            self.note(masks, masks.literal.finding(self.state), window);
        }
    }

    /// Advances by one byte while something waits for it.
    fn step(&mut self, masks: &MaskSet, byte: u8) {
        if let Some(start) = self.waiting.take()
            && !is_word(byte)
        {
            self.cover(start, self.end);
        }
        self.end += 1;
        self.state = masks.literal.step(self.state, byte);
        if let Some(folded) = &masks.folded {
            let mut track = std::mem::take(&mut self.track);
            track.push(folded, byte, |Covered { after, len }| {
                self.cover(self.end - after - len, self.end - after);
            });
            self.track = track;
        }
    }

    /// Notes what the literal automaton found at the end of the input so far.
    fn note(&mut self, masks: &MaskSet, finding: &Finding, window: Window<'_>) {
        let anywhere_len = u64::from(finding.anywhere_len);
        if anywhere_len > 0 {
            self.cover(self.end - anywhere_len, self.end);
        }
        self.waiting = masks
            .literal
            .word_lens(finding)
            .take_while(|&len| len > anywhere_len)
            .map(|len| self.end - len)
            .find(|&start| start == 0 || !is_word(window.byte(start - 1)));
        if let Some(folded) = masks.folded.as_ref().filter(|_| finding.head_len > 0) {
            let start = self.end - u64::from(finding.head_len);
            let first_in_gap =
                window.byte(start) == b'n' && start > 0 && window.byte(start - 1) == b'\\';
            self.track.enter(folded, &finding.head, first_in_gap);
        }
    }

    /// Notes a covered range; ranges come in the order of their ends.
    fn cover(&mut self, start: u64, end: u64) {
        // What lies before `out` is covered already: all bytes that may be in a needle were held back.
        let mut range = start.max(self.out)..end;
        if range.start >= range.end {
            return;
        }
        while let Some(last) = self.covered.back().filter(|last| last.end >= range.start) {
            range = last.start.min(range.start)..last.end.max(range.end);
            self.covered.pop_back();
        }
        self.covered.push_back(range);
    }

    /// Adds the ranges found before the tail was searched again.
    fn cover_again(&mut self, former: VecDeque<Range<u64>>) {
        let mut ranges: Vec<_> =
            std::mem::take(&mut self.covered).into_iter().chain(former).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        for range in ranges {
            match self.covered.back_mut() {
                Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
                _ => self.covered.push_back(range),
            }
        }
    }

    /// How many of the last bytes may still be in a needle that is not complete.
    fn held_len(&self, masks: &MaskSet) -> u64 {
        let waiting = self.waiting.map_or(0, |start| self.end - start);
        let folded = masks.folded.as_ref().map_or(0, |folded| self.track.held_len(folded));
        masks.literal.held_len(self.state).max(waiting).max(folded)
    }

    /// Writes what is decided: all before `tail`, and the region that begins there.
    fn release(&mut self, tail: u64, window: Window<'_>, out: &mut impl Write) -> io::Result<()> {
        loop {
            let region = self.covered.front().cloned().unwrap_or(u64::MAX..u64::MAX);
            if region.start == self.out {
                if !self.in_region {
                    out.write_all(MASK.as_bytes())?;
                }
                (self.out, self.in_region) = (region.end, true);
                self.covered.pop_front();
                continue;
            }
            let plain = self.out..region.start.min(tail);
            if plain.is_empty() {
                return Ok(());
            }
            window.slices(plain.clone()).into_iter().try_for_each(|bytes| out.write_all(bytes))?;
            (self.out, self.in_region) = (plain.end, false);
        }
    }

    /// Keeps the tail and the byte before it of what was held and the piece after it.
    fn keep(&mut self, mut held: Zeroizing<Vec<u8>>, piece: &[u8]) {
        let start = self.tail.saturating_sub(1);
        let piece_start = self.end - piece.len() as u64;
        if start >= piece_start {
            held.clear();
            held.extend_from_slice(&piece[index(start - piece_start)..]);
            self.held_start = start;
        } else {
            held.extend_from_slice(piece);
            let dead = index(start - self.held_start);
            // Moving what is left only when it is the smaller part keeps the cost in proportion.
            if dead * 2 >= held.len() {
                held.drain(..dead);
                self.held_start = start;
            }
        }
        self.held = held;
    }
}

impl<'a> Window<'a> {
    fn piece_start(&self) -> u64 {
        self.held_start + self.held.len() as u64
    }

    fn byte(&self, position: u64) -> u8 {
        match position.checked_sub(self.piece_start()) {
            Some(in_piece) => self.piece[index(in_piece)],
            None => self.held[index(position - self.held_start)],
        }
    }

    /// The bytes of `range`: the part that was held and the part in the piece, without empty ones.
    fn slices(&self, range: Range<u64>) -> impl IntoIterator<Item = &'a [u8]> {
        let middle = self.piece_start().clamp(range.start, range.end);
        let held = (range.start < middle).then(|| {
            &self.held[index(range.start - self.held_start)..index(middle - self.held_start)]
        });
        let piece_start = self.piece_start();
        let piece = (middle < range.end)
            .then(|| &self.piece[index(middle - piece_start)..index(range.end - piece_start)]);
        held.into_iter().chain(piece)
    }
}

/// A distance within the window as an index.
fn index(distance: u64) -> usize {
    usize::try_from(distance).expect("the window is in memory")
}
