//! Messages as lines of a pipe: read in pieces, written as far as the pipe takes them.
//!
//! Buffers leave no copies behind when they grow, and are wiped.

use zeroize::Zeroizing;

use super::message::Bytes;
use crate::chat::events::{Buffer, TooLarge};

/// Lines that come in pieces.
pub(super) struct Lines {
    begun: Buffer,
    pub(super) length_max: usize,
}

impl Lines {
    /// Those that are read up to a length.
    pub(super) fn within(length_max: usize) -> Lines {
        Lines { begun: Buffer::default(), length_max }
    }

    /// Those that end in this piece.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Vec<Bytes>, TooLarge> {
        let mut whole = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                None => self.begun.push_within(part, self.length_max)?,
                Some(rest) => {
                    self.begun.push_within(rest, self.length_max)?;
                    whole.push(self.begun.empty());
                }
            }
        }
        Ok(whole)
    }
}

/// What is to be written.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Bytes,
    /// So much of it is gone.
    pub(super) sent: usize,
}

impl Outbox {
    /// Adds a message, in a buffer that leaves no copies behind.
    pub(super) fn add(&mut self, message: &[u8]) {
        let rest = self.rest();
        let mut bytes = Zeroizing::new(Vec::with_capacity(rest.len() + message.len() + 1));
        bytes.extend_from_slice(rest);
        bytes.extend_from_slice(message);
        bytes.push(b'\n');
        *self = Outbox { bytes, sent: 0 };
    }

    /// What is left to write.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Outbox};

    fn check(pieces: &[&str], expected: Option<&[&str]>) {
        let mut lines = Lines::within(4);
        let mut found = Vec::new();
        for piece in pieces {
            match lines.take(piece.as_bytes()) {
                Ok(more) => found.extend(more),
                Err(_) => return assert_eq!(expected, None, "{pieces:?}"),
            }
        }
        let found: Vec<_> = found.iter().map(|line| std::str::from_utf8(line).unwrap()).collect();
        assert_eq!(Some(found.as_slice()), expected, "{pieces:?}");
    }

    #[test]
    fn lines_come_in_pieces_and_are_bounded() {
        check(&["a\nb", "c\n", "d"], Some(&["a", "bc"]));
        check(&["\n\n1234\n"], Some(&["", "", "1234"]));
        check(&["123", "45\n"], None);
        check(&["12345"], None);
    }

    #[test]
    fn what_was_sent_is_not_sent_again() {
        let mut outbox = Outbox::default();
        outbox.add(b"abc");
        outbox.sent = 2;
        outbox.add(b"d");
        assert_eq!(outbox.rest(), b"c\nd\n");
    }
}
