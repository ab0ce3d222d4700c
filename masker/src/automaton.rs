//! Finds literal needles: an Aho-Corasick automaton with bounded memory.
//!
//! After any input the state stands for the longest tail of it that begins a needle. States near the
//! start, where ordinary text spends its time, have a row of transitions for every class of bytes; the
//! rest keep their children and a link to the state of the next shorter tail, so a large set costs a few
//! bytes a state. Rows mark the targets that need attention, which leaves one comparison a byte.
//!
//! Where a tail has at most one byte, pairs of bytes that begin no needle are skipped without walking.
//! Masking, whole words and folding are the caller's business.

mod build;

use zeroize::Zeroize;

use crate::view::index;

/// The state before any input.
pub(crate) const START: State = 0;

/// A state: the offset of its row, or for states without one, a number from `dense.len()` on.
pub(crate) type State = u32;

/// Marks, in a row, a target that is not just the next row to look at.
const EVENT: u32 = 1 << 31;

/// The automaton.
pub(crate) struct Automaton {
    /// Bytes that no needle tells apart have one class.
    classes: Box<[u8; 256]>,
    /// A row has `1 << row_bits` entries.
    row_bits: u32,
    /// The rows of the first states.
    dense: Vec<u32>,
    /// For every state without a row, the state of the next shorter tail.
    shorter: Vec<State>,
    /// For every state without a row and one past the last, the number of its first child.
    first_child: Vec<u32>,
    /// For every state, the byte that leads into it.
    labels: Vec<u8>,
    /// For every state, what is asked of it.
    lens: Vec<Lens>,
    /// For every state, the number of that needle among the sorted ones.
    found_number: Vec<u32>,
    /// The last state whose tail has one byte or none.
    last_shallow: State,
    /// The pairs of bytes that cannot be skipped; `None` where skipping would not pay.
    pairs: Option<Box<[u64; 1024]>>,
}

/// What is known of a state. Both are asked for together, and so are side by side.
#[derive(Clone, Copy)]
pub(crate) struct Lens {
    /// How many of the last bytes may still become a needle.
    pub(crate) held: u32,
    /// The length of the longest needle that ends there; 0 if none does.
    pub(crate) found: u32,
}

/// How far a run came.
pub(crate) struct Run {
    pub(crate) state: State,
    /// The number of bytes consumed from the front of the slice.
    pub(crate) end: usize,
    /// Whether the run stopped because something ends here.
    pub(crate) found: bool,
}

/// How many bytes were taken, and the first one that was not.
struct Taken {
    len: u64,
    next: Option<u8>,
}

impl Automaton {
    /// Consumes `bytes` from `start` on until something ends or no byte is left.
    pub(crate) fn run(&self, mut state: State, bytes: &[u8], start: usize) -> Run {
        let mut end = start;
        while end < bytes.len() {
            if self.has_row(state) {
                (state, end) = self.run_rows(state, bytes, end);
            } else {
                let taken = self.run_alone(&mut state, &mut bytes[end..].iter().copied());
                end += index(taken.len);
                let Some(byte) = taken.next else { break };
                state = self.step(state, byte);
                end += 1;
            }
            if self.lens(state).found != 0 {
                return Run { state, end, found: true };
            }
            if self.is_shallow(state) && end < bytes.len() {
                (state, end) = self.skip(state, bytes, end);
            }
        }
        Run { state, end, found: false }
    }

    /// Consumes bytes until a marked target is reached; at least one.
    #[inline]
    fn run_rows(&self, mut state: State, bytes: &[u8], start: usize) -> (State, usize) {
        let (dense, classes) = (self.dense.as_slice(), &self.classes);
        for (index, &byte) in bytes[start..].iter().enumerate() {
            let target = dense[state as usize + usize::from(classes[usize::from(byte)])];
            if target >= EVENT {
                return (target & !EVENT, start + index + 1);
            }
            state = target;
        }
        (state, bytes.len())
    }

    /// Skips the bytes that cannot begin a needle, given that the tail has one byte or none.
    #[inline]
    fn skip(&self, state: State, bytes: &[u8], end: usize) -> (State, usize) {
        let (Some(pairs), Some(last)) = (&self.pairs, end.checked_sub(1)) else {
            return (state, end);
        };
        let starts_needle = |pair: &[u8]| {
            let pair = usize::from(pair[0]) << 8 | usize::from(pair[1]);
            pairs[pair >> 6] >> (pair & 63) & 1 == 1
        };
        let rest = &bytes[last..];
        let skipped = rest.windows(2).position(starts_needle).unwrap_or(rest.len() - 1);
        if skipped == 0 {
            return (state, end);
        }
        (self.step(START, rest[skipped]), end + skipped)
    }

