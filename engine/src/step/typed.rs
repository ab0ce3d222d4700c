//! A step of a kind of its own: its fields filled, its runner asked.
//!
//! What is filled lives for the attempt alone; no record and no event has it.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use subrosa_masker::MaskedText;
use tokio::time::Instant;

use super::context::fill_data;
use super::{Context, StepRun};
use crate::env;
use crate::event::StepEnd;
use crate::executor::ExitHow;
use crate::kind::{ClientUse, Hiding, Input, Keep, StepRequest, Timing, Usage, Warn};
use crate::names;
use crate::record::ClientRecord;
use crate::rundir::RunDir;
use crate::secret::SecretValue;
use crate::sink::StepIo;
use crate::workflow::{Text, Tree, Typed};

impl StepRun {
    /// Has an attempt carried out by the runner of its kind.
    pub(super) async fn typed(
        &self,
        typed: &Typed,
        context: &Context,
        deadline: Option<Instant>,
        io: &mut StepIo,
    ) -> Result<StepEnd, MaskedText> {
        let shared = &self.level.shared;
        let Some(runner) = shared.host.runners.of(typed.kind) else {
            return Err(shared
                .masks
                .text(&format!("steps of `type: {}` cannot be run by this program", typed.kind)));
        };
        let timing = Timing::new(deadline, shared.host.limits.grace, self.stop.clone());
        let request = self.request(typed, context, timing.clone())?;
        let ended = tokio::select! {
            ended = runner.run(request, io) => ended,
            how = timing.at_last() => Ok(how),
        };
        let how = ended.map_err(|fault| {
            let help = fault.help.map(|help| format!("; {help}")).unwrap_or_default();
            shared.masks.text(&format!("{}{help}", fault.message))
        })?;
        Ok(match how {
            ExitHow::Code(code) => StepEnd::Exited { code },
            ExitHow::Signal(signal) => StepEnd::Signalled { signal },
            ExitHow::TimedOut => StepEnd::TimedOut,
            ExitHow::Stopped => StepEnd::Cancelled,
        })
    }

    fn request(
        &self,
        typed: &Typed,
        context: &Context,
        timing: Timing,
    ) -> Result<StepRequest, MaskedText> {
        let level = &self.level;
        let shared = &level.shared;
        let fields = typed.fields.iter().map(|(name, tree)| {
            let filled = self.filled(tree, context);
            ((*name).to_owned(), filled)
        });
        let input = Input::Map(fields.collect());
        let connection = match &typed.connection {
            Some(text) => Some(self.name(text, context)?),
            None => None,
        };
        let path = |text: &Text| -> PathBuf {
            let value = fill_data(level, &text.raw, &context.variables);
            context.working_dir.join(env::to_os(&value))
        };
        let own = context.variables.values().filter(|(name, _)| names::is_env_name(name));
        let mut asking = level.asker.asking(level.workflow(), &shared.host, &shared.masks);
        asking.lookup.actor.step = Some(self.path.0.to_string());
        Ok(StepRequest {
            operation: typed.operation,
            input,
            connection,
            credentials_path: typed.credentials_path.as_ref().map(path),
            env: own.map(|(name, value)| (name.to_owned(), value.clone())).collect(),
            working_dir: context.working_dir.clone(),
            asking,
            hiding: Hiding::new(shared.masks.clone()),
            timing,
            groups: shared.groups.clone(),
            usage: self.usage(),
            keep: self.keep(),
            warn: self.warn(),
            clock: shared.host.clock,
        })
    }

    /// The name of a connection, which is asked for and shown.
    fn name(&self, text: &Text, context: &Context) -> Result<String, MaskedText> {
        let masks = &self.level.shared.masks;
        let value = fill_data(&self.level, &text.raw, &context.variables);
        let (shown, masked) = masks.value(&value);
        if masked {
            return Err(masks.text("the name of the connection has a secret in it"));
        }
        Ok(shown.as_str().trim().to_owned())
    }

    fn filled(&self, tree: &Tree, context: &Context) -> Input {
        match tree {
            Tree::Null => Input::Null,
            Tree::Flag(flag) => Input::Flag(*flag),
            Tree::Number(number) => Input::Number(number.clone()),
            Tree::Text(text) => Input::Text(fill_data(&self.level, &text.raw, &context.variables)),
            Tree::Literal(text) => Input::Text(SecretValue::new(text.raw.as_bytes().to_vec())),
            Tree::List(items) => {
                Input::List(items.iter().map(|item| self.filled(item, context)).collect())
            }
            Tree::Map(entries) => {
                let entry =
                    |(key, value): &(String, Tree)| (key.clone(), self.filled(value, context));
                Input::Map(entries.iter().map(entry).collect())
            }
        }
    }

    /// Keeps documents beside the logs of this attempt.
    fn keep(&self) -> Keep {
        let hiding = Hiding::new(self.level.shared.masks.clone());
        let (dir, name) = (self.level.dir.clone(), self.level.file_name(self.index));
        let attempt = self.attempts;
        Keep::new(hiding, move |ending, bytes| {
            dir.create_file(&RunDir::log_path(&name, attempt, ending))?.write_all(bytes)
        })
    }

    fn warn(&self) -> Warn {
        let (level, path) = (self.level.clone(), self.path.clone());
        Arc::new(move |message| level.warn(Some(&path), message))
    }

    /// Notes the use of shared clients in the step's record.
    fn usage(&self) -> Usage {
        let level = self.level.clone();
        let index = level.record_index(self.index);
        Usage::new(move |client, how| {
            let client = level.shared.masks.text(client);
            level.recorder.step(index, |record| {
                let known = record
                    .clients
                    .iter()
                    .position(|known| known.client.as_str() == client.as_str());
                let place = known.unwrap_or_else(|| {
                    record.clients.push(ClientRecord { client, opened: 0, shared: 0 });
                    record.clients.len() - 1
                });
                match how {
                    ClientUse::Opened => record.clients[place].opened += 1,
                    ClientUse::Shared => record.clients[place].shared += 1,
                }
            });
        })
    }
}
