//! The runner, seen from here: a process that can do what this one cannot.
//!
//! It is started with the server and again if it ends. Any number of questions may be under way; what was
//! asked of a runner that ended is answered with [`RefusalKind::Unavailable`], done or not. It ends with the last
//! run once it was told that nothing more will be asked, and stops runs and ends when its standard input does.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot, watch};

use crate::channel::runs::Finish;
use crate::channel::{
    Ask, Asked, By, LINE_LEN_MAX, Refusal, RefusalKind, Said, Sealed, SealingKey,
};
use crate::serve::{Stop, Stopping};
use crate::settings::Settings;

/// How long to wait before a runner that ended is started again.
const PAUSE: Duration = Duration::from_secs(1);
/// The same for one that does not come up any more: twice as long each time, up to this.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Questions that wait to be written.
const QUEUE: usize = 256;

type Outcome = Result<Box<RawValue>, Refusal>;
type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Outcome>>>>;

/// Asks the runner.
#[derive(Clone)]
pub(crate) struct Runner {
    lines: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
    ready: watch::Receiver<Option<SealingKey>>,
}

/// Keeps a runner there; it ends the runner when it is stopped.
pub(crate) struct Keeper {
    command: Vec<std::ffi::OsString>,
    env: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    lines: mpsc::Receiver<Vec<u8>>,
    waiting: Waiting,
    ready: watch::Sender<Option<SealingKey>>,
}

/// Makes both ends.
pub(crate) fn runner(settings: &Settings) -> (Runner, Keeper) {
    let (lines, queue) = mpsc::channel(QUEUE);
    let (told, ready) = watch::channel(None);
    let waiting = Waiting::default();
    let runner = Runner { lines, waiting: waiting.clone(), next: Arc::default(), ready };
    let (command, env) = (settings.runner.clone(), settings.runner_env.clone());
    (runner, Keeper { command, env, lines: queue, waiting, ready: told })
}

fn unavailable(message: &str) -> Refusal {
    let help = Some("the log of the server tells why".to_owned());
    Refusal { kind: RefusalKind::Unavailable, message: message.to_owned(), help }
}

impl Runner {
    /// Asks, and waits for the answer.
    pub(crate) async fn ask<A: Ask>(&self, by: By, ask: A) -> Result<A::Answer, Refusal> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let asked = Asked { id, by, call: ask.into_call() };
        let mut line = serde_json::to_vec(&asked).map_err(|_| garbled())?;
        line.push(b'\n');
        let (sender, answer) = oneshot::channel();
        if self.ready.borrow().is_none() {
            return Err(unavailable("the runner is not there"));
        }
        lock(&self.waiting).insert(id, sender);
        let cleanup = Forget { id, waiting: &self.waiting };
        self.lines.send(line).await.map_err(|_| unavailable("the runner is not there"))?;
        let outcome = answer.await.map_err(|_| unavailable("the runner ended"))?;
        drop(cleanup);
        serde_json::from_str(outcome?.get()).map_err(|_| garbled())
    }

    /// Seals bytes so that the runner alone can read them.
    pub(crate) fn seal(&self, bytes: &[u8]) -> Result<Sealed, Refusal> {
        let key = self.ready.borrow().clone();
        let key = key.ok_or_else(|| unavailable("the runner is not there"))?;
        Sealed::seal(bytes, &key).map_err(|error| Refusal {
            kind: RefusalKind::Broken,
            message: error.to_string(),
            help: None,
        })
    }

    /// Whether it is there.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.borrow().is_some()
    }

    /// Waits until it is there; `false`: it will not be.
    pub(crate) async fn wait_ready(&self) -> bool {
        self.ready.clone().wait_for(Option::is_some).await.is_ok()
    }
}

/// A runner for tests, which answers by itself.
#[cfg(test)]
impl Runner {
    pub(crate) fn answering(
        answer: impl Fn(crate::channel::Call) -> Result<serde_json::Value, Refusal> + Send + 'static,
    ) -> Runner {
        let (lines, mut queue) = mpsc::channel::<Vec<u8>>(QUEUE);
        let key = crate::channel::UnsealingKey::generate().sealing_key();
        let (_, ready) = watch::channel(Some(key));
        let waiting = Waiting::default();
        let runner = Runner { lines, waiting: waiting.clone(), next: Arc::default(), ready };
        tokio::spawn(async move {
            while let Some(line) = queue.recv().await {
                let asked: Asked = serde_json::from_slice(&line).unwrap();
                let answered = answer(asked.call);
                let outcome =
                    answered.map(|value| serde_json::value::to_raw_value(&value).unwrap());
                let sender = lock(&waiting).remove(&asked.id);
                sender.unwrap().send(outcome).ok();
            }
        });
        runner
    }
}

