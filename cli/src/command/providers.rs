//! `providers`: what is built in, what is configured, and who answers.

use serde::Serialize;
use subrosa_engine::host::{Host, Limits};
use subrosa_engine::{ProbedProvider, Probing, ProviderKind, probe_providers};

use crate::args::provider::ProvidersArgs;
use crate::command::validate::to_line;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::text::shown;
use crate::{load, out, table};

/// Whoever looks at a list does not wait long for it.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Lists the providers.
pub(crate) fn providers(args: &ProvidersArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let host = world.configured_host(None, None)?;
    let (request, close) = (host.limits.request.min(PATIENCE), host.limits.close.min(PATIENCE));
    let host = Host { limits: Limits { request, close, ..host.limits }, ..host };
    let probing = match (args.all, args.offline) {
        (_, true) => Probing::Nobody,
        (true, false) => Probing::Everybody,
        (false, false) => Probing::Configured,
    };
    let runtime = load::runtime()?;
    let probed = runtime.block_on(Box::pin(probe_providers(&host, probing)));
    runtime.shutdown_background();
    out::stdout(if args.json { to_json(&probed, world)? } else { to_table(&probed, world) })?;
    let all_answer = probed.iter().all(|one| !matches!(one.answer, Some(Err(_))));
    Ok(if all_answer { Exit::OK } else { Exit::SECRETS })
}

fn to_table(probed: &[ProbedProvider], world: &Opener<'_>) -> String {
    let mut rows =
        vec![["PROVIDER", "INSTANCE", "CONFIGURED", "ANSWERS", ""].map(str::to_owned).to_vec()];
    rows.extend(probed.iter().map(row));
    let mut text: String = table::lines(&rows).iter().map(|line| format!("{line}\n")).collect();
    let helps = probed.iter().filter_map(|one| one.answer.as_ref()?.as_ref().err()?.help.as_ref());
    text.extend(helps.map(|help| format!("help: {}\n", shown(help))));
    let place = |path: Option<std::path::PathBuf>| match path {
        Some(path) if path.is_file() => shown(&path.display().to_string()),
        Some(path) => format!("{} (not there)", shown(&path.display().to_string())),
        None => "none".to_owned(),
    };
    text.push_str(&format!("\nyour configuration: {}\n", place(world.config_file())));
    text.push_str(&format!("the project's: {}\n", place(world.project_file(None))));
    text
}

fn row(one: &ProbedProvider) -> Vec<String> {
    let (answers, why) = match (&one.answer, one.kind) {
        (Some(Ok(())), ProviderKind::BuiltIn) => ("yes", String::new()),
        (Some(Ok(())), _) => ("yes", "a plugin".to_owned()),
        (Some(Err(error)), _) => ("no", shown(&error.message)),
        (None, ProviderKind::BuiltIn) => ("not asked", String::new()),
        (None, ProviderKind::Plugin) => ("not asked", "a plugin".to_owned()),
        (None, ProviderKind::Missing) => ("-", "neither built in nor in `PATH`".to_owned()),
    };
    let configured = match one.from.is_empty() {
        true => "-".to_owned(),
        false => one.from.iter().map(|place| shown(place)).collect::<Vec<_>>().join(", "),
    };
    let instance = one.instance.as_deref().map_or_else(|| "-".to_owned(), shown);
    vec![shown(&one.name), instance, configured, answers.to_owned(), why]
}

#[derive(Serialize)]
struct JsonProviders<'a> {
    user_config: Option<String>,
    project_config: Option<String>,
    providers: Vec<JsonProvider<'a>>,
}

#[derive(Serialize)]
struct JsonProvider<'a> {
    name: &'a str,
    instance: Option<&'a str>,
    built_in: bool,
    plugin: bool,
    configured: &'a [String],
    /// `null`: it was not asked.
    answers: Option<bool>,
    message: Option<&'a str>,
    help: Option<&'a str>,
}

fn to_json(probed: &[ProbedProvider], world: &Opener<'_>) -> Result<String, Failure> {
    let path = |path: std::path::PathBuf| path.display().to_string();
    to_line(&JsonProviders {
        user_config: world.config_file().filter(|path| path.is_file()).map(path),
        project_config: world.project_file(None).map(path),
        providers: probed.iter().map(JsonProvider::of).collect(),
    })
}

impl JsonProvider<'_> {
    fn of(one: &ProbedProvider) -> JsonProvider<'_> {
        let error = one.answer.as_ref().and_then(|answer| answer.as_ref().err());
        JsonProvider {
            name: &one.name,
            instance: one.instance.as_deref(),
            built_in: one.kind == ProviderKind::BuiltIn,
            plugin: one.kind == ProviderKind::Plugin,
            configured: &one.from,
            answers: one.answer.as_ref().map(Result::is_ok),
            message: error.map(|error| error.message.as_str()),
            help: error.and_then(|error| error.help.as_deref()),
        }
    }
}
