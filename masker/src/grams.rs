//! Finds places where a needle may stand, without looking at every byte.
//!
//! Of every needle a stretch is looked for by its grams: the runs of six (or four) bytes in it. Wherever
//! `window_len` bytes of the stretch stand in a text, one of every `step = window_len - gram_len + 1`
//! positions begins one of its grams, so probing only each such position misses no needle. A probe asks a
//! Bloom table first: one multiplication, one load, two or three bits. What the table lets pass is looked up and
//! handed out; comparing the needle itself is the caller's business.

/// Spreads a gram over all bits; the odd number nearest to 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// The same for the second table; another odd number, so that the two agree by chance only.
const SPREAD_DOUBTS: u64 = 0xd6e8_feb8_6659_fd93;
/// Words of the usual table. It fills most of the first cache of common processors and leaves room for
/// the text; a probe of a larger table takes twice as long.
const QUICK_WORDS: usize = 1 << 12;
/// The usual table takes as many grams as leave it this many bits for each: then about one probe in fifty
/// passes.
const QUICK_BITS_MIN: usize = 8;
/// With this many bits for each gram two of them tell enough, otherwise three.
const TWO_BITS_MIN: usize = 32;
/// Bits of a larger table for each gram.
const LARGE_BITS: usize = 16;
/// One with more words than this lies beyond the second cache and has half the bits: what passes then takes less
/// time than what a larger table would wait for memory.
const CACHED_WORDS_MAX: usize = 1 << 17;
/// So many probes at once: none waits for the table's answer to another, and there is one branch.
const GROUP: usize = 8;

/// The grams of a set of stretches.
pub(crate) struct Grams {
    gram_len: usize,
    /// Distance between probes.
    step: usize,
    bloom: Bloom,
    /// What the usual table lets pass must be in this one, too.
    doubts: Doubts,
    /// How many bits of the table a gram has.
    bits: Bits,
    /// Where in `places` the grams of a bucket begin.
    buckets: Vec<u32>,
    bucket_shift: u32,
    places: Vec<Place>,
}

/// The table that is asked first. A gram has its bits in one word, so that a probe touches one cache line.
enum Bloom {
    Quick(Box<[u64; QUICK_WORDS]>),
    /// A power of two of words, and how far a hash is shifted to number them.
    Large(Vec<u64>, u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bits {
    Two,
    Three,
}

/// So many bytes before a gram are compared before its needle is looked at.
pub(crate) const BEFORE_LEN: usize = 3;

/// Where in which needle a gram stands.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    /// What of the hash neither table uses: most grams that only share a bucket differ here.
    check: u32,
    needle: u32,
    /// From the beginning of the needle.
    offset: u16,
    /// From the beginning of the stretch.
    in_stretch: u16,
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
        let count = usize::max(gram_count, 64).next_power_of_two();
        let is_roomy = gram_count * TWO_BITS_MIN <= QUICK_WORDS * 64;
        let mut grams = Grams {
            gram_len,
            step: window_len - gram_len + 1,
            bloom: Bloom::new(gram_count),
            doubts: Doubts::new(gram_count),
            bits: if is_roomy { Bits::Two } else { Bits::Three },
            buckets: vec![0; count + 1],
            bucket_shift: 64 - count.trailing_zeros(),
            places: vec![Place::default(); gram_count],
        };
        let each = |take: &mut dyn FnMut(u64, u64, Place)| {
            for anchor in anchors {
                for (index, gram) in anchor.stretch().windows(gram_len).enumerate() {
                    let word = load_short(gram);
                    let hash = hash(word, gram_len);
                    take(word, hash, place(anchor, index, hash));
                }
            }
        };
        // Buckets are counted first, then each place goes below the end of its bucket.
        each(&mut |word, hash, _| {
            grams.doubts.add(word << (64 - 8 * gram_len));
            *grams.bloom.word_mut(hash) |= bits(hash, grams.bits);
            grams.buckets[(hash >> grams.bucket_shift) as usize] += 1;
        });
        let mut end = 0;
        for bucket in &mut grams.buckets {
            end += *bucket;
            *bucket = end;
        }
        each(&mut |_, hash, place| {
            let bucket = &mut grams.buckets[(hash >> grams.bucket_shift) as usize];
            *bucket -= 1;
            grams.places[*bucket as usize] = place;
        });
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

    /// The first of the positions `from`, `from + step`, ... where a gram may stand.
    pub(crate) fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        let step = self.step;
        // What is known of a set is a constant in each copy of the loop, so that it costs no instruction.
        let doubts = &self.doubts;
        match (&self.bloom, self.gram_len, self.bits) {
            (Bloom::Quick(table), 4, Bits::Two) => {
                next::<4, 2>(text, from, step, doubts, |hash| table[quick_index(hash)])
            }
            (Bloom::Quick(table), 4, Bits::Three) => {
                next::<4, 3>(text, from, step, doubts, |hash| table[quick_index(hash)])
            }
            (Bloom::Quick(table), _, Bits::Two) => {
                next::<6, 2>(text, from, step, doubts, |hash| table[quick_index(hash)])
            }
            (Bloom::Quick(table), _, Bits::Three) => {
                next::<6, 3>(text, from, step, doubts, |hash| table[quick_index(hash)])
            }
            (Bloom::Large(..), 4, _) => {
                next::<4, 3>(text, from, step, doubts, |hash| self.bloom.word(hash))
            }
            (Bloom::Large(..), ..) => {
                next::<6, 3>(text, from, step, doubts, |hash| self.bloom.word(hash))
            }
        }
    }

