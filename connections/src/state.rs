//! How a connection stands, from what may be read of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use subrosa_registry::RecordInfo;

use crate::form::{Current, Filled, missing};
use crate::kind::{Auth, ConnectionType};
use crate::record::{ACCESS_TOKEN, Record, TokenState};

/// How long before its end a connection is told of.
pub const WARNING: Duration = Duration::from_secs(7 * 86_400);
const DAY_S: u64 = 86_400;
/// The last second of the year 9999: later ones cannot be written.
const LATEST_S: u64 = 253_402_300_799;

/// How a connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It may not be used.
    Disabled,
    /// Nobody declares its type here.
    UnknownType,
    /// Fields that its type requires have no value.
    Incomplete(Vec<String>),
    /// Nobody has granted access yet.
    NotAuthorized,
    /// The service refuses to exchange its tokens, with this word.
    Refused(String),
    /// It came to its end.
    Expired(SystemTime),
    /// It will come to its end soon, unless somebody does something.
    ExpiresSoon(SystemTime),
    /// It can be used.
    Ready,
}

impl State {
    /// The state of a record.
    pub fn of(seen: &Seen<'_>, now: SystemTime) -> State {
        let Some(kind) = seen.kind else {
            return if seen.info.info.is_disabled { State::Disabled } else { State::UnknownType };
        };
        if seen.info.info.is_disabled {
            return State::Disabled;
        }
        let missing = missing(kind, &seen.current(), &Filled::default());
        if !missing.is_empty() {
            return State::Incomplete(missing.iter().map(|field| field.name.clone()).collect());
        }
        if kind.auth == Auth::OAuth2 {
            let has_token = seen.info.parts.iter().any(|part| part.name == ACCESS_TOKEN);
            match &seen.record.tokens {
                Some(tokens) if has_token => {
                    if let Some(word) = &tokens.refused {
                        return State::Refused(word.clone());
                    }
                }
                _ => return State::NotAuthorized,
            }
        }
        match seen.end() {
            Some(end) if end <= now => State::Expired(end),
            Some(end) if end <= now + WARNING => State::ExpiresSoon(end),
            _ => State::Ready,
        }
    }

    /// The word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            State::Disabled => "disabled",
            State::UnknownType => "unknown_type",
            State::Incomplete(_) => "incomplete",
            State::NotAuthorized => "not_authorized",
            State::Refused(_) => "refused",
            State::Expired(_) => "expired",
            State::ExpiresSoon(_) => "expires_soon",
            State::Ready => "ready",
        }
    }

    /// The words for people.
    pub fn words(&self, now: SystemTime) -> String {
        match self {
            State::Disabled => "disabled".to_owned(),
            State::UnknownType => "unknown type".to_owned(),
            State::Incomplete(_) => "incomplete".to_owned(),
            State::NotAuthorized => "not authorized".to_owned(),
            State::Refused(_) => "refused".to_owned(),
            State::Expired(_) => "expired".to_owned(),
            State::ExpiresSoon(end) => format!("expires {}", within(*end, now)),
            State::Ready => "ready".to_owned(),
        }
    }

    /// Whether somebody has to do something. What is disabled is as somebody wants it.
    pub fn needs_somebody(&self) -> bool {
        !matches!(self, State::Disabled | State::Ready)
    }
}

/// `in 3 days`, `in 5 hours`, `within the hour`.
fn within(end: SystemTime, now: SystemTime) -> String {
    let left_s = end.duration_since(now).unwrap_or_default().as_secs();
    match (left_s / DAY_S, left_s / 3600) {
        (0, 0) => "within the hour".to_owned(),
        (0, 1) => "in 1 hour".to_owned(),
        (0, hours) => format!("in {hours} hours"),
        (1, _) => "in 1 day".to_owned(),
        (days, _) => format!("in {days} days"),
    }
}

/// What may be read of a connection, with its type.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// What the registry shows.
    pub info: &'a RecordInfo,
    /// What its text says.
    pub record: &'a Record,
    /// Its type, if somebody declares it here.
    pub kind: Option<&'a ConnectionType>,
}

impl Seen<'_> {
    /// The fields that are set.
    pub fn current(&self) -> Current {
        let parts = self.info.parts.iter();
        let secret: BTreeMap<String, u64> =
            parts.map(|part| (part.name.clone(), part.version)).collect();
        Current { public: self.record.fields.clone(), secret }
    }

    /// When it cannot be used any more unless a person does something; `None`: never, as far as is known.
    pub fn end(&self) -> Option<SystemTime> {
        // Where the client's own credentials are exchanged, tokens come without anybody.
        let has_grant = self.kind.is_some_and(|kind| kind.auth == Auth::OAuth2);
        let tokens = self.record.tokens.as_ref().filter(|_| has_grant);
        let granted = tokens.and_then(grant_end);
        [granted, self.info.info.expires].into_iter().flatten().min()
    }
}

