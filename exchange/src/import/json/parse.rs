//! A strict JSON reader (RFC 8259) that knows where things stand.
//!
//! `serde_json` is not used: it tells no places of values, silently takes the last of two equal keys,
//! quotes the text in its messages and leaves unescaped copies in memory. It is the oracle of the
//! tests instead. Reading stops at the first error of syntax; keys that are there twice are all told.
//! The size of the text is bounded by the caller.

use std::collections::HashSet;

use zeroize::Zeroizing;

use crate::problem::Problems;
use crate::tree::{DEPTH_MAX, Entry, Kind, Node};
use crate::wiped::WipedText;

/// 100 000 secrets in objects of their own are 200 000 values.
const NODES_MAX: usize = 500_000;

const SYNTAX: &str = "this is no JSON";
const SYNTAX_CURE: &str =
    "look at quotes, commas and brackets around this place; comments are not allowed";

/// An error of syntax: where, what, and what to do about it.
struct Stop(usize, &'static str, &'static str);

pub(super) fn parse(text: &str, problems: &mut Problems<'_>) -> Option<Node> {
    let mut reader = Reader { text, at: 0, nodes: 0, problems };
    let root = reader.value(0).and_then(|root| {
        reader.skip_space();
        if reader.at < text.len() {
            let cure = "import one value at a time";
            return Err(Stop(reader.at, "something follows the end of the value", cure));
        }
        Ok(root)
    });
    match root {
        Ok(root) => Some(root),
        Err(Stop(at, message, cure)) => {
            problems.add(at, message, cure);
            None
        }
    }
}

struct Reader<'t, 'r, 'p> {
    text: &'t str,
    at: usize,
    nodes: usize,
    problems: &'r mut Problems<'p>,
}

