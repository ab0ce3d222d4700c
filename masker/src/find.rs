//! Finds what a piece of a stream completes, begins or goes on with.
//!
//! Takes up what was pending, asks every finder, compares needles where one may stand, and notes what
//! matched. Nothing here depends on how the input was cut: what reaches the end of the input is pending
//! and goes on with the next piece. Heads are only noted; following them is the caller's business.

mod lines;

use std::ops::Range;

use crate::anchors::{Stepped, WINDOW_LEN_MAX};
use crate::automaton::State;
use crate::fold::is_space;
use crate::grams::{BEFORE_LEN, Grams, Passed, Place};
use crate::policy::is_word;
use crate::set::MaskSet;
use crate::tally::{Counted, Counts};
use crate::view::{View, index, is_same};
use crate::wrap::{Walk, is_blank, start_of};

/// The longest stretch around the begin of a piece that is searched for windows across it.
const BRIDGE_LEN_MAX: usize = 2 * WINDOW_LEN_MAX;

/// A needle that all input from `start` on matches, but whose end is not decided.
pub(crate) struct Pending {
    needle: usize,
    start: u64,
    /// Where all of the needle matched, the byte after it is wanting.
    walk: Walk,
}

impl Pending {
    /// Where what must be held back begins; `None` if nothing must.
    pub(crate) fn held_start(&self) -> Option<u64> {
        (!self.walk.is_shown()).then_some(self.start)
    }
}

/// What a search leaves for the next piece.
#[derive(Default)]
pub(crate) struct Search {
    pub(crate) pending: Vec<Pending>,
    /// The last newline, while the line after it is too short for a gram; or the one before a tail that
    /// is searched for other needles.
    pub(crate) newline: Option<u64>,
    /// Where the automaton is.
    pub(crate) state: State,
    /// Where the automaton of heads is.
    pub(crate) heads_state: State,
}

/// A head that was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeadAt {
    pub(crate) end: u64,
    pub(crate) start: u64,
    pub(crate) needle: usize,
}

/// On which occasion a gram is met.
#[derive(Clone, Copy)]
enum Pass {
    /// In the piece itself.
    Piece,
    /// Where the piece begins.
    Bridge,
    /// Where a line ends or begins.
    Line,
}

/// One piece being searched.
pub(crate) struct Finder<'a> {
    masks: &'a MaskSet,
    view: View<'a>,
    /// No match begins before.
    low: u64,
    search: &'a mut Search,
    counts: &'a mut Counts,
    pub(crate) covered: Vec<Range<u64>>,
    pub(crate) heads: Vec<HeadAt>,
}

