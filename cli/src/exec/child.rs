//! The child of `exec`: started with the resolved environment, signalled, waited for, its output masked.
//!
//! Who gets signals how:
//! - In a terminal of its own the child leads a session; keys reach it as bytes, signals for us are
//!   passed on to its process group.
//! - In pipes without a controlling terminal it leads a process group, and signals are passed on.
//! - In pipes with a controlling terminal it stays in our process group, because another one could not
//!   read passwords from the terminal. INT and QUIT then come from the terminal to both of us.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};
use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
use rustix::termios::{OptionalActions, tcgetpgrp, tcsetattr, tcsetwinsize};
use subrosa_engine::MaskFile;
use subrosa_engine::secret::SecretValue;
use subrosa_masker::{End, MaskSet};
use tokio::task::JoinHandle;

use super::pump::{Hiding, Masked, pump};
use crate::failure::{Exit, Failure};
use crate::out::{self, OutputLost};
use crate::signals::{CONT, INT, QUIT, Signals, WINCH};
use crate::{terminal, trampoline};

/// What to start, and with what.
pub(crate) struct Command<'a> {
    /// Program and arguments; never empty.
    pub(crate) words: &'a [OsString],
    /// The whole environment.
    pub(crate) environment: Vec<(String, SecretValue)>,
    /// Where it starts.
    pub(crate) current_dir: &'a Path,
    /// Our own program, which takes the terminal for the child.
    pub(crate) trampoline: &'a Path,
    /// What is hidden in the output.
    pub(crate) hiding: Hiding,
    /// Whether a terminal shows the first bytes of what may become a secret after a pause.
    pub(crate) shows_starts: bool,
    /// How long a pipe may stay open after the child has ended.
    pub(crate) leak: Duration,
}

/// How signals reach the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// It leads a process group or a session.
    Leader,
    /// It is in our own group.
    Ours,
}

/// The failure of starting `program`, whose name may be made of a secret.
pub(crate) fn spawn_failure(program: &OsStr, masks: &MaskSet, error: &io::Error) -> Failure {
    let program = masks.mask_text(&program.to_string_lossy());
    let exit = Exit::spawn_error(error);
    match error.kind() {
        io::ErrorKind::NotFound => Failure::new(exit, format!("command `{program}` not found")),
        _ => Failure::new(exit, format!("cannot execute `{program}`: {error}")),
    }
}

