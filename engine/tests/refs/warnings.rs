//! What is told although every value is there.

use std::sync::Arc;

use async_trait::async_trait;
use subrosa_engine::provider::{
    Client, Identity, Provider, ProviderError, ProviderWarning, ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use subrosa_engine::{Purpose, ResolveOptions};

use crate::fake::{Entry, Fake};
use crate::world::{World, in_hours, now, render, running, workflow};

const TEXT: &str = "\
labels: [workspace=pay]
secrets:
  - {name: A, ref: prod/db}
steps: [work]
";

fn expiring(hours: u64) -> Fake {
    let expires = Some(in_hours(hours));
    let entry = Entry { value: Some("v-4711-v"), version: 1, expires, ..Entry::default() };
    Fake::default().entry("prod/db", "pay", entry)
}

async fn check(registry: Fake, options: ResolveOptions, expected: &str) {
    let resolved = World::new(registry).resolve(TEXT, options).await.ok().unwrap();
    assert_eq!(render(&workflow(TEXT), resolved.warnings()), expected);
}

const ROTATE: &str = "  help: give it a new value: \
    `printf %s \"$VALUE\" | subrosa secret rotate prod/db --workspace pay`\n";

#[tokio::test]
async fn a_secret_that_expires_within_a_week_is_told() {
    let said = "secret-expires-soon 3: secret `A` from ref `prod/db` expires on";
    for (hours, date) in [(1, "2026-11-22T01:00:00Z"), (7 * 24, "2026-11-29T00:00:00Z")] {
        check(expiring(hours), running(), &format!("{said} {date}\n{ROTATE}")).await;
    }
    let dry = ResolveOptions::new(Purpose::Dry);
    check(expiring(1), dry, &format!("{said} 2026-11-22T01:00:00Z\n{ROTATE}")).await;
    check(expiring(7 * 24 + 1), running(), "").await;
}

#[tokio::test]
async fn an_expired_secret_that_is_used_all_the_same_is_told() {
    let allowed = ResolveOptions { allow_expired: true, ..running() };
    let said = "secret-expired 3: secret `A` from ref `prod/db` expired on";
    check(expiring(0), allowed.clone(), &format!("{said} 2026-11-22T00:00:00Z\n{ROTATE}")).await;
    let long_ago = std::time::SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(1);
    let entry = Entry { value: Some("v-4711-v"), expires: Some(long_ago), ..Entry::default() };
    let registry = Fake::default().entry("prod/db", "pay", entry);
    check(registry, allowed, &format!("{said} 1970-01-01T00:00:00Z\n{ROTATE}")).await;
    assert!(long_ago < now());
}

#[tokio::test]
async fn what_the_registry_warns_of_is_told() {
    let warnings = vec!["the audit log cannot be written".to_owned()];
    let registry = Fake { warnings, ..Fake::default() }.with("prod/db", "", "v-4711-v");
    check(registry, running(), "registry-warning: the audit log cannot be written\n").await;
}

#[tokio::test]
async fn warnings_of_a_called_workflow_are_events() {
    let text = "steps: [{name: one, call: other}]\n---\nname: other\n".to_owned() + TEXT;
    let text = text.replace("steps: [work]", "steps: [{name: work, run: \"true\"}]");
    let left = World::new(expiring(1)).run(&text, running()).await;
    let warnings = left.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("`prod/db` expires on"), "{warnings:?}");
}

/// Gives values, and has something to say about the last of them.
struct Noticing;

#[async_trait]
impl Provider for Noticing {
    fn name(&self) -> &str {
        "noticing"
    }

    async fn open(
        &self,
        _: &ResolveContext,
        _: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        Ok(Box::new(Noticing))
    }
}

#[async_trait]
impl Client for Noticing {
    async fn fetch(&self, _: &SecretRequest) -> Result<SecretValue, ProviderError> {
        Ok(SecretValue::new(b"p-4711-p".to_vec()))
    }

    fn warnings(&self) -> Vec<ProviderWarning> {
        let (message, help) = ("it lies open".to_owned(), Some("close it".to_owned()));
        vec![ProviderWarning { secret: "B".to_owned(), message, help }]
    }
}

#[tokio::test]
async fn what_a_provider_warns_of_is_told_beside_the_secret() {
    const TEXT: &str = "\
secrets:
  - {name: A, provider: noticing, key: a}
  - {name: B, provider: noticing, key: b}
steps: [work]
";
    let mut world = World::new(Fake::default());
    world.providers.push(Arc::new(Noticing));
    let resolved = world.resolve(TEXT, running()).await.ok().unwrap();
    let expected = "provider-warning 3: it lies open\n  help: close it\n";
    assert_eq!(render(&workflow(TEXT), resolved.warnings()), expected);
}
