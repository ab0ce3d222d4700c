//! Secrets in a real GNOME keyring. `registry/tests/with-gnome-keyring` starts one, brings it into each of
//! its states, and says in `SUBROSA_TEST_KEYRING` which; each test is about one of them.
#![cfg(feature = "keyring")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use subrosa_engine::provider::{
    Checked, Client, Environment, Identity, ProviderError, ProviderErrorKind, ResolveContext,
    SecretRequest,
};
use subrosa_engine::workflow::Options;

/// The account of the entry that a locked or unopened keyring has; its service is `subrosa`.
const KNOWN: &str = "subrosa/10cd10cd10cd10cd10cd10cd10cd10cd";

/// Whether it is one of these states' turn. A run without a keyring is nobody's: `cargo test` alone has
/// none, and `./test` runs `with-gnome-keyring`, which fails if it cannot give one.
#[expect(clippy::disallowed_methods, reason = "the script says what it prepared")]
fn is_turn_of(states: &[&str]) -> bool {
    std::env::var("SUBROSA_TEST_KEYRING").is_ok_and(|state| states.contains(&state.as_str()))
}

/// Puts something into an entry with another program.
fn put(service: &str, account: &str, secret: &[u8]) {
    let mut tool = Command::new("secret-tool")
        .args(["store", "--label=test", "service", service, "username", account])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(secret).unwrap();
    assert!(tool.wait().unwrap().success());
}

fn with_client<T>(
    key: &str,
    options: &[(&str, &str)],
    ask: impl AsyncFnOnce(Arc<dyn Client>, SecretRequest) -> Result<T, ProviderError>,
) -> Result<T, ProviderError> {
    let option = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let options: BTreeMap<String, String> = options.iter().map(option).collect();
    let request = SecretRequest { name: "NAME".into(), key: key.into(), options: Options(options) };
    let context = ResolveContext {
        env: Arc::new(Environment::default()),
        folders: Vec::new().into(),
        request_timeout: Duration::from_secs(20),
        clock: || SystemTime::UNIX_EPOCH,
        asking: None,
    };
    let builtin = subrosa_providers::builtin();
    let keyring = builtin.iter().find(|provider| provider.name() == "keyring").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = keyring.open(&context, &Identity::default()).await?;
        ask(Arc::from(client), request).await
    })
}

fn fetch(key: &str, options: &[(&str, &str)]) -> Result<Vec<u8>, ProviderError> {
    with_client(key, options, async |client, request| {
        let value = client.fetch(&request).await?;
        #[expect(clippy::disallowed_methods, reason = "tests compare what was fetched")]
        Ok(value.expose().to_vec())
    })
}

fn check_refused(key: &str, kind: ProviderErrorKind, message: &str) {
    let error = fetch(key, &[]).unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.message.starts_with(message), "{error}");
}

#[test]
fn an_entry_of_another_program_is_found_by_service_and_account() {
    if !is_turn_of(&["open"]) {
        return;
    }
    put("https://shop.example/api", "ann", b"canary \n");
    let expected = Ok(b"canary \n".as_slice());
    assert_eq!(fetch("https://shop.example/api/ann", &[]).as_deref(), expected);
    assert_eq!(fetch("ann", &[("service", "https://shop.example/api")]).as_deref(), expected);
    assert_eq!(fetch("https://shop.example/api", &[("account", "ann")]).as_deref(), expected);
}

#[test]
fn an_entry_that_is_not_there_is_named() {
    if !is_turn_of(&["open"]) {
        return;
    }
    put("shop", "bob", b"canary");
    let message = "the keyring of the system has no entry with service `shop`, account `Bob`";
    check_refused("shop/Bob", ProviderErrorKind::NotFound, message);
    assert!(fetch("shop/Bob", &[]).unwrap_err().help.unwrap().contains("locked"));
    let checked = with_client("shop/Bob", &[], async |client, asked| client.check(&asked).await);
    assert_eq!(checked, Ok(Checked::WouldRead));
}

#[test]
fn many_entries_are_read_at_once() {
    if !is_turn_of(&["open"]) {
        return;
    }
    for number in 0..20 {
        put("many", &number.to_string(), format!("canary {number}").as_bytes());
    }
    with_client("many/x", &[], async |client, asked| {
        let reads: Vec<_> = (0..20)
            .map(|number| {
                let (client, mut asked) = (client.clone(), asked.clone());
                asked.key = format!("many/{number}");
                tokio::spawn(async move { client.fetch(&asked).await })
            })
            .collect();
        for (number, read) in reads.into_iter().enumerate() {
            let value = read.await.unwrap()?;
            #[expect(clippy::disallowed_methods, reason = "tests compare what was fetched")]
            let found = value.expose();
            assert_eq!(found, format!("canary {number}").as_bytes());
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_locked_keyring_gives_nothing_and_says_why() {
    if !is_turn_of(&["locked", "unopened"]) {
        return;
    }
    let message = "the keyring of the system is locked, or does not let us in: service `subrosa`";
    check_refused(KNOWN, ProviderErrorKind::Denied, message);
    let message = "the keyring of the system has no entry with service `shop`";
    check_refused("shop/ann", ProviderErrorKind::NotFound, message);
}

#[test]
fn without_a_session_there_is_no_keyring() {
    if !is_turn_of(&["none"]) {
        return;
    }
    let message = "the keyring of the system cannot be reached: ";
    check_refused("shop/ann", ProviderErrorKind::Unavailable, message);
    let checked = with_client("shop/ann", &[], async |client, asked| client.check(&asked).await);
    assert_eq!(checked.unwrap_err().kind, ProviderErrorKind::Unavailable);
}
