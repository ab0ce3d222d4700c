//! Finds places where a needle may stand, without looking at every byte.
//!
//! Of every needle a stretch is looked for by its grams: the runs of six (or four) bytes in it. Wherever
//! `window_len` bytes of the stretch stand in a text, one of every `step = window_len - gram_len + 1`
//! positions begins one of its grams, so probing only each such position misses no needle. A probe asks a
//! Bloom table first: one multiplication, one load, one or two bits. What the table lets pass is looked up and
//! handed out; comparing the needle itself is the caller's business.

mod tables;

use tables::{Bloom, Doubts, LARGE_SIZES, QUICK_SIZES, passes};

pub(crate) use tables::is_quick;

/// Lengths of grams.
pub(crate) const LONG_GRAM_LEN: usize = 6;
pub(crate) const MIDDLE_GRAM_LEN: usize = 4;
/// Spreads a gram over all bits; the odd number nearest to 2^64 divided by the golden ratio.
pub(crate) const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// So many positions are handed out at once.
const PASSED_MAX: usize = 64;
/// So many probes at once: none waits for the table's answer to another, and there is one branch.
const GROUP: usize = 8;
/// The step of the copy of the loop that reads it from the set.
const ANY_STEP: usize = 0;

/// The grams of a set of stretches.
pub(crate) struct Grams {
    gram_len: usize,
    /// Distance between probes.
    step: usize,
    bloom: Bloom,
    /// What the first table lets pass must be in this one, too.
    doubts: Doubts,
    /// Where in `places` the grams of a bucket begin.
    buckets: Vec<u32>,
    bucket_shift: u32,
    places: Vec<Place>,
}

/// So many bytes before a gram are compared before its needle is looked at.
pub(crate) const BEFORE_LEN: usize = 3;

/// Where in which needle a gram stands. As small as can be: the places of a set lie beyond the first caches.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    needle: u32,
    /// What of the hash the buckets do not use: most grams that only share a bucket differ here.
    check: u16,
    /// From the beginning of the needle.
    offset: u8,
    /// From the beginning of the stretch.
    in_stretch: u8,
    /// What stands before it in the needle.
    before: Option<[u8; BEFORE_LEN]>,
}

impl Place {
    pub(crate) fn needle(&self) -> usize {
        self.needle as usize
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset.into()
    }

    pub(crate) fn in_stretch(&self) -> usize {
        self.in_stretch.into()
    }

    /// Whether the needle cannot stand here, given what stands in the text before the gram and that it has no
    /// wrap in it. Many needles have grams that are frequent in texts (times in the digits with colons, words
    /// in addresses), and fetching each from memory would take longer than all else.
    pub(crate) fn is_refuted(&self, before: Option<[u8; BEFORE_LEN]>) -> bool {
        self.before.is_some() && before.is_some() && self.before != before
    }
}

/// A stretch of a needle: what is looked for of it.
pub(crate) struct Anchor<'a> {
    /// The number of the needle.
    pub(crate) needle: usize,
    /// The needle up to the end of the stretch.
    pub(crate) bytes: &'a [u8],
    /// Where the stretch begins.
    pub(crate) offset: usize,
}

impl<'a> Anchor<'a> {
    fn stretch(&self) -> &'a [u8] {
        &self.bytes[self.offset..]
    }
}

