//! The person who grants access: what they are shown, and who waits until they come back.

use std::pin::Pin;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use subrosa_http::Url;
use zeroize::Zeroizing;

use super::{Keeper, Tell, outcome};
use crate::oauth::{DeviceCode, Limits, Refusal, Ui};
use crate::protocol::{Event, Failed};

/// The query that a browser came back with; `None`: it will not come.
pub type Back = Pin<Box<dyn Future<Output = Option<Zeroizing<Vec<u8>>>> + Send>>;

/// Somebody else who waits for a browser.
pub struct Elsewhere {
    /// The address that it comes back to.
    pub redirect: String,
    /// What it brings.
    pub back: Back,
}

impl Keeper {
    /// Whoever waits for the browser, once.
    pub(super) fn waiting_elsewhere(&self) -> Result<Elsewhere, Failed> {
        let waiting = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner).take();
        waiting.ok_or_else(|| outcome::broken("nobody waits for the browser"))
    }
}

/// Shows a person what to do, by way of whoever asked, and notes when a code is spent.
pub(super) struct Shown<'a> {
    pub(super) tell: Tell,
    pub(super) is_spent: &'a AtomicBool,
}

impl Ui for Shown<'_> {
    fn exchanging(&self) {
        self.is_spent.store(true, Ordering::SeqCst);
    }

    fn open(&self, url: &Url) {
        let within_s = Limits::default().window.as_secs();
        (self.tell)(Event::OpenUrl { url: url.as_str().to_owned(), within_s });
    }

    fn enter(&self, code: &DeviceCode<'_>) {
        (self.tell)(Event::UserCode {
            url: code.page.as_str().to_owned(),
            complete_url: code.page_with_code.map(|url| url.as_str().to_owned()),
            code: code.code.to_owned(),
            within_s: code.lasts.as_secs(),
        });
    }

    fn refused(&self, refusal: Refusal) {
        (self.tell)(Event::Note(format!(
            "a request to the waiting address was refused: {refusal}"
        )));
    }
}
