//! Storing what a service has handed out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::SecretSlice;
use subrosa_engine::secret::SecretValue;
use subrosa_registry::{
    Action, Address, Admin, Lock, MustBe, RecordChange, RegistryError, SetOptions,
};

use super::{Keeper, blocking, outcome};
use crate::oauth::{OAuthError, Tokens};
use crate::opened::Opened;
use crate::protocol::{Event, Failed};
use crate::record::{ACCESS_TOKEN, REFRESH_TOKEN, Record, TokenState};

/// For how long storing is tried: a disk that is full, a lock that is held.
const TRIED_FOR: Duration = Duration::from_secs(60);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a change of somebody else may come between.
const TURNS_MAX: u32 = 20;

/// For how long a token that was exchanged is masked beyond its use: at least, and at most.
const OVERLAP_MIN: Duration = Duration::from_secs(60);
const OVERLAP_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Held until dropped.
pub(super) struct Held(
    #[expect(dead_code, reason = "what counts is when it is dropped")] Box<dyn Lock>,
);

/// A change of a record: what to make of its readable part.
type Edit = Box<dyn Fn(&mut Record) + Send + Sync>;

impl Keeper {
    /// Waits until nobody else works on the tokens of the connection.
    pub(super) async fn hold(&self, address: &Address) -> Result<Held, Failed> {
        let (registry, address) = (self.registry.clone(), address.clone());
        blocking(move || registry.hold(&address).map(Held)).await
    }

    /// Stores tokens; `before` is how those stood that were exchanged for them.
    pub(super) async fn store(
        &self,
        action: Action,
        address: &Address,
        tokens: Tokens,
        before: Option<TokenState>,
    ) -> Result<(), Failed> {
        let now = (self.clock)();
        let is_exchange = before.is_some();
        let keeps_refresh =
            tokens.refresh.is_none() && before.as_ref().is_some_and(|t| t.can_refresh);
        let seconds = |time: Option<SystemTime>| outcome::seconds(time);
        let state = TokenState {
            authorized: before
                .as_ref()
                .map_or_else(|| seconds(Some(now)).unwrap_or_default(), |state| state.authorized),
            refreshed: seconds(Some(now)).unwrap_or_default(),
            expires: seconds(tokens.expires),
            grant_expires: seconds(tokens.refresh_expires)
                .or_else(|| before.as_ref()?.grant_expires.filter(|_| keeps_refresh)),
            can_refresh: tokens.refresh.is_some() || keeps_refresh,
            scopes: tokens.scopes.clone(),
            refused: None,
        };
        let mut parts = vec![(ACCESS_TOKEN.to_owned(), Some(sealed(&tokens.access)))];
        match &tokens.refresh {
            Some(token) => parts.push((REFRESH_TOKEN.to_owned(), Some(sealed(token)))),
            // Another grant is no good with the refresh token of the one before.
            None if !is_exchange => parts.push((REFRESH_TOKEN.to_owned(), None)),
            None => {}
        }
        let edit: Edit = Box::new(move |record| record.tokens = Some(state.clone()));
        let overlap = overlap(before.as_ref(), now);
        self.put(action, address, edit, parts, Some(overlap)).await
    }

    /// Notes that the service refuses to go on, so that nobody asks it again before a person has.
    pub(super) async fn note_refusal(
        &self,
        address: &Address,
        opened: &Opened,
        error: &OAuthError,
    ) {
        let word = error.word().map_or_else(|| "refused".to_owned(), |word| word.to_string());
        let Some(state) = opened.record.tokens.clone() else { return };
        let edit: Edit = Box::new(move |record| {
            record.tokens = Some(TokenState { refused: Some(word.clone()), ..state.clone() });
        });
        if let Err(failed) = self.put(Action::Refresh, address, edit, Vec::new(), None).await {
            (self.tell)(Event::Note(format!("that was not noted: {}", failed.message)));
        }
    }

