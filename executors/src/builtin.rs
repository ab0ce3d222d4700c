//! The kinds of this build.

use std::sync::Arc;

use subrosa_engine::kind::{Kinds, Runners, StepRunner};

use crate::chat;
use crate::http;
use crate::lender::Means;
use crate::mcp;
use crate::object;
use crate::sql;

/// Makes what carries out the steps of a kind.
type Make = fn(&Means) -> Arc<dyn StepRunner>;

/// A kind is a line in both.
pub const KINDS: Kinds = &[
    &chat::CHAT,
    &http::HTTP,
    &mcp::MCP,
    &object::OBJECT,
    &sql::POSTGRES,
    &sql::MYSQL,
    &sql::SQLITE,
];
const MAKE: &[Make] = &[
    chat::make,
    http::make,
    mcp::make,
    object::make,
    sql::make_postgres,
    sql::make_mysql,
    sql::make_sqlite,
];

/// What carries out the steps of these kinds.
pub fn runners(means: &Means) -> Runners {
    Runners { kinds: KINDS, runners: MAKE.iter().map(|make| make(means)).collect() }
}
