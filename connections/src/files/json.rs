//! JSON whose texts are secrets.
//!
//! The parser's own buffers would keep copies of texts with escapes, so texts are taken raw and unescaped
//! here, into a buffer of the right size.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use subrosa_engine::secret::SecretValue;

use super::FileError;

/// How deep objects may lie in each other: none of the known files needs four.
const DEPTH_MAX: usize = 16;

/// An object.
pub(crate) struct Tree(pub(crate) BTreeMap<String, Node>);

/// What stands in an object.
pub(crate) enum Node {
    /// A text, unescaped; a number or a boolean as written.
    Text(SecretValue),
    /// An object.
    Object(Tree),
    /// Nothing.
    Null,
    /// A list; none of the known files has one that counts.
    List,
}

/// Reads an object.
pub(crate) fn parse(bytes: &[u8]) -> Result<Tree, FileError> {
    let raw: &RawValue = serde_json::from_slice(bytes).map_err(|_| FileError::NotJson)?;
    object(raw.get(), DEPTH_MAX)
}

fn object(text: &str, depth: usize) -> Result<Tree, FileError> {
    let depth = depth.checked_sub(1).ok_or(FileError::NotJson)?;
    let Members(members) = serde_json::from_str(text).map_err(|_| FileError::NotJson)?;
    let mut found = BTreeMap::new();
    for (key, raw) in members {
        let node = match raw.get().as_bytes().first() {
            Some(b'{') => Node::Object(object(raw.get(), depth)?),
            Some(b'[') => Node::List,
            Some(b'n') => Node::Null,
            Some(b'"') => Node::Text(unquoted(raw.get()).ok_or(FileError::NotJson)?),
            _ => Node::Text(SecretValue::new(raw.get().as_bytes().to_vec())),
        };
        if found.insert(key.clone(), node).is_some() {
            return Err(FileError::Twice { key });
        }
    }
    Ok(Tree(found))
}

impl Tree {
    /// The text at a JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> Option<SecretValue> {
        match self.node(pointer)? {
            Node::Text(text) => Some(text.clone()),
            Node::Object(_) | Node::Null | Node::List => None,
        }
    }

    /// What is at a JSON pointer, unless it is nothing.
    pub(crate) fn node(&self, pointer: &str) -> Option<&Node> {
        let mut tree = self;
        let mut steps = pointer.strip_prefix('/')?.split('/').peekable();
        while let Some(step) = steps.next() {
            match (tree.0.get(&step.replace("~1", "/").replace("~0", "~"))?, steps.peek()) {
                (Node::Null, _) => return None,
                (node, None) => return Some(node),
                (Node::Object(inner), Some(_)) => tree = inner,
                (Node::Text(_) | Node::List, Some(_)) => return None,
            }
        }
        None
    }
}

/// Members of an object, in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                const MEMBERS_MAX: usize = 1000;
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    if members.len() == MEMBERS_MAX {
                        return Err(A::Error::custom("too many"));
                    }
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// What a JSON string says; nothing if it is no Unicode.
fn unquoted(raw: &str) -> Option<SecretValue> {
    let mut rest = raw.strip_prefix('"')?.strip_suffix('"')?;
    // What is unescaped is never longer.
    let mut out = zeroize::Zeroizing::new(Vec::with_capacity(rest.len()));
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
    Some(SecretValue::new(std::mem::take(&mut *out)))
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
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(digits, 16).ok()?, &text[4..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;
    use crate::files::FileError;

    proptest! {
        #[test]
        fn texts_are_what_the_parser_says(text: String) {
            let json = serde_json::json!({"a": {"b": &text}}).to_string();
            #[expect(clippy::disallowed_methods, reason = "tests look at what they made")]
            let found = parse(json.as_bytes()).unwrap().text("/a/b").unwrap().expose().to_vec();
            prop_assert_eq!(found, text.into_bytes());
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            drop(parse(text.as_bytes()));
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "1", "{", "{\"a\":1}x", "{\"a\": \"\\ud800\"}"] {
            assert_eq!(parse(text.as_bytes()).err(), Some(FileError::NotJson), "{text}");
        }
        let twice = Some(FileError::Twice { key: "a".to_owned() });
        assert_eq!(parse(b"{\"a\": 1, \"a\": 2}").err(), twice);
        let deep = "{\"a\":".repeat(5000) + "1" + &"}".repeat(5000);
        assert!(parse(deep.as_bytes()).is_err());
    }
}
