//! Tells where the longest tail of a text begins that is the beginning of a needle.
//!
//! Only tails that no finder has met yet are asked for: a needle of which a gram was found is pending and
//! known. So few bytes at the end of a text are looked at, however much was written.

use zeroize::Zeroizing;

use crate::grams::SPREAD;
use crate::needles::Needle;
use crate::view::View;
use crate::wrap::{BLANKS_MAX, FIRST_LEN_MIN, LINE_LEN_MIN, is_blank};

/// Bits of the table of beginnings for each needle, and for all of the largest sets.
const TABLE_BITS: usize = 32;
const TABLE_BITS_MAX: usize = 1 << 20;
/// The table knows beginnings of up to so many bytes.
const BEGINNING_LEN_MAX: usize = 4;

/// The beginnings of needles.
pub(crate) struct Prefixes {
    /// For every beginning of a needle, two bits of a word chosen by its hash: with one, a text's end would be
    /// compared with needles several times at each write, and those lie far from the caches.
    beginnings: Vec<u64>,
    /// How far a hash is shifted to number a word of it.
    shift: u32,
    /// The numbers of the needles that may be wrapped.
    wraps: Vec<usize>,
    /// The longest tail to look at.
    tail_len_max: usize,
}

impl Prefixes {
    /// The beginnings of `needles`, which are sorted.
    pub(crate) fn new(needles: &[Needle], tail_len_max: usize) -> Prefixes {
        let bits = (needles.len() * TABLE_BITS).clamp(128, TABLE_BITS_MAX).next_power_of_two();
        let shift = 64 - (bits >> 6).trailing_zeros();
        let mut beginnings = vec![0; bits >> 6];
        for needle in needles {
            for len in 1..=needle.bytes.len().min(BEGINNING_LEN_MAX) {
                let (index, bits) = place(&needle.bytes[..len], shift);
                beginnings[index] |= bits;
            }
        }
        let wraps = (0..needles.len()).filter(|&number| needles[number].ends.wraps).collect();
        Prefixes { beginnings, shift, wraps, tail_len_max }
    }

    /// Where the longest tail begins, not before `low`, that may become a needle; otherwise the end.
    pub(crate) fn tail(&self, needles: &[Needle], view: &View<'_>, low: u64) -> u64 {
        let plain = self.plain_tail(needles, view, low);
        if self.wraps.is_empty() { plain } else { plain.min(self.wrapped_tail(needles, view, low)) }
    }

    fn plain_tail(&self, needles: &[Needle], view: &View<'_>, low: u64) -> u64 {
        let start = low.max(view.end().saturating_sub(self.tail_len_max as u64));
        let [held, piece] = view.slices(start..view.end());
        let joined;
        let text = if held.is_empty() {
            piece
        } else {
            joined = Zeroizing::new([held, piece].concat());
            joined.as_slice()
        };
        let begins =
            |at: &usize| begins_needle(&text[*at..], needles.len(), |number| &needles[number]);
        let at = self.candidates(text).find(begins).unwrap_or(text.len());
        start + at as u64
    }

    /// Where the table lets a needle begin in a text.
    fn candidates<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let mut next = 0;
        std::iter::from_fn(move || {
            next = self.candidate(text, next)? + 1;
            Some(next - 1)
        })
    }

    /// The first place from `start` on where the table lets a needle begin. Apart from what compares needles, so
    /// that the loop has all registers for itself.
    #[inline(never)]
    fn candidate(&self, text: &[u8], start: usize) -> Option<usize> {
        let rest = text.get(start..)?;
        let fours = rest.windows(BEGINNING_LEN_MAX);
        let short = rest.len().saturating_sub(BEGINNING_LEN_MAX - 1)..rest.len();
        let at = fours.map(|four| self.may_begin(four)).position(|begins| begins);
        let at = at.or_else(|| short.clone().find(|&at| self.may_begin(&rest[at..])))?;
        Some(start + at)
    }

    /// Whether the table lets a needle begin with `rest`.
    #[inline(always)]
    fn may_begin(&self, rest: &[u8]) -> bool {
        let (index, bits) = place(&rest[..rest.len().min(BEGINNING_LEN_MAX)], self.shift);
        self.beginnings[index] & bits == bits
    }

    /// The same for tails with a line wrap in them.
    fn wrapped_tail(&self, needles: &[Needle], view: &View<'_>, low: u64) -> u64 {
        let Some(joined) = Joined::new(view, self.tail_len_max) else { return view.end() };
        let begins = |at: &usize| {
            begins_needle(&joined.bytes[*at..], self.wraps.len(), |number| {
                &needles[self.wraps[number]]
            })
        };
        let candidates = self.candidates(&joined.bytes).take_while(|&at| at < joined.last_wrap());
        let tails = candidates.filter(begins).map(|at| joined.tail(at));
        tails.flatten().filter(|&tail| tail >= low).min().unwrap_or(view.end())
    }
}

