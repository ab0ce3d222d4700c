//! Work that a signal stops between two pieces, so that it can clean up after itself.

use std::io::{self, Read, Write};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use crate::failure::{Exit, Failure};
use crate::load;
use crate::signals::{STOPPING, Signals};

/// Whether a signal came.
#[derive(Debug, Default)]
pub(crate) struct Stop(AtomicBool);

impl Stop {
    fn check(&self) -> io::Result<()> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(io::Error::other("stopped by a signal")),
            false => Ok(()),
        }
    }

    /// A stream that fails once a signal came.
    pub(crate) fn watch<T>(&self, stream: T) -> Watched<'_, T> {
        Watched { stream, stop: self }
    }
}

/// A stream of a work that can be stopped.
pub(crate) struct Watched<'a, T> {
    stream: T,
    stop: &'a Stop,
}

impl<T: Read> Read for Watched<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.stream.read(buffer)
    }
}

impl<T: Write> Write for Watched<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Does something that stops soon after a signal; it then ends with the signal's exit code, unless
/// the work was done all the same.
pub(crate) fn until_stopped<T: Send>(
    work: impl FnOnce(&Stop) -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    let runtime = load::runtime()?;
    let mut signals = runtime.block_on(async { Signals::listen(STOPPING) })?;
    let stop = Stop::default();
    std::thread::scope(|scope| {
        let (sender, done) = oneshot::channel();
        let worker = scope.spawn(|| {
            let result = work(&stop);
            // Whoever was stopped does not listen any more.
            sender.send(()).ok();
            result
        });
        let signal = runtime.block_on(async {
            tokio::select! {
                _ = done => None,
                number = signals.next() => Some(number),
            }
        });
        if signal.is_some() {
            stop.0.store(true, Ordering::Relaxed);
        }
        let result = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        match (signal, result) {
            (Some(number), Err(_)) => Err(Failure::Told(Exit::signal(number))),
            (_, result) => result,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _};

    use rustix::process::{Signal, getpid, kill_process};

    use super::until_stopped;
    use crate::failure::{Exit, Failure};

    fn stopped() -> Failure {
        Failure::engine("it was stopped")
    }

    #[test]
    fn a_signal_stops_the_work_and_is_its_end() {
        let ended = until_stopped(|stop| {
            kill_process(getpid(), Signal::TERM).unwrap();
            let mut endless = stop.watch(io::repeat(0));
            io::copy(&mut endless, &mut io::sink()).map_err(|_| stopped())
        });
        assert_eq!(ended.unwrap_err().tell(|_| ()), Exit::signal(15));
    }

    #[test]
    fn without_a_signal_the_work_ends_as_it_ends() {
        let copied = until_stopped(|stop| {
            let mut some = stop.watch(io::repeat(7)).take(3);
            io::copy(&mut some, &mut io::sink()).map_err(|_| stopped())
        });
        assert_eq!(copied.unwrap(), 3);
        let failed = until_stopped(|_| Err::<(), _>(stopped()));
        assert_eq!(failed.unwrap_err().tell(|_| ()), Exit::ENGINE);
    }
}
