//! Runs: each is a process of its own, which this one starts, steers and waits for.
//!
//! A run is acknowledged once its process has said that it is recorded. What is asked of a run goes through the
//! standard input of its process; if we are killed, that ends, and the process stops its run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use secrecy::ExposeSecret as _;
use subrosa_server::channel::runs::{
    Param, StartKind, StartRun, Started, StopHow, StopRun, Stopping,
};
use subrosa_server::channel::{By, Refusal, RefusalKind, UnsealingKey};
use subrosa_server::folder::workflow_file;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel,
};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::order::{LINE_LEN_MAX, Order, Say, Told};
use super::{process, refusal, reply};
use crate::registry::ask_for_broker;

/// Runs that go on at the same time, and looks at what one would have.
const RUNS_MAX: usize = 256;
/// Looks among them: each is a process as well, and who may only look is not to keep runs from starting.
const LOOKS_MAX: usize = 32;
/// How long steps and handlers may take to end once they are asked to: twice what the engine gives steps.
const GENTLE: Duration = Duration::from_secs(20);
/// How long a run may take to end that is to stop at once.
const AT_ONCE: Duration = Duration::from_secs(10);

/// For what a process has said to be read once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What came of an order.
pub(super) type Answer = Result<Started, Refusal>;

/// How a run is ended.
#[derive(Clone, Copy)]
enum End {
    Stop(StopHow),
    /// Its process is killed; the guard ends what it leaves.
    Kill,
}

/// The runs that go on.
pub(super) struct Runs {
    folder: PathBuf,
    executable: PathBuf,
    clock: fn() -> SystemTime,
    table: Mutex<HashMap<String, UnboundedSender<End>>>,
    count: watch::Sender<usize>,
    looks: Semaphore,
    is_over: AtomicBool,
}

