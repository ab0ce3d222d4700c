//! Coming in and leaving.
//!
//! Whoever comes in gets a session with an id that nobody had before, whatever the request showed; the
//! session that it showed ends.

use std::time::Instant;

use secrecy::SecretString;
use serde_json::json;

use super::caller::Via;
use super::session::SessionId;
use super::{
    Arrival, Caller, Link, People, PeopleError, Token, User, Users, digest, is_same, with,
};
use crate::app::App;
use crate::log;
use crate::problem::Problem;

/// How long a link is good that nobody uses, in seconds.
const LINK_LIFE_S: u64 = 24 * 60 * 60;

impl People {
    /// Whether anybody could come in by a password.
    pub(crate) fn has_passwords(&self) -> bool {
        self.users.read(Users::has_passwords)
    }

    /// Makes a link's token that lets an admin in once, if nobody could come in otherwise or it is wanted.
    pub(crate) fn offer_link(&self, is_wanted: bool) -> Result<Option<String>, PeopleError> {
        let has_admin = self.users.read(|users| users.has_admin_with_way_in());
        if has_admin && !is_wanted {
            return Ok(None);
        }
        let token = Token::random()?;
        let text = token.text().to_owned();
        let link = Link { token, until: self.now().saturating_add(LINK_LIFE_S) };
        *self.link.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(link);
        Ok(Some(text))
    }

    /// Lets an admin in who shows the link's token, which is good once.
    pub(crate) fn enter_by_link(
        &self,
        shown: &str,
        arrival: &Arrival,
        former: Option<&str>,
    ) -> Result<Option<SessionId>, PeopleError> {
        let mut link = self.link.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Digests are compared, so how long it takes tells nothing of the token.
        let is_it = |link: &Link| {
            let is_right = is_same(&link.token.digest(), &digest(shown));
            is_right && self.now() < link.until
        };
        if !link.as_ref().is_some_and(is_it) {
            return Ok(None);
        }
        let now = (self.clock)();
        let user = self.users.change(|users| users.first_admin(now))?;
        let session = self.begin_session(&user, arrival, former)?;
        *link = None;
        Ok(Some(session))
    }

    /// Begins a session; the one that the request showed ends.
    pub(super) fn begin_session(
        &self,
        user: &str,
        arrival: &Arrival,
        former: Option<&str>,
    ) -> Result<SessionId, PeopleError> {
        let now = self.now();
        self.sessions.change(|sessions| {
            if let Some(former) = former {
                sessions.end_shown(former, now);
            }
            sessions.begin(user, arrival, now)
        })
    }

    /// The same for somebody who knew the password, which took a while: if it is another by now, or the user may
    /// not come in any more, there is no session. Whoever changes either ends sessions after that, so that none
    /// slips through.
    fn begin_session_of(
        &self,
        user: &User,
        arrival: &Arrival,
        former: Option<&str>,
    ) -> Result<SessionId, PeopleError> {
        let now = self.now();
        self.sessions.change(|sessions| {
            let is_same = |now: &User| now.password == user.password;
            if !self.users.read(|users| users.active(&user.id).is_some_and(is_same)) {
                return Err(PeopleError::Unknown);
            }
            if let Some(former) = former {
                sessions.end_shown(former, now);
            }
            sessions.begin(&user.id, arrival, now)
        })
    }

    /// Whose session it is, whether its id is to be replaced, and whether it is time to write.
    pub(super) fn session(&self, shown: &str) -> Option<(Caller, bool, bool)> {
        let now = self.now();
        let seen = |key: &str| self.seen.last(key);
        let found = self.sessions.read(|sessions| sessions.find(shown, seen, now))?;
        let user = self.users.read(|users| users.active(&found.user).cloned())?;
        let is_writing = self.note_seen(&found.key);
        let via = Via::Session { key: found.key, form_token: found.form };
        Some((Caller::new(user, via), found.is_due, is_writing))
    }

    /// Whose token it is, and whether it is time to write.
    pub(crate) fn token(&self, shown: &str) -> Option<(Caller, bool)> {
        let now = self.now();
        let find = |tokens: &super::token::ApiTokens| tokens.find(shown, now).cloned();
        let token = self.tokens.read(find)?;
        let user = self.users.read(|users| users.active(&token.user).cloned())?;
        let is_writing = self.note_seen(&token.id);
        Some((Caller::new(user, Via::Token { id: token.id, limit: token.limit }), is_writing))
    }

