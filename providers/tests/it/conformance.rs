//! What every provider owes its caller, checked the same way for all of them.
//!
//! A provider takes part with a [`Fixture`], which knows how to put values where the provider finds
//! them. What a provider cannot have (an environment variable is never a folder) it leaves out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use subrosa_engine::provider::{
    Environment, Provider, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use subrosa_engine::workflow::Options;

/// A provider with its place.
pub(crate) trait Fixture {
    /// Its word in `provider:`.
    const NAME: &'static str;

    /// An empty place.
    fn new() -> Self;

    /// Puts a value under a key.
    fn put(&mut self, key: &str, value: &[u8]);

    /// Where it is looked for.
    fn context(&self) -> ResolveContext;
}

/// When the tests take place: no provider looks at another clock than the one it is given.
pub(crate) fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_936_000)
}

/// A context of nothing.
pub(crate) fn context(
    workflow: &[(&str, &[u8])],
    process: &[(&str, &[u8])],
    folders: &[PathBuf],
) -> ResolveContext {
    let map = |pairs: &[(&str, &[u8])]| -> BTreeMap<String, SecretValue> {
        let pair =
            |(name, value): &(&str, &[u8])| ((*name).to_owned(), SecretValue::new(value.to_vec()));
        pairs.iter().map(pair).collect()
    };
    ResolveContext {
        env: Arc::new(Environment { workflow: map(workflow), process: map(process) }),
        folders: folders.into(),
        request_timeout: Duration::from_secs(5),
        clock: noon,
        asking: None,
    }
}

/// Fetches one key through the table; the value in the open, for comparing.
pub(crate) fn fetch(
    provider: &str,
    context: &ResolveContext,
    key: &str,
) -> Result<Vec<u8>, ProviderError> {
    let provider = named(provider);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request =
        SecretRequest { name: "NAME".into(), key: key.into(), options: Options::default() };
    runtime.block_on(async {
        let client = provider.open(context, &provider.identity(&request)).await?;
        let value = client.fetch(&request).await?;
        #[expect(clippy::disallowed_methods, reason = "tests compare what was fetched")]
        Ok(value.expose().to_vec())
    })
}

/// A provider of the table.
pub(crate) fn named(name: &str) -> Arc<dyn Provider> {
    subrosa_providers::builtin().into_iter().find(|provider| provider.name() == name).unwrap()
}

/// The kind of an expected error; its text holds none of the values.
pub(crate) fn refused(
    provider: &str,
    context: &ResolveContext,
    key: &str,
    kind: ProviderErrorKind,
) -> ProviderError {
    let error = fetch(provider, context, key).unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    error
}

/// The whole suite.
pub(crate) fn suite<F: Fixture>() {
    values_come_back_as_they_are::<F>();
    what_is_absent_is_named::<F>();
    keys_are_literal::<F>();
    names_are_exact::<F>();
}

fn values_come_back_as_they_are<F: Fixture>() {
    let values: [&[u8]; 6] =
        [b"canary", b"", b"canary\n", b"  a\r\nb\n\n", b"\xef\xbb\xbfcanary", b"\xff\xfe"];
    for value in values {
        let mut fixture = F::new();
        fixture.put("KEY", value);
        assert_eq!(fetch(F::NAME, &fixture.context(), "KEY").unwrap(), value);
    }
}

fn what_is_absent_is_named<F: Fixture>() {
    let mut fixture = F::new();
    fixture.put("OTHER", b"canary");
    let error = refused(F::NAME, &fixture.context(), "KEY", ProviderErrorKind::NotFound);
    assert!(error.message.contains("KEY"), "{error}");
}

fn keys_are_literal<F: Fixture>() {
    let mut fixture = F::new();
    fixture.put("KEY", b"canary");
    for key in ["${KEY}", "$KEY", "`KEY`", "~/KEY", " KEY", "KEY "] {
        refused(F::NAME, &fixture.context(), key, ProviderErrorKind::NotFound);
    }
}

fn names_are_exact<F: Fixture>() {
    let mut fixture = F::new();
    fixture.put("KEY", b"canary");
    refused(F::NAME, &fixture.context(), "key", ProviderErrorKind::NotFound);
}

#[test]
fn every_provider_has_a_name_of_its_own() {
    let builtin = subrosa_providers::builtin();
    let mut names: Vec<&str> = builtin.iter().map(|provider| provider.name()).collect();
    names.sort_unstable();
    let mut expected = vec!["age"];
    if cfg!(feature = "aws") {
        expected.extend(["aws-secrets-manager", "aws-ssm"]);
    }
    if cfg!(feature = "azure") {
        expected.push("azure-key-vault");
    }
    expected.extend(["command", "env", "file"]);
    if cfg!(feature = "gcp") {
        expected.push("gcp-secret-manager");
    }
    if cfg!(feature = "keyring") {
        expected.push("keyring");
    }
    expected.extend(["kubernetes", "sops", "vault"]);
    assert_eq!(names, expected);
}
