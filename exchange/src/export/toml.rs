//! TOML as `secrets.toml` has it: `stripe/secret-key` is `secret_key` in `[sources.stripe]`.
//!
//! Where `a` stands beside `a/b`, `a` cannot be a table as well: the rest of the ref is then one
//! quoted key, `"a/b"`, which is read back to the same segments.

use std::collections::{BTreeMap, HashSet};

use zeroize::Zeroizing;

use crate::export::TextEntry;
use crate::import::protect;
use crate::quoted::push_quoted;
use crate::wiped::WipedText;

pub(super) fn write(entries: &[TextEntry<'_>]) -> Zeroizing<Vec<u8>> {
    let refs: HashSet<&str> = entries.iter().map(|entry| entry.reference.as_str()).collect();
    let mut tables: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for entry in entries {
        let (table, key) = placed(entry.reference.as_str(), &refs);
        tables.entry(table).or_default().push((key, entry.text));
    }
    let mut out = WipedText::with_capacity(entries.len() * 64);
    for (count, (table, pairs)) in tables.iter().enumerate() {
        out.push_str(if count == 0 { "[sources" } else { "\n[sources" });
        for segment in table.split('/').filter(|segment| !segment.is_empty()) {
            out.push('.');
            out.push_str(&snake_case(segment));
        }
        out.push_str("]\n");
        for (key, text) in pairs {
            push_key(&mut out, key);
            out.push_str(" = ");
            let text = protect(text);
            push_quoted(&mut out, std::str::from_utf8(&text).unwrap_or_default());
            out.push('\n');
        }
    }
    out.into_bytes()
}

/// The table of a ref and its key there. The table is no ref of the export, nor is one around it.
fn placed<'a>(reference: &'a str, refs: &HashSet<&str>) -> (&'a str, &'a str) {
    let slashes: Vec<usize> = reference.match_indices('/').map(|(at, _)| at).collect();
    let taken = slashes.iter().position(|at| refs.contains(&reference[..*at]));
    // Up to the slash before the shortest part that is a ref itself, or before the last segment.
    match taken.unwrap_or(slashes.len()).checked_sub(1).and_then(|last| slashes.get(last)) {
        Some(at) => (&reference[..*at], &reference[at + 1..]),
        None => ("", reference),
    }
}

fn push_key(out: &mut WipedText, key: &str) {
    let key = snake_case(key);
    if key.contains('/') { push_quoted(out, &key) } else { out.push_str(&key) }
}

/// The spelling that readers of `secrets.toml` expect; ours maps it back.
fn snake_case(segment: &str) -> String {
    segment.replace('-', "_")
}
