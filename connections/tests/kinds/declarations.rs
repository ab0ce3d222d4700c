//! Declarations of the user: what they may say, and what is told of those that do not hold.

use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use subrosa_connections::kind::read;
use subrosa_connections::types::{Origin, Types};
use subrosa_engine::source::SourceFile;

const GOOD: &str = "\
id: tracker
label: Tracker
summary: Lets a step read tickets.
docs: https://tracker.example/keys
auth: bearer
fields:
  - name: site
    label: Site
    help: Its address.
    format: url
  - name: token
    label: Token
    help: From the settings.
    secret: true
apply:
  base_url: ${site}
  headers:
    Authorization: Bearer ${token}
test:
  kind: http
  url: /me
  shows: /login
";

/// The complaints about a text, as `LINE:COLUMN: message (help)`.
fn complaints(text: &str) -> Vec<String> {
    let source = SourceFile::new("tracker.yaml", text);
    let found = read(&source);
    assert_eq!(found.kind.is_none(), !found.diagnostics.is_empty());
    let shown = found.diagnostics.iter().map(|problem| {
        let at = source.position(problem.labels[0].span.start);
        let help = problem.help.as_deref().unwrap_or_default();
        format!("{}:{}: {} ({help})", at.line, at.column, problem.message)
    });
    shown.collect()
}

/// What is said when one piece of the good declaration is replaced.
fn check(from: &str, to: &str, expected: &[&str]) {
    assert!(GOOD.contains(from), "{from}");
    assert_eq!(complaints(&GOOD.replacen(from, to, 1)), expected, "{to}");
}

#[test]
fn a_declaration_that_holds_is_a_type() {
    assert_eq!(complaints(GOOD), [] as [&str; 0]);
}

#[test]
fn the_shape_is_checked() {
    check("docs:", "dcos:", &["4:1: `dcos` is no field of a type (did you mean `docs`?)"]);
    check(
        "auth: bearer",
        "auth: baerer",
        &["5:7: `baerer` is no value of `auth` (did you mean `bearer`? known are `api_key`, \
           `basic`, `bearer`, `fields`, `oauth2`, `client_credentials`, `service_account`)"],
    );
    check("label: Tracker\n", "", &["1:1: a type has no `label` (write `label: ...`)"]);
    check(
        "  shows: /login",
        "  shows: login",
        &["22:10: `login` is no JSON pointer (write `/user/login`)"],
    );
    check(
        "  kind: http",
        "  kind: htp",
        &["20:9: `htp` is no value of `kind` (did you mean `http`? known are `http`, \
           `postgres`, `mysql`, `redis`, `nats`, `token`, `tcp`)"],
    );
    check(
        "    secret: true",
        "    secret: [x]",
        &[
            "1:1: the type does not have one secret field (exactly one field is `secret: true`)",
            "14:13: found a list where `secret` takes `true` or `false` (write `true` or `false`)",
        ],
    );
    check(
        "  url: /me\n",
        "  url: /me\n  expect: [99, two]\n",
        &[
            "22:12: found a number where `expect` takes a status from 100 to 599 (write a status \
             from 100 to 599)",
            "22:16: found a text where `expect` takes a status from 100 to 599 (write a status \
             from 100 to 599)",
        ],
    );
}

#[test]
fn names_are_checked() {
    check(
        "id: tracker",
        "id: Tracker",
        &["1:5: an id has small letters, digits and `_` only (write `my_service`)"],
    );
    check(
        "id: tracker",
        "id: other",
        &["1:5: the file of the type `other` has another name (name the file `other.yaml`)"],
    );
    check(
        "  - name: token",
        "  - name: access_token",
        &[
            "1:1: the secret field is not sent (use it in `apply`: `headers` or `query`)",
            "11:11: `access_token` is the name of a token, not of a field (tokens come with \
             `oauth`; choose another name)",
            "18:20: the type has no field `token` (it has `site`, `access_token`)",
        ],
    );
    check(
        "Bearer ${token}",
        "Bearer ${tokn}",
        &[
            "1:1: the secret field is not sent (use it in `apply`: `headers` or `query`)",
            "18:20: the type has no field `tokn` (did you mean `token`?)",
        ],
    );
    check(
        "auth: bearer\nfields:\n",
        "auth: bearer\nfields:\n  - {name: site, label: Site, help: Again.}\n",
        &[
            "8:11: the field `site` is there twice (keep one of them)",
            "17:13: this is no URL with `https://`, and leads not to this machine (begin with \
             `https://`, or with a field of the format `url`)",
        ],
    );
    check(
        "    Authorization: Bearer ${token}",
        "    Authorization: Bearer ${token}\n    X Y: z",
        &["19:5: `X Y` is no name of a header (write `X-Api-Key`)"],
    );
    check(
        "Bearer ${token}",
        "Bearer $token",
        &[
            "1:1: the secret field is not sent (use it in `apply`: `headers` or `query`)",
            "18:20: a `$` stands alone; it is written `$$` (fields are named like this: `${api_key}`)",
        ],
    );
}

