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
use crate::tally::Tally;

/// How the source of a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It said all that it had to say.
    Whole,
    /// It was killed or failed: the rest of a value may only have been cut off.
    Cut,
}

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
        let former = std::mem::replace(&mut self.masks, masks);
        self.pass(|stream, masks, inner| stream.rescan(&former, masks, inner))
    }

    /// The inner writer.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The inner writer; what is written to it directly is not masked.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// Whether bytes are held back.
    pub(crate) fn is_holding(&self) -> bool {
        self.stream.is_holding()
    }

    /// Writes up to `len` of the bytes that are held back though they may begin a needle.
    pub(crate) fn pause(&mut self, len: u64) -> io::Result<()> {
        self.pass(|stream, _, inner| stream.show(len, inner))
    }

    /// Ends the stream: writes what is held, flushes, and returns the inner writer.
    ///
    /// # Errors
    ///
    /// The inner writer failed, now or before.
    pub fn finish(self) -> io::Result<W> {
        self.finish_counted(End::Whole).map(|(inner, _)| inner)
    }

    /// Ends a stream whose source was killed or failed: like `finish`, but held bytes that are the first
    /// 8 or more of a needle are masked, since the rest may only have been cut off.
    ///
    /// # Errors
    ///
    /// The inner writer failed, now or before.
    pub fn finish_cut(self) -> io::Result<W> {
        self.finish_counted(End::Cut).map(|(inner, _)| inner)
    }

    /// Ends the stream and says what was found in it. The values counted are those of the last set; of
    /// former sets the values must have had the same places.
    ///
    /// # Errors
    ///
    /// The inner writer failed, now or before.
    pub fn finish_counted(mut self, end: End) -> io::Result<(W, Tally)> {
        let tally = self.pass(|stream, masks, inner| {
            let stream = std::mem::take(stream);
            let tally = stream.finish(masks, end, inner)?;
            inner.flush()?;
            Ok(tally)
        })?;
        Ok((self.inner, tally))
    }

    /// Does what writes to the inner writer, once, and remembers a failure.
    fn pass<T>(
        &mut self,
        write: impl FnOnce(&mut Stream, &MaskSet, &mut W) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.failed {
            return Err(failed_before());
        }
        // Set before, so that a panic of the inner writer counts as a failure.
        self.failed = true;
        let done = write(&mut self.stream, &self.masks, &mut self.inner)?;
        self.failed = false;
        Ok(done)
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
