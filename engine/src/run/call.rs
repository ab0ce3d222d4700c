//! Called workflows: they run in this process, so that values reach them without a command line or a
//! file, and their secrets join the masks of the run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use subrosa_masker::{MaskedText, TooLarge};
use tokio::task::JoinSet;

use super::drive::run_level;
use super::level::{Level, LevelEnd, Origin, StepIndex, WorkflowHandle};
use super::status_word;
use crate::cancel::{Stop, StopToken};
use crate::diagnostic::Diagnostic;
use crate::env::{self, Layer, Variables};
use crate::event::{RunStatus, StepEnd};
use crate::kind::Kinds;
use crate::masks::Masks;
use crate::params::Given;
use crate::resolve::resolve_with;
use crate::rundir::RunDir;
use crate::secret::SecretValue;
use crate::sink::StepIo;
use crate::step::fill;
use crate::structured;
use crate::workflow::{CallParam, Parallel, ParallelItem, ParallelItems, Text};

/// What a step asks for.
pub(crate) struct Asked<'a> {
    pub(crate) target: &'a Text,
    pub(crate) params: &'a [CallParam],
    pub(crate) parallel: Option<&'a Parallel>,
}

/// Where the texts of the calling step are filled.
pub(crate) struct CallerView<'a> {
    pub(crate) variables: &'a Variables,
    pub(crate) working_dir: &'a Path,
}

/// One call to make.
struct Job {
    item: Option<usize>,
    given: Vec<Given>,
}

/// What came of a call: how it ended, and its outputs, raw.
struct Done {
    item: Option<usize>,
    end: LevelEnd,
    outputs: Vec<(String, SecretValue)>,
}

const DEPTH_MAX: usize = 16;
const AT_ONCE: usize = 10;

/// Carries a call out and writes its result, as JSON, to the step's output.
pub(crate) async fn run(
    level: &Arc<Level>,
    index: StepIndex,
    caller: CallerView<'_>,
    asked: Asked<'_>,
    io: &mut StepIo,
    stop: StopToken,
) -> Result<StepEnd, MaskedText> {
    let masks = &level.shared.masks;
    if level.origin.depth >= DEPTH_MAX {
        return Err(masks.text(&format!("workflows call each other more than {DEPTH_MAX} deep")));
    }
    let target = text_of(&fill(level, asked.target, caller.variables, caller.working_dir).await?);
    let handle = find(level, &target)?;
    let jobs = jobs(level, &caller, &asked).await?;
    let dir_name = level.file_name(index);
    let paths = jobs.iter().map(|job| RunDir::called_path(&dir_name, job.item)).collect();
    level.recorder.step(level.record_index(index), |record| record.called = paths);
    let at_once = asked.parallel.and_then(|parallel| parallel.concurrent_max).unwrap_or(AT_ONCE);
    let total = jobs.len();
    let mut waiting = jobs.into_iter();
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    let mut broken = None;
    // Also when one cannot be made the others go to their end: a step leaves nothing running. A stop
    // leaves those that wait unmade: each would ask for its secrets first.
    loop {
        while running.len() < at_once.max(1)
            && stop.state() == Stop::No
            && let Some(job) = waiting.next()
        {
            running.spawn(one(level.clone(), index, handle.clone(), job, stop.clone()));
        }
        match running.join_next().await {
            Some(Ok(Ok(result))) => done.extend(result),
            Some(Ok(Err(message))) => broken = broken.or(Some(message)),
            Some(Err(_)) => broken = Some(masks.text("the called workflow broke off")),
            None => break,
        }
    }
    if let Some(message) = broken {
        return Err(message);
    }
    done.sort_by_key(|done| done.item);
    let outputs = done.iter().flat_map(|done| done.outputs.iter().map(|(_, value)| value));
    masks.add_quoted(outputs).map_err(|error| unmaskable(masks, &error))?;
    let parallel = asked.parallel.is_some();
    let raw = document(&handle, &done, parallel, |_, value| text_of(value));
    let shown = document(&handle, &done, parallel, |name, value| {
        structured::field(name, &text_of(value), masks)
    });
    let (mut stdout, _) = io.split();
    stdout
        .write_apart(raw.as_bytes(), shown.as_bytes())
        .map_err(|error| masks.text(&format!("could not write the step's output: {error}")))?;
    Ok(StepEnd::Called { status: worst(&done, total, stop.state()) })
}

fn unmaskable(masks: &Masks, error: &TooLarge) -> MaskedText {
    masks.text(&error.to_string())
}

/// Unless the run was stopped, an aborted call is one whose precondition did not hold: it matters
/// only if they all are. Of the `total` calls only a stop leaves some unmade.
fn worst(done: &[Done], total: usize, stop: Stop) -> RunStatus {
    let any = |status: RunStatus| done.iter().any(|done| done.end.status == status);
    let all_aborted = done.iter().all(|done| done.end.status == RunStatus::Aborted);
    match () {
        () if any(RunStatus::Failed) => RunStatus::Failed,
        () if done.len() < total => RunStatus::Aborted,
        () if all_aborted || stop != Stop::No && any(RunStatus::Aborted) => RunStatus::Aborted,
        () if any(RunStatus::PartiallySucceeded) => RunStatus::PartiallySucceeded,
        () => RunStatus::Succeeded,
    }
}

