//! A server that is a program: it reads messages from its standard input and writes them to its standard
//! output, a line each.
//!
//! It gets the variables of the step and nothing else. It leads a group of processes, and the group ends with
//! the step, whatever becomes of that, and with the program, should that be killed.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use subrosa_engine::kind::{StepFault, StepRequest, Watched};
use subrosa_engine::names::shown;
use subrosa_engine::sink::StepIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep_until};
use zeroize::Zeroizing;

use super::lines::{Lines, Outbox};
use super::message::{Bytes, Heard, hear};
use super::wanted::Wanted;

/// Bytes that are read at a time.
const PIECE_LEN: usize = 64 * 1024;
/// Bytes of replies that wait for a server that asks and does not read.
const REPLIES_LEN_MAX: usize = 1024 * 1024;
/// How long a server may take to end by itself when all is done.
const LEAVE_MAX: Duration = Duration::from_secs(2);
/// How long what is left on standard error is waited for: who inherited it may hold it for ever.
const REST_MAX: Duration = Duration::from_millis(200);

/// A server that was started.
pub(super) struct Stdio {
    group: Group,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: Option<ChildStderr>,
    lines: Lines,
    timeout: Duration,
    shown: String,
}

/// The processes of a server, killed when this is dropped, or when the program is killed.
struct Group {
    id: Option<Pid>,
    _watched: Option<Watched>,
}

impl Group {
    /// Gone groups are no error: the aim is reached.
    fn send(&self, signal: Signal) {
        if let Some(id) = self.id {
            let _gone = kill_process_group(id, signal).err();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}

/// What came from a server.
enum Came {
    Written(io::Result<usize>),
    Out(io::Result<usize>),
    Err(io::Result<usize>),
    /// The process that was started.
    End,
}

impl Stdio {
    /// Starts a server.
    #[expect(clippy::disallowed_methods, reason = "the child's environment block needs the bytes")]
    pub(super) fn start(
        words: &[String],
        wanted: &Wanted,
        request: &StepRequest,
    ) -> Result<Stdio, StepFault> {
        let (program, arguments) = words.split_first().expect("a server has a program");
        let shown = format!("the server {}", shown(program));
        let mut command = Command::new(program);
        command.args(arguments).env_clear().current_dir(&request.working_dir).process_group(0);
        for (name, value) in &wanted.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.expose().contains(&0) {
                return Err(StepFault::new("a variable in `env` cannot be one"));
            }
            command.env(name, OsStr::from_bytes(value.expose()));
        }
        command.stdin(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let failed = |kind: io::ErrorKind| StepFault::new(format!("cannot start {shown}: {kind}"));
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failed(error.kind())
                .help("is it in `PATH`? `command` is the program alone; `args` has its arguments"),
            kind => failed(kind),
        })?;
        let id = child.id();
        let group = Group {
            id: id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
            _watched: id.map(|id| request.groups.watch(id)),
        };
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let stdout = stdout.ok_or_else(|| failed(io::ErrorKind::BrokenPipe))?;
        let lines = Lines::within(wanted.length_max);
        Ok(Stdio { group, child, stdin, stdout, stderr, lines, timeout: wanted.timeout, shown })
    }

