//! Copies what a child writes through the masker to one of our streams.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use subrosa_masker::{MaskSet, MaskWriter};

const CHUNK_LEN: usize = 64 * 1024;

/// Copies until `from` ends, `enough` is closed on its other side, or nobody reads `to` any more.
/// What cannot become part of a secret any more is written at once, with or without a newline; how to
/// end the rest is for the caller, who knows how the child ended.
pub(super) fn pump(
    from: OwnedFd,
    enough: &OwnedFd,
    masks: Arc<MaskSet>,
    to: OwnedFd,
) -> io::Result<MaskWriter<File>> {
    let mut from = File::from(from);
    let mut to = MaskWriter::new(masks, File::from(to));
    let mut chunk = vec![0; CHUNK_LEN];
    while is_readable(&from, enough)? {
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
        to.write_all(&chunk[..length])?;
        to.flush()?;
    }
    Ok(to)
}

/// Waits for bytes (or the end) of `from`; false if that is no longer wanted.
fn is_readable(from: &File, enough: &OwnedFd) -> io::Result<bool> {
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(enough.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, None) {
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

    use subrosa_masker::{MaskSet, MaskWriter};

    use super::pump;

    struct Pumped {
        input: File,
        output: File,
        enough: OwnedFd,
        thread: std::thread::JoinHandle<std::io::Result<MaskWriter<File>>>,
    }

    fn start() -> Pumped {
        let (from, input) = rustix::pipe::pipe().unwrap();
        let (output, to) = rustix::pipe::pipe().unwrap();
        let (watched, enough) = rustix::pipe::pipe().unwrap();
        let masks = Arc::new(MaskSet::empty());
        let thread = std::thread::spawn(move || pump(from, &watched, masks, to));
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
