//! Lines on their way to standard error, where nobody may be reading: whoever writes one never waits.
//!
//! A thread of its own writes them, in their order. What it has not written yet is bounded; lines beyond that are
//! counted, and the count is told once lines are taken again.

use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

/// Lines that wait.
const WAITING_MAX: usize = 8192;
/// Bytes that are written at once.
const BATCH_LEN: usize = 64 * 1024;
/// How long the end of the program waits for the last lines.
const LAST: Duration = Duration::from_secs(1);

/// The one for standard error, which there is one of.
pub(crate) static STDERR: LazyLock<Lines> = LazyLock::new(|| Lines::to(io::stderr()));

/// Where lines are left.
pub(crate) struct Lines {
    sender: SyncSender<Item>,
    lost: Counter,
}

enum Item {
    Line(String),
    /// Told when all before it is written.
    Mark(SyncSender<()>),
}

impl Lines {
    fn to(output: impl Write + Send + 'static) -> Lines {
        let (sender, items) = sync_channel(WAITING_MAX);
        std::thread::spawn(move || write_all(&items, output));
        Lines { sender, lost: Counter::default() }
    }

    /// Leaves a line, with its end.
    pub(crate) fn leave(&self, line: String) {
        match self.sender.try_send(Item::Line(line)) {
            Ok(()) => {}
            // Without its thread nobody could be told that nobody can be told.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.inc();
            }
        }
    }

    /// Lines that nobody took.
    pub(crate) fn lost(&self) -> Counter {
        self.lost.clone()
    }

    /// Waits until all is written, for a while.
    pub(crate) fn flush(&self) {
        let (written, all) = sync_channel(1);
        if self.sender.try_send(Item::Mark(written)).is_ok() {
            all.recv_timeout(LAST).ok();
        }
    }
}

fn write_all(items: &Receiver<Item>, mut output: impl Write) {
    let mut batch = String::new();
    while let Ok(first) = items.recv() {
        let mut marks = Vec::new();
        let mut next = Some(first);
        while let Some(item) = next {
            match item {
                Item::Line(line) => batch.push_str(&line),
                Item::Mark(written) => marks.push(written),
            }
            next = (batch.len() < BATCH_LEN).then(|| items.try_recv().ok()).flatten();
        }
        output.write_all(batch.as_bytes()).ok();
        batch.clear();
        for mark in marks {
            // Whoever waited may have gone on.
            mark.send(()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};

    use super::{Lines, WAITING_MAX};

    /// An output whose reader lets each write through.
    struct Slow {
        may_go_on: Receiver<()>,
        begun: Sender<()>,
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.begun.send(()).ok();
            self.may_go_on.recv().ok();
            self.seen.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_who_does_not_read_and_what_is_lost_is_counted() {
        let (go_on, may_go_on) = channel();
        let (begun, has_begun) = channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let lines = Lines::to(Slow { may_go_on, begun, seen: seen.clone() });
        lines.leave("first\n".to_owned());
        has_begun.recv().unwrap();
        for index in 0..WAITING_MAX + 7 {
            lines.leave(format!("line {index}\n"));
        }
        assert_eq!(lines.lost().get(), 7);
        // Once somebody reads again, all that waited comes, in its order.
        drop(go_on);
        while lines.lost().get() == 7 && seen.lock().unwrap().len() < 6 {
            std::thread::yield_now();
        }
        lines.flush();
        let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
        let last = format!("line {}\n", WAITING_MAX - 1);
        assert!(text.starts_with("first\nline 0\nline 1\n") && text.ends_with(&last), "{text}");
        assert_eq!(text.lines().count(), WAITING_MAX + 1);
    }
}