impl Grams {
    /// The grams of `gram_len` bytes of the stretches, each of at least `window_len` bytes.
    pub(crate) fn new(gram_len: usize, window_len: usize, anchors: &[Anchor<'_>]) -> Grams {
        let gram_count = anchors.iter().map(|anchor| anchor.stretch().len() - gram_len + 1).sum();
        // Two places in a bucket, or fewer: with one, the buckets would take as much memory as what they order.
        let count = usize::max(gram_count / 2, 64).next_power_of_two();
        let mut grams = Grams {
            gram_len,
            step: window_len - gram_len + 1,
            bloom: Bloom::new(gram_count),
            doubts: Doubts::new(gram_count),
            buckets: vec![0; count + 1],
            bucket_shift: 64 - count.trailing_zeros(),
            places: vec![Place::default(); gram_count],
        };
        // Buckets are counted first, then each place goes below the end of its bucket.
        for word in anchors.iter().flat_map(|anchor| gram_words(anchor.stretch(), gram_len)) {
            let hash = hash(word, gram_len);
            grams.doubts.add(word << (64 - 8 * gram_len));
            grams.bloom.add(hash);
            grams.buckets[(hash >> grams.bucket_shift) as usize] += 1;
        }
        let mut end = 0;
        for bucket in &mut grams.buckets {
            end += *bucket;
            *bucket = end;
        }
        for anchor in anchors {
            for (index, word) in gram_words(anchor.stretch(), gram_len).enumerate() {
                let hash = hash(word, gram_len);
                let bucket = &mut grams.buckets[(hash >> grams.bucket_shift) as usize];
                *bucket -= 1;
                grams.places[*bucket as usize] = place(anchor, index, hash);
            }
        }
        grams
    }

    /// How many bytes a window has.
    pub(crate) fn window_len(&self) -> usize {
        self.step + self.gram_len - 1
    }

    pub(crate) fn gram_len(&self) -> usize {
        self.gram_len
    }

    pub(crate) fn step(&self) -> usize {
        self.step
    }

    /// Probes the positions `from`, `from + step`, ... until `passed` is full of those where a gram may stand; where to
    /// go on, `None` at the end of the text.
    pub(crate) fn probe(&self, text: &[u8], from: usize, passed: &mut Passed) -> Option<usize> {
        // What is known of a set is a constant in each copy of the loop, so that it costs no instruction.
        match self.gram_len {
            MIDDLE_GRAM_LEN => self.probe_grams::<MIDDLE_GRAM_LEN>(text, from, passed),
            _ => self.probe_grams::<LONG_GRAM_LEN>(text, from, passed),
        }
    }

    fn probe_grams<const LEN: usize>(
        &self,
        text: &[u8],
        from: usize,
        passed: &mut Passed,
    ) -> Option<usize> {
        const QUICK: [usize; 3] = QUICK_SIZES;
        const LARGE: [usize; 4] = LARGE_SIZES;
        match self.bloom.words.len() {
            len if len == QUICK[0] => self.probe_table::<LEN, { QUICK[0] }>(text, from, passed),
            len if len == QUICK[1] => self.probe_table::<LEN, { QUICK[1] }>(text, from, passed),
            len if len == QUICK[2] => self.probe_table::<LEN, { QUICK[2] }>(text, from, passed),
            len if len == LARGE[0] => self.probe_table::<LEN, { LARGE[0] }>(text, from, passed),
            len if len == LARGE[1] => self.probe_table::<LEN, { LARGE[1] }>(text, from, passed),
            len if len == LARGE[2] => self.probe_table::<LEN, { LARGE[2] }>(text, from, passed),
            _ => self.probe_table::<LEN, { LARGE[3] }>(text, from, passed),
        }
    }

    /// The same for grams of `LEN` bytes and a table of `WORDS` words.
    fn probe_table<const LEN: usize, const WORDS: usize>(
        &self,
        text: &[u8],
        from: usize,
        passed: &mut Passed,
    ) -> Option<usize> {
        // With the steps that most sets have as constants, all places of a group are at fixed distances, and none
        // is fetched from the stack: 7 % of the time. With longer steps there are few probes anyway.
        match self.step {
            5 => self.probe_by::<LEN, WORDS, 5>(text, from, passed),
            6 => self.probe_by::<LEN, WORDS, 6>(text, from, passed),
            7 => self.probe_by::<LEN, WORDS, 7>(text, from, passed),
            8 => self.probe_by::<LEN, WORDS, 8>(text, from, passed),
            9 => self.probe_by::<LEN, WORDS, 9>(text, from, passed),
            10 => self.probe_by::<LEN, WORDS, 10>(text, from, passed),
            11 => self.probe_by::<LEN, WORDS, 11>(text, from, passed),
            12 => self.probe_by::<LEN, WORDS, 12>(text, from, passed),
            _ => self.probe_by::<LEN, WORDS, ANY_STEP>(text, from, passed),
        }
    }

    /// The same for steps of `STEP` bytes or [`ANY_STEP`]. Apart from its callers, so that the loop has all
    /// registers for itself.
    #[inline(never)]
    fn probe_by<const LEN: usize, const WORDS: usize, const STEP: usize>(
        &self,
        text: &[u8],
        mut from: usize,
        passed: &mut Passed,
    ) -> Option<usize> {
        let step = if STEP == ANY_STEP { self.step } else { STEP };
        let words = &self.bloom.words[..WORDS];
        passed.count = 0;
        while let Some(group) = text.get(from..from + (GROUP - 1) * step + 8) {
            let mut any = 0;
            for probe in 0..GROUP {
                any |= passes(words, hash(load(group, probe * step), LEN));
            }
            if any & 1 != 0 && note::<LEN, WORDS>(words, group, step, from, passed) {
                self.settle_doubts::<LEN>(text, passed);
                return Some(from + GROUP * step);
            }
            from += GROUP * step;
        }
        while let Some(rest) = text.get(from..).filter(|rest| rest.len() >= LEN) {
            passed.push_if(self.bloom.passes(hash(load_some(rest), LEN)), from);
            from += step;
        }
        self.settle_doubts::<LEN>(text, passed);
        None
    }

    /// Leaves what the second table lets pass, too. All at once: none waits for the table's answer to another.
    fn settle_doubts<const LEN: usize>(&self, text: &[u8], passed: &mut Passed) {
        let count = std::mem::take(&mut passed.count);
        for index in 0..count {
            let at = passed.positions[index] as usize;
            let is_known = self.doubts.pass(load_some(&text[at..]) << (64 - 8 * LEN));
            passed.push_if(is_known, at);
        }
    }

    /// Where the gram that `text` begins with may stand in needles, with a few places too many.
    pub(crate) fn places(&self, text: &[u8]) -> impl Iterator<Item = Place> + '_ {
        let hash = hash(load_short(&text[..self.gram_len]), self.gram_len);
        let bucket = (hash >> self.bucket_shift) as usize;
        let range = match self.bloom.passes(hash) {
            true => self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize,
            false => 0..0,
        };
        let check = check(hash);
        self.places[range].iter().filter(move |place| place.check == check).copied()
    }

