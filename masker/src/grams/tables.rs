//! The two Bloom tables of a set of grams.
//!
//! Both know every gram that was added; of others they seldom say so. They take hashes and words of grams as they
//! are: what a gram is, and where it stands in needles, is the caller's business.

/// Spreads a gram over all bits: another odd number than the caller's, so that the two tables agree by chance only.
const SPREAD_DOUBTS: u64 = 0xd6e8_feb8_6659_fd93;
/// The sizes of the first table, in words: they are known when the loop is compiled, which spares it an instruction in
/// ten. Smaller ones fill the first cache, the quick ones half of a small second one. One bit for each gram in a table
/// of the second cache tells more for each instruction than several bits in one of the first.
pub(super) const QUICK_SIZES: [usize; 3] = [1 << 11, 1 << 13, QUICK_WORDS_MAX];
const QUICK_WORDS_MAX: usize = 1 << 15;
/// The sizes of tables in which a gram has two bits; the last is far beyond the second cache.
pub(super) const LARGE_SIZES: [usize; 4] = [1 << 16, 1 << 17, 1 << 18, 1 << 20];
/// A quick table has so many bits for each gram if it can: one probe in 256 passes by chance, and what passes costs
/// as much as 30 probes.
const QUICK_BITS: usize = 256;
const QUICK_BITS_MIN: usize = 32;
/// The same for a large one.
const LARGE_BITS: usize = 16;
/// The same for the second table. More would take room in the second cache from the first one.
const DOUBTS_BITS: usize = 8;
/// A second table with more words than this would lie beyond the second cache.
const DOUBTS_WORDS_MAX: usize = 1 << 17;

/// The table that is asked first. A gram has its bits in one word, so that a probe touches one cache line.
pub(super) struct Bloom {
    /// As many as one of the sizes says.
    pub(super) words: Vec<u64>,
}

impl Bloom {
    /// An empty table for so many grams.
    pub(super) fn new(gram_count: usize) -> Bloom {
        let (sizes, bits) = match is_quick(gram_count) {
            true => (QUICK_SIZES.as_slice(), QUICK_BITS),
            false => (LARGE_SIZES.as_slice(), LARGE_BITS),
        };
        let is_enough = |words: &&usize| **words * 64 >= gram_count * bits;
        let words = sizes.iter().find(is_enough).unwrap_or(&sizes[sizes.len() - 1]);
        Bloom { words: vec![0; *words] }
    }

    pub(super) fn add(&mut self, hash: u64) {
        let (first, second) = bit_numbers(hash);
        let index = word_index(hash, self.words.len());
        self.words[index] |= 1 << first;
        if self.words.len() > QUICK_WORDS_MAX {
            self.words[index] |= 1 << second;
        }
    }

    /// Whether the table knows the gram with this hash.
    #[inline(always)]
    pub(super) fn passes(&self, hash: u64) -> bool {
        passes(&self.words, hash) & 1 != 0
    }
}

/// A second table, asked about what the first one lets pass by chance, with another hash.
pub(super) struct Doubts {
    words: Vec<u64>,
    shift: u32,
}

impl Doubts {
    /// An empty table for so many grams; one that lets everything pass where it would lie beyond the caches.
    pub(super) fn new(gram_count: usize) -> Doubts {
        let words = (gram_count * DOUBTS_BITS / 64).next_power_of_two().max(2);
        if words > DOUBTS_WORDS_MAX {
            return Doubts { words: vec![u64::MAX], shift: 63 };
        }
        Doubts { words: vec![0; words], shift: 64 - words.trailing_zeros() }
    }

    /// Adds a gram, which stands in the upper bytes of `word`.
    pub(super) fn add(&mut self, word: u64) {
        let (index, bits) = self.place(word);
        self.words[index] |= bits;
    }

    #[inline(always)]
    pub(super) fn pass(&self, word: u64) -> bool {
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

/// Whether the usual table has room for so many grams.
pub(crate) fn is_quick(gram_count: usize) -> bool {
    gram_count * QUICK_BITS_MIN <= QUICK_WORDS_MAX * 64
}

/// Whether a table has the bits of a hash; only the lowest bit says so.
#[inline(always)]
pub(super) fn passes(words: &[u64], hash: u64) -> u64 {
    let word = words[word_index(hash, words.len())];
    let (first, second) = bit_numbers(hash);
    if words.len() > QUICK_WORDS_MAX { word >> first & word >> second } else { word >> first }
}

/// The number of a hash's word in a table of so many.
#[inline(always)]
fn word_index(hash: u64, words: usize) -> usize {
    // The mask changes nothing, but spares a check.
    (hash >> (64 - words.trailing_zeros())) as usize & (words - 1)
}

/// The numbers of a hash's bits in its word.
#[inline(always)]
fn bit_numbers(hash: u64) -> (u64, u64) {
    (hash >> 38 & 63, hash >> 32 & 63)
}
