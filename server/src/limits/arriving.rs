//! Whether the body of a request is still on its way: then it is the caller who is slow.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};

/// A body that is watched.
struct Watched {
    body: Body,
    arriving: Arriving,
}

/// Tells of a body whether somebody waits for more of it.
#[derive(Clone)]
pub(super) struct Arriving(Arc<AtomicBool>);

impl Arriving {
    /// Watches the body of a request.
    pub(super) fn watch(request: Request) -> (Request, Arriving) {
        let arriving = Arriving(Arc::new(AtomicBool::new(false)));
        if request.body().is_end_stream() {
            return (request, arriving);
        }
        let watched = arriving.clone();
        (request.map(|body| Body::new(Watched { body, arriving: watched })), arriving)
    }

    /// Whether somebody waits for more of it.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.arriving.0.store(frame.is_pending(), Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use axum::body::{Body, Bytes, HttpBody as _};
    use axum::extract::Request;
    use futures_util::{StreamExt as _, stream};

    use super::Arriving;

    #[test]
    fn a_body_is_awaited_while_somebody_waits_for_it_and_not_before() {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"half"))]);
        let body = Body::from_stream(first.chain(stream::pending()));
        let (request, arriving) = Arriving::watch(Request::new(body));
        let mut body = request.into_body();
        let mut poll = || Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
        assert!(!arriving.is_awaited());
        assert!(matches!(poll(), Poll::Ready(Some(Ok(_)))));
        assert!(!arriving.is_awaited());
        assert!(poll().is_pending());
        assert!(arriving.is_awaited());
    }

    #[test]
    fn no_body_is_not_awaited() {
        let (_, arriving) = Arriving::watch(Request::new(Body::empty()));
        assert!(!arriving.is_awaited());
    }
}
