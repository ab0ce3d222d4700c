//! `dry`: resolves everything, runs nothing, shows the plan.

use subrosa_engine::workflow::{Action, SecretDecl, SecretSource, Step, Typed, Workflow};
use subrosa_engine::{FoundAt, Purpose, Resolved, ResolvedSecret};

use crate::args::DryArgs;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::signals::{STOPPING, Signals};
use crate::text::{count, shown};
use crate::{load, out, table};

/// Resolves and shows the plan.
pub(crate) fn dry(args: &DryArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let loaded = load::workflow(&args.file, world)?;
    let host = world.configured_host(args.masking.short(), Some(&args.file))?;
    let params = args.params.parse();
    let options = args.registry.options(Purpose::Dry);
    let logins = options.logins.clone();
    let runtime = load::runtime()?;
    let resolved = runtime.block_on(Box::pin(async {
        let mut signals = Signals::listen(STOPPING)?;
        let resolved =
            Box::pin(load::resolve(&loaded, &params, &host, options, &mut signals, world))
                .await
                .map_err(|why| why.told(&loaded, world))?;
        match load::close(&logins, &host, &resolved.masks(), &mut signals).await {
            None => Ok(resolved),
            Some(number) => Err(Failure::Told(Exit::signal(number))),
        }
    }));
    // A reader of the registry may still block; it has nothing left to give.
    runtime.shutdown_background();
    let resolved = resolved?;
    if args.verbose {
        load::tell_summary(&resolved);
    }
    out::stdout(plan(&loaded.workflow, &resolved))?;
    Ok(Exit::OK)
}

fn plan(workflow: &Workflow, resolved: &Resolved) -> String {
    let masks = resolved.masks();
    // Masked before it is escaped: no mask knows an escaped value.
    let say = |text: &str| shown(masks.mask_text(text).as_str());
    let waves = waves(&workflow.steps);
    let environment =
        resolved.environment().map(|name| format!(", environment {}", say(name.as_str())));
    let mut text = format!(
        "{}{}: {} in {}, {} resolved, nothing run\n",
        say(&workflow.name),
        environment.unwrap_or_default(),
        count(workflow.steps.len(), "step"),
        count(waves.len(), "wave"),
        count(resolved.secrets().len(), "secret"),
    );
    let secrets: Vec<Vec<String>> =
        workflow.secrets.iter().zip(resolved.secrets()).map(|both| secret_row(both, say)).collect();
    push_table(&mut text, "secrets", &secrets);
    let steps: Vec<Vec<String>> = waves
        .iter()
        .enumerate()
        .flat_map(|(wave, steps)| {
            let say = &say;
            let row =
                move |at: &usize| step_row(&(wave + 1).to_string(), &workflow.steps[*at], say);
            steps.iter().map(row)
        })
        .collect();
    push_table(&mut text, "steps, by wave", &steps);
    push_table(&mut text, "handlers", &handler_rows(workflow, say));
    text
}

fn push_table(text: &mut String, title: &str, rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    text.push_str(&format!("\n{title}\n"));
    for line in table::lines(rows) {
        text.push_str(&format!("  {line}\n"));
    }
}

fn secret_row(
    (secret, resolved): (&SecretDecl, &ResolvedSecret),
    say: impl Fn(&str) -> String,
) -> Vec<String> {
    let (from, key) = match &secret.source {
        SecretSource::Ref(reference) => ("ref".to_owned(), say(reference.as_str())),
        SecretSource::Provider { provider, key, .. } => (say(provider), say(key)),
    };
    let found = resolved.found.as_ref().map(|found| say(&found_words(found)));
    vec![secret.name.clone(), from, key, found.unwrap_or_default()]
}

