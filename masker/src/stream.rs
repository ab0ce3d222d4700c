//! Masks one stream.
//!
//! A stream takes input piece by piece, notes which bytes are covered, and hands on every byte whose
//! fate is known: those before the tail that may still become a needle, and regions that begin where
//! everything before is out. Positions count all input from the start of the stream.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::ops::Range;

use zeroize::Zeroizing;

use crate::MASK;
use crate::anchors::Stepped;
use crate::find::{Finder, HeadAt, Search};
use crate::set::MaskSet;
use crate::tally::{Counted, Counts, Tally};
use crate::track::{Covered, Track};
use crate::view::{View, index};
use crate::wrap::CONTEXT_LEN;
use crate::writer::End;

/// Input is taken in pieces of at most this many bytes, which bounds the covered ranges kept.
const PIECE_LEN_MAX: usize = 256 << 10;
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
    search: Search,
    track: Track,
    counts: Counts,
    /// The bytes from `held_start` to `end`: the tail and what before it may decide about a match.
    held: Zeroizing<Vec<u8>>,
    held_start: u64,
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
        out: &mut impl Out,
    ) -> io::Result<()> {
        if masks.is_empty() && self.tail == self.end {
            return self.pass(input, out);
        }
        for piece in input.chunks(PIECE_LEN_MAX) {
            let held = std::mem::take(&mut self.held);
            let view = View { held: &held, held_start: self.held_start, piece };
            self.scan(masks, view);
            self.release(self.tail, view, out)?;
            self.keep(held, piece);
        }
        Ok(())
    }

    /// Hands on all of `input`, given that nothing is held and nothing is searched for.
    fn pass(&mut self, input: &[u8], out: &mut impl Out) -> io::Result<()> {
        if input.is_empty() {
            return Ok(());
        }
        out.put(&[Piece::Plain(input)])?;
        self.end += input.len() as u64;
        (self.tail, self.out, self.in_region) = (self.end, self.end, false);
        let held = std::mem::take(&mut self.held);
        // A later set may ask what stands before its first needle.
        self.keep(held, input);
        Ok(())
    }

    /// Searches the tail again, now for the needles of `masks` instead of those of `former`.
    ///
    /// # Errors
    ///
    /// As for `write`.
    pub(crate) fn rescan(
        &mut self,
        former: &MaskSet,
        masks: &MaskSet,
        out: &mut impl Out,
    ) -> io::Result<()> {
        self.counts.settle(former);
        let held = std::mem::take(&mut self.held);
        let (before, tail) = held.split_at(index(self.tail - self.held_start));
        let view = View { held: before, held_start: self.held_start, piece: tail };
        (self.search, self.track) = (Search::default(), Track::default());
        self.search.newline = memchr::memrchr(b'\n', before).map(|at| self.held_start + at as u64);
        self.end = self.tail;
        self.scan(masks, view);
        self.release(self.tail, view, out)?;
        self.keep(held, &[]);
        Ok(())
    }

    /// Whether bytes are held back that no region covers.
    pub(crate) fn is_holding(&self) -> bool {
        self.out < self.end
    }

    /// Hands on the first `len` bytes of the tail, though they may begin a needle; the search goes on.
    ///
    /// # Errors
    ///
    /// As for `write`.
    pub(crate) fn show(&mut self, len: u64, out: &mut impl Out) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let view = View { held: &held, held_start: self.held_start, piece: &[] };
        self.release((self.tail + len).min(self.end), view, out)?;
        self.held = held;
        Ok(())
    }

    /// Ends the input and writes what is left; of one that was cut short, a tail long enough to give a
    /// needle away is masked.
    ///
    /// # Errors
    ///
    /// As for `write`.
    pub(crate) fn finish(
        mut self,
        masks: &MaskSet,
        end: End,
        out: &mut impl Out,
    ) -> io::Result<Tally> {
        self.decide(masks);
        if end == End::Cut && self.end - self.tail >= CUT_LEN_MIN {
            self.cover(std::iter::once(self.tail..self.end));
        }
        let held = std::mem::take(&mut self.held);
        let view = View { held: &held, held_start: self.held_start, piece: &[] };
        self.release(self.end, view, out)?;
        Ok(self.counts.into_tally(masks))
    }

    /// Decides what only waited for the next byte.
    fn decide(&mut self, masks: &MaskSet) {
        let end = self.end;
        let mut covered = Finder::whole_words(masks, &mut self.search, &mut self.counts, end);
        let folded = masks.folded.as_ref().and_then(|folded| self.track.finish(folded));
        if let Some(Covered { len, needle, .. }) = folded {
            self.counts.note(Counted::folded(masks, needle), end);
            covered.push(end - len..end);
        }
        self.cover(covered);
    }

    /// Searches the piece, notes what is covered and where the tail begins then.
    fn scan(&mut self, masks: &MaskSet, view: View<'_>) {
        let Finder { mut covered, heads, .. } =
            Finder::search(masks, view, self.tail, &mut self.search, &mut self.counts);
        self.end = view.end();
        self.follow(masks, view, heads, &mut covered);
        self.cover(covered);
        let held_len = |len: Option<u64>| self.end - len.unwrap_or(0);
        let finders = &masks.finders;
        let held_by = |stepped: &Option<Stepped>, state| {
            held_len(stepped.as_ref().map(|stepped| stepped.automaton.held_len(state)))
        };
        let folded = masks.folded.as_ref();
        let pending = self.search.pending.iter().filter_map(|pending| pending.held_start());
        let tails = [
            masks.prefixes.tail(&masks.needles, &view, self.tail),
            held_by(&finders.stepped, self.search.state),
            held_by(&finders.stepped_heads, self.search.heads_state),
            held_len(folded.map(|folded| self.track.held_len(folded))),
        ];
        self.tail = tails.into_iter().chain(pending).min().unwrap_or(self.end);
        self.counts.end_search(masks, self.tail);
    }

    /// Follows folded needles through the piece, from each of their heads on.
    fn follow(
        &mut self,
        masks: &MaskSet,
        view: View<'_>,
        mut heads: Vec<HeadAt>,
        covered: &mut Vec<Range<u64>>,
    ) {
        let Some(folded) = &masks.folded else { return };
        // Of heads with one end the longest comes first, and the others are not needed.
        heads.sort_unstable();
        heads.dedup_by_key(|head| head.end);
        let mut heads = heads.into_iter().peekable();
        let mut at = view.piece_start();
        loop {
            if let Some(head) = heads.next_if(|head| head.end == at) {
                let is_first_in_gap = view.byte(head.start) == b'n'
                    && head.start > 0
                    && view.byte(head.start - 1) == b'\\';
                self.track.enter(folded, masks.head(head.needle).state(is_first_in_gap));
            }
            while heads.next_if(|head| head.end < at).is_some() {}
            if !self.track.is_active() {
                let Some(head) = heads.peek() else { return };
                at = head.end;
                continue;
            }
            if at == view.end() {
                return;
            }
            // With a gap under way no head that ends meanwhile begins anything, and where lines are short there
            // is one at nearly every byte.
            let next = heads.peek().filter(|_| !self.track.has_gaps());
            let until = next.map_or(view.end(), |head| head.end);
            for bytes in view.slices(at..until) {
                self.push(masks, bytes, &mut at, covered);
            }
        }
    }

    /// Follows folded needles through the bytes from `at` on, until none is under way.
    fn push(&mut self, masks: &MaskSet, bytes: &[u8], at: &mut u64, covered: &mut Vec<Range<u64>>) {
        let Some(folded) = &masks.folded else { return };
        let mut rest = bytes;
        while self.track.is_active() {
            let many = self.track.push_many(folded, rest);
            (*at, rest) = (*at + many as u64, &rest[many..]);
            let Some((&byte, after)) = rest.split_first() else { return };
            (*at, rest) = (*at + 1, after);
            let counts = &mut self.counts;
            self.track.push(folded, byte, |Covered { after, len, needle }| {
                counts.note(Counted::folded(masks, needle), *at - after);
                covered.push(*at - after - len..*at - after);
            });
        }
    }

    /// Adds covered ranges, in any order.
    fn cover(&mut self, ranges: impl IntoIterator<Item = Range<u64>>) {
        let mut ranges = Vec::from_iter(ranges);
        if ranges.is_empty() {
            return;
        }
        ranges.extend(self.covered.drain(..));
        ranges.sort_unstable_by_key(|range| range.start);
        for mut range in ranges {
            // What lies before `out` is covered already: all bytes that may be in a needle were held back.
            range.start = range.start.max(self.out);
            match self.covered.back_mut() {
                Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
                _ if range.is_empty() => {}
                _ => self.covered.push_back(range),
            }
        }
    }

    /// Writes what is decided: all before `tail`, and the region that begins there.
    fn release(&mut self, tail: u64, view: View<'_>, out: &mut impl Out) -> io::Result<()> {
        // For each region its mask and what stands before it, which may be in two parts.
        let mut pieces = Vec::with_capacity(3 * self.covered.len() + 2);
        loop {
            let region = self.covered.front().cloned().unwrap_or(u64::MAX..u64::MAX);
            if region.start == self.out {
                let mask = if self.in_region { "" } else { MASK }.as_bytes();
                pieces.push(Piece::Masked { len: region.end - region.start, mask });
                (self.out, self.in_region) = (region.end, true);
                self.covered.pop_front();
                continue;
            }
            let plain = self.out..region.start.min(tail);
            if plain.is_empty() {
                break;
            }
            let parts = view.slices(plain.clone()).into_iter().filter(|bytes| !bytes.is_empty());
            pieces.extend(parts.map(Piece::Plain));
            (self.out, self.in_region) = (plain.end, false);
        }
        out.put(&pieces)
    }

    /// Keeps the tail and what may decide about it of what was held and the piece after it.
    fn keep(&mut self, mut held: Zeroizing<Vec<u8>>, piece: &[u8]) {
        let start = self.tail.saturating_sub(CONTEXT_LEN).max(self.held_start);
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

/// Some of the input whose fate is known.
pub(crate) enum Piece<'a> {
    /// As it came.
    Plain(&'a [u8]),
    /// A region, or more of the one before: how many bytes it has, and what stands for them.
    Masked { len: u64, mask: &'static [u8] },
}

/// Where a stream hands on what is decided.
pub(crate) trait Out {
    /// Takes pieces in the order of the input.
    fn put(&mut self, pieces: &[Piece<'_>]) -> io::Result<()>;
}

impl<W: Write> Out for W {
    /// Writes all pieces, many with one call where the writer can.
    fn put(&mut self, pieces: &[Piece<'_>]) -> io::Result<()> {
        let bytes = pieces.iter().map(|piece| match piece {
            Piece::Plain(bytes) => bytes,
            Piece::Masked { mask, .. } => mask,
        });
        let mut slices = Vec::with_capacity(pieces.len());
        slices.extend(bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| IoSlice::new(bytes)));
        let mut slices = slices.as_mut_slice();
        while !slices.is_empty() {
            match self.write_vectored(slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => IoSlice::advance_slices(&mut slices, len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
