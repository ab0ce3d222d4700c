//! Follows one folded needle through a stream.
//!
//! While nothing is under way it costs nothing: the head of a folded needle is found like any needle, and
//! only then are the following bytes folded and searched, until no needle with a gap is left
//! that the tail could begin. Before its first gap a needle is not followed here.

use std::collections::VecDeque;

use crate::automaton::{Automaton, START, State};
use crate::fold::{GAP, GAP_LEN_MAX, is_space};
use crate::view::index;

/// At most so many bytes are taken at once; where that went too far, so many are taken again.
const MANY_MAX: usize = 64;

/// Where an automaton is after a head.
///
/// Known beforehand, since one that repeats itself for long may end at each byte of a text.
pub(crate) struct Head {
    /// The number of the needle that it is.
    pub(crate) needle: usize,
    whole: State,
    without_first: State,
}

impl Head {
    /// The needle numbered `needle`, which has these bytes.
    pub(crate) fn new(automaton: &Automaton, needle: usize, bytes: &[u8]) -> Head {
        let after = |bytes: &[u8]| {
            let folded = bytes.iter().map(|&byte| if byte == b' ' { GAP } else { byte });
            folded.fold(START, |state, byte| automaton.step(state, byte))
        };
        Head { needle, whole: after(bytes), without_first: after(&bytes[1..]) }
    }

    /// The state after it in a text where a backslash may stand before it: with an `n` that is a gap.
    pub(crate) fn state(&self, is_first_in_gap: bool) -> State {
        if is_first_in_gap { self.without_first } else { self.whole }
    }
}

/// The bytes that a match covers, counted back from the end of the input.
#[derive(Clone, Copy)]
pub(crate) struct Covered {
    /// How many bytes follow the match.
    pub(crate) after: u64,
    /// How many bytes the match has.
    pub(crate) len: u64,
    /// The number of the needle.
    pub(crate) needle: usize,
}

/// A gap in the tail that is being followed.
struct Gap {
    /// The number of its token.
    token: u64,
    /// How many bytes it has beyond the one it counts in folded text.
    extra: u64,
}

/// Where the search in the folded stream stands.
#[derive(Default)]
pub(crate) struct Track {
    active: bool,
    state: State,
    /// Tokens, that is bytes of folded text, seen; only differences matter.
    tokens: u64,
    /// The gaps among the tokens of the tail.
    gaps: VecDeque<Gap>,
    /// What the gaps have beyond a byte each, together.
    extra: u64,
    /// The length of the gap that the input ends in; 0 outside one.
    gap_len: usize,
    /// Whether the input ends in a backslash that may begin a gap.
    backslash: bool,
    /// So many of the next bytes are not taken at once.
    singly: usize,
}

impl Track {
    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    /// Begins after a head that the input ends with, unless something longer is under way.
    pub(crate) fn enter(&mut self, automaton: &Automaton, state: State) {
        if self.active && !self.gaps.is_empty() {
            return;
        }
        let depth = automaton.held_len(state);
        *self = Track { active: depth > 0, state, tokens: depth, ..Track::default() };
    }

    /// Takes the next byte and hands every match that it completes to `cover`.
    pub(crate) fn push(&mut self, automaton: &Automaton, byte: u8, mut cover: impl FnMut(Covered)) {
        if !self.active {
            return;
        }
        self.singly = self.singly.saturating_sub(1);
        if self.backslash {
            self.backslash = false;
            if byte == b'n' {
                self.push_gap(automaton, 2);
                return;
            }
            if let Some(found) = self.push_token(automaton, b'\\') {
                cover(Covered { after: 1, ..found });
            }
            if !self.active {
                return;
            }
        }
        if byte == b'\\' {
            self.backslash = true;
        } else if is_space(byte) {
            self.push_gap(automaton, 1);
        } else if let Some(found) = self.push_token(automaton, byte) {
            cover(found);
        }
    }