#[test]
fn credentials_go_nowhere_in_the_open() {
    const SEEN: &str = "(a secret goes into `headers`, `query` or `basic`)";
    const URL: &str = "this is no URL with `https://`, and leads not to this machine (begin with \
                       `https://`, or with a field of the format `url`)";
    let seen = format!("21:8: the secret field `token` stands where it would be seen {SEEN}");
    check("  url: /me", "  url: /me?token=${token}", &[&seen]);
    check("  base_url: ${site}", "  base_url: http://tracker.example", &[&format!("16:13: {URL}")]);
    check("  base_url: ${site}", "  base_url: http://127.0.0.1:8080", &[]);
    check("  base_url: ${site}", "  base_url: https://tracker.example", &[]);
    check("  url: /me", "  url: me", &[&format!("21:8: {URL}")]);
    check(
        "  base_url: ${site}",
        "  base_url: ${site}\n  hosts: [\"*\", https://a.example, \"*.tracker.example\"]",
        &[
            "17:11: `*` is no host (write `api.example.com` or `*.example.com`)",
            "17:16: `https://a.example` is no host (write `api.example.com` or `*.example.com`)",
        ],
    );
    check(
        "docs: https://tracker.example/keys",
        "docs: tracker.example/keys",
        &["4:7: `docs` is no `https://` address (write the whole address)"],
    );
}

#[test]
fn fields_hold_together() {
    check(
        "    secret: true\n",
        "    secret: true\n    default: canary\n",
        &["15:14: a secret field has a default (leave it out)"],
    );
    check(
        "    secret: true\n",
        "    secret: true\n    choices: [a]\n",
        &["15:15: a secret field has choices (leave them out)"],
    );
    check(
        "    format: url\n",
        "    format: url\n    default: tracker\n",
        &["11:14: this is no value of the field: it is no address like `https://host:8200` \
           (write one that is)"],
    );
    check(
        "    format: url\n",
        "    format: url\n    required: true\n    default: https://tracker.example\n",
        &["12:14: a field with a default is never missing (leave out `required`, or the default)"],
    );
}

#[test]
fn a_server_is_named_as_its_answers_have_it() {
    let shipped = Types::shipped();
    let issuer = |id: &str| shipped.get(id).unwrap().oauth.as_ref().unwrap().issuer.clone();
    assert_eq!(issuer("google").as_deref(), Some("https://accounts.google.com"));
    assert_eq!(issuer("microsoft"), None);
    let declared = |issuer: &str| {
        complaints(&format!(
            "id: tracker\nlabel: Tracker\nsummary: Ours.\nauth: oauth2\nfields:\n  \
             - {{name: client_id, label: Id, help: It.}}\napply:\n  base_url: https://a.example\n  \
             headers: {{Authorization: 'Bearer ${{access_token}}'}}\ntest: {{kind: http, url: /}}\n\
             oauth:\n  authorize_url: https://a.example/a\n  token_url: https://a.example/t\n  \
             issuer: {issuer}\n"
        ))
    };
    assert_eq!(declared("https://id.example/realms/one"), [""; 0]);
    for wrong in ["id.example", "http://id.example", "https://id.example/?x=1", "'https://a b'"] {
        let told = declared(wrong);
        assert_eq!(told.len(), 1, "{wrong}: {told:?}");
        assert!(told[0].starts_with("14:11: the name of the server is no address"), "{told:?}");
    }
}

