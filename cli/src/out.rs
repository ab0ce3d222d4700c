//! Writing to our own streams without ever panicking.
//!
//! `println!` panics when nobody reads; here a lost reader is a value that ends a command quietly.

use std::io::{self, BufWriter, Write};

/// Bytes that are written at once where there are many.
const BUFFER_LEN: usize = 64 * 1024;

/// Standard output does not take any more.
#[derive(Debug)]
pub(crate) struct OutputLost(pub(crate) io::Error);

/// Writes to standard output, at once.
pub(crate) fn stdout(bytes: impl AsRef<[u8]>) -> Result<(), OutputLost> {
    let mut stream = io::stdout().lock();
    stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()).map_err(OutputLost)
}

/// Writes much to standard output, piece by piece as it is made.
pub(crate) fn buffered(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), OutputLost> {
    let mut stream = BufWriter::with_capacity(BUFFER_LEN, io::stdout().lock());
    write(&mut stream).and_then(|()| stream.flush()).map_err(OutputLost)
}

/// Writes to standard error. If that fails there is nowhere left to say so.
pub(crate) fn stderr(text: &str) {
    io::stderr().lock().write_all(text.as_bytes()).ok();
}
