//! `postgres` steps at a real server: types, parameters, transactions, cancelling, refusals, and what nobody
//! gets to see.

use std::time::{Duration, Instant};

use crate::database::{Database, PASSWORD, postgres};
use crate::world::{Left, World};

/// A server, and a folder of steps that use it.
struct Stage {
    server: Database,
    world: World,
}

/// What a server's log is searched for.
const CANARIES: [&str; 2] = [PASSWORD, "canary-value"];

impl Stage {
    fn new() -> Stage {
        Stage { server: postgres(None), world: World::new() }
    }

    /// The text of a step; `fields` are those of `with` beside `dsn` and `password`, in flow style.
    fn text(&self, name: &str, sql: &str, fields: &str) -> String {
        let (port, sql) = (self.server.port, serde_json::to_string(sql).unwrap());
        let dsn = format!("'postgres://ada@127.0.0.1:{port}/postgres'");
        let with = format!("{{dsn: {dsn}, password: $TOKEN, {fields}}}");
        format!("  - {{name: {name}, type: postgres, command: {sql}, with: {with}}}\n")
    }

    async fn run(&self, steps: &str) -> Left {
        let secrets = "secrets:\n  - {name: TOKEN, provider: said, key: canary-4711}\n  \
                       - {name: VALUE, provider: said, key: canary-value}\n";
        let left = self.world.run(&format!("type: graph\n{secrets}steps:\n{steps}")).await;
        for canary in CANARIES {
            assert!(!left.all().contains(canary), "{steps}: {}", left.all());
            assert!(!self.server.log().contains(canary), "{steps}: {}", self.server.log());
        }
        left
    }

    async fn step(&self, sql: &str, fields: &str) -> Left {
        self.run(&self.text("s", sql, fields)).await
    }

    /// What a step writes that succeeds.
    async fn out(&self, sql: &str, fields: &str) -> String {
        let left = self.step(sql, fields).await;
        assert_eq!(left.failure(), "", "{sql}");
        left.out()
    }

    /// A step that fails with this message; `PLACE` is the server.
    async fn refused(&self, sql: &str, fields: &str, message: &str) {
        let left = self.step(sql, fields).await;
        let place = format!("`127.0.0.1:{}`", self.server.port);
        let found = left.failure().replace(&place, "PLACE");
        assert!(found.contains(message) && !message.is_empty(), "{sql}: {found}");
    }

    /// How often somebody has logged in.
    fn handshakes(&self) -> usize {
        self.server.log().matches("connection authorized").count()
    }
}

