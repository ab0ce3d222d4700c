//! The text of a JSON value, as Dagu makes it.
//!
//! A string is what it says; numbers and booleans are as they stand. Anything else has the form that Go
//! prints: `map[a:1 b:2]` with sorted names, `[1 2]`, `<nil>`. The text is made in one buffer that is wiped.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

/// How deep values may lie in each other.
const DEPTH_MAX: usize = 64;

/// The text; `None` if the value is too deep, or a string is no Unicode.
pub(crate) fn text(raw: &RawValue) -> Option<SecretValue> {
    // The worst growth is `{}` to `map[]`; a vector that grew would leave copies behind.
    let mut out = Zeroizing::new(Vec::with_capacity(raw.get().len() * 3));
    write(raw, &mut out, DEPTH_MAX)?;
    Some(SecretValue::new(std::mem::take(&mut *out)))
}

/// Whether it is an object.
pub(super) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

fn write(raw: &RawValue, out: &mut Vec<u8>, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => unescape(text.get(1..text.len() - 1)?, out)?,
        b'{' => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            out.extend_from_slice(b"map[");
            for (place, (name, value)) in fields.into_iter().enumerate() {
                if place > 0 {
                    out.push(b' ');
                }
                out.extend_from_slice(name.as_bytes());
                out.push(b':');
                write(value, out, depth)?;
            }
            out.push(b']');
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            out.push(b'[');
            for (place, value) in items.into_iter().enumerate() {
                if place > 0 {
                    out.push(b' ');
                }
                write(value, out, depth)?;
            }
            out.push(b']');
        }
        b'n' => out.extend_from_slice(b"<nil>"),
        _ => out.extend_from_slice(text.as_bytes()),
    }
    Some(())
}

/// What stands between the quotes of a JSON string.
fn unescape(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut rest = text;
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
    Some(())
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

    use super::text;

    fn shown(json: &str) -> Option<String> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        #[expect(clippy::disallowed_methods, reason = "tests look at what they made")]
        text(raw).map(|value| String::from_utf8(value.expose().to_vec()).unwrap())
    }

    fn check(json: &str, expected: &str) {
        assert_eq!(shown(json).as_deref(), Some(expected), "{json}");
    }

    #[test]
    fn what_is_no_string_has_the_form_that_dagu_gives_it() {
        check(r#""plain""#, "plain");
        check(r#""""#, "");
        check("8080", "8080");
        check("1.50", "1.50");
        check("1e400", "1e400");
        check("true", "true");
        check("null", "<nil>");
        check(r#"{"b":2,"a":1}"#, "map[a:1 b:2]");
        check(r#"["x",2,null]"#, "[x 2 <nil>]");
        check("{}", "map[]");
        check("[]", "[]");
        check(r#"{"a":{"b":["c"]}}"#, "map[a:map[b:[c]]]");
    }

    #[test]
    fn half_a_character_is_refused() {
        for json in [r#""\ud800""#, r#""\ud800x""#, r#""\ud800\u0041""#, r#""\udc00""#] {
            assert_eq!(shown(json), None, "{json}");
        }
        check(r#""\ud83d\ude00\u00e4""#, "\u{1f600}\u{e4}");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(shown(&nested(63)).is_some());
        assert_eq!(shown(&nested(64)), None);
    }

    proptest! {
        #[test]
        fn any_string_comes_back(value in any::<String>()) {
            check(&serde_json::to_string(&value).unwrap(), &value);
        }

        #[test]
        fn any_character_can_be_escaped(value in any::<char>()) {
            let units = value.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            check(&format!("\"{units}\""), &value.to_string());
        }
    }
}