impl Runs {
    /// None yet; `folder` is the one with the workflow files.
    pub(super) fn new(folder: PathBuf, executable: PathBuf, clock: fn() -> SystemTime) -> Runs {
        let (table, count) = (Mutex::default(), watch::channel(0).0);
        let (looks, is_over) = (Semaphore::new(LOOKS_MAX), AtomicBool::new(false));
        Runs { folder, executable, clock, table, count, looks, is_over }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, UnboundedSender<End>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what is asked for, and answers.
    pub(super) async fn start(
        self: Arc<Self>,
        id: u64,
        by: By,
        asked: StartRun,
        key: &UnsealingKey,
    ) {
        let answer = match self.order(by, asked, key) {
            Ok(order) => self.clone().begin_or_look(order).await,
            Err(refusal) => Err(refusal),
        };
        reply::<StartRun>(id, answer);
    }

    /// Carries out an order, for which there has to be room if it is a look.
    async fn begin_or_look(self: Arc<Self>, order: Order) -> Answer {
        let is_look = matches!(order.kind, StartKind::Dry | StartKind::Explain { .. });
        let looks = self.clone();
        let room = is_look.then(|| looks.looks.try_acquire()).transpose();
        let _held =
            room.map_err(|_| unavailable("as many people look at workflows as may at once"))?;
        self.begin(order).await
    }

    /// Starts what is ordered; the run goes on until it has ended.
    pub(super) async fn begin(self: Arc<Self>, order: Order) -> Answer {
        let (sender, ends) = unbounded_channel();
        self.admit(&order.run, sender)?;
        let (told, answer) = oneshot::channel();
        tokio::spawn(async move {
            carry(&self.executable, &order, ends, told).await;
            self.lock().remove(&order.run);
            self.count.send_modify(|count| *count -= 1);
        });
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// The file of a workflow.
    pub(super) fn file(&self, relative: &str) -> Result<PathBuf, Refusal> {
        workflow_file(&self.folder, relative).ok_or_else(|| Refusal {
            kind: RefusalKind::NotFound,
            message: "there is no such workflow".to_owned(),
            help: None,
        })
    }

    /// An id for a run that is to come.
    pub(super) fn new_id(&self) -> Result<String, Refusal> {
        let run = subrosa_engine::run_id((self.clock)());
        run.map_err(|_| unavailable("the system gives no randomness"))
    }

    /// Keeps the place of one more run.
    fn admit(&self, run: &str, ends: UnboundedSender<End>) -> Result<(), Refusal> {
        let mut table = self.lock();
        if self.is_over.load(Ordering::Relaxed) {
            return Err(unavailable("the server is about to stop"));
        }
        if table.len() >= RUNS_MAX {
            return Err(unavailable("as many runs go on as may at the same time"));
        }
        table.insert(run.to_owned(), ends);
        self.count.send_modify(|count| *count += 1);
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "the process of the run needs its parameters")]
    fn order(&self, by: By, asked: StartRun, key: &UnsealingKey) -> Result<Order, Refusal> {
        let file = self.file(&asked.file)?;
        let params = asked.params.map(|sealed| key.open(&sealed)).transpose();
        let params: Vec<Param> = match params.map_err(refusal::sealed)? {
            None => Vec::new(),
            Some(opened) => serde_json::from_slice(opened.expose_secret())
                .map_err(|_| refusal::invalid("the parameters are not understood"))?,
        };
        Ok(Order {
            run: self.new_id()?,
            user: by.user,
            allow_protected: by.allow_protected,
            file,
            workspace: asked.workspace,
            environment: asked.environment,
            params,
            kind: asked.kind,
        })
    }

    /// Tells a run to stop.
    pub(super) fn stop(&self, asked: &StopRun) -> Stopping {
        let told = self.lock().get(&asked.run).map(|ends| ends.send(End::Stop(asked.how)));
        match told {
            Some(Ok(())) => Stopping::Told,
            Some(Err(_)) | None => Stopping::NotOurs,
        }
    }

    /// Admits no more runs.
    pub(super) fn finish(&self) {
        // Under the lock: whoever is admitted after this sees it.
        let table = self.lock();
        self.is_over.store(true, Ordering::Relaxed);
        drop(table);
    }

    /// Waits until no run goes on.
    pub(super) async fn ended(&self) {
        // The sender is ours, so there is one.
        self.count.subscribe().wait_for(|count| *count == 0).await.map(drop).ok();
    }

    /// Stops what still goes on: gently, then at once, then by force.
    pub(super) async fn stop_all(&self) {
        self.finish();
        let rounds = [
            (End::Stop(StopHow::Graceful), GENTLE),
            (End::Stop(StopHow::Kill), AT_ONCE),
            (End::Kill, AT_ONCE),
        ];
        for (end, patience) in rounds {
            for ends in self.lock().values() {
                // One that has ended meanwhile needs no telling.
                ends.send(end).ok();
            }
            if timeout(patience, self.ended()).await.is_ok() {
                return;
            }
        }
    }
}

fn unavailable(message: &str) -> Refusal {
    Refusal { kind: RefusalKind::Unavailable, message: message.to_owned(), help: None }
}

fn gone() -> Refusal {
    let message = "the process of the run ended before the run was recorded".to_owned();
    Refusal { kind: RefusalKind::Broken, message, help: None }
}

/// Starts the process, tells what came of the order, and steers it to its end.
async fn carry(
    executable: &std::path::Path,
    order: &Order,
    mut ends: UnboundedReceiver<End>,
    told: oneshot::Sender<Answer>,
) {
    let started = start(executable, order).await;
    let (mut child, mut input, output) = match started {
        Ok(started) => started,
        Err(error) => {
            let message = format!("the process of the run cannot be started: {error}");
            told.send(Err(unavailable(&message))).ok();
            return;
        }
    };
    let (sender, mut said) = channel(1);
    tokio::spawn(listen(output, sender));
    let (mut told, mut was_asked) = (Some(told), false);
    loop {
        tokio::select! {
            one = hear(&mut said, told.is_some()) => match one {
                Some(Told::Ask { place }) => {
                    let is_again = std::mem::replace(&mut was_asked, true);
                    answer(&mut input, place, is_again).await;
                }
                Some(Told::Done(done)) => tell(&mut told, Ok(done)),
                Some(Told::Refused(refusal)) => tell(&mut told, Err(refusal)),
                None => tell(&mut told, Err(gone())),
            },
            Some(end) = ends.recv() => end_run(end, &mut child, &mut input).await,
            // A process that cannot be waited for is none of ours any more.
            _ = child.wait() => break,
        }
    }
    // What it said last may not have been read yet.
    let rest = async {
        while told.is_some()
            && let Some(one) = said.recv().await
        {
            match one {
                Told::Ask { .. } => {}
                Told::Done(done) => tell(&mut told, Ok(done)),
                Told::Refused(refusal) => tell(&mut told, Err(refusal)),
            }
        }
    };
    // Somebody may have inherited its output, and nobody else says anything there.
    timeout(LAST_WORDS, rest).await.ok();
}

/// The next thing that is said, while there is somebody to tell it to.
async fn hear(said: &mut Receiver<Told>, is_wanted: bool) -> Option<Told> {
    match is_wanted {
        true => said.recv().await,
        false => std::future::pending().await,
    }
}

fn tell(told: &mut Option<oneshot::Sender<Answer>>, answer: Answer) {
    if let Some(told) = told.take() {
        // Whoever asked may be gone.
        told.send(answer).ok();
    }
}

async fn start(
    executable: &std::path::Path,
    order: &Order,
) -> std::io::Result<(Child, ChildStdin, BufReader<ChildStdout>)> {
    let mut command = Command::new(executable);
    command.arg(process::WORD).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (Some(mut input), Some(output)) = (input, output) else {
        return Err(std::io::ErrorKind::BrokenPipe.into());
    };
    let mut line = Zeroizing::new(serde_json::to_vec(order)?);
    line.push(b'\n');
    input.write_all(&line).await?;
    input.flush().await?;
    Ok((child, input, BufReader::new(output)))
}

/// Hands on what is said.
async fn listen(mut output: BufReader<ChildStdout>, hand_on: Sender<Told>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut output).take(LINE_LEN_MAX).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(length) if length > 0) {
            return;
        }
        let Ok(told) = serde_json::from_slice(&line) else { return };
        if hand_on.send(told).await.is_err() {
            return;
        }
    }
}