#[tokio::test]
async fn a_column_is_the_same_with_parameters_and_without() {
    let stage = Stage::new();
    stage.out("CREATE TYPE mood AS ENUM ('calm'); CREATE DOMAIN age AS int", "").await;
    for (expression, expected) in [
        ("true", "true"),
        ("7::int2", "7"),
        ("-7", "-7"),
        ("9007199254740993::int8", "9007199254740993"),
        ("1.50::numeric", "1.50"),
        ("-12345678901234567890.000100::numeric(30,6)", "-12345678901234567890.000100"),
        ("0.0001::numeric", "0.0001"),
        ("10000::numeric", "10000"),
        ("'NaN'::numeric", "\"NaN\""),
        ("0.1::float8", "0.1"),
        ("0.1::float4", "0.1"),
        ("'-Infinity'::float8", "\"-Infinity\""),
        ("'a\"b'::text", "\"a\\\"b\""),
        ("'ab'::char(3)", "\"ab \""),
        ("NULL::int", "null"),
        ("'\\x00ff'::bytea", "\"\\\\x00ff\""),
        ("'2026-01-02'::date", "\"2026-01-02\""),
        ("'infinity'::date", "\"infinity\""),
        ("'03:04:05.5'::time", "\"03:04:05.5\""),
        ("'03:04:05+02'::timetz", "\"03:04:05+02\""),
        ("'2026-01-02 03:04:05'::timestamp", "\"2026-01-02T03:04:05\""),
        ("'1969-12-31 23:59:59.25+00'::timestamptz", "\"1969-12-31T23:59:59.25Z\""),
        ("'1 year -2 days 3:04:05.5'::interval", "\"1 year -2 days +03:04:05.5\""),
        ("'{\"a\":  [1, \"x\"]}'::json", "{\"a\":  [1, \"x\"]}"),
        ("'{\"a\": 1}'::jsonb", "{\"a\": 1}"),
        ("'{1,NULL,3}'::int[]", "[1,null,3]"),
        ("'{{\"a b\",c},{d,e}}'::text[]", "[[\"a b\",\"c\"],[\"d\",\"e\"]]"),
        ("'{}'::int[]", "[]"),
        ("'10.0.0.1'::inet", "\"10.0.0.1\""),
        ("'10.0.0.0/8'::cidr", "\"10.0.0.0/8\""),
        ("'fe80::1/64'::inet", "\"fe80::1/64\""),
        ("'08:00:2b:01:02:03'::macaddr", "\"08:00:2b:01:02:03\""),
        (
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
            "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
        ),
        ("'calm'::mood", "\"calm\""),
        ("5::age", "5"),
    ] {
        let expected = format!("{{\"v\":{expected}}}\n");
        let plain = format!("SELECT {expression} AS v");
        assert_eq!(stage.out(&plain, "").await, expected, "{expression}");
        let bound = format!("SELECT {expression} AS v WHERE :one = 1");
        assert_eq!(stage.out(&bound, "params: {one: 1}").await, expected, "{expression}");
    }
    // Only the server can write these.
    assert_eq!(stage.out("SELECT '1.5'::money AS v", "").await, "{\"v\":\"$1.50\"}\n");
    let bound = "SELECT '1.5'::money AS v WHERE $1 = 1";
    stage.refused(bound, "params: [1]", "the column `v` is of the type `MONEY`").await;
    assert_eq!(stage.out("SELECT 1 AS a, 2 AS b WHERE false", "format: csv").await, "a,b\n");
}

#[tokio::test]
async fn a_parameter_is_of_the_type_that_the_server_wants() {
    let stage = Stage::new();
    for (kind, value, expected) in [
        ("int2", "'7'", "7"),
        ("int8", "-9", "-9"),
        ("float8", "'1.5'", "1.5"),
        ("numeric", "'-12345.678900'", "-12345.678900"),
        ("numeric", "'0.00012'", "0.00012"),
        ("numeric", "1e5", "100000.0"),
        ("numeric", "'1e5'", "100000"),
        ("numeric", "'-1.5e-3'", "-0.0015"),
        ("numeric", "'100000000'", "100000000"),
        ("bool", "'yes'", "true"),
        ("bool", "false", "false"),
        ("text", "7", "\"7\""),
        ("text", "null", "null"),
        (
            "uuid",
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
        ),
        ("date", "'2026-01-02'", "\"2026-01-02\""),
        ("time", "'03:04'", "\"03:04:00\""),
        ("timestamp", "'1999-12-31 23:59:59.5'", "\"1999-12-31T23:59:59.5\""),
        ("timestamptz", "'2026-01-02T03:04:05+02:00'", "\"2026-01-02T01:04:05Z\""),
        ("timestamptz", "'2026-01-02 03:04:05+00'", "\"2026-01-02T03:04:05Z\""),
        ("jsonb", "{a: [1, x]}", "{\"a\": [1, \"x\"]}"),
        ("jsonb", "[1, x, null]", "[1, \"x\", null]"),
        ("bytea", "'\\x00ff'", "\"\\\\x00ff\""),
        ("int[]", "[1, '2', null]", "[1,2,null]"),
        ("text[]", "[]", "[]"),
        ("text::inet", "10.0.0.1", "\"10.0.0.1\""),
    ] {
        let sql = format!("SELECT :v::{kind} AS v");
        let found = stage.out(&sql, &format!("params: {{v: {value}}}")).await;
        assert_eq!(found, format!("{{\"v\":{expected}}}\n"), "{kind} {value}");
    }
    let hostile = "params: [\"x'); DROP TABLE t; --\"]";
    assert_eq!(stage.out("SELECT length($1) AS n", hostile).await, "{\"n\":21}\n");
    for kind in ["int4", "numeric", "bool", "uuid", "date", "timestamptz", "jsonb", "int[]"] {
        let message = "PLACE: parameter 1 is no value of the type";
        stage.refused(&format!("SELECT $1::{kind}"), "params: [$VALUE]", message).await;
    }
    stage.refused("SELECT $1::int", "params: ['99999999999']", "is no value of the type").await;
    stage
        .refused(
            "SELECT $1, $2",
            "params: [$VALUE]",
            "`params` has 1, and the statement has places for 2",
        )
        .await;
    stage.refused("SELECT $1::int", "", "`params` has 0, and the statement has places for 1").await;
}

