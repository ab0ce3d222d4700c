//! What is wrong with a step of a database, as far as its text shows.

use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::names::shown;
use subrosa_engine::source::Span;
use subrosa_engine::workflow::{Text, Tree, Typed};

use super::statement::{Dialect, Statement};

/// What is wrong with a step that speaks to a server.
pub(super) fn server(dialect: Dialect, step: &Typed) -> Vec<Diagnostic> {
    let mut problems = common(dialect, step);
    problems.extend(credentials(step));
    problems.extend(open_secrets(step));
    if step.get("isolation_level").is_some() && step.get("transaction") != Some(&Tree::Flag(true)) {
        problems.push(
            Diagnostic::error("missing-field", "`isolation_level` without a transaction")
                .at(span(step, "isolation_level"), "")
                .help("write `transaction: true` beside it"),
        );
    }
    problems
}

/// What is wrong with a step that reads a file.
pub(super) fn file(dialect: Dialect, step: &Typed) -> Vec<Diagnostic> {
    let mut problems = common(dialect, step);
    if step.get("path").is_none() {
        problems.push(
            Diagnostic::error("missing-field", "a `sqlite` step without a `path`")
                .at(step.span, "")
                .help("write `with: {path: FILE}`"),
        );
    }
    problems
}

fn common(dialect: Dialect, step: &Typed) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    problems.extend(statements(dialect, step));
    let is_csv = text(step, "output_format").is_some_and(|format| format.raw == "csv");
    for name in ["headers", "null_string"] {
        if step.get(name).is_some() && !is_csv {
            problems.push(
                Diagnostic::error("misplaced-field", format!("`{name}` without CSV"))
                    .at(span(step, name), "in this step")
                    .help("write `output_format: csv` beside it, or remove it"),
            );
        }
    }
    problems
}

fn text<'a>(step: &'a Typed, name: &str) -> Option<&'a Text> {
    match step.get(name)? {
        Tree::Text(text) | Tree::Literal(text) => Some(text),
        _ => None,
    }
}

fn span(step: &Typed, name: &str) -> Span {
    text(step, name).map_or(step.span, |text| text.span)
}

fn statements(dialect: Dialect, step: &Typed) -> Vec<Diagnostic> {
    let given = ["command", "script", "query"].map(|name| (name, text(step, name)));
    let mut given = given.into_iter().filter_map(|(name, text)| Some((name, text?)));
    let Some((name, sql)) = given.next() else {
        return vec![
            Diagnostic::error("missing-field", format!("a `{}` step without SQL", step.kind))
                .at(step.span, "")
                .help("write `command: SELECT ...`"),
        ];
    };
    if let Some((other, second)) = given.next() {
        return vec![
            Diagnostic::error("several-actions", format!("both `{name}` and `{other}`"))
                .at(second.span, "")
                .help("keep one of them"),
        ];
    }
    if sql.raw.contains("${") {
        return vec![
            Diagnostic::error("wrong-value", "a reference in SQL")
                .at(sql.span, "values are never put into the text")
                .help("write `:name`, and `params: {name: \"${...}\"}` in `with`"),
        ];
    }
    let read = Statement::read(dialect, &sql.raw, &names(step));
    if read.count == 0 {
        return vec![
            Diagnostic::error("wrong-value", format!("`{name}` has no statement"))
                .at(sql.span, "")
                .help("write `command: SELECT ...`"),
        ];
    }
    if dialect == Dialect::Postgres && copies(&sql.raw) {
        return vec![
            Diagnostic::error("wrong-value", "`COPY` from or to the step")
                .at(sql.span, "")
                .help("write `SELECT` with `output_format`, or `INSERT`; `psql` in a `run` step can do it"),
        ];
    }
    params(step, sql, &read)
}

