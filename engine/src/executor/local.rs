//! Steps as child processes: one process group each, ended as a whole.
//!
//! Output is read and masked in the step's own task, so a slow log slows the step. A stop sends a
//! signal to the group, waits the grace, then kills. When the step's process is gone, pipes that
//! others still hold are read for a bounded time, and what is left of the group is ended.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rustix::fs::Access;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use zeroize::Zeroizing;

use super::{Executor, ExecutorError, ExitHow, StepCall, StepExit};
use crate::cancel::{Stop, StopToken};
use crate::env::to_os;
use crate::guard::Guard;
use crate::secret::SecretValue;
use crate::sink::{StepIo, StreamEnd};

/// Runs commands on this machine.
pub(crate) struct Local {
    guard: Arc<Guard>,
    programs: Programs,
}

impl Local {
    pub(crate) fn new(guard: Arc<Guard>) -> Local {
        Local { guard, programs: Programs::default() }
    }
}

#[async_trait]
impl Executor for Local {
    fn kind(&self) -> &'static str {
        "command"
    }

    async fn run(
        &self,
        call: StepCall,
        io: &mut StepIo,
        stop: StopToken,
    ) -> Result<StepExit, ExecutorError> {
        let mut started = start(&call, &self.programs, io.is_merged())?;
        let group = Group::of(&started.child, &self.guard);
        let (stdout_end, stderr_end) = io.split();
        let stalled = AtomicUsize::new(0);
        let all = async {
            let out = pump(started.stdout.take(), Some(stdout_end), &stalled);
            let err = pump(started.stderr.take(), stderr_end, &stalled);
            tokio::try_join!(out, err).map(|_| ())
        };
        let pumps = Pumps { all: Box::pin(all), stalled: &stalled };
        follow(call, &mut started.child, &group, pumps, stop).await
    }
}

struct Started {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

#[expect(clippy::disallowed_methods, reason = "the child's environment block needs the bytes")]
fn start(call: &StepCall, programs: &Programs, merged: bool) -> Result<Started, ExecutorError> {
    let (program, arguments) = call.command.split_first().expect("a call has a program");
    // With the whole path the program is started without copying this process first.
    let found = programs.find(program, &call.env).ok_or_else(|| ExecutorError::NotFound {
        program: program.to_string_lossy().into_owned(),
    })?;
    let mut command = Command::new(found);
    command.arg0(program);
    command.args(arguments).env_clear().current_dir(&call.working_dir).process_group(0);
    for (name, value) in &call.env {
        command.env(name, OsStr::from_bytes(value.expose()));
    }
    command.stdin(Stdio::null());
    let failed = |source: io::Error| explain_start(call, &program.to_string_lossy(), source);
    let shared = if merged {
        let (reader, writer) = io::pipe().map_err(failed)?;
        command.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
        let reader = std::process::ChildStdout::from(OwnedFd::from(reader));
        Some(ChildStdout::from_std(reader).map_err(failed)?)
    } else {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        None
    };
    let mut child = command.spawn().map_err(failed)?;
    let stdout = shared.or_else(|| child.stdout.take());
    let stderr = child.stderr.take();
    Ok(Started { child, stdout, stderr })
}

const PIPE_LEN: usize = 256 * 1024;

/// Where programs were found, so that a run does not look for its shell once per step.
#[derive(Default)]
struct Programs(Mutex<BTreeMap<(OsString, OsString), PathBuf>>);

impl Programs {
    /// Looks a bare name up in the `PATH` of the step; a path stays as it is.
    fn find(&self, program: &OsStr, env: &[(String, SecretValue)]) -> Option<PathBuf> {
        if program.as_bytes().contains(&b'/') {
            return Some(program.into());
        }
        let path = env.iter().rev().find(|(name, _)| name == "PATH");
        let path = path.map_or_else(|| DEFAULT_PATH.into(), |(_, value)| to_os(value));
        let key = (program.to_owned(), path);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&key).filter(|path| is_program(path)) {
            return Some(found.clone());
        }
        let folders = key.1.as_bytes().split(|byte| *byte == b':');
        let mut candidates =
            folders.map(|folder| Path::new(OsStr::from_bytes(folder)).join(program));
        let found = candidates.find(|path| is_program(path))?;
        known.insert(key, found.clone());
        Some(found)
    }
}

fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, Access::EXEC_OK).is_ok() && !path.is_dir()
}