#[tokio::test]
async fn what_is_wrong_is_told_without_values() {
    let stage = Stage::new();
    let table = "CREATE TABLE t (id text PRIMARY KEY, n int NOT NULL CHECK (n < 10))";
    stage.out(table, "").await;
    let value = "params: {v: $VALUE}";
    for (sql, fields, message) in [
        ("SELEC 1", "", "PLACE: syntax error at or near \"SELEC\", at line 1, column 1"),
        ("SELECT *\nFROM nowhere", "", "relation \"nowhere\" does not exist, at line 2, column 6"),
        ("SELECT :v + 1 FROM t WHERE x", value, "PLACE: column \"x\" does not exist"),
        ("SELECT 1/0", "", "the error 22012"),
        ("SELECT 1; COPY t TO STDOUT", "", "PLACE: the server answered something else"),
        ("SELECT 1; COPY t FROM STDIN", "", "PLACE: the server answered something else"),
    ] {
        let left = stage.step(sql, fields).await;
        let place = format!("`127.0.0.1:{}`", stage.server.port);
        let found = left.failure().replace(&place, "PLACE");
        assert!(found.contains(message), "{sql}: {found}");
    }
    // The server writes rows that it refuses into its own log, and what functions say: here is another word.
    stage.out(
        "CREATE FUNCTION f(v text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no %', v; END $$",
        "",
    )
    .await;
    stage.out(
        "CREATE FUNCTION g(v text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT ' || v; RETURN 1; END $$",
        "",
    )
    .await;
    for (sql, message) in [
        ("SELECT f(:v)", "with the error P0001"),
        ("SELECT g(:v)", "with the error 42703"),
        ("SELECT :v::text::int", "with the error 22P02"),
    ] {
        let left = stage.step(sql, "params: {v: openword}").await;
        assert!(left.failure().contains(message), "{}", left.failure());
        assert!(!left.all().replace("v: openword", "").contains("openword"), "{}", left.all());
    }
    let left = stage.step("INSERT INTO t VALUES (:v, 1)", "params: {v: openword}").await;
    assert_eq!(left.failure(), "");
    let left = stage.step("INSERT INTO t VALUES (:v, 1)", "params: {v: openword}").await;
    assert!(left.failure().contains("there already (23505), constraint `t_pkey`"));
    assert!(!left.all().replace("v: openword", "").contains("openword"), "{}", left.all());
    // Nobody was left without a goodbye.
    assert!(!stage.server.log().contains("could not receive data"), "{}", stage.server.log());
}

