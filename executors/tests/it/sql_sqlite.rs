//! Statements, parameters, rows, transactions and refusals of `sqlite` steps, on real files.

use crate::world::{Left, World};

const CANARY: &str = "canary-4711";
const SECRETS: &str = "secrets: [{name: TOKEN, provider: said, key: canary-4711}]";

/// Runs a step; `fields` are those of `with` beside `path`, in flow style.
async fn step(world: &World, sql: &str, fields: &str) -> Left {
    let sql = serde_json::to_string(sql).unwrap();
    let with = format!("{{path: books.db, {fields}}}");
    let step = format!("{{name: s, type: sqlite, command: {sql}, with: {with}}}");
    let left = world.run(&format!("{SECRETS}\nsteps:\n  - {step}\n")).await;
    assert!(!left.all().contains(CANARY), "{sql}: {}", left.all());
    left
}

/// What a step writes that succeeds.
async fn out(world: &World, sql: &str, fields: &str) -> String {
    let left = step(world, sql, fields).await;
    assert_eq!(left.failure(), "", "{sql}");
    left.out()
}

/// A step that fails with this message.
async fn refused(world: &World, sql: &str, fields: &str, message: &str) {
    let left = step(world, sql, fields).await;
    let place = format!("`{}`", world.path("books.db").display());
    let found = left.failure().replace(&place, "PLACE");
    assert!(found.contains(message) && !message.is_empty(), "{sql}: {found}");
}

#[tokio::test]
async fn rows_are_lines_of_json_one_document_or_csv() {
    let world = World::new();
    let sql = "SELECT 1 AS a, 'x\"y' AS b, NULL AS c UNION ALL SELECT 2.5, '', x'00ff' ORDER BY 1";
    let lines =
        "{\"a\":1,\"b\":\"x\\\"y\",\"c\":null}\n{\"a\":2.5,\"b\":\"\",\"c\":\"\\\\x00ff\"}\n";
    for (fields, expected) in [
        ("", lines.to_owned()),
        ("output_format: json", format!("[\n{}\n]\n", lines.trim_end().replace('\n', ",\n"))),
        ("output_format: csv", "a,b,c\n1,\"x\"\"y\",\n2.5,\"\",\\x00ff\n".to_owned()),
        ("format: csv, headers: false", "1,\"x\"\"y\",\n2.5,\"\",\\x00ff\n".to_owned()),
        ("format: csv, null_string: '-'", "a,b,c\n1,\"x\"\"y\",-\n2.5,,\\x00ff\n".to_owned()),
        ("max_rows: 1", lines.lines().next().unwrap().to_owned() + "\n"),
    ] {
        assert_eq!(out(&world, sql, fields).await, expected, "{fields}");
    }
    let none = "SELECT 1 AS a, 2 AS b WHERE 0";
    assert_eq!(out(&world, none, "").await, "");
    assert_eq!(out(&world, none, "output_format: json").await, "[]\n");
    assert_eq!(out(&world, none, "output_format: csv").await, "a,b\n");
    refused(&world, "SELECT 1 AS a, 2 AS a", "", "two columns of the result are named `a`").await;
    assert_eq!(out(&world, "SELECT 1 AS a, 2 AS a", "format: csv").await, "a,a\n1,2\n");
}

#[tokio::test]
async fn what_was_done_is_told() {
    let world = World::new();
    for (sql, fields, note) in [
        ("CREATE TABLE t (a)", "", "0 rows changed\n"),
        ("INSERT INTO t VALUES (1), (2), (3)", "", "3 rows changed\n"),
        ("SELECT a FROM t", "", "3 rows\n"),
        ("SELECT a FROM t", "max_rows: 2", "3 rows, the first 2 written\n"),
        (
            "UPDATE t SET a = 0 WHERE a = 1; SELECT a FROM t WHERE a = 0",
            "",
            "1 row, 1 row changed\n",
        ),
    ] {
        assert_eq!(step(&world, sql, fields).await.err(), note, "{sql}");
    }
}

#[tokio::test]
async fn values_are_bound_and_never_pasted() {
    let world = World::new();
    let hostile = "x'); DROP TABLE t; --";
    out(&world, "CREATE TABLE t (a TEXT, b)", "").await;
    let fields = format!("params: {{a: \"{hostile}\", b: $TOKEN}}");
    out(&world, "INSERT INTO t VALUES (:a, :b)", &fields).await;
    let row =
        out(&world, "SELECT a, b FROM t WHERE a = ?", &format!("params: [\"{hostile}\"]")).await;
    assert_eq!(row, format!("{{\"a\":\"{hostile}\",\"b\":\"*******\"}}\n"));
    for (value, kind) in [
        ("7", "integer"),
        ("1.5", "real"),
        ("'7'", "text"),
        ("null", "null"),
        ("true", "integer"),
        ("{x: [1]}", "text"),
    ] {
        let row = out(&world, "SELECT typeof(:v) AS k", &format!("params: {{v: {value}}}")).await;
        assert_eq!(row, format!("{{\"k\":\"{kind}\"}}\n"), "{value}");
    }
    refused(
        &world,
        "SELECT ?, ?",
        "params: [$TOKEN]",
        "`params` has 1, and the statement has places for 2",
    )
    .await;
    refused(&world, "SELECT ?", "", "`params` has 0, and the statement has places for 1").await;
    refused(&world, "SELECT ?", "params: [[$TOKEN]]", "a list in `params`").await;
}

