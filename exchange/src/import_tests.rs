//! Every format: what is read, what is refused, and that no message tells what a file contains.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use secrecy::ExposeSecret;
use subrosa_registry::SecretRef;
use zeroize::Zeroizing;

use super::{Options, read};
use crate::format::Format;
use crate::problem::Problem;

fn environment(name: &str) -> Option<Zeroizing<Vec<u8>>> {
    (name == "STRIPE_API_KEY").then(|| Zeroizing::new(b"from environment".to_vec()))
}

/// Ref, value and line.
type Found = (String, Vec<u8>, Option<usize>);

#[expect(clippy::disallowed_methods, reason = "tests look at values")]
fn found(format: Format, bytes: &[u8], options: &Options) -> Result<Vec<Found>, Vec<Problem>> {
    let items = read(format, "f", bytes, options, &environment)?;
    let item = |item: super::Item| {
        (item.reference.as_str().to_owned(), item.value.expose_secret().to_vec(), item.line)
    };
    Ok(items.into_iter().map(item).collect())
}

fn check_with(format: Format, options: &Options, text: &str, expected: &[(&str, &str, usize)]) {
    let found = found(format, text.as_bytes(), options).unwrap();
    let found: Vec<(&str, &str, usize)> = found
        .iter()
        .map(|(name, value, line)| {
            (name.as_str(), std::str::from_utf8(value).unwrap(), line.unwrap_or(0))
        })
        .collect();
    assert_eq!(found, expected, "{text}");
}

fn check(format: Format, text: &str, expected: &[(&str, &str, usize)]) {
    check_with(format, &Options::default(), text, expected);
}

/// `expected` is `line:column message` of each problem.
fn check_problems(format: Format, text: &str, expected: &[&str]) {
    let problems = found(format, text.as_bytes(), &Options::default()).unwrap_err();
    let shown: Vec<String> = problems
        .iter()
        .map(|p| match (p.line, p.column) {
            (Some(line), Some(column)) => format!("{line}:{column} {}", p.message),
            (line, _) => format!("{}:- {}", line.unwrap_or(0), p.message),
        })
        .collect();
    assert_eq!(shown, expected, "{text}");
    assert!(problems.iter().all(|p| p.file == "f" && !p.cure.is_empty()));
}

fn options(prefix: &str) -> Options {
    Options { prefix: Some(SecretRef::parse(prefix).unwrap()), ..Options::default() }
}

#[test]
fn dotenv_names_become_refs() {
    check(
        Format::Dotenv,
        "# c\nDATABASE_URL=postgres://x\nexport API_KEY='a b'\nPROD__DB_PASSWORD=\"x\ny\"\n_X=1",
        &[
            ("database-url", "postgres://x", 2),
            ("api-key", "a b", 3),
            ("prod/db-password", "x\ny", 4),
            ("x", "1", 6),
        ],
    );
    check_with(Format::Dotenv, &options("prod"), "A=1", &[("prod/a", "1", 1)]);
    check(Format::Dotenv, "", &[]);
}

#[test]
fn dotenv_problems_are_told_together() {
    check_problems(
        Format::Dotenv,
        "hunter2\nA-B=1",
        &[
            "1:- neither a comment nor `NAME=value`",
            "2:- the name before `=` is not made of letters, digits and `_`, or begins with a digit",
        ],
    );
    check_problems(
        Format::Dotenv,
        "A=1\nB=\nA=2\na=3\n___=1",
        &[
            "2:1 `b` has an empty value",
            "3:1 `a` is meant by lines 1 and 3",
            "4:1 `a` is meant by lines 3 and 4",
            "5:1 no ref can be made of this name: there is nothing in it, or in a part of it",
        ],
    );
}

#[test]
fn json_objects_become_segments() {
    check(
        Format::Json,
        "\u{feff}{\"dbPassword\": \"a\\u00e9\\n\",\n \"stripe\": {\"api_key\": 1.50, \"on\": true}, \"a/b\": \"c\"}",
        &[
            ("db-password", "aé\n", 1),
            ("stripe/api-key", "1.50", 2),
            ("stripe/on", "true", 2),
            ("a/b", "c", 2),
        ],
    );
    check(Format::Json, "{}", &[]);
}

