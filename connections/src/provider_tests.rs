//! The provider against a registry and a broker that do as they are told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use secrecy::SecretSlice;
use subrosa_engine::provider::{
    Asking, Checked, Environment, Provider as _, ProviderErrorKind, ResolveContext, SecretRequest,
};
use subrosa_engine::workflow::Options;
use subrosa_registry::{
    Actor, Address, FoundRecord, Lookup, LookupError, RecordAnswer, RecordReader, RecordSeen,
    RegistryError, Scope, SecretRef,
};

use super::{Connections, Refresher};
use crate::protocol::{Done, Failed, FailedKind};
use crate::record::{Record, TokenState};
use crate::types::Types;

const NOW: u64 = 1_800_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// A registry of one connection.
struct One {
    record: Mutex<Record>,
    parts: BTreeMap<String, String>,
    opens: AtomicUsize,
}

impl One {
    fn seen(&self, key: &SecretRef) -> Result<RecordSeen, LookupError> {
        match key.connection_name() {
            Some("here") => Ok(RecordSeen {
                public: self.record.lock().unwrap().to_text(),
                parts: self.parts.keys().cloned().collect(),
                address: Address { reference: key.clone(), scope: Scope::default() },
                version: 1,
                expires: None,
            }),
            _ => Err(LookupError::NotFound),
        }
    }
}

impl RecordReader for One {
    fn open_records(
        &self,
        _lookup: &Lookup,
        references: &[SecretRef],
    ) -> Result<RecordAnswer, RegistryError> {
        self.opens.fetch_add(1, Ordering::Relaxed);
        let opened = |key: &SecretRef| {
            let RecordSeen { public, address, version, expires, .. } = self.seen(key)?;
            let part = |(name, text): (&String, &String)| {
                (name.clone(), SecretSlice::from(text.clone().into_bytes()))
            };
            let parts = self.parts.iter().map(part).collect();
            Ok(FoundRecord { public, parts, retired: Vec::new(), address, version, expires })
        };
        Ok(RecordAnswer { results: references.iter().map(opened).collect(), warnings: Vec::new() })
    }

    fn look_records(
        &self,
        _lookup: &Lookup,
        references: &[SecretRef],
    ) -> Result<Vec<Result<RecordSeen, LookupError>>, RegistryError> {
        Ok(references.iter().map(|key| self.seen(key)).collect())
    }
}

/// A broker that answers the same each time.
struct Scripted {
    answer: Result<Done, Failed>,
    asked: AtomicUsize,
}

#[async_trait]
impl Refresher for Scripted {
    async fn refresh(
        &self,
        _lookup: &Lookup,
        _name: &SecretRef,
        _note: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Done, Failed> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answer.clone()
    }
}

/// What came of a request: the value, or the kind of the failure with its message; how often the broker
/// was asked; what was warned of.
struct Outcome {
    value: Result<String, (ProviderErrorKind, String)>,
    asked: usize,
    warnings: Vec<String>,
}

struct World {
    one: Arc<One>,
    broker: Arc<Scripted>,
    checks: bool,
}

fn world(kind: &str, tokens: Option<TokenState>, parts: &[(&str, &str)]) -> World {
    let fields = BTreeMap::from([("client_id".to_owned(), "the-client".to_owned())]);
    let record = Record { kind: kind.to_owned(), fields, tokens };
    let part = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    let parts = parts.iter().map(part).collect();
    World {
        one: Arc::new(One { record: Mutex::new(record), parts, opens: AtomicUsize::new(0) }),
        broker: Arc::new(Scripted {
            answer: Ok(Done::Refreshed { expires: Some(NOW + 3600) }),
            asked: AtomicUsize::new(0),
        }),
        checks: true,
    }
}

fn tokens(expires_in: i64, can_refresh: bool) -> TokenState {
    let expires = Some(NOW.checked_add_signed(expires_in).unwrap());
    TokenState { expires, can_refresh, ..TokenState::default() }
}