impl<'t> Reader<'t, '_, '_> {
    fn value(&mut self, depth: usize) -> Result<Node, Stop> {
        self.skip_space();
        let at = self.at;
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Stop(at, "more than 500000 values", "split the file"));
        }
        if depth > DEPTH_MAX {
            let cure = "a ref has 8 segments at most";
            return Err(Stop(at, "nested more than 64 levels deep", cure));
        }
        let kind = match self.peek() {
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'-' | b'0'..=b'9') => Kind::Literal(self.number()?),
            Some(b'a'..=b'z') => self.word()?,
            _ => return Err(self.unexpected()),
        };
        Ok(Node { at, kind })
    }

    fn object(&mut self, depth: usize) -> Result<Kind, Stop> {
        self.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys: HashSet<String> = HashSet::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Kind::Table(entries));
        }
        loop {
            self.skip_space();
            let at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected());
            }
            let key = self.string()?;
            let key = String::from_utf8_lossy(&key).into_owned();
            self.skip_space();
            if !self.take(b':') {
                return Err(self.unexpected());
            }
            let value = self.value(depth + 1)?;
            if keys.insert(key.clone()) {
                entries.push(Entry { key, at, value });
            } else {
                self.problems.add(at, "a key is there twice", "keep one of them");
            }
            self.skip_space();
            if self.take(b'}') {
                return Ok(Kind::Table(entries));
            }
            if !self.take(b',') {
                return Err(self.unexpected());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Kind, Stop> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Kind::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Kind::List(items));
            }
            if !self.take(b',') {
                return Err(self.unexpected());
            }
        }
    }

    fn word(&mut self) -> Result<Kind, Stop> {
        let rest = &self.text[self.at..];
        for word in ["null", "true", "false"] {
            if rest.starts_with(word) {
                self.at += word.len();
                let literal = Zeroizing::new(word.as_bytes().to_vec());
                return Ok(if word == "null" { Kind::Null } else { Kind::Literal(literal) });
            }
        }
        Err(self.unexpected())
    }

    /// `-? (0 | [1-9][0-9]*) (\. [0-9]+)? ([eE] [-+]? [0-9]+)?`, as it is written.
    fn number(&mut self) -> Result<Zeroizing<Vec<u8>>, Stop> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'-') {
                self.take(b'+');
            }
            self.digits()?;
        }
        Ok(Zeroizing::new(self.text.as_bytes()[start..self.at].to_vec()))
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.unexpected()) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<Zeroizing<Vec<u8>>, Stop> {
        let opened = self.at;
        self.at += 1;
        let mut text = WipedText::default();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.bytes().take_while(|b| !matches!(b, b'"' | b'\\' | 0..=0x1f)).count();
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.into_bytes());
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => {
                    let cure = "write it as an escape such as `\\n`, or close the quote before it";
                    return Err(Stop(self.at, "a line end or control character in a text", cure));
                }
                None => {
                    return Err(Stop(opened, "a quote is opened and never closed", SYNTAX_CURE));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let start = self.at;
        let unknown = Stop(start, "a backslash that begins no escape", "write `\\\\` for one");
        self.at += 2;
        Ok(match self.text.as_bytes().get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode().ok_or(unknown),
            _ => return Err(unknown),
        })
    }

    /// The four digits after `\u`, and those of a second `\u` if the first is half a pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        self.text[self.at..].starts_with("\\u").then_some(())?;
        self.at += 2;
        let second = self.hex()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    fn skip_space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self) -> Stop {
        Stop(self.at, SYNTAX, SYNTAX_CURE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use serde_json::Value;

    use super::{DEPTH_MAX, NODES_MAX, parse};
    use crate::problem::{Problem, Problems};
    use crate::source::Source;
    use crate::tree::{Kind, Node};

    fn parsed(text: &str) -> Result<Node, Vec<Problem>> {
        let source = Source::new("f.json", text);
        let mut problems = Problems::new(&source);
        let root = parse(source.text, &mut problems);
        problems.or(root).map(|root| root.expect("without problems there is a value"))
    }

    fn same(node: &Node, value: &Value) -> bool {
        match (&node.kind, value) {
            (Kind::Null, Value::Null) => true,
            (Kind::Text(text), Value::String(other)) => **text == *other.as_bytes(),
            (Kind::Literal(text), Value::Bool(_) | Value::Number(_)) => {
                serde_json::from_slice::<Value>(text).unwrap() == *value
            }
            (Kind::List(items), Value::Array(others)) => {
                items.len() == others.len() && items.iter().zip(others).all(|(a, b)| same(a, b))
            }
            (Kind::Table(entries), Value::Object(others)) => {
                entries.len() == others.len()
                    && entries.iter().all(|e| others.get(&e.key).is_some_and(|v| same(&e.value, v)))
            }
            _ => false,
        }
    }

    fn check_against_oracle(text: &str) {
        let oracle: Result<Value, _> = serde_json::from_str(text);
        match (parsed(text), oracle) {
            (Ok(node), Ok(value)) => assert!(same(&node, &value), "{text}"),
            (Err(_), Err(_)) => {}
            // The oracle takes the last of two keys, and refuses numbers beyond its own types.
            (Err(found), Ok(_)) => {
                assert!(found.iter().all(|p| p.message == "a key is there twice"), "{text}");
            }
            (Ok(_), Err(error)) => assert!(error.to_string().contains("out of range"), "{text}"),
        }
    }

    fn check_error(text: &str, expected: &[&str]) {
        let found = parsed(text).err().expect("the text is wrong");
        let shown: Vec<String> = found
            .iter()
            .map(|p| format!("{}:{} {}", p.line.unwrap_or(0), p.column.unwrap_or(0), p.message))
            .collect();
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn errors_tell_places_and_nothing_of_the_text() {
        check_error("", &["1:1 this is no JSON"]);
        check_error("{\n  \"a\": hunter2\n}", &["2:8 this is no JSON"]);
        check_error("{\"a\": 1,}", &["1:9 this is no JSON"]);
        check_error("{\"a\": 1} x", &["1:10 something follows the end of the value"]);
        check_error("{\"a\": \"x", &["1:7 a quote is opened and never closed"]);
        check_error("[\"x\n\"]", &["1:4 a line end or control character in a text"]);
        check_error(r#"["\x"]"#, &["1:3 a backslash that begins no escape"]);
        check_error(r#"["\ud800"]"#, &["1:3 a backslash that begins no escape"]);
        check_error(r#"["\u12ñ4"]"#, &["1:3 a backslash that begins no escape"]);
        check_error(
            "{\"a\":1,\n\"a\":2,\"\\u0061\":3}",
            &["2:1 a key is there twice", "2:7 a key is there twice"],
        );
    }

    #[test]
    fn size_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parsed(&nested(DEPTH_MAX + 1)).is_ok());
        check_error(&nested(DEPTH_MAX + 2), &["1:66 nested more than 64 levels deep"]);
        check_error(&"[".repeat(1 << 20), &["1:66 nested more than 64 levels deep"]);
        let many = format!("[{}0]", "0,".repeat(NODES_MAX));
        check_error(&many, &["1:1000000 more than 500000 values"]);
    }

    #[test]
    fn numbers_follow_the_grammar() {
        for text in [
            "0", "-0", "01", "-", "1.", ".5", "1.5", "1e5", "1E+5", "1e", "1e-", "+1", "0x1",
            "1_0", "NaN", "1e999", "--1",
        ] {
            check_against_oracle(text);
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_are_those_of_the_oracle(value in json(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            // Read again: the oracle does not read all numbers to the last digit.
            let value: Value = serde_json::from_str(&text).unwrap();
            let node = parsed(&text).expect("JSON");
            assert!(same(&node, &value), "{text}");
        }

        #[test]
        fn texts_are_judged_as_by_the_oracle(text in r#"[\[\]{},:"\\untrfalse0123.eE+\- \nñdD89]{0,24}"#) {
            check_against_oracle(&text);
        }

        #[test]
        fn escapes_are_judged_as_by_the_oracle(text in r#""(\\u[dD0][89aAbBcCdD][0-9a-f]{2}|\\[a-z"/\\]|x){0,6}""#) {
            check_against_oracle(&text);
        }
    }
}
