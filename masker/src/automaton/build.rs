//! Builds the automaton, level by level.
//!
//! Sorted needles make every node of the trie a range of them, and nodes numbered by level have their
//! children side by side, so no edges need to be stored: a child is a number and a label. The tail links
//! of a level only need the levels above it.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{Automaton, EVENT, Lens, START};

/// Rows take at most this many entries of four bytes; few under the fuzzer, whose sets are small, so
/// that it meets states without a row.
#[expect(unexpected_cfgs, reason = "cargo-fuzz sets it for all it builds")]
const ROW_ENTRIES_MAX: usize = if cfg!(fuzzing) { 1 << 6 } else { 1 << 20 };
/// The same for an automaton that is seldom asked.
const FEW_ROW_ENTRIES_MAX: usize = ROW_ENTRIES_MAX >> 6;
/// Above this many pairs that begin a needle, skipping stops too often to pay.
const PAIRS_MAX: usize = 1 << 10;

/// The trie: nodes in order of depth, the root first.
struct Trie {
    /// The patterns that pass through or end in a node.
    ranges: Vec<Range<u32>>,
    /// How many of those end in the node; they come first.
    ends: Vec<u32>,
    depths: Vec<u32>,
    labels: Zeroizing<Vec<u8>>,
    /// The first child of every node, and one past the last node.
    first_child: Vec<u32>,
}

impl Automaton {
    /// The automaton that finds `patterns`, none of which may be empty.
    pub(crate) fn new(patterns: Vec<&[u8]>) -> Automaton {
        Automaton::with_rows(patterns, ROW_ENTRIES_MAX)
    }

    /// The same, smaller and slower.
    pub(crate) fn small(patterns: Vec<&[u8]>) -> Automaton {
        Automaton::with_rows(patterns, FEW_ROW_ENTRIES_MAX)
    }

    /// The same with rows of about `entries_max` entries together; the start always has one.
    fn with_rows(mut patterns: Vec<&[u8]>, entries_max: usize) -> Automaton {
        patterns.sort_unstable();
        let trie = Trie::new(&patterns);
        let (classes, row_bits) = classes(&patterns);
        let rows = trie.depths.len().min((entries_max >> row_bits).max(1));
        let shallow = trie.depths.partition_point(|&depth| depth <= 1);
        let mut automaton = Automaton {
            classes,
            row_bits,
            dense: vec![START; rows << row_bits],
            shorter: Vec::new(),
            first_child: trie.first_child[rows..].to_vec(),
            labels: trie.labels.to_vec(),
            lens: Vec::with_capacity(trie.depths.len()),
            found_number: Vec::with_capacity(trie.depths.len()),
            last_shallow: START,
            pairs: None,
        };
        automaton.last_shallow = automaton.state(shallow - 1);
        automaton.link(&trie, rows);
        automaton.pairs = automaton.pairs(&trie);
        automaton.mark_events();
        automaton
    }

    /// Fills rows, links and lengths in the order of depth.
    fn link(&mut self, trie: &Trie, rows: usize) {
        let mut shorter = vec![START; trie.depths.len()];
        for node in 0..trie.depths.len() {
            let tail = self.number(shorter[node]);
            let row = node << self.row_bits;
            if node < rows && node > 0 {
                let tail_row = tail << self.row_bits;
                self.dense.copy_within(tail_row..tail_row + (1 << self.row_bits), row);
            }
            for child in trie.children(node) {
                let label = trie.labels[child];
                if node > 0 {
                    shorter[child] = self.step(shorter[node], label);
                }
                if node < rows {
                    let class = usize::from(self.classes[usize::from(label)]);
                    self.dense[row + class] = self.state(child);
                }
            }
            self.add_lens(trie, node, tail);
            if node >= rows {
                self.shorter.push(shorter[node]);
            }
        }
    }

    /// Notes what ends at `node`, given that the shorter tail at `tail` is done.
    fn add_lens(&mut self, trie: &Trie, node: usize, tail: usize) {
        let depth = trie.depths[node];
        let tail_lens = if node == 0 { Lens { held: 0, found: 0 } } else { self.lens[tail] };
        let may_grow = !trie.children(node).is_empty();
        let ends = trie.ends[node] > 0;
        self.lens.push(Lens {
            held: if may_grow { depth } else { tail_lens.held },
            found: if ends { depth } else { tail_lens.found },
        });
        let first = trie.ranges[node].start;
        let inherited = if node == 0 { 0 } else { self.found_number[tail] };
        self.found_number.push(if ends { first } else { inherited });
    }

    /// The pairs of bytes that begin a needle or end with one of a single byte.
    fn pairs(&self, trie: &Trie) -> Option<Box<[u64; 1024]>> {
        let mut pairs = Box::new([0; 1024]);
        let mut mark = |first: u8, second: u8| {
            let pair = usize::from(first) << 8 | usize::from(second);
            pairs[pair >> 6] |= 1 << (pair & 63);
        };
        for node in trie.children(0) {
            let first = trie.labels[node];
            trie.children(node).for_each(|child| mark(first, trie.labels[child]));
            if self.lens[node].found != 0 {
                (0..=u8::MAX).for_each(|before| mark(before, first));
            }
        }
        let marked: u32 = pairs.iter().map(|word: &u64| word.count_ones()).sum();
        (marked as usize <= PAIRS_MAX).then_some(pairs)
    }

