//! The end of the line of a run's process to the runner.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zeroize::Zeroizing;

use super::order::{LINE_LEN_MAX, Order, Say, Told};
use crate::signals;

/// More bytes than anybody can type.
const ANSWER_LEN_MAX: usize = 64 * 1024;

type Answer = Option<Zeroizing<Vec<u8>>>;

/// The line.
pub(super) struct Line {
    answers: Mutex<Receiver<Answer>>,
}

impl Line {
    /// Reads the order, and goes on listening in a thread of its own. Wishes to stop come as numbers of
    /// signals; the end of the line is one, too. `None`: there was no order.
    pub(super) fn open() -> Option<(Order, Line, UnboundedReceiver<i32>)> {
        let order = read(&mut io::stdin().lock())?;
        let (stop, stops) = unbounded_channel();
        let (sender, answers) = channel();
        thread::spawn(move || listen(&sender, &stop));
        Some((order, Line { answers: Mutex::new(answers) }, stops))
    }

    /// Asks for the passphrase of the key in `place`; `None`: there is nobody who knows it.
    pub(super) fn passphrase(&self, place: &str) -> Answer {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        say(&Told::Ask { place: place.to_owned() });
        answers.recv().ok().flatten()
    }
}

/// Says something; what is said to a runner that is gone is lost, and the end of the line tells so.
pub(super) fn say(told: &Told) {
    let Ok(mut line) = serde_json::to_vec(told) else { return };
    line.push(b'\n');
    let mut output = io::stdout().lock();
    output.write_all(&line).and_then(|()| output.flush()).ok();
}

fn read<T: DeserializeOwned>(input: &mut impl io::BufRead) -> Option<T> {
    // A line may hold parameters.
    let mut line = Zeroizing::new(Vec::new());
    input.take(LINE_LEN_MAX).read_until(b'\n', &mut line).ok()?;
    serde_json::from_slice(&line).ok()
}

fn listen(answers: &Sender<Answer>, stop: &UnboundedSender<i32>) {
    let mut input = io::stdin().lock();
    while let Some(said) = read(&mut input) {
        let answer = match said {
            Say::Answer(Some(length)) if length <= ANSWER_LEN_MAX => {
                let mut typed = Zeroizing::new(vec![0; length]);
                input.read_exact(&mut typed).is_ok().then_some(typed)
            }
            Say::Answer(_) => None,
            Say::Stop | Say::Kill => {
                let number = if said == Say::Kill { signals::KILL } else { signals::TERM };
                // Where nobody listens, it is over already.
                stop.send(number).ok();
                continue;
            }
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
    stop.send(signals::TERM).ok();
}
