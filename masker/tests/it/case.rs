//! Cases made from bytes, so that proptest and the fuzzer draw and shrink the same ones.
//!
//! Small alphabets and texts pasted together from the values make overlaps, near misses and folded
//! forms common. The fuzz target includes this file by path.

use subrosa_masker::forms::encoded;
use subrosa_masker::{Forms, Policy, Short};

const LETTERS: &[u8] = b"aabbn1_\\";
const TEXT: &[u8] = b"aabbn1_\\ \n\r\xff";

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) policy: Policy,
    pub(crate) values: Vec<Vec<u8>>,
    /// The values after the swap.
    pub(crate) later_values: Vec<Vec<u8>>,
    pub(crate) writes: Vec<Vec<u8>>,
    /// The number of the write before which the values change.
    pub(crate) swap: usize,
    /// How many bytes the inner writer takes before it fails.
    pub(crate) failing_after: usize,
}

/// Numbers drawn from bytes; zeros when they run out.
struct Dice<'a>(&'a [u8]);

impl Dice<'_> {
    fn throw(&mut self, sides: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % sides
    }

    fn string(&mut self, alphabet: &[u8], len_max: usize) -> Vec<u8> {
        let len = 1 + self.throw(len_max);
        (0..len).map(|_| alphabet[self.throw(alphabet.len())]).collect()
    }
}

impl Case {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Case {
        let mut dice = Dice(bytes);
        let policy = Policy {
            forms: if dice.throw(4) == 0 { Forms::Raw } else { Forms::All },
            short: [Short::Word, Short::Word, Short::Always, Short::Never][dice.throw(4)],
            min_len: [4, 4, 1, 0, 9, 12][dice.throw(6)],
        };
        let cut = dice.throw(6);
        let failing_after = dice.throw(40);
        let values = values(&mut dice, &[]);
        let keeps = dice.throw(2) == 0;
        let later_values = values_later(&mut dice, &values, keeps);
        let known = [values.as_slice(), later_values.as_slice()].concat();
        let swap = dice.throw(8);
        let mut writes = Vec::new();
        let mut text = Vec::new();
        while !dice.0.is_empty() && writes.iter().map(Vec::len).sum::<usize>() < 300 {
            text.extend(piece(&mut dice, &known));
            match cut {
                0 => {}
                1 => {
                    // The oracle is slow, and asked after every write.
                    let len = if known.iter().any(|value| value.len() > 60) { 7 } else { 1 };
                    writes.extend(text.chunks(len).map(<[u8]>::to_vec));
                    text.clear();
                }
                _ => {
                    let keep = dice.throw(4).min(text.len());
                    let rest = text.split_off(text.len() - keep);
                    writes.push(std::mem::replace(&mut text, rest));
                }
            }
        }
        writes.push(text);
        Case { policy, values, later_values, writes, swap, failing_after }
    }

    pub(crate) fn text(&self) -> Vec<u8> {
        self.writes.concat()
    }
}

fn values_later(dice: &mut Dice<'_>, values: &[Vec<u8>], keeps: bool) -> Vec<Vec<u8>> {
    let mut later = self::values(dice, values);
    if keeps {
        later.extend_from_slice(values);
    }
    later
}

fn values(dice: &mut Dice<'_>, known: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = known.to_vec();
    for _ in 0..dice.throw(5) {
        let value = match dice.throw(7) {
            6 if values.iter().chain(known).all(|value| value.len() < 30) => long(dice),
            0 => dice.string(LETTERS, 4),
            1 => dice.string(b"ab", 12),
            2 if dice.throw(2) == 0 => b"on".to_vec(),
            2 => dice.string(b"abcdefghijklmnopqrstuvwxyz0123456789+/=\"'$& ", 60),
            3 => slice(dice, &values),
            _ => lines(dice),
        };
        values.push(value);
    }
    values.split_off(known.len())
}

/// A value long enough that a line of it, and its windows, are as long as they get. A byte or two of the
/// case make all of it, which leaves the rest for texts.
fn long(dice: &mut Dice<'_>) -> Vec<u8> {
    let mut state = 1 + dice.throw(250);
    let len = 30 + dice.throw(100);
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    let mut letter = || {
        state = state * 1_103_515_245 % 2_147_483_629;
        letters[state % letters.len()]
    };
    (0..len).map(|_| letter()).collect()
}

fn lines(dice: &mut Dice<'_>) -> Vec<u8> {
    let mut value = dice.string(LETTERS, 10);
    for _ in 0..1 + dice.throw(3) {
        value.extend_from_slice([&b"\n"[..], b"\r\n", b"\n  ", b"\\n", b"\n\n"][dice.throw(5)]);
        value.extend(dice.string(LETTERS, 10));
    }
    value
}

fn piece(dice: &mut Dice<'_>, known: &[Vec<u8>]) -> Vec<u8> {
    match dice.throw(11) {
        8..=10 => form(dice, known),
        0..=2 => slice(dice, known),
        3 | 4 => {
            let value = whole(dice, known);
            refold(dice, &value)
        }
        5 => whole(dice, known),
        6 if dice.throw(8) == 0 => vec![b' '; 250 + dice.throw(10)],
        _ => dice.string(TEXT, 3),
    }
}

fn whole(dice: &mut Dice<'_>, known: &[Vec<u8>]) -> Vec<u8> {
    if known.is_empty() { Vec::new() } else { known[dice.throw(known.len())].clone() }
}

/// A form of a value, perhaps with line wraps, perhaps only some of it.
fn form(dice: &mut Dice<'_>, known: &[Vec<u8>]) -> Vec<u8> {
    let value = whole(dice, known);
    let forms = encoded(subrosa_masker::forms::core(&value));
    if forms.is_empty() {
        return Vec::new();
    }
    let bytes = &forms[dice.throw(forms.len())].bytes;
    let line_len = [usize::MAX, usize::MAX, 8, 24, 24, 25, 30, 40][dice.throw(8)];
    let wrap: &[u8] = [&b"\n"[..], b"\r\n", b"\n  ", b"\n\n"][dice.throw(4)];
    let mut text = Vec::new();
    let mut room = line_len.min(1 + dice.throw(40));
    for &byte in bytes.iter() {
        if room == 0 && line_len < usize::MAX {
            text.extend_from_slice(wrap);
            room = line_len;
        }
        text.push(byte);
        room = room.saturating_sub(1);
    }
    if dice.throw(2) == 0 { slice(dice, &[text]) } else { text }
}

/// Some of a value.
fn slice(dice: &mut Dice<'_>, known: &[Vec<u8>]) -> Vec<u8> {
    let value = whole(dice, known);
    let start = dice.throw(value.len() + 1);
    let end = start + dice.throw(value.len() - start + 1);
    value[start..end].to_vec()
}

/// A value with other gaps.
fn refold(dice: &mut Dice<'_>, value: &[u8]) -> Vec<u8> {
    let gap: &[u8] = [&b" "[..], b"\r\n", b"\\n", b"\n\n", b"\\n  "][dice.throw(5)];
    let mut text = Vec::new();
    for &byte in value {
        if byte == b'\n' { text.extend_from_slice(gap) } else { text.push(byte) }
    }
    text
}
