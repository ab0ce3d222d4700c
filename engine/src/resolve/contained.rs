//! Keeps a panic of a provider from taking the run with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that ends with an error where the inner one panics.
pub(super) struct Contained<F>(Pin<Box<F>>);

/// It panicked; the panic hook has told where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BrokeOff;

impl<F: Future> Contained<F> {
    pub(super) fn new(inner: F) -> Contained<F> {
        Contained(Box::pin(inner))
    }
}

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, BrokeOff>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // What it leaves behind is not looked at: after a panic the future is only dropped.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err(BrokeOff)),
        }
    }
}
