//! Fields of texts: found, absent, not scalar; what is wrong is told by its place alone.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use subrosa_engine::provider::{Environment, ProviderError, ProviderErrorKind, SecretRequest};
use subrosa_engine::secret::SecretValue;
use subrosa_engine::workflow::Options;

use super::{Document, Field, Format, Node, position};

fn request(field: &str, format: &str) -> SecretRequest {
    let options = [("field", field), ("format", format)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    SecretRequest {
        name: "NAME".into(),
        key: "key".into(),
        options: Options(BTreeMap::from(options)),
    }
}

fn environment() -> Environment {
    let pairs = [("KEY", "from ${KEY}"), ("EMPTY", "")];
    let value = |(name, value): (&str, &str)| (name.to_owned(), SecretValue::new(value.into()));
    Environment { workflow: BTreeMap::new(), process: pairs.map(value).into() }
}

fn found(text: &str, format: &str, field: &str) -> Result<String, ProviderError> {
    let field = Field::of(&request(field, format), "key")?.unwrap();
    let document = Document::parse(text.as_bytes(), field.format, "FILE")?;
    let value = document.field(&field, &environment(), "FILE")?;
    #[expect(clippy::disallowed_methods, reason = "tests compare what was found")]
    Ok(String::from_utf8(value.expose().to_vec()).unwrap())
}

fn check(text: &str, format: &str, field: &str, expected: &str) {
    assert_eq!(found(text, format, field).as_deref(), Ok(expected), "{format}: {field}");
}

fn check_refused(text: &str, format: &str, field: &str, kind: ProviderErrorKind, expected: &str) {
    let error = found(text, format, field).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (kind, expected), "{format}: {field}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[test]
fn one_field_is_found_in_every_format() {
    for (format, text) in [
        ("json", r#"{"db":{"pass.word":"canary","port":5432,"on":true,"hosts":[{"a":"b"}]}}"#),
        ("yaml", "db:\n  pass.word: canary\n  port: 5432\n  on: true\n  hosts:\n    - a: b\n"),
        (
            "toml",
            "[db]\n\"pass.word\" = \"canary\"\nport = 5432\non = true\nhosts = [{ a = \"b\" }]\n",
        ),
    ] {
        check(text, format, r"db.pass\.word", "canary");
        check(text, format, "db.port", "5432");
        check(text, format, "db.on", "true");
        check(text, format, "db.hosts.0.a", "b");
    }
    check("# c\nA=1\nexport B='canary $A'\nA=2", "dotenv", "B", "canary $A");
    check("A=1\nA=${A}2", "dotenv", "A", "12");
}

#[test]
fn values_are_what_was_written() {
    check(r#"{"n":1.10,"m":12345678901234567890123,"e":-1E+05}"#, "json", "n", "1.10");
    check(r#"{"m":12345678901234567890123}"#, "json", "m", "12345678901234567890123");
    check(r#"{"s":"a\n\"\u00f1\ud83d\ude00\/"}"#, "json", "s", "a\n\"ñ😀/");
    check("n: 1.10\nz: 007", "yaml", "n", "1.10");
    check("z: 007", "yaml", "z", "007");
    check("n = 1.10\nd = 2026-01-02", "toml", "d", "2026-01-02");
    check("\u{feff}{\"s\":\"\"}", "json", "s", "");
    check("a: &x {b: canary}\nc: *x", "yaml", "c.b", "canary");
    check("a: |\n  one\n  two\n", "yaml", "a", "one\ntwo\n");
}

#[test]
fn toml_is_filled_from_the_process() {
    let text =
        "[sources.s]\na = \"[${KEY}]\"\nb = \"$${KEY} $5 ${EMPTY}\"\nc = \"${NO}\"\nd = \"${\"\n";
    check(text, "toml", "sources.s.a", "[from ${KEY}]");
    check(text, "toml", "sources.s.b", "${KEY} $5 ");
    check_refused(
        text,
        "toml",
        "sources.s.c",
        ProviderErrorKind::Malformed,
        "field `sources.s.c` in FILE refers to an environment variable that is not set",
    );
    check_refused(
        text,
        "toml",
        "sources.s.d",
        ProviderErrorKind::Malformed,
        "field `sources.s.d` in FILE holds a `${` that begins no reference such as `${NAME}`",
    );
    check(r#"{"a":"${KEY}"}"#, "json", "a", "${KEY}");
}

#[test]
fn what_is_not_one_value_is_named_by_its_kind() {
    let text = r#"{"canary":1,"o":{"x":1},"l":[1],"n":null,"s":"canary"}"#;
    let check =
        |field: &str, kind, expected: &str| check_refused(text, "json", field, kind, expected);
    let (invalid, absent) = (ProviderErrorKind::InvalidRequest, ProviderErrorKind::NotFound);
    check("o", invalid, "field `o` in FILE is an object, not one value");
    check("l", invalid, "field `l` in FILE is a list, not one value");
    check("n", invalid, "field `n` in FILE is nothing (null), not one value");
    check("x", absent, "there is no field `x` in FILE");
    check("l.1", absent, "there is no field `l.1` in FILE");
    check("s.x", absent, "there is no field `s.x` in FILE");
    check_refused("", "yaml", "a", absent, "there is no field `a` in FILE");
    let help = |field: &str| found(text, "json", field).unwrap_err().help.unwrap();
    assert_eq!(help("o.y"), "`o` has no key `y`");
    assert_eq!(help("l.x"), "`l` is a list without an item `x`; they count from 0");
    assert_eq!(help("s.x"), "`s` is one value, and has no key `x`");
}

#[test]
fn what_is_wrong_is_told_by_its_place() {
    let check = |text: &str, format: &str, expected: &str| {
        check_refused(text, format, "a", ProviderErrorKind::Malformed, expected);
    };
    check("{\n  \"a\": canary\n}", "json", "FILE:2:8: this is no JSON");
    check("", "json", "FILE:1:1: this is no JSON");
    check("{\"a\":\"canary", "json", "FILE:1:12: this is no JSON");
    check("{\"a\":1,\"a\":\"canary\"}", "json", "FILE:1:1: a key of this object is there twice");
    check(r#"{"a":"\ud800canary"}"#, "json", "FILE:1:6: a text holds an escape that is none");
    check("a: canary\na: canary", "yaml", "FILE:2:1: a key is there twice");
    check("a: [canary", "yaml", "FILE:1:11: a bracket is not closed, or closed by another one");
    check("a: 1\n---\na: canary", "yaml", "FILE:3:1: a second document begins here");
    check("a = canary", "toml", "FILE:1:5: this is no TOML; texts stand in quotes");
    check("a = 1\na = \"canary\"", "toml", "FILE:2:1: a key or table is there twice");
    check("A=1\ncanary", "dotenv", "FILE:2:1: neither a comment nor `NAME=value`");
    let error = Document::parse(b"a: 1\nb: \xff", Format::Yaml, "FILE").err().unwrap();
    assert_eq!(error.message, "FILE:2: this line is not UTF-8");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let check = |field: &str, format: &str, expected: &str| {
        let error = Field::of(&request(field, format), "key").err().unwrap();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ProviderErrorKind::InvalidRequest, expected)
        );
    };
    check("a..b", "json", "option `field`: an empty key");
    check("a", "canary", "option `format` is none of json, toml, yaml, dotenv");
    let mut unknown = request("a", "json");
    unknown.options.0.remove("format");
    let error = Field::of(&unknown, "secrets/plain").err().unwrap();
    assert_eq!(error.message, "option `field` needs to know how the text is written");
    for (name, format) in
        [("x/a.json", Format::Json), ("a.yml", Format::Yaml), (".env", Format::Dotenv)]
    {
        assert_eq!(Field::of(&unknown, name).unwrap().unwrap().format, format);
    }
    unknown.options.0.remove("field");
    unknown.options.0.insert("format".into(), "whatever".into());
    assert!(Field::of(&unknown, "key").unwrap().is_none());
}

#[test]
fn depth_is_bounded() {
    let deep = ProviderErrorKind::Malformed;
    let nested = |depth: usize| format!("{}0{}", "[".repeat(depth), "]".repeat(depth));
    check(&format!("{{\"a\":1,\"b\":{}}}", nested(60)), "json", "a", "1");
    for (format, text) in [
        ("json", format!("{{\"b\":{}}}", nested(2000))),
        ("yaml", format!("b: {}", nested(2000))),
        ("toml", format!("b = {}", nested(70))),
        ("toml", format!("b = {}", nested(2000))),
        ("toml", format!("{}b = 1", "a.".repeat(78))),
    ] {
        assert_eq!(found(&text, format, "a").unwrap_err().kind, deep, "{format}");
    }
}

fn same(node: &Node, value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (node, value) {
        (Node::Null, Value::Null) => true,
        (Node::Text(text), Value::String(other)) => **text == *other.as_bytes(),
        (Node::Literal(text), Value::Bool(_) | Value::Number(_)) => {
            serde_json::from_slice::<Value>(text).unwrap() == *value
        }
        (Node::List(items), Value::Array(others)) => {
            items.len() == others.len() && items.iter().zip(others).all(|(a, b)| same(a, b))
        }
        (Node::Table(entries), Value::Object(others)) => {
            entries.len() == others.len()
                && entries.iter().all(|(key, a)| others.get(key).is_some_and(|b| same(a, b)))
        }
        _ => false,
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_is_read_as_by_its_library(value in json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let document = Document::parse(text.as_bytes(), Format::Json, "FILE").unwrap();
        assert!(same(&document.root, &value), "{text}");
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), text in r#"[\[\]{},:"\\=a$.\n -]{0,24}"#) {
        for format in [Format::Json, Format::Toml, Format::Yaml, Format::Dotenv] {
            drop(Document::parse(&bytes, format, "FILE"));
            drop(Document::parse(text.as_bytes(), format, "FILE"));
        }
        let (line, column) = position(&text, bytes.len());
        assert!(line > 0 && column > 0);
    }
}
