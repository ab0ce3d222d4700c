//! What `with` has in steps of databases.

use subrosa_engine::kind::{Field, Section, Shape, alias, refused, section, works};

const QUERY: Field = alias(
    "query",
    &["sql"],
    Shape::Literal,
    "The statement, or several; instead of `command` or `script`.",
);
const PARAMS: Field = works(
    "params",
    Shape::Data,
    "Values that are bound: a mapping for `:name`, or a list for the places of the database.",
);
const OUTPUT_FORMAT: Field = alias(
    "output_format",
    &["format"],
    Shape::OneOf(&["jsonl", "json", "csv"]),
    "How rows are written; without it `jsonl`, an object a line.",
);
const HEADERS: Field =
    works("headers", Shape::Flag, "`csv`: the names of the columns come first; without it `true`.");
const NULL_STRING: Field =
    works("null_string", Shape::Literal, "`csv`: what stands for no value; without it nothing.");
const MAX_ROWS: Field =
    works("max_rows", Shape::Whole(1), "Rows that are written at most; the others are counted.");
const TRANSACTION: Field =
    works("transaction", Shape::Flag, "All of it or nothing: in one transaction.");
const TIMEOUT: Field = alias(
    "timeout",
    &["query_timeout", "statement_timeout"],
    Shape::Whole(1),
    "Seconds after which it is cancelled; without it there is no bound but the step's.",
);
const CONNECTION: Field = works("connection", Shape::Text, "The connection that logs in.");
const DSN: Field = works("dsn", Shape::Text, "The URL of the database, instead of a connection.");
const PASSWORD: Field = works(
    "password",
    Shape::Text,
    "The password for `dsn`, as it is: in a URL it had to be encoded.",
);
const DATABASE: Field =
    works("database", Shape::Text, "Another database than the one that the connection names.");
const CA_CERT: Field = works(
    "ca_cert",
    Shape::Text,
    "A PEM file with the authorities that count for the server of `dsn`.",
);
const ISOLATION_LEVEL: Field = works(
    "isolation_level",
    Shape::OneOf(&["read_uncommitted", "read_committed", "repeatable_read", "serializable"]),
    "Of the transaction; without it the database's.",
);
const MAX_CONNECTIONS: Field = alias(
    "max_connections",
    &["max_open_conns"],
    Shape::Whole(1),
    "Sessions at a time of all steps that share them; without it 4, at most 64.",
);
const CONNECT_TIMEOUT: Field = alias(
    "connect_timeout",
    &["connection_timeout"],
    Shape::Whole(1),
    "Seconds for logging in; without it 10.",
);
const PATH: Field = alias(
    "path",
    &["dsn"],
    Shape::Text,
    "The file, relative to the working directory; `:memory:` is gone after the step.",
);
const READ_ONLY: Field = works("read_only", Shape::Flag, "Changes nothing, and makes no file.");

const IMPORT: Field = refused("import", "is not done by subrosa", "write statements");
const OUTPUT_FILE: Field =
    refused("output_file", "would not be masked", "write `stdout: FILE` in the step");
const STREAMING: Field = refused("streaming", "is what is done anyway", "remove it");
const ADVISORY_LOCK: Field = refused(
    "advisory_lock",
    "is not taken by subrosa",
    "write `SELECT pg_advisory_xact_lock(...)` with `transaction: true`",
);
const SHARED_MEMORY: Field = refused("shared_memory", "is not done by subrosa", "name a file");
const FILE_LOCK: Field = refused("file_lock", "is done by SQLite itself", "remove it");

/// What `with` has in a step of `type: postgres`.
pub(super) static POSTGRES: Section = section(
    "`with` of a `postgres` step",
    "with_postgres",
    &[
        QUERY,
        PARAMS,
        CONNECTION,
        DSN,
        PASSWORD,
        CA_CERT,
        DATABASE,
        OUTPUT_FORMAT,
        HEADERS,
        NULL_STRING,
        MAX_ROWS,
        TRANSACTION,
        ISOLATION_LEVEL,
        TIMEOUT,
        CONNECT_TIMEOUT,
        MAX_CONNECTIONS,
        IMPORT,
        OUTPUT_FILE,
        STREAMING,
        ADVISORY_LOCK,
    ],
);

/// What `with` has in a step of `type: mysql`.
pub(super) static MYSQL: Section = section(
    "`with` of a `mysql` step",
    "with_mysql",
    &[
        QUERY,
        PARAMS,
        CONNECTION,
        DSN,
        PASSWORD,
        CA_CERT,
        DATABASE,
        OUTPUT_FORMAT,
        HEADERS,
        NULL_STRING,
        MAX_ROWS,
        TRANSACTION,
        ISOLATION_LEVEL,
        TIMEOUT,
        CONNECT_TIMEOUT,
        MAX_CONNECTIONS,
        IMPORT,
        OUTPUT_FILE,
        STREAMING,
    ],
);

/// What `with` has in a step of `type: sqlite`.
pub(super) static SQLITE: Section = section(
    "`with` of a `sqlite` step",
    "with_sqlite",
    &[
        QUERY,
        PARAMS,
        PATH,
        READ_ONLY,
        OUTPUT_FORMAT,
        HEADERS,
        NULL_STRING,
        MAX_ROWS,
        TRANSACTION,
        TIMEOUT,
        IMPORT,
        OUTPUT_FILE,
        STREAMING,
        SHARED_MEMORY,
        FILE_LOCK,
    ],
);

/// What may stand in the step itself.
pub(super) const BESIDE: &[Field] = &[
    works("command", Shape::Literal, "The statement, or several."),
    works("script", Shape::Literal, "The same."),
];
