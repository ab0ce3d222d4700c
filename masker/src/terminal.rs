//! Masks what a program writes to a terminal.
//!
//! Programs on a terminal colour their text and move the cursor: control sequences stand in the middle of
//! words, and so of values. Here they are taken out, the text is masked, and they are put back where they
//! stood; those inside a masked region follow its mask. What comes out passes a second masker, for values
//! that have control sequences in them or stand in one (the title of a window).
//!
//! Left out are `ESC [ ... final byte` and the short sequences of `ESC`, which carry numbers and no text; an
//! unfinished one waits, since it draws nothing. Commands with text in them (titles, links, the clipboard)
//! are text, as are sequences that begin with U+009B or have control characters in them. Backspaces and
//! carriage returns are not followed: a value that is drawn over with other letters, or letter by letter in
//! no order, is another value. A very short value, masked as a word, is masked in the numbers of a sequence.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::set::MaskSet;
use crate::stream::{Out, Piece, Stream};
use crate::writer::{End, MaskWriter};

/// So many bytes that may begin a value are shown after a pause; most people do not type faster, and a
/// value is not known by them.
const SHOWN_LEN_MAX: u64 = 3;
/// Longer control sequences are text.
const SEQUENCE_LEN_MAX: usize = 256;
/// With more of them waiting, what waits for the rest of a value is given up, as at the end of an output
/// that was cut off.
const WAITING_LEN_MAX: usize = 64 << 10;

const ESCAPE: u8 = 0x1b;

/// Masks a stream on its way to a terminal, control sequences within values or not.
pub struct TerminalWriter<W: Write> {
    masks: Arc<MaskSet>,
    stream: Stream,
    /// The control sequence that the input ends in.
    sequence: Zeroizing<Vec<u8>>,
    out: Woven<W>,
    /// How many bytes of text came in.
    text_len: u64,
    failed: bool,
}

/// Puts control sequences back between decided text.
struct Woven<W: Write> {
    /// Complete control sequences, and before which byte of the text each one stood.
    waiting: VecDeque<(u64, Zeroizing<Vec<u8>>)>,
    waiting_len: usize,
    /// How many bytes of text are decided.
    decided: u64,
    inner: MaskWriter<W>,
}

impl<W: Write> TerminalWriter<W> {
    /// A writer at the start of its stream.
    pub fn new(masks: Arc<MaskSet>, inner: W) -> Self {
        let inner = MaskWriter::new(Arc::clone(&masks), inner);
        TerminalWriter {
            masks,
            stream: Stream::default(),
            sequence: Zeroizing::default(),
            out: Woven { waiting: VecDeque::new(), waiting_len: 0, decided: 0, inner },
            text_len: 0,
            failed: false,
        }
    }

    /// Masks by `masks` from here on, as [`MaskWriter::set_masks`] does.
    ///
    /// # Errors
    ///
    /// The inner writer failed, now or before.
    pub fn set_masks(&mut self, masks: Arc<MaskSet>) -> io::Result<()> {
        let former = std::mem::replace(&mut self.masks, Arc::clone(&masks));
        self.pass(|writer| {
            writer.stream.rescan(&former, &writer.masks, &mut writer.out)?;
            writer.out.inner.set_masks(masks)
        })
    }

    /// The inner writer.
    pub fn get_ref(&self) -> &W {
        self.out.inner.get_ref()
    }

    /// Whether bytes are held back that may begin a value.
    pub fn is_holding(&self) -> bool {
        !self.out.waiting.is_empty() || self.stream.is_holding() || self.out.inner.is_holding()
    }

    /// Says that the source has paused: shows the first of the bytes that are held back, at most three of
    /// those that may begin one value. Matching goes on; if they do begin one, the rest of it is masked.
    ///
    /// # Errors
    ///
    /// The inner writer failed, now or before.
    pub fn pause(&mut self) -> io::Result<()> {
        self.pass(|writer| {
            writer.stream.show(SHOWN_LEN_MAX, &mut writer.out)?;
            writer.out.inner.pause(SHOWN_LEN_MAX)
        })
    }

    /// Ends the stream: writes what is held, flushes, and returns the inner writer.
    ///
    /// # Errors
    ///
    /// The inner writer failed, now or before.
    pub fn finish(mut self, end: End) -> io::Result<W> {
        self.pass(|writer| {
            let unfinished = std::mem::take(&mut writer.sequence);
            writer.text(&unfinished)?;
            let stream = std::mem::take(&mut writer.stream);
            stream.finish(&writer.masks, end, &mut writer.out)?;
            writer.out.weave(u64::MAX)
        })?;
        self.out.inner.finish_counted(end).map(|(inner, _)| inner)
    }

