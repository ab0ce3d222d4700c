//! Coming in by an OpenID provider: authorization code with PKCE, state and nonce.
//!
//! The way there and back belongs to one browser: what is sent along is known to this server and tied to a
//! cookie, and is good once. What the provider says is verified ([`super::jwt`]), over verified TLS. Who
//! somebody is is the pair of issuer and subject; a name that a user here has already is never taken over.

mod flows;
mod provider;

use secrecy::SecretString;

pub(crate) use flows::Returned;
pub(crate) use provider::{Provider, RETURN_PATH};

use super::enter::tell;
use super::jwt::{Claims, JwtError};
use super::session::SessionId;
use super::user::{NewUser, OpenId, is_name};
use super::{Arrival, People, PeopleError, with};
use crate::access::Rights;
use crate::app::App;
use crate::problem::Problem;
use crate::settings::{Admit, OpenIdSettings};

use axum::http::StatusCode;
use serde_json::Value;

/// Why nobody comes in by the provider.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenIdError {
    /// The settings make no sense.
    #[error("`[serve.oidc]`: {0}")]
    Settings(String),
    /// The provider cannot be asked.
    #[error("the provider {0}")]
    Unreachable(&'static str),
    /// The provider answered what is not understood.
    #[error("the provider's {0} is not understood")]
    Answer(&'static str),
    /// The provider says no.
    #[error("the provider did not let you in: {0}")]
    Denied(&'static str),
    /// This browser has not asked for it, or too long ago.
    #[error("this sign-in was not begun in this browser, or too long ago")]
    State,
    /// The token does not count.
    #[error("the provider's token is not accepted: {0}")]
    Token(#[from] JwtError),
    /// The user is in none of the groups.
    #[error("the provider knows you, but you may not come in here")]
    NotAdmitted,
    /// There is no name in the token that can be one here.
    #[error("the provider told no name that can be used here")]
    NoName,
    /// Somebody else has the name.
    #[error("somebody else here has your name already")]
    NameTaken,
    /// The disk, or randomness.
    #[error(transparent)]
    People(#[from] PeopleError),
}

impl OpenIdError {
    /// As it is told.
    pub(crate) fn problem(self, app: &App) -> Problem {
        let status = match self {
            OpenIdError::People(error) => return error.problem(app),
            OpenIdError::Settings(_) => StatusCode::INTERNAL_SERVER_ERROR,
            OpenIdError::Unreachable(_) | OpenIdError::Answer(_) | OpenIdError::Token(_) => {
                StatusCode::BAD_GATEWAY
            }
            OpenIdError::Denied(_) | OpenIdError::State | OpenIdError::NotAdmitted => {
                StatusCode::FORBIDDEN
            }
            OpenIdError::NoName | OpenIdError::NameTaken => StatusCode::CONFLICT,
        };
        if status == StatusCode::BAD_GATEWAY {
            crate::log::broken(app, &self);
        }
        let problem = Problem::new(status, self.to_string());
        match self {
            OpenIdError::State => problem.help("sign in once more"),
            OpenIdError::NotAdmitted => problem.help("whoever runs this server says who may"),
            OpenIdError::NameTaken => problem.help("an admin can rename the other user"),
            _ => problem,
        }
    }
}

/// Who it is that comes, and what the provider says they may do.
struct Guest {
    openid: OpenId,
    name: Option<String>,
    /// `None`: it says nothing of that.
    rights: Option<Rights>,
}

impl Guest {
    fn new(settings: &OpenIdSettings, claims: &Claims) -> Result<Guest, OpenIdError> {
        let groups = settings.groups_claim.as_deref().and_then(|name| claims.get(name));
        let in_groups: Vec<&Rights> = match groups {
            Some(Value::Array(all)) => {
                all.iter().filter_map(|one| settings.groups.get(one.as_str()?)).collect()
            }
            Some(Value::String(one)) => settings.groups.get(one).into_iter().collect(),
            _ => Vec::new(),
        };
        match settings.admit {
            Admit::Groups if in_groups.is_empty() => return Err(OpenIdError::NotAdmitted),
            Admit::Groups | Admit::Everybody => {}
        }
        let mut rights = Rights::default();
        for more in in_groups {
            rights.admin |= more.admin;
            rights.grants.extend(more.grants.iter().cloned());
        }
        let subject = claims.subject().to_owned();
        let name = claims.text(&settings.name_claim).map(str::to_lowercase);
        Ok(Guest {
            openid: OpenId { issuer: settings.issuer.clone(), subject },
            name: name.filter(|name| is_name(name)),
            rights: settings.groups_claim.is_some().then_some(rights),
        })
    }
}

impl People {
    /// Lets a guest in, whose user is made the first time, and begins a session.
    fn enter_as(
        &self,
        guest: Guest,
        arrival: &Arrival,
        former: Option<&str>,
    ) -> Result<(SessionId, String), OpenIdError> {
        let now = (self.clock)();
        let Guest { openid, name, rights } = guest;
        let known = self.users.read(|users| users.at_provider(&openid).cloned());
        let user = match known {
            Some(user) if user.is_disabled => return Err(OpenIdError::NotAdmitted),
            Some(user) => {
                if rights.as_ref().is_some_and(|rights| *rights != user.rights) {
                    let change = super::admin::UserChange { rights, ..Default::default() };
                    match self.change_user(&user.name, None, change) {
                        // The last admin stays one, whatever the provider says.
                        Ok(_) | Err(PeopleError::LastAdmin) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                user
            }
            None => {
                let name = name.ok_or(OpenIdError::NoName)?;
                let rights = rights.unwrap_or_default();
                let new = NewUser { name, password: None, openid: Some(openid), rights };
                self.users.change(|users| users.add(new, now)).map_err(|error| match error {
                    PeopleError::UserExists => OpenIdError::NameTaken,
                    error => error.into(),
                })?
            }
        };
        Ok((self.begin_session(&user.id, arrival, former)?, user.name))
    }
}

/// Lets somebody in who comes back from the provider.
pub(crate) async fn enter_by_openid(
    app: &App,
    returned: Returned,
    browser: Option<&str>,
    arrival: Arrival,
    former: Option<String>,
) -> Result<SessionId, Problem> {
    let provider = app.openid.as_ref().ok_or_else(Problem::not_found)?;
    let told = |error: OpenIdError| error.problem(app);
    let flow = provider.flows.take(&returned, browser).map_err(told)?;
    if let Some(denied) = returned.denied() {
        return Err(told(OpenIdError::Denied(denied)));
    }
    let code = SecretString::from(returned.code.unwrap_or_default());
    let now = app.people.now();
    let claims = provider.claims(&code, &flow, returned.iss.as_deref(), now).await.map_err(told)?;
    let guest = Guest::new(&provider.settings, &claims).map_err(told)?;
    let from = arrival.clone();
    let entered =
        with(app, move |people| Ok(people.enter_as(guest, &arrival, former.as_deref()))).await?;
    let (session, name) = entered.map_err(told)?;
    tell(app, "somebody signed in by the provider", Some(&name), &from);
    Ok(session)
}

/// Whoever shows a token of the provider at a hook, and what they may do.
pub(crate) struct Shown {
    /// The user's name; of who has not signed in here, the name that the provider has.
    pub(crate) name: String,
    pub(crate) rights: Rights,
}

/// Who shows a token of the provider, if it is good and they may come in. No user is made: somebody who has
/// not signed in here, a program for one, may do what their groups say.
pub(crate) async fn shows_token(app: &App, token: &str) -> Option<Shown> {
    let provider = app.openid.as_ref()?;
    let claims = match provider.shown(token, app.people.now()).await {
        Ok(claims) => claims,
        Err(OpenIdError::Token(_)) => return None,
        Err(error) => {
            crate::log::broken(app, &error);
            return None;
        }
    };
    let Guest { openid, rights, .. } = Guest::new(&provider.settings, &claims).ok()?;
    let known = app.people.users.read(|users| users.at_provider(&openid).cloned());
    match known {
        Some(user) if user.is_disabled => None,
        Some(user) => Some(Shown { name: user.name, rights: rights.unwrap_or(user.rights) }),
        // It comes to be read at terminals.
        None if openid.subject.chars().any(char::is_control) => None,
        None => {
            let name = format!("{} of {}", openid.subject, openid.issuer);
            Some(Shown { name, rights: rights? })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Claims, Guest, OpenIdError, OpenIdSettings};

    fn settings(more: &str) -> OpenIdSettings {
        let text = format!(
            r#"{{"issuer": "https://id.example", "client_id": "subrosa", "groups_claim": "groups",
                "groups": {{
                    "ops": {{"grants": [{{"workspace": "payments", "role": "operator"}}]}},
                    "all": {{"grants": [{{"workspace": "*", "role": "viewer"}}]}},
                    "root": {{"admin": true}}
                }} {more} }}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn guest(claims: serde_json::Value, more: &str) -> Result<Guest, OpenIdError> {
        let mut all = Claims::default();
        all.complete(claims.as_object().unwrap().clone());
        Guest::new(&settings(more), &all)
    }

    #[test]
    fn groups_say_who_may_come_in_and_what_they_may_do() {
        let rights = |groups: serde_json::Value| {
            let found = guest(json!({ "sub": "1", "groups": groups }), "").ok()?;
            let rights = found.rights.unwrap();
            Some((rights.admin, rights.grants.len()))
        };
        assert_eq!(rights(json!(["ops", "all", "unknown"])), Some((false, 2)));
        assert_eq!(rights(json!("ops")), Some((false, 1)));
        assert_eq!(rights(json!(["root"])), Some((true, 0)));
        for groups in [json!([]), json!(["unknown"]), json!(null), json!({"ops": true}), json!([7])]
        {
            assert_eq!(rights(groups.clone()), None, "{groups}");
        }
    }

    #[test]
    fn everybody_may_come_in_if_the_settings_say_so() {
        let found = guest(json!({ "sub": "1" }), r#", "admit": "everybody""#).unwrap();
        assert_eq!(found.rights, Some(super::Rights::default()));
        assert_eq!(found.openid.subject, "1");
    }

    #[test]
    fn a_name_is_taken_from_the_claim_if_it_can_be_one() {
        let check = |claim: serde_json::Value, expected: Option<&str>| {
            let claims = json!({ "sub": "1", "groups": "ops", "preferred_username": claim });
            assert_eq!(guest(claims, "").unwrap().name.as_deref(), expected, "{claim}");
        };
        check(json!("Ada@Example.com"), Some("ada@example.com"));
        check(json!("ada lovelace"), None);
        check(json!(7), None);
    }
}
