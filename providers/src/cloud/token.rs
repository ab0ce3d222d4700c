//! Tokens of clouds: asked for by one for all, and again shortly before they end.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind, Retry};
use subrosa_engine::secret::SecretValue;

use super::{header, text, unauthenticated};
use crate::http::Answer;
use crate::once::Once;
use crate::vault::json;

/// How long before its end a token is not used any more: clocks differ, and requests take their time.
const MARGIN: Duration = Duration::from_secs(225);

/// The longest life that is believed: a week.
const LIFE_S_MAX: u64 = 7 * 24 * 60 * 60;

/// A token.
pub(crate) struct Token {
    /// As it is sent.
    pub(crate) header: HeaderValue,
    /// Where it came from, in words.
    pub(crate) from: String,
    /// When to ask for another one; `None`: nobody said that it ends.
    renew_at: Option<SystemTime>,
}

/// The token of a login, whichever it is now.
pub(crate) struct Tokens {
    clock: fn() -> SystemTime,
    current: Once<(), Token>,
}

/// Whom a token was asked of.
pub(crate) struct Asked<'a> {
    /// The server, in words that may be shown.
    pub(crate) server: &'a str,
    /// For whom, in words.
    pub(crate) from: &'a str,
    /// What to do if there is none for us.
    pub(crate) help: &'a str,
    /// The time.
    pub(crate) now: SystemTime,
}

impl Tokens {
    /// None yet.
    pub(crate) fn new(clock: fn() -> SystemTime) -> Tokens {
        Tokens { clock, current: Once::default() }
    }

    /// The time.
    pub(crate) fn now(&self) -> SystemTime {
        (self.clock)()
    }

    /// The token; got by `ask` if there is none, or it ends soon.
    ///
    /// # Errors
    /// What asking failed with.
    pub(crate) async fn get(
        &self,
        ask: impl Future<Output = Result<Token, ProviderError>> + Send,
    ) -> Result<std::sync::Arc<Token>, ProviderError> {
        let is_good = |token: &Token| token.renew_at.is_none_or(|at| self.now() < at);
        self.current.of_while((), is_good, ask).await
    }
}

impl Token {
    /// Reads the answer of whoever gives tokens: `access_token`, and when it ends.
    pub(crate) fn parse(body: &[u8], from: &str, now: SystemTime) -> Option<Token> {
        // Lives are numbers, or texts of numbers.
        #[derive(Deserialize)]
        struct Granted<'a> {
            #[serde(borrow, alias = "accessToken")]
            access_token: &'a RawValue,
            #[serde(borrow, default)]
            expires_in: Option<&'a RawValue>,
            #[serde(borrow, default)]
            expires_on: Option<&'a RawValue>,
        }
        let granted: Granted<'_> = serde_json::from_slice(body).ok()?;
        let seconds = |raw: Option<&RawValue>| text(&json::text(raw?)?)?.parse::<u64>().ok();
        let since = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let until = || Some(seconds(granted.expires_on)?.saturating_sub(since));
        let life = seconds(granted.expires_in).or_else(until);
        Some(Token {
            header: header("Bearer ", &bearer(granted.access_token)?)?,
            from: from.to_owned(),
            renew_at: life.map(|seconds| {
                let life = Duration::from_secs(seconds.min(LIFE_S_MAX));
                now + life.saturating_sub(MARGIN).max(life / 2)
            }),
        })
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// It gives no token.
    pub(crate) fn of(answer: &Answer, asked: &Asked<'_>) -> Result<Token, ProviderError> {
        let Asked { server, from, help, now } = *asked;
        match answer.status.as_u16() {
            200 => Token::parse(&answer.body, from, now).ok_or_else(|| {
                let message = format!("`{server}` gave something that is no token");
                ProviderError::new(ProviderErrorKind::Malformed, message)
            }),
            status @ (429 | 500..=599) => {
                let message = format!("`{server}` cannot answer now ({status})");
                Err(ProviderError::new(ProviderErrorKind::Unavailable, message)
                    .retry(answer.retry_after().map_or(Retry::Later, Retry::After)))
            }
            status => {
                let message = format!("`{server}` gives no token for {from} ({status})");
                Err(unauthenticated(message).help(help))
            }
        }
    }
}

fn bearer(raw: &RawValue) -> Option<SecretValue> {
    raw.get().starts_with('"').then(|| json::text(raw))?
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, SystemTime};

    use futures_util::future::join_all;

    use super::{Token, Tokens};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// How long after its coming a token is used.
    fn check(body: &str, expected: Option<u64>) {
        let token = Token::parse(body.as_bytes(), "it", at(1000)).unwrap();
        let used = token.renew_at.map(|at| at.duration_since(self::at(1000)).unwrap().as_secs());
        assert_eq!(used, expected, "{body}");
    }

    #[test]
    fn tokens_are_used_until_shortly_before_their_end() {
        check(r#"{"access_token":"t"}"#, None);
        check(r#"{"access_token":"t","expires_in":"soon"}"#, None);
        check(r#"{"access_token":"t","expires_in":3600}"#, Some(3375));
        check(r#"{"access_token":"t","expires_in":"3600"}"#, Some(3375));
        check(r#"{"accessToken":"t","expires_on":4600,"expiresOn":"then"}"#, Some(3375));
        check(r#"{"access_token":"t","expires_in":100}"#, Some(50));
        check(r#"{"access_token":"t","expires_on":"10"}"#, Some(0));
        check(r#"{"access_token":"t","expires_in":18446744073709551615}"#, Some(604_575));
    }

    #[test]
    fn what_no_header_can_hold_is_no_token() {
        for body in
            [r#"{"access_token":"a b"}"#, r#"{"access_token":""}"#, r#"{"access_token":{}}"#]
        {
            assert!(Token::parse(body.as_bytes(), "it", at(0)).is_none(), "{body}");
        }
    }

    static NOW: AtomicU64 = AtomicU64::new(0);

    #[tokio::test]
    async fn one_asks_for_all_and_again_when_it_ends() {
        let tokens = Tokens::new(|| at(NOW.load(Ordering::SeqCst)));
        let asked = AtomicU64::new(0);
        let ask = async || {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let body = br#"{"access_token":"t","expires_in":1000}"#;
            Ok(Token::parse(body, "it", tokens.now()).unwrap())
        };
        for (now, expected) in [(0, 1), (774, 1), (775, 2), (1549, 2), (1550, 3)] {
            NOW.store(now, Ordering::SeqCst);
            let got = join_all((0..20).map(|_| tokens.get(ask()))).await;
            assert!(got.iter().all(Result::is_ok));
            assert_eq!(asked.load(Ordering::SeqCst), expected, "{now}");
        }
    }
}