    /// Whether a gap is under way: then no head that ends meanwhile matters.
    pub(crate) fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// Takes some bytes at once that are in no gap, complete nothing and leave a gap under way; how many. The next one
    /// is to be pushed.
    pub(crate) fn push_many(&mut self, automaton: &Automaton, bytes: &[u8]) -> usize {
        if !self.active || self.backslash || self.gaps.is_empty() || self.singly > 0 {
            return 0;
        }
        let plain =
            bytes.iter().take(MANY_MAX).take_while(|&&byte| byte != b'\\' && !is_space(byte));
        let (state, len) = automaton.run_unfound(self.state, plain.copied());
        let before_tail = self.tokens + len - automaton.held_len(state);
        if self.gaps.back().is_none_or(|gap| gap.token <= before_tail) {
            // Where the last gap left the tail, a head may begin anew: that place is wanted exactly.
            self.singly = index(len);
            return 0;
        }
        if len > 0 {
            self.state = state;
            self.tokens += len;
            self.gap_len = 0;
            self.forget(automaton.held_len(state));
        }
        index(len)
    }

    /// Ends the input; the match that this completes.
    pub(crate) fn finish(&mut self, automaton: &Automaton) -> Option<Covered> {
        let undecided = self.active && self.backslash;
        let found = if undecided { self.push_token(automaton, b'\\') } else { None };
        *self = Track::default();
        found
    }

    /// How many of the last bytes may still become a match.
    pub(crate) fn held_len(&self, automaton: &Automaton) -> u64 {
        if !self.active {
            return 0;
        }
        let held = self.bytes(automaton.held_len(self.state));
        if !self.backslash {
            return held;
        }
        let as_gap = if self.gap_len == 0 {
            self.bytes_and_one(automaton.held_len(automaton.step(self.state, GAP)))
        } else if self.gap_len + 2 <= GAP_LEN_MAX {
            held + 1
        } else {
            0
        };
        let state = automaton.step(self.state, b'\\');
        let found_len = automaton.found_len(state);
        as_gap.max(self.bytes_and_one(automaton.held_len(state).max(found_len)))
    }

    fn push_gap(&mut self, automaton: &Automaton, len: usize) {
        if self.gap_len > 0 {
            self.gap_len += len;
            self.extra += len as u64;
            if let Some(gap) = self.gaps.back_mut() {
                gap.extra += len as u64;
            }
            if self.gap_len > GAP_LEN_MAX {
                *self = Track::default();
            }
            return;
        }
        self.state = automaton.step(self.state, GAP);
        self.tokens += 1;
        self.gap_len = len;
        let extra = len as u64 - 1;
        self.extra += extra;
        self.gaps.push_back(Gap { token: self.tokens, extra });
        self.forget(automaton.held_len(self.state));
        self.active = !self.gaps.is_empty();
    }

    fn push_token(&mut self, automaton: &Automaton, byte: u8) -> Option<Covered> {
        self.state = automaton.step(self.state, byte);
        self.tokens += 1;
        self.gap_len = 0;
        let lens = automaton.lens(self.state);
        let found = (lens.found > 0).then(|| Covered {
            after: 0,
            len: self.bytes(lens.found.into()),
            needle: automaton.found_number(self.state),
        });
        self.forget(lens.held.into());
        // A head is reported without the backslashes at its end: they are followed here.
        self.active = !self.gaps.is_empty() || byte == b'\\';
        found
    }

    /// Drops the gaps before the tail, which has so many tokens.
    fn forget(&mut self, tail_len: u64) {
        let before_tail = self.tokens - tail_len;
        while let Some(gap) = self.gaps.front().filter(|gap| gap.token <= before_tail) {
            self.extra -= gap.extra;
            self.gaps.pop_front();
        }
    }

    /// How many bytes the last `tokens` tokens have.
    fn bytes(&self, tokens: u64) -> u64 {
        let before = self.tokens - tokens;
        match self.gaps.front() {
            Some(first) if first.token <= before => {
                let inside = self.gaps.iter().rev().take_while(|gap| gap.token > before);
                tokens + inside.map(|gap| gap.extra).sum::<u64>()
            }
            _ => tokens + self.extra,
        }
    }

    /// How many bytes `tokens` tokens have of which the last is a backslash not counted yet.
    fn bytes_and_one(&self, tokens: u64) -> u64 {
        tokens.checked_sub(1).map_or(0, |counted| self.bytes(counted) + 1)
    }
}
