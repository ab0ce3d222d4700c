//! `validate`: every problem of the files, contacting nothing.

use std::io;
use std::path::Path;

use subrosa_engine::Validation;
use subrosa_engine::diagnostic::Severity;

use crate::args::ValidateArgs;
use crate::failure::{Exit, Failure};
use crate::render::{self, Excerpts};
use crate::wiring::World;
use crate::{load, out, text};

/// Checks the files; goes on after one that is bad.
pub(crate) fn validate(args: &ValidateArgs, world: &World) -> Result<Exit, Failure> {
    let mut all_good = true;
    for path in &args.files {
        all_good &= match check(path, args.json, world) {
            Ok(good) => good,
            Err(failure @ Failure::Told(_)) => return Err(failure),
            Err(failure) => {
                failure.tell(out::stderr);
                false
            }
        };
    }
    Ok(if all_good { Exit::OK } else { Exit::INVALID })
}

/// Checks one file; whether it can be used.
fn check(path: &Path, json: bool, world: &World) -> Result<bool, Failure> {
    let source = load::source(path)?;
    let Validation { workflow, diagnostics, private, .. } =
        subrosa_engine::validate(source.clone(), subrosa_executors::KINDS);
    if json {
        out::stdout(to_line(&render::json(&source, &diagnostics))?)?;
        return Ok(workflow.is_some());
    }
    load::tell(&Excerpts::new(&source).private(&private), &diagnostics, world);
    let name = text::shown(&path.display().to_string());
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let warnings = match count(Severity::Warning) {
        0 => String::new(),
        number => format!(", {}", text::count(number, "warning")),
    };
    match &workflow {
        Some(workflow) => {
            let steps = text::count(workflow.steps.len(), "step");
            let secrets = text::count(workflow.secrets.len(), "secret");
            out::stdout(format!("{name}: valid ({steps}, {secrets}{warnings})\n"))?;
        }
        None => {
            let errors = text::count(count(Severity::Error), "error");
            out::stderr(&format!("{name}: {errors}{warnings}\n"));
        }
    }
    Ok(workflow.is_some())
}

/// One line of JSON.
pub(crate) fn to_line(value: &impl serde::Serialize) -> Result<String, Failure> {
    let mut line = serde_json::to_string(value).map_err(|error| {
        Failure::engine(format!("cannot write JSON: {}", io::Error::from(error)))
    })?;
    line.push('\n');
    Ok(line)
}
