//! Copies what a child writes through the masker to one of our streams.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use subrosa_masker::{End, MaskSet, MaskWriter, TerminalWriter};

const CHUNK_LEN: usize = 64 * 1024;
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

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let writer: &mut dyn Write = match self {
            Masker::Pipe(writer) => &mut **writer,
            Masker::Terminal { writer, .. } => &mut **writer,
        };
        writer.write_all(bytes)?;
        writer.flush()
    }

    /// How long to wait for more before [`Masker::pause`].
    fn patience(&self) -> Option<&'static Timespec> {
        match self {
            Masker::Terminal { writer, shows_starts: true } if writer.is_holding() => Some(&PAUSE),
            Masker::Terminal { .. } | Masker::Pipe(_) => None,
        }
    }

    fn pause(&mut self) -> io::Result<()> {
        match self {
            Masker::Terminal { writer, .. } => writer.pause(),
            Masker::Pipe(_) => Ok(()),
        }
    }
}

/// Copies until `from` ends, `enough` is closed on its other side, or nobody reads `to` any more.
/// What cannot become part of a secret any more is written at once, with or without a newline; how to
/// end the rest is for the caller, who knows how the child ended.
pub(super) fn pump(from: OwnedFd, enough: &OwnedFd, mut to: Masker) -> io::Result<Masker> {
    let mut from = File::from(from);
    let mut chunk = vec![0; CHUNK_LEN];
    while is_readable(&from, enough, &mut to)? {
        let length = match from.read(&mut chunk) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // A pseudoterminal ends so when the last process has closed it.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => 0,
            Err(error) => return Err(error),
        };
        if length == 0 {
            break;
        }
        to.write(&chunk[..length])?;
    }
    Ok(to)
}

/// Waits for bytes (or the end) of `from`; false if that is no longer wanted.
fn is_readable(from: &File, enough: &OwnedFd, to: &mut Masker) -> io::Result<bool> {
    let mut patience = to.patience();
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(enough.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, patience) {
            Ok(0) => {
                to.pause()?;
                patience = None;
            }
            Ok(_) if !fds[1].revents().is_empty() => return Ok(false),
            Ok(_) if !fds[0].revents().is_empty() => return Ok(true),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    use subrosa_masker::MaskSet;

    use super::{Masker, pump};

    struct Pumped {
        input: File,
        output: File,
        enough: OwnedFd,
        thread: std::thread::JoinHandle<std::io::Result<Masker>>,
    }

    fn start() -> Pumped {
        let (from, input) = rustix::pipe::pipe().unwrap();
        let (output, to) = rustix::pipe::pipe().unwrap();
        let (watched, enough) = rustix::pipe::pipe().unwrap();
        let masks = Arc::new(MaskSet::empty());
        let to = Masker::pipe(masks, to);
        let thread = std::thread::spawn(move || pump(from, &watched, to));
        Pumped { input: input.into(), output: output.into(), enough, thread }
    }

    #[test]
    fn an_unfinished_line_comes_at_once() {
        let mut pumped = start();
        pumped.input.write_all(b"prompt> ").unwrap();
        let mut seen = [0; 8];
        pumped.output.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"prompt> ");
        drop(pumped.input);
        pumped.thread.join().unwrap().unwrap();
    }

    #[test]
    fn enough_ends_a_pipe_that_somebody_keeps_open() {
        let pumped = start();
        drop(pumped.enough);
        pumped.thread.join().unwrap().unwrap();
        drop(pumped.input);
    }
}
