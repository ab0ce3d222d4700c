//! A person grants access with a code on another device (RFC 8628).

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_engine::secret::SecretValue;
use subrosa_http::{Answer, Url};
use tokio::time::{Instant, sleep};

use crate::kind::ClientAuth;
use crate::oauth::flow::{complaint, refusal};
use crate::oauth::form::Form;
use crate::oauth::tokens::{is_plain, seconds, token};
use crate::oauth::{DeviceCode, Endpoint, ErrorWord, Flow, OAuthError, Tokens, Ui, json};

/// The standard's pause between questions, where the server says none.
const PAUSE: Duration = Duration::from_secs(5);

/// The shortest and the longest pause.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long a code is waited for, whatever the server says.
const LASTS_MAX: Duration = Duration::from_secs(30 * 60);

/// Characters that a code for people may have.
const CODE_LEN_MAX: usize = 64;

/// What the server gives to a device.
struct Offer {
    device_code: SecretValue,
    code: String,
    page: Url,
    page_with_code: Option<Url>,
    lasts: Duration,
    pause: Duration,
}

#[derive(Deserialize)]
struct Offered<'a> {
    #[serde(borrow)]
    device_code: &'a RawValue,
    #[serde(borrow)]
    user_code: &'a RawValue,
    #[serde(borrow)]
    verification_uri: Option<&'a RawValue>,
    /// What Google calls it.
    #[serde(borrow)]
    verification_url: Option<&'a RawValue>,
    #[serde(borrow)]
    verification_uri_complete: Option<&'a RawValue>,
    #[serde(borrow)]
    expires_in: Option<&'a RawValue>,
    #[serde(borrow)]
    interval: Option<&'a RawValue>,
}

impl Flow<'_> {
    /// Asks a person with a code, which is given to `ui`.
    ///
    /// # Errors
    /// [`OAuthError`]
    pub async fn device(&self, scopes: &[String], ui: &dyn Ui) -> Result<Tokens, OAuthError> {
        let endpoint =
            self.endpoints.device.as_ref().ok_or(OAuthError::NoEndpoint("device_url"))?;
        let offer = self.offer(endpoint, scopes).await?;
        // From before it is shown: what comes later than the end is not waited for.
        let end = Instant::now() + offer.lasts;
        ui.enter(&DeviceCode {
            code: &offer.code,
            page: &offer.page,
            page_with_code: offer.page_with_code.as_ref(),
            lasts: offer.lasts,
        });
        let mut pause = offer.pause;
        loop {
            if Instant::now() + pause >= end {
                return Err(OAuthError::CodeExpired);
            }
            sleep(pause).await;
            match self.poll(&offer.device_code, scopes).await {
                Ok(tokens) => return Ok(tokens),
                Err(error) => pause = next_pause(pause, error)?,
            }
        }
    }

    async fn offer(&self, endpoint: &Endpoint, scopes: &[String]) -> Result<Offer, OAuthError> {
        let mut form = Form::of(&[]);
        self.ask_for(scopes, &mut form)?;
        // Even a client that shows who it is has to say it here (RFC 8628, 3.1); in the body, it already
        // does.
        let has_said = self.client.secret.is_none() || self.client.auth == ClientAuth::Body;
        if !has_said {
            form.extend(&[("client_id", self.client.id.as_bytes())]);
        }
        let answer = self.post(endpoint, Some(self.client), form).await?;
        read(endpoint, &answer)
    }

    #[expect(clippy::disallowed_methods, reason = "the code is sent to the server it is of")]
    async fn poll(&self, code: &SecretValue, scopes: &[String]) -> Result<Tokens, OAuthError> {
        let form = Form::of(&[
            ("grant_type", b"urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", code.expose()),
        ]);
        self.granted(Some(self.client), form, scopes).await
    }
}

fn read(endpoint: &Endpoint, answer: &Answer) -> Result<Offer, OAuthError> {
    let server = endpoint.server();
    if !answer.status.is_success() {
        return Err(refusal(endpoint, answer));
    }
    if let Some(word) = complaint(&answer.body) {
        return Err(OAuthError::Refused { server, status: answer.status.as_u16(), word });
    }
    offer(&answer.body).ok_or(OAuthError::Malformed { server, what: "code for a device" })
}

fn offer(body: &[u8]) -> Option<Offer> {
    let offered: Offered<'_> = json::object(body)?;
    // Both are shown on a terminal.
    let code = json::public(offered.user_code)?;
    if code.is_empty() || code.len() > CODE_LEN_MAX || !is_plain(&code) {
        return None;
    }
    Some(Offer {
        device_code: token(offered.device_code)?,
        code,
        page: page(offered.verification_uri.or(offered.verification_url)?)?,
        page_with_code: offered.verification_uri_complete.and_then(page),
        lasts: offered.expires_in.and_then(seconds).unwrap_or(LASTS_MAX).min(LASTS_MAX),
        pause: offered.interval.and_then(seconds).unwrap_or(PAUSE).clamp(PAUSE_MIN, PAUSE_MAX),
    })
}

