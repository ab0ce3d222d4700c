//! A process of a plugin: greeted, logged in, asked, closed.
//!
//! One task owns the process. It writes what is asked, several requests in a message if the plugin can
//! take them, and gives each answer to whoever waits for it. When the process ends or speaks out of turn,
//! everybody who waits is told, and whoever asks later. Dropping a session kills its process.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use subrosa_engine::provider::{ProviderError, ProviderErrorKind, ResolveContext, SecretRequest};
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::answer::{Answer, answer, error, late, off_protocol, told};
use super::lines::{End, Lines};
use super::message::{Heard, PROTOCOL, Said, Wanted};
use crate::program::{self, Running};

/// Requests in one message, whatever a plugin says it can take.
const BATCH_MAX: usize = 256;

/// What is asked about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Fetch,
    Check,
}

type Reply = oneshot::Sender<Result<Answer, ProviderError>>;

/// A question on its way to the process.
struct Question {
    ask: Ask,
    request: SecretRequest,
    reply: Reply,
}

/// Whoever waits for an answer, by the request's number.
type Waiting = Mutex<HashMap<u64, (SecretRequest, Reply)>>;

/// A process that said what it can do, and is logged in nowhere yet.
pub(super) struct Greeted {
    name: String,
    running: Running,
    stdin: ChildStdin,
    lines: Lines<ChildStdout>,
    batch: usize,
    pub(super) checks: bool,
    pub(super) login: Vec<String>,
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}

/// Starts a process and lets it say what it can do.
pub(super) async fn greet(
    name: &str,
    program: &Path,
    context: &ResolveContext,
) -> Result<Greeted, ProviderError> {
    let mut command = program::command(program, context);
    command.stdin(std::process::Stdio::piped());
    let unavailable = |why: &dyn std::fmt::Display| {
        let message = format!("plugin `subrosa-provider-{name}` could not be run: {why}");
        error(ProviderErrorKind::Unavailable, message)
    };
    let mut running = Running(command.spawn().map_err(|error| unavailable(&error))?);
    let (Some(stdin), Some(stdout)) = (running.0.stdin.take(), running.0.stdout.take()) else {
        return Err(unavailable(&"it has no pipes"));
    };
    let mut greeted = Greeted {
        name: name.to_owned(),
        running,
        stdin,
        lines: Lines::new(stdout),
        batch: 1,
        checks: false,
        login: Vec::new(),
    };
    let limit = program::limit(context);
    match timeout(limit, greeted.hello()).await {
        Ok(done) => done.map(|()| greeted),
        Err(_) => Err(late(name, "did not say hello", limit)),
    }
}

impl Greeted {
    async fn hello(&mut self) -> Result<(), ProviderError> {
        let name = self.name.clone();
        let line = self.converse(&Said::Hello { protocol: PROTOCOL, provider: &name }).await?;
        let heard = Heard::parse(&line).filter(|heard| heard.word() == "hello");
        let Some(heard) = heard else {
            return Err(off_protocol(&name, "did not say hello in JSON"));
        };
        if heard.protocol != Some(PROTOCOL) {
            let theirs = heard.protocol.map_or("none".to_owned(), |number| number.to_string());
            let message = format!(
                "plugin `subrosa-provider-{name}` speaks protocol {theirs}, and this subrosa {PROTOCOL}"
            );
            return Err(error(ProviderErrorKind::Malformed, message)
                .help("use a version of the plugin that fits this one"));
        }
        self.batch = heard.batch.unwrap_or(1).clamp(1, BATCH_MAX);
        self.checks = heard.check.unwrap_or(false);
        self.login = heard.login.unwrap_or_default();
        Ok(())
    }

    /// Says something and hears one line.
    async fn converse(&mut self, said: &Said<'_>) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        // A plugin that is gone is told by the end of its output.
        let _unwritten = self.stdin.write_all(&said.line()).await.err();
        match self.lines.next().await {
            Ok(line) => Ok(line),
            Err(end) => Err(ended(&self.name, &mut self.running, &end).await),
        }
    }

