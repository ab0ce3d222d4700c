//! Events of a server (`text/event-stream`): what stands in their `data`, however it comes in pieces.

use zeroize::Zeroizing;

/// Bytes that one event may have.
pub(crate) const EVENT_LEN_MAX: usize = 1024 * 1024;

/// An event is larger than allowed.
pub(crate) struct TooLarge;

/// Takes the stream in pieces.
pub(crate) struct Events {
    length_max: usize,
    line: Buffer,
    data: Buffer,
    has_data: bool,
}

/// The data of an event.
pub(crate) type Data = Zeroizing<Vec<u8>>;

impl Default for Events {
    fn default() -> Events {
        Events::within(EVENT_LEN_MAX)
    }
}

impl Events {
    /// Takes events of so many bytes at most.
    pub(crate) fn within(length_max: usize) -> Events {
        Events { length_max, line: Buffer::default(), data: Buffer::default(), has_data: false }
    }

    /// The events that end in this piece.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<Vec<Data>, TooLarge> {
        let mut ended = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                None => self.line.push_within(part, self.length_max)?,
                Some(rest) => {
                    self.line.push_within(rest, self.length_max)?;
                    ended.extend(self.line_ended()?);
                }
            }
        }
        Ok(ended)
    }

    /// The event that the stream ended in: some servers leave the last empty line out.
    pub(crate) fn rest(&mut self) -> Result<Option<Data>, TooLarge> {
        let last = self.line_ended()?;
        Ok(last.or_else(|| self.event()))
    }

    fn line_ended(&mut self) -> Result<Option<Data>, TooLarge> {
        let line = self.line.empty();
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.is_empty() {
            return Ok(self.event());
        }
        if let Some(data) = line.strip_prefix(b"data:") {
            if self.has_data {
                self.data.push_within(b"\n", self.length_max)?;
            }
            let data = data.strip_prefix(b" ").unwrap_or(data);
            self.data.push_within(data, self.length_max)?;
            self.has_data = true;
        }
        Ok(None)
    }

    fn event(&mut self) -> Option<Data> {
        std::mem::take(&mut self.has_data).then(|| self.data.empty())
    }
}

/// Bytes that leave no copies behind when they grow.
#[derive(Default)]
pub(crate) struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    /// Adds bytes unless there are too many then.
    pub(crate) fn push_within(&mut self, bytes: &[u8], length_max: usize) -> Result<(), TooLarge> {
        let length = self.0.len() + bytes.len();
        if length > length_max {
            return Err(TooLarge);
        }
        if length > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(length * 2));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    /// All of it; nothing stays.
    pub(crate) fn empty(&mut self) -> Data {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{EVENT_LEN_MAX, Events};

    fn events(pieces: &[&[u8]]) -> Option<Vec<String>> {
        let mut events = Events::default();
        let mut all = Vec::new();
        for piece in pieces {
            all.extend(events.take(piece).ok()?);
        }
        all.extend(events.rest().ok()?);
        Some(all.iter().map(|data| String::from_utf8_lossy(data).into_owned()).collect())
    }

    #[test]
    fn data_is_told_event_by_event() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(events(&[text.as_bytes()]).unwrap(), expected, "{text:?}");
            for cut in 0..=text.len() {
                let (one, other) = text.as_bytes().split_at(cut);
                assert_eq!(events(&[one, other]).unwrap(), expected, "{text:?} at {cut}");
            }
        };
        check("data: a\n\ndata: b\n\n", &["a", "b"]);
        check("event: x\r\nid: 7\r\ndata:a\r\n\r\n: a comment\r\n\r\ndata: b\r\n\r\n", &["a", "b"]);
        check("data: a\ndata: b\n\n\n\n", &["a\nb"]);
        check("data: a\n\ndata: b", &["a", "b"]);
        check("data:\n\n", &[""]);
        check("event: ping\n\n", &[]);
        check("", &[]);
    }

    #[test]
    fn an_event_has_its_bound() {
        let most = vec![b'x'; EVENT_LEN_MAX - 5];
        assert_eq!(events(&[b"data:", &most, b"\n\n"]).unwrap()[0].len(), most.len());
        assert!(events(&[b"data:", &most, b"x"]).is_none());
        let line = [b"data:", most.as_slice(), b"\n"].concat();
        assert!(events(&[&line, &line]).is_none());
    }
}
