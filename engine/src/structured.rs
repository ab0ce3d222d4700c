//! Masks parsed JSON before it is written: keys and strings, each by itself.
//!
//! A value that is written into JSON is quoted, and a value may be quoted any number of times; a text
//! that is masked before it is quoted needs no form for that. The writer of a document runs the masker over
//! its bytes as well ([`to_bytes`]): a secret may also be made of several strings.
//!
//! A document inside a text is masked as text before it is read: numbers may be written otherwise than they were
//! read (`1.50` as `1.5`), and would not be found any more.
//!
//! Names of our own fields are no data and are not masked by walking: whoever builds the document leaves
//! them out of what is walked.

use serde_json::{Map, Value};
use subrosa_masker::MASK;
use zeroize::Zeroizing;

use crate::masks::Masks;

/// Keys whose texts are masked, whatever they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyRules(Vec<String>);

impl KeyRules {
    pub(crate) fn new(keys: &[String]) -> KeyRules {
        let names = keys.iter().map(|key| key.trim().to_lowercase());
        KeyRules(names.filter(|name| !name.is_empty()).collect())
    }

    /// Whether the text at `key` is masked.
    pub(crate) fn hide(&self, key: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&key.to_lowercase())
    }
}

/// Masks every key and every string of a value, and all texts below a key that the rules name. A string
/// that is itself JSON is walked too where the rules name a key of it.
pub(crate) fn walk(value: &mut Value, masks: &Masks) {
    match value {
        Value::String(text) => *text = self::text(text, masks),
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, masks)),
        Value::Object(fields) => {
            let mut masked = Map::new();
            for (key, mut field) in std::mem::take(fields) {
                if masks.keys().hide(&key) {
                    hide(&mut field);
                }
                walk(&mut field, masks);
                put(&mut masked, masks.text(&key).to_string(), field);
            }
            *fields = masked;
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text that is the value of a field, masked; by the rules if they name the field.
pub(crate) fn field(key: &str, text: &str, masks: &Masks) -> String {
    if masks.keys().hide(key) { MASK.to_owned() } else { self::text(text, masks) }
}

fn text(text: &str, masks: &Masks) -> String {
    let is_document = text.trim_start().starts_with(['{', '[']);
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    if is_document
        && let Some(mut inner) = read(text)
        && hide_by_key(&mut inner, masks.keys())
    {
        let masked = masks.text(text);
        if masked.as_str() != text {
            let Some(found) = read(&quote_masks(masked.as_str())) else {
                return MASK.to_owned();
            };
            inner = found;
            hide_by_key(&mut inner, masks.keys());
        }
        walk(&mut inner, masks);
        return inner.to_string();
    }
    masks.text(text).to_string()
}

/// Makes masks in a document that stand in no string, say for a number, strings.
fn quote_masks(document: &str) -> String {
    let mut quoted = String::with_capacity(document.len());
    let (mut rest, mut in_string) = (document, false);
    while let Some(next) = rest.chars().next() {
        let len = match next {
            '*' if !in_string && rest.starts_with(MASK) => {
                quoted.push('"');
                quoted.push_str(MASK);
                quoted.push('"');
                rest = &rest[MASK.len()..];
                continue;
            }
            '\\' if in_string => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => next.len_utf8(),
        };
        in_string ^= next == '"';
        quoted.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    quoted
}

/// Hides what the rules name, and says whether there was any.
fn hide_by_key(value: &mut Value, rules: &KeyRules) -> bool {
    match value {
        Value::Array(items) => {
            items.iter_mut().fold(false, |any, item| hide_by_key(item, rules) | any)
        }
        Value::Object(fields) => fields.iter_mut().fold(false, |any, (key, field)| {
            let named = rules.hide(key);
            if named {
                hide(field);
            }
            named | hide_by_key(field, rules) | any
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Puts the mask in the place of every text and number.
fn hide(value: &mut Value) {
    match value {
        Value::String(_) | Value::Number(_) => *value = MASK.into(),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(fields) => fields.values_mut().for_each(hide),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Two keys may become one mask: both fields stay.
fn put(fields: &mut Map<String, Value>, key: String, value: Value) {
    let mut free = key.clone();
    let mut number = 2;
    while fields.contains_key(&free) {
        free = format!("{key} {number}");
        number += 1;
    }
    fields.insert(free, value);
}

/// The bytes of a document that was walked, masked once more as a stream. Where that would leave no JSON
/// (the secret `true` is also a word of ours), only the walk counts.
pub(crate) fn to_bytes(document: &Value, masks: &Masks) -> Vec<u8> {
    masked_json(&Zeroizing::new(format!("{document:#}\n")), masks)
}

/// The same in one line, without its end.
pub(crate) fn to_line(document: &Value, masks: &Masks) -> Vec<u8> {
    masked_json(&Zeroizing::new(document.to_string()), masks)
}

fn masked_json(text: &str, masks: &Masks) -> Vec<u8> {
    let masked = masks.current().mask_bytes(text.as_bytes());
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&masked).is_ok();
    if is_json { masked } else { text.as_bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use subrosa_masker::Policy;

    use super::{KeyRules, field, to_bytes, walk};
    use crate::env::from_text;
    use crate::masks::{Masks, Owner};

    fn masks(secrets: &[&str], keys: &[&str]) -> Masks {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let masks = Masks::new(Policy::default(), KeyRules::new(&keys));
        let added = secrets.iter().map(|secret| (Owner::Derived, from_text(*secret)));
        masks.add(added.collect()).unwrap();
        masks
    }

    fn check(secrets: &[&str], keys: &[&str], mut found: Value, expected: &Value) {
        walk(&mut found, &masks(secrets, keys));
        assert_eq!(&found, expected);
    }

    #[test]
    fn keys_and_strings_are_masked_wherever_they_are() {
        check(
            &["hunter2\"x", "four"],
            &[],
            json!({"call": {"hunter2\"x": [1, "a hunter2\"x", {"b": "four"}]}, "c": true}),
            &json!({"call": {"*******": [1, "a *******", {"b": "*******"}]}, "c": true}),
        );
        check(
            &["four", "five"],
            &[],
            json!({"four": 1, "five": 1}),
            &json!({"*******": 1, "******* 2": 1}),
        );
    }

    #[test]
    fn keys_of_the_rules_hide_texts_and_numbers() {
        let found = json!({
            "Password": "plain", "pin": 4711, "passwords": "stays",
            "pass": {"pin": ["a", 1, null, true]},
            "text": "{\"pin\": \"4711\", \"user\": \"bob\"}",
        });
        let hidden = json!({
            "Password": "*******", "pin": "*******", "passwords": "stays",
            "pass": {"pin": ["*******", "*******", null, true]},
            "text": "{\"pin\":\"*******\",\"user\":\"bob\"}",
        });
        check(&[], &["password", " PIN "], found.clone(), &hidden);
        check(&[], &[], found.clone(), &found);
        assert_eq!(field("pin", "4711", &masks(&[], &["pin"])), "*******");
        assert_eq!(field("pin", "4711", &masks(&[], &[])), "4711");
    }

    #[test]
    fn numbers_in_a_text_are_masked_as_they_were_written() {
        let check = |secrets: &[&str], numbers: &str, expected: &str| {
            let text = format!("{{\"pin\":\"1\",\"n\":[{numbers}]}}");
            let masks = masks(secrets, &["pin"]);
            let found = masks.text(&field("a", &text, &masks));
            let expected = format!("{{\"pin\":\"*******\",\"n\":[{expected}]}}");
            assert_eq!(found.as_str(), expected, "{numbers}");
        };
        let numbers = "123456789012345678901234, 87654321.50, 12345678";
        check(&[], "12345678,0.5", "12345678,0.5");
        let both = ["123456789012345678901234", "87654321.50"];
        check(&both, numbers, "\"*******\",\"*******\",12345678");
        check(&["12345678E5"], r#""\\\"", 12345678E5, 0.5"#, r#""\\\"","*******",0.5"#);
        check(&["12345678, 1.50"], "12345678, 1.50, 3", "\"*******\",3");
    }

    #[test]
    fn a_text_that_masks_leave_no_document_is_hidden() {
        let masks = masks(&["77, {", "12345678"], &["pin"]);
        assert_eq!(field("a", r#"[77, {"pin": 1}]"#, &masks), "*******");
        assert_eq!(field("a", r#"{"pin": 1, "n": 123456789}"#, &masks), "*******");
        assert_eq!(field("a", r#"{"pin": 1, "n": 1}"#, &masks), r#"{"pin":"*******","n":1}"#);
    }

    #[test]
    fn bytes_are_masked_once_more_unless_that_leaves_no_json() {
        let text = |secret, document: Value| {
            String::from_utf8(to_bytes(&document, &masks(&[secret], &[]))).unwrap()
        };
        let spread = text("aaaa\",\n  \"bbbb", json!(["aaaa", "bbbb"]));
        assert_eq!(spread, "[\n  \"*******\"\n]\n");
        assert_eq!(text("true", json!({"a": true})), "{\n  \"a\": true\n}\n");
    }
}
