//! The broker's end of the line to whoever started it.
//!
//! What is said to a reader that is gone is lost without harm: the work counts, not its being told.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use subrosa_connections::keeper::Back;
use subrosa_connections::protocol::{Event, Request, Said};
use tokio::sync::{Notify, oneshot};
use zeroize::Zeroizing;

use super::LINE_LEN_MAX;

/// More bytes than anybody can type.
const ANSWER_LEN_MAX: usize = 64 * 1024;

type Answer = Option<Zeroizing<Vec<u8>>>;

/// The line.
pub(crate) struct Link {
    answers: Mutex<Receiver<Answer>>,
    back: Mutex<Option<oneshot::Receiver<Zeroizing<Vec<u8>>>>>,
    /// Notified when whoever asked does not want it any more, or is gone.
    pub(crate) gone: Arc<Notify>,
}

impl Link {
    /// Reads what is to be done, and goes on listening in a thread of its own; `None`: nobody said it.
    pub(crate) fn open() -> Option<(Request, Link)> {
        let mut input = io::stdin().lock();
        let request = match read(&mut input)? {
            Said::Do(request) => *request,
            Said::Answer(_) | Said::Back(_) | Said::Cancel => return None,
        };
        drop(input);
        let gone = Arc::new(Notify::new());
        let (sender, answers) = channel();
        let (came, back) = oneshot::channel();
        let told = gone.clone();
        thread::spawn(move || listen(&sender, came, &told));
        let (answers, back) = (Mutex::new(answers), Mutex::new(Some(back)));
        Some((request, Link { answers, back, gone }))
    }

    /// What the browser comes back with, for the first who waits for it.
    pub(crate) fn back(&self) -> Back {
        let back = self.back.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async { back?.await.ok() })
    }

    /// Says something.
    pub(crate) fn say(&self, event: &Event) {
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        let mut output = io::stdout().lock();
        // Whoever asked may be gone.
        output.write_all(&line).and_then(|()| output.flush()).ok();
    }

    /// Asks for the passphrase of the key in `place`; `None`: there is nobody to ask.
    pub(crate) fn passphrase(&self, place: &str) -> Answer {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        self.say(&Event::Ask { place: place.to_owned() });
        answers.recv().ok().flatten()
    }
}

fn read(input: &mut impl io::BufRead) -> Option<Said> {
    let mut line = Vec::new();
    input.take(LINE_LEN_MAX).read_until(b'\n', &mut line).ok()?;
    serde_json::from_slice(&line).ok()
}

/// What follows a line.
fn bytes(input: &mut impl io::Read, length: usize) -> Answer {
    let mut bytes = Zeroizing::new(vec![0; Some(length).filter(|len| *len <= ANSWER_LEN_MAX)?]);
    input.read_exact(&mut bytes).is_ok().then_some(bytes)
}

/// Hands on answers until the line ends.
fn listen(answers: &Sender<Answer>, came: oneshot::Sender<Zeroizing<Vec<u8>>>, gone: &Notify) {
    let mut came = Some(came);
    let mut input = io::stdin().lock();
    while let Some(said) = read(&mut input) {
        let answer = match said {
            Said::Answer(Some(length)) => bytes(&mut input, length),
            Said::Answer(None) => None,
            Said::Back(length) => {
                if let (Some(query), Some(came)) = (bytes(&mut input, length), came.take()) {
                    // Whoever waited may have given up.
                    came.send(query).ok();
                }
                continue;
            }
            Said::Cancel | Said::Do(_) => {
                gone.notify_one();
                continue;
            }
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
    gone.notify_one();
}
