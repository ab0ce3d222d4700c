//! Copies what a child writes through the masker to one of our streams.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use subrosa_engine::MaskFile;
use subrosa_masker::{End, MaskSet};
use zeroize::Zeroizing;

use super::masker::Masker;

const CHUNK_LEN: usize = 64 * 1024;

/// What hides values in the streams of a child.
#[derive(Clone)]
pub(crate) struct Hiding {
    /// The masks when the child is started.
    pub(crate) masks: Arc<MaskSet>,
    /// Where the child registers more values.
    pub(crate) late: Option<Arc<MaskFile>>,
}

/// One of our streams, behind the masks.
pub(super) struct Masked {
    to: Masker,
    hiding: Hiding,
    /// What the child registered cannot be read: the rest of its output is not shown.
    refused: bool,
}

impl Masked {
    /// A stream that is read as it comes.
    pub(super) fn pipe(hiding: Hiding, to: OwnedFd) -> Masked {
        let to = Masker::pipe(hiding.masks.clone(), to);
        Masked { to, hiding, refused: false }
    }

    /// A stream that is a terminal.
    pub(super) fn terminal(hiding: Hiding, to: OwnedFd, shows_starts: bool) -> Masked {
        let to = Masker::terminal(hiding.masks.clone(), to, shows_starts);
        Masked { to, hiding, refused: false }
    }

    /// Writes a piece that was just read; what was registered before it was written is hidden in it.
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        if let Some(late) = &self.hiding.late {
            self.refused |= late.look().is_err();
        }
        if self.refused {
            return Ok(());
        }
        self.renew()?;
        self.to.write(piece)
    }

    fn renew(&mut self) -> io::Result<()> {
        let newest = self.hiding.late.as_ref().map(|late| late.masks());
        match newest.filter(|newest| !Arc::ptr_eq(newest, &self.hiding.masks)) {
            Some(newest) => {
                self.hiding.masks = newest.clone();
                self.to.set_masks(newest)
            }
            None => Ok(()),
        }
    }

    /// Ends the stream of a child that is gone, and whose last registrations were read.
    pub(super) fn finish(mut self, end: End) -> io::Result<()> {
        self.renew()?;
        let end = if self.refused { End::Cut } else { end };
        self.to.finish(end)
    }
}

/// Copies until `from` ends, `enough` is closed on its other side, or nobody reads `to` any more.
/// What cannot become part of a secret any more is written at once, with or without a newline; how to
/// end the rest is for the caller, who knows how the child ended. Output that may not be shown is read
/// all the same: a child in a terminal would wait for ever.
pub(super) fn pump(from: OwnedFd, enough: &OwnedFd, mut to: Masked) -> io::Result<Masked> {
    let mut from = File::from(from);
    let mut chunk = Zeroizing::new(vec![0; CHUNK_LEN]);
    while is_readable(&from, enough, &mut to.to)? {
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

    use super::{Hiding, Masked, pump};

    struct Pumped {
        input: File,
        output: File,
        enough: OwnedFd,
        thread: std::thread::JoinHandle<std::io::Result<Masked>>,
    }

    fn start() -> Pumped {
        let (from, input) = rustix::pipe::pipe().unwrap();
        let (output, to) = rustix::pipe::pipe().unwrap();
        let (watched, enough) = rustix::pipe::pipe().unwrap();
        let hiding = Hiding { masks: Arc::new(MaskSet::empty()), late: None };
        let to = Masked::pipe(hiding, to);
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
