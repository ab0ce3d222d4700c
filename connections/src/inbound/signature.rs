//! Signatures over the body of a call, as services make them: an HMAC with SHA-256, or a token.

use std::time::{Duration, SystemTime};

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subrosa_engine::secret::SecretValue;
use subrosa_engine::workflow::SignatureScheme;
use zeroize::Zeroizing;

use super::{NotAdmitted, is_same};

/// Signatures that are looked at; services show two while a secret is replaced.
const SIGNATURES_MAX: usize = 16;

/// What of a call may be signed, and the signature: names in lower case.
pub trait Headers {
    /// The value of a header.
    fn header(&self, name: &str) -> Option<&str>;
}

impl Headers for std::collections::BTreeMap<String, String> {
    fn header(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

/// A call whose signature is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What is the same if the call is sent once more; `None`: the scheme has nothing like it.
    pub id: Option<String>,
}

/// The parts of a signed call.
struct Signed<'a> {
    /// What was signed, in this order.
    parts: Vec<&'a [u8]>,
    /// Signatures; one of them has to be right.
    signatures: Vec<Vec<u8>>,
    /// When it was signed, in seconds since 1970.
    time: Option<u64>,
    /// What is signed and names the call; `None`: its signature names it.
    id: Option<String>,
}

/// Makes sure that a caller has signed a body with a secret, and lately.
///
/// # Errors
/// [`NotAdmitted`].
pub fn verify(
    scheme: SignatureScheme,
    secret: &SecretValue,
    (headers, body): (&dyn Headers, &[u8]),
    (now, within): (SystemTime, Duration),
) -> Result<Delivery, NotAdmitted> {
    let signed = match scheme {
        SignatureScheme::Gitlab => return token(secret, headers),
        SignatureScheme::Github => github(headers, body)?,
        SignatureScheme::Slack => slack(headers, body)?,
        SignatureScheme::Standard => standard(headers, body)?,
        SignatureScheme::Stripe => stripe(headers, body)?,
    };
    let key = key(scheme, secret);
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return Err(NotAdmitted::Wrong) };
    signed.parts.iter().for_each(|part| mac.update(part));
    // Made once, however many are shown.
    let expected = mac.finalize().into_bytes();
    let shown = signed.signatures.iter().take(SIGNATURES_MAX);
    // All are looked at: which one was right does not show in the time.
    let right = shown.filter(|signature| is_same(signature, &expected)).count();
    if right == 0 || key.is_empty() {
        return Err(NotAdmitted::Wrong);
    }
    if let Some(time) = signed.time {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if now.abs_diff(time) > within.as_secs() {
            return Err(NotAdmitted::TooOld);
        }
    }
    // Not as it was shown: the same call can be written in many ways, and is to have one name.
    Ok(Delivery { id: Some(signed.id.unwrap_or_else(|| HEXLOWER.encode(&expected))) })
}

/// The bytes of a secret; Standard Webhooks write them as base64 behind a word.
#[expect(clippy::disallowed_methods, reason = "the HMAC is keyed with it")]
fn key(scheme: SignatureScheme, secret: &SecretValue) -> Zeroizing<Vec<u8>> {
    let text = secret.expose().trim_ascii();
    if scheme == SignatureScheme::Standard
        && let Some(encoded) = text.strip_prefix(b"whsec_")
        && let Ok(bytes) = BASE64.decode(encoded)
    {
        return Zeroizing::new(bytes);
    }
    Zeroizing::new(text.to_vec())
}

#[expect(clippy::disallowed_methods, reason = "compared with what the caller shows")]
fn token(secret: &SecretValue, headers: &dyn Headers) -> Result<Delivery, NotAdmitted> {
    let shown = header(headers, "x-gitlab-token", "`X-Gitlab-Token`")?;
    match is_same(shown.as_bytes(), secret.expose().trim_ascii()) {
        // Nothing of the call is signed, so nothing tells whether it is the same.
        true => Ok(Delivery { id: None }),
        false => Err(NotAdmitted::Wrong),
    }
}

fn github<'a>(headers: &'a dyn Headers, body: &'a [u8]) -> Result<Signed<'a>, NotAdmitted> {
    let shown = header(headers, "x-hub-signature-256", "`X-Hub-Signature-256`")?;
    let signatures = hex(shown.strip_prefix("sha256=")).into_iter().collect();
    Ok(Signed { parts: vec![body], signatures, time: None, id: None })
}

fn slack<'a>(headers: &'a dyn Headers, body: &'a [u8]) -> Result<Signed<'a>, NotAdmitted> {
    let shown = header(headers, "x-slack-signature", "`X-Slack-Signature`")?;
    let stamp = header(headers, "x-slack-request-timestamp", "`X-Slack-Request-Timestamp`")?;
    Ok(Signed {
        parts: vec![b"v0:", stamp.as_bytes(), b":", body],
        signatures: hex(shown.strip_prefix("v0=")).into_iter().collect(),
        time: Some(seconds(stamp)?),
        id: None,
    })
}

