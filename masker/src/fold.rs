//! Folding: text with every gap reduced to one newline.
//!
//! A gap is a maximal run of ASCII whitespace and of backslash-n pairs (how JSON and most languages
//! escape a newline). A multi-line value and a text that carries it with CR LF, indented, flattened by
//! an unquoted `echo` or escaped in a string have equal foldings, so one literal search over the folded
//! stream finds them all. Where a gap begins depends on its own bytes alone: a backslash before `n`
//! always belongs to a gap, whatever stands before it.

use zeroize::Zeroizing;

/// What stands for a gap in folded text; no other byte of it is whitespace.
pub(crate) const GAP: u8 = b'\n';

/// The longest gap, in bytes, that a needle may stretch over. Longer ones end a match in progress, so
/// that endless blanks are not held back.
pub(crate) const GAP_LEN_MAX: usize = 256;

/// Blank, tab, CR, LF, VT and FF.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// The value without ASCII whitespace around it.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let Some(start) = value.iter().position(|&byte| !is_space(byte)) else {
        return &[];
    };
    let end = value.iter().rposition(|&byte| !is_space(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// `value` folded, without gaps at its ends.
pub(crate) fn fold(value: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut folded = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value;
    while let Some(&first) = rest.first() {
        let gap_len = if is_space(first) {
            1
        } else if rest.starts_with(b"\\n") {
            2
        } else {
            0
        };
        if gap_len == 0 {
            folded.push(first);
        } else if !folded.is_empty() && folded.last() != Some(&GAP) {
            folded.push(GAP);
        }
        rest = &rest[gap_len.max(1)..];
    }
    if folded.last() == Some(&GAP) {
        folded.pop();
    }
    folded
}

/// What a value begins with that is looked for to find its folding: its bytes up to its first gap that
/// is not one blank. `None` where there are no such bytes.
///
/// Blanks in it stand for themselves, so that the first line of a key in PEM is a long head and its first
/// word, which other keys have too, is not one. Backslashes at its end are left out: whether they begin a
/// gap is only known a byte later.
pub(crate) fn head(value: &[u8]) -> Option<&[u8]> {
    let gap_len = |at: usize| match &value[at..] {
        [first, ..] if is_space(*first) => 1,
        [b'\\', b'n', ..] => 2,
        _ => 0,
    };
    let mut start = 0;
    while gap_len(start) > 0 {
        start += gap_len(start);
    }
    let mut end = start;
    while end < value.len() && (gap_len(end) == 0 || (value[end] == b' ' && gap_len(end + 1) == 0))
    {
        end += 1;
    }
    let last = value[start..end].iter().rposition(|&byte| byte != b'\\' && byte != b' ')?;
    Some(&value[start..=start + last])
}
