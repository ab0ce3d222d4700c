//! `check`: whether every secret would resolve, found out with as little reading as possible.

use serde::Serialize;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind};
use subrosa_engine::{CheckDepth, CheckReport, CheckedSecret, Finding, Purpose, check_secrets};
use subrosa_masker::MaskSet;

use crate::args::provider::CheckArgs;
use crate::command::validate::to_line;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::render::Excerpts;
use crate::signals::{STOPPING, Signals};
use crate::text::{count, shown};
use crate::{load, out, table};

/// Checks the secrets of a workflow.
pub(crate) fn check(args: &CheckArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let loaded = load::workflow(&args.file, world)?;
    let host = world.configured_host(None, Some(&args.file))?;
    let (params, options) = (args.params.parse(), args.registry.options(Purpose::Check));
    let depth = if args.read { CheckDepth::Values } else { CheckDepth::Metadata };
    let logins = options.logins.clone();
    let runtime = load::runtime()?;
    let checking = check_secrets(&loaded.workflow, &params, &host, options, depth);
    let excerpts = Excerpts::new(&loaded.workflow.source).private(&loaded.private);
    let report = runtime.block_on(Box::pin(async {
        let mut signals = Signals::listen(STOPPING)?;
        tokio::select! {
            report = checking => report.map_err(|failure| load::told(&excerpts, &failure, world)),
            number = signals.next() => {
                load::close(&logins, &host, &MaskSet::empty(), &mut signals).await;
                Err(Failure::Told(Exit::signal(number)))
            }
        }
    }));
    // A reader of the registry may still block; it has nothing left to give.
    runtime.shutdown_background();
    let report = report?;
    load::tell(&excerpts.masks(&report.masks), &report.warnings, world);
    // Masked as a whole and before it is escaped: no mask knows an escaped value.
    let say = |text: &str| report.masks.mask_text(text).as_str().to_owned();
    out::stdout(match args.json {
        true => to_line(&to_json(&say(&loaded.workflow.name), &report, say))?,
        false => to_table(&report, |text| shown(&say(text))),
    })?;
    let all_good = report.secrets.iter().all(|secret| secret.outcome.is_ok());
    Ok(if all_good { Exit::OK } else { Exit::SECRETS })
}

/// The word for what was found out.
fn word(outcome: &Result<Finding, ProviderError>) -> &'static str {
    match outcome {
        Ok(Finding::Read) => "read",
        Ok(Finding::Readable) => "readable",
        Ok(Finding::Likely) => "likely",
        Ok(Finding::WouldRead) => "would-read",
        Err(error) => match error.kind {
            ProviderErrorKind::InvalidRequest => "invalid",
            ProviderErrorKind::NotFound => "not-found",
            ProviderErrorKind::Denied => "denied",
            ProviderErrorKind::Unauthenticated => "unauthenticated",
            ProviderErrorKind::Unavailable => "unavailable",
            ProviderErrorKind::TimedOut => "timed-out",
            ProviderErrorKind::Malformed => "malformed",
        },
    }
}

/// What a finding says to a person.
fn finding_words(finding: Finding) -> &'static str {
    match finding {
        Finding::Read => "was read",
        Finding::Readable => "is there, and may be read",
        Finding::Likely => "may be read, as far as can be told without reading",
        Finding::WouldRead => "would have to be read to tell (--read)",
    }
}

fn to_table(report: &CheckReport, say: impl Fn(&str) -> String) -> String {
    let mut rows = vec![["SECRET", "FROM", "KEY", "RESULT", ""].map(str::to_owned).to_vec()];
    let row = |secret: &CheckedSecret| {
        let told = match &secret.outcome {
            Ok(finding) => finding_words(*finding).to_owned(),
            Err(error) => say(&error.message),
        };
        let from = say(&secret.provider);
        vec![say(&secret.name), from, say(&secret.key), word(&secret.outcome).to_owned(), told]
    };
    rows.extend(report.secrets.iter().map(row));
    let mut text: String = table::lines(&rows).iter().map(|line| format!("{line}\n")).collect();
    let errors = report.secrets.iter().filter_map(|secret| secret.outcome.as_ref().err());
    let mut cures: Vec<&String> = Vec::new();
    for help in errors.filter_map(|error| error.help.as_ref()) {
        if !cures.contains(&help) {
            cures.push(help);
        }
    }
    for help in cures {
        text.push_str(&format!("help: {}\n", say(help)));
    }
    text + &total(&report.secrets)
}

fn total(secrets: &[CheckedSecret]) -> String {
    let number = |is: fn(&CheckedSecret) -> bool| secrets.iter().filter(|one| is(one)).count();
    let bad = number(|one| one.outcome.is_err());
    let unknown = number(|one| matches!(one.outcome, Ok(Finding::WouldRead)));
    let mut words = vec![count(secrets.len(), "secret")];
    words.extend((bad > 0).then(|| format!("{bad} would not resolve")));
    words.extend((unknown > 0).then(|| format!("{unknown} would have to be read to tell")));
    words.extend((bad + unknown == 0).then(|| "nothing stands in the way".to_owned()));
    format!("{}\n", words.join(", "))
}

#[derive(Serialize)]
struct JsonReport {
    workflow: String,
    secrets: Vec<JsonSecret>,
}

/// What is not known is `null`.
#[derive(Serialize)]
struct JsonSecret {
    name: String,
    provider: String,
    key: String,
    ok: Option<bool>,
    result: &'static str,
    reachable: Option<bool>,
    authenticated: Option<bool>,
    may_read: Option<bool>,
    exists: Option<bool>,
    message: Option<String>,
    help: Option<String>,
}

fn to_json(workflow: &str, report: &CheckReport, say: impl Fn(&str) -> String) -> JsonReport {
    let secret = |one: &CheckedSecret| {
        let [reachable, authenticated, may_read, exists] = known(&one.outcome);
        let error = one.outcome.as_ref().err();
        JsonSecret {
            name: say(&one.name),
            provider: say(&one.provider),
            key: say(&one.key),
            ok: match one.outcome {
                Ok(Finding::WouldRead) => None,
                Ok(Finding::Read | Finding::Readable | Finding::Likely) => Some(true),
                Err(_) => Some(false),
            },
            result: word(&one.outcome),
            reachable,
            authenticated,
            may_read,
            exists,
            message: error.map(|error| say(&error.message)),
            help: error.and_then(|error| error.help.as_deref()).map(&say),
        }
    };
    let secrets = report.secrets.iter().map(secret).collect();
    JsonReport { workflow: workflow.to_owned(), secrets }
}

/// Whether the provider answers, knows us, lets us read, and has it.
fn known(outcome: &Result<Finding, ProviderError>) -> [Option<bool>; 4] {
    let (yes, no) = (Some(true), Some(false));
    match outcome {
        Ok(Finding::Read | Finding::Readable) => [yes, yes, yes, yes],
        Ok(Finding::Likely) => [yes, yes, None, None],
        Ok(Finding::WouldRead) => [None, None, None, None],
        Err(error) => match error.kind {
            ProviderErrorKind::NotFound => [yes, yes, None, no],
            ProviderErrorKind::Denied => [yes, yes, no, None],
            ProviderErrorKind::Unauthenticated => [yes, no, None, None],
            ProviderErrorKind::Unavailable | ProviderErrorKind::TimedOut => [no, None, None, None],
            ProviderErrorKind::Malformed => [yes, None, None, None],
            ProviderErrorKind::InvalidRequest => [None, None, None, None],
        },
    }
}
