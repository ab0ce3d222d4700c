//! Chooses how each needle is looked for.
//!
//! Needles of 16 bytes and more are looked for by grams of six bytes, those of 8 to 15 bytes by grams of
//! four, shorter ones are searched as they are. The longer the windows, the fewer probes; the shortest
//! needle decides.
//!
//! A line wrap may cut a window in two. Either the lines' ends and beginnings are probed as well, or all
//! windows of a stretch of twice their length are looked for, of which a wrap leaves one whole: fewer bytes
//! are looked at in the first case, no lines in the second. [`Plan`] takes what costs less for the set.
//!
//! A stretch should be rare in texts, and its window should occur once in the needle. Then a text that
//! matches far around one occurrence of the window holds no other there, and so the work of comparing is
//! bounded by the length of the text, however it was crafted. A long needle without such a stretch (one
//! byte a thousand times) goes to the automaton, which takes the same time for each byte. Stretches begin
//! early, so that what may become a needle without its grams being complete is short.

use zeroize::Zeroizing;

use crate::automaton::Automaton;
use crate::grams::{Anchor, Grams, LONG_GRAM_LEN, MIDDLE_GRAM_LEN, gram_words, is_quick};
use crate::needles::{Ends, Needle};
use crate::short::Short;
use crate::wrap::LINE_LEN_MIN;

/// Needles from this length on are found by grams of six bytes.
const LONG_LEN_MIN: usize = 16;
/// Needles from this length on are found by grams of four bytes.
const MIDDLE_LEN_MIN: usize = 8;
/// No window is shorter.
const WINDOW_LEN_MIN: usize = MIDDLE_LEN_MIN;
/// Longer windows would save little.
pub(crate) const WINDOW_LEN_MAX: usize = 40;
/// The first bytes of a needle, in which its stretch lies. Places in it fit into a byte: see [`Grams`].
const REGION_LEN: usize = 160;
/// How far candidates for a stretch are apart.
const STRIDE: usize = 6;
/// How many candidates are tried for one that occurs once.
const TRIES_MAX: usize = 6;
/// Up to this length a needle is sought across wraps although its window does not occur once.
const REPETITIVE_LEN_MAX: usize = 256;
/// What looking for the ends of lines costs for each byte, in probes of a quick table.
const LINES_COST: f64 = 0.18;

/// What finds the needles of a set.
pub(crate) struct Finders {
    pub(crate) grams: Vec<Grams>,
    /// Whether the ends and beginnings of lines must be probed.
    pub(crate) probes_lines: bool,
    pub(crate) short: Option<Short>,
    /// Finds the needles that no stretch stands for.
    pub(crate) stepped: Option<Stepped>,
    /// Finds the heads among them, which a longer needle with the same end must not hide.
    pub(crate) stepped_heads: Option<Stepped>,
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
        let middle = numbers(MIDDLE_LEN_MIN..LONG_LEN_MIN);
        let long = numbers(LONG_LEN_MIN..usize::MAX);
        let probes_lines = middle.iter().any(|&number| needles[number].ends.wraps);
        let long_plan = Plan::new(needles, &long, LONG_GRAM_LEN, probes_lines);
        let middle_plan = Plan::on_lines(needles, &middle);
        let mut finders = Finders {
            grams: Vec::new(),
            probes_lines: probes_lines || long_plan.as_ref().is_some_and(|plan| plan.probes_lines),
            short: Short::new(needles, numbers(0..MIDDLE_LEN_MIN)),
            stepped: None,
            stepped_heads: None,
            unseen_len_max: MIDDLE_LEN_MIN,
        };
        let mut stepped = Vec::new();
        for (numbers, plan, gram_len) in
            [(long, long_plan, LONG_GRAM_LEN), (middle, middle_plan, MIDDLE_GRAM_LEN)]
        {
            if let Some(plan) = plan {
                finders.add(needles, &numbers, &plan, gram_len, &mut stepped);
            }
        }
        // The needles are sorted, so their numbers are, too.
        stepped.sort_unstable();
        let those = |is_wanted: fn(&Ends) -> bool| -> Vec<usize> {
            stepped.iter().copied().filter(|&number| is_wanted(&needles[number].ends)).collect()
        };
        finders.stepped_heads = Stepped::new(needles, those(|ends| ends.head));
        finders.stepped = Stepped::new(needles, those(|ends| ends.anywhere));
        finders
    }

    /// Adds the grams of needles that have one plan; names those that no stretch stands for.
    fn add(
        &mut self,
        needles: &[Needle],
        numbers: &[usize],
        plan: &Plan,
        gram_len: usize,
        stepped: &mut Vec<usize>,
    ) {
        let mut anchors = Vec::with_capacity(numbers.len());
        for &number in numbers {
            let needle = &needles[number];
            let bytes = needle.bytes.as_slice();
            let len = plan.stretch_len(needle);
            let stretch = stretch(bytes, len, plan.window_len, gram_len);
            if !stretch.is_single {
                stepped.push(number);
            }
            let wraps = needle.ends.wraps && bytes.len() <= REPETITIVE_LEN_MAX;
            if stretch.is_single || needle.ends.word || wraps {
                let offset = stretch.offset;
                anchors.push(Anchor { needle: number, bytes: &bytes[..offset + len], offset });
                self.unseen_len_max = self.unseen_len_max.max(offset + len);
            }
        }
        if !anchors.is_empty() {
            self.grams.push(Grams::new(gram_len, plan.window_len, &anchors));
        }
    }
}

