//! Kinds of steps beyond processes and calls: how they are written, and the port to what carries them out.
//!
//! A [`Kind`] is data: its words, its fields, and what a look at one step can judge. Validation, the JSON
//! Schema and the reference of fields are made from it. A [`StepRunner`] carries out attempts of one kind.
//! It gets the fields filled, writes output only to the [`StepIo`] it is handed, and obeys the stop and the
//! deadline of [`Timing`]. How often a step is tried and where its output goes is not its business.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::cancel::{Stop, StopToken};
use crate::diagnostic::Diagnostic;
use crate::executor::ExitHow;
use crate::masks::{Masks, Owner};
use crate::provider::Asking;
use crate::secret::SecretValue;
use crate::sink::StepIo;
use crate::structured;
use crate::workflow::Typed;

mod input;

pub use crate::fields::{Field, Section, Shape, alias, refused, section, table, works};
pub use crate::guard::{Groups, Watched};
pub use input::Input;
pub use subrosa_masker::MaskedText;

/// A kind of step, as the language sees it.
pub struct Kind {
    /// The word of `type:`, such as `http`.
    pub name: &'static str,
    /// Other words of `type:` that mean it.
    pub words: &'static [&'static str],
    /// Words of `action:`, each with the operation that it stands for.
    pub actions: &'static [(&'static str, &'static str)],
    /// What `with:` takes. The fields `connection` and `credentials_path` stand for themselves, and may
    /// be written in the step, too, if they are here.
    pub with: &'static Section,
    /// Fields of the step itself that it takes beside those of every step, such as `command`.
    pub beside: &'static [Field],
    /// What is wrong with one step, beyond the kinds of its values. Asks nobody.
    pub check: fn(&Typed) -> Vec<Diagnostic>,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kind").field(&self.name).finish()
    }
}

/// The kinds that a workflow may use.
pub type Kinds = &'static [&'static Kind];

/// Carries out attempts of one kind.
#[async_trait]
pub trait StepRunner: Send + Sync {
    /// The kind.
    fn kind(&self) -> &'static Kind;

    /// Looks at a connection before the first step starts, and has it made ready: whether it is there and
    /// has not ended. Says what is to be warned of.
    ///
    /// # Errors
    /// [`StepFault`]: no step that uses it can succeed.
    async fn ready(&self, connection: &str, asking: &Asking) -> Result<Vec<StepFault>, StepFault>;

    /// Carries out an attempt. It is dropped where it is, should it go on after the grace of its timing.
    ///
    /// # Errors
    /// [`StepFault`]: the step failed.
    async fn run(&self, call: StepRequest, io: &mut StepIo) -> Result<ExitHow, StepFault>;
}

/// The kinds of a program, and what carries them out.
#[derive(Clone, Default)]
pub struct Runners {
    /// The kinds that its workflows may use.
    pub kinds: Kinds,
    /// One for each of them.
    pub runners: Vec<Arc<dyn StepRunner>>,
}

impl Runners {
    /// The one that carries out steps of a kind.
    pub fn of(&self, kind: &str) -> Option<Arc<dyn StepRunner>> {
        self.runners.iter().find(|runner| runner.kind().name == kind).cloned()
    }
}

/// Why an attempt failed: facts, never a value, a body or a query. It is masked before it is shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StepFault {
    /// What happened, lower case, no full stop.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl StepFault {
    /// A failure without a cure.
    pub fn new(message: impl Into<String>) -> StepFault {
        StepFault { message: message.into(), help: None }
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> StepFault {
        self.help = Some(help.into());
        self
    }
}

/// One attempt.
pub struct StepRequest {
    /// The operation, from `action:`; empty if the step has none.
    pub operation: &'static str,
    /// The fields of `with:` and those beside it, by their names, filled.
    pub input: Input,
    /// The name of the connection that authenticates it.
    pub connection: Option<String>,
    /// The file that authenticates it.
    pub credentials_path: Option<PathBuf>,
    /// The whole environment of the step.
    pub env: Vec<(String, SecretValue)>,
    /// Where relative paths begin.
    pub working_dir: PathBuf,
    /// On whose behalf the registry is asked.
    pub asking: Asking,
    /// What hides values in all that leaves.
    pub hiding: Hiding,
    /// When to end.
    pub timing: Timing,
    /// Where process groups are noted that it starts.
    pub groups: Groups,
    /// Where the use of shared clients is noted.
    pub usage: Usage,
    /// Keeps what was said and done, beside the logs.
    pub keep: Keep,
    /// Tells what should be mended although the step goes on.
    pub warn: Warn,
    /// The wall clock.
    pub clock: fn() -> SystemTime,
}

