//! The definition of masking, written to be read and not to be fast.
//!
//! Quadratic: every needle is tried at every position. Shares nothing with the masker but the public
//! policy and the bytes of the encoded forms, which have tests of their own; the fuzz target includes
//! this file by path.

use std::ops::Range;

use subrosa_masker::forms::{Form, encoded};
use subrosa_masker::{Forms, MASK, Policy, Reach};

/// The longest gap a folded needle may stretch over.
const GAP_LEN_MAX: usize = 256;

/// A unit of folded text: a byte, or a gap and its length.
#[derive(Clone, Copy)]
enum Token {
    Byte(u8),
    Gap(usize),
}

enum Needle {
    Anywhere(Vec<u8>),
    WholeWord(Vec<u8>),
    Wrapped(Vec<u8>),
    /// The tokens, and the bytes that it begins with as they are.
    Folded(Vec<Token>, Vec<u8>),
}

pub(crate) struct Oracle(Vec<Needle>);

impl Oracle {
    pub(crate) fn new(values: &[Vec<u8>], policy: &Policy) -> Oracle {
        let mut needles = Vec::new();
        for core in values.iter().map(|value| trim(value)) {
            let reach = policy.reach(core);
            needles.extend(literal(core, reach));
            if policy.forms == Forms::All && reach != Reach::Nowhere {
                needles.extend(encoded(core).into_iter().map(|encoded| match encoded.form {
                    Form::Base64 | Form::Base64Url => Needle::Wrapped(encoded.bytes.to_vec()),
                    _ => Needle::Anywhere(encoded.bytes.to_vec()),
                }));
            }
            let is_multi_line = policy.forms == Forms::All && core.contains(&b'\n');
            if is_multi_line && reach != Reach::Nowhere {
                let lines = core.split(|&byte| byte == b'\n').map(trim);
                let alone = lines.filter(|line| line.len() >= 8 && !is_armour(line));
                needles.extend(alone.filter_map(|line| literal(line, policy.reach(line))));
            }
            if is_multi_line && reach == Reach::Anywhere {
                let mut tokens = tokens(core);
                tokens.truncate(tokens.iter().rposition(is_byte).map_or(0, |last| last + 1));
                tokens.drain(..tokens.iter().position(is_byte).unwrap_or(0));
                if tokens.len() >= 8 && !tokens.iter().all(is_byte) && !head(core).is_empty() {
                    needles.push(Needle::Folded(tokens, head(core)));
                }
            }
        }
        Oracle(needles)
    }

    pub(crate) fn mask(&self, text: &[u8]) -> Vec<u8> {
        mask_covered(text, &self.covered(text, 0, true), text.len())
    }

    /// What must be out after `text`, when more may follow.
    pub(crate) fn emitted(&self, text: &[u8]) -> Vec<u8> {
        mask_covered(text, &self.covered(text, 0, false), self.tail(text))
    }

    /// Where the longest tail begins that may become a needle.
    pub(crate) fn tail(&self, text: &[u8]) -> usize {
        let held =
            |start| self.0.iter().filter_map(move |needle| needle.held_at(text, start)).min();
        (0..text.len()).filter_map(held).min().unwrap_or(text.len())
    }

    /// Which bytes needles cover whose match begins at `from` or later.
    pub(crate) fn covered(&self, text: &[u8], from: usize, ended: bool) -> Vec<bool> {
        let mut covered = vec![false; text.len()];
        for start in 0..text.len() {
            for found in self.0.iter().filter_map(|needle| needle.range_at(text, start, ended)) {
                if found.start >= from {
                    covered[found].fill(true);
                }
            }
        }
        covered
    }
}

/// `text` with covered runs replaced, up to the first uncovered byte at `end` or later.
pub(crate) fn mask_covered(text: &[u8], covered: &[bool], end: usize) -> Vec<u8> {
    let mut masked = Vec::new();
    for (index, &byte) in text.iter().enumerate() {
        if covered[index] {
            if index == 0 || !covered[index - 1] {
                masked.extend_from_slice(MASK.as_bytes());
            }
        } else if index < end {
            masked.push(byte);
        } else {
            break;
        }
    }
    masked
}