#[tokio::test]
async fn transactions_sessions_and_cancelling() {
    let stage = Stage::new();
    stage.out("CREATE TABLE t (id int PRIMARY KEY)", "").await;
    let twice = "INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)";
    let count = "SELECT count(*) AS n FROM t";
    stage.refused(twice, "transaction: true", "a row is there already (23505)").await;
    assert_eq!(stage.out(count, "").await, "{\"n\":0}\n");
    let level = "transaction: true, isolation_level: repeatable_read";
    let shown = stage.out("SHOW transaction_isolation", level).await;
    assert_eq!(shown, "{\"transaction_isolation\":\"repeatable read\"}\n");
    stage.out("INSERT INTO t VALUES (:id)", "transaction: true, params: {id: 5}").await;
    assert_eq!(stage.out(count, "").await, "{\"n\":1}\n");
    // What a step sets, holds or leaves open is gone for the next one.
    let mut steps = String::new();
    let mut before = String::new();
    for (index, sql) in [
        "SET search_path = nowhere; CREATE TEMPORARY TABLE x (a int); SELECT pg_advisory_lock(1)",
        "SHOW search_path",
        "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory'",
        "BEGIN; INSERT INTO t VALUES (77)",
        count,
        "SELECT count(*) AS n FROM pg_prepared_statements",
    ]
    .iter()
    .enumerate()
    {
        let text = stage.text(&format!("s{index}"), sql, "max_connections: 1");
        let depends = format!("{{depends: [{before}], name:");
        steps.push_str(&text.replace("{name:", if index == 0 { "{name:" } else { &depends }));
        before = format!("s{index}");
    }
    let left = stage.run(&steps).await;
    let shown: Vec<String> = (0..6).map(|index| left.log(&format!("s{index}.out"))).collect();
    assert_eq!(shown[1], "{\"search_path\":\"\\\"$user\\\", public\"}\n", "{}", left.record());
    assert_eq!(shown[2], "{\"n\":0}\n");
    assert_eq!(shown[4], "{\"n\":1}\n");
    assert_eq!(shown[5], "{\"n\":0}\n");
    // What is cut off ends at the server, and its session is not used again.
    let busy = "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%'";
    let late = "PLACE: it took more than 1 second and was cancelled";
    stage.refused("SELECT pg_sleep(600)", "timeout: 1", late).await;
    stage.refused("SELECT pg_sleep(600 * :n)", "timeout: 1, params: {n: 1}", late).await;
    let left = stage.step("SELECT 1 AS a; SELECT pg_sleep(600)", "timeout: 1").await;
    assert!(left.failure().contains("cancelled"), "{}", left.failure());
    let slow =
        stage.text("s", "SELECT pg_sleep(600)", "").replace("{name", "{timeout_sec: 1, name");
    assert!(stage.run(&slow).await.failure().contains("time"));
    // So is what is given up here: a result that cannot be written, while the server is at the next one.
    let twice = "SELECT n AS a, repeat('x', 1000) AS a FROM generate_series(1, 100) AS n; SELECT pg_sleep(600)";
    stage.refused(twice, "", "two columns of the result are named `a`").await;
    let idle = format!("{busy} AND pid <> pg_backend_pid()");
    assert_eq!(stage.out(&idle, "").await, "{\"n\":0}\n");
    let log = stage.server.log();
    assert_eq!(log.matches("canceling statement due to user request").count(), 5, "{log}");
    assert!(!log.contains("connection to client lost"), "{log}");
}

#[tokio::test]
async fn rows_without_end_are_cut_off_at_the_server() {
    let mut stage = Stage::new();
    let endless = "SELECT generate_series(1, 1000000000) AS n, repeat('x', 1000) AS x";
    for fields in ["timeout: 1", "timeout: 1, params: {one: 1}"] {
        let sql = if fields.len() > 10 {
            format!("{endless} WHERE :one = 1")
        } else {
            endless.to_owned()
        };
        let left = stage.step(&sql, fields).await;
        assert!(left.failure().contains("it took more than 1 second and was cancelled"));
        let rows = left.out();
        assert!(
            rows.starts_with("{\"n\":1,\"x\":\"xxx") && rows.len() > 1_000_000,
            "{}",
            rows.len()
        );
    }
    let busy = "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series%' AND pid <> pg_backend_pid()";
    let end = Instant::now() + Duration::from_secs(20);
    while stage.out(busy, "").await != "{\"n\":0}\n" {
        assert!(Instant::now() < end, "{}", stage.server.log());
    }
    // A server that dies while a step waits for it.
    let sql = "DO $$ BEGIN RAISE LOG 'begun'; END $$; SELECT pg_sleep(600)";
    let text = stage.text("s", sql, "");
    let secrets = "secrets: [{name: TOKEN, provider: said, key: canary-4711}]";
    let world = World::new();
    let waiting =
        tokio::spawn(async move { world.run(&format!("{secrets}\nsteps:\n{text}")).await });
    while !stage.server.log().contains("LOG:  begun") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stage.server.stop();
    let left = waiting.await.unwrap();
    assert!(left.failure().contains(": it closed the connection"), "{}", left.failure());
}