/// Tells a person something, masked.
pub type Warn = Arc<dyn Fn(&str) + Send + Sync>;

/// Hides values in all that leaves the run from now on.
#[derive(Clone)]
pub struct Hiding(Arc<Masks>);

/// There are more values than can be hidden, so none may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the values are more than can be masked")]
pub struct TooManyValues;

impl Hiding {
    pub(crate) fn new(masks: Arc<Masks>) -> Hiding {
        Hiding(masks)
    }

    /// Adds values before they are used; reports name them by `whose`.
    ///
    /// # Errors
    /// [`TooManyValues`]: they must not be used.
    pub fn hide(&self, whose: &str, values: &[SecretValue]) -> Result<(), TooManyValues> {
        let owner = Owner::Secret(whose.into());
        let added = values.iter().map(|value| (owner.clone(), value.clone())).collect();
        self.0.add(added).map_err(|_| TooManyValues)
    }

    /// A text as it may leave.
    pub fn text(&self, text: &str) -> MaskedText {
        self.0.text(text)
    }

    /// A filled value as it may leave. What is no text becomes one with `U+FFFD`.
    pub fn value(&self, value: &SecretValue) -> MaskedText {
        self.0.value(value).0
    }

    /// A document as it may leave: its keys and strings masked one by one, then its bytes.
    pub fn document(&self, mut document: serde_json::Value) -> Vec<u8> {
        structured::walk(&mut document, &self.0);
        structured::to_bytes(&document, &self.0)
    }

    /// A document as it may leave, in one line without its end.
    pub fn line(&self, mut document: serde_json::Value) -> Vec<u8> {
        structured::walk(&mut document, &self.0);
        structured::to_line(&document, &self.0)
    }
}

/// Keeps documents beside the logs of an attempt, masked.
#[derive(Clone)]
pub struct Keep {
    hiding: Hiding,
    write: Arc<Write>,
}

type Write = dyn Fn(&str, &[u8]) -> io::Result<()> + Send + Sync;

impl Keep {
    /// One that hands the bytes of a masked document, and the ending of its name, to `write`.
    pub fn new(
        hiding: Hiding,
        write: impl Fn(&str, &[u8]) -> io::Result<()> + Send + Sync + 'static,
    ) -> Keep {
        Keep { hiding, write: Arc::new(write) }
    }

    /// Keeps a document under the name of the step and an ending, such as `chat.json`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn document(&self, ending: &str, document: serde_json::Value) -> io::Result<()> {
        (self.write)(ending, &self.hiding.document(document))
    }
}

/// When an attempt has to end.
#[derive(Clone)]
pub struct Timing {
    /// When its time is over.
    pub deadline: Option<Instant>,
    /// How long ending in order may take.
    pub grace: Duration,
    pub(crate) stop: StopToken,
}

impl Timing {
    /// One that ends by itself only.
    pub fn new(deadline: Option<Instant>, grace: Duration, stop: StopToken) -> Timing {
        Timing { deadline, grace, stop }
    }

    /// Waits until the attempt has to end, and says why.
    pub async fn over(&self) -> ExitHow {
        let mut stop = self.stop.clone();
        let deadline = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stop.changed_from(Stop::No) => ExitHow::Stopped,
            () = deadline => ExitHow::TimedOut,
        }
    }

    /// As [`Timing::over`], and the grace after it; a second stop ends the grace.
    pub(crate) async fn at_last(&self) -> ExitHow {
        let how = self.over().await;
        let mut stop = self.stop.clone();
        let now = async {
            loop {
                let seen = stop.state();
                if matches!(seen, Stop::Now { .. }) {
                    return;
                }
                stop.changed_from(seen).await;
            }
        };
        tokio::select! {
            () = now => {}
            () = tokio::time::sleep(self.grace) => {}
        }
        how
    }
}

/// How a shared client was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientUse {
    /// This step made it.
    Opened,
    /// Another step had made it, or was about to.
    Shared,
}

/// Where the use of shared clients is noted.
#[derive(Clone)]
pub struct Usage(Arc<Note>);

type Note = dyn Fn(&str, ClientUse) + Send + Sync;

impl Usage {
    /// One that hands the notes to `note`.
    pub fn new(note: impl Fn(&str, ClientUse) + Send + Sync + 'static) -> Usage {
        Usage(Arc::new(note))
    }

    /// Notes the use of a client, which is named by its kind and what authenticates it.
    pub fn note(&self, client: &str, how: ClientUse) {
        (self.0)(client, how);
    }
}