/// `workspace payments, environment prod, version 3`.
pub(crate) fn found_words(found: &FoundAt) -> String {
    let mut words = vec![match &found.scope.workspace {
        Some(workspace) => format!("workspace {workspace}"),
        None => "global".to_owned(),
    }];
    words.extend(found.scope.environment.as_ref().map(|name| format!("environment {name}")));
    words.push(format!("version {}", found.version));
    words.extend(found.expired.then(|| "expired".to_owned()));
    words.extend(found.overlapping.then(|| "earlier values in use".to_owned()));
    words.join(", ")
}

fn step_row(first: &str, step: &Step, say: impl Fn(&str) -> String) -> Vec<String> {
    let action = match &step.action {
        Action::Shell(texts) if texts.len() > 1 => count(texts.len(), "command"),
        Action::Shell(_) => "command".to_owned(),
        Action::Script { .. } => "script".to_owned(),
        Action::Exec(_) => "exec".to_owned(),
        Action::Call { target, parallel, .. } => {
            let each = if parallel.is_some() { ", once per item" } else { "" };
            format!("call {}{each}", say(&target.raw))
        }
        Action::Typed(typed) => kind_row(typed, &say),
    };
    vec![first.to_owned(), say(&step.name), action]
}

/// `http, connection jira-prod`.
fn kind_row(typed: &Typed, say: impl Fn(&str) -> String) -> String {
    let operation = if typed.operation.is_empty() { "" } else { " " };
    let credential = match (&typed.connection, &typed.credentials_path) {
        (Some(connection), _) => format!(", connection {}", say(&connection.raw)),
        (None, Some(path)) => format!(", credentials of {}", say(&path.raw)),
        (None, None) => String::new(),
    };
    format!("{}{operation}{}{credential}", typed.kind, typed.operation)
}

fn handler_rows(workflow: &Workflow, say: impl Fn(&str) -> String) -> Vec<Vec<String>> {
    let handlers = &workflow.handlers;
    [
        ("init", &handlers.init),
        ("success", &handlers.success),
        ("failure", &handlers.failure),
        ("abort", &handlers.abort),
        ("exit", &handlers.exit),
    ]
    .into_iter()
    .filter_map(|(when, step)| Some(step_row(when, step.as_ref()?, &say)))
    .collect()
}

/// Steps that may run at the same time, in the order of the waves; a step is in the wave after the
/// last of its dependencies.
fn waves(steps: &[Step]) -> Vec<Vec<usize>> {
    let depends: Vec<&[usize]> = steps.iter().map(|step| step.depends.as_slice()).collect();
    waves_of(&depends)
}

fn waves_of(depends: &[&[usize]]) -> Vec<Vec<usize>> {
    let mut done = vec![false; depends.len()];
    let mut waves = Vec::new();
    loop {
        let wave: Vec<usize> = (0..depends.len())
            .filter(|at| !done[*at] && depends[*at].iter().all(|needed| done[*needed]))
            .collect();
        // The graph has no cycles, so an empty wave means that every step is placed.
        if wave.is_empty() {
            return waves;
        }
        for at in &wave {
            done[*at] = true;
        }
        waves.push(wave);
    }
}

#[cfg(test)]
mod tests {
    use subrosa_engine::FoundAt;
    use subrosa_registry::{EnvironmentName, Scope, WorkspaceName};

    use super::{found_words, waves_of};

    #[test]
    fn a_ref_tells_where_it_was_found() {
        let global = Scope::default();
        let near = Scope {
            workspace: WorkspaceName::parse("pay").ok(),
            environment: EnvironmentName::parse("prod").ok(),
        };
        let found = |scope, odd| FoundAt { scope, version: 3, expired: odd, overlapping: odd };
        assert_eq!(found_words(&found(global, false)), "global, version 3");
        assert_eq!(
            found_words(&found(near, true)),
            "workspace pay, environment prod, version 3, expired, earlier values in use"
        );
    }

    #[test]
    fn steps_are_in_the_wave_after_their_dependencies() {
        let waves = waves_of(&[&[1], &[], &[], &[0, 2]]);
        assert_eq!(waves, [vec![1, 2], vec![0], vec![3]]);
        assert!(waves_of(&[]).is_empty());
    }
}
