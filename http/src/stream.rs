//! Answers that are read piece by piece.

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use crate::{Call, Fault, Http};

/// An answer whose body comes in pieces. How much of it is taken is up to the reader.
pub struct Incoming {
    /// Redirects are answers, too.
    pub status: StatusCode,
    /// As they came.
    pub headers: HeaderMap,
    response: reqwest::Response,
}

impl Http {
    /// Sends a request and gives the answer when its head is there.
    ///
    /// # Errors
    /// [`Fault`]: there is no answer.
    pub async fn open(&self, call: Call) -> Result<Incoming, Fault> {
        let mut response = self.execute(call).await?;
        let headers = std::mem::take(response.headers_mut());
        Ok(Incoming { status: response.status(), headers, response })
    }
}

impl Incoming {
    /// The next piece of the body; nothing at its end.
    ///
    /// # Errors
    /// [`Fault`]: it broke off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        self.response.chunk().await.map_err(|error| Fault::of(&error))
    }
}
