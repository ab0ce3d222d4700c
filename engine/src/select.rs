//! Paths into JSON texts: `.user.name`, `.items[0].id`.
//!
//! A string that is found is taken without its quotes; anything else as compact JSON.

use serde_json::Value;
use zeroize::Zeroize;

use crate::secret::SecretValue;

/// Finds `path` in a JSON text; `None` if the text is no JSON or has nothing there.
#[expect(clippy::disallowed_methods, reason = "a field of a value is found by parsing the value")]
pub(crate) fn select(text: &SecretValue, path: &str) -> Option<SecretValue> {
    let mut root: Value = serde_json::from_slice(text.expose()).ok()?;
    let found = find(&root, path).map(to_value);
    wipe(&mut root);
    found
}

/// Every string of at least `len_min` bytes inside a JSON object or array; nothing for other texts.
#[expect(clippy::disallowed_methods, reason = "the parts of a JSON secret are secrets themselves")]
pub(crate) fn strings(text: &SecretValue, len_min: usize) -> Vec<SecretValue> {
    let bytes = text.expose();
    if !matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return Vec::new();
    }
    let Ok(mut root) = serde_json::from_slice::<Value>(bytes) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    collect(&root, len_min, &mut found);
    wipe(&mut root);
    found
}

fn collect(value: &Value, len_min: usize, found: &mut Vec<SecretValue>) {
    match value {
        Value::String(text) if text.len() >= len_min => {
            found.push(SecretValue::new(text.clone().into_bytes()));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, len_min, found)),
        Value::Object(fields) => fields.values().for_each(|item| collect(item, len_min, found)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn find<'a>(root: &'a Value, path: &str) -> Option<&'a Value> {
    let mut at = root;
    for segment in path.split(['.', '[']).filter(|segment| !segment.is_empty()) {
        let segment = segment.trim_end_matches(']').trim_matches('"');
        at = match at {
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?)?,
            Value::Object(fields) => fields.get(segment)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
    }
    Some(at)
}

fn to_value(found: &Value) -> SecretValue {
    match found {
        Value::String(text) => SecretValue::new(text.clone().into_bytes()),
        other => SecretValue::new(other.to_string().into_bytes()),
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at what they made")]
mod tests {
    use super::{select, strings};
    use crate::secret::SecretValue;

    fn check(text: &str, path: &str, expected: Option<&str>) {
        let found = select(&SecretValue::new(text.into()), path);
        assert_eq!(found.as_ref().map(SecretValue::expose), expected.map(str::as_bytes), "{path}");
    }

    #[test]
    fn paths_lead_to_strings_bare_and_to_the_rest_as_json() {
        let text = r#"{"user":{"name":"bob"},"items":[{"id":7},{"id":8}],"on":true}"#;
        check(text, ".user.name", Some("bob"));
        check(text, "user.name", Some("bob"));
        check(text, ".items[1].id", Some("8"));
        check(text, ".items.0", Some(r#"{"id":7}"#));
        check(text, ".on", Some("true"));
        check(text, ".nope", None);
        check(text, ".user.name.more", None);
        check("no json", ".a", None);
    }

    #[test]
    fn strings_of_some_length_are_found_at_any_depth() {
        let text = SecretValue::new(
            br#"{"a":"short","b":["long-enough-1",{"c":"long-enough-2"}]}"#.to_vec(),
        );
        let found: Vec<_> = strings(&text, 8).iter().map(|v| v.expose().to_vec()).collect();
        assert_eq!(found, [b"long-enough-1".to_vec(), b"long-enough-2".to_vec()]);
        assert!(strings(&SecretValue::new(b"\"a plain string\"".to_vec()), 8).is_empty());
    }
}
