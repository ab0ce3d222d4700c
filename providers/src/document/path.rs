//! `db.hosts.0.password`: the keys that lead to a field.
//!
//! Keys stand with dots between them. `\.` is a dot in a key and `\\` a backslash; a backslash before
//! anything else is a mistake. A key that leads into a list is a number, from 0.

/// The keys of a field, in order; at least one, none of them empty.
pub(super) struct FieldPath(Vec<String>);

impl FieldPath {
    /// Takes a text apart.
    pub(super) fn parse(text: &str) -> Result<FieldPath, &'static str> {
        let mut keys = vec![String::new()];
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let written = match character {
                '.' => {
                    keys.push(String::new());
                    continue;
                }
                '\\' => match characters.next() {
                    Some(escaped @ ('.' | '\\')) => escaped,
                    _ => return Err("a backslash that stands before neither `.` nor `\\`"),
                },
                other => other,
            };
            if let Some(last) = keys.last_mut() {
                last.push(written);
            }
        }
        if keys.iter().any(String::is_empty) {
            return Err("an empty key");
        }
        Ok(FieldPath(keys))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The place in a list that a key means: digits, and none too many.
pub(super) fn index(key: &str) -> Option<usize> {
    let plain = key == "0" || !key.starts_with('0');
    (plain && key.bytes().all(|byte| byte.is_ascii_digit())).then(|| key.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{FieldPath, index};

    fn check(text: &str, expected: Option<&[&str]>) {
        let path = FieldPath::parse(text).ok();
        let keys = path.as_ref().map(|path| path.keys().collect::<Vec<_>>());
        assert_eq!(keys.as_deref(), expected, "{text}");
    }

    #[test]
    fn keys_stand_between_dots() {
        check("a", Some(&["a"]));
        check("a.b c.0", Some(&["a", "b c", "0"]));
        check(r"a\.b.c\\.d", Some(&["a.b", r"c\", "d"]));
        check("ñ.é", Some(&["ñ", "é"]));
        for bad in ["", ".", "a.", ".a", "a..b", r"a\b", r"a\"] {
            check(bad, None);
        }
    }

    #[test]
    fn an_index_has_one_spelling() {
        for (key, expected) in [("0", Some(0)), ("12", Some(12)), ("01", None), ("-1", None)] {
            assert_eq!(index(key), expected, "{key}");
        }
        assert_eq!((index(""), index("+1"), index(&"9".repeat(40))), (None, None, None));
    }

    proptest! {
        #[test]
        fn escaped_keys_come_back(keys in proptest::collection::vec("[a.\\\\ñ]{1,6}", 1..4)) {
            let escape = |key: &String| key.replace('\\', r"\\").replace('.', r"\.");
            let text = keys.iter().map(escape).collect::<Vec<_>>().join(".");
            let path = FieldPath::parse(&text).unwrap();
            assert_eq!(path.keys().collect::<Vec<_>>(), keys);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            drop(FieldPath::parse(&text));
            assert!(index(&text).is_none_or(|index| text == index.to_string()));
        }
    }
}