/// Answers with the passphrase that was typed when we were started, if somebody typed one; a second question
/// means that it is wrong.
async fn answer(input: &mut ChildStdin, place: String, is_again: bool) {
    let typed = match is_again {
        true => None,
        false => tokio::task::spawn_blocking(move || ask_for_broker(place, false))
            .await
            .ok()
            .and_then(Result::ok),
    };
    write(input, Say::Answer(typed.as_ref().map(|typed| typed.len()))).await;
    if let Some(typed) = typed {
        // One that has ended meanwhile needs no answer.
        input.write_all(&typed).await.and(input.flush().await).ok();
    }
}

async fn end_run(end: End, child: &mut Child, input: &mut ChildStdin) {
    match end {
        End::Stop(StopHow::Graceful) => write(input, Say::Stop).await,
        End::Stop(StopHow::Kill) => write(input, Say::Kill).await,
        End::Kill => {
            // It may have ended meanwhile.
            child.start_kill().ok();
        }
    }
}

async fn write(input: &mut ChildStdin, say: Say) {
    let Ok(mut line) = serde_json::to_vec(&say) else { return };
    line.push(b'\n');
    // One that has ended meanwhile does not hear it.
    input.write_all(&line).await.and(input.flush().await).ok();
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;
    use std::time::SystemTime;

    use subrosa_server::channel::RefusalKind;
    use subrosa_server::channel::runs::StartKind;

    use super::{LOOKS_MAX, Order, Runs};

    fn order(run: usize, kind: StartKind) -> Order {
        let (run, file) = (run.to_string(), "flow.yaml".into());
        let (user, allow_protected) = ("ada".to_owned(), false);
        let (workspace, environment, params) = (None, None, Vec::new());
        Order { run, user, allow_protected, file, workspace, environment, params, kind }
    }

    #[tokio::test]
    async fn who_looks_does_not_keep_runs_from_starting() {
        let home = tempfile::tempdir().unwrap();
        let slow = home.path().join("slow");
        // It goes on until nobody steers it any more, and says nothing.
        std::fs::write(&slow, "#!/bin/sh\ncat > /dev/null\n").unwrap();
        std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o700)).unwrap();
        let runs = Arc::new(Runs::new(home.path().into(), slow, || SystemTime::UNIX_EPOCH));
        let look = |run| runs.clone().begin_or_look(order(run, StartKind::Explain { step: None }));
        for run in 0..LOOKS_MAX {
            tokio::spawn(look(run));
        }
        while runs.lock().len() < LOOKS_MAX {
            tokio::task::yield_now().await;
        }
        let one_more = look(LOOKS_MAX).await.map(drop).unwrap_err();
        assert_eq!(one_more.kind, RefusalKind::Unavailable);
        tokio::spawn(runs.clone().begin_or_look(order(LOOKS_MAX, StartKind::Run)));
        while runs.lock().len() <= LOOKS_MAX {
            tokio::task::yield_now().await;
        }
    }
}
