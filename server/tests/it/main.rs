//! What others build upon: the description of the API, as it is committed.

mod names;

/// `docs/server/openapi.json` is what is served at `/api/v1/openapi.json`; `BLESS=1` writes it anew, and
/// a review of its difference is a review of what callers will notice.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "`BLESS` is a switch of the tests, not of the product"
)]
fn the_committed_description_of_the_api_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/server/openapi.json");
    let described = subrosa_server::openapi();
    let text = serde_json::to_string_pretty(&described).expect("a description is JSON") + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, text).expect("the folder of the docs is there");
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == text, "docs/server/openapi.json is old: run with BLESS=1");
}