/// A page that a person may be sent to.
fn page(raw: &RawValue) -> Option<Url> {
    Endpoint::parse(&json::public(raw)?).ok().map(|endpoint| endpoint.url().clone())
}

/// How long to wait before the next question, if there is to be one.
fn next_pause(pause: Duration, error: OAuthError) -> Result<Duration, OAuthError> {
    let next = match &error {
        OAuthError::Refused { server, word: Some(word), .. } => match word {
            ErrorWord::AuthorizationPending => pause,
            ErrorWord::SlowDown => pause + PAUSE,
            ErrorWord::ExpiredToken => return Err(OAuthError::CodeExpired),
            ErrorWord::AccessDenied => {
                return Err(OAuthError::Denied { server: server.clone(), word: Some(*word) });
            }
            word if word.is_retryable() => pause * 2,
            _ => return Err(error),
        },
        error if error.is_retryable() => error.retry_after().unwrap_or_default().max(pause * 2),
        _ => return Err(error),
    };
    Ok(next.min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use subrosa_http::Fault;

    use super::{next_pause, offer};
    use crate::oauth::{ErrorWord, OAuthError};

    fn server() -> String {
        "https://id.example".to_owned()
    }

    fn refused(word: ErrorWord) -> OAuthError {
        OAuthError::Refused { server: server(), status: 400, word: Some(word) }
    }

    fn check(seconds: u64, error: OAuthError, expected: Result<u64, OAuthError>) {
        let found = next_pause(Duration::from_secs(seconds), error);
        assert_eq!(found.map(|pause| pause.as_secs()), expected);
    }

    #[test]
    fn the_pause_keeps_grows_or_ends() {
        check(5, refused(ErrorWord::AuthorizationPending), Ok(5));
        check(5, refused(ErrorWord::SlowDown), Ok(10));
        check(58, refused(ErrorWord::SlowDown), Ok(60));
        check(5, refused(ErrorWord::ServerError), Ok(10));
        check(5, refused(ErrorWord::ExpiredToken), Err(OAuthError::CodeExpired));
        let word = Some(ErrorWord::AccessDenied);
        let denied = OAuthError::Denied { server: server(), word };
        check(5, refused(ErrorWord::AccessDenied), Err(denied));
        check(5, refused(ErrorWord::InvalidGrant), Err(refused(ErrorWord::InvalidGrant)));
        let unanswered = |fault| OAuthError::Unanswered { server: server(), fault };
        check(5, unanswered(Fault::TimedOut), Ok(10));
        check(5, unanswered(Fault::NotHttp), Err(unanswered(Fault::NotHttp)));
        let busy = |retry_after| OAuthError::Busy { server: server(), status: 503, retry_after };
        check(5, busy(None), Ok(10));
        check(5, busy(Some(Duration::from_secs(30))), Ok(30));
        check(5, busy(Some(Duration::from_secs(3600))), Ok(60));
    }

    /// Code, page, page with code, seconds it lasts, seconds between questions.
    fn shown(body: &str) -> Option<(String, String, Option<String>, u64, u64)> {
        let offer = offer(body.as_bytes())?;
        let complete = offer.page_with_code.map(|url| url.to_string());
        let times = (offer.lasts.as_secs(), offer.pause.as_secs());
        Some((offer.code, offer.page.to_string(), complete, times.0, times.1))
    }

    #[test]
    fn an_offer_is_bounded_and_can_be_shown() {
        let body = r#"{"device_code":"d","user_code":"AB-12","verification_uri":"https://h/d",
            "verification_uri_complete":"https://h/d?c=AB-12","expires_in":600,"interval":7}"#;
        let complete = Some("https://h/d?c=AB-12".to_owned());
        let expected = ("AB-12".to_owned(), "https://h/d".to_owned(), complete, 600, 7);
        assert_eq!(shown(body), Some(expected));
        let body = r#"{"device_code":"d","user_code":"A","verification_url":"https://h/d",
            "verification_uri_complete":"javascript:x","expires_in":99999,"interval":0}"#;
        let expected = ("A".to_owned(), "https://h/d".to_owned(), None, 1800, 1);
        assert_eq!(shown(body), Some(expected));
        let body = |code: &str, page: &str| {
            let code = serde_json::to_string(code).unwrap();
            format!(r#"{{"device_code":"d","user_code":{code},"verification_uri":"{page}"}}"#)
        };
        assert_eq!(
            shown(&body("A", "https://h/")).map(|shown| (shown.3, shown.4)),
            Some((1800, 5))
        );
        for (code, page) in [
            ("", "https://h/"),
            ("\u{1b}[2J", "https://h/"),
            ("ä", "https://h/"),
            ("A", "http://h/"),
            ("A", "javascript:alert(1)"),
            ("A", "h"),
        ] {
            assert_eq!(shown(&body(code, page)), None, "{code:?} {page}");
        }
        assert_eq!(shown(&body(&"A".repeat(65), "https://h/")), None);
        assert_eq!(shown("{}"), None);
    }
}
