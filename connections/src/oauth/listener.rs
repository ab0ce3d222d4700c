//! Waits on this machine for the browser to come back.
//!
//! Everything happens in the future of [`Listener::wait`]: dropping it closes the port and every
//! connection at once. Each visitor has a few seconds and a bounded request; if too many come, the one
//! that has been there longest is sent away, so that nobody who dawdles keeps others out.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::oauth::callback::{Callback, Expected, Heard, hear};
use crate::oauth::page::Page;
use crate::oauth::{OAuthError, Redirect, Refusal, Ui};

/// Bytes that the head of a request may have: cookies of everything on this machine come along.
const HEAD_LEN_MAX: usize = 32 * 1024;

/// Visitors at the same time.
const VISITORS_MAX: usize = 16;

/// Refusals that are told: more would only fill the screen.
const TOLD_MAX: usize = 10;

/// How long the browser has to fetch the last page.
const LAST_PAGE_TIME: Duration = Duration::from_secs(1);

/// A port that waits for the browser.
pub(super) struct Listener {
    socket: TcpListener,
    port: u16,
}

/// The browser that came back, and waits for a page.
pub(super) struct Visitor(TcpStream);

type Visit<'a> = Pin<Box<dyn Future<Output = Option<(Visitor, Callback)>> + Send + 'a>>;

impl Listener {
    /// Begins to listen.
    pub(super) async fn bind(redirect: &Redirect) -> Result<Listener, OAuthError> {
        let port = redirect.port().unwrap_or(0);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => OAuthError::PortTaken { port },
            kind => OAuthError::Listen(kind),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let port = socket.local_addr().map_err(failed)?.port();
        Ok(Listener { socket, port })
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Waits until somebody comes who knows the state. `time` is what each visitor has.
    pub(super) async fn wait(
        &self,
        expected: &Expected,
        time: Duration,
        ui: &dyn Ui,
    ) -> Result<(Visitor, Callback), OAuthError> {
        let told = Told { ui, count: AtomicUsize::new(0) };
        let mut visits: VecDeque<Visit<'_>> = VecDeque::new();
        poll_fn(|context| {
            let mut newcomers = 0;
            while let Poll::Ready(accepted) = self.socket.poll_accept(context) {
                match accepted {
                    Ok((stream, _)) => {
                        if visits.len() == VISITORS_MAX {
                            visits.pop_front();
                        }
                        visits.push_back(Box::pin(visit(stream, expected, time, &told)));
                    }
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => return Poll::Ready(Err(OAuthError::Listen(error.kind()))),
                }
                newcomers += 1;
                if newcomers == VISITORS_MAX {
                    // Those who came are heard before more come.
                    context.waker().wake_by_ref();
                    break;
                }
            }
            poll_visits(&mut visits, context).map(Ok)
        })
        .await
    }
}

/// Lets each visitor go on; ready when one of them is the browser.
fn poll_visits(
    visits: &mut VecDeque<Visit<'_>>,
    context: &mut Context<'_>,
) -> Poll<(Visitor, Callback)> {
    let mut found = None;
    visits.retain_mut(|visit| {
        if found.is_some() {
            return true;
        }
        match visit.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(back) => {
                found = back;
                false
            }
        }
    });
    found.map_or(Poll::Pending, Poll::Ready)
}

/// Tells of refusals, up to a bound.
struct Told<'a> {
    ui: &'a dyn Ui,
    count: AtomicUsize,
}

impl Told<'_> {
    fn tell(&self, refusal: Refusal) {
        if self.count.fetch_add(1, Ordering::Relaxed) < TOLD_MAX {
            self.ui.refused(refusal);
        }
    }
}

/// Hears one visitor, and answers all but the browser, which waits for what comes of it.
async fn visit(
    mut stream: TcpStream,
    expected: &Expected,
    time: Duration,
    told: &Told<'_>,
) -> Option<(Visitor, Callback)> {
    let visited = timeout(time, async {
        let page = match read_head(&mut stream).await? {
            None => Page::Refused(Refusal::Malformed),
            Some(head) => match hear(&head, expected) {
                Heard::Back(callback) => return Ok(Some(callback)),
                Heard::Refused(refusal) => Page::Refused(refusal),
                Heard::NotFound => Page::NotFound,
            },
        };
        if let Page::Refused(refusal) = page {
            told.tell(refusal);
        }
        answer(&mut stream, page).await.map(|()| None)
    });
    match visited.await {
        Ok(Ok(Some(callback))) => Some((Visitor(stream), callback)),
        // Who said too little in time, or went away, is not worth a word.
        Ok(Ok(None) | Err(_)) | Err(_) => None,
    }
}

/// The head of a request; `None`: it is too long.
async fn read_head(stream: &mut TcpStream) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // Never grows: a code is in it.
    let mut head = Zeroizing::new(vec![0; HEAD_LEN_MAX]);
    let mut length = 0;
    while length < HEAD_LEN_MAX {
        let read = stream.read(&mut head[length..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // The end may lie across what was read before.
        let from = length.saturating_sub(3);
        length += read;
        if let Some(at) = head[from..length].windows(4).position(|four| four == b"\r\n\r\n") {
            head.truncate(from + at + 4);
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// Sends a page, and waits until it was taken: closing on what was not read would throw it away.
async fn answer(stream: &mut TcpStream, page: Page) -> io::Result<()> {
    stream.write_all(page.answer().as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = Zeroizing::new([0; 1024]);
    let mut left = HEAD_LEN_MAX;
    while left > 0 {
        let read = stream.read(&mut *rest).await?;
        if read == 0 {
            break;
        }
        left = left.saturating_sub(read);
    }
    Ok(())
}

impl Visitor {
    /// Shows the last page, if the browser is still there.
    pub(super) async fn show(mut self, page: Page) {
        // Whoever closed the window has the terminal.
        drop(timeout(LAST_PAGE_TIME, answer(&mut self.0, page)).await);
    }
}