impl World {
    fn answering(self, kind: FailedKind) -> World {
        let failed = Failed { kind, message: "the service is away".into(), help: None };
        let broker = Arc::new(Scripted { answer: Err(failed), asked: AtomicUsize::new(0) });
        World { broker, ..self }
    }

    fn provider(&self) -> Connections {
        Connections {
            reader: Some(self.one.clone()),
            types: Arc::new(|| Ok(Arc::new(Types::shipped()))),
            refresher: self.broker.clone(),
            clock: now,
        }
    }

    fn context(&self) -> ResolveContext {
        let lookup = Lookup {
            scope: Scope::default(),
            allow_protected: false,
            allow_expired: false,
            allow_disabled: false,
            audit_required: false,
            actor: Actor::default(),
        };
        ResolveContext {
            env: Arc::new(Environment::default()),
            folders: Arc::from([]),
            request_timeout: Duration::from_secs(5),
            clock: now,
            asking: Some(Arc::new(Asking { lookup, checks_connections: self.checks })),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the test compares what it has put there")]
    async fn get(&self, key: &str) -> Outcome {
        let provider = self.provider();
        let request = request(key);
        let client = provider.open(&self.context(), &provider.identity(&request)).await.unwrap();
        let value = client.fetch(&request).await;
        Outcome {
            value: value
                .map(|value| String::from_utf8(value.expose().to_vec()).unwrap())
                .map_err(|error| (error.kind, error.to_string())),
            asked: self.broker.asked.load(Ordering::Relaxed),
            warnings: client.warnings().into_iter().map(|warning| warning.message).collect(),
        }
    }

    async fn check(&self, key: &str) -> Result<Checked, ProviderErrorKind> {
        let provider = self.provider();
        let request = request(key);
        let client = provider.open(&self.context(), &provider.identity(&request)).await.unwrap();
        let checked = client.check(&request).await.map_err(|error| error.kind);
        assert_eq!(self.one.opens.load(Ordering::Relaxed), 0, "a look opens nothing");
        checked
    }
}

fn request(key: &str) -> SecretRequest {
    SecretRequest { name: "TOKEN".into(), key: key.into(), options: Options::default() }
}

const TOKEN: (&str, &str) = ("access_token", "canary");

#[tokio::test]
async fn a_field_is_given_by_the_name_of_the_connection_and_its_own() {
    let world = world("jira", None, &[("api_token", "canary")]);
    assert_eq!(world.get("here/api_token").await.value.as_deref(), Ok("canary"));
    assert_eq!(world.get("here/client_id").await.value.as_deref(), Ok("the-client"));
    for (key, kind, words) in [
        ("here/api_tokn", ProviderErrorKind::NotFound, "has no value for the field `api_tokn`"),
        ("away/api_token", ProviderErrorKind::NotFound, "there is no connection `away`"),
        ("here", ProviderErrorKind::InvalidRequest, "does not name a field"),
        ("Here/x", ProviderErrorKind::InvalidRequest, "does not name a field"),
        ("here/", ProviderErrorKind::InvalidRequest, "does not name a field"),
    ] {
        let (found, message) = world.get(key).await.value.unwrap_err();
        assert!(found == kind && message.contains(words), "{key}: {message}");
        assert!(!message.contains("canary"));
    }
}

#[tokio::test]
async fn a_token_is_exchanged_before_it_ends_and_not_otherwise() {
    for (left, asked) in [(3600, 0), (61, 0), (60, 1), (-5, 1)] {
        let world = world("google", Some(tokens(left, true)), &[TOKEN]);
        let outcome = world.get("here/access_token").await;
        assert_eq!((outcome.value.as_deref(), outcome.asked), (Ok("canary"), asked), "{left}");
    }
    let unchecked = World { checks: false, ..world("google", Some(tokens(-5, true)), &[TOKEN]) };
    let outcome = unchecked.get("here/access_token").await;
    assert_eq!((outcome.value.as_deref(), outcome.asked), (Ok("canary"), 0));
}

#[tokio::test]
async fn a_service_out_of_reach_warns_and_a_refusal_stops() {
    let ended = || world("google", Some(tokens(-5, true)), &[TOKEN]);
    let outcome = ended().answering(FailedKind::Unavailable).get("here/access_token").await;
    assert_eq!(outcome.value.as_deref(), Ok("canary"));
    assert_eq!(
        outcome.warnings,
        ["the token of connection `here` was not refreshed: the service is away"]
    );
    let outcome = ended().answering(FailedKind::Refused).get("here/access_token").await;
    assert_eq!(outcome.value.unwrap_err().0, ProviderErrorKind::Unauthenticated);
    let refused = TokenState { refused: Some("invalid_grant".into()), ..tokens(3600, true) };
    let outcome = world("google", Some(refused), &[TOKEN]).get("here/access_token").await;
    let (kind, message) = outcome.value.unwrap_err();
    assert_eq!((kind, outcome.asked), (ProviderErrorKind::Unauthenticated, 0));
    assert!(message.contains("(invalid_grant)"), "{message}");
}

#[tokio::test]
async fn what_only_a_person_can_mend_is_said_before_any_step() {
    let check = async |tokens: Option<TokenState>, words: &str| {
        let outcome = world("google", tokens, &[TOKEN]).get("here/access_token").await;
        let (kind, message) = outcome.value.unwrap_err();
        assert_eq!((kind, outcome.asked), (ProviderErrorKind::Unauthenticated, 0), "{message}");
        assert!(message.contains(words), "{message}");
    };
    check(None, "was not authorized yet").await;
    check(Some(tokens(-5, false)), "has ended, and cannot be refreshed").await;
    // It cannot be refreshed, and still holds.
    let outcome = world("google", Some(tokens(30, false)), &[TOKEN]).get("here/access_token").await;
    assert_eq!((outcome.value.as_deref(), outcome.asked), (Ok("canary"), 0));
}

#[tokio::test]
async fn a_client_gets_its_first_token_by_itself() {
    let outcome = world("salesforce", None, &[TOKEN]).get("here/access_token").await;
    assert_eq!((outcome.value.as_deref(), outcome.asked), (Ok("canary"), 1));
    let away = world("salesforce", None, &[]).answering(FailedKind::Unavailable);
    let outcome = away.get("here/access_token").await;
    assert_eq!(outcome.value.unwrap_err().0, ProviderErrorKind::Unavailable);
}

#[tokio::test]
async fn access_that_ends_within_a_week_is_told() {
    let granted = |days: u64| TokenState {
        grant_expires: Some(NOW + days * 24 * 3600),
        ..tokens(3600, true)
    };
    for (days, told) in [(6, 1), (8, 0)] {
        let outcome = world("google", Some(granted(days)), &[TOKEN]).get("here/access_token").await;
        assert_eq!(outcome.warnings.len(), told, "{:?}", outcome.warnings);
    }
}

#[tokio::test]
async fn a_look_says_what_a_run_would_find() {
    let jira = world("jira", None, &[("api_token", "canary")]);
    assert_eq!(jira.check("here/api_token").await, Ok(Checked::Readable));
    assert_eq!(jira.check("here/nothing").await, Err(ProviderErrorKind::NotFound));
    assert_eq!(jira.check("away/x").await, Err(ProviderErrorKind::NotFound));
}

#[tokio::test]
async fn who_wants_another_field_than_the_token_of_an_account_has_none_exchanged() {
    let world = world("gcs", None, &[("key_file", "canary-file"), TOKEN]);
    let provider = world.provider();
    let (file, token) = (request("here/key_file"), request("here/access_token"));
    let client = provider.open(&world.context(), &provider.identity(&file)).await.unwrap();
    for (request, asked) in [(&file, 0), (&token, 1), (&file, 1), (&token, 1)] {
        assert!(client.fetch(request).await.is_ok(), "{}", request.key);
        assert_eq!(world.broker.asked.load(Ordering::Relaxed), asked, "{}", request.key);
    }
}