    /// Where the gram that `text` begins with may stand in needles, with a few places too many.
    pub(crate) fn places(&self, text: &[u8]) -> impl Iterator<Item = Place> + '_ {
        let hash = hash(load_short(&text[..self.gram_len]), self.gram_len);
        let bucket = (hash >> self.bucket_shift) as usize;
        let range = match self.passes(hash) {
            true => self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize,
            false => 0..0,
        };
        let check = check(hash);
        self.places[range].iter().filter(move |place| place.check == check).copied()
    }

    /// Whether a gram may end before or begin after the byte in the middle of `around`.
    #[inline(always)]
    pub(crate) fn may_touch(&self, around: &[u8; 17]) -> bool {
        let (before, len) = (8 - self.gram_len, self.gram_len);
        self.passes(hash(load(around, before), len)) | self.passes(hash(load(around, 9), len))
    }

    /// Whether the table knows the gram with this hash.
    #[inline(always)]
    fn passes(&self, hash: u64) -> bool {
        let word = self.bloom.word(hash);
        let passed = match self.bits {
            Bits::Two => passes::<2>(word, hash),
            Bits::Three => passes::<3>(word, hash),
        };
        passed & 1 != 0
    }
}

impl Bloom {
    /// An empty table for so many grams.
    fn new(gram_count: usize) -> Bloom {
        if is_quick(gram_count) {
            return Bloom::Quick(Box::new([0; QUICK_WORDS]));
        }
        let words = (gram_count * LARGE_BITS / 64).next_power_of_two();
        let words = if words <= CACHED_WORDS_MAX { words } else { words / 2 };
        Bloom::Large(vec![0; words], 64 - words.trailing_zeros())
    }

    #[inline(always)]
    fn word(&self, hash: u64) -> u64 {
        match self {
            Bloom::Quick(table) => table[quick_index(hash)],
            // The mask changes nothing, but spares a check.
            Bloom::Large(words, shift) => words[(hash >> shift) as usize & (words.len() - 1)],
        }
    }

    fn word_mut(&mut self, hash: u64) -> &mut u64 {
        match self {
            Bloom::Quick(table) => &mut table[quick_index(hash)],
            Bloom::Large(words, shift) => &mut words[(hash >> *shift) as usize],
        }
    }
}

/// A second table, asked about what the usual one lets pass by chance: it is large, and so rarely wrong,
/// and in the second cache.
struct Doubts {
    words: Vec<u64>,
    shift: u32,
}

impl Doubts {
    /// An empty table for so many grams; one that lets everything pass where the first is large itself.
    fn new(gram_count: usize) -> Doubts {
        if !is_quick(gram_count) {
            return Doubts { words: vec![u64::MAX], shift: 63 };
        }
        let words = (gram_count * LARGE_BITS / 64).next_power_of_two().max(2);
        Doubts { words: vec![0; words], shift: 64 - words.trailing_zeros() }
    }