#[test]
fn each_way_to_authenticate_has_what_it_needs() {
    let told = |auth: &str, expected: &[&str]| {
        check("auth: bearer", &format!("auth: {auth}"), expected);
    };
    const NO_OAUTH: &str = "1:1: the type has no `oauth` (write `oauth:` with its `token_url`)";
    const NO_CLIENT: &str = "1:1: the type has no field `client_id` (add it to `fields`)";
    const NOT_SENT: &str = "1:1: the token is not sent (use `${access_token}` in `apply`)";
    told("api_key", &[]);
    told("fields", &[]);
    told(
        "basic",
        &["1:1: `auth: basic` without `basic` (write `basic: {user: ..., password: ...}`)"],
    );
    told("oauth2", &[NO_OAUTH, NO_CLIENT, NOT_SENT]);
    told(
        "client_credentials",
        &[
            NO_OAUTH,
            NO_CLIENT,
            NOT_SENT,
            "1:1: the type has no secret field `client_secret` (add it to `fields`)",
        ],
    );
    told(
        "service_account",
        &[
            "1:1: `auth: service_account` without its scheme (write `scheme: \
             google_service_account`)",
            "1:1: the type has no secret field `key_file` (add it to `fields`)",
        ],
    );
    check(
        "Authorization: Bearer ${token}",
        "X-Key: ${token}",
        &["1:1: `auth: bearer` without its header (write `Authorization: Bearer ${token}` in \
           `headers`)"],
    );
    check(
        "test:\n",
        "oauth:\n  token_url: https://tracker.example/token\ntest:\n",
        &["1:1: `oauth` is for `auth: oauth2` and `auth: client_credentials` (leave it out, or \
           change `auth`)"],
    );
    check(
        "  base_url: ${site}\n",
        "",
        &[
            "1:1: `apply` has no `base_url` (say which server gets the credential)",
            "1:1: the test asks a server, and there is no `base_url` (write it in `apply`)",
        ],
    );
    check(
        "  kind: http\n  url: /me\n  shows: /login\n",
        "  kind: redis\n",
        &["1:1: the test needs the fields `host` and `port` (add them, with the formats `host` \
           and `port`)"],
    );
    check(
        "  base_url: ${site}\n",
        "  base_url: ${site}\n  scheme: aws_v4\n",
        &[
            "1:1: the scheme needs a field `access_key_id` (add it to `fields`)",
            "1:1: the scheme needs a field `secret_access_key` (add it to `fields`)",
            "1:1: the scheme needs a field `region` (add it to `fields`)",
        ],
    );
}

#[test]
fn what_is_no_declaration_is_told_in_one_line() {
    for (text, expected) in [
        ("", "1:1: an empty file (a file declares one type: `id: ...`)"),
        (
            "a: 1\n---\nb: 2\n",
            "1:1: several documents in one file (a file declares one type: `id: ...`)",
        ),
        ("- a\n", "1:1: found a list where a type takes a mapping (write a mapping)"),
    ] {
        assert_eq!(complaints(text), [expected], "{text:?}");
    }
    assert_eq!(complaints("id: [\n").len(), 1);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &(1..9u8)
            .map(|n| {
                let (this, last) = (char::from(b'a' + n), char::from(b'a' + n - 1));
                format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 9].join(","))
            })
            .collect::<String>();
    assert_eq!(complaints(&bomb).len(), 1);
}

#[test]
fn the_users_folder_adds_types_and_takes_the_place_of_none() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("tracker.yaml", GOOD);
    write("github.yaml", &GOOD.replace("id: tracker", "id: github"));
    write("broken.yaml", "id: broken\n");
    write("notes.txt", "no declaration");
    let mut types = Types::shipped();
    let flawed = types.add_folder(folder.path()).unwrap();
    let names: Vec<_> = flawed.iter().map(|one| one.source.path().file_name().unwrap()).collect();
    assert_eq!(names, ["broken.yaml", "github.yaml"]);
    assert_eq!(flawed[1].diagnostics[0].message, "the type `github` comes with the program");
    assert_eq!(types.origin("github"), Some(&Origin::Shipped));
    assert_eq!(types.origin("tracker"), Some(&Origin::File(folder.path().join("tracker.yaml"))));
    assert_eq!(types.get("tracker").unwrap().label, "Tracker");
    assert!(types.get("broken").is_none());
    assert_eq!(types.closest("trakcer"), Some("tracker"));
    let open = folder.path().join("tracker.yaml");
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o666)).unwrap();
    let mut again = Types::shipped();
    let flawed = again.add_folder(folder.path()).unwrap();
    assert_eq!(flawed[2].diagnostics[0].message, "the file can be changed by every user");
    assert!(again.get("tracker").is_none());
    assert!(types.add_folder(&folder.path().join("nowhere")).unwrap().is_empty());
}

proptest! {
    /// Lines of the good declaration, some of them spoilt, in any order.
    #[test]
    fn no_text_makes_the_reader_panic(
        lines in prop::collection::vec((0..30usize, "[a-z${}: \\[\\]&*-]{0,6}"), 0..40),
    ) {
        let good: Vec<&str> = GOOD.lines().collect();
        let text: String = lines
            .iter()
            .map(|(at, noise)| format!("{}{noise}\n", good.get(*at).copied().unwrap_or_default()))
            .collect();
        let found = read(&SourceFile::new("tracker.yaml", text));
        prop_assert_eq!(found.kind.is_none(), !found.diagnostics.is_empty());
    }
}