    /// The state after one more byte.
    #[inline]
    pub(crate) fn step(&self, mut state: State, byte: u8) -> State {
        loop {
            if self.has_row(state) {
                let class = self.classes[usize::from(byte)];
                return self.dense[state as usize + usize::from(class)] & !EVENT;
            }
            let sparse = state as usize - self.dense.len();
            let (first, last) = (self.first_child[sparse], self.first_child[sparse + 1]);
            let labels = &self.labels[first as usize..last as usize];
            let index = match labels {
                [label] => (*label == byte).then_some(0),
                _ => labels.binary_search(&byte).ok(),
            };
            if let Some(index) = index {
                return self.state(first as usize + index);
            }
            state = self.shorter[sparse];
        }
    }

    /// The state after as many of `bytes` as complete no needle, and how many they are.
    ///
    /// Nothing but transitions is looked at, in a fraction of the time that a step and what is asked of its
    /// state take.
    pub(crate) fn run_unfound(
        &self,
        mut state: State,
        mut bytes: impl Iterator<Item = u8>,
    ) -> (State, u64) {
        let mut len = 0;
        loop {
            let run = match self.has_row(state) {
                true => self.run_quiet_rows(&mut state, &mut bytes),
                false => self.run_alone(&mut state, &mut bytes),
            };
            len += run.len;
            let Some(byte) = run.next else { return (state, len) };
            let target = self.step(state, byte);
            if self.lens(target).found != 0 {
                return (state, len);
            }
            (state, len) = (target, len + 1);
        }
    }

    /// Takes bytes as long as only rows are to be looked at.
    fn run_quiet_rows(&self, state: &mut State, bytes: &mut impl Iterator<Item = u8>) -> Taken {
        let mut len = 0;
        for byte in bytes {
            let class = self.classes[usize::from(byte)];
            let target = self.dense[*state as usize + usize::from(class)];
            if target >= EVENT {
                return Taken { len, next: Some(byte) };
            }
            (*state, len) = (target, len + 1);
        }
        Taken { len, next: None }
    }

    /// Takes bytes as long as each is the only one that a needle goes on with: a long one is soon the only one
    /// under way.
    fn run_alone(&self, state: &mut State, bytes: &mut impl Iterator<Item = u8>) -> Taken {
        let rows = self.dense.len() >> self.row_bits;
        let mut number = self.number(*state);
        let mut taken = Taken { len: 0, next: None };
        for byte in bytes {
            let (first, end) =
                (self.first_child[number - rows], self.first_child[number - rows + 1]);
            let child = first as usize;
            if end != first + 1 || self.labels[child] != byte || self.lens[child].found != 0 {
                taken.next = Some(byte);
                break;
            }
            (number, taken.len) = (child, taken.len + 1);
        }
        *state = self.state(number);
        taken
    }

    /// How many of the last bytes may still become a needle.
    pub(crate) fn held_len(&self, state: State) -> u64 {
        self.lens(state).held.into()
    }

    /// The length of the longest needle that ends where `state` is reached; 0 if none does.
    pub(crate) fn found_len(&self, state: State) -> u64 {
        self.lens(state).found.into()
    }

    /// Both of them.
    pub(crate) fn lens(&self, state: State) -> Lens {
        self.lens[self.number(state)]
    }

    /// The number, in the order of their bytes, of the longest needle that ends where `state` is reached.
    pub(crate) fn found_number(&self, state: State) -> usize {
        self.found_number[self.number(state)] as usize
    }

    fn has_row(&self, state: State) -> bool {
        (state as usize) < self.dense.len()
    }

    /// Whether the tail has at most one byte: such states come first, after the start.
    fn is_shallow(&self, state: State) -> bool {
        self.pairs.is_some() && state <= self.last_shallow
    }

    fn state(&self, number: usize) -> State {
        let rows = self.dense.len() >> self.row_bits;
        let state =
            if number < rows { number << self.row_bits } else { self.dense.len() + number - rows };
        u32::try_from(state).expect("needles are bounded far below 2^31 bytes")
    }

    fn number(&self, state: State) -> usize {
        let state = state as usize;
        if state < self.dense.len() {
            state >> self.row_bits
        } else {
            state - self.dense.len() + (self.dense.len() >> self.row_bits)
        }
    }
}

impl Drop for Automaton {
    fn drop(&mut self) {
        self.labels.zeroize();
        self.first_child.zeroize();
        self.dense.zeroize();
    }
}