/// Whether a statement wants to send or be sent a stream that is neither rows nor parameters.
fn copies(sql: &str) -> bool {
    let upper = sql.to_ascii_uppercase();
    let mut words = upper.split(|c: char| !c.is_ascii_alphanumeric());
    words.find(|word| !word.is_empty()) == Some("COPY")
        && words.any(|word| matches!(word, "STDIN" | "STDOUT"))
}

/// The names of parameters that are given by name.
fn names(step: &Typed) -> Vec<String> {
    match step.get("params") {
        Some(Tree::Map(entries)) => entries.iter().map(|(name, _)| name.clone()).collect(),
        _ => Vec::new(),
    }
}

fn params(step: &Typed, sql: &Text, read: &Statement) -> Vec<Diagnostic> {
    let wrong = |message: String, help: &str| {
        vec![Diagnostic::error("wrong-value", message).at(sql.span, "").help(help)]
    };
    let count = match step.get("params") {
        None | Some(Tree::Null) => 0,
        Some(Tree::List(items)) => items.len(),
        Some(Tree::Map(entries)) => entries.len(),
        Some(_) => {
            let message = "`params` is no list and no mapping".to_owned();
            return wrong(message, "write `params: {name: value}`");
        }
    };
    if count > 0 && read.count > 1 {
        let message = format!("`params` for {} statements", read.count);
        return wrong(message, "write one statement, or a step for each");
    }
    let names = names(step);
    if !names.is_empty() && read.has_places {
        let message = "places without names, and `params` with names".to_owned();
        return wrong(message, "write `:name` for each, or make `params` a list");
    }
    let unused = names.iter().find(|name| !read.order.contains(name));
    match unused {
        Some(name) => {
            let message = format!("the parameter {} is not in the statement", shown(name));
            wrong(message, "write `:name` where it belongs, or remove it")
        }
        None => Vec::new(),
    }
}

fn credentials(step: &Typed) -> Vec<Diagnostic> {
    let dsn = text(step, "dsn");
    let mut problems = Vec::new();
    match (&step.connection, dsn) {
        (None, None) => problems.push(
            Diagnostic::error("missing-field", format!("a `{}` step without a server", step.kind))
                .at(step.span, "")
                .help("write `connection: NAME`, or `dsn` in `with`"),
        ),
        (Some(_), Some(dsn)) => problems.push(
            Diagnostic::error("several-actions", "both `connection` and `dsn`")
                .at(dsn.span, "")
                .help("keep one of them"),
        ),
        (Some(_), None) => {
            let second = ["password", "ca_cert"].into_iter().find(|name| step.get(name).is_some());
            problems.extend(second.map(|name| {
                Diagnostic::error("several-actions", format!("both `connection` and `{name}`"))
                    .at(span(step, name), "")
                    .help("the connection has one of its own; remove it")
            }));
        }
        (None, Some(_)) => problems.extend(step.get("database").map(|_| {
            Diagnostic::error("several-actions", "both `dsn` and `database`")
                .at(span(step, "database"), "")
                .help("write it at the end of `dsn`")
        })),
    }
    problems
}

/// Passwords that stand in the file for everybody to read.
fn open_secrets(step: &Typed) -> Vec<Diagnostic> {
    let in_dsn = text(step, "dsn").filter(|dsn| has_open_password(&dsn.raw));
    let beside = text(step, "password").filter(|text| !text.raw.contains('$'));
    let found = in_dsn.into_iter().chain(beside).filter(|text| !text.raw.is_empty());
    let told = found.map(|text| {
        Diagnostic::warning("plaintext-secret", "a password in the file")
            .at(text.span, "")
            .help("put it into `secrets:` and write `${NAME}`, or make a connection")
    });
    told.collect()
}

fn has_open_password(dsn: &str) -> bool {
    let Some((_, rest)) = dsn.split_once("://") else { return false };
    let Some((user, _)) = rest.rsplit_once('@') else { return false };
    user.split_once(':').is_some_and(|(_, word)| !word.is_empty() && !word.contains('$'))
}
