//! The types that come with the program.

use std::collections::BTreeSet;
use std::path::Path;

use subrosa_connections::kind::read;
use subrosa_connections::types::{Origin, SHIPPED, Types};
use subrosa_engine::source::SourceFile;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/connections/types.md");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/types");

/// Those that have to be there; more may be.
const PROMISED: [&str; 28] = [
    "openai",
    "anthropic",
    "gemini",
    "huggingface",
    "github",
    "gitlab",
    "slack",
    "google",
    "microsoft",
    "jira",
    "servicenow",
    "stripe",
    "sendgrid",
    "postgres",
    "mysql",
    "sqlserver",
    "redis",
    "nats",
    "s3",
    "gcs",
    "azure_blob",
    "gcp_service_account",
    "salesforce",
    "snowflake",
    "git_https",
    "http_bearer",
    "http_basic",
    "custom",
];

#[test]
fn nothing_is_wrong_with_any() {
    for (name, text) in SHIPPED {
        let found = read(&SourceFile::new(*name, *text));
        assert!(found.diagnostics.is_empty(), "{name}: {:#?}", found.diagnostics);
        assert!(found.kind.is_some(), "{name}");
    }
}

#[test]
fn every_file_is_a_type_and_every_promise_is_kept() {
    let files: BTreeSet<String> = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let types = Types::shipped();
    let known: BTreeSet<String> = types.iter().map(|kind| format!("{}.yaml", kind.id)).collect();
    assert_eq!(known, files);
    for id in PROMISED {
        assert_eq!(types.origin(id), Some(&Origin::Shipped), "{id}");
    }
}

#[test]
fn what_a_service_documents_is_https_and_said() {
    for kind in Types::shipped().iter() {
        assert!(kind.summary.ends_with('.'), "{}", kind.id);
        for field in &kind.fields {
            assert!(field.help.ends_with(['.', ';']), "{}: {}", kind.id, field.help);
        }
        let is_own = kind.id.starts_with("http_") || kind.id == "custom";
        assert!(kind.docs.is_some() || is_own, "{}", kind.id);
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "`BLESS` is a switch of the tests, not of the product"
)]
fn the_documentation_is_current() {
    let mut page = String::from(
        "# Types of connections\n\n\
         Made from the files in `connections/types` by a test; do not edit.\n",
    );
    for kind in Types::shipped().iter() {
        page.push('\n');
        page.push_str(&kind.document().to_markdown());
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(Path::new(PAGE).parent().unwrap()).unwrap();
        std::fs::write(PAGE, page).unwrap();
    } else {
        let found = std::fs::read_to_string(PAGE).unwrap();
        assert!(found == page, "docs/connections/types.md is old: run with BLESS=1");
    }
}

#[test]
fn a_type_explains_itself_on_a_terminal() {
    let text = Types::shipped().get("jira").unwrap().document().to_text();
    assert!(text.starts_with("jira - Jira Cloud\n\nLets a step"), "{text}");
    assert!(text.contains("  api_token (secret, required)\n      API token: Made under"), "{text}");
    assert!(!text.contains('`'), "{text}");
}
