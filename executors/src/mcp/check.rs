//! What is wrong with an `mcp` step, as far as its text shows.

use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::workflow::{Tree, Typed};

/// What belongs to servers over HTTP only, and to programs only.
const REMOTE: [&str; 3] = ["url", "headers", "ca_cert"];
const LOCAL: [&str; 3] = ["command", "args", "env"];

/// What is wrong with one step.
pub(super) fn check(step: &Typed) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    problems.extend(server(step));
    problems.extend(call(step));
    problems.extend(credentials(step));
    problems
}

fn problem(step: &Typed, code: &'static str, message: &str, help: &str) -> Diagnostic {
    Diagnostic::error(code, message).at(step.span, "in this step").help(help)
}

fn server(step: &Typed) -> Option<Diagnostic> {
    let has = |name: &str| step.get(name).is_some();
    match (has("command"), has("url")) {
        (false, false) => Some(problem(
            step,
            "missing-field",
            "an `mcp` step without a server",
            "`command` starts one, `url` names one that is there",
        )),
        (true, true) => {
            Some(problem(step, "several-actions", "both `command` and `url`", "keep one of them"))
        }
        (is_program, _) => {
            let foreign = if is_program { REMOTE } else { LOCAL };
            let found = foreign.into_iter().find(|name| has(name))?;
            let own = if is_program { "command" } else { "url" };
            let message = format!("`{found}` beside `{own}`");
            Some(problem(step, "misplaced-field", &message, "remove it: it is for other servers"))
        }
    }
}

fn call(step: &Typed) -> Option<Diagnostic> {
    if step.operation == "list" {
        let found = ["tool", "arguments", "output"].into_iter().find(|n| step.get(n).is_some())?;
        let message = format!("`{found}` in a step that lists tools");
        return Some(problem(step, "misplaced-field", &message, "remove it"));
    }
    match step.get("arguments") {
        _ if step.get("tool").is_none() => Some(problem(
            step,
            "missing-field",
            "an `mcp` step without a `tool`",
            "`action: mcp.list_tools` says which there are",
        )),
        None | Some(Tree::Null | Tree::Map(_) | Tree::Text(_)) => None,
        Some(_) => {
            Some(problem(step, "wrong-type", "`arguments` is no mapping", "write `{name: value}`"))
        }
    }
}

fn credentials(step: &Typed) -> Option<Diagnostic> {
    let given = step.connection.as_ref().or(step.credentials_path.as_ref())?;
    if step.get("command").is_some() {
        let message = "a credential for a server that is started";
        let problem = Diagnostic::error("misplaced-field", message).at(given.span, "");
        return Some(problem.help("give it what it needs in `env`, from `secrets:`"));
    }
    step.connection.as_ref().and(step.credentials_path.as_ref())?;
    let message = "both `connection` and `credentials_path`";
    let problem = Diagnostic::error("several-actions", message).at(given.span, "");
    Some(problem.help("keep one of them"))
}
