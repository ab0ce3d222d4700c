//! JSON and YAML: one level, whose keys are the whole refs.
//!
//! Tables in each other could not hold `a` beside `a/b`.

use zeroize::Zeroizing;

use crate::export::TextEntry;
use crate::quoted::push_quoted;
use crate::wiped::WipedText;

pub(super) fn json(entries: &[TextEntry<'_>]) -> Zeroizing<Vec<u8>> {
    let mut out = WipedText::with_capacity(entries.len() * 64);
    out.push('{');
    for (count, TextEntry { reference, text }) in entries.iter().enumerate() {
        out.push_str(if count == 0 { "\n  " } else { ",\n  " });
        push_quoted(&mut out, reference.as_str());
        out.push_str(": ");
        push_quoted(&mut out, text);
    }
    out.push_str("\n}\n");
    out.into_bytes()
}

/// Keys are quoted, too: a ref may be `null` or `1e5`.
pub(super) fn yaml(entries: &[TextEntry<'_>]) -> Zeroizing<Vec<u8>> {
    let mut out = WipedText::with_capacity(entries.len() * 64);
    if entries.is_empty() {
        out.push_str("{}\n");
    }
    for TextEntry { reference, text } in entries {
        push_quoted(&mut out, reference.as_str());
        out.push_str(": ");
        push_quoted(&mut out, text);
        out.push('\n');
    }
    out.into_bytes()
}
