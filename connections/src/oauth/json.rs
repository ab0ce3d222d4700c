//! Objects of JSON, whose strings are decoded into one buffer that is wiped: a parser's own buffer is not.

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// Reads an object; `None`: it is none. Parsers take a list for one, too, place by place.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    body.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(body).ok())?
}

/// What a JSON string says; `None`: it is none, or holds half a character.
pub(crate) fn text(raw: &RawValue) -> Option<Zeroizing<Vec<u8>>> {
    let quoted = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    // No escape is shorter than what it stands for: the buffer never grows.
    let mut out = Zeroizing::new(Vec::with_capacity(quoted.len()));
    let mut rest = quoted;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.extend_from_slice(plain.as_bytes());
        let letter = *escaped.as_bytes().first()?;
        rest = escaped.get(1..)?;
        match letter {
            b'"' | b'\\' | b'/' => out.push(letter),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (character, after) = unicode(rest)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
            _ => return None,
        }
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}

/// The same, for what may be read by anybody.
pub(super) fn public(raw: &RawValue) -> Option<String> {
    String::from_utf8(text(raw)?.to_vec()).ok()
}

/// The character behind `\u`, which may take another `\u`, and the text after it.
fn unicode(text: &str) -> Option<(char, &str)> {
    let (high, rest) = unit(text)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high)?, rest));
    }
    let (low, rest) = unit(rest.strip_prefix("\\u")?)?;
    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)?, rest))
}

fn unit(text: &str) -> Option<(u32, &str)> {
    let digits =
        text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(digits, 16).ok()?, &text[4..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::public;

    fn shown(json: &str) -> Option<String> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        public(raw)
    }

    #[test]
    fn only_whole_strings_are_texts() {
        assert_eq!(shown(r#""a\/b\u003d\ud83d\ude00""#).as_deref(), Some("a/b=😀"));
        for json in ["1", "true", "null", "[]", "{}", r#""\ud83d""#, r#""\ud83dx""#] {
            assert_eq!(shown(json), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn strings_are_what_serde_makes_of_them(text: String, is_escaped: bool) {
            let mut json = serde_json::to_string(&text).unwrap();
            if is_escaped {
                let escape = |unit: u16| format!("\\u{unit:04x}");
                json = format!("\"{}\"", text.encode_utf16().map(escape).collect::<String>());
            }
            prop_assert_eq!(shown(&json), Some(text));
        }
    }
}
