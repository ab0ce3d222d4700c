//! Files with credentials: what they are told to be, and what of them counts.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use subrosa_connections::Types;
use subrosa_connections::apply::ApplyError;
use subrosa_connections::files::{
    FileError, HttpFile, effective_path, load, read_secrets_toml, recognise,
};
use subrosa_connections::kind::ValueError;
use subrosa_engine::secret::SecretValue;

#[expect(clippy::disallowed_methods, reason = "tests look at what was read")]
fn shown(fields: &BTreeMap<String, SecretValue>) -> String {
    let text = |value: &SecretValue| String::from_utf8(value.expose().to_vec()).unwrap();
    let all: Vec<_> =
        fields.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
    all.join(" ")
}

/// The header that a file makes, and what is said about the file.
fn header(json: &str) -> Result<(Option<String>, Vec<String>), FileError> {
    let file = HttpFile::parse(json.as_bytes())?;
    let header = file.credentials.header().unwrap();
    let text = header.map(|value| {
        assert!(value.is_sensitive());
        value.to_str().unwrap().to_owned()
    });
    Ok((text, file.warnings))
}

#[test]
fn bearer_wins_over_basic_and_none_means_no_header() {
    let check = |json: &str, expected: Option<&str>, warnings: &[&str]| {
        let (found, told) = header(json).unwrap();
        assert_eq!(found.as_deref(), expected, "{json}");
        assert_eq!(told, warnings, "{json}");
    };
    let basic = r#""basic_auth": {"username": "ada", "password": "canary"}"#;
    check(r#"{"bearer_auth": "canary"}"#, Some("Bearer canary"), &[]);
    check(&format!("{{{basic}}}"), Some("Basic YWRhOmNhbmFyeQ=="), &[]);
    check(
        &format!(r#"{{{basic}, "bearer_auth": "canary"}}"#),
        Some("Bearer canary"),
        &["`bearer_auth` counts, `basic_auth` does not"],
    );
    check("{}", None, &[]);
    check(r#"{"bearer_auth": null, "basic_auth": null}"#, None, &[]);
    check(
        r#"{"beaer_auth": "canary", "basic_auth": {"username": "a", "password": "b", "x": 1}}"#,
        Some("Basic YTpi"),
        &["`beaer_auth` means nothing here", "`basic_auth.x` means nothing here"],
    );
}

#[test]
fn credentials_that_are_none_are_refused_without_showing_them() {
    let missing = |field: &str, place: &str| FileError::Missing {
        field: field.to_owned(),
        place: place.to_owned(),
    };
    let empty = |field: &str| FileError::Value { field: field.to_owned(), why: ValueError::Empty };
    for (json, expected) in [
        ("canary", FileError::NotJson),
        ("[\"canary\"]", FileError::NotJson),
        (r#"{"bearer_auth": ""}"#, empty("bearer_auth")),
        (r#"{"bearer_auth": {"a": "canary"}}"#, missing("bearer_auth", "/bearer_auth")),
        (r#"{"basic_auth": "canary"}"#, missing("basic_auth", "/basic_auth/username")),
        (r#"{"basic_auth": {"username": "a"}}"#, missing("password", "/basic_auth/password")),
        (
            r#"{"bearer_auth": "canary", "bearer_auth": "b"}"#,
            FileError::Twice { key: "bearer_auth".to_owned() },
        ),
    ] {
        assert!(!expected.to_string().contains("canary"));
        assert_eq!(header(json).err(), Some(expected), "{json}");
    }
    for (json, expected) in [
        (r#"{"bearer_auth": "a\r\nX: 1"}"#, "bearer_auth"),
        (r#"{"basic_auth": {"username": "a", "password": "a\nb"}}"#, "password"),
    ] {
        let found = HttpFile::parse(json.as_bytes()).unwrap().credentials.header();
        assert_eq!(found.err(), Some(ApplyError::Control { field: expected.to_owned() }));
    }
    let colon = br#"{"basic_auth": {"username": "a:b", "password": "c"}}"#;
    let found = HttpFile::parse(colon).unwrap().credentials.header();
    assert_eq!(found.err(), Some(ApplyError::Colon));
}

#[test]
fn a_tasks_own_file_stands_instead_of_the_workers() {
    let (task, worker) = (Path::new("task.json"), Path::new("worker.json"));
    assert_eq!(effective_path(Some(task), Some(worker)), Some(task));
    assert_eq!(effective_path(None, Some(worker)), Some(worker));
    assert_eq!(effective_path(Some(task), None), Some(task));
    assert_eq!(effective_path(None, None), None);
}

const ACCOUNT: &str = r#"{"type": "service_account", "project_id": "books", "private_key_id": "1",
 "private_key": "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n",
 "client_email": "a@books.iam.gserviceaccount.com"}"#;

#[test]
fn files_are_told_by_their_shape() {
    let types = Types::shipped();
    let check = |text: &str, kind: &str, fields: &str, unknown: &[&str]| {
        let found = recognise(text.as_bytes()).unwrap();
        assert_eq!(found.kind, kind, "{text}");
        assert_eq!(shown(&found.fields), fields);
        assert_eq!(found.unknown, unknown);
        let kind = types.get(found.kind).unwrap();
        for name in found.fields.keys() {
            assert!(kind.field(name).is_some(), "{}: {name}", kind.id);
        }
    };
    check(r#"{"nkey": {"seed": "SUcanary"}}"#, "nats", "nkey_seed=SUcanary", &[]);
    check(
        ACCOUNT,
        "gcp_service_account",
        &format!(
            "client_email=a@books.iam.gserviceaccount.com key_file={ACCOUNT} project_id=books"
        ),
        &[],
    );
    check(
        r#"{"client_id": "i", "client_secret": "canary", "instance_url": "https://x.example",
            "tenant_id": "00D", "extra": 1}"#,
        "salesforce",
        "client_id=i client_secret=canary instance_url=https://x.example tenant_id=00D",
        &["extra"],
    );
    check(
        r#"{"host": "db", "port": 1433, "database": "d", "username": "u", "password": "can\"ary",
            "trust_server_certificate": false, "encrypt": true}"#,
        "sqlserver",
        "database=d encrypt=true host=db password=can\"ary port=1433 \
         trust_server_certificate=false username=u",
        &[],
    );
    check(
        r#"{"aws_access_key_id": "AKIA", "aws_secret_access_key": "canary",
            "aws_session_token": "s", "aws_region": "eu-west-1"}"#,
        "s3",
        "access_key_id=AKIA region=eu-west-1 secret_access_key=canary session_token=s",
        &[],
    );
    check(
        r#"{"azure_storage_account_name": "a", "azure_storage_account_key": "canary"}"#,
        "azure_blob",
        "account=a account_key=canary",
        &[],
    );
    check(r#"{"token": "canary"}"#, "git_https", "token=canary", &[]);
    check(
        r#"{"token": "canary", "username": "oauth2"}"#,
        "git_https",
        "token=canary username=oauth2",
        &[],
    );
    check(r#"{"bearer_auth": "canary"}"#, "http_bearer", "token=canary", &[]);
    check(
        r#"{"basic_auth": {"username": "u", "password": "canary"}}"#,
        "http_basic",
        "password=canary username=u",
        &[],
    );
    let unknown = recognise(br#"{"secret": "canary", "other": 1}"#);
    let keys = "`other`, `secret`".to_owned();
    assert_eq!(unknown.map(|_| ()), Err(FileError::Unknown { keys }));
}

#[test]
fn a_type_reads_the_file_of_its_service() {
    let types = Types::shipped();
    let read = |id: &str, text: &str| {
        let found = types.get(id).unwrap().read_file(text.as_bytes());
        found.map(|fields| shown(&fields))
    };
    let email = "client_email=a@books.iam.gserviceaccount.com";
    assert_eq!(read("gcs", ACCOUNT), Ok(format!("{email} key_file={ACCOUNT}")));
    let client = r#"{"installed": {"client_id": " i ", "client_secret": "canary", "x": []}}"#;
    assert_eq!(read("google", client), Ok("client_id=i client_secret=canary".to_owned()));
    assert_eq!(read("git_https", r#"{"token": "canary"}"#), Ok("token=canary".to_owned()));
    let creds = "-----BEGIN NATS USER JWT-----\ncanary\n------END NATS USER JWT------\n";
    assert_eq!(read("nats", creds), Ok(format!("creds={}", creds.trim())));
    let found = "git_https".to_owned();
    assert_eq!(
        read("nats", r#"{"token": "canary"}"#),
        Err(FileError::OtherType { found, wanted: "nats".to_owned() })
    );
    assert_eq!(
        read("google", r#"{"web": {"client_id": "i"}}"#),
        Err(FileError::Missing {
            field: "client_id".to_owned(),
            place: "/installed/client_id".to_owned()
        })
    );
    assert_eq!(
        read("sqlserver", r#"{"host": "a/b", "database": "d", "username": "u", "password": "p"}"#),
        Err(FileError::Value { field: "host".to_owned(), why: ValueError::Host })
    );
}

#[test]
fn who_else_can_read_a_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json");
    std::fs::write(&path, "{}").unwrap();
    let check = |mode: u32, expected: Result<Option<&str>, FileError>| {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let found = load(&path).map(|loaded| loaded.warnings);
        let shown = path.display();
        let warnings = expected.map(|who| {
            let told = who
                .map(|who| format!("`{shown}` can be read by {who}; `chmod 600` keeps it to you"));
            told.into_iter().collect::<Vec<_>>()
        });
        assert_eq!(found, warnings, "{mode:o}");
    };
    check(0o600, Ok(None));
    check(0o400, Ok(None));
    check(0o640, Ok(Some("its group")));
    check(0o644, Ok(Some("every user")));
    check(0o646, Err(FileError::Writable { path: path.display().to_string() }));
    assert!(matches!(load(&folder.path().join("none")), Err(FileError::Unreadable(_))));
    assert!(matches!(load(folder.path()), Err(FileError::Unreadable(_))));
    // Only root can give a file away.
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        let owner = FileError::Owner { path: path.display().to_string() };
        assert_eq!(load(&path).map(|_| ()), Err(owner));
    }
}

const DANGO: &str = r#"
title = "x"
[sources.stripe_payments]
stripe_secret_key = "sk_${STRIPE}_$${x}"
[sources.google_sheets.credentials]
client_id = "i.apps.googleusercontent.com"
client_secret = "canary"
refresh_token = "1//r"
[sources.postgres_db]
host = "localhost"
port = 5432
database = "analytics"
username = "u"
password = "p$w"
[sources.my_api]
api_key = "canary"
base_url = "https://api.example.com"
[sources.production]
api_key = "${PROD_API_KEY}"
list = [1]
[sources.openai]
api_key = "${NOT_SET}"
extra = true
[destination.duckdb]
path = "x"
"#;

#[test]
fn sources_of_dango_become_connections() {
    let variable = |name: &str| match name {
        "STRIPE" => Some(SecretValue::new(b"live".to_vec())),
        "PROD_API_KEY" => Some(SecretValue::new(b"prod".to_vec())),
        _ => None,
    };
    let found = read_secrets_toml(DANGO.as_bytes(), &variable).unwrap();
    let lines: Vec<String> = found
        .guesses
        .iter()
        .map(|guess| {
            let kind = guess.kind.unwrap_or("?");
            let (unknown, unset) = (guess.unknown.join(","), guess.unset.join(","));
            format!("{} {kind}: {} [{unknown}] [{unset}]", guess.source, shown(&guess.fields))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "google_sheets google: client_id=i.apps.googleusercontent.com client_secret=canary \
             refresh_token=1//r [] []",
            "my_api http_bearer: base_url=https://api.example.com token=canary [] []",
            "openai openai:  [extra] [NOT_SET]",
            "postgres_db postgres: database=analytics host=localhost password=p$w port=5432 \
             username=u [] []",
            "production ?: api_key=prod [list] []",
            "stripe_payments stripe: api_key=sk_live_${x} [] []",
        ]
    );
    assert_eq!(found.ignored, ["destination", "title"]);
    let types = Types::shipped();
    for guess in &found.guesses {
        let Some(kind) = guess.kind else { continue };
        let kind = types.get(kind).unwrap();
        for name in guess.fields.keys().filter(|name| *name != "refresh_token") {
            assert!(kind.field(name).is_some(), "{}: {name}", kind.id);
        }
    }
}

#[test]
fn what_is_no_toml_is_told_by_its_line() {
    for (text, line) in [("a = canary\n", 1), ("a = 1\nb = canary\n", 2), ("[sources.x\n", 1)] {
        let found = read_secrets_toml(text.as_bytes(), &|_| None);
        assert_eq!(found.map(|_| ()), Err(FileError::NotToml { line }), "{text}");
    }
    assert!(read_secrets_toml(b"\xff", &|_| None).is_err());
    assert!(read_secrets_toml(b"", &|_| None).unwrap().guesses.is_empty());
}
