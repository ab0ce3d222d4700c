//! `retry`: runs again what did not succeed.

use std::path::Path;
use std::sync::Arc;

use subrosa_engine::record::{ParamRecord, RunRecord};
use subrosa_engine::{EnvironmentChoice, ParamArg, Purpose, ResolveOptions};
use subrosa_registry::EnvironmentName;

use crate::args::RetryArgs;
use crate::command::run::{self, Start};
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::{load, records};

/// Tries a run again.
pub(crate) fn retry(args: &RetryArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let run = records::find(&world.data_dir()?, Some(&args.run))?;
    if run.alive && run.record.status == "running" {
        return Err(Failure::usage(format!("run `{}` is still going on", run.record.run))
            .help("stop it first; `subrosa status` shows how it stands"));
    }
    let mut options = args.registry.options(Purpose::Retry);
    let params = carry_over(&run.record, args.params.parse(), &mut options)?;
    let file = Path::new(&run.record.file);
    let start = Start {
        loaded: load::workflow(file, world)?,
        host: Arc::new(world.configured_host(args.masking.short(), Some(file))?),
        params,
        retry_of: Some(run.dir),
        options,
    };
    run::go(start, &args.display, world)
}

/// What another try has from the record: parameters that are not given now, and the environment unless one
/// is given.
pub(crate) fn carry_over(
    record: &RunRecord,
    given: Vec<ParamArg>,
    options: &mut ResolveOptions,
) -> Result<Vec<ParamArg>, Failure> {
    let params = merged(&record.params, given)?;
    if options.environment == EnvironmentChoice::Files {
        let RunRecord { environment, environment_given, .. } = record;
        options.environment = recorded(environment.as_deref(), *environment_given)?;
    }
    Ok(params)
}

/// The environment of the recorded run, by whoever chose it. Where that had none, the file decides.
fn recorded(name: Option<&str>, is_given: bool) -> Result<EnvironmentChoice, Failure> {
    let Some(name) = name else { return Ok(EnvironmentChoice::Files) };
    let name = EnvironmentName::parse(name).map_err(|_| {
        Failure::usage("the name of the run's environment is masked in the record")
            .help("give it again: `--env NAME`")
    })?;
    Ok(match is_given {
        true => EnvironmentChoice::Given(name),
        false => EnvironmentChoice::Recorded(name),
    })
}

/// Parameters of the record, those given now first. Positional ones are replaced all together.
fn merged(recorded: &[ParamRecord], given: Vec<ParamArg>) -> Result<Vec<ParamArg>, Failure> {
    let has_positional = given.iter().any(|param| param.name.is_none());
    let is_replaced = |param: &ParamRecord| match &param.name {
        Some(_) => given.iter().any(|new| new.name == param.name),
        None => has_positional,
    };
    let kept: Vec<&ParamRecord> = recorded.iter().filter(|param| !is_replaced(param)).collect();
    if let Some(param) = kept.iter().find(|param| param.masked) {
        let (what, example) = match &param.name {
            Some(name) => (format!("parameter `{name}`"), format!("{name}=value")),
            None => ("a positional parameter".to_owned(), "value ...".to_owned()),
        };
        return Err(Failure::usage(format!("{what} held a secret and is masked in the record"))
            .help(format!("give it again: `-- {example}`")));
    }
    let kept = kept
        .into_iter()
        .map(|param| ParamArg { name: param.name.clone(), value: param.value.clone() });
    Ok(kept.chain(given).collect())
}

#[cfg(test)]
mod tests {
    use subrosa_engine::record::ParamRecord;
    use subrosa_engine::{EnvironmentChoice, ParamArg};
    use subrosa_registry::EnvironmentName;

    use super::{merged, recorded};

    fn record(name: Option<&str>, value: &str, masked: bool) -> ParamRecord {
        ParamRecord { name: name.map(str::to_owned), value: value.to_owned(), masked }
    }

    fn given(words: &[(Option<&str>, &str)]) -> Vec<ParamArg> {
        let param = |(name, value): &(Option<&str>, &str)| ParamArg {
            name: name.map(str::to_owned),
            value: (*value).to_owned(),
        };
        words.iter().map(param).collect()
    }

    fn check(recorded: &[ParamRecord], now: &[(Option<&str>, &str)], expected: Option<&[&str]>) {
        let values = merged(recorded, given(now)).ok();
        let values: Option<Vec<String>> =
            values.map(|params| params.into_iter().map(|param| param.value).collect());
        let values: Option<Vec<&str>> =
            values.as_ref().map(|values| values.iter().map(String::as_str).collect());
        assert_eq!(values.as_deref(), expected);
    }

    #[test]
    fn given_parameters_replace_recorded_ones() {
        let recorded = [record(Some("A"), "1", false), record(Some("B"), "2", false)];
        check(&recorded, &[], Some(&["1", "2"]));
        check(&recorded, &[(Some("A"), "3")], Some(&["2", "3"]));
        let positional = [record(None, "one", false), record(None, "two", false)];
        check(&positional, &[(None, "three")], Some(&["three"]));
    }

    #[test]
    fn the_environment_stays_with_whoever_chose_it() {
        let check = |name, is_given, expected: Option<EnvironmentChoice>| {
            assert_eq!(recorded(name, is_given).ok(), expected, "{name:?}");
        };
        let prod = EnvironmentName::parse("prod").unwrap();
        check(None, false, Some(EnvironmentChoice::Files));
        check(Some("prod"), false, Some(EnvironmentChoice::Recorded(prod.clone())));
        check(Some("prod"), true, Some(EnvironmentChoice::Given(prod)));
        check(Some("*******"), true, None);
    }

    #[test]
    fn a_masked_parameter_must_be_given_again() {
        let recorded = [record(Some("A"), "*******", true)];
        check(&recorded, &[], None);
        check(&recorded, &[(Some("A"), "real")], Some(&["real"]));
    }
}
