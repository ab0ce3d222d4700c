//! Forms of pages: those of somebody who is in, and those of who wants to come in.

use axum::extract::{FromRequest, RawForm, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;

use super::{Caller, People, PeopleError, Token, cookie, digest, is_same};
use crate::app::App;
use crate::problem::Problem;

/// A form of a page: it came with the form token of the session.
pub(crate) struct Form<T>(pub(crate) T);

/// A form of who wants to come in: it was filled in on a page of ours, in this browser. Otherwise another
/// site could bring somebody in as somebody else, and learn what they do then.
pub(crate) struct Entry<T>(pub(crate) T);

#[derive(serde::Deserialize)]
struct Guard {
    #[serde(default)]
    csrf: String,
}

fn garbled() -> Problem {
    Problem::invalid("the form is not understood")
}

fn too_old() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "the form is too old")
        .help("go back, load the page again and send it once more")
}

async fn read<T: DeserializeOwned>(
    request: Request,
    app: &App,
    expected: &str,
) -> Result<T, Problem> {
    let RawForm(bytes) = RawForm::from_request(request, app).await.map_err(|_| garbled())?;
    let guard: Guard = serde_urlencoded::from_bytes(&bytes).map_err(|_| garbled())?;
    if guard.csrf.is_empty() || !is_same(&guard.csrf, expected) {
        return Err(too_old());
    }
    serde_urlencoded::from_bytes(&bytes).map_err(|_| garbled())
}

impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Form<T>, Problem> {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(Problem::unauthenticated)?;
        read(request, app, caller.form_token()).await.map(Form)
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Entry<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Entry<T>, Problem> {
        if app.people.is_foreign(request.headers()) {
            return Err(Problem::new(StatusCode::FORBIDDEN, "sent from another site"));
        }
        let expected = app.people.entry_shown(request.headers()).ok_or_else(too_old)?;
        read(request, app, &expected).await.map(Entry)
    }
}

impl People {
    /// What forms have to show in the browser that sends this.
    pub(crate) fn entry_shown(&self, headers: &HeaderMap) -> Option<String> {
        let shown = cookie::entry_shown(headers, self.is_secure)?;
        Some(self.entry_token(shown))
    }

    fn entry_token(&self, shown: &str) -> String {
        digest(&format!("{} {shown}", self.entry_key.text()))
    }

    /// What a form shows from which somebody may come in, and the cookie that goes with it if the browser
    /// has none.
    pub(crate) fn entry_form(
        &self,
        headers: &HeaderMap,
    ) -> Result<(String, Option<HeaderValue>), PeopleError> {
        if let Some(token) = self.entry_shown(headers) {
            return Ok((token, None));
        }
        let fresh = Token::random()?;
        let cookie = cookie::set_entry(fresh.text(), self.is_secure);
        Ok((self.entry_token(fresh.text()), cookie))
    }
}
