//! Finds places where a needle may stand, without looking at every byte.
//!
//! Of every needle one window of `window_len` bytes is looked for by its grams: the runs of six (or four)
//! bytes in it. Wherever the window stands in a text, one of every `window_len - gram_len + 1` positions
//! begins one of its grams, so probing only each such position misses no needle. A probe asks a Bloom
//! table first: one multiplication, one load, two bits. What the table lets pass is looked up and handed
//! out; comparing the needle itself is the caller's business.

/// Spreads a gram over all bits; the odd number nearest to 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Bits of the Bloom table for a gram: with two of sixteen set, about one probe in seventy passes.
const BITS_PER_GRAM: usize = 16;
/// Bits of a place that are its offset; windows begin in the first 256 bytes of a needle.
const OFFSET_BITS: u32 = 9;

/// The grams of a set of windows.
pub(crate) struct Grams {
    gram_len: usize,
    /// Distance between probes.
    step: usize,
    /// Two bits for every gram in one word, so that a probe touches one cache line.
    bloom: Vec<u64>,
    bloom_shift: u32,
    /// Where in `places` the grams of a bucket begin.
    buckets: Vec<u32>,
    bucket_shift: u32,
    /// Needle and offset, see [`Place`].
    places: Vec<u32>,
}

/// Where in which needle a gram stands.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) needle: usize,
    pub(crate) offset: usize,
}

/// A window: `window_len` bytes of a needle.
pub(crate) struct Anchor<'a> {
    pub(crate) needle: usize,
    pub(crate) bytes: &'a [u8],
    pub(crate) offset: usize,
}

impl Grams {
    /// The grams of `gram_len` bytes of the windows, all of which have `window_len` bytes.
    pub(crate) fn new(gram_len: usize, window_len: usize, anchors: &[Anchor<'_>]) -> Grams {
        let step = window_len - gram_len + 1;
        let count = (anchors.len() * step).next_power_of_two().max(64);
        let words = count * BITS_PER_GRAM / 64;
        let mut grams = Grams {
            gram_len,
            step,
            bloom: vec![0; words],
            bloom_shift: 64 - words.trailing_zeros(),
            buckets: vec![0; count + 1],
            bucket_shift: 64 - count.trailing_zeros(),
            places: vec![0; anchors.len() * step],
        };
        let each = |take: &mut dyn FnMut(u64, Place)| {
            for anchor in anchors {
                for (index, gram) in anchor.bytes.windows(gram_len).enumerate() {
                    let place = Place { needle: anchor.needle, offset: anchor.offset + index };
                    take(hash(load_short(gram), gram_len), place);
                }
            }
        };
        // Buckets are counted first, then each place goes below the end of its bucket.
        each(&mut |hash, _| {
            grams.bloom[(hash >> grams.bloom_shift) as usize] |= bits(hash);
            grams.buckets[(hash >> grams.bucket_shift) as usize] += 1;
        });
        let mut end = 0;
        for bucket in &mut grams.buckets {
            end += *bucket;
            *bucket = end;
        }
        each(&mut |hash, place| {
            let bucket = &mut grams.buckets[(hash >> grams.bucket_shift) as usize];
            *bucket -= 1;
            let needle = u32::try_from(place.needle << OFFSET_BITS | place.offset);
            grams.places[*bucket as usize] =
                needle.expect("4 MiB of values have fewer than 2^23 forms and lines");
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
        // The length is a constant in each copy of the loop, so that it costs no instruction.
        match self.gram_len {
            4 => self.next_of_len::<4>(text, from),
            _ => self.next_of_len::<6>(text, from),
        }
    }

    #[inline(always)]
    fn next_of_len<const LEN: usize>(&self, text: &[u8], mut from: usize) -> Option<usize> {
        let step = self.step;
        // Four probes at once: none waits for the table's answer to another, and there is one branch.
        while let Some(group) = text.get(from..from + 3 * step + 8) {
            let passes = |probe: usize| self.passes::<LEN>(load(group, probe * step));
            let passed = passes(0) | passes(1) << 1 | passes(2) << 2 | passes(3) << 3;
            if passed != 0 {
                return Some(from + passed.trailing_zeros() as usize * step);
            }
            from += 4 * step;
        }
        while let Some(rest) = text.get(from..).filter(|rest| rest.len() >= LEN) {
            if self.passes::<LEN>(load_short(&rest[..rest.len().min(8)])) != 0 {
                return Some(from);
            }
            from += step;
        }
        None
    }

    /// Where the gram that `text` begins with may stand in needles, with a few places too many.
    pub(crate) fn places(&self, text: &[u8]) -> impl Iterator<Item = Place> + '_ {
        let hash = hash(load_short(&text[..self.gram_len]), self.gram_len);
        let is_known = self.passes_hash(hash) != 0;
        let bucket = (hash >> self.bucket_shift) as usize;
        let range = match is_known {
            true => self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize,
            false => 0..0,
        };
        self.places[range].iter().map(|&place| Place {
            needle: (place >> OFFSET_BITS) as usize,
            offset: (place & ((1 << OFFSET_BITS) - 1)) as usize,
        })
    }

    /// Whether a gram may end before or begin after the byte in the middle of `around`.
    #[inline(always)]
    pub(crate) fn may_touch(&self, around: &[u8; 17]) -> bool {
        match self.gram_len {
            4 => self.passes::<4>(load(around, 4)) | self.passes::<4>(load(around, 9)) != 0,
            _ => self.passes::<6>(load(around, 2)) | self.passes::<6>(load(around, 9)) != 0,
        }
    }

    #[inline(always)]
    fn passes<const LEN: usize>(&self, word: u64) -> u64 {
        self.passes_hash(hash(word, LEN))
    }

    #[inline(always)]
    fn passes_hash(&self, hash: u64) -> u64 {
        let word = self.bloom[(hash >> self.bloom_shift) as usize];
        word >> (hash >> 8 & 63) & word >> (hash >> 20 & 63) & 1
    }
}

/// The two bits of a gram. They and the place in the table use different bits of the hash.
fn bits(hash: u64) -> u64 {
    1 << (hash >> 8 & 63) | 1 << (hash >> 20 & 63)
}

/// The hash of the first `gram_len` bytes of a word.
#[inline(always)]
fn hash(word: u64, gram_len: usize) -> u64 {
    let product = (word << (64 - 8 * gram_len)).wrapping_mul(SPREAD);
    // The product's low bits know only low bits of the gram.
    product ^ product >> 32
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
