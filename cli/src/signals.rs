//! Signals as numbers in a queue.
//!
//! A signal that was ignored when we were started (`nohup`, a shell's background command) stays
//! ignored: listening for it would bring it back to life.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::failure::Failure;

/// Hang-up.
pub(crate) const HUP: i32 = 1;
/// Interrupt.
pub(crate) const INT: i32 = 2;
/// Quit.
pub(crate) const QUIT: i32 = 3;
/// Terminate.
pub(crate) const TERM: i32 = 15;
/// Cannot be heard: it stands for a wish to end at once.
pub(crate) const KILL: i32 = 9;
/// Go on after a stop.
pub(crate) const CONT: i32 = 18;
/// The terminal's size changed.
pub(crate) const WINCH: i32 = 28;

/// The signals that ask a run to stop.
pub(crate) const STOPPING: &[i32] = &[INT, TERM, HUP, QUIT];

/// The queue.
pub(crate) struct Signals {
    sender: UnboundedSender<i32>,
    receiver: UnboundedReceiver<i32>,
    ignored: u64,
}

impl Signals {
    /// Starts listening; needs a runtime around it.
    pub(crate) fn listen(numbers: &[i32]) -> Result<Signals, Failure> {
        let (sender, receiver) = unbounded_channel();
        let mut signals = Signals { sender, receiver, ignored: ignored_at_start() };
        for number in numbers {
            signals.also(*number)?;
        }
        Ok(signals)
    }

    /// Listens for one more.
    pub(crate) fn also(&mut self, number: i32) -> Result<(), Failure> {
        if is_in(self.ignored, number) {
            return Ok(());
        }
        forward(number, self.sender.clone())
            .map_err(|error| Failure::engine(format!("cannot listen for signals: {error}")))
    }

    /// Takes numbers from elsewhere as if they were signals.
    pub(crate) fn also_from(&self, mut numbers: UnboundedReceiver<i32>) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            while let Some(number) = numbers.recv().await {
                if sender.send(number).is_err() {
                    return;
                }
            }
        });
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> i32 {
        match self.receiver.recv().await {
            Some(number) => number,
            // Not reached: a sender lives as long as the receiver.
            None => std::future::pending().await,
        }
    }
}

fn forward(number: i32, sender: UnboundedSender<i32>) -> std::io::Result<()> {
    let mut stream = signal(SignalKind::from_raw(number))?;
    tokio::spawn(
        async move { while stream.recv().await.is_some() && sender.send(number).is_ok() {} },
    );
    Ok(())
}

/// The mask of ignored signals; empty where the system does not tell.
fn ignored_at_start() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse_ignored(&status).unwrap_or(0)
}

fn parse_ignored(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn is_in(mask: u64, number: i32) -> bool {
    mask & (1 << (number - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::{HUP, INT, is_in, parse_ignored};

    #[test]
    fn a_signal_ignored_at_start_is_known() {
        let mask = parse_ignored("Name:\tx\nSigIgn:\t0000000000001001\n").unwrap();
        assert!(is_in(mask, HUP));
        assert!(!is_in(mask, INT));
        assert_eq!(parse_ignored("Name:\tx\n"), None);
    }
}
