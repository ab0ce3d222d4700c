//! Starts the built program in an environment that holds only what a test puts there.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything a test waits for may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The built program.
pub(crate) const SUBROSA: &str = env!("CARGO_BIN_EXE_subrosa");

/// A folder with a home for records in it.
pub(crate) struct Place(TempDir);

/// What a program left.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; 128+n if signal n ended it.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Place {
        Place(TempDir::new().unwrap())
    }

    /// The folder, and current directory of what is started.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where records are.
    pub(crate) fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    /// Writes a file, with the folders it needs.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The text of the one record's file of this name.
    pub(crate) fn find(&self, name: &str) -> String {
        let runs = fs::read_dir(self.home().join("runs")).unwrap();
        let records = runs.flat_map(|workflow| fs::read_dir(workflow.unwrap().path()).unwrap());
        let files: Vec<PathBuf> = records.map(|record| record.unwrap().path().join(name)).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        fs::read_to_string(&files[0]).unwrap()
    }

    /// The program with arguments, not started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SUBROSA);
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("SUBROSA_HOME", self.home())
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end with something on standard input.
    pub(crate) fn feed(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may have seen enough before the end.
        stdin.write_all(input).ok();
        drop(stdin);
        Ended::of(&child.wait_with_output().unwrap())
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }
}

impl Ended {
    /// What an output says.
    pub(crate) fn of(output: &Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().or(output.status.signal().map(|number| 128 + number));
        Ended { code: code.unwrap(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// Asks until the answer is yes, within [`PATIENCE`].
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
