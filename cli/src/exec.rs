//! What `exec` is made of: secrets named on the command line, and a child whose output is masked.

pub(crate) mod adhoc;
pub(crate) mod child;
mod masker;
pub(crate) mod pump;
