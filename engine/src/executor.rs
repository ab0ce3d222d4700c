//! The port to whatever carries a step out.
//!
//! An executor runs one attempt of one step. It writes output only to the [`StepIo`] it is handed, and
//! obeys the stop token and the deadline with the grace it is given. How often a step is tried, what
//! its result means and where its output goes is not its business.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::cancel::StopToken;
use crate::secret::SecretValue;
use crate::sink::StepIo;

mod local;

pub(crate) use local::Local;

/// One attempt.
pub struct StepCall {
    /// Program and arguments. They hold no secret: other users can read them.
    pub command: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(String, SecretValue)>,
    /// Where it starts.
    pub working_dir: PathBuf,
    /// When it is stopped.
    pub timeout: Option<Duration>,
    /// Sent on a stop instead of the signal that stopped the run.
    pub signal_on_stop: Option<i32>,
    /// Between asking and killing.
    pub grace: Duration,
    /// For pipes that stay open after the end.
    pub leak: Duration,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepExit {
    /// How.
    pub how: ExitHow,
    /// Whether processes it left behind kept its pipes open; they were ended.
    pub left_processes: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitHow {
    /// By itself.
    Code(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// Its time was over.
    TimedOut,
    /// The run was stopped.
    Stopped,
}

/// Why an attempt could not be made or not be followed.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The program does not exist.
    #[error("`{program}` not found")]
    NotFound {
        /// The program.
        program: String,
    },
    /// The folder to start in does not exist.
    #[error("working_dir `{folder}` is not a folder")]
    NoFolder {
        /// The folder.
        folder: String,
    },
    /// Arguments and environment together are more than the system takes.
    #[error("the environment and arguments are larger than the system allows")]
    TooLarge,
    /// Starting failed otherwise.
    #[error("could not start `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Output could not be written.
    #[error("could not write the step's output: {0}")]
    Output(io::Error),
    /// Waiting for the process failed.
    #[error("could not wait for the process: {0}")]
    Wait(io::Error),
}

/// Carries out attempts of one kind of step.
#[async_trait]
pub trait Executor: Send + Sync {
    /// The kind, in one word.
    fn kind(&self) -> &'static str;

    /// Carries out an attempt.
    ///
    /// # Errors
    /// [`ExecutorError`]: the attempt was not made, or could not be followed to its end. A step that
    /// fails by itself is an `Ok`.
    async fn run(
        &self,
        call: StepCall,
        io: &mut StepIo,
        stop: StopToken,
    ) -> Result<StepExit, ExecutorError>;
}
