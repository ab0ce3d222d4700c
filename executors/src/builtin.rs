//! The kinds of this build.

use std::sync::Arc;

use subrosa_engine::kind::{Kinds, Runners, StepRunner};

use crate::chat;
use crate::http;
use crate::lender::Means;

/// Makes what carries out the steps of a kind.
type Make = fn(&Means) -> Arc<dyn StepRunner>;

/// A kind is a line in both.
pub const KINDS: Kinds = &[&chat::CHAT, &http::HTTP];
const MAKE: &[Make] = &[chat::make, http::make];

/// What carries out the steps of these kinds.
pub fn runners(means: &Means) -> Runners {
    Runners { kinds: KINDS, runners: MAKE.iter().map(|make| make(means)).collect() }
}
