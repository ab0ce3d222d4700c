//! Redirects to pipes and devices, whose reader may be slow or stand still.
//!
//! What such a target does not take at once waits here, and so does the step: the next of its output is read
//! when the target has taken all. Nobody else waits; how long to do so is for the caller.

use std::fs::File;
use std::io;

use rustix::fs::{OFlags, fcntl_setfl};
use tokio::net::unix::pipe::Sender;

use super::Target;

/// A target that may be full.
pub(crate) struct SlowTarget {
    /// Devices are waited for as pipes are.
    pipe: Sender,
    /// What is masked and not taken yet.
    waiting: Vec<u8>,
}

impl Target {
    /// A pipe or a device that was opened not to block. One that is never full cannot be waited for and is
    /// written like a file.
    pub(crate) fn slow(file: File) -> io::Result<Target> {
        match Sender::from_file_unchecked(file.try_clone()?) {
            Ok(pipe) => Ok(Target::Slow(SlowTarget { pipe, waiting: Vec::new() })),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                fcntl_setfl(&file, OFlags::APPEND)?;
                Ok(Target::Open(file))
            }
            Err(error) => Err(error),
        }
    }
}

impl SlowTarget {
    /// Takes bytes, which wait until they are drained.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Waits until all is taken. Given up in between, it keeps what was not.
    pub(crate) async fn drained(&mut self) -> io::Result<()> {
        while self.is_waiting() {
            self.pipe.writable().await?;
            match self.pipe.try_write(&self.waiting) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => drop(self.waiting.drain(..len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