    /// Marks in all rows the targets that need attention.
    fn mark_events(&mut self) {
        for entry in 0..self.dense.len() {
            let target = self.dense[entry];
            let found = self.lens(target).found != 0;
            if found || self.is_shallow(target) || !self.has_row(target) {
                self.dense[entry] |= EVENT;
            }
        }
    }
}

impl Trie {
    fn new(patterns: &[&[u8]]) -> Trie {
        // Room for all: growing would leave unwiped copies behind.
        let label_count_max = 1 + patterns.iter().map(|pattern| pattern.len()).sum::<usize>();
        let mut labels = Zeroizing::new(Vec::with_capacity(label_count_max));
        labels.push(0);
        let mut trie = Trie {
            ranges: std::iter::once(0..count(patterns.len())).collect(),
            ends: Vec::new(),
            depths: vec![0],
            labels,
            first_child: Vec::new(),
        };
        let mut node = 0;
        while node < trie.depths.len() {
            trie.first_child.push(count(trie.depths.len()));
            trie.expand(node, patterns);
            node += 1;
        }
        trie.first_child.push(count(trie.depths.len()));
        trie
    }

    fn expand(&mut self, node: usize, patterns: &[&[u8]]) {
        let (mut start, end) = (self.ranges[node].start as usize, self.ranges[node].end as usize);
        let depth = self.depths[node];
        let at = depth as usize;
        let ends = patterns[start..end].iter().take_while(|pattern| pattern.len() == at).count();
        self.ends.push(count(ends));
        start += ends;
        while start < end {
            let label = patterns[start][at];
            let same =
                patterns[start..end].iter().take_while(|pattern| pattern[at] == label).count();
            self.ranges.push(count(start)..count(start + same));
            self.depths.push(depth + 1);
            self.labels.push(label);
            start += same;
        }
    }

    fn children(&self, node: usize) -> Range<usize> {
        self.first_child[node] as usize..self.first_child[node + 1] as usize
    }
}

/// A class for every byte, and the bits that number them; class 0 is of the bytes in no needle.
fn classes(patterns: &[&[u8]]) -> (Box<[u8; 256]>, u32) {
    let mut used = [false; 256];
    for byte in patterns.iter().copied().flatten() {
        used[usize::from(*byte)] = true;
    }
    let mut classes = Box::new([0; 256]);
    let mut next: u8 = if used.contains(&false) { 1 } else { 0 };
    let mut class_count = usize::from(next);
    for (class, _) in classes.iter_mut().zip(used).filter(|(_, used)| *used) {
        *class = next;
        next = next.wrapping_add(1);
        class_count += 1;
    }
    (classes, class_count.next_power_of_two().trailing_zeros())
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("needles are bounded far below 2^31 bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;
    use proptest::test_runner::Config;

    use super::{Automaton, START};

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn rows_change_nothing_but_speed(
            needles in proptest::collection::vec("[abc]{1,6}", 0..12),
            text in "[abcd]{0,60}",
        ) {
            let all_rows = walk(&needles, 1 << 20, text.as_bytes());
            for entries_max in [0, 16, 32] {
                assert_eq!(walk(&needles, entries_max, text.as_bytes()), all_rows);
            }
        }
    }

    /// What is found where, by stepping and by running, and how much is held.
    fn walk(needles: &[String], entries_max: usize, text: &[u8]) -> Vec<(usize, u64, u64)> {
        let needles = needles.iter().map(|needle| needle.as_bytes());
        let automaton = Automaton::with_rows(needles.collect(), entries_max);
        let at = |end, state| (end, automaton.found_len(state), automaton.held_len(state));
        let mut state = START;
        let mut stepped: Vec<_> = Vec::new();
        for (index, &byte) in text.iter().enumerate() {
            state = automaton.step(state, byte);
            stepped.push(at(index + 1, state));
        }
        let (mut state, mut end) = (START, 0);
        let mut ran = Vec::new();
        while end < text.len() {
            let run = automaton.run(state, text, end);
            (state, end) = (run.state, run.end);
            if run.found {
                ran.push(at(end, state));
            }
        }
        let found = stepped.iter().filter(|(_, found_len, _)| *found_len > 0);
        assert!(found.eq(&ran));
        for start in 0..text.len() {
            check_unfound(&automaton, text, start);
        }
        stepped
    }
    /// That a run from `start` on that completes nothing ends where the next step does.
    fn check_unfound(automaton: &Automaton, text: &[u8], start: usize) {
        let step = |state, byte: &u8| automaton.step(state, *byte);
        let before = text[..start].iter().fold(START, step);
        let (state, len) = automaton.run_unfound(before, text[start..].iter().copied());
        let mut expected = before;
        let taken = text[start..].iter().take_while(|byte| {
            let target = step(expected, byte);
            let is_quiet = automaton.found_len(target) == 0;
            if is_quiet {
                expected = target;
            }
            is_quiet
        });
        assert_eq!((taken.count() as u64, expected), (len, state));
    }
}