impl Command<'_> {
    /// Runs it between pipes; standard input is ours.
    pub(crate) async fn in_pipes(self, mut signals: Signals) -> Result<Exit, Failure> {
        let has_terminal = rustix::fs::open(
            "/dev/tty",
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .is_ok();
        let reach = if has_terminal { Reach::Ours } else { Reach::Leader };
        let (out_reader, out_writer) = pipe()?;
        let (err_reader, err_writer) = pipe()?;
        let mut command = self.base(&self.words[0], &self.words[1..]);
        command.stdin(Stdio::inherit()).stdout(out_writer).stderr(err_writer);
        if reach == Reach::Leader {
            command.process_group(0);
        }
        signals.also(WINCH)?;
        let child = spawn(command, &self.words[0], &self.hiding.masks)?;
        let mut pumps = Pumps::new(self.hiding.late.clone())?;
        pumps.add(out_reader, self.masked(&io::stdout())?);
        pumps.add(err_reader, self.masked(&io::stderr())?);
        let waiting = tokio::task::spawn_blocking(move || wait(child));
        let exit = pass_on(signals, waiting, |number| forward(child, reach, number)).await?;
        pumps.finish(self.leak, exit).await
    }

    /// Runs it in a terminal of its own, with our terminal as its window.
    pub(crate) async fn in_terminal(self, mut signals: Signals) -> Result<Exit, Failure> {
        let no_terminal = |error: rustix::io::Errno| {
            Failure::engine(format!("no terminal for the command: {error}"))
        };
        let (primary, replica) = open_terminal().map_err(no_terminal)?;
        if let Some(size) = terminal::size(io::stdout()) {
            tcsetwinsize(&primary, size).map_err(no_terminal)?;
        }
        let mut words = vec![OsString::from(trampoline::WORD), OsString::from("--")];
        words.extend_from_slice(self.words);
        let mut command = self.base(self.trampoline.as_os_str(), &words);
        let copy = || replica.try_clone().map_err(|error| no_terminal(to_errno(&error)));
        command.stdin(copy()?).stdout(copy()?);
        let mut pumps = Pumps::new(self.hiding.late.clone())?;
        if terminal::is_terminal(&io::stderr()) {
            command.stderr(copy()?);
        } else {
            let (reader, writer) = pipe()?;
            command.stderr(writer);
            pumps.add(reader, self.masked(&io::stderr())?);
        }
        signals.also(WINCH)?;
        signals.also(CONT)?;
        let modes = terminal::enter_raw_mode()
            .map_err(|error| Failure::engine(format!("cannot use the terminal: {error}")))?;
        tcsetattr(&replica, OptionalActions::Now, &modes).map_err(no_terminal)?;
        let child = spawn(command, self.trampoline.as_os_str(), &self.hiding.masks)?;
        // Only the child has it from here on, so that its end is the end of the output.
        drop(replica);
        pumps.add(clone(&primary)?, self.masked(&io::stdout())?);
        copy_keys(clone(&primary)?);
        let (continued, going_on) = channel();
        let waiting = tokio::task::spawn_blocking(move || wait_in_terminal(child, &going_on));
        let exit = pass_on(signals, waiting, |number| match number {
            WINCH => resize(&primary),
            CONT => drop(continued.send(())),
            _ => forward(child, Reach::Leader, number),
        })
        .await?;
        let exit = pumps.finish(self.leak, exit).await;
        terminal::restore();
        exit
    }

    /// One of our streams behind the masks. Programs may be told to colour what goes to a pipe, too, so
    /// what shows it decides, not what the child writes to.
    fn masked(&self, to: &(impl AsFd + IsTerminal)) -> Result<Masked, Failure> {
        let hiding = self.hiding.clone();
        Ok(if terminal::is_terminal(to) {
            Masked::terminal(hiding, clone(to)?, self.shows_starts)
        } else {
            Masked::pipe(hiding, clone(to)?)
        })
    }

    fn base(&self, program: &OsStr, arguments: &[OsString]) -> process::Command {
        let mut command = process::Command::new(program);
        command.args(arguments).current_dir(self.current_dir).env_clear();
        for (name, value) in &self.environment {
            #[expect(
                clippy::disallowed_methods,
                reason = "the child's environment block needs the bytes"
            )]
            command.env(name, OsString::from_vec(value.expose().to_vec()));
        }
        command
    }
}

fn spawn(mut command: process::Command, program: &OsStr, masks: &MaskSet) -> Result<Pid, Failure> {
    match command.spawn() {
        // Waiting is ours: the standard library cannot tell that a child was stopped.
        Ok(child) => Ok(Pid::from_child(&child)),
        Err(error) => {
            terminal::restore();
            Err(spawn_failure(program, masks, &error))
        }
    }
}

async fn pass_on(
    mut signals: Signals,
    mut waiting: JoinHandle<io::Result<Exit>>,
    forward: impl Fn(i32),
) -> Result<Exit, Failure> {
    let lost = |error: io::Error| Failure::engine(format!("cannot wait for the command: {error}"));
    loop {
        tokio::select! {
            ended = &mut waiting => return ended.map_err(io::Error::from).flatten().map_err(lost),
            number = signals.next() => forward(number),
        }
    }
}

fn forward(child: Pid, reach: Reach, number: i32) {
    let Some(signal) = Signal::from_named_raw(number) else { return };
    match reach {
        // Until the child leads its group, there is only the child.
        Reach::Leader if kill_process_group(child, signal).is_ok() => {}
        Reach::Leader => {
            kill_process(child, signal).ok();
        }
        Reach::Ours if matches!(number, INT | QUIT | WINCH) && in_foreground() => {}
        Reach::Ours => {
            kill_process(child, signal).ok();
        }
    }
}

