//! What a look at a step of a database says, before anybody is asked.

use std::sync::Arc;

use subrosa_engine::source::SourceFile;
use subrosa_engine::validate;
use subrosa_executors::KINDS;

/// What is said of a step; `fields` are in flow style.
fn said(fields: &str) -> String {
    let text = format!("steps:\n  - {{name: s, {fields}}}\n");
    let found = validate(Arc::new(SourceFile::new("w.yaml", text.as_str())), KINDS).diagnostics;
    let said = found.iter().map(|one| format!("{}; {:?}\n", one.message, one.help));
    said.collect()
}

fn fine(fields: &str) {
    assert_eq!(said(fields), "", "{fields}");
}

fn refused(fields: &str, message: &str) {
    let found = said(fields);
    assert!(found.contains(message) && !message.is_empty(), "{fields}: {found}");
}

#[test]
fn all_spellings_mean_the_same() {
    for fields in [
        "type: postgres, connection: db, command: SELECT 1",
        "type: postgresql, with: {connection: db, query: SELECT 1}",
        "action: postgres.query, with: {connection: db, sql: SELECT 1}",
        "executor: {type: postgres, config: {dsn: 'postgres://ada@h/d'}}, script: SELECT 1",
        "type: mysql, connection: db, command: SELECT 1",
        "type: mariadb, connection: db, command: SELECT 1",
        "type: sqlite, with: {dsn: 'file:books.db'}, command: SELECT 1",
        "action: sqlite.query, with: {path: books.db, query: SELECT 1}",
    ] {
        fine(fields);
    }
}

#[test]
fn values_go_into_params() {
    let sql = |sql: &str, with: &str| {
        format!("type: postgres, connection: db, command: \"{sql}\", with: {{{with}}}")
    };
    fine(&sql("SELECT :id, $tag$ x $tag$", "params: {id: '${params.id}'}"));
    fine(&sql("SELECT $1, $2", "params: [1, $X]"));
    fine(&sql("SELECT 1; SELECT 2", ""));
    refused(&sql("SELECT '${X}'", ""), "a reference in SQL; Some(\"write `:name`");
    refused(&sql("SELECT 1; SELECT :a", "params: {a: 1}"), "`params` for 2 statements");
    refused(&sql("SELECT 1", "params: {a: 1}"), "the parameter `a` is not in the statement");
    refused(&sql("SELECT ':a' -- :a", "params: {a: 1}"), "the parameter `a` is not");
    refused(&sql("SELECT :a, $1", "params: {a: 1}"), "places without names");
    refused(&sql("COPY t (a) TO STDOUT", ""), "`COPY` from or to the step");
    fine(&sql("COPY t TO '/srv/t.csv'", ""));
    refused(&sql("SELECT 1", "params: 7"), "`params` is no list and no mapping");
}

#[test]
fn a_step_says_what_and_where() {
    refused("type: postgres, connection: db", "a `postgres` step without SQL");
    refused("type: postgres, connection: db, command: '-- x'", "`command` has no statement");
    refused("type: postgres, command: SELECT 1", "a `postgres` step without a server");
    refused("type: sqlite, command: SELECT 1", "a `sqlite` step without a `path`");
    let with =
        |with: &str| format!("type: mysql, connection: db, command: SELECT 1, with: {{{with}}}");
    fine(&with("transaction: true, isolation_level: serializable, timeout: 5, max_connections: 2"));
    fine(&with("output_format: csv, headers: false, null_string: NULL"));
    refused(&with("query: SELECT 2"), "both `command` and `query`");
    refused(&with("dsn: 'mysql://a@h/d'"), "both `connection` and `dsn`");
    refused(&with("password: $X"), "both `connection` and `password`");
    refused(&with("isolation_level: serializable"), "`isolation_level` without a transaction");
    refused(&with("transaction: true, isolation_level: none"), "isolation_level");
    refused(&with("headers: true"), "`headers` without CSV");
    refused(&with("output_file: x"), "would not be masked");
    refused(&with("tiemout: 3"), "timeout");
    refused(
        "type: postgres, command: SELECT 1, with: {dsn: 'postgres://a@h/d', database: x}",
        "both `dsn` and `database`",
    );
}

#[test]
fn a_password_in_the_file_is_warned_of() {
    let dsn = |dsn: &str| format!("type: postgres, command: SELECT 1, with: {{dsn: '{dsn}'}}");
    fine(&dsn("postgres://ada:${WORD}@h/d"));
    fine(&dsn("postgres://ada@h/d"));
    refused(&dsn("postgres://ada:word@h/d"), "a password in the file");
    refused(
        "type: postgres, command: SELECT 1, with: {dsn: 'postgres://a@h/d', password: word}",
        "a password in the file",
    );
}
