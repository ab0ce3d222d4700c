//! Who may come in: users, sessions, tokens, and how a request shows whose it is.
//!
//! What is kept of a session, a token or a password is a digest; whoever reads the files cannot come in with
//! them. Decisions about what somebody may do are made in [`crate::access`].

pub(crate) mod admin;
mod caller;
pub(crate) mod cookie;
mod enter;
mod error;
mod form;
mod jwt;
pub(crate) mod openid;
mod own;
pub(crate) mod password;
#[cfg(test)]
mod role_tests;
mod seen;
pub(crate) mod session;
mod throttle;
pub(crate) mod token;
pub(crate) mod user;
mod watch;

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub(crate) use caller::{Caller, Via, identify};
pub(crate) use enter::enter_by_password;
pub(crate) use error::PeopleError;
pub(crate) use form::{Entry, Form};
pub(crate) use own::change_password;
pub(crate) use password::Passwords;
pub(crate) use session::{Arrival, SessionId, Sessions};
pub(crate) use user::{User, Users};

use crate::app::App;
use crate::problem::Problem;
use crate::settings::Settings;
use crate::shelf::{Document, Folder};

/// Everybody who may come in, and who is in.
pub(crate) struct People {
    _folder: Folder,
    users: Document<Users>,
    sessions: Document<Sessions>,
    tokens: Document<token::ApiTokens>,
    seen: seen::Seen,
    link: Mutex<Option<Link>>,
    /// Forms of who is not in yet are tied to it.
    entry_key: Token,
    pub(crate) passwords: Passwords,
    throttle: throttle::Throttle,
    clock: fn() -> SystemTime,
    /// How browsers reach us, if a proxy stands before us.
    public_origin: Option<String>,
    /// Whether browsers reach us over TLS: then cookies go over TLS alone.
    pub(crate) is_secure: bool,
}

/// What lets an admin in, once. It is printed, and logs are kept for long: so it is good for a while.
struct Link {
    token: Token,
    /// Seconds since 1970.
    until: u64,
}

/// 32 random bytes, as whoever holds them shows them.
pub(crate) struct Token(zeroize::Zeroizing<String>);

impl Token {
    /// A new one.
    pub(crate) fn random() -> Result<Token, PeopleError> {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|_| PeopleError::Randomness)?;
        Ok(Token(zeroize::Zeroizing::new(data_encoding::BASE64URL_NOPAD.encode(&*bytes))))
    }

    /// For whoever is to hold it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub(crate) fn digest(&self) -> String {
        digest(&self.0)
    }
}

/// What is kept of a token: it has 256 random bits, so a plain digest gives nothing away.
pub(crate) fn digest(text: &str) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(text.as_bytes()))
}

/// Whether two texts are the same, in a time that tells their lengths at most.
pub(crate) fn is_same(shown: &str, kept: &str) -> bool {
    shown.as_bytes().ct_eq(kept.as_bytes()).into()
}

/// What names something for good; it opens nothing.
fn random_id() -> Result<String, PeopleError> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes).map_err(|_| PeopleError::Randomness)?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

/// Does what blocks for the disk off the async threads, and says how it is told if it cannot be done.
pub(crate) async fn with<R: Send + 'static>(
    app: &App,
    act: impl FnOnce(&People) -> Result<R, PeopleError> + Send + 'static,
) -> Result<R, Problem> {
    let held = app.clone();
    let done = tokio::task::spawn_blocking(move || act(&held.people)).await;
    done.map_err(|_| Problem::broken("it was not finished"))?.map_err(|error| error.problem(app))
}

impl People {
    /// Reads what is kept in the data folder; one server at a time has it.
    pub(crate) fn open(settings: &Settings) -> Result<People, PeopleError> {
        let folder = Folder::take(&settings.data_dir.join("server"))?;
        let users = folder.document("users.json")?;
        let sessions = folder.document("sessions.json")?;
        let tokens = folder.document("tokens.json")?;
        let is_public = settings.public_url.as_ref();
        let is_secure =
            settings.tls.is_some() || is_public.and_then(|url| url.scheme_str()) == Some("https");
        let public_origin = is_public.map(|url| url.to_string().trim_end_matches('/').to_owned());
        Ok(People {
            _folder: folder,
            users,
            sessions,
            tokens,
            seen: seen::Seen::new(seconds((settings.clock)())),
            link: Mutex::new(None),
            entry_key: Token::random()?,
            passwords: Passwords::new()?,
            throttle: throttle::Throttle::default(),
            clock: settings.clock,
            public_origin,
            is_secure,
        })
    }

    /// Now, in seconds since 1970.
    fn now(&self) -> u64 {
        seconds((self.clock)())
    }

    /// Notes that a session or a token was used; `true`: it is time for [`People::write_seen`].
    fn note_seen(&self, name: &str) -> bool {
        self.seen.note(name, self.now())
    }

    /// Writes when sessions and tokens were last used.
    fn write_seen(&self) -> Result<(), PeopleError> {
        let (seen, now) = (self.seen.all(), self.now());
        let last = |name: &str| seen.get(name).copied().unwrap_or(0);
        self.sessions.change(|sessions| {
            sessions.saw(last, now);
            Ok::<_, PeopleError>(())
        })?;
        self.tokens.change(|tokens| {
            tokens.saw(last);
            Ok::<_, PeopleError>(())
        })?;
        self.seen.forget(&seen);
        Ok(())
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A moment in seconds since 1970 as it is told.
pub(crate) fn told(seconds: u64) -> String {
    crate::channel::stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}