#[tokio::test]
async fn a_secret_is_masked_however_a_row_quotes_it() {
    let world = World::new();
    let secrets = "secrets: [{name: TOKEN, provider: said, key: 'ca\"nary\\4711,x'}]";
    out(&world, "SELECT 1", "").await;
    for format in ["jsonl", "json", "csv"] {
        for sql in ["SELECT :v AS v", "SELECT json_object('k', :v) AS v"] {
            let with =
                format!("{{path: books.db, output_format: {format}, params: {{v: $TOKEN}}}}");
            let step = format!("{{name: s, type: sqlite, query: {sql:?}, with: {with}}}");
            let step = step.replace("query: ", "command: ");
            let left = world.run(&format!("{secrets}\nsteps:\n  - {step}\n")).await;
            let shown = left.out();
            assert!(
                shown.contains("*******") && !shown.contains("nary"),
                "{format} {sql}: {shown}"
            );
        }
    }
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let world = World::new();
    out(&world, "CREATE TABLE t (a INTEGER PRIMARY KEY)", "").await;
    let sql = "INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)";
    refused(&world, sql, "transaction: true", "PLACE: UNIQUE constraint failed: t.a").await;
    assert_eq!(out(&world, "SELECT count(*) AS n FROM t", "").await, "{\"n\":0}\n");
    refused(&world, sql, "", "UNIQUE constraint failed").await;
    assert_eq!(out(&world, "SELECT count(*) AS n FROM t", "").await, "{\"n\":1}\n");
    let sql = "INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)";
    out(&world, sql, "transaction: true").await;
    assert_eq!(out(&world, "SELECT count(*) AS n FROM t", "").await, "{\"n\":3}\n");
}

#[tokio::test]
async fn what_is_wrong_is_told_without_values() {
    let world = World::new();
    refused(&world, "SELECT * FROM nowhere", "", "PLACE: no such table: nowhere").await;
    refused(&world, "SELEC 1", "", "PLACE: near \"SELEC\": syntax error").await;
    // These sentences of the engine quote the value.
    for sql in ["SELECT json_extract('{}', :v)", "SELECT json(:v)"] {
        refused(&world, sql, "params: {v: 'open-word'}", "PLACE: SQLite says that there is").await;
        let left = step(&world, sql, "params: {v: 'open-word'}").await;
        assert!(!left.all().replace("v: 'open-word'", "").contains("open-word"), "{}", left.all());
    }
    let read_only = "read_only: true";
    assert_eq!(
        out(&world, "SELECT 1 AS a", "read_only: true, transaction: true").await,
        "{\"a\":1}\n"
    );
    refused(&world, "CREATE TABLE t (a)", read_only, "PLACE: it is read-only").await;
    let text = |path: &str| {
        format!(
            "steps:\n  - {{name: s, type: sqlite, command: SELECT 1, with: {{path: '{path}', {read_only}}}}}\n"
        )
    };
    assert!(world.run(&text("none.db")).await.failure().contains("it cannot be opened"));
    world
        .write("text.db", "no database, but long enough to be taken for one by its length alone. ");
    let left = world.run(&text("text.db").replace("SELECT 1", "SELECT * FROM t")).await;
    assert!(left.failure().contains("it is no database"), "{}", left.failure());
    assert!(world.run(&text("file:x.db?mode=rw")).await.failure().contains("`path` is no file"));
    assert_eq!(world.run(&text(":memory:")).await.failure(), "");
}

#[tokio::test]
async fn what_takes_too_long_is_ended() {
    let world = World::new();
    let endless =
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c";
    refused(&world, endless, "timeout: 1", "it took more than 1 second and was cancelled").await;
    let step = format!(
        "{{name: s, type: sqlite, timeout_sec: 1, command: {endless:?}, with: {{path: books.db}}}}"
    );
    let left = world.run(&format!("steps:\n  - {step}\n")).await;
    assert!(left.failure().contains("time"), "{}", left.failure());
    // The file is free again.
    assert_eq!(out(&world, "CREATE TABLE t (a)", "").await, "");
}

#[tokio::test]
async fn a_large_row_and_many_rows_go_through() {
    let world = World::new();
    let sql = "SELECT :v || hex(zeroblob(4000000)) || :v AS v";
    let left = step(&world, sql, "params: {v: $TOKEN}").await;
    assert_eq!(left.out().len(), "{\"v\":\"\"}\n".len() + 2 * 7 + 8_000_000);
    let sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 50000) SELECT x FROM c";
    let left = step(&world, sql, "").await;
    assert_eq!((left.out().lines().count(), left.err().as_str()), (50_000, "50000 rows\n"));
}