/// When a grant ends, whatever is refreshed.
fn grant_end(tokens: &TokenState) -> Option<SystemTime> {
    let end = if tokens.can_refresh { tokens.grant_expires } else { tokens.expires };
    end.map(moment)
}

/// A moment that a record has in seconds. One that is out of reach is as good as the last.
pub fn moment(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(LATEST_S))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use subrosa_registry::{Address, PartInfo, RecordInfo, Scope, SecretInfo, SecretRef};

    use super::{Seen, State, within};
    use crate::form::tests::kind;
    use crate::kind::Auth;
    use crate::record::{ACCESS_TOKEN, Record, TokenState};

    const NOW_S: u64 = 1_800_000_000;
    const DAY_S: u64 = 86_400;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW_S)
    }

    fn info(parts: &[&str]) -> RecordInfo {
        let part = |name: &&str| PartInfo { name: (*name).to_owned(), version: 1, created: now() };
        let info = SecretInfo {
            address: Address {
                reference: SecretRef::connection(&SecretRef::parse("a").unwrap()),
                scope: Scope::default(),
            },
            version: Some(1),
            is_disabled: false,
            description: String::new(),
            created: now(),
            updated: now(),
            expires: None,
            max_age_s: None,
            keep: None,
            versions: Vec::new(),
            last_used: None,
        };
        RecordInfo { info, public: String::new(), parts: parts.iter().map(part).collect() }
    }

    fn record(tokens: Option<TokenState>) -> Record {
        let fields = [("base_url".to_owned(), "https://a".to_owned())].into();
        Record { kind: "sample_kind".to_owned(), fields, tokens }
    }

    #[test]
    fn a_connection_is_ready_once_all_that_is_required_is_there() {
        let kind = kind();
        let state = |info: &RecordInfo, record: &Record, is_known: bool| {
            let seen = Seen { info, record, kind: is_known.then_some(&kind) };
            State::of(&seen, now())
        };
        let full = info(&["api_token"]);
        assert_eq!(state(&full, &record(None), true), State::Ready);
        assert_eq!(state(&full, &record(None), false), State::UnknownType);
        let incomplete = State::Incomplete(vec!["api_token".to_owned()]);
        assert_eq!(state(&info(&[]), &record(None), true), incomplete);
        let mut disabled = full.clone();
        disabled.info.is_disabled = true;
        assert_eq!(state(&disabled, &record(None), true), State::Disabled);
        assert_eq!(state(&disabled, &record(None), false), State::Disabled);
        let mut old = full;
        old.info.expires = Some(now());
        assert_eq!(state(&old, &record(None), true), State::Expired(now()));
    }

    #[test]
    fn a_grant_has_an_end_that_refreshing_may_put_off() {
        let granted = kind();
        let granted = crate::kind::ConnectionType { auth: Auth::OAuth2, ..granted };
        let check = |tokens: Option<TokenState>, parts: &[&str], word: &str| {
            let (info, record) = (info(parts), record(tokens));
            let seen = Seen { info: &info, record: &record, kind: Some(&granted) };
            assert_eq!(State::of(&seen, now()).word(), word);
        };
        let tokens = |expires: Option<u64>, can_refresh: bool, grant: Option<u64>| {
            let (expires, grant_expires) = (expires, grant);
            Some(TokenState { expires, can_refresh, grant_expires, ..TokenState::default() })
        };
        let both = ["api_token", ACCESS_TOKEN];
        check(None, &both[..1], "not_authorized");
        check(tokens(None, false, None), &both[..1], "not_authorized");
        check(tokens(None, false, None), &both, "ready");
        check(tokens(Some(NOW_S), false, None), &both, "expired");
        check(tokens(Some(NOW_S), true, None), &both, "ready");
        check(tokens(Some(NOW_S + 7 * DAY_S), false, None), &both, "expires_soon");
        check(tokens(Some(NOW_S + 7 * DAY_S + 1), false, None), &both, "ready");
        check(tokens(Some(NOW_S), true, Some(NOW_S + DAY_S)), &both, "expires_soon");
        check(tokens(Some(u64::MAX), false, None), &both, "ready");
        let refused = TokenState { refused: Some("invalid_grant".into()), ..TokenState::default() };
        check(Some(refused), &both, "refused");
    }

    #[test]
    fn the_time_that_is_left_reads_like_speech() {
        let check = |seconds: u64, expected: &str| {
            assert_eq!(within(now() + Duration::from_secs(seconds), now()), expected);
        };
        check(59 * 60, "within the hour");
        check(3600, "in 1 hour");
        check(DAY_S, "in 1 day");
        check(3 * DAY_S + 5, "in 3 days");
    }
}
