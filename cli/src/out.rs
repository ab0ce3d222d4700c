//! Writing to our own streams without ever panicking.
//!
//! `println!` panics when nobody reads; here a lost reader is a value that ends a command quietly.

use std::io::{self, Write};

/// Standard output does not take any more.
#[derive(Debug)]
pub(crate) struct OutputLost(pub(crate) io::Error);

/// Writes to standard output, at once.
pub(crate) fn stdout(bytes: impl AsRef<[u8]>) -> Result<(), OutputLost> {
    let mut stream = io::stdout().lock();
    stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()).map_err(OutputLost)
}

/// Writes to standard error. If that fails there is nowhere left to say so.
pub(crate) fn stderr(text: &str) {
    io::stderr().lock().write_all(text.as_bytes()).ok();
}