    /// Adds a gram, which stands in the upper bytes of `word`.
    fn add(&mut self, word: u64) {
        let (index, bits) = self.place(word);
        self.words[index] |= bits;
    }

    #[inline(always)]
    fn pass(&self, word: u64) -> bool {
        let (index, bits) = self.place(word);
        self.words[index] & bits == bits
    }

    /// The number of the word of a gram and its bits there.
    #[inline(always)]
    fn place(&self, word: u64) -> (usize, u64) {
        let hash = word.wrapping_mul(SPREAD_DOUBTS);
        // The mask spares a check, and makes one word of the table that lets everything pass.
        let index = (hash >> self.shift) as usize & (self.words.len() - 1);
        (index, 1 << (hash >> 40 & 63) | 1 << (hash >> 34 & 63))
    }
}

#[inline(always)]
fn quick_index(hash: u64) -> usize {
    (hash >> (64 - QUICK_WORDS.trailing_zeros())) as usize
}

/// Whether the usual table has room for so many grams.
pub(crate) fn is_quick(gram_count: usize) -> bool {
    gram_count * QUICK_BITS_MIN <= QUICK_WORDS * 64
}

#[inline(always)]
fn next<const LEN: usize, const BITS: u32>(
    text: &[u8],
    mut from: usize,
    step: usize,
    doubts: &Doubts,
    word: impl Fn(u64) -> u64,
) -> Option<usize> {
    let passes = |hash: u64| passes::<BITS>(word(hash), hash);
    while let Some(group) = text.get(from..from + (GROUP - 1) * step + 8) {
        let mut passed = [0; GROUP];
        for (probe, passed) in passed.iter_mut().enumerate() {
            *passed = passes(hash(load(group, probe * step), LEN));
        }
        if passed.iter().fold(0, |any, one| any | one) & 1 != 0 {
            let probes = passed.iter().enumerate().filter(|(_, one)| **one & 1 != 0);
            for (probe, _) in probes {
                if doubts.pass(load(group, probe * step) << (64 - 8 * LEN)) {
                    return Some(from + probe * step);
                }
            }
        }
        from += GROUP * step;
    }
    while let Some(rest) = text.get(from..).filter(|rest| rest.len() >= LEN) {
        if passes(hash(load_short(&rest[..rest.len().min(8)]), LEN)) & 1 != 0 {
            return Some(from);
        }
        from += step;
    }
    None
}

/// Whether a word of the table has the bits of a hash; only the lowest bit says so.
#[inline(always)]
fn passes<const BITS: u32>(word: u64, hash: u64) -> u64 {
    let two = word >> (hash >> 40 & 63) & word >> (hash >> 34 & 63);
    if BITS == 2 { two } else { two & word >> (hash >> 28 & 63) }
}

fn place(anchor: &Anchor<'_>, index: usize, hash: u64) -> Place {
    let short = |offset: usize| u16::try_from(offset).expect("stretches begin early and are short");
    let offset = anchor.offset + index;
    Place {
        check: check(hash),
        needle: u32::try_from(anchor.needle).expect("4 MiB of values have fewer needles"),
        offset: short(offset),
        in_stretch: short(index),
        before: anchor.bytes[..offset].last_chunk().copied(),
    }
}

/// A gram as a number: equal grams have equal ones.
pub(crate) fn gram_key(gram: &[u8]) -> u64 {
    load_short(gram)
}

/// The bits of a gram. They and the place in the table use different bits of the hash.
fn bits(hash: u64, bits: Bits) -> u64 {
    let two = 1 << (hash >> 40 & 63) | 1 << (hash >> 34 & 63);
    if bits == Bits::Two { two } else { two | 1 << (hash >> 28 & 63) }
}

fn check(hash: u64) -> u32 {
    (hash >> 16) as u32
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

/// The word of at most eight bytes.
fn load_short(text: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..text.len()].copy_from_slice(text);
    u64::from_le_bytes(bytes)
}
