//! Answers that are read piece by piece.

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use zeroize::Zeroizing;

use crate::client::{read_body, retry_after};
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
    /// How long the server asks us to wait, if it says so in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    /// The next piece of the body; nothing at its end.
    ///
    /// # Errors
    /// [`Fault`]: it broke off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        self.response.chunk().await.map_err(|error| Fault::of(&error))
    }

    /// The whole body, of so many bytes at most.
    ///
    /// # Errors
    /// [`Fault`]: it broke off, or is larger.
    pub async fn body(self, length_max: usize) -> Result<Zeroizing<Vec<u8>>, Fault> {
        read_body(self.response, length_max).await
    }
}
