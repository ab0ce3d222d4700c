//! `explain`: where each variable comes from and what it hides, without values.

use subrosa_engine::Explained;

use crate::args::ExplainArgs;
use crate::command::validate::to_line;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::render::Excerpts;
use crate::text::shown;
use crate::{load, out, table};

/// Explains the variables of a step, or of all steps.
pub(crate) fn explain(args: &ExplainArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let loaded = load::workflow(&args.file, world)?;
    if let Some(step) = &args.step {
        known_step(step, loaded.workflow.steps.iter().map(|step| step.name.as_str()))?;
    }
    let host = world.host(None)?;
    let params = args.params.parse();
    let (step, environment) = (args.step.as_deref(), args.environment.choice());
    let explained = subrosa_engine::explain(&loaded.workflow, step, &params, environment, &host);
    let explained = load::runtime()?.block_on(Box::pin(explained)).map_err(|failure| {
        let excerpts = Excerpts::new(&loaded.workflow.source).private(&loaded.private);
        load::told(&excerpts, &failure, world)
    })?;
    out::stdout(if args.json { to_line(&explained)? } else { to_table(&explained) })?;
    Ok(Exit::OK)
}

fn known_step<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let names: Vec<&str> = names.collect();
    if names.contains(&wanted) {
        return Ok(());
    }
    Err(Failure::usage(format!("no step `{wanted}` in the workflow"))
        .help(format!("its steps are: {}", names.join(", "))))
}

fn to_table(explained: &[Explained]) -> String {
    let mut rows = vec![["VARIABLE", "LAYER", "SOURCE", "HIDES"].map(str::to_owned).to_vec()];
    rows.extend(explained.iter().map(|variable| {
        let hides: Vec<String> = variable
            .overrides
            .iter()
            .map(|hidden| format!("{} ({})", hidden.layer, shown(&hidden.source)))
            .collect();
        let layer = variable.layer.to_owned();
        vec![shown(&variable.name), layer, shown(&variable.source), hides.join(", ")]
    }));
    table::lines(&rows).iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use subrosa_engine::{Explained, Overridden};

    use super::to_table;

    #[test]
    fn a_row_tells_the_layer_the_source_and_what_is_hidden() {
        let token = Explained {
            name: "TOKEN".into(),
            layer: "secret",
            source: "provider env, key PROD".into(),
            overrides: vec![Overridden { layer: "dotenv", source: "app.env:2".into() }],
        };
        let expected = "VARIABLE  LAYER   SOURCE                  HIDES\n\
                        TOKEN     secret  provider env, key PROD  dotenv (app.env:2)\n";
        assert_eq!(to_table(&[token]), expected);
    }
}
