//! `runs`: a table of runs, newest first.

use subrosa_engine::record::{self, FoundRun};

use crate::args::RunsArgs;
use crate::command::status::to_json;
use crate::command::validate::to_line;
use crate::failure::{Exit, Failure};
use crate::text::shown;
use crate::wiring::World;
use crate::{out, records, table};

mod leaks;

/// Lists runs. A record that cannot be read is told of and left out.
pub(crate) fn runs(args: &RunsArgs, world: &World) -> Result<Exit, Failure> {
    let data_dir = world.data_dir()?;
    let folders = record::list(&data_dir, args.workflow.as_deref()).map_err(|error| {
        Failure::engine(format!("cannot read the records below `{}`: {error}", data_dir.display()))
    })?;
    let mut exit = Exit::OK;
    let mut found = Vec::new();
    for folder in folders.iter().take(args.number) {
        match records::load(folder) {
            Ok(run) => found.push(run),
            Err(failure) => exit = failure.tell(out::stderr),
        }
    }
    if args.leaks {
        leaks::tell(&found, args.json)?;
    } else if args.json {
        for run in &found {
            out::stdout(to_line(&to_json(run)?)?)?;
        }
    } else if found.is_empty() {
        out::stderr("no runs\n");
    } else {
        let mut rows = vec![
            ["RUN", "WORKFLOW", "STATUS", "STARTED (UTC)", "TOOK", ""].map(str::to_owned).to_vec(),
        ];
        rows.extend(found.iter().map(|run| row(run, world)));
        let lines: String = table::lines(&rows).iter().map(|line| format!("{line}\n")).collect();
        out::stdout(lines)?;
    }
    Ok(exit)
}

fn row(run: &FoundRun, world: &World) -> Vec<String> {
    vec![
        shown(&run.record.run),
        shown(&run.record.workflow),
        records::state(run),
        records::clock_time(&run.record.started),
        records::took(run, (world.clock)()),
        records::trouble(&run.record),
    ]
}
