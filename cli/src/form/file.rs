//! Answers from the JSON file that a service hands out (`--from-file`).
//!
//! The type says where in the file each field is. A secret one is kept in a buffer that wipes itself;
//! of a file that cannot be used nothing is repeated.

use std::fmt;
use std::path::Path;

use serde::Deserializer;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use subrosa_connections::{ConnectionType, Field};
use zeroize::Zeroizing;

use super::{Filled, field, given};
use crate::failure::{Exit, Failure};
use crate::value;

/// Adds what the file says to the answers.
pub(crate) fn read(path: &Path, kind: &ConnectionType, filled: &mut Filled) -> Result<(), Failure> {
    if kind.file.is_empty() {
        let message = format!("the service of `{}` hands out no JSON file", kind.id);
        return Err(
            Failure::usage(message).help("`--set-file FIELD=PATH` takes one field from a file")
        );
    }
    let bytes = value::bytes(Some(path))?;
    let before = filled.public.len() + filled.secret.len();
    for (name, pointer) in &kind.file {
        let Some(field) = field(kind, name) else { continue };
        match at(&bytes, pointer) {
            Ok(Some(found)) => given::accept(field, &found, filled)?,
            Ok(None) => {}
            Err(why) => return Err(unusable(path, field, &why)),
        }
    }
    if filled.public.len() + filled.secret.len() == before {
        let message = format!(
            "`{}` has none of the fields that the file for `{}` has",
            path.display(),
            kind.id
        );
        let places: Vec<&str> = kind.file.values().map(String::as_str).collect();
        return Err(
            Failure::new(Exit::INVALID, message).help(format!("wanted: {}", places.join(", ")))
        );
    }
    Ok(())
}

/// Adds what else is in a file that was given for `whole`, if the type has all of the file there. What
/// cannot be used of it is asked for.
pub(crate) fn take_others(bytes: &[u8], kind: &ConnectionType, whole: &Field, filled: &mut Filled) {
    if kind.file.get(&whole.name).is_none_or(|pointer| !pointer.is_empty()) {
        return;
    }
    for (name, pointer) in kind.file.iter().filter(|(name, _)| **name != whole.name) {
        if let (Some(field), Ok(Some(found))) = (field(kind, name), at(bytes, pointer)) {
            // One that does not fit is as good as none.
            given::put(field, &found, filled).ok();
        }
    }
}

fn unusable(path: &Path, field: &Field, why: &str) -> Failure {
    let message = format!("`{}` cannot be used for `{}`: {why}", path.display(), field.name);
    Failure::new(Exit::INVALID, message)
}

/// The text at a JSON pointer; of an object or a number, how it is written. The empty pointer is all.
fn at(bytes: &[u8], pointer: &str) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    if pointer.is_empty() {
        return match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => Ok(Some(Zeroizing::new(bytes.to_vec()))),
            Err(error) => Err(place_of(&error)),
        };
    }
    let names: Vec<String> = pointer
        .trim_start_matches('/')
        .split('/')
        .map(|name| name.replace("~1", "/").replace("~0", "~"))
        .collect();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let found = reader.deserialize_any(Finder(&names)).map_err(|error| place_of(&error))?;
    reader.end().map_err(|error| place_of(&error))?;
    Ok(found)
}

/// Where the file is no JSON; what the parser says of it could repeat a part.
fn place_of(error: &serde_json::Error) -> String {
    format!("it is no JSON at line {}, column {}", error.line(), error.column())
}

/// Finds one text without making a tree of the file, whose pieces nobody would wipe.
struct Finder<'a>(&'a [String]);

type Text = Option<Zeroizing<Vec<u8>>>;

impl<'de> Visitor<'de> for Finder<'_> {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            match self.0.split_first() {
                Some((first, rest)) if *first == name && found.is_none() => {
                    found = map.next_value_seed(Seed(rest))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Text, A::Error> {
        let wanted: Option<(usize, &[String])> =
            self.0.split_first().and_then(|(first, rest)| Some((first.parse().ok()?, rest)));
        let (mut found, mut index) = (None, 0_usize);
        loop {
            let next = match wanted {
                Some((at, rest)) if at == index => {
                    let item = items.next_element_seed(Seed(rest))?;
                    item.map(|item| found = item)
                }
                _ => items.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if next.is_none() {
                return Ok(found);
            }
            index += 1;
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(self.0.is_empty().then(|| Zeroizing::new(text.as_bytes().to_vec())))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Text, E> {
        self.visit_str(if truth { "true" } else { "false" })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Text, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Text, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Text, E> {
        Ok(None)
    }
}

/// The rest of the way to a text.
struct Seed<'a>(&'a [String]);

impl<'de> serde::de::DeserializeSeed<'de> for Seed<'_> {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Text, D::Error> {
        reader.deserialize_any(Finder(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::at;

    #[test]
    fn a_pointer_leads_to_a_text() {
        let check = |json: &str, pointer: &str, expected: Option<&str>| {
            let found = at(json.as_bytes(), pointer).unwrap();
            let found = found.as_ref().map(|found| std::str::from_utf8(found).unwrap());
            assert_eq!(found, expected, "{json} {pointer}");
        };
        let json = r#"{"a": {"b~/c": "x\ny", "n": 7}, "list": ["u", "v"], "t": true, "z": null}"#;
        check(json, "/a/b~0~1c", Some("x\ny"));
        check(json, "/a/n", Some("7"));
        check(json, "/list/1", Some("v"));
        check(json, "/t", Some("true"));
        for nothing in ["/a", "/z", "/a/b", "/list/2", "/list/x", "/t/u"] {
            check(json, nothing, None);
        }
        check(r#" {"a": 1} "#, "", Some(r#" {"a": 1} "#));
    }

    #[test]
    fn what_is_no_json_is_told_by_its_place() {
        for json in ["{\"a\": hunter2}", "{\"a\": 1} hunter2", "", "hunter2"] {
            for pointer in ["/a", ""] {
                let why = at(json.as_bytes(), pointer).unwrap_err();
                assert!(
                    why.starts_with("it is no JSON at line") && !why.contains("hunter2"),
                    "{why}"
                );
            }
        }
    }
}
