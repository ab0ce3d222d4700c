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

/// What a folded needle begins with, up to its first gap; `None` where it has no gap or no such bytes.
///
/// Backslashes at its end are left out: whether they begin a gap is only known a byte later.
pub(crate) fn head(folded: &[u8]) -> Option<&[u8]> {
    let end = folded.iter().position(|&byte| byte == GAP)?;
    let last = folded[..end].iter().rposition(|&byte| byte != b'\\')?;
    Some(&folded[..=last])
}