    /// Whether both tables let `gram` pass.
    pub(crate) fn knows(&self, gram: &[u8]) -> bool {
        let word = load_short(gram);
        self.bloom.passes(hash(word, self.gram_len))
            && self.doubts.pass(word << (64 - 8 * self.gram_len))
    }

    /// Whether a gram may end before or begin after the byte in the middle of `around`.
    #[inline(always)]
    pub(crate) fn may_touch(&self, around: &[u8; 17]) -> bool {
        let (before, len) = (8 - self.gram_len, self.gram_len);
        let passes = |at: usize| self.bloom.passes(hash(load(around, at), len));
        passes(before) | passes(9)
    }
}

/// Positions that probes let pass. No text that is searched at once has more than four gigabytes.
pub(crate) struct Passed {
    positions: [u32; PASSED_MAX],
    count: usize,
}

impl Passed {
    pub(crate) fn new() -> Passed {
        Passed { positions: [0; PASSED_MAX], count: 0 }
    }

    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        self.positions[..self.count].iter().map(|&at| at as usize)
    }

    /// Notes `at` if it passed. Whether cannot be foreseen, so nothing branches on it.
    #[inline(always)]
    fn push_if(&mut self, passed: bool, at: usize) {
        self.positions[self.count % PASSED_MAX] = at as u32;
        self.count += usize::from(passed);
    }
}

/// Notes which probes of the group at `from` pass; whether there is no room for another one.
#[cold]
#[inline(never)]
fn note<const LEN: usize, const WORDS: usize>(
    words: &[u64],
    group: &[u8],
    step: usize,
    from: usize,
    passed: &mut Passed,
) -> bool {
    let words = &words[..WORDS];
    for at in (0..GROUP).map(|probe| probe * step) {
        passed.push_if(passes(words, hash(load(group, at), LEN)) & 1 != 0, from + at);
    }
    passed.count > PASSED_MAX - GROUP
}

fn place(anchor: &Anchor<'_>, index: usize, hash: u64) -> Place {
    let short = |offset: usize| u8::try_from(offset).expect("stretches begin early and are short");
    let offset = anchor.offset + index;
    Place {
        check: check(hash),
        needle: u32::try_from(anchor.needle).expect("4 MiB of values have fewer needles"),
        offset: short(offset),
        in_stretch: short(index),
        before: anchor.bytes[..offset].last_chunk().copied(),
    }
}

/// All grams of a stretch as numbers: equal grams have equal ones.
pub(crate) fn gram_words(stretch: &[u8], gram_len: usize) -> impl Iterator<Item = u64> {
    let (first, rest) = stretch.split_at(gram_len - 1);
    let upper = 8 * (gram_len - 1);
    let mut word = load_short(first) << 8;
    rest.iter().map(move |&byte| {
        word = word >> 8 | u64::from(byte) << upper;
        word
    })
}