/// Whether one of the sorted needles begins with `rest` and goes on, or is a head that ends with it.
fn begins_needle<'a>(rest: &[u8], count: usize, needle: impl Fn(usize) -> &'a Needle) -> bool {
    let (mut first, mut end) = (0, count);
    while first < end {
        let middle = first.midpoint(end);
        if needle(middle).bytes.as_slice() < rest { first = middle + 1 } else { end = middle }
    }
    let mut following = (first..count.min(first + 2)).map(needle);
    following.any(|needle| {
        needle.bytes.starts_with(rest) && (needle.bytes.len() > rest.len() || needle.ends.head)
    })
}

/// The number of the word that knows a beginning of up to four bytes, and its bits there.
#[inline(always)]
fn place(beginning: &[u8], shift: u32) -> (usize, u64) {
    let number = match beginning.first_chunk() {
        Some(four) => u64::from(u32::from_le_bytes(*four)),
        None => {
            let mut four = [0; BEGINNING_LEN_MAX];
            four[..beginning.len()].copy_from_slice(beginning);
            u64::from(u32::from_le_bytes(four)) | (beginning.len() as u64) << 32
        }
    };
    let hash = number.wrapping_mul(SPREAD);
    ((hash >> shift) as usize, 1 << (hash >> 38 & 63) | 1 << (hash >> 32 & 63))
}

/// The characters at the end of a text without the wraps between them.
struct Joined {
    bytes: Zeroizing<Vec<u8>>,
    positions: Vec<u64>,
    /// How many characters stand before each wrap.
    wraps: Vec<usize>,
}

impl Joined {
    /// The longest end of the view that may be inside a wrapped form; `None` if it has no wrap.
    fn new(view: &View<'_>, len_max: usize) -> Option<Joined> {
        let mut at = first_position(view, len_max)?;
        let mut joined = Joined {
            bytes: Zeroizing::new(Vec::with_capacity(len_max + 1)),
            positions: Vec::new(),
            wraps: Vec::new(),
        };
        while at < view.end() {
            let byte = view.byte(at);
            if is_character(byte) {
                joined.bytes.push(byte);
                joined.positions.push(at);
                at += 1;
            } else if let Some(after) = wrap_end(view, at) {
                joined.wrap();
                at = after;
            } else {
                joined.forget(joined.bytes.len());
                at += 1;
            }
        }
        (joined.last_wrap() > 0).then_some(joined)
    }

    fn last_wrap(&self) -> usize {
        self.wraps.last().copied().unwrap_or(0)
    }

    /// Notes a wrap; only what stands after the wrap before may be in one form with a line too short.
    fn wrap(&mut self) {
        let line_len = self.bytes.len() - self.last_wrap();
        if line_len < LINE_LEN_MIN as usize {
            self.forget(self.last_wrap());
        }
        if !self.bytes.is_empty() {
            self.wraps.push(self.bytes.len());
        }
    }

    /// Forgets the first `count` characters and the wraps among them.
    fn forget(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.positions.drain(..count);
        self.wraps.clear();
    }

    /// Where the tail begins that is held back for the character numbered `at`; `None` if all is shown.
    fn tail(&self, at: usize) -> Option<u64> {
        let first_wrap = self.wraps.iter().copied().find(|&wrap| wrap > at)?;
        let is_shown = first_wrap - at < FIRST_LEN_MIN;
        self.positions.get(if is_shown { first_wrap } else { at }).copied()
    }
}

/// Where the last bytes begin among which there are at most `len_max` characters and else only wraps; `None`
/// if there is no end of a line among them.
fn first_position(view: &View<'_>, len_max: usize) -> Option<u64> {
    let mut at = view.end();
    let mut count = 0;
    let mut has_wrap = false;
    while at > view.held_start && count < len_max {
        let byte = view.byte(at - 1);
        if is_character(byte) {
            count += 1;
        } else if byte == b'\n' || byte == b'\r' {
            has_wrap = true;
        } else if !is_blank(byte) {
            break;
        }
        at -= 1;
    }
    has_wrap.then_some(at)
}

/// The end of the wrap that begins at `at`, as far as the input goes.
fn wrap_end(view: &View<'_>, at: u64) -> Option<u64> {
    let mut end = at;
    if view.byte(end) == b'\r' {
        end += 1;
        if end == view.end() {
            return Some(end);
        }
    }
    if view.byte(end) != b'\n' {
        return None;
    }
    end += 1;
    let blanks_end = end + u64::from(BLANKS_MAX);
    while end < view.end().min(blanks_end) && is_blank(view.byte(end)) {
        end += 1;
    }
    Some(end)
}

/// Whether a byte is a character of base64 or base64url.
fn is_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}
