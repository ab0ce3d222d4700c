//! Personal tokens, which programs show: a digest of each is kept, and what it leaves of its user's rights.
//!
//! A token is `sr_` and 48 characters: 256 random bits and a checksum in base64url, so that whoever
//! finds one, in a log or a repository, can tell it from other texts without asking this server.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{PeopleError, digest, random_id};
use crate::access::Rights;

/// What a token begins with.
pub(crate) const PREFIX: &str = "sr_";
/// Random bytes.
const SECRET_LEN: usize = 32;
/// Bytes of the checksum: with them, base64 comes out even.
const CHECK_LEN: usize = 4;
/// Days that a token holds if nothing is said.
pub(crate) const DAYS_DEFAULT: u64 = 90;
/// Days that a token may hold.
const DAYS_MAX: u64 = 366;
const DAY_S: u64 = 24 * 60 * 60;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 64;
/// Tokens of one user.
const PER_USER_MAX: usize = 100;

/// All tokens, by the digest of each.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ApiTokens {
    tokens: BTreeMap<String, ApiToken>,
}

/// A token; times are seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ApiToken {
    /// What names it; it opens nothing.
    pub(crate) id: String,
    /// Whose: a user's id.
    pub(super) user: String,
    /// What it is for.
    pub(crate) name: String,
    /// What it leaves of the user's rights; `None`: all of them.
    pub(crate) limit: Option<Rights>,
    pub(crate) created: u64,
    pub(crate) expires: u64,
    pub(crate) used: Option<u64>,
}

/// What a token is to be.
pub(crate) struct NewToken {
    /// What it is for.
    pub(crate) name: String,
    /// What it leaves of the user's rights.
    pub(crate) limit: Option<Rights>,
    /// How many days it holds.
    pub(crate) days: u64,
}

/// A token as it is shown, once.
pub(crate) struct ShownToken(Zeroizing<String>);

impl ShownToken {
    fn random() -> Result<ShownToken, PeopleError> {
        let mut bytes = Zeroizing::new([0; SECRET_LEN + CHECK_LEN]);
        let (secret, check) = bytes.split_at_mut(SECRET_LEN);
        getrandom::fill(secret).map_err(|_| PeopleError::Randomness)?;
        check.copy_from_slice(&checksum(secret));
        let text = Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes));
        Ok(ShownToken(Zeroizing::new(format!("{PREFIX}{}", text.as_str()))))
    }

    /// For whoever is to hold it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

fn checksum(secret: &[u8]) -> [u8; CHECK_LEN] {
    let digest = Sha256::new().chain_update(PREFIX).chain_update(secret).finalize();
    let mut check = [0; CHECK_LEN];
    check.copy_from_slice(&digest[..CHECK_LEN]);
    check
}

/// Whether a text has the form of a token, right checksum included.
pub(crate) fn is_token(text: &str) -> bool {
    let bytes = text.strip_prefix(PREFIX).map(str::as_bytes);
    let bytes = bytes.filter(|text| text.len() == (SECRET_LEN + CHECK_LEN).div_ceil(3) * 4);
    let bytes = bytes.and_then(|text| BASE64URL_NOPAD.decode(text).ok()).map(Zeroizing::new);
    bytes
        .and_then(|bytes| Some(checksum(bytes.get(..SECRET_LEN)?) == bytes.get(SECRET_LEN..)?))
        .unwrap_or(false)
}

impl ApiTokens {
    /// Makes one.
    pub(super) fn make(
        &mut self,
        user: &str,
        new: NewToken,
        now: u64,
    ) -> Result<(ApiToken, ShownToken), PeopleError> {
        let length = new.name.chars().count();
        if length == 0 || length > NAME_CHARS_MAX || new.name.chars().any(char::is_control) {
            return Err(PeopleError::TokenName);
        }
        if !(1..=DAYS_MAX).contains(&new.days) {
            return Err(PeopleError::TokenDays);
        }
        self.tokens.retain(|_, token| token.expires > now || token.user != user);
        if self.of_user(user).len() >= PER_USER_MAX {
            return Err(PeopleError::TooMany("tokens"));
        }
        let shown = ShownToken::random()?;
        let token = ApiToken {
            id: random_id()?,
            user: user.to_owned(),
            name: new.name,
            limit: new.limit,
            created: now,
            expires: now + new.days * DAY_S,
            used: None,
        };
        self.tokens.insert(digest(shown.text()), token.clone());
        Ok((token, shown))
    }