#[tokio::test]
async fn steps_share_sessions() {
    let stage = Stage::new();
    let steps = |count: usize, fields: &str| {
        let one = |index| stage.text(&format!("s{index}"), "SELECT pg_sleep(0.01), 1 AS a", fields);
        (0..count).map(one).collect::<String>()
    };
    let before = stage.handshakes();
    let left = stage.run(&steps(20, "")).await;
    let record = left.record();
    assert_eq!(record["status"], "succeeded", "{record}");
    // One, unless the machine is so busy that somebody waits for more than a second.
    let handshakes = stage.handshakes() - before;
    assert!((1..=2).contains(&handshakes), "{handshakes}");
    let steps_of = record["steps"].as_array().unwrap();
    let clients = |how: &str| {
        let counts = steps_of.iter().flat_map(|step| step["clients"].as_array().cloned());
        counts.flatten().filter_map(|client| client[how].as_u64()).sum::<u64>()
    };
    assert_eq!((clients("opened"), clients("shared")), (1, 19), "{}", steps_of[0]);
    // A long statement holds up another for a moment only, unless there is to be one session.
    let slow = |name: &str, fields: &str| stage.text(name, "SELECT pg_sleep(3), 1 AS a", fields);
    for (fields, expected) in [("", 2), ("max_connections: 1", 1)] {
        let before = stage.handshakes();
        let left = stage.run(&format!("{}{}", slow("a", fields), slow("b", fields))).await;
        assert_eq!(left.record()["status"], "succeeded", "{}", left.record());
        assert_eq!(stage.handshakes() - before, expected, "{fields}");
    }
    // A session that the server ended is not handed out.
    let first = stage.text("a", "SELECT 1", "max_connections: 1");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'ada'";
    let second = stage.text("b", end, "").replace("{name", "{depends: [a], name");
    let third =
        stage.text("c", "SELECT 2", "max_connections: 1").replace("{name", "{depends: [b], name");
    let left = stage.run(&format!("{first}{second}{third}")).await;
    assert_eq!(left.record()["status"], "succeeded", "{}", left.record());
}

#[tokio::test]
async fn who_may_not_log_in_is_told_so() {
    let mut stage = Stage::new();
    let port = stage.server.port;
    let with = |dsn: &str, fields: &str| {
        let dsn = dsn.replace("PORT", &port.to_string());
        format!(
            "  - {{name: s, type: postgres, command: SELECT 1 AS a, with: {{dsn: '{dsn}', {fields}}}}}\n"
        )
    };
    let place = format!("`127.0.0.1:{port}`");
    for (dsn, fields, message) in [
        ("postgres://ada:${TOKEN}@127.0.0.1:PORT/postgres", "", ""),
        ("postgres://ada@127.0.0.1:PORT/postgres", "password: $TOKEN", ""),
        (
            "postgres://ada@127.0.0.1:PORT/postgres",
            "password: $VALUE",
            "PLACE: the server refuses the user or the password",
        ),
        ("postgres://ada@127.0.0.1:PORT/postgres", "", "PLACE: the server refuses the user"),
        (
            "postgres://ada:${TOKEN}@127.0.0.1:PORT/nowhere",
            "",
            "PLACE: the server has no such database",
        ),
        (
            "postgres://ada:${TOKEN}@127.0.0.1:PORT/postgres?sslmode=require",
            "",
            "PLACE does not offer TLS",
        ),
        ("postgres://ada:${VALUE}/x@127.0.0.1:PORT/postgres", "", "`dsn` is no URL of `postgres`"),
        (
            "postgres://ada:${TOKEN}@127.0.0.1:1/postgres",
            "",
            "cannot reach `127.0.0.1:1`: connection refused",
        ),
    ] {
        let left = stage.run(&with(dsn, fields)).await;
        let found = left.failure().replace(&place, "PLACE");
        assert!(
            found.contains(message) && found.is_empty() == message.is_empty(),
            "{dsn}: {found}"
        );
    }
    stage.server.stop();
    let began = Instant::now();
    let left = stage.step("SELECT 1", "").await;
    assert!(left.failure().contains(": connection refused"), "{}", left.failure());
    assert!(began.elapsed().as_secs() < 5);
}
