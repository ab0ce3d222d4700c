//! The broker: a process of our own that opens connections for whoever may not, or must not be killed
//! in the middle of it.
//!
//! Here is the side of those who ask. They hand over what is to be done, show what the broker says, and
//! answer when it needs a passphrase; no value comes back. The broker leads a process group of its own and
//! finishes what it has begun with a service even if whoever asked is gone: see [`serve`].

pub(crate) mod link;
pub(crate) mod serve;

use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretSlice};
use subrosa_connections::protocol::{Done, Event, Failed, FailedKind, Request, Said, Task};
use subrosa_connections::provider::Refresher;
use subrosa_registry::{Lookup, Scope, SecretRef};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Notify;

use crate::registry::ask_for_broker;
use crate::wiring::World;

/// The hidden command.
pub(crate) const WORD: &str = "__broker";

/// Longest line that either side says.
pub(crate) const LINE_LEN_MAX: u64 = 1024 * 1024;

/// Starts brokers.
#[derive(Clone)]
pub(crate) struct Broker {
    executable: PathBuf,
    key_file: Option<PathBuf>,
}

/// A request about the connection `name` of a scope.
pub(crate) fn request(task: Task, name: &SecretRef, scope: &Scope, command: &str) -> Request {
    Request {
        task,
        name: name.connection_name().unwrap_or(name.as_str()).to_owned(),
        workspace: scope.workspace.as_ref().map(ToString::to_string),
        environment: scope.environment.as_ref().map(ToString::to_string),
        allow_protected: false,
        command: command.to_owned(),
        run: None,
        user: None,
        redirect: None,
        private_hosts: None,
    }
}

impl Broker {
    /// Of this program.
    pub(crate) fn new(world: &World) -> Broker {
        Broker { executable: world.executable.clone(), key_file: world.key_file.clone() }
    }

    /// Has a request carried out; `show` gets everything that is said before the end. When `cancel` is
    /// notified, the broker is told, and what it has begun with a service is finished all the same.
    pub(crate) async fn ask(
        &self,
        request: &Request,
        show: &mut (dyn FnMut(Event) + Send),
        cancel: &Notify,
    ) -> Result<Done, Failed> {
        self.ask_and_return(request, show, cancel, std::future::pending()).await
    }

    /// The same, for [`Flow::Elsewhere`](subrosa_connections::protocol::Flow): `back` is what the browser
    /// comes back with.
    pub(crate) async fn ask_and_return(
        &self,
        request: &Request,
        show: &mut (dyn FnMut(Event) + Send),
        cancel: &Notify,
        back: impl Future<Output = Option<SecretSlice<u8>>> + Send,
    ) -> Result<Done, Failed> {
        let (mut child, mut input, mut output) = self.start().map_err(|error| broken(&error))?;
        let said = say(&mut input, &Said::Do(Box::new(request.clone())), &[]).await;
        let answer = match said {
            Ok(()) => {
                let cancel_or_back = (cancel, std::pin::pin!(back));
                converse(&mut input, &mut output, show, cancel_or_back).await
            }
            Err(error) => Err(broken(&error)),
        };
        drop(input);
        // It ends by itself; whoever asked need not wait for that, but for its being reaped.
        tokio::spawn(async move { child.wait().await });
        answer
    }

    fn start(&self) -> std::io::Result<(Child, ChildStdin, BufReader<ChildStdout>)> {
        let mut command = Command::new(&self.executable);
        command.arg(WORD).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.process_group(0);
        if let Some(path) = &self.key_file {
            command.env("SUBROSA_KEY_FILE", path);
        }
        let mut child = command.spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        Ok((child, input, BufReader::new(output)))
    }
}

fn broken(error: &std::io::Error) -> Failed {
    let message = format!("the process that opens connections cannot be used: {error}");
    Failed { kind: FailedKind::Broken, message, help: None }
}

async fn say(input: &mut ChildStdin, said: &Said, bytes: &[u8]) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    input.write_all(&line).await?;
    input.write_all(bytes).await?;
    input.flush().await
}

/// Hands in what the browser came back with; if it will not come back, nobody waits any more.
#[expect(clippy::disallowed_methods, reason = "the broker exchanges the code that is in it")]
async fn hand_in(input: &mut ChildStdin, query: Option<&SecretSlice<u8>>) -> std::io::Result<()> {
    match query.map(ExposeSecret::expose_secret) {
        Some(query) => say(input, &Said::Back(query.len()), query).await,
        None => say(input, &Said::Cancel, &[]).await,
    }
}

/// Listens until the broker has said its last.
async fn converse(
    input: &mut ChildStdin,
    output: &mut BufReader<ChildStdout>,
    show: &mut (dyn FnMut(Event) + Send),
    (cancel, mut back): (&Notify, Pin<&mut (impl Future<Output = Option<SecretSlice<u8>>> + Send)>),
) -> Result<Done, Failed> {
    let mut is_back = false;
    let ended = || {
        let message = "the process that opens connections ended without an answer".to_owned();
        let help = Some("`subrosa connection status` tells how the connection stands".to_owned());
        Failed { kind: FailedKind::Broken, message, help }
    };
    let mut line = Vec::new();
    let mut was_asked = false;
    loop {
        line.clear();
        let mut bounded = output.take(LINE_LEN_MAX);
        let reading = bounded.read_until(b'\n', &mut line);
        tokio::pin!(reading);
        let length = loop {
            tokio::select! {
                length = &mut reading => break length.map_err(|error| broken(&error))?,
                () = cancel.notified() => {
                    // If it does not hear that, it is about to end anyway.
                    say(input, &Said::Cancel, &[]).await.ok();
                }
                query = &mut back, if !is_back => {
                    is_back = true;
                    hand_in(input, query.as_ref()).await.map_err(|error| broken(&error))?;
                }
            }
        };
        if length == 0 {
            return Err(ended());
        }
        match serde_json::from_slice(&line).map_err(|_| ended())? {
            Event::Done(done) => return Ok(done),
            Event::Failed(failed) => return Err(failed),
            Event::Ask { place } => {
                let is_again = std::mem::replace(&mut was_asked, true);
                let asked = tokio::task::spawn_blocking(move || ask_for_broker(place, is_again));
                let answered = match asked.await {
                    Ok(Ok(typed)) => say(input, &Said::Answer(Some(typed.len())), &typed).await,
                    Ok(Err(_)) | Err(_) => say(input, &Said::Answer(None), &[]).await,
                };
                answered.map_err(|error| broken(&error))?;
            }
            event => show(event),
        }
    }
}

#[async_trait]
impl Refresher for Broker {
    async fn refresh(
        &self,
        lookup: &Lookup,
        name: &SecretRef,
        note: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Done, Failed> {
        let task = Task::Refresh { force: false };
        let request = Request {
            allow_protected: lookup.allow_protected,
            run: lookup.actor.run.clone(),
            ..request(task, name, &lookup.scope, &lookup.actor.command)
        };
        let mut show = |event| {
            if let Event::Note(text) = event {
                note(text);
            }
        };
        self.ask(&request, &mut show, &Notify::new()).await
    }
}

/// Who exchanges tokens, for the provider.
pub(crate) fn refresher(world: &World) -> Arc<dyn Refresher> {
    Arc::new(Broker::new(world))
}
