//! Finds needles of fewer than eight bytes.
//!
//! They leave nothing to skip, so the packed search of `aho-corasick` finds where one may begin. Where
//! they are dense, or the processor has no such search, each position is looked at: a table of byte pairs
//! says where a needle may begin.

use aho_corasick::packed::{Config, MatchKind, Searcher};

use crate::needles::Needle;

/// With a needle in fewer bytes than this, looking at each is cheaper than starting anew each time.
const DISTANCE_MIN: usize = 16;
/// So many finds say nothing yet.
const FINDS_MIN: usize = 32;

/// The needles of fewer than eight bytes.
pub(crate) struct Short {
    /// Their numbers in the set, in the order of their bytes.
    needles: Vec<usize>,
    /// For every first byte, where in `needles` it begins.
    first: Box<[usize; 257]>,
    /// The pairs of bytes that begin a needle.
    pairs: Box<[u64; 1024]>,
    packed: Option<Searcher>,
}

impl Short {
    /// The needles with these numbers; `None` if there are none.
    pub(crate) fn new(all: &[Needle], numbers: Vec<usize>) -> Option<Short> {
        if numbers.is_empty() {
            return None;
        }
        let mut first = Box::new([0; 257]);
        let mut pairs = Box::new([0; 1024]);
        for byte in 0..=256 {
            first[byte] =
                numbers.partition_point(|&number| usize::from(all[number].bytes[0]) < byte);
        }
        for &number in &numbers {
            let bytes = all[number].bytes.as_slice();
            let seconds = bytes.get(1).map_or(0..=u8::MAX, |&second| second..=second);
            for second in seconds {
                let pair = usize::from(bytes[0]) << 8 | usize::from(second);
                pairs[pair >> 6] |= 1 << (pair & 63);
            }
        }
        let mut packed = Config::new().match_kind(MatchKind::LeftmostFirst).builder();
        packed.extend(numbers.iter().map(|&number| all[number].bytes.as_slice()));
        Some(Short { needles: numbers, first, pairs, packed: packed.build() })
    }

    /// Hands out the number of each needle in `text` and where it begins.
    pub(crate) fn find(&self, all: &[Needle], text: &[u8], mut found: impl FnMut(usize, usize)) {
        let mut at = 0;
        let mut finds = 0;
        if let Some(packed) = &self.packed {
            while let Some(next) = packed.find_in(text, (at..text.len()).into()) {
                self.at(all, text, next.start(), &mut found);
                at = next.start() + 1;
                finds += 1;
                if finds > FINDS_MIN && finds * DISTANCE_MIN > at {
                    break;
                }
            }
            if finds <= FINDS_MIN || finds * DISTANCE_MIN <= at {
                return;
            }
        }
        for start in at..text.len() {
            let second = text.get(start + 1);
            let pair = usize::from(text[start]) << 8 | usize::from(second.copied().unwrap_or(0));
            if self.pairs[pair >> 6] >> (pair & 63) & 1 == 1 || second.is_none() {
                self.at(all, text, start, &mut found);
            }
        }
    }

    /// Hands out the needles at `start`.
    fn at(&self, all: &[Needle], text: &[u8], start: usize, found: &mut impl FnMut(usize, usize)) {
        let byte = usize::from(text[start]);
        for &number in &self.needles[self.first[byte]..self.first[byte + 1]] {
            if text[start..].starts_with(&all[number].bytes) {
                found(number, start);
            }
        }
    }
}
