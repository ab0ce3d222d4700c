//! What is written reads back the same; what would not is refused by name.

use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use secrecy::{ExposeSecret, SecretSlice};
use subrosa_registry::SecretRef;

use super::{ExportError, Outgoing, write};
use crate::format::Format;
use crate::import::{Options, read};

type Pairs = Vec<(String, Vec<u8>)>;

fn outgoing(pairs: &[(&str, &[u8])]) -> Vec<Outgoing> {
    let one = |(reference, value): &(&str, &[u8])| Outgoing {
        reference: SecretRef::parse(reference).unwrap(),
        value: SecretSlice::from(value.to_vec()),
    };
    pairs.iter().map(one).collect()
}

fn written(format: Format, pairs: &[(&str, &[u8])]) -> Result<String, Vec<ExportError>> {
    write(format, &outgoing(pairs)).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn check(format: Format, pairs: &[(&str, &str)], expected: &str) {
    let pairs: Vec<(&str, &[u8])> = pairs.iter().map(|(r, v)| (*r, v.as_bytes())).collect();
    assert_eq!(written(format, &pairs).as_deref(), Ok(expected));
}

fn check_errors(format: Format, pairs: &[(&str, &[u8])], expected: &[&str]) {
    let errors = written(format, pairs).unwrap_err();
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(shown, expected);
}

#[expect(clippy::disallowed_methods, reason = "tests look at values")]
fn read_back(format: Format, bytes: &[u8]) -> Pairs {
    let options = Options { namespaces: true, ..Options::default() };
    let items = read(format, "f", bytes, &options, &|_| None).unwrap();
    let mut pairs: Pairs = items
        .into_iter()
        .map(|item| (item.reference.as_str().to_owned(), item.value.expose_secret().to_vec()))
        .collect();
    pairs.sort();
    pairs
}

const PAIRS: [(&str, &str); 4] =
    [("token", "a'b"), ("prod/db-password", "x\n\"y\""), ("prod/a", "${HOME}"), ("zz/y/x", "1")];

#[test]
fn files_look_as_other_tools_expect_them() {
    check(
        Format::Dotenv,
        &PAIRS,
        "PROD__A='${HOME}'\nPROD__DB_PASSWORD='x\n\"y\"'\nTOKEN=\"a'b\"\nZZ__Y__X='1'\n",
    );
    check(
        Format::Json,
        &PAIRS,
        "{\n  \"prod/a\": \"${HOME}\",\n  \"prod/db-password\": \"x\\n\\\"y\\\"\",\n  \"token\": \"a'b\",\n  \"zz/y/x\": \"1\"\n}\n",
    );
    check(
        Format::Yaml,
        &PAIRS,
        "\"prod/a\": \"${HOME}\"\n\"prod/db-password\": \"x\\n\\\"y\\\"\"\n\"token\": \"a'b\"\n\"zz/y/x\": \"1\"\n",
    );
    check(
        Format::Toml,
        &PAIRS,
        "[sources]\ntoken = \"a'b\"\n\n[sources.prod]\na = \"$${HOME}\"\ndb_password = \"x\\n\\\"y\\\"\"\n\n\
         [sources.zz.y]\nx = \"1\"\n",
    );
    check(
        Format::Kubernetes,
        &[("a/k", "x"), ("a/k/l", "y"), ("a/m", "z")],
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"a\"\ntype: Opaque\ndata:\n  \"k\": \"eA==\"\n  \"m\": \"eg==\"\n\
         ---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: \"k\"\n  namespace: \"a\"\ntype: Opaque\ndata:\n  \"l\": \"eQ==\"\n",
    );
}

#[test]
fn nothing_is_a_file_too() {
    for format in [Format::Dotenv, Format::Json, Format::Yaml, Format::Toml, Format::Kubernetes] {
        let bytes = write(format, &[]).unwrap();
        assert_eq!(read_back(format, &bytes), []);
    }
}

#[test]
fn a_ref_may_stand_beside_those_below_it() {
    check(
        Format::Toml,
        &[("a", "1"), ("a/b", "2"), ("a/b/c", "3"), ("b/c/d", "4"), ("b/c", "5"), ("sources", "6")],
        "[sources]\na = \"1\"\n\"a/b\" = \"2\"\n\"a/b/c\" = \"3\"\nsources = \"6\"\n\n\
         [sources.b]\nc = \"5\"\n\"c/d\" = \"4\"\n",
    );
}

#[test]
fn what_would_come_back_different_is_refused_by_name() {
    let bad = "cannot be named in `dotenv`";
    let dashes = "a `-` before another or before `/` would come back as `/`";
    check_errors(
        Format::Dotenv,
        &[("a--b", b"x"), ("a-/b", b"x"), ("1a", b"x"), ("ok-", b"x")],
        &[
            &format!("`1a` {bad}: a variable cannot begin with a digit"),
            &format!("`a--b` {bad}: {dashes}"),
            &format!("`a-/b` {bad}: {dashes}"),
        ],
    );
    let bad = "cannot be named in `kubernetes`";
    let long = "x".repeat(64) + "/y/z";
    check_errors(
        Format::Kubernetes,
        &[("a", b"x"), ("a/b/c/d", b"x"), ("a-/b", b"x"), (&long, b"x")],
        &[
            &format!("`a` {bad}: a ref must be `NAME/KEY` or `NAMESPACE/NAME/KEY`"),
            &format!("`a-/b` {bad}: names of Secrets and namespaces cannot end with `-`"),
            &format!("`a/b/c/d` {bad}: a ref must be `NAME/KEY` or `NAMESPACE/NAME/KEY`"),
            &format!("`{long}` {bad}: a namespace has at most 63 characters"),
        ],
    );
    check_errors(Format::Vault, &[("a", b"x")], &["`vault` can be imported, but not exported"]);
    for format in [Format::Dotenv, Format::Json, Format::Yaml, Format::Toml] {
        check_errors(
            format,
            &[("a", b"\xff"), ("b", b"x"), ("b", b"y"), ("c", b"\0")],
            &[
                "`b` is there twice",
                "the value of `c` has a NUL byte, which no secret can hold",
                "the value of `a` is binary, which only `kubernetes` can hold",
            ],
        );
    }
}

#[test]
fn a_file_that_could_not_be_read_back_is_not_written() {
    let value = vec![b'x'; 1 << 20];
    let pairs: &[(&str, &[u8])] = &[("a/b", &value)];
    for format in [Format::Dotenv, Format::Yaml, Format::Kubernetes] {
        let word = format.as_str();
        let expected = format!(
            "the file would be larger than 1048576 bytes, the most that is read as `{word}`"
        );
        check_errors(format, pairs, &[&expected]);
    }
    assert!(written(Format::Json, pairs).is_ok());
}

#[test]
fn what_goes_out_is_unprintable() {
    let shown = format!("{:?}", outgoing(&[("a", b"hunter2")]));
    assert_eq!(shown, r#"[Outgoing { reference: SecretRef("a"), .. }]"#);
}

fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(|c| c.to_string()),
        "['\"$`\\\\{}#=:!&*\\- \n\r\t]",
        Just("\r\n".to_owned()),
        Just("${A}".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("\u{85}".to_owned()),
        Just("\u{fffe}".to_owned()),
        Just("---\n".to_owned()),
    ];
    let text = proptest::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat());
    text.prop_map(|text| text.replace('\0', "0"))
}

