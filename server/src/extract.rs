//! What routes take out of requests. What does not fit is refused as a [`Problem`] that repeats nothing of
//! it: a body may hold a value.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use secrecy::{SecretSlice, SecretString};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::problem::Problem;

/// A body of JSON.
pub(crate) struct Body<T>(pub(crate) T);

/// The query.
pub(crate) struct Asked<T>(pub(crate) T);

/// What the path names.
pub(crate) struct Named<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let refused = "the body is not declared as `application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, refused));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
        serde_json::from_slice(&bytes).map(Body).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            match error.classify() {
                serde_json::error::Category::Data => Problem::invalid(format!(
                    "the body has a field that is missing, unknown or of another type ({place})"
                ))
                .help("the description of the API at `/api/v1/openapi.json` has its form"),
                _ => {
                    Problem::new(StatusCode::BAD_REQUEST, format!("the body is no JSON ({place})"))
                }
            }
        })
    }
}

/// Why a body was not read.
pub(crate) fn unread(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than is allowed")
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "the body did not arrive whole"),
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Problem> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(query)| Asked(query)).map_err(|_| {
            Problem::invalid("the query has a part that is missing, unknown or of another type")
                .help("the description of the API at `/api/v1/openapi.json` has its parts")
        })
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named<T>, Problem> {
        // A name that cannot be one names nothing.
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(path)| Named(path)).map_err(|_| Problem::not_found())
    }
}

/// A value on its way to be sealed: it cannot be shown or sent on as it is.
pub(crate) struct Value(pub(crate) SecretString);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Ok(Value(SecretString::from(text.as_str())))
    }
}

/// The same, of any bytes: written in base64.
pub(crate) struct ValueBytes(pub(crate) SecretSlice<u8>);

impl<'de> Deserialize<'de> for ValueBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ValueBytes, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = data_encoding::BASE64.decode(text.as_bytes());
        let bytes = bytes.map_err(|_| D::Error::custom("no base64"))?;
        Ok(ValueBytes(SecretSlice::from(bytes)))
    }
}

/// A field that tells apart what is null from what is not there.
pub(crate) fn given<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A number of seconds: up to a hundred years, so that no sum with a moment leaves the calendar.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    at_most(3_155_760_000, deserializer)
}

/// A number of things, as far as every client has numbers for it.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    at_most(i32::MAX.unsigned_abs(), deserializer)
}

fn at_most<'de, T, D>(most: T, deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de> + PartialOrd,
    D: Deserializer<'de>,
{
    let number = Option::<T>::deserialize(deserializer)?;
    match number.as_ref().is_some_and(|number| *number > most) {
        true => Err(D::Error::custom("too large")),
        false => Ok(number),
    }
}