/// Makes one call; `None`: the run was stopped before all its values were there.
async fn one(
    level: Arc<Level>,
    index: StepIndex,
    handle: WorkflowHandle,
    job: Job,
    mut stop: StopToken,
) -> Result<Option<Done>, MaskedText> {
    let shared = level.shared.clone();
    let asker = level.asker.called(handle.get(), level.step_path(index).0.to_string());
    let resolving =
        resolve_with(handle.get(), &job.given, &shared.host, shared.masks.clone(), asker);
    let resolved = tokio::select! {
        biased;
        _ = stop.changed_from(Stop::No) => return Ok(None),
        resolved = Box::pin(resolving) => resolved,
    };
    let resolved = resolved.map_err(|failure| {
        let (errors, warnings): (Vec<_>, Vec<_>) =
            failure.diagnostics.into_iter().partition(Diagnostic::is_error);
        for warning in warnings {
            level.warn(None, &warning.message);
        }
        let told: Vec<String> = errors.into_iter().map(|found| found.message).collect();
        let name = &handle.get().name;
        shared.masks.text(&format!("workflow `{name}`: {}", told.join("; ")))
    })?;
    for warning in resolved.warnings() {
        level.warn(None, &warning.message);
    }
    let step = level.step_name(index);
    let prefix = match job.item {
        Some(item) => format!("{}{step}/{item}/", level.origin.prefix),
        None => format!("{}{step}/", level.origin.prefix),
    };
    let origin = Origin { prefix, depth: level.origin.depth + 1, retry_of: None };
    let called = level
        .dir
        .called(&level.file_name(index), job.item)
        .and_then(|dir| Level::new(shared.clone(), handle, resolved, dir, origin));
    let called = Arc::new(called.map_err(|error| {
        shared.masks.text(&format!("the called workflow's record cannot be written: {error}"))
    })?);
    let end = run_level(called.clone(), stop, BTreeMap::new()).await;
    let outputs =
        called.collected().into_iter().map(|one| (one.output.name.clone(), one.value)).collect();
    Ok(Some(Done { item: job.item, end, outputs }))
}

/// A document of the same file, else a file beside the workflow.
fn find(level: &Level, target: &str) -> Result<WorkflowHandle, MaskedText> {
    let root = &level.handle.root;
    if root.children.contains_key(target) {
        return Ok(WorkflowHandle { root: root.clone(), child: Some(target.to_owned()) });
    }
    let masks = &level.shared.masks;
    let folder = level.shared.host.absolute(&level.workflow().folder());
    let candidates = [target.to_owned(), format!("{target}.yaml"), format!("{target}.yml")];
    let path = candidates.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    let Some(path) = path else {
        return Err(masks.text(&format!(
            "there is no workflow `{target}`: neither a document of this file nor `{target}.yaml` beside it"
        )));
    };
    load(&path, level.shared.host.runners.kinds).map_err(|message| masks.text(&message))
}

fn load(path: &Path, kinds: Kinds) -> Result<WorkflowHandle, String> {
    let source = Arc::new(crate::load(path).map_err(|error| error.to_string())?);
    let validation = crate::validate(source.clone(), kinds);
    match validation.workflow {
        Some(workflow) => Ok(WorkflowHandle { root: Arc::new(workflow), child: None }),
        None => {
            let found = validation.diagnostics.iter().find(|found| found.is_error());
            let told = found.map_or("it is not valid", |found| found.message.as_str());
            let place = found.and_then(|found| found.labels.first());
            let line = place.map_or(1, |label| source.position(label.span.start).line);
            Err(format!("{}:{line}: {told}", path.display()))
        }
    }
}

async fn jobs(
    level: &Level,
    caller: &CallerView<'_>,
    asked: &Asked<'_>,
) -> Result<Vec<Job>, MaskedText> {
    let Some(parallel) = asked.parallel else {
        let given = params(level, caller.variables, caller.working_dir, asked.params).await?;
        return Ok(vec![Job { item: None, given }]);
    };
    let masks = &level.shared.masks;
    let items = match &parallel.items {
        ParallelItems::List(items) => {
            let mut filled = Vec::new();
            for item in items {
                filled.push(match item {
                    ParallelItem::Value(text) => {
                        let value = fill(level, text, caller.variables, caller.working_dir).await?;
                        vec![Given { name: None, value }]
                    }
                    ParallelItem::Params(named) => {
                        params(level, caller.variables, caller.working_dir, named).await?
                    }
                });
            }
            filled
        }
        ParallelItems::From(text) => {
            let value = fill(level, text, caller.variables, caller.working_dir).await?;
            let items = split_items(&value);
            let parts = items.iter().flatten().map(|part| &part.value);
            masks.add_parts(&value, parts).map_err(|error| unmaskable(masks, &error))?;
            items
        }
    };
    if items.is_empty() {
        return Err(level.shared.masks.text("`parallel` has no items"));
    }
    // All at once: each addition makes the set of all needles anew.
    let parts = items.iter().flatten().map(|part| &part.value);
    masks.add_quoted(parts).map_err(|error| unmaskable(masks, &error))?;
    let mut jobs = Vec::new();
    for (number, item) in items.into_iter().enumerate() {
        let mut variables = caller.variables.clone();
        variables.set(Layer::Step, "ITEM", Some(item_value(&item)), "parallel");
        let mut given = params(level, &variables, caller.working_dir, asked.params).await?;
        if given.is_empty() {
            given = item;
        }
        jobs.push(Job { item: Some(number + 1), given });
    }
    Ok(jobs)
}