fn check(hash: u64) -> u16 {
    (hash >> 16) as u16
}

/// The hash of the first `gram_len` bytes of a word; its upper half depends on all of them.
#[inline(always)]
fn hash(word: u64, gram_len: usize) -> u64 {
    (word << (64 - 8 * gram_len)).wrapping_mul(SPREAD)
}

#[inline(always)]
fn load(text: &[u8], at: usize) -> u64 {
    let bytes = text[at..at + 8].try_into();
    u64::from_le_bytes(bytes.expect("the slice has eight bytes"))
}

/// The word that a text begins with, which is shorter at its end.
#[inline(always)]
fn load_some(text: &[u8]) -> u64 {
    text.first_chunk().map_or_else(|| load_short(text), |bytes| u64::from_le_bytes(*bytes))
}

/// The word of at most eight bytes.
fn load_short(text: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..text.len()].copy_from_slice(text);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stretches that look random and are the same in every run (SplitMix64).
    fn stretches(count: usize) -> Vec<[u8; 24]> {
        let number = |seed: u64| {
            let mixed = seed.wrapping_mul(SPREAD);
            let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed ^ mixed >> 27).to_le_bytes()
        };
        let numbers = |stretch: u64| [1, 2, 3].map(|part| number(3 * stretch + part));
        (0..count as u64).map(|stretch| numbers(stretch).concat().try_into().unwrap()).collect()
    }

    /// That each stretch is found wherever it stands, and little else.
    fn check(count: usize, gram_len: usize, window_len: usize, words: usize) {
        let stretches = stretches(count + 100);
        let (known, others) = stretches.split_at(count);
        let anchor = |(needle, bytes)| Anchor { needle, bytes, offset: 0 };
        let anchors: Vec<_> =
            known.iter().map(|bytes| bytes.as_slice()).enumerate().map(anchor).collect();
        let grams = Grams::new(gram_len, window_len, &anchors);
        assert_eq!(grams.bloom.words.len(), words);
        let mut passed = Passed::new();
        let mut probe = |text: &[u8]| -> Vec<usize> {
            let mut next = Some(0);
            let mut all = Vec::new();
            while let Some(from) = next {
                next = grams.probe(text, from, &mut passed);
                all.extend(passed.positions());
            }
            all
        };
        for (number, stretch) in known.iter().enumerate().step_by(count.div_ceil(100)) {
            for before in [0, 1, 2, 5, 7, 11, 200, 2000] {
                for after in [0, 3, 500] {
                    let text = [vec![b'.'; before], stretch.to_vec(), vec![b'.'; after]].concat();
                    let found = probe(&text).into_iter().flat_map(|at| grams.places(&text[at..]));
                    assert!(found.into_iter().any(|place| place.needle() == number), "{before}");
                }
            }
        }
        assert!(probe(&others.concat()).len() < 20, "{count}");
    }

    #[test]
    fn grams_are_found_in_tables_of_all_sizes() {
        let counts = [5, 60, 1000, 8000, 15_000, 30_000, 60_000];
        for (count, words) in counts.into_iter().zip(QUICK_SIZES.into_iter().chain(LARGE_SIZES)) {
            check(count, LONG_GRAM_LEN, 16, words);
        }
        check(60, MIDDLE_GRAM_LEN, 16, QUICK_SIZES[1]);
    }

    #[test]
    fn grams_are_found_with_all_steps() {
        for gram_len in [LONG_GRAM_LEN, MIDDLE_GRAM_LEN] {
            for window_len in 8..=24 {
                check(5, gram_len, window_len, QUICK_SIZES[0]);
            }
        }
    }

    #[test]
    fn more_positions_than_are_handed_out_at_once_are_all_handed_out() {
        let bytes = b"abcdefghijklmnop";
        let grams = Grams::new(6, 16, &[Anchor { needle: 0, bytes, offset: 0 }]);
        let text = bytes.repeat(1000);
        let mut passed = Passed::new();
        let (mut next, mut count) = (Some(0), 0);
        while let Some(from) = next {
            next = grams.probe(&text, from, &mut passed);
            count += passed.positions().count();
        }
        let expected = text
            .windows(6)
            .step_by(grams.step())
            .filter(|gram| bytes.windows(6).any(|known| known == *gram));
        assert_eq!(count, expected.count());
    }
}
