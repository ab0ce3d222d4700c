//! Lines of a plugin, bounded, in memory that is wiped.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};
use zeroize::Zeroizing;

/// A value of 1 MiB is 1.4 MB of base64; the rest of a message is small.
pub(super) const LINE_LEN_MAX: usize = 2 * 1024 * 1024;

/// Why there is no further line.
#[derive(Debug)]
pub(super) enum End {
    /// The output ended.
    Closed,
    /// A line has no end within the bound.
    TooLong,
    /// Reading failed.
    Io(io::Error),
}

/// Reads lines. Nothing is lost when a read is called off.
pub(super) struct Lines<R> {
    stream: R,
    buffer: Zeroizing<Vec<u8>>,
    /// How far the buffer is filled.
    filled: usize,
    /// How far it was searched for a line's end.
    searched: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(stream: R) -> Lines<R> {
        Lines { stream, buffer: Zeroizing::new(vec![0; 8 * 1024]), filled: 0, searched: 0 }
    }

    /// The next line, without its end. What follows the last line end is no line.
    pub(super) async fn next(&mut self) -> Result<Zeroizing<Vec<u8>>, End> {
        loop {
            let fresh = &self.buffer[self.searched..self.filled];
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                let end = self.searched + at;
                return if end > LINE_LEN_MAX { Err(End::TooLong) } else { Ok(self.take(end)) };
            }
            self.searched = self.filled;
            if self.filled > LINE_LEN_MAX {
                return Err(End::TooLong);
            }
            self.grow();
            match self.stream.read(&mut self.buffer[self.filled..]).await {
                Ok(0) => return Err(End::Closed),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(End::Io(error)),
            }
        }
    }

    /// Takes what stands before `end`, and the line end there.
    fn take(&mut self, end: usize) -> Zeroizing<Vec<u8>> {
        let line = Zeroizing::new(self.buffer[..end].to_vec());
        self.buffer.copy_within(end + 1..self.filled, 0);
        self.filled -= end + 1;
        self.searched = 0;
        line
    }

    /// Makes room, and wipes where the bytes were.
    fn grow(&mut self) {
        if self.filled == self.buffer.len() {
            let mut larger = Zeroizing::new(vec![0; 2 * self.buffer.len()]);
            larger[..self.filled].copy_from_slice(&self.buffer);
            self.buffer = larger;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use tokio::io::AsyncWriteExt;

    use super::{End, LINE_LEN_MAX, Lines};

    fn in_runtime<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    proptest! {
        #[test]
        fn lines_come_out_however_they_were_cut(
            texts in proptest::collection::vec("[a-z]{0,9000}|[a-z]{0,3}", 0..4),
            pipe in 1_usize..9000,
            rest in any::<bool>(),
        ) {
            let whole: String = texts.iter().map(|text| format!("{text}\n")).collect();
            let found = in_runtime(async {
                let (mut write, read) = tokio::io::duplex(pipe);
                let tail = if rest { "rest" } else { "" };
                let text = format!("{whole}{tail}");
                let writing = tokio::spawn(async move { write.write_all(text.as_bytes()).await });
                let mut lines = Lines::new(read);
                let mut found = Vec::new();
                let end = loop {
                    match lines.next().await {
                        Ok(line) => found.push(String::from_utf8(line.to_vec()).unwrap()),
                        Err(end) => break end,
                    }
                };
                writing.await.unwrap().unwrap();
                assert!(matches!(end, End::Closed));
                found
            });
            assert_eq!(found, texts);
        }
    }

    #[test]
    fn a_line_is_bounded() {
        let read = |length: usize| {
            let text = [vec![b'x'; length], b"\n".to_vec()].concat();
            in_runtime(async { Lines::new(text.as_slice()).next().await })
        };
        assert_eq!(read(LINE_LEN_MAX).unwrap().len(), LINE_LEN_MAX);
        assert!(matches!(read(LINE_LEN_MAX + 1), Err(End::TooLong)));
    }
}
