//! A checked workflow as a few readable lines.

use std::fmt::Write;

use subrosa_engine::workflow::{
    Action, CallParam, EnvEntry, ParallelItem, ParallelItems, Step, Text, Workflow,
};

pub(crate) fn outline(workflow: &Workflow) -> String {
    let mut out = String::new();
    writeln!(out, "workflow {}", workflow.name).unwrap();
    for (name, value) in &workflow.labels {
        writeln!(out, "  label {name} {}", value.as_deref().unwrap_or("-")).unwrap();
    }
    writeln!(out, "  dotenv {:?}", texts(&workflow.dotenv)).unwrap();
    env(&mut out, "  ", &workflow.env);
    for param in &workflow.params {
        let name = param.name.as_deref().unwrap_or("(positional)");
        let default = param.default.as_ref().map(|text| text.raw.as_str());
        let (kind, required, one_of) = (param.kind, param.required, &param.one_of);
        writeln!(out, "  param {name} {kind:?} {default:?} {required} {one_of:?}").unwrap();
    }
    for secret in &workflow.secrets {
        writeln!(out, "  secret {} {:?}", secret.name, secret.source).unwrap();
    }
    if let Some(environment) = &workflow.environment {
        writeln!(out, "  environment {}", environment.name).unwrap();
    }
    if workflow.audit_required {
        writeln!(out, "  audit required").unwrap();
    }
    if let Some(trigger) = &workflow.trigger {
        let path = trigger.credentials_path.as_ref().map(|path| path.raw.as_str());
        let signature = trigger.signature.as_ref();
        let signature = signature.map(|s| (s.scheme, s.secret.as_str(), s.within));
        let flags = (trigger.needs_user, trigger.is_anonymous, trigger.body_len_max);
        writeln!(out, "  hook {} {path:?} {signature:?} {flags:?}", trigger.name).unwrap();
        writeln!(out, "    body {} {:?}", trigger.body, trigger.params).unwrap();
    }
    if let Some(dir) = &workflow.working_dir {
        writeln!(out, "  dir {}", dir.raw).unwrap();
    }
    if let Some(shell) = &workflow.shell {
        writeln!(out, "  shell {:?}", texts(&shell.words)).unwrap();
    }
    for condition in &workflow.preconditions {
        let expected = condition.expected.as_ref().map(|text| text.raw.as_str());
        writeln!(out, "  if {:?} {expected:?} {}", condition.text.raw, condition.negate).unwrap();
    }
    let (most, timeout, log) = (workflow.max_active_steps, workflow.timeout, workflow.log_output);
    writeln!(out, "  at once {most:?}, timeout {timeout:?}, log {log:?}").unwrap();
    for (number, one) in workflow.steps.iter().enumerate() {
        step(&mut out, &format!("step {number}"), one);
    }
    let handlers = &workflow.handlers;
    for (key, handler) in [
        ("init", &handlers.init),
        ("success", &handlers.success),
        ("failure", &handlers.failure),
        ("abort", &handlers.abort),
        ("exit", &handlers.exit),
    ] {
        if let Some(handler) = handler {
            step(&mut out, &format!("handler {key}"), handler);
        }
    }
    for child in workflow.children.values() {
        out.push_str(&outline(child));
    }
    out
}

fn texts(texts: &[Text]) -> Vec<&str> {
    texts.iter().map(|text| text.raw.as_str()).collect()
}

fn env(out: &mut String, indent: &str, entries: &[EnvEntry]) {
    for entry in entries {
        writeln!(out, "{indent}env {} {:?}", entry.name, entry.value.raw).unwrap();
    }
}

fn params(params: &[CallParam]) -> Vec<(Option<&str>, &str)> {
    params.iter().map(|param| (param.name.as_deref(), param.value.raw.as_str())).collect()
}

fn step(out: &mut String, title: &str, step: &Step) {
    write!(out, "  {title} {:?} id {:?}: ", step.name, step.id).unwrap();
    match &step.action {
        Action::Shell(commands) => writeln!(out, "shell {:?}", texts(commands)),
        Action::Script { interpreter, text } => {
            writeln!(out, "script {:?} {:?}", interpreter.as_deref().map(texts), text.raw)
        }
        Action::Exec(words) => writeln!(out, "exec {:?}", texts(words)),
        Action::Call { target, params: given, .. } => {
            writeln!(out, "call {:?} {:?}", target.raw, params(given))
        }
        Action::Typed(typed) => writeln!(out, "{} {:?}", typed.kind, typed.operation),
    }
    .unwrap();
    if let Action::Call { parallel: Some(parallel), .. } = &step.action {
        let items: Vec<String> = match &parallel.items {
            ParallelItems::From(text) => vec![text.raw.clone()],
            ParallelItems::List(items) => items
                .iter()
                .map(|item| match item {
                    ParallelItem::Value(text) => text.raw.clone(),
                    ParallelItem::Params(given) => format!("{:?}", params(given)),
                })
                .collect(),
        };
        writeln!(out, "    parallel {items:?} at once {:?}", parallel.concurrent_max).unwrap();
    }
    if !step.depends.is_empty() {
        writeln!(out, "    after {:?}", step.depends).unwrap();
    }
    if let Some(shell) = &step.shell {
        writeln!(out, "    shell {:?}", texts(&shell.words)).unwrap();
    }
    env(out, "    ", &step.env);
    for output in &step.outputs {
        let (key, omit, select) = (&output.key, output.omit, &output.select);
        writeln!(out, "    output {} {key:?} {omit} {select:?}", output.name).unwrap();
    }
    for (name, text) in
        [("dir", &step.working_dir), ("stdout", &step.stdout), ("stderr", &step.stderr)]
    {
        if let Some(text) = text {
            writeln!(out, "    {name} {:?}", text.raw).unwrap();
        }
    }
    policies(out, step);
}

fn policies(out: &mut String, step: &Step) {
    if step.continue_on != Default::default() {
        writeln!(out, "    {:?}", step.continue_on).unwrap();
    }
    if let Some(retry) = &step.retry {
        writeln!(out, "    {retry:?}").unwrap();
    }
    if let Some(repeat) = &step.repeat {
        let (interval, limit) = (repeat.interval, repeat.limit);
        writeln!(out, "    repeat {:?} every {interval:?} at most {limit:?}", repeat.mode).unwrap();
    }
    for condition in &step.preconditions {
        writeln!(out, "    if {:?}", condition.text.raw).unwrap();
    }
    if let Some(timeout) = step.timeout {
        writeln!(out, "    timeout {timeout:?}").unwrap();
    }
    if let Some(signal) = step.signal_on_stop {
        writeln!(out, "    signal {signal}").unwrap();
    }
    if let Some(log) = step.log_output {
        writeln!(out, "    log {log:?}").unwrap();
    }
}
