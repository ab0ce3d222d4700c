//! Who may come in: users, sessions, and how a request shows whose it is.
//!
//! What is kept of a session is a digest; whoever reads the files cannot come in with them. Decisions about
//! what somebody may do are made in [`crate::access`].

mod caller;
pub(crate) mod cookie;
mod session;
mod user;

use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

pub(crate) use caller::{Caller, Form, identify};
pub(crate) use session::{NewSession, Sessions};
pub(crate) use user::{User, Users};

use crate::settings::Settings;
use crate::shelf::{Document, Folder, ShelfError};

/// Everybody who may come in, and who is in.
pub(crate) struct People {
    _folder: Folder,
    users: Document<Users>,
    sessions: Document<Sessions>,
    link: std::sync::Mutex<Option<Token>>,
    clock: fn() -> SystemTime,
    /// Whether browsers reach us over TLS: then cookies go over TLS alone.
    pub(crate) is_secure: bool,
}

/// 32 random bytes, as whoever holds them shows them.
pub(crate) struct Token(zeroize::Zeroizing<String>);

impl Token {
    /// A new one.
    pub(crate) fn random() -> Result<Token, getrandom::Error> {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes)?;
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

impl People {
    /// Reads what is kept in the data folder; one server at a time has it.
    pub(crate) fn open(settings: &Settings) -> Result<People, ShelfError> {
        let folder = Folder::take(&settings.data_dir.join("server"))?;
        let users = folder.document("users.json")?;
        let sessions = folder.document("sessions.json")?;
        let is_public = settings.public_url.as_ref();
        let is_secure =
            settings.tls.is_some() || is_public.and_then(|url| url.scheme_str()) == Some("https");
        Ok(People {
            _folder: folder,
            users,
            sessions,
            link: std::sync::Mutex::new(None),
            clock: settings.clock,
            is_secure,
        })
    }

    /// Makes a link's token that lets an admin in once, if nobody could come in otherwise or it is wanted.
    pub(crate) fn offer_link(&self, is_wanted: bool) -> Result<Option<String>, getrandom::Error> {
        let has_admin = self.users.read(|users| users.has_admin_with_password());
        if has_admin && !is_wanted {
            return Ok(None);
        }
        let token = Token::random()?;
        let text = token.text().to_owned();
        *self.link.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(token);
        Ok(Some(text))
    }

    /// Lets an admin in who shows the link's token, which is good once.
    pub(crate) fn enter_by_link(&self, shown: &str) -> Result<Option<NewSession>, ShelfError> {
        let mut link = self.link.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Digests are compared, so how long it takes tells nothing of the token.
        if link.as_ref().is_none_or(|token| token.digest() != digest(shown)) {
            return Ok(None);
        }
        let now = (self.clock)();
        let user = self.users.change(|users| Ok::<_, ShelfError>(users.first_admin(now)))?;
        let session = self.begin_session(&user)?;
        *link = None;
        Ok(Some(session))
    }

    fn begin_session(&self, user: &str) -> Result<NewSession, ShelfError> {
        let now = (self.clock)();
        self.sessions.change(|sessions| sessions.begin(user, now))
    }

    /// Whose session it is.
    pub(crate) fn session(&self, shown: &str) -> Option<Caller> {
        let now = (self.clock)();
        let user = self.sessions.read(|sessions| sessions.user(&digest(shown), now))?;
        let user = self.users.read(|users| users.active(&user).cloned())?;
        Some(Caller::of_session(user, session::form_token(shown)))
    }

    /// Ends a session.
    pub(crate) fn end_session(&self, shown: &str) -> Result<(), ShelfError> {
        self.sessions.change(|sessions| {
            sessions.end(&digest(shown));
            Ok(())
        })
    }
}
