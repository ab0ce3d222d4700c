//! Names and scopes of the secrets registry, and the question a run asks it.
//!
//! The store itself (sealing, versions, durability) is not here yet; what is here is the vocabulary
//! that the workflow language and the engine need: which refs and workspace names exist, and the
//! lookup a run makes. Nothing in this crate knows of workflows, steps or the network.

mod names;
mod reader;

pub use names::{InvalidName, SecretRef, WorkspaceName};
pub use reader::{LookupError, Reader};