fn garbled() -> Refusal {
    let message = "the runner answered what is not understood".to_owned();
    Refusal { kind: RefusalKind::Broken, message, help: None }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Outcome>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever does not wait any more is not kept.
struct Forget<'a> {
    id: u64,
    waiting: &'a Waiting,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(self.waiting).remove(&self.id);
    }
}

impl Keeper {
    /// Keeps a runner there until `stop` is told; then its input ends, and its end is waited for. One that has
    /// never come up is not started again: nothing would be another way the next time, and what it said is lost
    /// among repetitions.
    pub(crate) async fn keep(mut self, mut stop: Stopping, tell: impl Fn(&str) + Send + Sync) {
        let (mut has_come_up, mut pause) = (false, PAUSE);
        loop {
            match self.start() {
                Ok((mut child, input, output)) => {
                    self.converse(input, output, &mut stop).await;
                    let was_there = self.ready.send_replace(None).is_some();
                    has_come_up |= was_there;
                    pause = if was_there { PAUSE } else { (pause * 2).min(PAUSE_MAX) };
                    lock(&self.waiting).clear();
                    let ended = child.wait().await;
                    let is_over = stop.borrow().is_told();
                    if is_over {
                        return;
                    }
                    let how = ended.map_or_else(|error| error.to_string(), |how| how.to_string());
                    if !has_come_up {
                        return;
                    }
                    tell(&format!("the runner ended ({how}); starting it again"));
                }
                Err(error) => {
                    tell(&format!("the runner cannot be started: {error}"));
                    if !has_come_up {
                        return;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = told(&mut stop) => return,
            }
        }
    }

    fn start(&self) -> std::io::Result<(Child, ChildStdin, BufReader<ChildStdout>)> {
        let (program, words) =
            self.command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        Ok((child, input, BufReader::new(output)))
    }

    /// Writes what is asked and hands out what is answered, until either side ends.
    async fn converse(
        &mut self,
        mut input: ChildStdin,
        output: BufReader<ChildStdout>,
        stop: &mut Stopping,
    ) {
        let listening = listen(output, &self.waiting, &self.ready);
        tokio::pin!(listening);
        loop {
            tokio::select! {
                () = &mut listening => return,
                line = self.lines.recv() => {
                    let Some(line) = line else { break };
                    if input.write_all(&line).await.and(input.flush().await).is_err() {
                        return;
                    }
                }
                () = told(stop) => break,
            }
        }
        // It still answers what it was asked, and lets runs finish. The end of its input would stop them.
        while let Ok(line) = self.lines.try_recv() {
            input.write_all(&line).await.ok();
        }
        if let Some(line) = finish() {
            input.write_all(&line).await.and(input.flush().await).ok();
        }
        tokio::select! {
            () = &mut listening => return,
            _ = stop.wait_for(|stop| *stop == Stop::Now) => drop(input),
        }
        listening.await;
    }
}

/// Waits until it is said that the server is to stop.
async fn told(stop: &mut Stopping) {
    // Whoever would say it being gone means the same.
    stop.wait_for(|stop| stop.is_told()).await.map(drop).ok();
}

/// The line that says that nothing more will be asked. It is not answered.
fn finish() -> Option<Vec<u8>> {
    let by = By { user: String::new(), allow_protected: false };
    let asked = Asked { id: u64::MAX, by, call: Finish {}.into_call() };
    let mut line = serde_json::to_vec(&asked).ok()?;
    line.push(b'\n');
    Some(line)
}

async fn listen(
    mut output: BufReader<ChildStdout>,
    waiting: &Waiting,
    ready: &watch::Sender<Option<SealingKey>>,
) {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut output).take(LINE_LEN_MAX).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(length) if length > 0) {
            return;
        }
        let Ok(said) = serde_json::from_slice(&line) else { return };
        let (id, outcome) = match said {
            Said::Ready { key } => {
                ready.send_replace(Some(key));
                continue;
            }
            Said::Answer { id, answer } => (id, Ok(answer)),
            Said::Refused { id, refusal } => (id, Err(refusal)),
        };
        let sender = lock(waiting).remove(&id);
        if let Some(sender) = sender {
            // Whoever asked may be gone.
            sender.send(outcome).ok();
        }
    }
}