impl Needle {
    /// What it covers for a match whose first byte stands at `start`.
    fn range_at(&self, text: &[u8], start: usize, ended: bool) -> Option<Range<usize>> {
        if let Needle::Wrapped(needle) = self {
            let found = unwrap(&text[start..]);
            let end = found.positions(needle)?;
            return Some(start + found.first_covered..start + end);
        }
        self.len_at(text, start, ended).map(|len| start..start + len)
    }

    /// Where what it holds back begins if a match may begin at `start`.
    fn held_at(&self, text: &[u8], start: usize) -> Option<usize> {
        let Needle::Wrapped(needle) = self else {
            return self.may_grow(text, start).then_some(start);
        };
        let rest = &text[start..];
        let found = unwrap(rest);
        let may_grow = found.end == rest.len()
            && !found.letters.is_empty()
            && needle.starts_with(&found.letters)
            && needle.len() > found.letters.len();
        (may_grow && found.first_covered < rest.len()).then_some(start + found.first_covered)
    }

    /// How many bytes it covers at `start`, if it certainly matches there.
    fn len_at(&self, text: &[u8], start: usize, ended: bool) -> Option<usize> {
        let rest = &text[start..];
        match self {
            Needle::Anywhere(needle) => rest.starts_with(needle).then_some(needle.len()),
            Needle::WholeWord(needle) => {
                let after = rest.get(needle.len());
                let is_free = !is_word(before(text, start))
                    && !is_word(after.copied())
                    && (after.is_some() || ended);
                (rest.starts_with(needle) && is_free).then_some(needle.len())
            }
            Needle::Wrapped(_) => None,
            Needle::Folded(needle, _) if !agree(&needle[..1], &[Token::Byte(rest[0])]) => None,
            Needle::Folded(needle, head) => {
                let found = tokens(rest);
                let found = found.get(..needle.len())?;
                let len = found.iter().map(len).sum();
                let undecided = !ended && len == rest.len() && rest.ends_with(b"\\");
                let is_free = rest.starts_with(head) && !in_gap(text, start) && !undecided;
                (is_free && agree(needle, found)).then_some(len)
            }
        }
    }

    /// Whether all of `text` from `start` on may be the beginning of a match.
    fn may_grow(&self, text: &[u8], start: usize) -> bool {
        let rest = &text[start..];
        match self {
            Needle::Anywhere(needle) => needle.starts_with(rest) && needle.len() > rest.len(),
            Needle::WholeWord(needle) => {
                needle.starts_with(rest)
                    && (needle.len() > rest.len() || !is_word(before(text, start)))
            }
            Needle::Wrapped(_) => false,
            Needle::Folded(needle, _) if !agree(&needle[..1], &[Token::Byte(rest[0])]) => false,
            Needle::Folded(needle, head) => {
                if head.starts_with(rest) {
                    return true;
                }
                if !rest.starts_with(head) || in_gap(text, start) {
                    return false;
                }
                let begins = |found: &[Token]| {
                    needle.len() > found.len() && agree(&needle[..found.len()], found)
                };
                let found = tokens(rest);
                let Some(before_backslash) = rest.strip_suffix(b"\\") else {
                    return begins(&found);
                };
                // The backslash may be itself, then the match may even be complete, or begin a gap.
                let as_gap = tokens(&[before_backslash, b"\\n"].concat());
                begins(&as_gap)
                    || begins(&found)
                    || (needle.len() == found.len() && agree(needle, &found))
            }
        }
    }
}

/// The letters of base64 that a text begins with, without the line wraps between them.
struct Unwrapped {
    letters: Vec<u8>,
    /// Where each letter stands.
    at: Vec<usize>,
    /// Where the match begins that has these letters: fewer than eight before the first wrap are shown.
    first_covered: usize,
    /// Where letters and wraps end.
    end: usize,
}

