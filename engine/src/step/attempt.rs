//! One attempt: logs opened, the command line made, the executor asked.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use subrosa_masker::{MaskedText, Tally};
use tokio::time::{Instant, sleep_until, timeout};

use super::context::{arguments, fill, reference};
use super::{Attempt, Context, StepRun};
use crate::cancel::{Stop, stop_pair};
use crate::env::{self, Layer};
use crate::event::{RunEvent, StepEnd, Stream};
use crate::executor::{ExitHow, StepCall};
use crate::late::{MASK_FILE, MaskFile};
use crate::leaks;
use crate::names;
use crate::run::level::Level;
use crate::run::{call, status_word};
use crate::rundir::RunDir;
use crate::secret::SecretValue;
use crate::shell::{POSITIONAL, ScriptPlace, names_posix_shell, with_positional};
use crate::shelltext;
use crate::sink::{MaskedSink, SlowTarget, StepIo, Tap, Target};
use crate::workflow::{Action, LogOutput, Step, Text};

/// A shell text ready to run, with the variables it needs beside the step's own.
pub(super) struct Prepared {
    pub(super) text: String,
    pub(super) variables: Vec<(String, SecretValue)>,
}

/// Rewrites references in a shell text and hands positional parameters over.
pub(super) fn shell_text(level: &Level, context: &Context, text: &str) -> Prepared {
    let rewritten = shelltext::rewrite(text, |path| reference(level, &context.variables, path));
    let mut variables = rewritten.variables;
    let mut text = rewritten.text;
    if context.shell.is_posix() {
        let positional: Vec<_> = level.setup.params.iter().filter(|p| p.positional).collect();
        text = with_positional(&text, positional.len());
        variables.extend(
            positional
                .iter()
                .map(|param| (format!("{POSITIONAL}{}", param.name), param.value.clone())),
        );
    }
    Prepared { text, variables }
}

/// What one attempt is about, and when its time is over.
struct Try<'a> {
    step: &'a Step,
    context: &'a Context,
    logs: &'a [PathBuf],
    late: Option<&'a MaskFile>,
    deadline: Option<Instant>,
}

/// The opened logs of an attempt.
struct Opened {
    io: StepIo,
    logs: Vec<PathBuf>,
    /// Of a step that runs processes.
    late: Option<Arc<MaskFile>>,
}

impl StepRun {
    pub(super) async fn attempt(&self, step: &Step, context: &Context) -> Attempt {
        let shared = &self.level.shared;
        let time = shared.now();
        shared.events.emit(&RunEvent::StepStarted {
            time,
            step: self.path.clone(),
            attempt: self.attempts,
        });
        let broken = |message: MaskedText, logs: Vec<PathBuf>| Attempt {
            end: StepEnd::Error { message },
            captured: None,
            logs,
        };
        if self.stop.state() != Stop::No {
            return Attempt { end: StepEnd::Cancelled, captured: None, logs: Vec::new() };
        }
        let opened = match self.open(step, context).await {
            Ok(opened) => opened,
            Err(message) => return broken(message, Vec::new()),
        };
        let Opened { mut io, logs, late } = opened;
        self.level.recorder.step(self.level.record_index(self.index), |record| {
            record.status = status_word(crate::event::StepStatus::Running);
            record.attempts = self.attempts;
            record.started.get_or_insert_with(|| time.to_string());
            record.stdout = logs.first().cloned();
            record.stderr = logs.last().cloned();
        });
        let late = late.as_deref();
        let deadline = step.timeout.map(|timeout| Instant::now() + timeout);
        let this = Try { step, context, logs: &logs, late, deadline };
        let acted = Box::pin(self.act(&this, &mut io)).await;
        // What was registered last is hidden in what is still held back, and in all that follows. A
        // refusal comes before what it led to.
        let registered = late.map_or(Ok(0), MaskFile::finish);
        let result = match registered {
            Ok(_) => acted,
            Err(error) => Err(shared.masks.text(&error.to_string())),
        };
        if !matches!(result, Ok(StepEnd::Exited { code: 0 } | StepEnd::Called { .. })) {
            io.cut();
        }
        let was_cut = io.was_cut();
        let (result, finished) = match io.finish() {
            Ok(output) => {
                self.note_found(&output.found, registered.unwrap_or(0));
                let (result, drained) = self.drain(result, output.slow, deadline).await;
                (result, drained.map(|()| output.captured))
            }
            Err(error) => (result, Err(error)),
        };
        if was_cut && let Ok(Some(captured)) = &finished {
            // Too many masks: the tail stays a tail, and the run has failed a step already.
            let _unmasked = shared.masks.add_cut(&captured.whole()).err();
        }
        match (result, finished) {
            (Err(message), _) => broken(message, logs),
            (Ok(_), Err(error)) => broken(
                shared.masks.text(&format!("could not write the step's output: {error}")),
                logs,
            ),
            (Ok(end), Ok(captured)) => Attempt { end, captured, logs },
        }
    }