#[test]
fn json_problems_tell_places() {
    check_problems(
        Format::Json,
        "{\n \"a\": null,\n \"b\": [1],\n \"ä\": 1,\n \"A\": \"\"\n}",
        &[
            "2:2 a name without a value",
            "3:2 a list, which is not one value",
            "4:2 no ref can be made of this name: it has other characters than a-z, A-Z, 0-9, `_`, `.`, `-` and `/`",
            "5:2 `a` has an empty value",
        ],
    );
    check_problems(
        Format::Json,
        "{\"dbUrl\": 1,\n\"db\": {\"x\": 1}, \"DB_URL\": 2, \"db/x\": 2}",
        &["2:17 `db-url` is meant by lines 1 and 2", "2:30 `db/x` is meant by lines 2 and 2"],
    );
    check_problems(Format::Json, "[]", &["1:1 the file is not made of names with values"]);
    check_problems(Format::Json, "\"hunter2\"", &["1:1 the file is not made of names with values"]);
    check_problems(
        Format::Json,
        r#"{"apiVersion": "v1", "kind": "Secret"}"#,
        &["1:1 this is a Kubernetes manifest"],
    );
    check_problems(
        Format::Json,
        r#"{"lease_id": "", "data": {"a": "b"}}"#,
        &["1:1 this is an answer of Vault"],
    );
}

#[test]
fn yaml_mappings_become_segments() {
    check(
        Format::Yaml,
        "# c\ndb_password: hunter2\nstripe:\n  apiKey: |\n    two\n    lines\n  port: 0x1F\n  q: \"true\"\n",
        &[
            ("db-password", "hunter2", 2),
            ("stripe/api-key", "two\nlines\n", 4),
            ("stripe/port", "0x1F", 7),
            ("stripe/q", "true", 8),
        ],
    );
    check(Format::Yaml, "a: &x v\nb: *x\n", &[("a", "v", 1), ("b", "v", 2)]);
    check(Format::Yaml, "---\n", &[]);
}

#[test]
fn yaml_problems_tell_places() {
    check_problems(
        Format::Yaml,
        "a: ~\nb: [x]\nc:\nA: ''\n",
        &[
            "1:1 a name without a value",
            "2:1 a list, which is not one value",
            "3:1 a name without a value",
            "4:1 `a` has an empty value",
        ],
    );
    check_problems(Format::Yaml, "pw: 1\npw: 2\n", &["2:1 a key is there twice"]);
    check_problems(Format::Yaml, "a: 1\n---\nb: 1\n", &["3:1 a second document"]);
    check_problems(Format::Yaml, "hunter2", &["1:1 the file is not made of names with values"]);
    check_problems(
        Format::Yaml,
        "apiVersion: v1\nkind: Secret\ndata: {a: eA==}\n",
        &["1:1 this is a Kubernetes manifest"],
    );
    let bomb = (1..20).fold("a0: &a0 {x: 1, y: 2}\n".to_owned(), |text, n| {
        let before = n - 1;
        text + &format!("a{n}: &a{n} {{x: *a{before}, y: *a{before}}}\n")
    });
    assert!(found(Format::Yaml, bomb.as_bytes(), &Options::default()).is_err());
}

#[test]
fn toml_sources_become_segments() {
    let text = "top = 'x'\n[sources.stripe]\nstripe_secret_key = \"${STRIPE_API_KEY}\"\nid = 'a$${b}'\n\
        [sources.google_sheets.credentials]\nclient_id = \"xxx\"\nport = 5_432\nday = 2024-01-02\n";
    check(
        Format::Toml,
        text,
        &[
            ("top", "x", 1),
            ("stripe/stripe-secret-key", "from environment", 3),
            ("stripe/id", "a${b}", 4),
            ("google-sheets/credentials/client-id", "xxx", 6),
            ("google-sheets/credentials/port", "5_432", 7),
            ("google-sheets/credentials/day", "2024-01-02", 8),
        ],
    );
    let keep = Options { keep_sources: true, ..options("p") };
    check_with(Format::Toml, &keep, "[sources.a]\nb = 'c'", &[("p/sources/a/b", "c", 2)]);
    check(Format::Toml, "sources = 'x'", &[("sources", "x", 1)]);
    check(Format::Toml, "a.b = true\nc = {d = 1.5}", &[("a/b", "true", 1), ("c/d", "1.5", 2)]);
}

#[test]
fn toml_problems_are_told_together() {
    check_problems(
        Format::Toml,
        "a = '${hunter2}'\nb = ['x']\nc = 'x${'\nd = ''",
        &[
            "1:5 `${NAME}` refers to an environment variable that is not set",
            "2:1 a list, which is not one value",
            "3:5 `${` begins a reference to an environment variable that is not complete",
            "4:1 `d` has an empty value",
        ],
    );
    check_problems(
        Format::Toml,
        "[stripe]\nkey = 'x'\n[sources.stripe]\nKEY = 'y'",
        &["4:1 `stripe/key` is meant by lines 2 and 4"],
    );
    check_problems(
        Format::Toml,
        "a = hunter2\nb = 1\nb = 2",
        &["1:5 this is no TOML", "3:1 a key or table is there twice"],
    );
}