/// Where programs are looked for if a step has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

fn explain_start(call: &StepCall, program: &str, source: io::Error) -> ExecutorError {
    match source.kind() {
        io::ErrorKind::ArgumentListTooLong => ExecutorError::TooLarge,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            if !Path::new(&call.working_dir).is_dir() =>
        {
            ExecutorError::NoFolder { folder: call.working_dir.display().to_string() }
        }
        io::ErrorKind::NotFound => ExecutorError::NotFound { program: program.to_owned() },
        _ => ExecutorError::Start { program: program.to_owned(), source },
    }
}

/// Reads a pipe to its end. While somebody does not take what was read, it counts as stalled.
async fn pump<R: AsyncRead + AsFd + Unpin>(
    pipe: Option<R>,
    end: Option<StreamEnd<'_>>,
    stalled: &AtomicUsize,
) -> io::Result<()> {
    let (Some(mut pipe), Some(mut end)) = (pipe, end) else {
        return Ok(());
    };
    let mut buffer = Zeroizing::new(Vec::with_capacity(READ_LEN_FIRST));
    while pipe.read_buf(&mut *buffer).await? > 0 {
        end.write(&buffer)?;
        if end.is_waiting() {
            stalled.fetch_add(1, Ordering::Relaxed);
            end.drained().await?;
            stalled.fetch_sub(1, Ordering::Relaxed);
        }
        let filled = buffer.len() == buffer.capacity();
        buffer.clear();
        if filled && buffer.capacity() < READ_LEN_MAX {
            // Not grown in place, which could leave what was read where it was.
            buffer = Zeroizing::new(Vec::with_capacity(buffer.capacity() * 4));
            // A larger pipe saves wake-ups of a talkative step; a refusal does no harm.
            let _refused = rustix::pipe::fcntl_setpipe_size(&pipe, PIPE_LEN).err();
        }
    }
    Ok(())
}

/// Most steps say little: their buffers stay small, and hundreds of them cost little memory.
const READ_LEN_FIRST: usize = 4 * 1024;
const READ_LEN_MAX: usize = 128 * 1024;

/// A process group the guard knows of for as long as this lives. It does not outlive this: dropped
/// before its end, by an error or with its task, it is killed.
struct Group<'a> {
    id: Option<Pid>,
    guard: &'a Guard,
    ended: AtomicBool,
}

impl<'a> Group<'a> {
    fn of(child: &Child, guard: &'a Guard) -> Group<'a> {
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id {
            guard.watch(id);
        }
        Group { id, guard, ended: AtomicBool::new(false) }
    }

    /// Gone groups are no error: the aim is reached.
    fn send(&self, signal: i32) {
        if let (Some(id), Some(signal)) = (self.id, Signal::from_named_raw(signal)) {
            let _gone = kill_process_group(id, signal).err();
        }
    }

    fn exists(&self) -> bool {
        self.id.is_some_and(|id| test_kill_process_group(id).is_ok())
    }

    /// Ends what is left: asks, waits up to `grace`, kills.
    async fn end(&self, grace: Duration) {
        let until = Instant::now() + grace;
        let mut asked = false;
        while self.exists() {
            if Instant::now() >= until {
                self.send(Signal::KILL.as_raw());
                break;
            }
            if !std::mem::replace(&mut asked, true) {
                self.send(Signal::TERM.as_raw());
            }
            sleep(Duration::from_millis(10)).await;
        }
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if !self.ended.load(Ordering::Relaxed) {
            self.send(Signal::KILL.as_raw());
        }
        if let Some(id) = self.id {
            self.guard.forget(id);
        }
    }
}

/// The reading of all pipes of a step.
struct Pumps<'a> {
    all: Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>>,
    /// How many of them wait for somebody who does not take what was read.
    stalled: &'a AtomicUsize,
}

impl Pumps<'_> {
    /// Reads what is left when the process is gone. That others hold a pipe open is waited for a bounded time;
    /// that what was read is not taken, until the step is to end.
    async fn rest(
        &mut self,
        leak: Duration,
        end: impl Future<Output = ExitHow>,
    ) -> Result<Rest, ExecutorError> {
        let mut end = std::pin::pin!(end);
        let mut ended = None;
        loop {
            let is_stalled = self.stalled.load(Ordering::Relaxed) > 0;
            if let Some(how) = ended.take_if(|_| is_stalled) {
                return Ok(Rest::NotTaken(how));
            }
            tokio::select! {
                biased;
                result = &mut self.all => {
                    return result.map(|()| Rest::Read).map_err(ExecutorError::Output);
                }
                () = sleep(leak), if !is_stalled => {
                    if self.stalled.load(Ordering::Relaxed) == 0 {
                        return Ok(Rest::Held);
                    }
                }
                how = &mut end, if ended.is_none() => ended = Some(how),
                // Whether it goes on is seen only by looking again.
                () = sleep(leak), if is_stalled => {}
            }
        }
    }
}