    /// Forgets the tokens.
    pub(super) async fn forget(&self, address: &Address, opened: &Opened) -> Result<(), Failed> {
        let parts = [ACCESS_TOKEN, REFRESH_TOKEN].into_iter();
        let parts = parts.filter(|name| opened.parts.contains_key(*name));
        let parts = parts.map(|name| (name.to_owned(), None)).collect();
        let edit: Edit = Box::new(|record| record.tokens = None);
        let overlap = overlap(opened.record.tokens.as_ref(), (self.clock)());
        self.put(Action::Revoke, address, edit, parts, Some(overlap)).await
    }

    /// Changes the record as it is now, and again if somebody else changed it meanwhile. What fails for
    /// another reason is tried for a while: there is no second copy of what is to be stored.
    async fn put(
        &self,
        action: Action,
        address: &Address,
        edit: Edit,
        parts: Vec<(String, Option<SecretSlice<u8>>)>,
        overlap: Option<Duration>,
    ) -> Result<(), Failed> {
        let mut change = RecordChange {
            public: None,
            parts,
            options: SetOptions { overlap, ..SetOptions::default() },
            must_be: MustBe::Present,
            expect: None,
            replaces: true,
        };
        let (registry, address) = (self.registry.clone(), address.clone());
        let (actor, allow_protected) = (self.actor.clone(), self.allow_protected);
        let tell = self.tell.clone();
        blocking(move || {
            let mut admin = registry.admin(actor);
            admin.allow_protected = allow_protected;
            let attempts = TRIED_FOR.as_millis() / PAUSE.as_millis();
            let mut failed = None;
            for attempt in 0..attempts {
                match attempt_to_put(&admin, action, &address, &edit, &mut change) {
                    Ok(is_ours) => return Ok(is_ours),
                    Err(error) if !may_pass(&error) => return Err(error),
                    Err(error) => {
                        if attempt == 0 {
                            let why = subrosa_engine::remedy::with_causes(&error);
                            tell(Event::Note(format!("storing is tried again: {why}")));
                        }
                        failed = Some(error);
                        std::thread::sleep(PAUSE);
                    }
                }
            }
            failed.map_or(Ok(true), Err)
        })
        .await
        .and_then(|is_ours| if is_ours { Ok(()) } else { Err(outcome::newer()) })
    }
}

/// Changes it once; `false`: a newer version has written it, so that nothing may be lost of it.
fn attempt_to_put(
    admin: &Admin<'_>,
    action: Action,
    address: &Address,
    edit: &Edit,
    change: &mut RecordChange,
) -> Result<bool, RegistryError> {
    let mut turns = 0;
    loop {
        let found = admin.record(address)?;
        let Some(mut record) = Record::parse(&found.public) else { return Ok(false) };
        edit(&mut record);
        change.public = Some(record.to_text());
        change.expect = found.info.version;
        match admin.put_record(action, address, change) {
            Err(RegistryError::Changed { .. }) if turns < TURNS_MAX => turns += 1,
            result => return result.map(|_| true),
        }
    }
}

/// Whether storing may go well in a while.
fn may_pass(error: &RegistryError) -> bool {
    match error {
        RegistryError::File(_) | RegistryError::Audit { .. } | RegistryError::Changed { .. } => {
            true
        }
        // The change is there; only whether it outlives a power cut is open.
        RegistryError::Unconfirmed { .. } => false,
        _ => false,
    }
}

/// For how long the token that was exchanged is still masked: others may have it until it ends.
fn overlap(before: Option<&TokenState>, now: SystemTime) -> Duration {
    let ends =
        before.and_then(|state| state.expires).map(|at| UNIX_EPOCH + Duration::from_secs(at));
    let left = ends.map(|ends| ends.duration_since(now).unwrap_or_default());
    left.unwrap_or(OVERLAP_MAX).clamp(OVERLAP_MIN, OVERLAP_MAX)
}

#[expect(clippy::disallowed_methods, reason = "the registry has a type of its own for plaintext")]
fn sealed(value: &SecretValue) -> SecretSlice<u8> {
    SecretSlice::from(value.expose().to_vec())
}