    /// Logs in.
    pub(super) async fn open(
        mut self,
        login: BTreeMap<String, String>,
        context: &ResolveContext,
    ) -> Result<Session, ProviderError> {
        let limit = program::limit(context);
        let said = Said::Open { login: &login, timeout_ms: millis(limit) };
        let Ok(line) = timeout(limit, self.converse(&said)).await else {
            return Err(late(&self.name, "did not log in", limit));
        };
        let line = line?;
        match Heard::parse(&line) {
            Some(heard) if heard.word() == "opened" => Ok(Session::start(self, limit)),
            Some(heard) if heard.word() == "error" => Err(told(&self.name, &heard, &[&login])),
            _ => {
                Err(off_protocol(&self.name, "answered the login with no message of the protocol"))
            }
        }
    }
}

/// What the end of a plugin's output means.
async fn ended(name: &str, running: &mut Running, end: &End) -> ProviderError {
    match end {
        End::TooLong => off_protocol(name, "sent a line of more than 2 MiB"),
        End::Io(why) => {
            let message = format!("plugin `subrosa-provider-{name}` cannot be heard: {why}");
            error(ProviderErrorKind::Unavailable, message)
        }
        End::Closed => {
            // It closed its output, and is about to end; if it is not, that is how it ended for us.
            let status = timeout(Duration::from_secs(1), running.0.wait()).await;
            let how = match status {
                Ok(Ok(status)) => format!("ended with {status}"),
                Ok(Err(_)) | Err(_) => "closed its output".to_owned(),
            };
            let message = format!("plugin `subrosa-provider-{name}` {how} while it was needed");
            error(ProviderErrorKind::Unavailable, message)
                .help("start it by hand and give it the messages of the protocol to see why")
        }
    }
}

type Task = (mpsc::UnboundedSender<Question>, JoinHandle<Result<(), ProviderError>>);

/// A process that is logged in.
pub(super) struct Session {
    name: String,
    limit: Duration,
    /// Where questions go, and the task that asks them; nothing after `close`.
    task: Mutex<Option<Task>>,
    /// Why nobody is asked any more.
    over: Arc<OnceLock<ProviderError>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((_, task)) = task {
            task.abort();
        }
    }
}

impl Session {
    fn start(greeted: Greeted, limit: Duration) -> Session {
        let (ask, questions) = mpsc::unbounded_channel();
        let (name, over) = (greeted.name.clone(), Arc::new(OnceLock::new()));
        let task = tokio::spawn(Box::pin(serve(greeted, questions, limit, Arc::clone(&over))));
        Session { name, limit, task: Mutex::new(Some((ask, task))), over }
    }

    /// Asks about one request.
    pub(super) async fn ask(
        &self,
        ask: Ask,
        request: &SecretRequest,
    ) -> Result<Answer, ProviderError> {
        let (reply, answer) = oneshot::channel();
        let question = Question { ask, request: request.clone(), reply };
        let sent = {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            task.as_ref().is_some_and(|(questions, _)| questions.send(question).is_ok())
        };
        let over = || {
            let closed = || off_protocol(&self.name, "was asked after it was closed");
            self.over.get().cloned().unwrap_or_else(closed)
        };
        if !sent {
            return Err(over());
        }
        match timeout(self.limit, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(over()),
            Err(_) => Err(late(&self.name, "did not answer", self.limit)),
        }
    }

    /// Lets the plugin give back what it holds, and waits for its end, which is forced if it is late.
    pub(super) async fn close(&self) -> Result<(), ProviderError> {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((questions, mut task)) = task else { return Ok(()) };
        drop(questions);
        match timeout(self.limit, &mut task).await {
            Ok(Ok(closed)) => closed,
            Ok(Err(_)) => Err(off_protocol(&self.name, "broke off")),
            Err(_) => {
                task.abort();
                Err(late(&self.name, "did not end", self.limit))
            }
        }
    }
}