    /// Gives a session whose id is old a new one.
    pub(super) fn rotate(&self, shown: &str) -> Result<Option<SessionId>, PeopleError> {
        let now = self.now();
        self.sessions.change(|sessions| sessions.rotate(shown, now))
    }

    /// Ends the session that a request shows.
    pub(crate) fn leave(&self, shown: &str) -> Result<(), PeopleError> {
        let now = self.now();
        self.sessions.change(|sessions| {
            sessions.end_shown(shown, now);
            Ok(())
        })
    }
}

/// Notes who came in, or did not.
pub(super) fn tell(app: &App, message: &str, user: Option<&str>, arrival: &Arrival) {
    let more = [("user", json!(user)), ("from", json!(arrival.address.to_string()))];
    log::tell((app.settings.clock)(), "info", message, &more);
}

/// Lets somebody in who knows the password. Unknown names, wrong passwords and users who may not come in take
/// the same steps and get the same answer.
pub(crate) async fn enter_by_password(
    app: &App,
    name: &str,
    password: SecretString,
    arrival: Arrival,
    former: Option<String>,
) -> Result<SessionId, Problem> {
    let people = &app.people;
    let name = name.trim().to_lowercase();
    // What cannot be a name is not remembered by itself: there is no end of those.
    let tried = if super::user::is_name(&name) { name.as_str() } else { "" };
    let refused = |error: PeopleError| error.problem(app);
    people.throttle.begin(tried, arrival.address, Instant::now()).map_err(refused)?;
    let user =
        people.users.read(|users| users.named(&name).filter(|user| !user.is_disabled).cloned());
    let kept = user.as_ref().and_then(|user| user.password.clone());
    let known = user.as_ref().map(|user| user.name.clone());
    let is_right = people.passwords.verify(password, kept).await.map_err(refused)?;
    let Some(user) = user.filter(|_| is_right) else {
        // A name that is none may be a password in the wrong field.
        tell(app, "a sign-in was refused", known.as_deref(), &arrival);
        return Err(refused(PeopleError::Unknown));
    };
    people.throttle.passed(&name, arrival.address, Instant::now());
    tell(app, "somebody signed in", known.as_deref(), &arrival);
    with(app, move |people| people.begin_session_of(&user, &arrival, former.as_deref())).await
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use axum::body::Body;
    use axum::http::request::Builder;
    use axum::http::{Request, StatusCode, header};
    use axum::response::Response;
    use secrecy::SecretString;
    use tempfile::TempDir;
    use tower::ServiceExt as _;

    use super::{Arrival, PeopleError, enter_by_password};
    use crate::access::Rights;
    use crate::app::{App, router};
    use crate::people::admin::UserChange;
    use crate::people::change_password;
    use crate::people::role_tests::{app, with_session, with_token};
    use crate::people::user::{NewUser, OpenId};

    const PASSWORD: &str = "correct horse battery";

    fn here() -> Arrival {
        Arrival { address: IpAddr::V4(Ipv4Addr::LOCALHOST), agent: String::new() }
    }

    async fn ask(app: &App, request: Builder, body: &'static str) -> Response {
        let request = request.header("host", "localhost").body(Body::from(body)).unwrap();
        router(app.clone()).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_link_is_good_once_and_for_a_day() {
        let home = TempDir::new().unwrap();
        let people = &app(&home).people;
        let enter = |shown: &str| people.enter_by_link(shown, &here(), None).unwrap().is_some();
        let link = people.offer_link(true).unwrap().unwrap();
        assert_eq!([enter("another"), enter(&link), enter(&link)], [false, true, false]);
        for (left, is_good) in [(1, true), (0, false)] {
            let link = people.offer_link(true).unwrap().unwrap();
            people.link.lock().unwrap().as_mut().unwrap().until = people.now() + left;
            assert_eq!(enter(&link), is_good);
        }
    }

    #[tokio::test]
    async fn a_password_that_is_changed_while_it_is_looked_at_lets_nobody_in() {
        let home = TempDir::new().unwrap();
        let app = app(&home);
        let (people, secret) = (&app.people, SecretString::from(PASSWORD));
        let password = Some(people.passwords.make(&secret).await.unwrap());
        let (name, rights) = ("ada".to_owned(), Rights::default());
        let new = NewUser { name, password: password.clone(), openid: None, rights };
        let former = people.add_user(new).unwrap();
        assert!(people.begin_session_of(&former, &here(), None).is_ok());
        let other = Some(people.passwords.make(&secret).await.unwrap());
        let off = |is_disabled| UserChange { is_disabled, ..UserChange::default() };
        for change in [UserChange { password: other, ..off(None) }, off(Some(true))] {
            let now = people.change_user("ada", None, change).unwrap();
            let entered = people.begin_session_of(&former, &here(), None);
            assert!(matches!(entered, Err(PeopleError::Unknown)));
            let entered = people.begin_session_of(&now, &here(), None);
            assert_eq!(entered.is_ok(), !now.is_disabled);
        }
    }

    #[tokio::test]
    async fn an_answer_that_hands_out_an_id_is_kept_by_nobody() {
        let home = TempDir::new().unwrap();
        let app = app(&home);
        let ada = with_session(&app, "ada", Rights::default());
        let rights = Some(Rights::admin());
        let change = UserChange { rights, ..UserChange::default() };
        app.people.change_user("ada", None, change).unwrap();
        let cookie = format!("subrosa={}", ada.session_id());
        for (cookie, expected) in [(&cookie, "no-store"), (&String::new(), "public, max-age=3600")]
        {
            let asked = Request::get("/assets/style.css").header(header::COOKIE, cookie);
            let answer = ask(&app, asked, "").await;
            let is_new = answer.headers().contains_key(header::SET_COOKIE);
            assert_eq!(is_new, !cookie.is_empty());
            assert_eq!(answer.headers()[header::CACHE_CONTROL], expected);
        }
    }

    #[tokio::test]
    async fn who_has_a_name_after_somebody_else_gets_no_answer_of_theirs() {
        let home = TempDir::new().unwrap();
        let app = app(&home);
        let send = async |app: &App| {
            let ada = with_token(app, "ada", Rights::default(), Rights::default());
            let asked = Request::post("/api/v1/workflows/validate")
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::AUTHORIZATION, format!("Bearer {}", ada.token()))
                .header("idempotency-key", "0123456789abcdef");
            let answer = ask(app, asked, r#"{"text": "steps: [{run: x}]"}"#).await;
            (answer.status(), answer.headers().contains_key("idempotency-replayed"))
        };
        assert_eq!(send(&app).await, (StatusCode::OK, false));
        app.people.remove_user("ada", None).unwrap();
        assert_eq!(send(&app).await, (StatusCode::OK, false));
    }

    #[tokio::test]
    async fn who_comes_by_a_provider_makes_no_other_way_in() {
        let home = TempDir::new().unwrap();
        let app = app(&home);
        let openid = OpenId { issuer: "https://id.example".to_owned(), subject: "1".to_owned() };
        let (name, rights) = ("ada".to_owned(), Rights::default());
        let new = NewUser { name, password: None, openid: Some(openid), rights };
        let user = app.people.add_user(new).unwrap();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let arrival = Arrival { address, agent: String::new() };
        let session = app.people.begin_session(&user.id, &arrival, None).unwrap();
        let (caller, ..) = app.people.session(session.text()).unwrap();
        let changed = change_password(&app, &caller, None, SecretString::from(PASSWORD)).await;
        assert_eq!(changed.err().map(|problem| problem.status()), Some(StatusCode::CONFLICT));
        assert!(!app.people.has_passwords());
    }

    #[tokio::test]
    async fn whoever_it_is_that_is_refused_one_password_is_derived() {
        let home = TempDir::new().unwrap();
        let app = app(&home);
        let people = &app.people;
        let kept = people.passwords.make(&SecretString::from(PASSWORD)).await.unwrap();
        for (name, password) in [("ada", Some(kept.clone())), ("off", Some(kept)), ("none", None)] {
            let (name, rights) = (name.to_owned(), Rights::default());
            people.add_user(NewUser { name, password, openid: None, rights }).unwrap();
        }
        let off = UserChange { is_disabled: Some(true), ..UserChange::default() };
        people.change_user("off", None, off).unwrap();
        for (name, password, is_in) in [
            ("ada", "another battery", false),
            ("nobody", PASSWORD, false),
            ("No Name", PASSWORD, false),
            ("off", PASSWORD, false),
            ("none", PASSWORD, false),
            ("ada", PASSWORD, true),
        ] {
            let before = people.passwords.derived();
            let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let arrival = Arrival { address, agent: String::new() };
            let shown = SecretString::from(password);
            let entered = enter_by_password(&app, name, shown, arrival, None).await;
            assert_eq!(people.passwords.derived(), before + 1, "{name}");
            let status = entered.err().map(|problem| problem.status());
            assert_eq!(status, (!is_in).then_some(StatusCode::FORBIDDEN), "{name}");
        }
    }
}