fn standard<'a>(headers: &'a dyn Headers, body: &'a [u8]) -> Result<Signed<'a>, NotAdmitted> {
    let shown = header(headers, "webhook-signature", "`webhook-signature`")?;
    let stamp = header(headers, "webhook-timestamp", "`webhook-timestamp`")?;
    let id = header(headers, "webhook-id", "`webhook-id`")?;
    let versions = shown.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    Ok(Signed {
        parts: vec![id.as_bytes(), b".", stamp.as_bytes(), b".", body],
        signatures: versions.filter_map(|one| BASE64.decode(one.as_bytes()).ok()).collect(),
        time: Some(seconds(stamp)?),
        id: Some(id.to_owned()),
    })
}

fn stripe<'a>(headers: &'a dyn Headers, body: &'a [u8]) -> Result<Signed<'a>, NotAdmitted> {
    let shown = header(headers, "stripe-signature", "`Stripe-Signature`")?;
    let pairs = || shown.split(',').filter_map(|pair| pair.trim().split_once('='));
    let stamp = pairs().find(|(name, _)| *name == "t").map(|(_, time)| time);
    let stamp = stamp.ok_or(NotAdmitted::Wrong)?;
    let versions = pairs().filter(|(name, _)| *name == "v1");
    Ok(Signed {
        parts: vec![stamp.as_bytes(), b".", body],
        signatures: versions.filter_map(|(_, text)| hex(Some(text))).collect(),
        time: Some(seconds(stamp)?),
        id: None,
    })
}

fn header<'a>(
    headers: &'a dyn Headers,
    name: &str,
    shown: &'static str,
) -> Result<&'a str, NotAdmitted> {
    headers.header(name).ok_or(NotAdmitted::Missing(shown))
}

fn hex(text: Option<&str>) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text?.as_bytes()).ok()
}