/// What became of the output when the process was gone.
enum Rest {
    Read,
    /// Others hold a pipe open.
    Held,
    /// Until the step was to end, somebody did not take it.
    NotTaken(ExitHow),
}

/// Follows a started process to its end.
async fn follow(
    call: StepCall,
    child: &mut Child,
    group: &Group<'_>,
    mut pumps: Pumps<'_>,
    mut stop: StopToken,
) -> Result<StepExit, ExecutorError> {
    let mut seen = Stop::No;
    let mut ours = None;
    let mut pumped = false;
    let far = Instant::now() + Duration::from_secs(10 * 365 * 24 * 3600);
    let mut deadline = call.timeout.map_or(far, |timeout| Instant::now() + timeout);
    let mut kill_at = far;
    let status = loop {
        tokio::select! {
            result = &mut pumps.all, if !pumped => match result {
                Ok(()) => {
                    pumped = true;
                    if let Some(status) = about_to_end(child) {
                        break status;
                    }
                }
                Err(error) => {
                    group.send(Signal::KILL.as_raw());
                    child.wait().await.map_err(ExecutorError::Wait)?;
                    return Err(ExecutorError::Output(error));
                }
            },
            status = child.wait() => break status.map_err(ExecutorError::Wait)?,
            asked = stop.changed_from(seen) => {
                seen = asked;
                ours = ours.or(Some(ExitHow::Stopped));
                kill_at = kill_at.min(ask(&call, group, asked));
            }
            () = sleep_until(deadline) => {
                deadline = far;
                ours = ours.or(Some(ExitHow::TimedOut));
                group.send(call.signal_on_stop.unwrap_or(Signal::TERM.as_raw()));
                kill_at = kill_at.min(Instant::now() + call.grace);
            }
            () = sleep_until(kill_at) => {
                kill_at = far;
                group.send(Signal::KILL.as_raw());
            }
        }
    };
    let mut left_processes = false;
    if !pumped {
        let end = async {
            match ours {
                // It is to end already; what waits may still be taken as fast as others let go.
                Some(how) => {
                    sleep(call.leak).await;
                    how
                }
                None => tokio::select! {
                    _ = stop.changed_from(seen) => ExitHow::Stopped,
                    () = sleep_until(deadline) => ExitHow::TimedOut,
                },
            }
        };
        match pumps.rest(call.leak, end).await? {
            Rest::Read => {}
            Rest::Held => left_processes = true,
            Rest::NotTaken(how) => ours = Some(how),
        }
    }
    group.end(call.grace.min(call.leak)).await;
    if left_processes && let Ok(result) = timeout(AFTER_END, &mut pumps.all).await {
        result.map_err(ExecutorError::Output)?;
    }
    Ok(StepExit { how: ours.unwrap_or_else(|| how(status)), left_processes })
}

/// A process whose pipes have just closed is nearly always ending. Looking a few times, some ten
/// microseconds, spares going to sleep and being woken once more per step.
fn about_to_end(child: &mut Child) -> Option<ExitStatus> {
    for _ in 0..LOOKS {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::yield_now();
    }
    None
}

const LOOKS: u32 = 32;

/// What others held back in a pipe is there at once when their group is ended.
const AFTER_END: Duration = Duration::from_millis(200);

/// Passes a stop on; says when to kill.
fn ask(call: &StepCall, group: &Group<'_>, asked: Stop) -> Instant {
    match asked {
        Stop::Gently { signal } => {
            group.send(call.signal_on_stop.unwrap_or(signal));
            Instant::now() + call.grace
        }
        Stop::Now { .. } | Stop::No => Instant::now(),
    }
}

fn how(status: ExitStatus) -> ExitHow {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitHow::Code(code),
        (None, Some(signal)) => ExitHow::Signal(signal),
        (None, None) => ExitHow::Code(-1),
    }
}
