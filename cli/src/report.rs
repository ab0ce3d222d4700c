//! Shows a run while it goes on.
//!
//! Lines are written as events come. A live view has a thread that owns the screen and draws by the
//! clock; events reach it through a bounded queue. Either way a slow screen slows the run, and a lost
//! one does not end it. What is shown are names, numbers and masked text.

mod json;
mod live;
mod plain;
mod summary;
mod tail;
pub(crate) mod words;

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use subrosa_engine::event::{EventSink, RunEvent};

use crate::args::DisplayArgs;
use crate::out::{self, OutputLost};
use crate::wiring::World;

/// Events that may wait for the screen.
const QUEUE_LEN: usize = 1024;
/// Bytes that are collected before they are written, if events keep coming.
const WRITE_LEN: usize = 64 * 1024;

/// One way to show a run. `screen` collects bytes for standard output.
trait View: Send {
    /// Takes an event.
    fn event(&mut self, event: &RunEvent, screen: &mut Vec<u8>);

    /// How often to draw, even if nothing happened; `None`: never.
    fn period(&self) -> Option<Duration> {
        None
    }

    /// Draws what changes by itself.
    fn frame(&mut self, _screen: &mut Vec<u8>) {}

    /// Draws for the last time.
    fn end(&mut self, screen: &mut Vec<u8>);
}

enum Message {
    Event(Box<RunEvent>),
    End,
}

/// What shows a run.
pub(crate) struct Report {
    sink: Arc<Sink>,
    thread: Option<JoinHandle<Result<(), OutputLost>>>,
}

struct Sink {
    way: Way,
    wants_output: bool,
}

enum Way {
    /// Written where the event happens.
    Direct(Mutex<Screen>),
    /// Handed to the thread of a live view.
    Queue(SyncSender<Message>),
}

impl EventSink for Sink {
    fn emit(&self, event: &RunEvent) {
        match &self.way {
            Way::Direct(screen) => {
                screen.lock().unwrap_or_else(PoisonError::into_inner).event(event)
            }
            // The thread takes every event until `End`; after that nobody wants to know.
            Way::Queue(sender) => {
                sender.send(Message::Event(Box::new(event.clone()))).ok();
            }
        }
    }

    fn wants_output(&self) -> bool {
        self.wants_output
    }
}

impl Report {
    /// Starts the view that fits the arguments and the screen.
    pub(crate) fn start(display: &DisplayArgs, world: &World) -> Report {
        let stdout = io::stdout();
        let look = world.look(&stdout);
        let is_dumb = world.var("TERM").is_none_or(|term| term == "dumb");
        let view: Box<dyn View> = if display.json {
            Box::new(json::Json)
        } else if stdout.is_terminal() && !is_dumb && !display.quiet {
            Box::new(live::Live::new(look))
        } else {
            Box::new(plain::Plain::new(look, display.quiet))
        };
        let screen = Screen { view, bytes: Vec::new(), lost: None };
        let wants_output = display.follow;
        if screen.view.period().is_none() {
            let way = Way::Direct(Mutex::new(screen));
            return Report { sink: Arc::new(Sink { way, wants_output }), thread: None };
        }
        let (sender, receiver) = sync_channel(QUEUE_LEN);
        let thread = std::thread::spawn(move || screen.draw(&receiver));
        let sink = Arc::new(Sink { way: Way::Queue(sender), wants_output });
        Report { sink, thread: Some(thread) }
    }

    /// Where the run tells its events.
    pub(crate) fn sink(&self) -> Arc<dyn EventSink> {
        self.sink.clone()
    }

    /// Draws for the last time and waits until all is written.
    pub(crate) fn close(self) -> Result<(), OutputLost> {
        match &self.sink.way {
            Way::Direct(screen) => screen.lock().unwrap_or_else(PoisonError::into_inner).end(),
            Way::Queue(sender) => {
                sender.send(Message::End).ok();
                // A thread that panicked has told so through the hook.
                let broken = || Err(OutputLost(io::ErrorKind::Other.into()));
                self.thread.map_or(Ok(()), |thread| thread.join().unwrap_or_else(|_| broken()))
            }
        }
    }
}

/// A view with what it has drawn and not yet written.
struct Screen {
    view: Box<dyn View>,
    bytes: Vec<u8>,
    lost: Option<io::Error>,
}

impl Screen {
    fn event(&mut self, event: &RunEvent) {
        self.view.event(event, &mut self.bytes);
        self.write();
    }

    /// The thread of a live view: takes messages, lets the view draw, writes.
    fn draw(mut self, receiver: &Receiver<Message>) -> Result<(), OutputLost> {
        let period = self.view.period().unwrap_or_default();
        while take_until(receiver, self.view.as_mut(), &mut self.bytes, Instant::now() + period) {
            self.view.frame(&mut self.bytes);
            self.write();
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), OutputLost> {
        self.view.end(&mut self.bytes);
        self.write();
        self.lost.take().map_or(Ok(()), |error| Err(OutputLost(error)))
    }

    /// Writes and empties the screen; after the first error all is dropped.
    fn write(&mut self) {
        if self.lost.is_none() && !self.bytes.is_empty() {
            let mut stdout = io::stdout().lock();
            self.lost = stdout.write_all(&self.bytes).and_then(|()| stdout.flush()).err();
            if let Some(error) =
                self.lost.as_ref().filter(|e| e.kind() != io::ErrorKind::BrokenPipe)
            {
                out::stderr(&format!("warning: the run goes on unseen: {error}\n"));
            }
        }
        self.bytes.clear();
    }
}

/// Takes messages until it is time to draw; whether more may come.
fn take_until(
    receiver: &Receiver<Message>,
    view: &mut dyn View,
    screen: &mut Vec<u8>,
    deadline: Instant,
) -> bool {
    while screen.len() < WRITE_LEN {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Message::Event(event)) => view.event(&event, screen),
            Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => break,
        }
    }
    true
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