/// Needles that are found by an automaton.
pub(crate) struct Stepped {
    pub(crate) automaton: Automaton,
    /// Their numbers in the set, in the order of their bytes.
    pub(crate) numbers: Vec<usize>,
}

impl Stepped {
    /// The needles with these numbers; `None` if there are none.
    fn new(needles: &[Needle], numbers: Vec<usize>) -> Option<Stepped> {
        let bytes = numbers.iter().map(|&number| needles[number].bytes.as_slice()).collect();
        (!numbers.is_empty()).then(|| Stepped { automaton: Automaton::new(bytes), numbers })
    }
}

/// How the needles of a class are looked for.
struct Plan {
    window_len: usize,
    /// Whether a window may be cut by a wrap, so that lines are probed.
    probes_lines: bool,
}

impl Plan {
    /// The plan that costs least; `None` if there are no needles.
    fn new(
        needles: &[Needle],
        numbers: &[usize],
        gram_len: usize,
        are_lines_probed: bool,
    ) -> Option<Plan> {
        let on_lines = Plan::on_lines(needles, numbers)?;
        let wrapped = || numbers.iter().filter(|&&number| needles[number].ends.wraps);
        let Some(shortest) = wrapped().map(|&number| needles[number].bytes.len()).min() else {
            return Some(Plan { probes_lines: false, ..on_lines });
        };
        // Of a stretch of this length a wrap leaves a window whole, and so do two: there is a line
        // between them.
        let window_len = shortest.div_ceil(2).min(on_lines.window_len).min(LINE_LEN_MIN as usize);
        let whole = Plan { window_len, probes_lines: false };
        let wrapped_count = wrapped().count();
        let cost = |plan: &Plan| {
            let stretch = if plan.probes_lines { plan.window_len } else { 2 * plan.window_len - 1 };
            let plain_count = numbers.len() - wrapped_count;
            let grams = |len: usize| len - gram_len + 1;
            let count = plain_count * grams(plan.window_len) + wrapped_count * grams(stretch);
            let probe = if is_quick(count) { 1.0 } else { 1.6 };
            let lines = if plan.probes_lines && !are_lines_probed { LINES_COST } else { 0.0 };
            probe / grams(plan.window_len) as f64 + lines
        };
        Some(if cost(&whole) < cost(&on_lines) { whole } else { on_lines })
    }

    /// The plan with the longest windows.
    fn on_lines(needles: &[Needle], numbers: &[usize]) -> Option<Plan> {
        let shortest = numbers.iter().map(|&number| needles[number].bytes.len()).min()?;
        Some(Plan { window_len: shortest.min(WINDOW_LEN_MAX), probes_lines: true })
    }

    /// How much of a needle is looked for.
    fn stretch_len(&self, needle: &Needle) -> usize {
        let is_cut = needle.ends.wraps && !self.probes_lines;
        if is_cut { 2 * self.window_len - 1 } else { self.window_len }
    }
}

struct Stretch {
    offset: usize,
    /// Whether its first window occurs once in the needle, and each of its grams once in it.
    is_single: bool,
}

/// The rarest stretch of `len` bytes that is fit to be looked for by its windows.
fn stretch(bytes: &[u8], len: usize, window_len: usize, gram_len: usize) -> Stretch {
    let last = bytes.len().min(REGION_LEN) - len;
    // The last candidate first: of equal ones it wins, since needles differ less where they begin.
    let mut candidates: Vec<_> = (0..=last / STRIDE)
        .map(|index| last - index * STRIDE)
        .map(|offset| (variety(&bytes[offset..offset + len]), offset))
        .collect();
    candidates.sort_by_key(|&(variety, _)| std::cmp::Reverse(variety));
    // Never grows, which would leave copies behind.
    let mut seen = Zeroizing::new(Vec::with_capacity(len));
    let mut is_single = |offset: usize| {
        let stretch = &bytes[offset..offset + len];
        seen.clear();
        let mut grams = gram_words(stretch, gram_len);
        let is_varied = grams.all(|gram| {
            seen.push(gram);
            !seen[..seen.len() - 1].contains(&gram)
        });
        is_varied && occurs_once(bytes, &stretch[..window_len])
    };
    let single = candidates.iter().take(TRIES_MAX).find(|&&(_, offset)| is_single(offset));
    match single {
        Some(&(_, offset)) => Stretch { offset, is_single: true },
        None => Stretch { offset: candidates[0].1, is_single: false },
    }
}

/// Whether a window that occurs in `bytes` occurs there once.
fn occurs_once(bytes: &[u8], window: &[u8]) -> bool {
    // Nearly all places differ in the first bytes: comparing whole windows would be a call for each.
    let first = window.first_chunk::<WINDOW_LEN_MIN>();
    let same = |other: &&[u8]| other.first_chunk() == first && *other == window;
    bytes.windows(window.len()).filter(same).nth(1).is_none()
}

/// How many different bytes a stretch has: headers, padding and runs have few, what is random has many.
fn variety(stretch: &[u8]) -> u32 {
    let mut seen = [0_u64; 4];
    for &byte in stretch {
        seen[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }
    seen.iter().map(|word| word.count_ones()).sum()
}
