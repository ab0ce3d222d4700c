//! What a person is shown while access is granted.

use std::time::Duration;

use subrosa_http::Url;

/// Shows a person what to do. Its methods return at once: the flow waits for the person, not for them.
pub trait Ui: Send + Sync {
    /// A page to open in a browser on this machine.
    fn open(&self, url: &Url);

    /// A code to enter on any device.
    fn enter(&self, code: &DeviceCode<'_>);

    /// Something asked at the address that waits for the browser, and was refused; the wait goes on.
    fn refused(&self, refusal: Refusal);

    /// Somebody has granted access, and the code is about to be exchanged: it is spent from here on.
    fn exchanging(&self) {}
}

/// A code to enter on any device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceCode<'a> {
    /// The code: visible characters.
    pub code: &'a str,
    /// The page to enter it at.
    pub page: &'a Url,
    /// The same page with the code in it, if there is one.
    pub page_with_code: Option<&'a Url>,
    /// How long it can be entered.
    pub lasts: Duration,
}

/// Why a request to the address that waits for the browser was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not HTTP, too long, or says something twice.
    #[error("it is no request of a browser")]
    Malformed,
    /// It is for another host: a name that leads here was given out by somebody else.
    #[error("it is for another host")]
    ForeignHost,
    /// A page of somebody else sent it.
    #[error("a page of another origin sent it")]
    ForeignOrigin,
    /// It does not GET.
    #[error("its method is not GET")]
    Method,
    /// It does not know the state of this flow.
    #[error("it belongs to no authorization that was begun here")]
    WrongState,
}