    /// The token that a text is, if it holds.
    pub(super) fn find(&self, text: &str, now: u64) -> Option<&ApiToken> {
        if !is_token(text) {
            return None;
        }
        // A search for a digest: what its time tells is of no use for finding the text.
        self.tokens.get(&digest(text)).filter(|token| token.expires > now)
    }

    /// Whether one is there and holds.
    pub(super) fn is_there(&self, id: &str, now: u64) -> bool {
        self.tokens.values().any(|token| token.id == id && token.expires > now)
    }

    /// A user's, the newest first.
    pub(super) fn of_user(&self, user: &str) -> Vec<ApiToken> {
        let of_user = self.tokens.values().filter(|token| token.user == user);
        let mut all: Vec<ApiToken> = of_user.cloned().collect();
        all.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        all
    }

    /// Revokes one of a user's; `false`: there is none of this id.
    pub(super) fn revoke(&mut self, user: &str, id: &str) -> bool {
        let before = self.tokens.len();
        self.tokens.retain(|_, token| token.user != user || token.id != id);
        self.tokens.len() < before
    }

    /// Revokes all of a user's.
    pub(super) fn revoke_all(&mut self, user: &str) {
        self.tokens.retain(|_, token| token.user != user);
    }

    /// Notes when they were last used.
    pub(super) fn saw(&mut self, seen: impl Fn(&str) -> u64) {
        for token in self.tokens.values_mut() {
            let last = Some(seen(&token.id)).filter(|last| *last > 0);
            token.used = token.used.max(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiTokens, DAY_S, NewToken, PER_USER_MAX, PeopleError, is_token};

    fn new(name: &str, days: u64) -> NewToken {
        NewToken { name: name.to_owned(), limit: None, days }
    }

    #[test]
    fn a_token_can_be_told_from_other_texts() {
        let (_, shown) = ApiTokens::default().make("ada", new("ci", 1), 0).unwrap();
        let text = shown.text();
        assert!(text.starts_with("sr_") && text.len() == 51, "{}", text.len());
        assert!(is_token(text));
        for at in 3..text.len() {
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(!is_token(&changed), "{at}");
        }
        for wrong in ["", "sr_", "sr_short", &text[3..], &format!("{text}A"), &text[..50]] {
            assert!(!is_token(wrong));
        }
    }

    #[test]
    fn a_token_holds_until_it_expires_or_is_revoked() {
        let mut tokens = ApiTokens::default();
        let (token, shown) = tokens.make("ada", new("ci", 90), 1000).unwrap();
        let find = |tokens: &ApiTokens, now| tokens.find(shown.text(), now).is_some();
        assert!(find(&tokens, 1000 + 90 * DAY_S - 1));
        assert!(!find(&tokens, 1000 + 90 * DAY_S));
        assert!(!tokens.revoke("bob", &token.id), "it is not his");
        assert!(tokens.revoke("ada", &token.id));
        assert!(!find(&tokens, 1000));
        assert!(!tokens.revoke("ada", &token.id));
    }

    #[test]
    fn what_is_kept_is_no_token() {
        let mut tokens = ApiTokens::default();
        let (_, shown) = tokens.make("ada", new("ci", 90), 0).unwrap();
        let kept = serde_json::to_string(&tokens).unwrap();
        assert!(!kept.contains(&shown.text()[3..]));
    }

    #[test]
    fn tokens_have_names_and_bounds() {
        let mut tokens = ApiTokens::default();
        let mut make = |name: &str, days| tokens.make("ada", new(name, days), 0).err();
        assert!(make("ci", 366).is_none());
        for days in [0, 367, u64::MAX] {
            assert!(matches!(make("ci", days), Some(PeopleError::TokenDays)), "{days}");
        }
        for name in ["", "a\nb", &"a".repeat(65)] {
            assert!(matches!(make(name, 1), Some(PeopleError::TokenName)), "{name:?}");
        }
        for _ in 1..PER_USER_MAX {
            assert!(make("ci", 1).is_none());
        }
        assert!(matches!(make("ci", 1), Some(PeopleError::TooMany("tokens"))));
    }

    #[test]
    fn the_last_use_is_noted_by_id() {
        let mut tokens = ApiTokens::default();
        let (token, _) = tokens.make("ada", new("ci", 1), 0).unwrap();
        tokens.make("ada", new("other", 1), 0).unwrap();
        tokens.saw(|id| if id == token.id { 77 } else { 0 });
        let used: Vec<_> =
            tokens.of_user("ada").iter().map(|one| (one.name.clone(), one.used)).collect();
        assert!(used.contains(&("ci".to_owned(), Some(77))));
        assert!(used.contains(&("other".to_owned(), None)));
    }
}