    /// The server as it may be shown.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask(
        &mut self,
        id: u64,
        message: Bytes,
        io: &mut StepIo,
    ) -> Result<Heard, StepFault> {
        let timeout = self.timeout;
        let heard = tokio::time::timeout(timeout, self.exchange(Some(id), message, io)).await;
        heard.unwrap_or_else(|_| Err(self.late()))
    }

    /// Sends a notification.
    pub(super) async fn tell(&mut self, message: Bytes, io: &mut StepIo) -> Result<(), StepFault> {
        let timeout = self.timeout;
        let told = tokio::time::timeout(timeout, self.exchange(None, message, io)).await;
        told.unwrap_or_else(|_| Err(self.late())).map(|_| ())
    }

    fn late(&self) -> StepFault {
        StepFault::new(format!("{} did not answer in time", self.shown))
            .help("`timeout` gives it more time")
    }

    /// Sends a message, and replies to what the server asks, until there is the answer; without an `id`
    /// until it is sent.
    async fn exchange(
        &mut self,
        id: Option<u64>,
        message: Bytes,
        io: &mut StepIo,
    ) -> Result<Heard, StepFault> {
        let mut outbox = Outbox::default();
        outbox.add(&message);
        drop(message);
        let mut piece = Zeroizing::new(vec![0; PIECE_LEN]);
        let mut errors = Zeroizing::new(vec![0; PIECE_LEN]);
        // When what is left of an ended server is waited for no more.
        let mut over = None;
        loop {
            if id.is_none() && outbox.rest().is_empty() {
                return Ok(Heard::Other);
            }
            let came = tokio::select! {
                written = write(self.stdin.as_mut(), outbox.rest()),
                    if !outbox.rest().is_empty() => Came::Written(written),
                read = self.stdout.read(&mut piece) => Came::Out(read),
                read = read(self.stderr.as_mut(), &mut errors),
                    if self.stderr.is_some() => Came::Err(read),
                _ = self.child.wait(), if over.is_none() => Came::End,
                () = until(over), if over.is_some() => Came::Out(Ok(0)),
            };
            let length = match came {
                Came::Written(Ok(length)) => {
                    outbox.sent += length;
                    continue;
                }
                // What it has said before it went away comes first.
                Came::Written(Err(_)) => {
                    outbox = Outbox::default();
                    self.stdin = None;
                    if id.is_none() {
                        return Ok(Heard::Other);
                    }
                    continue;
                }
                Came::Err(Ok(length)) if length > 0 => {
                    io.tell(&errors[..length]).map_err(unwritten)?;
                    continue;
                }
                Came::Err(_) => {
                    self.stderr = None;
                    continue;
                }
                Came::End => {
                    over = Some(Instant::now() + REST_MAX);
                    continue;
                }
                Came::Out(Ok(length)) if length > 0 => length,
                Came::Out(_) => return Err(self.gone(io).await),
            };
            let lines = self.lines.take(&piece[..length]);
            for line in lines.map_err(|_| self.too_large())? {
                if line.trim_ascii().is_empty() {
                    continue;
                }
                match hear(&line, id.unwrap_or(0)).map_err(|_| self.no_message())? {
                    Heard::Asked(reply) if outbox.rest().len() < REPLIES_LEN_MAX => {
                        outbox.add(&reply);
                    }
                    Heard::Asked(_) => return Err(self.too_large()),
                    Heard::Other => {}
                    answer @ (Heard::Result(_) | Heard::Error { .. }) => return Ok(answer),
                }
            }
        }
    }

    fn too_large(&self) -> StepFault {
        let message = format!("{} sent more than {} bytes", self.shown, self.lines.length_max);
        StepFault::new(message).help("`max_bytes` allows more in a message")
    }

    fn no_message(&self) -> StepFault {
        StepFault::new(format!("{} wrote something that is no message", self.shown))
            .help("a server writes nothing but messages to its standard output")
    }

    /// The server has ended, or does not write any more.
    async fn gone(&mut self, io: &mut StepIo) -> StepFault {
        let status = self.leave(LEAVE_MAX, io).await;
        let how = match status {
            Ok(Some(status)) => match status.code() {
                Some(code) => format!(" with the exit code {code}"),
                None => " by a signal".to_owned(),
            },
            Ok(None) | Err(_) => String::new(),
        };
        StepFault::new(format!("{} ended{how} before it answered", self.shown))
    }

    /// Waits for the end of the server, and hands on what it still says.
    async fn leave(
        &mut self,
        time: Duration,
        io: &mut StepIo,
    ) -> Result<Option<ExitStatus>, StepFault> {
        let until = Instant::now() + time;
        let mut piece = Zeroizing::new(vec![0; PIECE_LEN]);
        let mut errors = Zeroizing::new(vec![0; PIECE_LEN]);
        let mut is_open = true;
        let mut status = None;
        let mut rest = until;
        loop {
            tokio::select! {
                ended = self.child.wait(), if status.is_none() => {
                    status = ended.ok();
                    rest = until.min(Instant::now() + REST_MAX);
                    if status.is_none() { return Ok(None); }
                }
                read = self.stdout.read(&mut piece), if is_open => {
                    is_open = read.is_ok_and(|length| length > 0);
                }
                read = read(self.stderr.as_mut(), &mut errors), if self.stderr.is_some() => {
                    match read {
                        Ok(length) if length > 0 => io.tell(&errors[..length]).map_err(unwritten)?,
                        Ok(_) | Err(_) => self.stderr = None,
                    }
                }
                () = sleep_until(rest) => return Ok(status),
            }
            if status.is_some() && self.stderr.is_none() {
                return Ok(status);
            }
        }
    }

    /// Ends the server: by itself if all is done, else it is asked to, and killed in the end.
    pub(super) async fn end(
        mut self,
        is_done: bool,
        grace: Duration,
        io: &mut StepIo,
    ) -> Result<(), StepFault> {
        // The end of its input is what a server ends at.
        self.stdin = None;
        if is_done && self.leave(LEAVE_MAX, io).await?.is_some() {
            return Ok(());
        }
        self.group.send(Signal::TERM);
        // Less than the grace: whoever waits for us has the same.
        if self.leave(grace.mul_f64(0.8), io).await?.is_none() {
            self.group.send(Signal::KILL);
            self.leave(REST_MAX, io).await?;
        }
        Ok(())
    }
}

fn unwritten(error: io::Error) -> StepFault {
    StepFault::new(format!("cannot write the output of the step: {error}"))
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn write(stdin: Option<&mut ChildStdin>, bytes: &[u8]) -> io::Result<usize> {
    match stdin {
        Some(stdin) => stdin.write(bytes).await,
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

async fn read(stderr: Option<&mut ChildStderr>, bytes: &mut [u8]) -> io::Result<usize> {
    match stderr {
        Some(stderr) => stderr.read(bytes).await,
        None => Ok(0),
    }
}
