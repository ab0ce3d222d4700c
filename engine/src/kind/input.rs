//! The filled fields of a step.

use zeroize::Zeroizing;

use crate::secret::SecretValue;

/// A field of a step, or a value in one, with its references filled. Any text may hold a secret.
#[derive(Clone, Debug, Default)]
pub enum Input {
    /// Nothing.
    #[default]
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number, as JSON writes it.
    Number(String),
    /// A text.
    Text(SecretValue),
    /// A list.
    List(Vec<Input>),
    /// A mapping, in the order of the file. Its keys are as the file has them.
    Map(Vec<(String, Input)>),
}

impl Input {
    /// An entry of a mapping; an entry without a value counts as none.
    pub fn get(&self, name: &str) -> Option<&Input> {
        let Input::Map(entries) = self else { return None };
        let (_, value) = entries.iter().find(|(key, _)| key == name)?;
        (!matches!(value, Input::Null)).then_some(value)
    }

    /// The text of an entry.
    pub fn text(&self, name: &str) -> Option<&SecretValue> {
        self.get(name)?.as_text()
    }

    /// Whether an entry is `true`; `otherwise` if there is none.
    pub fn flag(&self, name: &str, otherwise: bool) -> bool {
        match self.get(name) {
            Some(Input::Flag(flag)) => *flag,
            _ => otherwise,
        }
    }

    /// A whole number.
    pub fn whole(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Input::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Input::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn list(&self, name: &str) -> &[Input] {
        match self.get(name) {
            Some(Input::List(items)) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping.
    pub fn entries(&self, name: &str) -> &[(String, Input)] {
        match self.get(name) {
            Some(Input::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&SecretValue> {
        match self {
            Input::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text, or a number or flag as the file has it.
    pub fn to_text(&self) -> Option<SecretValue> {
        let plain = |text: &str| SecretValue::new(text.as_bytes().to_vec());
        match self {
            Input::Text(text) => Some(text.clone()),
            Input::Number(number) => Some(plain(number)),
            Input::Flag(flag) => Some(plain(if *flag { "true" } else { "false" })),
            Input::Null | Input::List(_) | Input::Map(_) => None,
        }
    }

    /// All of it as JSON, in a buffer that wipes itself. What is no text becomes one with `U+FFFD`.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let mut json = Json(Zeroizing::new(Vec::with_capacity(256)));
        json.put(self);
        json.0
    }
}

/// JSON in a buffer that leaves no copies behind when it grows.
struct Json(Zeroizing<Vec<u8>>);

impl Json {
    fn push(&mut self, bytes: &[u8]) {
        let length = self.0.len() + bytes.len();
        if length > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(length * 2));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    #[expect(clippy::disallowed_methods, reason = "the value goes into the document that is sent")]
    fn put(&mut self, input: &Input) {
        match input {
            Input::Null => self.push(b"null"),
            Input::Flag(true) => self.push(b"true"),
            Input::Flag(false) => self.push(b"false"),
            Input::Number(number) => self.push(number.as_bytes()),
            Input::Text(text) => self.string(text.expose()),
            Input::List(items) => {
                self.push(b"[");
                for (index, item) in items.iter().enumerate() {
                    self.comma(index);
                    self.put(item);
                }
                self.push(b"]");
            }
            Input::Map(entries) => {
                self.push(b"{");
                for (index, (key, value)) in entries.iter().enumerate() {
                    self.comma(index);
                    self.string(key.as_bytes());
                    self.push(b":");
                    self.put(value);
                }
                self.push(b"}");
            }
        }
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.push(b",");
        }
    }

    fn string(&mut self, bytes: &[u8]) {
        self.push(b"\"");
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                self.character(character);
            }
            if !chunk.invalid().is_empty() {
                self.push("\u{fffd}".as_bytes());
            }
        }
        self.push(b"\"");
    }

    fn character(&mut self, character: char) {
        match character {
            '"' => self.push(b"\\\""),
            '\\' => self.push(b"\\\\"),
            '\n' => self.push(b"\\n"),
            '\r' => self.push(b"\\r"),
            '\t' => self.push(b"\\t"),
            control if u32::from(control) < 0x20 => {
                self.push(format!("\\u{:04x}", u32::from(control)).as_bytes());
            }
            other => self.push(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Input;
    use crate::secret::SecretValue;

    fn text(bytes: &[u8]) -> Input {
        Input::Text(SecretValue::new(bytes.to_vec()))
    }

    #[test]
    fn json_is_what_a_reader_reads_back() {
        let input = Input::Map(vec![
            ("a\"b".to_owned(), text("x\\\"\n\r\t\u{1}é漢😀".as_bytes())),
            ("n".to_owned(), Input::Number("12345678901234567890.5".to_owned())),
            ("l".to_owned(), Input::List(vec![Input::Null, Input::Flag(true), text(b"")])),
            ("m".to_owned(), Input::Map(Vec::new())),
            ("b".to_owned(), text(b"a\xffb")),
        ]);
        let json = input.to_json();
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(read["a\"b"], "x\\\"\n\r\t\u{1}é漢😀");
        assert_eq!(read["l"], serde_json::json!([null, true, ""]));
        assert_eq!(read["b"], "a\u{fffd}b");
        assert!(json.windows(24).any(|part| part.starts_with(b"12345678901234567890.5")));
    }

    #[test]
    fn entries_are_found_by_name_and_kind() {
        let input = Input::Map(vec![
            ("none".to_owned(), Input::Null),
            ("flag".to_owned(), Input::Flag(false)),
            ("count".to_owned(), Input::Number("3".to_owned())),
        ]);
        assert!(input.get("none").is_none() && input.get("other").is_none());
        assert!(!input.flag("flag", true) && input.flag("other", true));
        assert_eq!((input.whole("count"), input.whole("flag")), (Some(3), None));
        assert!(input.list("count").is_empty() && input.text("count").is_none());
    }
}
