//! `mysql` steps at a real MariaDB: types, parameters, transactions, cancelling, refusals, and what nobody gets
//! to see.

use std::time::Instant;

use crate::database::{Database, PASSWORD, mariadb};
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
        Stage { server: mariadb(None), world: World::new() }
    }

    /// The text of a step; `fields` are those of `with` beside `dsn` and `password`, in flow style.
    fn text(&self, name: &str, sql: &str, fields: &str) -> String {
        let (port, sql) = (self.server.port, serde_json::to_string(sql).unwrap());
        let dsn = format!("'mysql://ada@127.0.0.1:{port}/books'");
        let with = format!("{{dsn: {dsn}, password: $TOKEN, {fields}}}");
        format!("  - {{name: {name}, type: mariadb, command: {sql}, with: {with}}}\n")
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

    /// How many sessions there have been.
    async fn sessions(&self) -> u64 {
        let row = self.out("SHOW GLOBAL STATUS LIKE 'Connections'", "").await;
        let row: serde_json::Value = serde_json::from_str(&row).unwrap();
        row["Value"].as_str().unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn a_column_is_the_same_with_parameters_and_without() {
    let stage = Stage::new();
    let columns = [
        ("a TINYINT", "-7", "-7"),
        ("a TINYINT(1) UNSIGNED", "200", "200"),
        ("a BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
        ("a INT", "NULL", "null"),
        ("a DECIMAL(12,4)", "-1.5", "-1.5000"),
        ("a DOUBLE", "0.1", "0.1"),
        ("a YEAR", "2026", "2026"),
        ("a BIT(9)", "b'100000001'", "257"),
        ("a DATE", "'2026-01-02'", "\"2026-01-02\""),
        ("a DATETIME(6)", "'2026-01-02 03:04:05.5'", "\"2026-01-02T03:04:05.500000\""),
        ("a TIMESTAMP", "'2026-01-02 03:04:05'", "\"2026-01-02T03:04:05\""),
        ("a TIME", "'-838:59:59'", "\"-838:59:59\""),
        ("a TEXT", "'a\"b'", "\"a\\\"b\""),
        ("a VARCHAR(9) COLLATE utf8mb4_bin", "'é'", "\"é\""),
        ("a ENUM('x', 'y')", "'y'", "\"y\""),
        ("a SET('x', 'y')", "'x,y'", "\"x,y\""),
        ("a BLOB", "x'00ff'", "\"\\\\x00ff\""),
        ("a JSON", "'{\"a\": 1}'", "\"{\\\"a\\\": 1}\""),
    ];
    for (index, (column, value, expected)) in columns.into_iter().enumerate() {
        let table =
            format!("CREATE TABLE t{index} ({column}); INSERT INTO t{index} VALUES ({value})");
        stage.out(&table, "").await;
        let expected = format!("{{\"a\":{expected}}}\n");
        let plain = format!("SELECT a FROM t{index}");
        assert_eq!(stage.out(&plain, "").await, expected, "{column}");
        let bound = format!("SELECT a FROM t{index} WHERE :one = 1");
        assert_eq!(stage.out(&bound, "params: {one: 1}").await, expected, "{column}");
    }
    assert_eq!(
        stage.out("SELECT 1 AS a, 2 AS b FROM t0 WHERE false", "format: csv").await,
        "a,b\n"
    );
}

#[tokio::test]
async fn values_are_bound_and_never_pasted() {
    let stage = Stage::new();
    let hostile = "params: [\"x'); DROP TABLE t; -- \\\\\"]";
    assert_eq!(stage.out("SELECT CHAR_LENGTH(?) AS n", hostile).await, "{\"n\":23}\n");
    for (value, expected) in [
        ("7", "7"),
        ("1.5", "1.5"),
        ("'7'", "\"7\""),
        ("null", "null"),
        ("true", "1"),
        ("{x: [1]}", "\"{\\\"x\\\":[1]}\""),
    ] {
        let found = stage.out("SELECT :v AS v", &format!("params: {{v: {value}}}")).await;
        assert_eq!(found, format!("{{\"v\":{expected}}}\n"), "{value}");
    }
    stage
        .refused(
            "SELECT ?, ?",
            "params: [$VALUE]",
            "`params` has 1, and the statement has places for 2",
        )
        .await;
    stage.refused("SELECT ?", "", "`params` has 0, and the statement has places for 1").await;
    stage.refused("SELECT ?", "params: [[$VALUE]]", "a list in `params`").await;
}

#[tokio::test]
async fn what_is_wrong_is_told_without_values() {
    let stage = Stage::new();
    stage
        .out("CREATE TABLE t (id VARCHAR(20) PRIMARY KEY, n INT NOT NULL CHECK (n < 10))", "")
        .await;
    let value = "params: {v: $VALUE}";
    stage.out("INSERT INTO t VALUES (:v, 1)", value).await;
    for (sql, fields, message) in [
        ("SELEC 1", "", "PLACE: You have an error in your SQL syntax"),
        ("SELECT * FROM nowhere", "", "PLACE: Table 'books.nowhere' doesn't exist"),
        ("SELECT :v FROM t WHERE x", value, "PLACE: Unknown column 'x'"),
        ("INSERT INTO t VALUES (:v, 1)", value, "PLACE: a row is there already (1062)"),
        ("INSERT INTO t VALUES (:v, NULL)", value, "PLACE: Column 'n' cannot be null"),
        ("INSERT INTO t VALUES ('a', 10)", "", "PLACE: a row is not what a check wants"),
        ("INSERT INTO t VALUES ('b', :v)", value, "PLACE: the server answered with the error 1366"),
        ("SELECT * FROM other.t", "", "PLACE: the user may not do that"),
        ("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t", "", "PLACE: "),
        (
            "EXECUTE IMMEDIATE CONCAT('SELECT ', :v)",
            value,
            "PLACE: the server answered with the error",
        ),
    ] {
        stage.refused(sql, fields, message).await;
    }
}

#[tokio::test]
async fn transactions_sessions_and_cancelling() {
    let stage = Stage::new();
    stage.out("CREATE TABLE t (id INT PRIMARY KEY)", "").await;
    let twice = "INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)";
    let count = "SELECT count(*) AS n FROM t";
    stage.refused(twice, "transaction: true", "a row is there already (1062)").await;
    assert_eq!(stage.out(count, "").await, "{\"n\":0}\n");
    stage.refused(twice, "", "a row is there already (1062)").await;
    assert_eq!(stage.out(count, "").await, "{\"n\":1}\n");
    let level = "transaction: true, isolation_level: serializable, params: {id: 5}";
    stage.out("INSERT INTO t VALUES (:id)", level).await;
    assert_eq!(stage.out(count, "").await, "{\"n\":2}\n");
    // What a step sets, holds or leaves open is gone for the next one.
    let mut steps = String::new();
    for (index, sql) in [
        "SET @a = 1; START TRANSACTION; INSERT INTO t VALUES (77)",
        "SELECT @a AS a",
        count,
        "SELECT GET_LOCK('x', 0) AS a",
        "SELECT IS_FREE_LOCK('x') AS a",
    ]
    .iter()
    .enumerate()
    {
        let text = stage.text(&format!("s{index}"), sql, "max_connections: 1");
        let depends = format!("{{depends: [s{}], name:", index.saturating_sub(1));
        steps.push_str(&text.replace("{name:", if index == 0 { "{name:" } else { &depends }));
    }
    let left = stage.run(&steps).await;
    let shown: Vec<String> = (0..5).map(|index| left.log(&format!("s{index}.out"))).collect();
    assert_eq!(shown[1..], ["{\"a\":null}\n", "{\"n\":2}\n", "{\"a\":1}\n", "{\"a\":1}\n"]);
    // Counters, too.
    stage
        .out("CREATE TABLE c (id INT AUTO_INCREMENT PRIMARY KEY, n INT) AUTO_INCREMENT = 41", "")
        .await;
    let insert = "INSERT INTO c (n) VALUES (1)";
    let counters = "SELECT LAST_INSERT_ID() AS id";
    let warned = "SELECT :v + 1 AS n";
    let steps = [
        stage.text("s0", insert, "max_connections: 1"),
        stage.text("s1", counters, "max_connections: 1").replace("{name", "{depends: [s0], name"),
        stage
            .text("s2", warned, "max_connections: 1, params: {v: '1x'}")
            .replace("{name", "{depends: [s1], name"),
        stage
            .text("s3", "SHOW WARNINGS", "max_connections: 1")
            .replace("{name", "{depends: [s2], name"),
    ];
    let left = stage.run(&steps.concat()).await;
    assert_eq!(left.log("s1.out"), "{\"id\":0}\n", "{}", left.record());
    assert_eq!((left.log("s2.out").as_str(), left.log("s3.out").as_str()), ("{\"n\":2}\n", ""));
    let both = format!("{insert}; SELECT LAST_INSERT_ID() AS id");
    assert_eq!(stage.out(&both, "").await, "{\"id\":42}\n");
    // What is cut off ends at the server.
    let late = "PLACE: it took more than 1 second and was cancelled";
    stage.refused("SELECT SLEEP(600)", "timeout: 1", late).await;
    stage.refused("SELECT SLEEP(600 * :n)", "timeout: 1, params: {n: 1}", late).await;
    let slow = stage.text("s", "SELECT SLEEP(600)", "").replace("{name", "{timeout_sec: 1, name");
    assert!(stage.run(&slow).await.failure().contains("time"));
    let busy =
        "SELECT count(*) AS n FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'";
    assert_eq!(stage.out(busy, "").await, "{\"n\":0}\n");
    // Nobody was left without a goodbye.
    assert!(!stage.server.log().contains("user: 'ada'"), "{}", stage.server.log());
}

#[tokio::test]
async fn steps_share_sessions() {
    let stage = Stage::new();
    let before = stage.sessions().await;
    let one =
        |index| stage.text(&format!("s{index}"), "SELECT SLEEP(0.01), :n AS n", "params: {n: 1}");
    let left = stage.run(&(0..50).map(one).collect::<String>()).await;
    assert_eq!(left.record()["status"], "succeeded", "{}", left.record());
    // Not more than four, and that of the question.
    let after = stage.sessions().await;
    assert!(after - before <= 5, "{before} {after}");
}

#[tokio::test]
async fn who_may_not_log_in_is_told_so() {
    let mut stage = Stage::new();
    let port = stage.server.port;
    let with = |dsn: &str, fields: &str| {
        let dsn = dsn.replace("PORT", &port.to_string());
        format!(
            "  - {{name: s, type: mysql, command: SELECT 1 AS a, with: {{dsn: '{dsn}', {fields}}}}}\n"
        )
    };
    let place = format!("`127.0.0.1:{port}`");
    for (dsn, fields, message) in [
        ("mysql://ada:${TOKEN}@127.0.0.1:PORT/books", "", ""),
        ("mariadb://ada@127.0.0.1:PORT/books", "password: $TOKEN", ""),
        (
            "mysql://ada@127.0.0.1:PORT/books",
            "password: $VALUE",
            "PLACE: the server refuses the user or the password",
        ),
        ("mysql://ada@127.0.0.1:PORT/books", "", "PLACE: the server refuses the user"),
        (
            "mysql://ada:${TOKEN}@127.0.0.1:PORT/other",
            "",
            "PLACE: the user may not use the database",
        ),
        ("mysql://ada:${TOKEN}@127.0.0.1:PORT/books?sslmode=verify_identity", "", "PLACE"),
        (
            "mysql://ada:${TOKEN}@127.0.0.1:1/books",
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