    /// Adds to the record what was masked in an attempt, and how many values it registered.
    fn note_found(&self, found: &[(Stream, Tally)], registered: u64) {
        if registered == 0 && found.iter().all(|(_, tally)| tally.is_empty()) {
            return;
        }
        let masks = &self.level.shared.masks;
        self.level.recorder.step(self.level.record_index(self.index), |record| {
            record.registered += registered;
            for (stream, tally) in found {
                leaks::count(&mut record.masked, *stream, tally, masks);
            }
        });
    }

    /// Waits until readers have taken the last of the output; for a step that was to end, not long.
    async fn drain(
        &self,
        result: Result<StepEnd, MaskedText>,
        slow: Vec<SlowTarget>,
        deadline: Option<Instant>,
    ) -> (Result<StepEnd, MaskedText>, io::Result<()>) {
        let all = async {
            for mut target in slow {
                target.drained().await?;
            }
            Ok(())
        };
        let over = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let goes_on = matches!(
            result,
            Ok(StepEnd::Exited { .. } | StepEnd::Signalled { .. } | StepEnd::Called { .. })
        );
        if !goes_on {
            let _given_up = timeout(TAKEN_AT_ONCE, all).await.err();
            return (result, Ok(()));
        }
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            drained = all => (result, drained),
            _ = stop.changed_from(Stop::No) => (Ok(StepEnd::Cancelled), Ok(())),
            () = over => (Ok(StepEnd::TimedOut), Ok(())),
        }
    }

    async fn act(&self, this: &Try<'_>, io: &mut StepIo) -> Result<StepEnd, MaskedText> {
        let Try { step, context, .. } = *this;
        let script_place = || ScriptPlace {
            dir: &self.level.dir,
            name: RunDir::log_path(&self.level.file_name(self.index), self.attempts, "script"),
            written: std::sync::atomic::AtomicBool::new(false),
        };
        match &step.action {
            Action::Shell(texts) => {
                let place = script_place();
                let mut end = StepEnd::Exited { code: 0 };
                for text in texts {
                    let prepared = shell_text(&self.level, context, &text.raw);
                    let words = context.shell.for_text(&prepared.text, &place);
                    let words = words.map_err(|error| self.no_script(&error))?;
                    end = self.execute(this, words, prepared.variables, io).await?;
                    if end != (StepEnd::Exited { code: 0 }) {
                        break;
                    }
                }
                Ok(end)
            }
            Action::Script { interpreter, text } => {
                let place = script_place();
                let (words, variables) =
                    self.script(context, interpreter.as_deref(), text, &place).await?;
                self.execute(this, words, variables, io).await
            }
            Action::Exec(words) => {
                let words =
                    arguments(&self.level, &context.variables, &context.working_dir, words).await?;
                self.execute(this, words, Vec::new(), io).await
            }
            Action::Call { target, params, parallel } => {
                let asked = call::Asked { target, params, parallel: parallel.as_ref() };
                self.call(this, asked, io).await
            }
            Action::Typed(typed) => self.typed(typed, context, this.deadline, io).await,
        }
    }

    fn no_script(&self, error: &io::Error) -> MaskedText {
        self.level.shared.masks.text(&format!("the step's script cannot be written: {error}"))
    }

    async fn script(
        &self,
        context: &Context,
        interpreter: Option<&[Text]>,
        text: &Text,
        place: &ScriptPlace<'_>,
    ) -> Result<(Vec<OsString>, Vec<(String, SecretValue)>), MaskedText> {
        let has_line = crate::shell::interpreter_line(&text.raw).is_some();
        if interpreter.is_none() && !has_line && context.shell.is_posix() {
            let prepared = shell_text(&self.level, context, &text.raw);
            let words = context.shell.for_script(&prepared.text, place);
            return Ok((words.map_err(|error| self.no_script(&error))?, prepared.variables));
        }
        let lookup = |path: &str| reference(&self.level, &context.variables, path);
        if interpreter.is_none() && names_posix_shell(&text.raw) {
            let rewritten = shelltext::rewrite(&text.raw, lookup);
            let words = context.shell.for_script(&rewritten.text, place);
            return Ok((words.map_err(|error| self.no_script(&error))?, rewritten.variables));
        }
        let masks = &self.level.shared.masks;
        let pasted = shelltext::paste(&text.raw, lookup, |value| {
            let (shown, masked) = masks.value(value);
            (!masked).then(|| shown.as_str().to_owned())
        });
        let Some(text) = pasted else {
            return Err(masks.text(
                "the script refers to a secret with `${...}`; only a shell script can: read it from the environment",
            ));
        };
        let words = match interpreter {
            Some(words) => {
                let mut line =
                    arguments(&self.level, &context.variables, &context.working_dir, words).await?;
                line.push(place.write(&text).map_err(|error| self.no_script(&error))?.into());
                line
            }
            None => {
                context.shell.for_script(&text, place).map_err(|error| self.no_script(&error))?
            }
        };
        Ok((words, Vec::new()))
    }

    async fn execute(
        &self,
        this: &Try<'_>,
        command: Vec<OsString>,
        more: Vec<(String, SecretValue)>,
        io: &mut StepIo,
    ) -> Result<StepEnd, MaskedText> {
        let Try { step, context, logs, late, deadline } = this;
        let shared = &self.level.shared;
        let limits = &shared.host.limits;
        let mut variables = context.variables.clone();
        let log = |path: Option<&PathBuf>| {
            path.map(|path| env::from_os(self.level.dir.path().join(path).as_os_str()))
        };
        variables.set(Layer::Managed, "DAG_RUN_STEP_STDOUT_FILE", log(logs.first()), "engine");
        variables.set(Layer::Managed, "DAG_RUN_STEP_STDERR_FILE", log(logs.last()), "engine");
        let late = late.map(|late| env::from_os(late.path().as_os_str()));
        variables.set(Layer::Managed, MASK_FILE, late, "engine");
        let own = variables.values().filter(|(name, _)| names::is_env_name(name));
        let env = own.map(|(name, value)| (name.to_owned(), value.clone())).chain(more).collect();
        let call = StepCall {
            command,
            env,
            working_dir: context.working_dir.clone(),
            timeout: deadline.map(|deadline| deadline.duration_since(Instant::now())),
            signal_on_stop: step.signal_on_stop,
            grace: limits.grace,
            leak: limits.leak,
        };
        let exit = shared.executor.run(call, io, self.stop.clone()).await;
        let exit = exit.map_err(|error| shared.masks.text(&error.to_string()))?;
        if exit.left_processes {
            io.cut();
            self.level.warn(
                Some(&self.path),
                "processes that the step left behind kept its output open; they were ended",
            );
        }
        Ok(match exit.how {
            ExitHow::Code(code) => StepEnd::Exited { code },
            ExitHow::Signal(signal) => StepEnd::Signalled { signal },
            ExitHow::TimedOut => StepEnd::TimedOut,
            ExitHow::Stopped => StepEnd::Cancelled,
        })
    }

    /// Carries a call out, and stops it when its time is over.
    async fn call(
        &self,
        this: &Try<'_>,
        asked: call::Asked<'_>,
        io: &mut StepIo,
    ) -> Result<StepEnd, MaskedText> {
        let (handle, token) = stop_pair();
        let mut stop = self.stop.clone();
        let mut seen = Stop::No;
        let mut timed_out = false;
        let own_signal = this.step.signal_on_stop;
        let calling =
            call::run(&self.level, self.index, context_view(this.context), asked, io, token);
        let mut calling = Box::pin(calling);
        let deadline = async {
            match this.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                end = &mut calling => {
                    return if timed_out { end.map(|_| StepEnd::TimedOut) } else { end };
                }
                asked = stop.changed_from(seen) => {
                    seen = asked;
                    handle.pass_on(match asked {
                        Stop::Gently { signal } => {
                            Stop::Gently { signal: own_signal.unwrap_or(signal) }
                        }
                        Stop::No | Stop::Now { .. } => asked,
                    });
                }
                () = &mut deadline, if !timed_out && seen == Stop::No => {
                    timed_out = true;
                    let term = rustix::process::Signal::TERM.as_raw();
                    handle.pass_on(Stop::Gently { signal: own_signal.unwrap_or(term) });
                }
            }
        }
    }

    async fn open(&self, step: &Step, context: &Context) -> Result<Opened, MaskedText> {
        let name = self.level.file_name(self.index);
        let merged =
            step.log_output.unwrap_or(self.level.workflow().log_output) == LogOutput::Merged;
        let endings: &[&str] = if merged { &["log"] } else { &["out", "err"] };
        let streams = [(Stream::Stdout, &step.stdout), (Stream::Stderr, &step.stderr)];
        let late = self.mask_file(step)?;
        let mut logs = Vec::new();
        let mut sinks = Vec::new();
        for (ending, (stream, redirect)) in endings.iter().zip(streams) {
            let log = RunDir::log_path(&name, self.attempts, ending);
            let mut targets = vec![Target::Log(self.level.dir.clone(), log.clone())];
            let also = if merged { step.stderr.as_ref() } else { None };
            for text in redirect.iter().chain(also) {
                targets.push(self.redirect(text, context).await?);
            }
            logs.push(log);
            sinks.push(self.sink(targets, stream, late.clone()));
        }
        let mut sinks = sinks.into_iter();
        let stdout = sinks.next().expect("every step has a stdout");
        let io = StepIo::new(stdout, sinks.next(), !step.outputs.is_empty());
        Ok(Opened { io, logs, late })
    }

    /// Where the step's processes register values to hide; other steps have none.
    fn mask_file(&self, step: &Step) -> Result<Option<Arc<MaskFile>>, MaskedText> {
        match step.action {
            Action::Call { .. } | Action::Typed(_) => return Ok(None),
            Action::Shell(_) | Action::Script { .. } | Action::Exec(_) => {}
        }
        let shared = &self.level.shared;
        let made = MaskFile::create(shared.masks.clone(), &shared.host, &self.level.dir.work());
        made.map(|file| Some(Arc::new(file))).map_err(|error| {
            shared.masks.text(&format!("the file {MASK_FILE} cannot be made: {error}"))
        })
    }

    fn sink(
        &self,
        targets: Vec<Target>,
        stream: Stream,
        late: Option<Arc<MaskFile>>,
    ) -> MaskedSink {
        let shared = &self.level.shared;
        let tap = shared.events.watcher().wants_output().then(|| Tap {
            events: shared.events.watcher().clone(),
            host: shared.host.clone(),
            step: self.path.clone(),
            stream,
            begun: Vec::new(),
        });
        MaskedSink::new(shared.masks.clone(), targets, tap, late)
    }

    async fn redirect(&self, text: &Text, context: &Context) -> Result<Target, MaskedText> {
        let value = fill(&self.level, text, &context.variables, &context.working_dir).await?;
        let path = context.working_dir.join(env::to_os(&value));
        open_redirect(&path).map_err(|error| {
            let message = format!("`{}` cannot be opened for output: {error}", path.display());
            self.level.shared.masks.text(&message)
        })
    }
}

/// For what a reader takes who reads.
const TAKEN_AT_ONCE: Duration = Duration::from_millis(200);

/// What a call needs of a step's context.
fn context_view(context: &Context) -> call::CallerView<'_> {
    call::CallerView { variables: &context.variables, working_dir: &context.working_dir }
}

/// A redirect adds to what is there; what it makes is private, whatever the umask. A pipe that nobody
/// reads is refused instead of waited for.
fn open_redirect(path: &Path) -> io::Result<Target> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(flags);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(Target::Open(file)) } else { Target::slow(file) }
}