/// Whether the terminal sends its signals to our group, and so to the child.
fn in_foreground() -> bool {
    let streams = [tcgetpgrp(io::stdin()), tcgetpgrp(io::stdout()), tcgetpgrp(io::stderr())];
    streams.into_iter().flatten().any(|group| group == rustix::process::getpgrp())
}

/// Waits for the end.
fn wait(child: Pid) -> io::Result<Exit> {
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(exit) = ended(status) {
                    return Ok(exit);
                }
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits for the end; a child that stops stops us, too, with the terminal as the shell expects it.
fn wait_in_terminal(child: Pid, going_on: &Receiver<()>) -> io::Result<Exit> {
    loop {
        match waitpid(Some(child), WaitOptions::UNTRACED) {
            Ok(Some((_, status))) if status.stopped() => {
                stop_until(going_on)?;
                forward(child, Reach::Leader, CONT);
            }
            Ok(Some((_, status))) => {
                if let Some(exit) = ended(status) {
                    return Ok(exit);
                }
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Stops this process. The signal may reach another thread first, so that this one has to wait for
/// the news that it goes on before it takes the terminal again.
fn stop_until(going_on: &Receiver<()>) -> io::Result<()> {
    while going_on.try_recv().is_ok() {}
    terminal::restore();
    kill_process(rustix::process::getpid(), Signal::STOP)?;
    going_on.recv().ok();
    terminal::enter_raw_mode()?;
    Ok(())
}

fn ended(status: rustix::process::WaitStatus) -> Option<Exit> {
    let signal = status.terminating_signal().map(Exit::signal);
    signal.or_else(|| status.exit_status().map(Exit::child))
}

/// The copies from the child to us.
struct Pumps {
    enough: OwnedFd,
    watched: Arc<OwnedFd>,
    tasks: Vec<JoinHandle<io::Result<Masked>>>,
    late: Option<Arc<MaskFile>>,
}

impl Pumps {
    fn new(late: Option<Arc<MaskFile>>) -> Result<Pumps, Failure> {
        let (watched, enough) = pipe()?;
        Ok(Pumps { enough, watched: Arc::new(watched), tasks: Vec::new(), late })
    }

    fn add(&mut self, from: OwnedFd, to: Masked) {
        let watched = self.watched.clone();
        self.tasks.push(tokio::task::spawn_blocking(move || pump(from, &watched, to)));
    }

    /// Waits for the rest of the output; whoever the child left behind gets no more than `leak`.
    /// Output that could not be written turns a success into a failure.
    async fn finish(self, leak: Duration, exit: Exit) -> Result<Exit, Failure> {
        let Pumps { enough, watched, mut tasks, late } = self;
        drop(watched);
        // The command is gone: what it registered last is hidden in what is still held back.
        let registered = late.as_ref().map_or(Ok(0), |late| late.finish());
        let deadline = tokio::time::sleep(leak);
        tokio::pin!(deadline);
        let mut enough = Some(enough);
        let mut written = Ok(());
        while let Some(mut task) = tasks.pop() {
            let ended = tokio::select! {
                ended = &mut task => ended,
                () = &mut deadline, if enough.is_some() => {
                    out::stderr("warning: a process that the command left behind keeps the output open; the rest is not shown\n");
                    drop(enough.take());
                    task.await
                }
            };
            let is_cut = exit != Exit::OK || enough.is_none() || registered.is_err();
            let end = if is_cut { End::Cut } else { End::Whole };
            let rest = ended.map_err(io::Error::from).flatten();
            written = written.and(rest.and_then(|to| to.finish(end)));
        }
        if let Some(error) = late.and_then(|late| late.finish().err()) {
            return Err(Failure::engine(error.to_string())
                .help("the rest of the output is not shown: it may hold what was to be hidden"));
        }
        match written {
            Err(error) if exit == Exit::OK => Err(OutputLost(error).into()),
            Ok(()) | Err(_) => Ok(exit),
        }
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    let (reader, writer) =
        io::pipe().map_err(|error| Failure::engine(format!("no pipe: {error}")))?;
    Ok((reader.into(), writer.into()))
}

fn clone(descriptor: &impl AsFd) -> Result<OwnedFd, Failure> {
    descriptor
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| Failure::engine(format!("no descriptor left: {error}")))
}

fn to_errno(error: &io::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO)
}

/// A new terminal: the side that shows it, and the side that programs use.
fn open_terminal() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    #[cfg(target_os = "linux")]
    let flags = flags | OpenptFlags::CLOEXEC;
    let primary = openpt(flags)?;
    grantpt(&primary)?;
    unlockpt(&primary)?;
    #[cfg(target_os = "linux")]
    let replica = rustix::pty::ioctl_tiocgptpeer(&primary, flags)?;
    #[cfg(not(target_os = "linux"))]
    let replica = {
        use rustix::fs::{Mode, OFlags, open};
        let path = rustix::pty::ptsname(&primary, Vec::new())?;
        open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?
    };
    Ok((primary, replica))
}

fn resize(primary: &OwnedFd) {
    if let Some(size) = terminal::size(io::stdout()) {
        tcsetwinsize(primary, size).ok();
    }
}

/// Copies keys to the terminal's other side until one of them goes away. Ends with the process: a read
/// from a keyboard cannot be called off.
fn copy_keys(to: OwnedFd) {
    std::thread::spawn(move || {
        io::copy(&mut io::stdin().lock(), &mut std::fs::File::from(to)).ok();
    });
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use subrosa_engine::secret::SecretValue;
    use subrosa_masker::MaskSet;

    use super::Command;
    use crate::exec::pump::Hiding;
    use crate::failure::{Exit, Failure};
    use crate::signals::Signals;

    fn in_pipes(words: &[&str], leak: Duration) -> Result<Exit, Failure> {
        let words: Vec<OsString> = words.iter().map(|word| (*word).into()).collect();
        let path = ("PATH".to_owned(), SecretValue::new(b"/usr/bin:/bin".to_vec()));
        let command = Command {
            words: &words,
            environment: vec![path],
            current_dir: Path::new("/"),
            trampoline: Path::new("/nowhere"),
            hiding: Hiding { masks: Arc::new(MaskSet::empty()), late: None },
            shows_starts: false,
            leak,
        };
        let runtime = crate::load::runtime()?;
        runtime.block_on(async { command.in_pipes(Signals::listen(&[])?).await })
    }

    fn check(words: &[&str], expected: Exit) {
        let exit = match in_pipes(words, Duration::from_secs(10)) {
            Ok(exit) => exit,
            Err(failure) => failure.tell(|_| {}),
        };
        assert_eq!(exit, expected, "{words:?}");
    }

    #[test]
    fn the_exit_code_is_the_commands() {
        check(&["true"], Exit::OK);
        check(&["sh", "-c", "exit 77"], Exit::child(77));
        check(&["sh", "-c", "kill -TERM $$"], Exit::signal(15));
        check(&["sh", "-c", "test $PATH = /usr/bin:/bin && test $PWD = /"], Exit::OK);
        check(&["/nowhere/command"], Exit::NOT_FOUND);
        check(&["no-such-command"], Exit::NOT_FOUND);
        check(&["/etc/passwd"], Exit::NOT_EXECUTABLE);
    }

    #[test]
    fn a_process_left_behind_does_not_hold_us() {
        let since = Instant::now();
        let exit = in_pipes(&["sh", "-c", "sleep 3 & exit 5"], Duration::from_millis(100));
        assert_eq!(exit.unwrap(), Exit::child(5));
        assert!(since.elapsed() < Duration::from_secs(2));
    }
}
