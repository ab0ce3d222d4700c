//! What to look for, ready to search: the needles of all values.
//!
//! Every hit is exact. The automaton holds only a short window out of the middle of each needle, so that
//! it stays small with many long needles; the rest is compared in place. Values of eight bytes or more
//! are found anywhere, in all their forms; from four bytes as they are and as whole words; shorter ones
//! and words such as `true` are in every file and not looked for, but counted.

use aho_corasick::{AhoCorasick, MatchKind};
use secrecy::ExposeSecret;
use subrosa_masker::forms::{self, Form};
use subrosa_masker::{MASK, MaskSet, Policy, Reach};
use zeroize::Zeroizing;

use super::Known;
use crate::failure::Failure;
use crate::text;

/// Shorter values are not looked for.
const LEN_MIN: usize = 4;
/// Shorter values are found as whole words only, and in no other form.
const ANYWHERE_LEN_MIN: usize = 8;
/// What the automaton holds of a needle.
const WINDOW_LEN: usize = 12;

/// How a value stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// As it is.
    Raw,
    /// One line of it.
    Line,
    /// Encoded.
    Encoded(Form),
}

impl How {
    /// A name for people and programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            How::Raw => "raw",
            How::Line => "line",
            How::Encoded(form) => form.name(),
        }
    }
}

/// Where a needle is in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    /// Its first byte.
    pub(crate) start: usize,
    /// The byte after its last one.
    pub(crate) end: usize,
    /// The number of the secret.
    pub(crate) secret: usize,
    /// How the value stands there.
    pub(crate) how: How,
}

struct Needle {
    secret: usize,
    how: How,
    bytes: Zeroizing<Vec<u8>>,
    is_word: bool,
}

impl Needle {
    /// Where its window begins. The middle of a needle is what tells it from others: keys begin and end
    /// alike.
    fn offset(&self) -> usize {
        self.bytes.len().saturating_sub(WINDOW_LEN) / 2
    }

    fn window(&self) -> &[u8] {
        let offset = self.offset();
        &self.bytes[offset..self.bytes.len().min(offset + WINDOW_LEN)]
    }
}

/// The needles of all values. It has no `Debug`: it spells them.
pub(crate) struct Matcher {
    names: Vec<String>,
    windows: AhoCorasick,
    /// For each window the needles that have it.
    needles: Vec<Vec<Needle>>,
    len_max: usize,
    left_out: usize,
    /// Masks the values that are not found inside words, wherever they are.
    short: MaskSet,
}

impl Matcher {
    /// What finds `known`.
    pub(crate) fn new(known: &[Known]) -> Result<Matcher, Failure> {
        let mut needles: Vec<Needle> = Vec::new();
        let mut short = Vec::new();
        let mut left_out = 0;
        for (secret, known) in known.iter().enumerate() {
            let core = forms::core(exposed(known));
            match add(&mut needles, secret, core) {
                Found::Anywhere => continue,
                Found::AsWord => {}
                Found::Nowhere => left_out += 1,
            }
            short.push(core);
        }
        let too_many = || Failure::engine("there are too many values to look for at once");
        let short = MaskSet::new(short, &Policy::default()).map_err(|_| too_many())?;
        let len_max = needles.iter().map(|needle| needle.bytes.len()).max().unwrap_or(0);
        needles.sort_by(|a, b| a.window().cmp(b.window()));
        let mut groups: Vec<Vec<Needle>> = Vec::new();
        for needle in needles {
            match groups.last_mut() {
                Some(group) if group[0].window() == needle.window() => group.push(needle),
                _ => groups.push(vec![needle]),
            }
        }
        let windows = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(groups.iter().map(|group| group[0].window()))
            .map_err(|_| too_many())?;
        let names = known.iter().map(|known| text::shown(&known.name)).collect();
        Ok(Matcher { names, windows, needles: groups, len_max, left_out, short })
    }

    /// The name of a secret.
    pub(crate) fn name(&self, secret: usize) -> &str {
        &self.names[secret]
    }

    /// The length of the longest needle.
    pub(crate) fn len_max(&self) -> usize {
        self.len_max
    }

    /// How many values are too short or too common to be looked for.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }

    /// Gives every needle in `text`, overlapping ones too, in no order.
    pub(crate) fn each_hit(&self, text: &[u8], mut take: impl FnMut(Hit)) {
        for window in self.windows.find_overlapping_iter(text) {
            for needle in &self.needles[window.pattern()] {
                let Some(start) = window.start().checked_sub(needle.offset()) else { continue };
                let end = start + needle.bytes.len();
                let is_there = text.get(start..end) == Some(needle.bytes.as_slice());
                if is_there && (!needle.is_word || stands_alone(text, start, end)) {
                    take(Hit { start, end, secret: needle.secret, how: needle.how });
                }
            }
        }
    }

    /// A name or message of others, fit to be shown: values in it masked, the rest escaped.
    pub(crate) fn shown(&self, bytes: &[u8]) -> String {
        let mut covered = vec![false; bytes.len()];
        self.each_hit(bytes, |hit| covered[hit.start..hit.end].fill(true));
        let mut masked = Vec::with_capacity(bytes.len());
        for (index, &byte) in bytes.iter().enumerate() {
            match (covered[index], index > 0 && covered[index - 1]) {
                (false, _) => masked.push(byte),
                (true, false) => masked.extend_from_slice(MASK.as_bytes()),
                (true, true) => {}
            }
        }
        text::shown(&String::from_utf8_lossy(&self.short.mask_bytes(&masked)))
    }
}

#[expect(clippy::disallowed_methods, reason = "the needles are made of the bytes of the values")]
fn exposed(known: &Known) -> &[u8] {
    known.value.expose_secret()
}

/// Where a value will be found.
enum Found {
    Anywhere,
    AsWord,
    Nowhere,
}

fn add(needles: &mut Vec<Needle>, secret: usize, core: &[u8]) -> Found {
    let is_word = core.len() < ANYWHERE_LEN_MIN;
    if core.len() < LEN_MIN || is_common(core) {
        return Found::Nowhere;
    }
    let copied = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
    needles.push(Needle { secret, how: How::Raw, bytes: copied(core), is_word });
    if is_word {
        return Found::AsWord;
    }
    for line in forms::lines(core) {
        needles.push(Needle { secret, how: How::Line, bytes: copied(line), is_word });
    }
    for encoded in forms::encoded(core) {
        let how = How::Encoded(encoded.form);
        needles.push(Needle { secret, how, bytes: encoded.bytes, is_word });
    }
    Found::Anywhere
}

/// Whether a value is so common that the masks treat it as short, whatever its length.
fn is_common(core: &[u8]) -> bool {
    Policy { min_len: 0, ..Policy::default() }.reach(core) != Reach::Anywhere
}

/// Whether no letter, digit or underscore stands next to a part of a text.
fn stands_alone(text: &[u8], start: usize, end: usize) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let before = start.checked_sub(1).and_then(|before| text.get(before));
    !before.is_some_and(is_word) && !text.get(end).is_some_and(is_word)
}