fn seconds(text: &str) -> Result<u64, NotAdmitted> {
    text.parse().map_err(|_| NotAdmitted::Wrong)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, SystemTime};

    use subrosa_engine::secret::SecretValue;
    use subrosa_engine::workflow::SignatureScheme::{
        self, Github, Gitlab, Slack, Standard, Stripe,
    };

    use super::super::NotAdmitted::{self, Missing, TooOld, Wrong};
    use super::verify;

    const WITHIN: Duration = Duration::from_secs(300);

    /// A call as a service documents it, with its secret and the time of its signature.
    struct Call {
        scheme: SignatureScheme,
        secret: &'static str,
        headers: &'static [(&'static str, &'static str)],
        body: &'static str,
        time: u64,
    }

    /// From "Validating webhook deliveries" of GitHub.
    const GITHUB: Call = Call {
        scheme: Github,
        secret: "It's a Secret to Everybody",
        headers: &[(
            "x-hub-signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        )],
        body: "Hello, World!",
        time: 0,
    };

    /// From "Verifying requests from Slack".
    const SLACK: Call = Call {
        scheme: Slack,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        headers: &[
            (
                "x-slack-signature",
                "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            ),
            ("x-slack-request-timestamp", "1531420618"),
        ],
        body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
               &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
               &command=%2Fwebhook-collect&text=\
               &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554\
               %2F96rGlfmibIGlgcZRskXaIFfN\
               &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        time: 1_531_420_618,
    };

    /// From the specification of Standard Webhooks.
    const STANDARD: Call = Call {
        scheme: Standard,
        secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers: &[
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,b3RoZXI= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ],
        body: r#"{"test": 2432232314}"#,
        time: 1_614_265_330,
    };

    impl Call {
        fn verify(
            &self,
            at: u64,
            change: impl Fn(&mut BTreeMap<String, String>, &mut String),
        ) -> Result<(), NotAdmitted> {
            let pairs = self.headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            let (mut headers, mut body) = (pairs.collect(), self.body.to_owned());
            change(&mut headers, &mut body);
            let secret = SecretValue::new(self.secret.as_bytes().to_vec());
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
            verify(self.scheme, &secret, (&headers, body.as_bytes()), (now, WITHIN)).map(drop)
        }
    }

    #[test]
    fn calls_as_services_document_them_are_let_in() {
        for call in [GITHUB, SLACK, STANDARD] {
            assert_eq!(call.verify(call.time, |_, _| {}), Ok(()), "{:?}", call.scheme);
        }
    }

    #[test]
    fn a_change_of_any_part_is_noticed() {
        for call in [GITHUB, SLACK, STANDARD] {
            assert_eq!(call.verify(call.time, |_, body| body.push(' ')), Err(Wrong));
            for (name, _) in call.headers {
                let gone = call.verify(call.time, |headers, _| drop(headers.remove(*name)));
                assert!(matches!(gone, Err(Missing(_))), "{name}");
                let other = |headers: &mut BTreeMap<String, String>, _: &mut String| {
                    headers.insert((*name).to_owned(), "1531420619".to_owned());
                };
                assert_eq!(call.verify(call.time, other), Err(Wrong), "{name}");
            }
        }
    }

    #[test]
    fn a_signed_time_is_good_for_a_while() {
        for call in [SLACK, STANDARD] {
            for (at, expected) in [
                (call.time + 300, Ok(())),
                (call.time - 300, Ok(())),
                (call.time + 301, Err(TooOld)),
                (call.time - 301, Err(TooOld)),
            ] {
                assert_eq!(call.verify(at, |_, _| {}), expected);
            }
        }
    }

    /// Made with `printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_test`.
    #[test]
    fn stripe_signs_time_and_body_and_may_sign_twice() {
        let call = |signature: &'static str| {
            let headers = BTreeMap::from([("stripe-signature".to_owned(), signature.to_owned())]);
            let secret = SecretValue::new(b"whsec_test".to_vec());
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_010);
            verify(Stripe, &secret, (&headers, b"{}"), (now, WITHIN)).map(drop)
        };
        const RIGHT: &str = "35495024f4ef3f94e5a93e22221544c4b75e9a42300cd965ab81cb85cd994e91";
        let leaked = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        assert_eq!(call(leaked(format!("t=1700000000,v1={RIGHT}"))), Ok(()));
        assert_eq!(call(leaked(format!("t=1700000000,v1=00,v1={RIGHT},v0=x"))), Ok(()));
        assert_eq!(call(leaked(format!("t=1700000001,v1={RIGHT}"))), Err(Wrong));
        assert_eq!(call(leaked(format!("v1={RIGHT}"))), Err(Wrong));
        assert_eq!(call("t=1700000000"), Err(Wrong));
    }

    #[test]
    fn the_same_call_has_one_name_however_it_is_written() {
        let id = |scheme, headers: &[(&str, &str)], (secret, body, at): (&str, &str, u64)| {
            let pairs = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            let headers: BTreeMap<String, String> = pairs.collect();
            let secret = SecretValue::new(secret.as_bytes().to_vec());
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
            verify(scheme, &secret, (&headers, body.as_bytes()), (now, WITHIN)).unwrap().id.unwrap()
        };
        for call in [GITHUB, SLACK] {
            let about = (call.secret, call.body, call.time);
            let (name, shown) = call.headers[0];
            let (word, digits) = shown.split_at(shown.find('=').unwrap());
            let loud = format!("{word}{}", digits.to_uppercase());
            let loud: Vec<_> =
                std::iter::once((name, &*loud)).chain(call.headers[1..].to_vec()).collect();
            assert_eq!(id(call.scheme, call.headers, about), id(call.scheme, &loud, about));
        }
        const RIGHT: &str = "35495024f4ef3f94e5a93e22221544c4b75e9a42300cd965ab81cb85cd994e91";
        let stripe = |shown: &str| {
            let about = ("whsec_test", "{}", 1_700_000_010);
            id(Stripe, &[("stripe-signature", shown)], about)
        };
        let plain = stripe(&format!("t=1700000000,v1={RIGHT}"));
        for other in ["t=1700000000, v1=R", "v1=R,t=1700000000", "t=1700000000,v1=00,v1=R,v0=x"] {
            assert_eq!(stripe(&other.replace('R', RIGHT)), plain, "{other}");
        }
    }

    #[test]
    fn more_signatures_than_a_service_shows_are_not_looked_at() {
        let check = |wrong: usize, expected: Result<(), NotAdmitted>| {
            let change = |headers: &mut BTreeMap<String, String>, _: &mut String| {
                let shown = format!(
                    "{}v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                    "v1,b3RoZXI= ".repeat(wrong)
                );
                headers.insert("webhook-signature".to_owned(), shown);
            };
            assert_eq!(STANDARD.verify(STANDARD.time, change), expected, "{wrong}");
        };
        check(15, Ok(()));
        check(16, Err(Wrong));
    }

    #[test]
    fn gitlab_shows_the_secret_itself() {
        let call = |shown: Option<&str>| {
            let shown = shown.map(|shown| ("x-gitlab-token".to_owned(), shown.to_owned()));
            let headers: BTreeMap<String, String> = shown.into_iter().collect();
            let secret = SecretValue::new(b"hunter2\n".to_vec());
            verify(Gitlab, &secret, (&headers, b""), (SystemTime::UNIX_EPOCH, WITHIN)).map(drop)
        };
        assert_eq!(call(Some("hunter2")), Ok(()));
        assert_eq!(call(Some("hunter")), Err(Wrong));
        assert_eq!(call(Some("")), Err(Wrong));
        assert_eq!(call(None), Err(Missing("`X-Gitlab-Token`")));
    }

    #[test]
    fn an_empty_secret_lets_nobody_in() {
        let empty = Call { secret: "", ..GITHUB };
        assert_eq!(empty.verify(0, |_, _| {}), Err(Wrong));
    }
}
