//! A writer that masks what passes through it.
//!
//! A byte is held back only while it may still be inside a needle; so `flush` does not release held
//! bytes, and `finish` does. Memory is bounded by the longest needle. Dropping a writer without finishing
//! it loses what it holds. The inner writer gets unmasked runs as they came, without copying: give it a
//! buffer of its own if small writes are dear.

use std::io;
use std::sync::Arc;

use crate::set::MaskSet;
use crate::stream::Stream;

/// Masks a stream on its way to `W`.
///
/// After the inner writer failed, every later call fails too: it is not known which bytes it took, and
/// neither writing them again nor leaving them out would keep the promise.
pub struct MaskWriter<W: io::Write> {
    masks: Arc<MaskSet>,
    stream: Stream,
    failed: bool,
    inner: W,
}

impl<W: io::Write> MaskWriter<W> {
    /// A writer at the start of its stream.
    pub fn new(masks: Arc<MaskSet>, inner: W) -> Self {
        MaskWriter { masks, stream: Stream::default(), failed: false, inner }
    }

    /// Masks by `masks` from here on; bytes still held are searched again for its needles.
    ///
    /// What the former set had found stays masked, and a region in progress stays one region.
    ///
    /// # Errors
    ///
    /// The inner writer failed, now or before.
    pub fn set_masks(&mut self, masks: Arc<MaskSet>) -> io::Result<()> {
        self.masks = masks;
        self.pass(|stream, masks, inner| stream.rescan(masks, inner))
    }

    /// The inner writer.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The inner writer; what is written to it directly is not masked.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// Ends the stream: writes what is held, flushes, and returns the inner writer.
    ///
    /// # Errors
    ///
    /// The inner writer failed, now or before.
    pub fn finish(mut self) -> io::Result<W> {
        self.pass(|stream, masks, inner| {
            std::mem::take(stream).finish(masks, inner)?;
            inner.flush()
        })?;
        Ok(self.inner)
    }

    /// Ends a stream whose source was killed or failed: like `finish`, but held bytes that are the first
    /// 8 or more of a needle are masked, since the rest may only have been cut off.
    ///
    /// # Errors
    ///
    /// The inner writer failed, now or before.
    pub fn finish_cut(mut self) -> io::Result<W> {
        self.pass(|stream, masks, inner| {
            std::mem::take(stream).finish_cut(masks, inner)?;
            inner.flush()
        })?;
        Ok(self.inner)
    }

    /// Does what writes to the inner writer, once, and remembers a failure.
    fn pass(
        &mut self,
        write: impl FnOnce(&mut Stream, &MaskSet, &mut W) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.failed {
            return Err(failed_before());
        }
        // Set before, so that a panic of the inner writer counts as a failure.
        self.failed = true;
        write(&mut self.stream, &self.masks, &mut self.inner)?;
        self.failed = false;
        Ok(())
    }
}

impl<W: io::Write> io::Write for MaskWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pass(|stream, masks, inner| stream.write(masks, bytes, inner))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed {
            return Err(failed_before());
        }
        self.inner.flush()
    }
}

fn failed_before() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "an earlier write failed")
}