const MANIFEST: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: my.db\n  namespace: prod\n\
    data:\n  password: aHVu\n    dGVyMg==\n  user: eA==\nstringData:\n  user: \"1\"\n";

#[test]
fn kubernetes_secrets_are_read_from_manifests() {
    let expected = [("my-db/password", "hunter2", 7), ("my-db/user", "1", 11)];
    check(
        Format::Kubernetes,
        &MANIFEST.replace("aHVu\n    ", "aHVu"),
        &expected.map(|(name, value, line)| (name, value, if line > 7 { line - 1 } else { line })),
    );
    let block = MANIFEST.replace("aHVu\n    ", "|\n    aHVu\n    ");
    let namespaces = Options { namespaces: true, ..Options::default() };
    check_with(
        Format::Kubernetes,
        &namespaces,
        &block,
        &[("prod/my-db/password", "hunter2", 7), ("prod/my-db/user", "1", 12)],
    );
    let several = "---\n---\nkind: Secret\nmetadata: {name: a}\ndata: {k: eA==}\n---\nkind: List\nitems:\n\
        - kind: Secret\n  metadata: {name: b}\n  stringData: {k: y}\n";
    check(Format::Kubernetes, several, &[("a/k", "x", 5), ("b/k", "y", 11)]);
    let list = r#"{"kind": "SecretList", "items": [{"metadata": {"name": "a"}, "data": {"k": "eA=="}},
        {"metadata": {"name": "b"}}]}"#;
    check(Format::Kubernetes, list, &[("a/k", "x", 1)]);
    let binary = found(
        Format::Kubernetes,
        b"kind: Secret\nmetadata: {name: a}\ndata: {.dockerconfigjson: /wD+}",
        &Options::default(),
    );
    assert_eq!(binary.unwrap(), [("a/dockerconfigjson".to_owned(), vec![255, 0, 254], Some(3))]);
}

#[test]
fn kubernetes_problems_tell_places() {
    let no_secret = "this is no manifest of the kind `Secret`";
    check_problems(Format::Kubernetes, "kind: Pod", &[&format!("1:7 {no_secret}")]);
    check_problems(Format::Kubernetes, "a: b", &[&format!("1:1 {no_secret}")]);
    check_problems(
        Format::Kubernetes,
        "kind: List\nitems:\n- kind: ConfigMap\n- kind: Secret\n---\nkind: List\n",
        &[
            &format!("3:9 {no_secret}"),
            "4:3 a Secret without `metadata.name`",
            "6:1 a list of manifests without `items`",
        ],
    );
    check_problems(
        Format::Kubernetes,
        "kind: Secret\nmetadata: {name: a}\ndata:\n  a: hunter2!\n  b: eA=\n  c:\n  d: [x]\nstringData:\n  e: 5\n  f: ''",
        &[
            "4:6 this is no base64",
            "5:6 this is no base64",
            "6:3 `a/c` has an empty value",
            "7:6 a value that is no text",
            "9:6 a value that is no text",
            "10:3 `a/f` has an empty value",
        ],
    );
    check_problems(
        Format::Kubernetes,
        "kind: Secret\nmetadata: {name: a}\ndata: hunter2",
        &["3:1 this is no mapping of keys to values"],
    );
}

#[test]
fn vault_answers_are_unwrapped() {
    let at = |path: &str| Options { vault_path: Some(path.to_owned()), ..options("v") };
    let version_2 = r#"{"request_id": "x", "lease_id": "", "data": {"data": {"apiKey": "k", "n": 5},
        "metadata": {"version": 3, "destroyed": false}}, "warnings": null}"#;
    check_with(
        Format::Vault,
        &at("secret/Prod_DB/"),
        version_2,
        &[("v/secret/prod-db/api-key", "k", 1), ("v/secret/prod-db/n", "5", 1)],
    );
    let version_1 =
        r#"{"request_id": "x", "lease_id": "", "data": {"data": "d", "metadata": "m"}}"#;
    check(Format::Vault, version_1, &[("data", "d", 1), ("metadata", "m", 1)]);
    check(Format::Vault, r#"{"data": "x", "k": {"l": "y"}}"#, &[("data", "x", 1), ("k/l", "y", 1)]);
    check_problems(
        Format::Vault,
        r#"{"request_id": "x", "data": {"data": null, "metadata": {"version": 1}}}"#,
        &["1:38 Vault has no values in this version of the secret"],
    );
    check_problems(
        Format::Vault,
        r#"{"request_id": "x", "errors": []}"#,
        &["1:1 an answer of Vault without `data`"],
    );
}

