//! The workflow language as its users meet it: files in, workflows or diagnostics out.

#![expect(clippy::unwrap_used, reason = "this whole binary is tests")]

mod fixtures;
mod hostile;
mod outline;
mod private;
mod render;
mod secrets;
