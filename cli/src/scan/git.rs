//! Asks git, in plumbing that is made for programs.
//!
//! Children get the few variables that git needs to find its repository, nothing else of the
//! environment: no secret is in there. They run no programs that a repository names (monitors, external
//! diffs), contact no network and take no optional locks. What they say on standard error is shown
//! masked.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Take, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use super::matcher::Matcher;
use crate::failure::Failure;

/// The variables that children get, if they are set. Those that carry options of git are not among
/// them: an option may hold a token.
const KEPT: [&str; 14] = [
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "USER",
    "TMPDIR",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CEILING_DIRECTORIES",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
];

/// Those that are one path.
const PATHS: [&str; 5] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"];

/// How much of standard error is kept.
const STDERR_LEN_MAX: u64 = 4096;

/// Git in one folder.
pub(crate) struct Git<'a> {
    env: Vec<(OsString, OsString)>,
    dir: PathBuf,
    matcher: &'a Matcher,
}

impl<'a> Git<'a> {
    /// Git as `env` has it, started in `dir`.
    pub(crate) fn new(env: &[(OsString, OsString)], dir: &Path, matcher: &'a Matcher) -> Git<'a> {
        let kept = env.iter().filter(|(name, _)| KEPT.iter().any(|kept| name == kept));
        // Hooks get paths that start where they run, which is not where each child does.
        let absolute =
            |(name, value): &(OsString, OsString)| match PATHS.iter().any(|path| name == path) {
                true if !value.is_empty() => (name.clone(), dir.join(value).into_os_string()),
                _ => (name.clone(), value.clone()),
            };
        Git { env: kept.map(absolute).collect(), dir: dir.to_owned(), matcher }
    }

    /// The same in another folder.
    pub(crate) fn within(&self, dir: &Path) -> Git<'a> {
        Git { env: self.env.clone(), dir: dir.to_owned(), matcher: self.matcher }
    }

    /// Whether the environment points at a repository, wherever the folder is.
    pub(crate) fn is_told(&self) -> bool {
        self.env.iter().any(|(name, _)| name == "GIT_DIR")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .args(["-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false"])
            .arg("--literal-pathspecs")
            .args(words)
            .current_dir(&self.dir)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env("LC_ALL", "C")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What git writes when asked with these words.
    pub(crate) fn output(&self, words: &[&str]) -> Result<Vec<u8>, Failure> {
        self.output_about(words, None)
    }

    /// The same, about one file.
    pub(crate) fn output_about(
        &self,
        words: &[&str],
        file: Option<&OsStr>,
    ) -> Result<Vec<u8>, Failure> {
        let mut command = self.command(words);
        if let Some(file) = file {
            command.arg("--").arg(file);
        }
        let output = command.output().map_err(|error| not_started(&error))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(self.failed(words[0], &output.stderr))
    }

    /// Starts git with these words; it reads from `stdin`.
    pub(crate) fn start(&self, words: &[&str], stdin: Stdio) -> Result<Running, Failure> {
        let mut child =
            self.command(words).stdin(stdin).spawn().map_err(|error| not_started(&error))?;
        let stderr = child.stderr.take().map(|stderr| std::thread::spawn(move || head_of(stderr)));
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Running { word: words[0].to_owned(), child, stdout, stderr })
    }

    /// Waits for a child whose output was read to its end.
    pub(crate) fn finish(&self, mut running: Running) -> Result<(), Failure> {
        drop(running.stdout.take());
        let said = running.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        match running.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(self.failed(&running.word, &said)),
            Err(error) => Err(Failure::engine(format!("cannot wait for `git`: {error}"))),
        }
    }

    fn failed(&self, word: &str, said: &[u8]) -> Failure {
        let said = said.trim_ascii();
        // Each line is told on its own: escaped newlines are hard to read.
        let mut lines = said.split(|&byte| byte == b'\n').map(|line| self.matcher.shown(line));
        let first = lines.next().unwrap_or_default();
        let failure = Failure::engine(format!("`git {word}` failed: {first}"));
        let rest: Vec<String> = lines.collect();
        if rest.is_empty() { failure } else { failure.help(rest.join("\n")) }
    }
}

fn not_started(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::engine("`git` was not found in `PATH`"),
        _ => Failure::engine(format!("cannot start `git`: {error}")),
    }
}

/// The beginning of what a child says; the rest is read so that it need not wait.
fn head_of(mut stderr: ChildStderr) -> Vec<u8> {
    let mut head = Vec::new();
    // What cannot be read any more is missing from a message, nothing else.
    (&mut stderr).take(STDERR_LEN_MAX).read_to_end(&mut head).ok();
    io::copy(&mut stderr, &mut io::sink()).ok();
    head
}

/// A child that writes.
pub(crate) struct Running {
    word: String,
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Its standard output, as the standard input of another child.
    pub(crate) fn take_stdout(&mut self) -> Stdio {
        self.stdout.take().map_or_else(Stdio::null, |stdout| stdout.into_inner().into())
    }

    /// The next line that it writes, without its end.
    pub(crate) fn line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(stdout) = &mut self.stdout else { return Ok(None) };
        let mut line = Vec::new();
        stdout
            .read_until(b'\n', &mut line)
            .map_err(|error| Failure::engine(format!("cannot read from `git`: {error}")))?;
        Ok(line.pop().map(|last| {
            if last != b'\n' {
                line.push(last);
            }
            line
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where a scan ends early, its children must not outlive it; of one that is gone there is
        // nothing to kill.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Gives the objects of a repository by their ids.
pub(crate) struct Objects<'a> {
    git: &'a Git<'a>,
    running: Option<(Running, ChildStdin)>,
}

impl<'a> Objects<'a> {
    /// The objects of the repository that `git` is in.
    pub(crate) fn new(git: &'a Git<'a>) -> Objects<'a> {
        Objects { git, running: None }
    }

    /// Gives the text of one object to `take`, or `None` if there is none to be had. A damaged object
    /// ends the child that is asked; the next one is asked of a new child.
    pub(crate) fn with<T>(
        &mut self,
        id: &str,
        take: impl FnOnce(Option<&mut Take<&mut BufReader<ChildStdout>>>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (mut running, mut stdin) = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        // A child that ended says so when it is read from.
        writeln!(stdin, "{id}").and_then(|()| stdin.flush()).ok();
        let header = running.line()?.unwrap_or_default();
        let len = header.rsplit(|&byte| byte == b' ').next();
        let len = len.and_then(|len| str::from_utf8(len).ok()?.parse::<u64>().ok());
        let (Some(len), Some(stdout)) = (len, running.stdout.as_mut()) else {
            if !header.is_empty() {
                self.running = Some((running, stdin));
            }
            return take(None);
        };
        let mut text = stdout.take(len);
        let taken = take(Some(&mut text))?;
        let left = text.limit();
        let mut newline = [0];
        if left == 0 && stdout.read_exact(&mut newline).is_ok() {
            self.running = Some((running, stdin));
        }
        Ok(taken)
    }

    fn start(&self) -> Result<(Running, ChildStdin), Failure> {
        let mut running = self.git.start(&["cat-file", "--batch"], Stdio::piped())?;
        match running.child.stdin.take() {
            Some(stdin) => Ok((running, stdin)),
            None => Err(Failure::engine("`git cat-file` has no standard input")),
        }
    }
}