impl Unwrapped {
    /// Where `needle` ends if the letters begin with it.
    fn positions(&self, needle: &[u8]) -> Option<usize> {
        let end = self.at[..].get(needle.len() - 1)? + 1;
        self.letters.starts_with(needle).then_some(())?;
        Some(end)
    }
}

fn unwrap(text: &[u8]) -> Unwrapped {
    let mut found = Unwrapped { letters: vec![], at: vec![], first_covered: 0, end: 0 };
    let mut line: Option<usize> = None;
    while let Some(&byte) = text.get(found.end) {
        if byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte) {
            found.letters.push(byte);
            found.at.push(found.end);
            found.end += 1;
            line = line.map(|len| len + 1);
            continue;
        }
        let mut rest = &text[found.end..];
        rest = rest.strip_prefix(b"\r").unwrap_or(rest);
        if !rest.is_empty() {
            let Some(after) = rest.strip_prefix(b"\n") else { break };
            let blanks = after.iter().take_while(|byte| b" \t".contains(byte)).count().min(64);
            rest = &after[blanks..];
        }
        if found.letters.is_empty() || line.is_some_and(|len| len < 24) {
            break;
        }
        found.end = text.len() - rest.len();
        if line.is_none() && found.letters.len() < 8 {
            found.first_covered = found.end;
        }
        line = Some(0);
    }
    found
}

fn literal(needle: &[u8], reach: Reach) -> Option<Needle> {
    match reach {
        Reach::Anywhere => Some(Needle::Anywhere(needle.to_vec())),
        Reach::WholeWord => Some(Needle::WholeWord(needle.to_vec())),
        Reach::Nowhere => None,
    }
}

fn tokens(mut text: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    while let Some(&first) = text.first() {
        let gap_len = match text {
            [b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c, ..] => 1,
            [b'\\', b'n', ..] => 2,
            _ => 0,
        };
        match tokens.last_mut() {
            _ if gap_len == 0 => tokens.push(Token::Byte(first)),
            Some(Token::Gap(len)) => *len += gap_len,
            _ => tokens.push(Token::Gap(gap_len)),
        }
        text = &text[gap_len.max(1)..];
    }
    tokens
}

fn agree(needle: &[Token], found: &[Token]) -> bool {
    needle.iter().zip(found).all(|pair| match pair {
        (Token::Byte(wanted), Token::Byte(byte)) => wanted == byte,
        (Token::Gap(_), Token::Gap(len)) => *len <= GAP_LEN_MAX,
        _ => false,
    })
}

/// The bytes before the first gap that is not a single blank, without backslashes at their end.
fn head(core: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    let mut rest = core;
    for token in tokens(core) {
        match token {
            Token::Byte(byte) => head.push(byte),
            Token::Gap(_) if head.is_empty() => {}
            Token::Gap(1) if rest[0] == b' ' => head.push(b' '),
            Token::Gap(_) => break,
        }
        rest = &rest[len(&token)..];
    }
    head.truncate(head.iter().rposition(|byte| !b"\\ ".contains(byte)).map_or(0, |last| last + 1));
    head
}

fn len(token: &Token) -> usize {
    match token {
        Token::Byte(_) => 1,
        Token::Gap(len) => *len,
    }
}

fn is_byte(token: &Token) -> bool {
    matches!(token, Token::Byte(_))
}

/// Whether the byte at `start` is the second of a backslash-n pair.
fn in_gap(text: &[u8], start: usize) -> bool {
    text[start] == b'n' && before(text, start) == Some(b'\\')
}

fn before(text: &[u8], start: usize) -> Option<u8> {
    start.checked_sub(1).map(|index| text[index])
}

fn is_word(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c);
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

fn is_armour(line: &[u8]) -> bool {
    (line.starts_with(b"-----BEGIN") || line.starts_with(b"-----END")) && line.ends_with(b"-----")
}
