//! Programs of others: found in `PATH`, started without a shell, ended with all they left in their group.
//!
//! A program gets the environment in which subrosa was started, without what belongs to the engine, and no
//! secret. Its standard error goes nowhere: nobody knows what a program says there about what it has
//! just read. Whoever drops the work on a program ends the program.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use subrosa_engine::names;
use subrosa_engine::provider::{Environment, ProviderError, ProviderErrorKind, ResolveContext};
use subrosa_engine::secret::SecretValue;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::place::VALUE_LEN_MAX;

/// For a pipe that somebody keeps open after the program's end.
const LEAK: Duration = Duration::from_secs(2);

/// The variables of values that another engine passed on.
const PRESOLVED: &str = "_DAGU_PRESOLVED_SECRET_";

/// Where a program is: a name in the folders of `PATH`, a path below `folder`.
pub(crate) fn find(program: &str, folder: &Path, path: Option<&OsStr>) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(folder.join(program)).filter(|place| is_executable(place));
    }
    in_path(program, path?)
}

/// Where `PATH` has a program. Its entries that are relative or empty do not count: what they mean
/// depends on where somebody stands.
pub(crate) fn in_path(name: &str, path: &OsStr) -> Option<PathBuf> {
    if name.is_empty() || name.contains(['/', '\0']) {
        return None;
    }
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|place| is_executable(place))
}

fn is_executable(place: &Path) -> bool {
    place.is_file() && access(place, Access::EXEC_OK).is_ok()
}

/// `PATH` of the process environment.
pub(crate) fn path_of(environment: &Environment) -> Option<OsString> {
    environment.process.get("PATH").map(to_os)
}

#[expect(clippy::disallowed_methods, reason = "a program gets the variables of the process")]
fn to_os(value: &SecretValue) -> OsString {
    OsString::from_vec(value.expose().to_vec())
}

/// A program about to be started: in a group of its own, with nothing to read.
pub(crate) fn command(program: &Path, context: &ResolveContext) -> Command {
    let mut command = Command::new(program);
    let passed = context.env.process.iter().filter(|(name, _)| {
        !names::is_managed(name)
            && names::reserved_prefix(name).is_none()
            && !name.starts_with(PRESOLVED)
    });
    command
        .env_clear()
        .envs(passed.map(|(name, value)| (name, to_os(value))))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(folder) = context.folders.first() {
        command.current_dir(folder);
    }
    command
}

/// A program that runs. Dropping it kills its group.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Its number, as long as it was not waited for.
    fn id(&self) -> Option<Pid> {
        self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }

    /// Waits until it has ended, and leaves it to be waited for.
    fn ended(&self) -> impl Future<Output = io::Result<()>> + use<> {
        let id = self.id();
        async move {
            let Some(id) = id else { return Ok(()) };
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let wait = move || rustix::io::retry_on_intr(|| waitid(WaitId::Pid(id), options));
            // If this is dropped the program is killed, and the thread ends with it.
            let waited = tokio::task::spawn_blocking(wait).await;
            waited.map_err(io::Error::other)?.map(|_| ()).map_err(io::Error::from)
        }
    }

    fn kill_group(&self) {
        if let Some(group) = self.id() {
            // That it is gone already is as good.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has a number as long as it was not waited for, so the number is still its own.
        self.kill_group();
    }
}

/// Why a program gave no output.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It could not be started, or not be heard.
    Io(io::Error),
    /// It ended like this.
    Exit(ExitStatus),
    /// It printed more than a value may have.
    TooMuch,
    /// It did not end in time, and was killed.
    Slow(Duration),
}

/// Runs a program to its end; what it printed. What it left running is ended, too, and need not have closed
/// the pipe.
pub(crate) async fn output(
    mut command: Command,
    limit: Duration,
) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let mut running = Running(command.spawn().map_err(Failed::Io)?);
    match timeout(limit, printed(&mut running)).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) => Err(Failed::Io(error)),
        Err(_) => Err(Failed::Slow(limit)),
    }
}

async fn printed(running: &mut Running) -> io::Result<Result<Zeroizing<Vec<u8>>, Failed>> {
    let mut stdout = running.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    // Of its full size from the start: a vector that grew would leave copies behind.
    let mut bytes = Zeroizing::new(vec![0; VALUE_LEN_MAX + 1]);
    let mut length = 0;
    let ended = running.ended();
    tokio::pin!(ended);
    let is_whole = tokio::select! {
        read = read_to_end(&mut stdout, &mut bytes, &mut length) => read.map(|()| true)?,
        ended = &mut ended => ended.map(|()| false)?,
    };
    if is_whole && length > VALUE_LEN_MAX {
        return Ok(Err(Failed::TooMuch));
    }
    if is_whole {
        ended.await?;
    } else if let Ok(read) = timeout(LEAK, read_to_end(&mut stdout, &mut bytes, &mut length)).await
    {
        read?;
    }
    // Its number is its own until it is waited for, and so is that of its group.
    running.kill_group();
    let status = running.0.wait().await?;
    if length > VALUE_LEN_MAX {
        return Ok(Err(Failed::TooMuch));
    }
    bytes.truncate(length);
    Ok(if status.success() { Ok(bytes) } else { Err(Failed::Exit(status)) })
}

/// Up to a byte more than a value may have. What was read stays if this is dropped.
async fn read_to_end(
    stream: &mut (impl AsyncRead + Unpin),
    bytes: &mut [u8],
    length: &mut usize,
) -> io::Result<()> {
    while *length < bytes.len() {
        match stream.read(&mut bytes[*length..]).await {
            Ok(0) => break,
            Ok(read) => *length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How long work may take here: a little less than the caller waits, so that what took too long is told
/// by whoever knows.
pub(crate) fn limit(context: &ResolveContext) -> Duration {
    context.request_timeout - context.request_timeout / 20
}

/// What a failure means, but for the ends that mean something to the caller; `what` ran, in words.
pub(crate) fn error(what: &str, failed: &Failed) -> ProviderError {
    use ProviderErrorKind::{Malformed, TimedOut, Unavailable};
    let error = |kind, message: String| ProviderError::new(kind, message);
    match failed {
        Failed::Io(why) => error(Unavailable, format!("{what} could not be run: {why}")),
        Failed::Exit(status) => error(Unavailable, format!("{what} ended with {status}")).help(
            "run it by hand to see why; what it says is not shown here, because it may hold secrets",
        ),
        Failed::TooMuch => error(Malformed, format!("{what} printed more than 1 MiB")),
        Failed::Slow(limit) => {
            let limit = limit.as_secs_f32();
            error(TimedOut, format!("{what} did not end within {limit:.1} s, and was killed"))
                .help("it gets no input: one that asks a person something waits for ever")
        }
    }
}
