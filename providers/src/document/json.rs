//! JSON, by `serde_json`: values stay pieces of the text until they are taken over.
//!
//! Numbers stay as they are written (`1.10`, twenty digits), and a key that is there twice is refused:
//! both are lost in the library's own tree. Of its errors only the place is used. A text with escapes
//! passes a buffer of the library, which is not wiped.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{DEPTH_MAX, Node, Wrong};

const SYNTAX: &str = "this is no JSON";

pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    let root: &RawValue = serde_json::from_str(text).map_err(|error| {
        let before = text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let start: usize = before.map(str::len).sum();
        Wrong { at: start + error.column().saturating_sub(1), message: SYNTAX }
    })?;
    node(text, root, 1)
}

/// The outermost value was found to be whole, so that only what the library checks late can still be
/// wrong: escapes, and keys that are there twice.
fn node(text: &str, raw: &RawValue, depth: usize) -> Result<Node, Wrong> {
    let written = raw.get();
    // A piece of `text`, which it borrows.
    let at = (written.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let wrong = |message| Wrong { at, message };
    if depth > DEPTH_MAX {
        return Err(wrong("nested more than 64 levels deep"));
    }
    match written.as_bytes().first() {
        Some(b'{') => {
            let Entries(entries) = serde_json::from_str(written)
                .map_err(|_| wrong("a key of this object holds an escape that is none"))?;
            let mut table = BTreeMap::new();
            for (key, value) in entries {
                let value = node(text, value, depth + 1)?;
                if table.insert(key.into_owned(), value).is_some() {
                    return Err(wrong("a key of this object is there twice"));
                }
            }
            Ok(Node::Table(table))
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(written).map_err(|_| wrong(SYNTAX))?;
            let items = items.into_iter().map(|item| node(text, item, depth + 1));
            Ok(Node::List(items.collect::<Result<_, _>>()?))
        }
        Some(b'"') => {
            let Text(value) = serde_json::from_str(written)
                .map_err(|_| wrong("a text holds an escape that is none"))?;
            Ok(Node::Text(match value {
                Cow::Borrowed(value) => Zeroizing::new(value.as_bytes().to_vec()),
                Cow::Owned(value) => Zeroizing::new(value.into_bytes()),
            }))
        }
        Some(b'n') => Ok(Node::Null),
        _ => Ok(Node::Literal(Zeroizing::new(written.as_bytes().to_vec()))),
    }
}

/// A text that is borrowed where no escape stands in it.
#[derive(serde::Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// The entries of an object as they stand, doubles too.
struct Entries<'t>(Vec<(Cow<'t, str>, &'t RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<'de>, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            entries.push((key, map.next_value()?));
        }
        Ok(Entries(entries))
    }
}