#[test]
fn what_is_no_text_is_refused_with_its_place() {
    for format in Format::ALL {
        let problems = found(format, b"a: \"x\ny\xff\"", &Options::default()).unwrap_err();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["f:2:2: the file is not UTF-8 from here on; save it as UTF-8; a binary value can be \
              imported from a Kubernetes manifest"]
        );
    }
}

#[test]
fn files_are_bounded() {
    for format in Format::ALL {
        let mut text = "#".repeat(format.bytes_max());
        let is_bound = |problem: &Problem| problem.message.starts_with("the file is larger than");
        let bounded = |text: &str| {
            let problems = found(format, text.as_bytes(), &Options::default());
            problems.is_err_and(|problems| problems.iter().any(is_bound))
        };
        // A manifest in YAML has the bound of YAML.
        assert_eq!(bounded(&text), format == Format::Kubernetes);
        text.push('#');
        assert!(bounded(&text), "{format:?}");
    }
    let large = format!("kind: Secret #{}", "#".repeat(1 << 20));
    check_problems(Format::Kubernetes, &large, &["1:1 the file is larger than 1 MiB"]);
    check_problems(Format::Dotenv, &large, &["0:- the file is larger than 1 MiB"]);
}

#[test]
fn nesting_and_size_end_soon() {
    let depth = 100_000;
    for text in [
        "[".repeat(depth),
        "{\"a\":".repeat(depth),
        "a = ".to_owned() + &"[".repeat(depth),
        "a = ".to_owned() + &"{a=".repeat(depth),
        format!("a = {}1{}", "{a=".repeat(70), "}".repeat(70)),
        "a.".repeat(depth) + "a = 1",
        format!("[{}a]", "a.".repeat(depth)),
        (0..70).fold("1".to_owned(), |inner, _| format!("{{{}a={inner}}}", "a.".repeat(70))),
        "- ".repeat(depth),
        "? ".repeat(depth),
        "A=$A$A\n".repeat(depth),
        "\n".repeat(1 << 20),
        "x".repeat((16 << 20) + 1),
    ] {
        for format in Format::ALL {
            // Whatever it is in this format, it comes to an end.
            drop(found(format, text.as_bytes(), &Options::default()));
            let prefixed = format!("a = {text}");
            drop(found(format, prefixed.as_bytes(), &Options::default()));
        }
    }
}

/// Texts that look a little like each format, a canary among them.
fn broken() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("hunter2canary"),
        Just("\"hunter2canary\""),
        Just("'hunter2canary"),
        Just("${hunter2canary}"),
        Just("hunter2canary="),
        Just("\nhunter2canary: "),
        Just("kind: Secret\n"),
        Just("metadata: {name: x}\n"),
        Just("data:\n  a: "),
        Just("[hunter2canary]"),
        Just("\"a\": "),
        Just("&x "),
        Just("*x"),
        Just("!hunter2canary "),
        Just("a = "),
        Just("="),
        Just("{"),
        Just("}"),
        Just(","),
        Just(":"),
        Just("\n"),
        Just("  "),
        Just("- "),
        Just("\\"),
        Just("|"),
        Just("\u{7}"),
        Just("%hunter2canary"),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
        for format in Format::ALL {
            drop(found(format, &bytes, &Options::default()));
        }
    }

    #[test]
    fn no_message_tells_what_the_file_contains(text in broken()) {
        for format in Format::ALL {
            let Err(problems) = found(format, text.as_bytes(), &Options::default()) else {
                continue;
            };
            assert!(!problems.is_empty());
            for problem in problems {
                // A name of which a ref was made is no content: it is what would be stored openly.
                let told = problem.message.contains("is meant by lines")
                    || problem.message.contains("has an empty value");
                let shown = format!("{problem} {problem:?}");
                assert!(told || !shown.contains("canary"), "{format:?} {text:?} {shown}");
            }
        }
    }

    #[test]
    fn items_are_unprintable(value in "[a-z]{9,20}") {
        let text = format!("A={value}");
        let items = read(Format::Dotenv, "f", text.as_bytes(), &Options::default(), &environment);
        assert!(!format!("{items:?}").contains(&value));
    }
}
