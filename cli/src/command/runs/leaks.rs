//! `runs --leaks`: the secrets that steps printed, by name.
//!
//! The records say it: names, forms and counts. A record that was written before counting was known
//! says nothing.

use serde::Serialize;
use subrosa_engine::record::{self, FoundRun, MaskedCount};

use crate::command::validate::to_line;
use crate::failure::Failure;
use crate::text::shown;
use crate::{out, table};

/// A secret that a step printed, in one form to one stream.
#[derive(Serialize)]
struct Leak<'a> {
    run: &'a str,
    workflow: &'a str,
    /// With the steps that called its workflow before it: `deploy/2/build`.
    step: String,
    #[serde(flatten)]
    count: MaskedCount,
}

/// Lists what steps of the runs printed, in the order of the runs.
pub(super) fn tell(runs: &[FoundRun], json: bool) -> Result<(), Failure> {
    let leaks: Vec<Leak<'_>> = runs.iter().flat_map(of_run).collect();
    if json {
        for leak in &leaks {
            let value = serde_json::to_value(leak)
                .map_err(|error| Failure::engine(format!("cannot write JSON: {error}")))?;
            out::stdout(to_line(&value)?)?;
        }
    } else if leaks.is_empty() {
        out::stderr("no step printed a secret\n");
    } else {
        let head = ["RUN", "WORKFLOW", "STEP", "STREAM", "SECRET", "FORM", "COUNT"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(leaks.iter().map(row));
        let lines: String = table::lines(&rows).iter().map(|line| format!("{line}\n")).collect();
        out::stdout(lines)?;
    }
    Ok(())
}

fn row(leak: &Leak<'_>) -> Vec<String> {
    let MaskedCount { secret, form, stream, count, .. } = &leak.count;
    let (run, workflow, step) = (shown(leak.run), shown(leak.workflow), shown(&leak.step));
    vec![run, workflow, step, shown(stream), shown(secret), shown(form), count.to_string()]
}

fn of_run(run: &FoundRun) -> Vec<Leak<'_>> {
    let mut counts = Vec::new();
    collect(run, "", &mut counts);
    let leak =
        |(step, count)| Leak { run: &run.record.run, workflow: &run.record.workflow, step, count };
    counts.into_iter().map(leak).collect()
}

/// Also of the workflows that its steps called. A record that a killed engine did not finish may lack
/// theirs.
fn collect(run: &FoundRun, prefix: &str, counts: &mut Vec<(String, MaskedCount)>) {
    for step in &run.record.steps {
        let name = format!("{prefix}{}", step.name);
        counts.extend(step.masked.iter().map(|count| (name.clone(), count.clone())));
        for (inner, called) in step.called_records() {
            let Ok(found) = record::load(&run.dir.join(called)) else { continue };
            collect(&found, &format!("{prefix}{inner}"), counts);
        }
    }
}