impl<'a> Finder<'a> {
    /// Searches the view's piece, given that what begins before `low` is decided.
    pub(crate) fn search(
        masks: &'a MaskSet,
        view: View<'a>,
        low: u64,
        search: &'a mut Search,
        counts: &'a mut Counts,
    ) -> Finder<'a> {
        let (covered, heads) = (Vec::new(), Vec::new());
        let mut finder = Finder { masks, view, low, search, counts, covered, heads };
        for pending in std::mem::take(&mut finder.search.pending) {
            finder.go_on(pending, view.piece_start());
        }
        for grams in &masks.finders.grams {
            finder.probe(grams);
        }
        if masks.finders.probes_lines {
            finder.probe_lines();
        }
        finder.find_short();
        finder.step();
        finder
    }

    /// Ends the input: the needles that only the byte after kept from being a match.
    pub(crate) fn whole_words(
        masks: &MaskSet,
        search: &mut Search,
        counts: &mut Counts,
        end: u64,
    ) -> Vec<Range<u64>> {
        let is_whole = |one: &Pending| one.walk.matched == masks.needles[one.needle].bytes.len();
        let pending = std::mem::take(&mut search.pending);
        let whole = pending.into_iter().filter(is_whole);
        let found = whole.map(|one| {
            counts.note(Counted::literal(one.needle), end);
            one.start..end
        });
        found.collect()
    }

    /// Probes the piece, and before it what a window across its begin may cover.
    fn probe(&mut self, grams: &Grams) {
        let (begin, reach) = (self.view.piece_start(), grams.window_len() - 1);
        let before = (begin - self.low).min(reach as u64);
        if before > 0 {
            let after = self.view.piece.len().min(reach) as u64;
            let mut bridge = zeroize::Zeroizing::new([0; BRIDGE_LEN_MAX]);
            let bridge = self.copy(begin - before..begin + after, bridge.as_mut_slice());
            self.probe_text(grams, bridge, begin - before, Pass::Bridge);
        }
        self.probe_text(grams, self.view.piece, begin, Pass::Piece);
    }

    fn probe_text(&mut self, grams: &Grams, text: &[u8], begin: u64, pass: Pass) {
        let mut passed = Passed::new();
        let mut next = Some(0);
        while let Some(from) = next {
            next = grams.probe(text, from, &mut passed);
            for at in passed.positions() {
                self.compare_around(grams, &text[at..], begin + at as u64, pass);
            }
        }
    }

    fn copy<'b>(&self, range: Range<u64>, out: &'b mut [u8]) -> &'b [u8] {
        let [held, piece] = self.view.slices(range);
        out[..held.len()].copy_from_slice(held);
        out[held.len()..held.len() + piece.len()].copy_from_slice(piece);
        &out[..held.len() + piece.len()]
    }

    /// Compares the needles that have the gram `text` begins with, which stands at `at`.
    fn compare_around(&mut self, grams: &Grams, text: &[u8], at: u64, pass: Pass) {
        let gram = &text[..grams.gram_len()];
        let unwrapped = self.unwrapped_before(at);
        for place in grams.places(gram) {
            if place.is_refuted(unwrapped) {
                continue;
            }
            let needle = &self.masks.needles[place.needle()];
            let (before, after) = needle.bytes.split_at(place.offset());
            if !is_same(&after[..gram.len()], gram) || !self.is_first_sight(grams, place, at, pass)
            {
                continue;
            }
            // The window comes first: in text that was crafted, work is bounded by how far matches
            // reach from windows.
            let seen = after.len().min(index(self.view.end() - at));
            let start = at.checked_sub(before.len() as u64).filter(|&start| start >= self.low);
            let (before_window, in_window) = before.split_at(before.len() - place.in_stretch());
            let plain = start.filter(|&start| {
                self.view.has(at - in_window.len() as u64, in_window)
                    && self.view.has(at, &after[..seen])
                    && self.view.has(start, before_window)
            });
            if let Some(start) = plain {
                let walk = Walk::plain(before.len() + seen);
                self.go_on(Pending { needle: place.needle(), start, walk }, at + seen as u64);
            } else if needle.ends.wraps
                && let Some(start) = start_of(before, &self.view, self.view.held_start, at)
            {
                let walk = Walk::plain(0);
                self.go_on(Pending { needle: place.needle(), start, walk }, start);
            }
        }
    }

    /// The last bytes before `at`, if they are in the piece and cannot be part of a wrap.
    fn unwrapped_before(&self, at: u64) -> Option<[u8; BEFORE_LEN]> {
        let at = index(at.checked_sub(self.view.piece_start())?);
        let before = self.view.piece[..at].last_chunk::<BEFORE_LEN>()?;
        let may_wrap = before.iter().any(|&byte| byte == b'\n' || is_blank(byte));
        (!may_wrap).then_some(*before)
    }

    /// Whether the gram at `at` is the first of its stretch that is met in the place where it stands. The
    /// others find what the first one found.
    fn is_first_sight(&self, grams: &Grams, place: Place, at: u64, pass: Pass) -> bool {
        let bytes = self.masks.needles[place.needle()].bytes.as_slice();
        let (in_stretch, window_len) = (place.in_stretch(), grams.window_len() as u64);
        let offset = place.offset() - in_stretch;
        let Some(start) = at.checked_sub(in_stretch as u64) else { return true };
        let begin = self.view.piece_start();
        let is_early = in_stretch < grams.step();
        match pass {
            Pass::Piece if is_early => true,
            Pass::Bridge if is_early && start + window_len > begin => start < begin,
            Pass::Piece | Pass::Bridge => {
                let until = offset + in_stretch;
                start < self.low || !self.view.has(start, &bytes[offset..until])
            }
            Pass::Line => {
                let window = &bytes[offset..offset + grams.window_len()];
                start < self.low
                    || start + window_len > self.view.end()
                    || !self.view.has(start, window)
            }
        }
    }

    /// Compares what is left of a needle with the input from `at` on.
    fn go_on(&mut self, mut pending: Pending, mut at: u64) {
        let needle = &self.masks.needles[pending.needle];
        let bytes = needle.bytes.as_slice();
        let end = self.view.end();
        if needle.ends.wraps {
            while pending.walk.matched < bytes.len() && at < end {
                let run = self.view.common_len(at, &bytes[pending.walk.matched..]);
                if run > 0 && pending.walk.advance(run) {
                    at += run as u64;
                    continue;
                }
                let was_shown = pending.walk.is_shown();
                if !pending.walk.push(bytes, self.view.byte(at)) {
                    return;
                }
                if was_shown && !pending.walk.is_shown() {
                    pending.start = at;
                }
                at += 1;
            }
        } else {
            let rest = &bytes[pending.walk.matched..];
            let seen = rest.len().min(index(end - at));
            if !self.view.has(at, &rest[..seen]) {
                return;
            }
            pending.walk.matched += seen;
            at += seen as u64;
        }
        if pending.held_start().is_some_and(|start| start < self.low) {
            return;
        }
        if pending.walk.matched < bytes.len() {
            self.keep(pending);
        } else {
            self.complete(pending, at);
        }
    }

    fn keep(&mut self, pending: Pending) {
        let is_same =
            |other: &Pending| other.needle == pending.needle && other.start == pending.start;
        // A window across two pieces may be met in both.
        if !self.search.pending.iter().any(is_same) {
            self.search.pending.push(pending);
        }
    }

    /// Notes that a needle stands from its start to `end`.
    fn complete(&mut self, pending: Pending, end: u64) {
        let (number, start) = (pending.needle, pending.start);
        let needle = &self.masks.needles[number];
        if needle.ends.anywhere {
            // What ended before is met again where a line is probed that began before.
            if end > self.view.piece_start() {
                self.counts.note(Counted::literal(number), end);
            }
            self.cover(start..end);
        }
        if end - start != needle.bytes.len() as u64 {
            return; // Wrapped: not the bytes that a word or a head has.
        }
        if needle.ends.head {
            self.note_head(HeadAt { end, start, needle: number });
        }
        if needle.ends.word && (start == 0 || !is_word(self.view.byte(start - 1))) {
            if end == self.view.end() {
                self.keep(pending);
            } else if !is_word(self.view.byte(end)) {
                self.counts.note(Counted::literal(number), end);
                self.cover(start..end);
            }
        }
    }

    /// Notes a head if the byte after it may begin a gap, or a backslash that is left out of heads.
    fn note_head(&mut self, head: HeadAt) {
        let goes_on = |byte| is_space(byte) || byte == b'\\';
        if head.end == self.view.end() || goes_on(self.view.byte(head.end)) {
            self.heads.push(head);
        }
    }

    /// Notes a covered range; where matches are dense, most only make the one before longer.
    fn cover(&mut self, range: Range<u64>) {
        match self.covered.last_mut() {
            Some(last) if last.start <= range.start && range.start <= last.end => {
                last.end = last.end.max(range.end);
            }
            _ => self.covered.push(range),
        }
    }

    /// Finds the needles too short for grams.
    fn find_short(&mut self) {
        let Some(short) = &self.masks.finders.short else { return };
        let (begin, reach) = (self.view.piece_start(), 6);
        let before = (begin - self.low).min(reach);
        let after = (self.view.piece.len() as u64).min(reach);
        let mut bridge = zeroize::Zeroizing::new([0; BRIDGE_LEN_MAX]);
        let bridge = self.copy(begin - before..begin + after, bridge.as_mut_slice());
        let all = &self.masks.needles;
        let mut found = Vec::new();
        short.find(all, bridge, |needle, at| {
            let end = at + all[needle].bytes.len();
            let is_across = (at as u64) < before && end as u64 > before;
            if is_across {
                found.push((needle, begin - before + at as u64));
            }
        });
        short.find(all, self.view.piece, |needle, at| found.push((needle, begin + at as u64)));
        for (needle, start) in found {
            let walk = Walk::plain(all[needle].bytes.len());
            let end = start + walk.matched as u64;
            self.complete(Pending { needle, start, walk }, end);
        }
    }

    /// Lets the automata take the piece.
    fn step(&mut self) {
        let finders = &self.masks.finders;
        if let Some(stepped) = &finders.stepped {
            self.search.state = self.run(stepped, self.search.state, |finder, number, found| {
                finder.counts.note(Counted::literal(number), found.end);
                finder.cover(found);
            });
        }
        if let Some(heads) = &finders.stepped_heads {
            let state = self.search.heads_state;
            self.search.heads_state = self.run(heads, state, |finder, needle, found| {
                finder.note_head(HeadAt { end: found.end, start: found.start, needle });
            });
        }
    }

    /// Lets an automaton take the piece and hands out what it finds; the state after it.
    fn run(
        &mut self,
        stepped: &Stepped,
        mut state: State,
        mut found: impl FnMut(&mut Self, usize, Range<u64>),
    ) -> State {
        let (piece, begin) = (self.view.piece, self.view.piece_start());
        let mut next = 0;
        while next < piece.len() {
            let run = stepped.automaton.run(state, piece, next);
            (state, next) = (run.state, run.end);
            if run.found {
                let end = begin + next as u64;
                let number = stepped.numbers[stepped.automaton.found_number(state)];
                found(self, number, end - stepped.automaton.found_len(state)..end);
            }
        }
        state
    }
}
