//! Why a ref gave no value, as a user is told.

use std::io;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use subrosa_engine::host::Limits;
use subrosa_engine::provider::{
    Client, Identity, Provider, ProviderError, ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use subrosa_registry::{FileError, InvalidValue, KeyError, RegistryError};
use tokio::sync::Notify;

use crate::fake::{Entry, Fake, Gate, address};
use crate::world::{World, given, now, render, running, workflow};

const ONE: &str = "\
labels: [workspace=pay]
secrets:
  - {name: A, ref: prod/db}
steps: [work]
";

const TWO: &str = "\
secrets:
  - {name: A, ref: a}
  - {name: P, provider: nowhere, key: k}
  - {name: B, ref: b}
steps: [work]
";

async fn check(registry: Fake, expected: &str) {
    let found = World::new(registry).resolve(ONE, running()).await.err();
    assert_eq!(found.as_deref(), Some(expected));
}

fn told(why: &str, help: &str) -> String {
    format!(
        "secret-not-resolved 3: could not resolve secret `A` from ref `prod/db`: {why}\n{}",
        if help.is_empty() { String::new() } else { format!("  help: {help}\n") }
    )
}

fn set(place: &str) -> String {
    format!(r#"store it: `printf %s "$VALUE" | subrosa secret set prod/db{place}`"#)
}

#[tokio::test]
async fn a_ref_that_gives_no_value_says_why_and_the_command_that_mends_it() {
    let entry = Entry { value: Some("v-4711-v-4711"), version: 2, ..Entry::default() };
    let not_found = told("secret not found", &set(" --workspace pay"));
    check(Fake::default(), &not_found).await;
    check(Fake::default().with("prod/db", "other", "v-4711-v-4711"), &not_found).await;
    let disabled = Entry { is_disabled: true, ..entry.clone() };
    let why = "the secret is disabled in workspace `pay`";
    let help = "enable it: `subrosa secret enable prod/db --workspace pay`";
    let registry = Fake::default().with("prod/db", "", "global-4711");
    check(registry.entry("prod/db", "pay", disabled), &told(why, help)).await;
    let empty = Entry { value: None, ..entry.clone() };
    let why = "the secret has no value in the global scope";
    check(Fake::default().entry("prod/db", "", empty), &told(why, &set(""))).await;
    let expired = Entry { expires: Some(now()), ..entry.clone() };
    let why = "the secret in workspace `pay` expired on 2026-11-22T00:00:00Z";
    let help = "give it a new value: `printf %s \"$VALUE\" | subrosa secret rotate prod/db \
                --workspace pay`, or use the expired one with `--allow-expired`";
    check(Fake::default().entry("prod/db", "pay", expired), &told(why, help)).await;
    let damaged = Entry { is_damaged: true, ..entry };
    let why = "`objects/ab` is damaged or was tampered with: the seal does not fit";
    let help = "`subrosa doctor` tells what is wrong and what can be done";
    check(Fake::default().entry("prod/db", "pay", damaged), &told(why, help)).await;
}

#[tokio::test]
async fn the_command_names_the_environment_that_was_chosen() {
    let world = World::new(Fake::default().with("other", "/prod", "other-4711"));
    let found = world.resolve(ONE, given("prod")).await.err();
    let expected = told("secret not found", &set(" --workspace pay --env prod"));
    assert_eq!(found, Some(expected));
}

fn refusing(refuses: fn() -> RegistryError) -> Fake {
    Fake { refuses: Some(refuses), ..Fake::default() }
}

fn denied() -> FileError {
    let source = io::Error::from(io::ErrorKind::PermissionDenied);
    FileError::Io { call: "read", file: "/s/root".into(), source }
}

/// An error, how it is told, and the cure.
type Case = (fn() -> RegistryError, &'static str, &'static str);

async fn check_all(cases: &[Case]) {
    for (refuses, why, help) in cases {
        check(refusing(*refuses), &told(why, help)).await;
    }
}

const DOCTOR: &str = "`subrosa doctor` tells what is wrong and what can be done";
const KEY_STATUS: &str = "`subrosa key status` tells where the key is looked for";
const KEY_IMPORT: &str = "`subrosa key import` brings a copy of the key back; `subrosa key status` tells \
    where it is looked for";

#[tokio::test]
async fn files_that_cannot_be_used_say_why_and_the_cure() {
    let not_private = "`/s/x` is open to others (mode 0755)";
    check_all(&[
        (|| denied().into(), "could not read `/s/root`: permission denied", ""),
        (|| open_to_others(true).into(), not_private, "close it: `chmod 700 /s/x`"),
        (|| open_to_others(false).into(), not_private, "close it: `chmod 600 /s/x`"),
        (
            || FileError::NotOurs { file: "/s".into() }.into(),
            "`/s` belongs to another user",
            DOCTOR,
        ),
        (
            || FileError::NotPlain { file: "/s/root".into() }.into(),
            "`/s/root` is not a plain file or folder",
            DOCTOR,
        ),
        (
            || FileError::TooLarge { file: "/s/root".into() }.into(),
            "`/s/root` is larger than it can be",
            DOCTOR,
        ),
        (
            || FileError::Busy { file: "/s/lock".into(), pid: Some(7) }.into(),
            "`/s/lock` is locked by process 7",
            "wait until process 7 is done, or see what it does: `ps -p 7`",
        ),
    ])
    .await;
}

#[tokio::test]
async fn keys_that_cannot_be_had_say_why_and_the_cure() {
    check_all(&[
        (
            || KeyError::Missing { place: "no file `/k`".into() }.into(),
            "the key of the registry is missing: no file `/k`",
            KEY_IMPORT,
        ),
        (
            || KeyError::Damaged { place: "file `/k`".into(), why: "too short" }.into(),
            "the key of the registry is damaged: file `/k`: too short",
            KEY_IMPORT,
        ),
        (
            || wrong_key().into(),
            "file `/k` holds the key 1a, and the registry needs the key 2b",
            KEY_IMPORT,
        ),
        (|| KeyError::File(denied()).into(), "could not read `/s/root`: permission denied", ""),
        (
            || KeyError::Source { place: "keyring".into(), why: "locked".into() }.into(),
            "keyring: locked",
            KEY_STATUS,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_store_that_cannot_be_used_says_why_and_the_cure() {
    check_all(&[
        (
            || RegistryError::NoStore { folder: "/s".into() },
            "there is no secrets registry in `/s`",
            r#"store it: `printf %s "$VALUE" | subrosa secret set prod/db --workspace pay`"#,
        ),
        (
            || RegistryError::Damaged { file: "root".into(), why: "the seal does not fit" },
            "`root` is damaged or was tampered with: the seal does not fit",
            DOCTOR,
        ),
        (|| RegistryError::Missing { file: "root".into() }, "`root` is missing", DOCTOR),
        (
            || RegistryError::TooNew { file: "root".into(), found: 3, known: 1 },
            "`root` has format 3, and this subrosa reads up to format 1",
            "use the newer subrosa that wrote it",
        ),
        (
            || RegistryError::RolledBack { found: 3, seen: 7 },
            "the registry is older than it was: generation 3, after 7 was seen",
            DOCTOR,
        ),
        (
            || RegistryError::Audit { source: denied() },
            "the audit log cannot be written: could not read `/s/root`: permission denied",
            "make room or mend the log's permissions; without `audit: required` the run would go on",
        ),
        (|| RegistryError::Randomness, "the system gives no randomness", ""),
    ])
    .await;
}

/// A reader has no reason to give these; they are told all the same.
#[tokio::test]
async fn errors_of_writing_are_told_without_a_cure() {
    check_all(&[
        (
            || RegistryError::StoreExists { folder: "/s".into() },
            "there is a secrets registry in `/s` already",
            "",
        ),
        (
            || RegistryError::Unconfirmed { source: denied() },
            "the change was made, but whether it would survive a power cut is not known: \
             could not read `/s/root`: permission denied",
            "",
        ),
        (|| RegistryError::NotFound(address("a", "pay")), "no secret `a` in workspace `pay`", ""),
        (
            || RegistryError::Exists(address("a", "")),
            "there is a secret `a` in the global scope already",
            "",
        ),
        (
            || RegistryError::NoVersion { address: address("a", ""), version: 2 },
            "the secret `a` in the global scope has no version 2",
            "",
        ),
        (
            || RegistryError::NoValue(address("a", "")),
            "the secret `a` in the global scope has no value",
            "",
        ),
        (|| InvalidValue::Nul.into(), "the value holds a NUL byte", ""),
        (|| RegistryError::InvalidDescription("is too long"), "the description is too long", ""),
    ])
    .await;
}

fn open_to_others(is_folder: bool) -> FileError {
    FileError::NotPrivate { file: "/s/x".into(), mode: 0o755, is_folder }
}

fn wrong_key() -> KeyError {
    KeyError::Wrong { place: "file `/k`".into(), found: "1a".into(), wanted: "2b".into() }
}

#[tokio::test]
async fn what_concerns_all_refs_is_told_once_beside_each_of_them() {
    let world = World::new(refusing(|| RegistryError::Missing { file: "/s/shard".into() }));
    let expected = "\
secret-not-resolved 2: could not resolve secrets `A`, `B` from the registry: `/s/shard` is missing
  4: asked for here
  help: `subrosa doctor` tells what is wrong and what can be done
secret-not-resolved 3: could not resolve secret `P`: unknown secret provider: nowhere
  help: known providers: \n";
    assert_eq!(world.resolve(TWO, running()).await.err().as_deref(), Some(expected));
}

#[tokio::test]
async fn of_many_refs_some_are_named_and_the_rest_are_counted() {
    let entries: String = (0..11).map(|n| format!("  - {{name: S{n}, ref: s/{n}}}\n")).collect();
    let world = World::new(refusing(|| RegistryError::Randomness));
    let text = format!("secrets:\n{entries}steps: [work]\n");
    let found = world.resolve(&text, running()).await.err().unwrap();
    assert!(found.contains("`S7` and 3 more from the registry"), "{found}");
    assert_eq!(found.lines().count(), 8, "{found}");
}

#[tokio::test]
async fn without_a_registry_the_cure_is_to_store_the_secret() {
    let world = World::without_registry();
    let found = world.resolve(ONE, running()).await.err();
    let expected = told("there is no registry yet", &set(" --workspace pay"));
    assert_eq!(found, Some(expected));
    let nothing_asked = world.resolve("steps: [work]\n", given("prod")).await;
    assert_eq!(nothing_asked.ok().unwrap().environment().unwrap().as_str(), "prod");
}

#[tokio::test]
async fn an_unknown_environment_is_told_with_the_known_ones() {
    let world =
        World::new(Fake::default().with("a", "/prod", "v-4711").with("a", "/dev", "w-4711"));
    let text = "environment: prd\nsecrets:\n  - {name: A, ref: prod/db}\nsteps: [work]\n";
    let expected = "\
secret-not-resolved 3: could not resolve secret `A` from ref `prod/db`: there is no environment `prd`
  1: the environment is named here
  help: did you mean `prod`? Known environments: dev, prod\n";
    assert_eq!(world.resolve(text, running()).await.err().as_deref(), Some(expected));
    let by_flag = world.resolve(text, given("test")).await.err().unwrap();
    assert!(by_flag.ends_with("`test`\n  help: known environments: dev, prod\n"), "{by_flag}");
    let none = World::new(Fake::default()).resolve(text, given("test")).await.err().unwrap();
    let cure = format!("no secret has a value in an environment yet; {}", set(" --env test"));
    assert!(none.ends_with(&format!("  help: {cure}\n")), "{none}");
}

#[tokio::test]
async fn a_protected_environment_and_an_expired_secret_need_leave() {
    let old = Entry { value: Some("v-4711-v"), expires: Some(now()), ..Entry::default() };
    let registry = Fake { protected: Some("prod"), ..Fake::default() };
    let world = World::new(registry.entry("prod/db", "/prod", old));
    let refused = world.resolve(ONE, given("prod")).await.err();
    let help = "use it all the same with `--allow-protected`";
    assert_eq!(refused, Some(told("the environment `prod` is protected", help)));
    let mut options = given("prod");
    options.allow_protected = true;
    let refused = world.resolve(ONE, options.clone()).await.err().unwrap();
    assert!(refused.contains("expired on"), "{refused}");
    options.allow_expired = true;
    assert!(world.resolve(ONE, options).await.is_ok());
}

#[tokio::test]
async fn what_was_found_is_masked_although_another_ref_was_not() {
    let soon =
        Entry { value: Some("v-4711-v-4711"), retired: vec!["old-4711"], ..Entry::default() };
    let world = World::new(Fake::default().entry("a", "", soon));
    let failure = world.failure(TWO, running()).await;
    assert!(failure.about_secrets);
    assert_eq!(failure.masks.mask_text("old-4711 v-4711-v-4711").as_str(), "******* *******");
    let told = render(&workflow(TWO), &failure.diagnostics);
    assert!(told.contains("secret `P`") && told.contains("secret `B`"), "{told}");
    assert!(!told.contains("secret `A`"), "{told}");
}

/// Answers once the registry was asked, and lets the registry answer then.
struct Meeting {
    entered: Arc<Notify>,
    open: mpsc::Sender<()>,
}

#[async_trait]
impl Provider for Meeting {
    fn name(&self) -> &'static str {
        "nowhere"
    }

    async fn open(
        &self,
        _: &ResolveContext,
        _: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        self.entered.notified().await;
        self.open.send(()).unwrap();
        Ok(Box::new(Answering))
    }
}

struct Answering;

#[async_trait]
impl Client for Answering {
    async fn fetch(&self, _: &SecretRequest) -> Result<SecretValue, ProviderError> {
        Ok(SecretValue::new(b"p-4711-p".to_vec()))
    }
}

#[tokio::test]
async fn the_registry_is_asked_once_while_the_providers_are() {
    let entered = Arc::new(Notify::new());
    let (open, opened) = mpsc::channel();
    let gate = Gate { entered: entered.clone(), open: Mutex::new(opened) };
    let fake = Fake { gate: Some(gate), ..Fake::default() };
    let mut world = World::new(fake.with("a", "", "a-4711").with("b", "", "b-4711"));
    world.providers.push(Arc::new(Meeting { entered, open }));
    let resolved = world.resolve(TWO, running()).await.ok().unwrap();
    let names: Vec<&str> = resolved.secrets().iter().map(|secret| secret.name.as_str()).collect();
    assert_eq!(names, ["A", "P", "B"]);
    let asked = world.registry().asked();
    assert_eq!(asked.iter().map(|(_, refs)| refs.join(" ")).collect::<Vec<_>>(), ["a b"]);
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_given_up() {
    let (open, opened) = mpsc::channel::<()>();
    let gate = Gate { entered: Arc::new(Notify::new()), open: Mutex::new(opened) };
    let mut world = World::new(Fake { gate: Some(gate), ..Fake::default() });
    world.limits = Limits { resolve: Duration::from_millis(20), ..Limits::default() };
    let found = world.resolve(ONE, running()).await.err();
    drop(open);
    assert_eq!(found, Some(told("no answer in time", "")));
}