fn reference() -> impl Strategy<Value = String> {
    "[a-c0-9][a-c0-9-]{0,2}(/[a-c0-9][a-c0-9-]{0,2}){0,3}"
}

/// Refs that dotenv and Kubernetes can name as well.
fn plain_reference() -> impl Strategy<Value = String> {
    "[a-c](-?[a-c0-9]){0,3}/[a-c](-?[a-c0-9]){0,3}(/[a-c0-9]{1,3})?"
}

fn round_trip(format: Format, pairs: &std::collections::BTreeMap<String, Vec<u8>>) -> Pairs {
    let pairs: Vec<(&str, &[u8])> = pairs.iter().map(|(r, v)| (r.as_str(), &**v)).collect();
    let bytes = write(format, &outgoing(&pairs)).unwrap();
    read_back(format, &bytes)
}

proptest! {
    #[test]
    fn texts_come_back(
        pairs in proptest::collection::btree_map(reference(), value().prop_map(String::into_bytes), 0..6),
    ) {
        let expected: Pairs = pairs.clone().into_iter().collect();
        for format in [Format::Json, Format::Yaml, Format::Toml] {
            prop_assert_eq!(&round_trip(format, &pairs), &expected);
        }
    }

    #[test]
    fn texts_come_back_as_variables(
        pairs in proptest::collection::btree_map(plain_reference(), value().prop_map(String::into_bytes), 0..6),
    ) {
        let expected: Pairs = pairs.clone().into_iter().collect();
        prop_assert_eq!(round_trip(Format::Dotenv, &pairs), expected);
    }

    #[test]
    fn bytes_come_back_in_manifests(
        pairs in proptest::collection::btree_map(
            plain_reference(),
            proptest::collection::vec(1_u8.., 1..40),
            0..6,
        ),
    ) {
        let expected: Pairs = pairs.clone().into_iter().collect();
        prop_assert_eq!(round_trip(Format::Kubernetes, &pairs), expected);
    }
}