async fn params(
    level: &Level,
    variables: &Variables,
    working_dir: &Path,
    asked: &[CallParam],
) -> Result<Vec<Given>, MaskedText> {
    let mut given = Vec::new();
    for param in asked {
        let value = fill(level, &param.value, variables, working_dir).await?;
        given.push(Given { name: param.name.clone(), value });
    }
    Ok(given)
}

/// `${ITEM}`: the text, or the named parameters as JSON.
fn item_value(item: &[Given]) -> SecretValue {
    match item {
        [Given { name: None, value }] => value.clone(),
        named => {
            let fields: Map<String, Value> = named
                .iter()
                .filter_map(|given| Some((given.name.clone()?, text_of(&given.value).into())))
                .collect();
            env::from_text(Value::Object(fields).to_string())
        }
    }
}

/// A JSON array, one JSON object, or texts; see [`texts`].
#[expect(clippy::disallowed_methods, reason = "items are parts of the value")]
fn split_items(value: &SecretValue) -> Vec<Vec<Given>> {
    let one = |text: String| Given { name: None, value: env::from_text(text) };
    let plain = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let item = |item: Value| match item {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| Given { name: Some(name), ..one(plain(value)) })
            .collect(),
        other => vec![one(plain(other))],
    };
    match serde_json::from_slice::<Value>(value.expose()) {
        Ok(Value::Array(items)) => items.into_iter().map(item).collect(),
        Ok(object @ Value::Object(_)) => vec![item(object)],
        _ => {
            let text = String::from_utf8_lossy(value.expose());
            texts(&text).into_iter().map(|text| vec![one(text)]).collect()
        }
    }
}

/// The parts of a text between lines, else `|`, else `;`, else `,`, else blanks: what is there first
/// of these separates. Double quotes keep.
fn texts(text: &str) -> Vec<String> {
    let separator = ['\n', '|', ';', ','].into_iter().find(|c| text.trim().contains(*c));
    let mut in_quotes = false;
    let parts = text.split(|c: char| {
        in_quotes ^= c == '"';
        !in_quotes && separator.map_or(c.is_whitespace(), |separator| c == separator)
    });
    let bare = |part: &str| {
        let inner = part.strip_prefix('"').and_then(|part| part.strip_suffix('"'));
        inner.filter(|inner| !inner.contains('"')).unwrap_or(part).to_owned()
    };
    parts.map(str::trim).filter(|part| !part.is_empty()).map(bare).collect()
}

#[expect(clippy::disallowed_methods, reason = "names are texts, and so are values in JSON")]
fn text_of(value: &SecretValue) -> String {
    String::from_utf8_lossy(value.expose()).into_owned()
}

/// What the step prints, with the value of each output as `text` gives it.
fn document(
    handle: &WorkflowHandle,
    done: &[Done],
    parallel: bool,
    text: impl Fn(&str, &SecretValue) -> String,
) -> String {
    let name = &handle.get().name;
    let result = |done: &Done| {
        let outputs: Map<String, Value> = done
            .outputs
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(text(name, value))))
            .collect();
        json!({"name": name, "status": status_word(done.end.status), "outputs": outputs})
    };
    let document = if parallel {
        let results: Vec<Value> = done.iter().map(result).collect();
        let succeeded = done.iter().filter(|done| done.end.status == RunStatus::Succeeded).count();
        let outputs: Vec<Value> = results.iter().map(|result| result["outputs"].clone()).collect();
        let total = done.len();
        json!({
            "summary": {"total": total, "succeeded": succeeded, "failed": total - succeeded},
            "results": results,
            "outputs": outputs,
        })
    } else {
        done.first().map(result).unwrap_or_default()
    };
    format!("{document}\n")
}

#[cfg(test)]
mod tests {
    use super::texts;

    #[test]
    fn one_separator_parts_a_text() {
        for (text, parts) in [
            ("", &[][..]),
            (" a  b ", &["a", "b"]),
            ("a\nb c\n", &["a", "b c"]),
            ("a|b;c", &["a", "b;c"]),
            ("a, b c,,d", &["a", "b c", "d"]),
            ("\"a b\" c", &["a b", "c"]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("'a b'", &["'a", "b'"]),
        ] {
            assert_eq!(texts(text), parts, "{text}");
        }
    }
}
