//! Live answers: whoever loses access loses those, too, that are under way.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::Response;
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::caller::Via;
use super::{Caller, People};
use crate::app::App;

/// How often it is looked whether a caller may still see.
const PERIOD: Duration = Duration::from_secs(2);

/// What goes on answering until its caller is out.
struct Watched {
    app: App,
    caller: Caller,
    body: axum::body::BodyDataStream,
    ticks: Interval,
}

impl People {
    /// Whether who asked some time ago may still do what they could do then: they are in, by the same
    /// session or token, and their rights are the same.
    fn is_still(&self, caller: &Caller) -> bool {
        let same = |user: &super::User| user.rights == caller.rights;
        let is_same = self.users.read(|users| users.active(&caller.id).is_some_and(same));
        let now = self.now();
        is_same
            && match &caller.via {
                Via::Session { key, .. } => {
                    let seen = self.seen.last(key);
                    self.sessions.read(|sessions| sessions.is_there(key, seen, now))
                }
                Via::Token { id, .. } => self.tokens.read(|tokens| tokens.is_there(id, now)),
            }
    }
}

/// Ends an answer that goes on when its caller is out.
pub(super) fn watch(app: &App, caller: &Caller, response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_live = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    match is_live {
        true => response.map(|body| watched(app, caller, body, PERIOD)),
        false => response,
    }
}

fn watched(app: &App, caller: &Caller, body: Body, period: Duration) -> Body {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (app, caller) = (app.clone(), caller.clone());
    let watched = Watched { app, caller, body: body.into_data_stream(), ticks };
    Body::from_stream(unfold(watched, next))
}

async fn next(mut watched: Watched) -> Option<(Result<Bytes, axum::Error>, Watched)> {
    loop {
        let piece = tokio::select! {
            // First: there may be no end of pieces.
            biased;
            _ = watched.ticks.tick() => None,
            piece = watched.body.next() => Some(piece?),
        };
        match piece {
            Some(piece) => return Some((piece, watched)),
            None if watched.app.people.is_still(&watched.caller) => {}
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::{Body, Bytes};
    use axum::http::Response;
    use futures_util::StreamExt as _;
    use futures_util::stream::{iter, pending};
    use tempfile::TempDir;

    use super::super::role_tests::{app, with_session, with_token};
    use super::{Caller, watch, watched};
    use crate::access::Rights;
    use crate::app::App;
    use crate::people::People;
    use crate::people::admin::UserChange;

    /// Says something and goes on for ever.
    fn endless() -> Body {
        let said = iter([Ok::<_, std::io::Error>(Bytes::from_static(b"data: 1\n\n"))]);
        Body::from_stream(said.chain(pending()))
    }

    async fn check(app: &App, caller: &Caller, change: impl FnOnce(&People)) {
        let mut body = watched(app, caller, endless(), Duration::from_millis(5)).into_data_stream();
        assert!(body.next().await.unwrap().is_ok());
        let went_on = tokio::time::timeout(Duration::from_millis(50), body.next()).await;
        assert!(went_on.is_err(), "it goes on while nothing changes");
        change(&app.people);
        let ended = tokio::time::timeout(Duration::from_secs(20), body.next()).await;
        assert!(matches!(ended, Ok(None)));
    }

    #[tokio::test]
    async fn a_live_answer_ends_when_its_caller_is_out_or_may_less() {
        let home = TempDir::new().unwrap();
        let app = app(&home);
        let caller = |name: &str| {
            let person = with_session(&app, name, Rights::default());
            app.people.session(person.session_id()).unwrap().0
        };
        let change = |name: &'static str, change: UserChange| {
            move |people: &People| drop(people.change_user(name, None, change).unwrap())
        };
        let off = UserChange { is_disabled: Some(true), ..UserChange::default() };
        check(&app, &caller("off"), change("off", off)).await;
        let more = UserChange { rights: Some(Rights::admin()), ..UserChange::default() };
        check(&app, &caller("changed"), change("changed", more)).await;
        let one = caller("ended");
        let key = one.session().unwrap().to_owned();
        check(&app, &one, |people| people.end_session(&one.id, &key).unwrap()).await;
        let person = with_token(&app, "program", Rights::default(), Rights::default());
        let (one, _) = app.people.token(person.token()).unwrap();
        let id = app.people.own_tokens(&one)[0].id.clone();
        check(&app, &one, |people| people.revoke_token(&one, &id).unwrap()).await;
    }

    #[tokio::test]
    async fn other_answers_are_left_as_they_are() {
        let home = TempDir::new().unwrap();
        let app = app(&home);
        let person = with_session(&app, "ada", Rights::default());
        let (caller, ..) = app.people.session(person.session_id()).unwrap();
        app.people.end_sessions(&caller.id, None).unwrap();
        let response = Response::builder().header("content-type", "text/plain");
        let response = response.body(Body::from("whole")).unwrap();
        let body = watch(&app, &caller, response).into_body();
        assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "whole");
    }
}
