//! What hides secrets on the way to a pipe or to a terminal.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::Timespec;
use subrosa_masker::{End, MaskSet, MaskWriter, TerminalWriter};

/// A program on a terminal that says nothing for so long waits for keys.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// What hides the secrets on the way to one of our streams.
pub(super) enum Masker {
    Pipe(Box<MaskWriter<File>>),
    /// Control sequences within secrets do not hide them.
    Terminal {
        writer: Box<TerminalWriter<File>>,
        /// Whether a pause shows the first bytes of what may become a secret.
        shows_starts: bool,
    },
}

impl Masker {
    pub(super) fn pipe(masks: Arc<MaskSet>, to: OwnedFd) -> Masker {
        Masker::Pipe(Box::new(MaskWriter::new(masks, File::from(to))))
    }

    pub(super) fn terminal(masks: Arc<MaskSet>, to: OwnedFd, shows_starts: bool) -> Masker {
        let writer = Box::new(TerminalWriter::new(masks, File::from(to)));
        Masker::Terminal { writer, shows_starts }
    }

    /// Ends the stream: writes what is held back.
    pub(super) fn finish(self, end: End) -> io::Result<()> {
        match self {
            Masker::Pipe(writer) => writer.finish_counted(end).map(drop),
            Masker::Terminal { writer, .. } => writer.finish(end).map(drop),
        }
    }

    /// Masks by `masks` from here on.
    pub(super) fn set_masks(&mut self, masks: Arc<MaskSet>) -> io::Result<()> {
        match self {
            Masker::Pipe(writer) => writer.set_masks(masks),
            Masker::Terminal { writer, .. } => writer.set_masks(masks),
        }
    }

    /// Writes what of a piece cannot become part of a secret any more.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let writer: &mut dyn Write = match self {
            Masker::Pipe(writer) => &mut **writer,
            Masker::Terminal { writer, .. } => &mut **writer,
        };
        writer.write_all(bytes)?;
        writer.flush()
    }

    /// How long to wait for more before [`Masker::pause`].
    pub(super) fn patience(&self) -> Option<&'static Timespec> {
        match self {
            Masker::Terminal { writer, shows_starts: true } if writer.is_holding() => Some(&PAUSE),
            Masker::Terminal { .. } | Masker::Pipe(_) => None,
        }
    }

    /// Says that nothing more came for that long.
    pub(super) fn pause(&mut self) -> io::Result<()> {
        match self {
            Masker::Terminal { writer, .. } => writer.pause(),
            Masker::Pipe(_) => Ok(()),
        }
    }
}