/// Carries questions and answers until nobody asks any more, and then sees the process to its end.
async fn serve(
    greeted: Greeted,
    questions: mpsc::UnboundedReceiver<Question>,
    limit: Duration,
    over: Arc<OnceLock<ProviderError>>,
) -> Result<(), ProviderError> {
    let Greeted { name, mut running, stdin, mut lines, batch, .. } = greeted;
    let waiting = Waiting::default();
    // Side by side: a plugin that writes a long answer does not read meanwhile.
    let mut asking = Box::pin(put_questions(stdin, questions, &waiting, batch, limit));
    let mut hearing = Box::pin(hear_answers(&name, &mut lines, &waiting));
    let (end, closing) = tokio::select! {
        end = &mut hearing => (end, false),
        () = &mut asking => (hearing.await, true),
    };
    if closing && matches!(end, Heedless::End(End::Closed)) {
        return match running.0.wait().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => {
                let message = format!(
                    "plugin `subrosa-provider-{name}` ended with {status} when it was closed"
                );
                Err(error(ProviderErrorKind::Unavailable, message))
            }
            Err(_) => Err(off_protocol(&name, "cannot be waited for")),
        };
    }
    let why = match end {
        Heedless::End(end) => ended(&name, &mut running, &end).await,
        Heedless::Error(error) => error,
    };
    // Whoever asked is told by the end of its channel, which comes with the end of this function.
    over.get_or_init(|| why.clone());
    Err(why)
}

/// Writes questions until nobody asks any more, then the last message; the plugin's input ends with it.
async fn put_questions(
    mut stdin: ChildStdin,
    mut questions: mpsc::UnboundedReceiver<Question>,
    waiting: &Waiting,
    batch: usize,
    limit: Duration,
) {
    let mut next_id = 1;
    while let Some(first) = questions.recv().await {
        // Others who were about to ask get the chance to be in the same message.
        tokio::task::yield_now().await;
        let mut gathered = vec![first];
        while gathered.len() < batch
            && let Ok(question) = questions.try_recv()
        {
            gathered.push(question);
        }
        for ask in [Ask::Fetch, Ask::Check] {
            let (these, others) = gathered.into_iter().partition(|question| question.ask == ask);
            gathered = others;
            let line = message_of(ask, these, waiting, &mut next_id, limit);
            // A plugin that is gone is told by the end of its output.
            if let Some(line) = line
                && stdin.write_all(&line).await.is_err()
            {
                return std::future::pending().await;
            }
        }
    }
    let _unwritten = stdin.write_all(&Said::Close.line()).await.err();
}

/// Numbers questions, notes who waits for them, and puts them into one message.
fn message_of(
    ask: Ask,
    questions: Vec<Question>,
    waiting: &Waiting,
    next_id: &mut u64,
    limit: Duration,
) -> Option<Zeroizing<Vec<u8>>> {
    if questions.is_empty() {
        return None;
    }
    let ids = *next_id..;
    *next_id += questions.len() as u64;
    let wanted = ids.clone().zip(&questions).map(|(id, Question { request, .. })| Wanted {
        id,
        name: &request.name,
        key: &request.key,
        options: &request.options.0,
    });
    let (timeout_ms, requests) = (millis(limit), wanted.collect());
    let line = match ask {
        Ask::Fetch => Said::Fetch { timeout_ms, requests }.line(),
        Ask::Check => Said::Check { timeout_ms, requests }.line(),
    };
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.extend(
        ids.zip(questions).map(|(id, Question { request, reply, .. })| (id, (request, reply))),
    );
    Some(line)
}

/// Why nothing more is heard.
enum Heedless {
    End(End),
    Error(ProviderError),
}

/// Gives answers to whoever waits for them, until the plugin ends or speaks out of turn.
async fn hear_answers(name: &str, lines: &mut Lines<ChildStdout>, waiting: &Waiting) -> Heedless {
    loop {
        let line = match lines.next().await {
            Ok(line) => line,
            Err(end) => return Heedless::End(end),
        };
        let Some(heard) = Heard::parse(&line) else {
            return Heedless::Error(off_protocol(name, "sent a line that is no message"));
        };
        if heard.word() == "closed" {
            continue;
        }
        let asked = heard
            .id
            .and_then(|id| waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
        let Some((request, reply)) = asked else {
            return Heedless::Error(off_protocol(name, "answered what it was not asked"));
        };
        // Whoever asked may have gone.
        reply.send(answer(name, &heard, &request)).ok();
    }
}