    /// Does what writes to the inner writer, and remembers a failure.
    fn pass<T>(&mut self, write: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if self.failed {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "an earlier write failed"));
        }
        self.failed = true;
        let done = write(self)?;
        self.failed = false;
        Ok(done)
    }

    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.sequence.is_empty() {
                let text_len = memchr::memchr(ESCAPE, bytes).unwrap_or(bytes.len());
                let (text, rest) = bytes.split_at(text_len);
                self.text(text)?;
                bytes = rest;
            }
            let Some((&byte, rest)) = bytes.split_first() else { break };
            match next(&self.sequence, byte) {
                Next::Goes => self.sequence.push(byte),
                Next::Ends => {
                    self.sequence.push(byte);
                    let sequence = std::mem::take(&mut self.sequence);
                    self.control(sequence)?;
                }
                Next::IsText => {
                    let sequence = std::mem::take(&mut self.sequence);
                    self.text(&sequence)?;
                    if byte == ESCAPE {
                        self.sequence.push(byte);
                    } else {
                        self.text(&[byte])?;
                    }
                }
            }
            bytes = rest;
        }
        Ok(())
    }

    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        self.text_len += text.len() as u64;
        self.stream.write(&self.masks, text, &mut self.out)
    }

    fn control(&mut self, sequence: Zeroizing<Vec<u8>>) -> io::Result<()> {
        self.out.waiting_len += sequence.len();
        self.out.waiting.push_back((self.text_len, sequence));
        if self.out.waiting_len > WAITING_LEN_MAX {
            let stream = std::mem::take(&mut self.stream);
            stream.finish(&self.masks, End::Cut, &mut self.out)?;
            (self.text_len, self.out.decided) = (0, 0);
            return self.out.weave(u64::MAX);
        }
        self.out.weave(self.out.decided)
    }
}

impl<W: Write> Write for TerminalWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pass(|writer| writer.take(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass(|writer| writer.out.inner.flush())
    }
}

impl<W: Write> Woven<W> {
    /// Writes the control sequences that stood at `position` or before.
    fn weave(&mut self, position: u64) -> io::Result<()> {
        while self.waiting.front().is_some_and(|(at, _)| *at <= position)
            && let Some((_, sequence)) = self.waiting.pop_front()
        {
            self.waiting_len -= sequence.len();
            self.inner.write_all(&sequence)?;
        }
        Ok(())
    }

    fn plain(&mut self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            self.weave(self.decided)?;
            let until = self.waiting.front().map_or(u64::MAX, |(at, _)| *at - self.decided);
            let len = usize::try_from(until).unwrap_or(usize::MAX).min(text.len());
            self.inner.write_all(&text[..len])?;
            self.decided += len as u64;
            text = &text[len..];
        }
        Ok(())
    }
}

impl<W: Write> Out for Woven<W> {
    fn put(&mut self, pieces: &[Piece<'_>]) -> io::Result<()> {
        for piece in pieces {
            match piece {
                Piece::Plain(text) => self.plain(text)?,
                Piece::Masked { len, mask } => {
                    // What stood before the region stays before its mask.
                    self.weave(self.decided)?;
                    self.inner.write_all(mask)?;
                    self.decided += len;
                }
            }
        }
        self.weave(self.decided)
    }
}

/// What a byte is after the beginning of a control sequence.
enum Next {
    Goes,
    Ends,
    IsText,
}

fn next(sequence: &[u8], byte: u8) -> Next {
    if sequence.len() >= SEQUENCE_LEN_MAX {
        return Next::IsText;
    }
    match (sequence, byte) {
        ([], ESCAPE) | ([ESCAPE], b'[') => Next::Goes,
        // Commands with text in them.
        ([ESCAPE], b']' | b'P' | b'X' | b'^' | b'_') => Next::IsText,
        ([ESCAPE, b'[', ..], 0x20..=0x3f) => Next::Goes,
        ([ESCAPE, b'[', ..], 0x40..=0x7e) => Next::Ends,
        ([ESCAPE, ..], 0x20..=0x2f) => Next::Goes,
        ([ESCAPE, ..], 0x30..=0x7e) => Next::Ends,
        _ => Next::IsText,
    }
}
