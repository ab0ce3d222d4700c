//! Line wraps inside base64.
//!
//! A wrap is LF or CR LF and the blanks and tabs after it, of which there are at most
//! [`BLANKS_MAX`]. It may stand between any two characters of a form that may be wrapped, but two
//! wraps have at least [`LINE_LEN_MIN`] characters between them: programs wrap at 60 and more.
//!
//! Fewer than [`FIRST_LEN_MIN`] characters before the first wrap stay in the output, and the match begins
//! after it. Otherwise the last letter and the newline of nearly every line would be held back, because
//! some form begins with that letter.

use crate::view::View;

/// The fewest characters of a line between two wraps: enough that a line which two wraps cut out of a window
/// begins and ends with a gram of it.
pub(crate) const LINE_LEN_MIN: u32 = 24;
/// The deepest indentation of a wrapped line.
pub(crate) const BLANKS_MAX: u32 = 64;

/// The fewest characters before the first wrap that are part of a match.
pub(crate) const FIRST_LEN_MIN: usize = 8;
/// So many bytes before a match may decide about it: the characters, the newline and the blanks before it.
pub(crate) const CONTEXT_LEN: u64 = FIRST_LEN_MIN as u64 + 2 + BLANKS_MAX as u64;

/// How far a wrapped needle matches: the state after some of its bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Walk {
    /// How many bytes of the needle matched.
    pub(crate) matched: usize,
    /// How many of them stand in this line.
    line_len: u32,
    /// Whether there was a wrap.
    wrapped: bool,
    /// Whether the characters so far stay in the output.
    is_shown: bool,
    gap: Gap,
}

/// What of a wrap the input ends in.
#[derive(Clone, Copy, Default)]
enum Gap {
    #[default]
    None,
    Cr,
    /// The newline and this many blanks.
    Lf(u32),
}

impl Walk {
    /// After `matched` bytes in one line.
    pub(crate) fn plain(matched: usize) -> Walk {
        let line_len = u32::try_from(matched).unwrap_or(u32::MAX);
        Walk { matched, line_len, ..Walk::default() }
    }

    /// Takes bytes that are the next ones of the needle; `false` if the next one may be part of a wrap.
    pub(crate) fn advance(&mut self, len: usize) -> bool {
        let is_in_line = matches!(self.gap, Gap::None);
        if is_in_line {
            self.matched += len;
            let len = u32::try_from(len).unwrap_or(u32::MAX);
            self.line_len = self.line_len.saturating_add(len);
        }
        is_in_line
    }

    /// Whether the input ends after a wrap before which everything stays in the output.
    pub(crate) fn is_shown(&self) -> bool {
        self.is_shown
    }

    /// Takes the next byte of the input; `false` if no match goes on with it.
    pub(crate) fn push(&mut self, needle: &[u8], byte: u8) -> bool {
        match self.gap {
            Gap::None if byte == needle[self.matched] => {
                self.matched += 1;
                self.line_len = self.line_len.saturating_add(1);
            }
            Gap::None => {
                let may_wrap = !self.wrapped || self.line_len >= LINE_LEN_MIN;
                if self.matched == 0 || !may_wrap {
                    return false;
                }
                self.gap = match byte {
                    b'\r' => Gap::Cr,
                    b'\n' => Gap::Lf(0),
                    _ => return false,
                };
                self.is_shown = !self.wrapped && self.matched < FIRST_LEN_MIN;
                (self.wrapped, self.line_len) = (true, 0);
            }
            Gap::Cr if byte == b'\n' => self.gap = Gap::Lf(0),
            Gap::Cr => return false,
            Gap::Lf(blanks) if is_blank(byte) => {
                self.gap = Gap::Lf(blanks + 1);
                return blanks < BLANKS_MAX;
            }
            Gap::Lf(_) => {
                self.gap = Gap::None;
                self.is_shown = false;
                return byte == needle[self.matched] && self.push(needle, byte);
            }
        }
        true
    }
}

/// Where `before`, the first bytes of a needle, begin if they end at `end` and not before `low`.
pub(crate) fn start_of(before: &[u8], view: &View<'_>, low: u64, end: u64) -> Option<u64> {
    let mut at = end;
    for &wanted in before.iter().rev() {
        if at > low && view.byte(at - 1) != wanted {
            at = wrap_start(view, low, at)?;
        }
        if at == low || view.byte(at - 1) != wanted {
            return None;
        }
        at -= 1;
    }
    Some(at)
}

/// Where the wrap begins that ends at `end`.
fn wrap_start(view: &View<'_>, low: u64, end: u64) -> Option<u64> {
    let mut at = end;
    while at > low && is_blank(view.byte(at - 1)) && end - at < u64::from(BLANKS_MAX) {
        at -= 1;
    }
    if at == low || view.byte(at - 1) != b'\n' {
        return None;
    }
    at -= 1;
    if at > low && view.byte(at - 1) == b'\r' {
        at -= 1;
    }
    Some(at)
}

/// Blank or tab.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
