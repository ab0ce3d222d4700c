//! Chooses how each needle is looked for.
//!
//! Needles of 16 bytes and more have one window among the grams of six bytes, those of 8 to 15 bytes among
//! the grams of four, shorter ones are searched as they are.
//!
//! A window should be rare in texts, and it should occur once in its needle. Then a text that matches far
//! around one occurrence of the window holds no other there, and so the work of comparing around windows
//! is bounded by the length of the text, however it was crafted. A long needle without such a window
//! (one byte a thousand times) goes to the automaton, which takes the same time for each byte. Windows
//! begin early, so that what may become a needle without its window being complete is short.

use crate::automaton::Automaton;
use crate::grams::{Anchor, Grams};
use crate::needles::Needle;
use crate::short::Short;
use crate::wrap::LINE_LEN_MIN;

/// Needles from this length on are found by grams of six bytes.
const LONG_LEN_MIN: usize = 16;
const LONG_GRAM_LEN: usize = 6;
/// Needles from this length on are found by grams of four bytes.
const MIDDLE_LEN_MIN: usize = 8;
const MIDDLE_GRAM_LEN: usize = 4;
/// Longer windows would let a wrap cut them twice.
const WINDOW_LEN_MAX: usize = LINE_LEN_MIN as usize;
/// The first bytes of a needle, in which its window lies.
const REGION_LEN: usize = 256;
/// How far candidates for a window are apart.
const STRIDE: usize = 6;
/// How many candidates are tried for one that occurs once.
const TRIES_MAX: usize = 4;
/// Up to this length a needle is sought across wraps although its window does not occur once.
const REPETITIVE_LEN_MAX: usize = 256;

/// What finds the needles of a set.
pub(crate) struct Finders {
    pub(crate) grams: Vec<Grams>,
    pub(crate) short: Option<Short>,
    /// Finds the needles that no window stands for.
    pub(crate) stepped: Option<Automaton>,
    /// No more bytes than this of a needle can end a text without its grams being found.
    pub(crate) unseen_len_max: usize,
}

impl Finders {
    /// Finders for all of `needles`, which are sorted.
    pub(crate) fn new(needles: &[Needle]) -> Finders {
        let numbers = |lens: std::ops::Range<usize>| -> Vec<usize> {
            let fits = |&number: &usize| lens.contains(&needles[number].bytes.len());
            (0..needles.len()).filter(fits).collect()
        };
        let mut stepped = Vec::new();
        let mut unseen_len_max = MIDDLE_LEN_MIN;
        let mut grams = Vec::new();
        for (lens, gram_len) in [
            (LONG_LEN_MIN..usize::MAX, LONG_GRAM_LEN),
            (MIDDLE_LEN_MIN..LONG_LEN_MIN, MIDDLE_GRAM_LEN),
        ] {
            let numbers = numbers(lens);
            let shortest = numbers.iter().map(|&number| needles[number].bytes.len()).min();
            let Some(shortest) = shortest else { continue };
            let window_len = shortest.min(WINDOW_LEN_MAX);
            let mut anchors = Vec::with_capacity(numbers.len());
            for number in numbers {
                let needle = &needles[number];
                let bytes = needle.bytes.as_slice();
                let window = window(bytes, window_len, gram_len);
                let is_plain = !(needle.ends.word || needle.ends.head);
                if !window.is_single && is_plain {
                    stepped.push(bytes);
                }
                let wraps = needle.ends.wraps && bytes.len() <= REPETITIVE_LEN_MAX;
                if window.is_single || !is_plain || wraps {
                    let offset = window.offset;
                    let bytes = &bytes[offset..offset + window_len];
                    anchors.push(Anchor { needle: number, bytes, offset });
                    unseen_len_max = unseen_len_max.max(offset + window_len);
                }
            }
            if !anchors.is_empty() {
                grams.push(Grams::new(gram_len, window_len, &anchors));
            }
        }
        let short = Short::new(needles, numbers(0..MIDDLE_LEN_MIN));
        let stepped = (!stepped.is_empty()).then(|| Automaton::new(stepped));
        Finders { grams, short, stepped, unseen_len_max }
    }
}

struct Window {
    offset: usize,
    /// Whether it occurs once in its needle, and each of its grams once in it.
    is_single: bool,
}

/// The rarest window of `len` bytes that occurs once.
fn window(bytes: &[u8], len: usize, gram_len: usize) -> Window {
    let last = bytes.len().min(REGION_LEN) - len;
    // The last candidate first: of equal ones it wins, since needles differ less where they begin.
    let mut candidates: Vec<_> = (0..=last / STRIDE)
        .map(|index| last - index * STRIDE)
        .map(|offset| (variety(&bytes[offset..offset + len]), offset))
        .collect();
    candidates.sort_by_key(|&(variety, _)| std::cmp::Reverse(variety));
    let first = Window { offset: candidates[0].1, is_single: true };
    let is_single = |offset: usize| {
        let window = &bytes[offset..offset + len];
        let grams = || window.windows(gram_len).enumerate();
        let repeats = |(at, gram)| grams().skip(at + 1).any(|(_, other)| other == gram);
        bytes.windows(len).filter(|other| *other == window).nth(1).is_none()
            && !grams().any(repeats)
    };
    let single = candidates.iter().take(TRIES_MAX).find(|&&(_, offset)| is_single(offset));
    single.map_or(Window { is_single: false, ..first }, |&(_, offset)| Window { offset, ..first })
}

/// How many different bytes a window has: headers, padding and runs have few, what is random has many.
fn variety(window: &[u8]) -> u32 {
    let mut seen = [0_u64; 4];
    for &byte in window {
        seen[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }
    seen.iter().map(|word| word.count_ones()).sum()
}
