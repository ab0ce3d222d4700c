//! Searches a stream of any length in bounded memory.
//!
//! The stream is read in pieces; the end of each stays in the buffer for as long as a needle may reach
//! over it, so what is found does not depend on where the pieces end. Lines and columns count from 1,
//! columns are bytes.

use std::cmp::Reverse;
use std::io::{self, Read};
use std::ops::Range;

use zeroize::Zeroizing;

use super::matcher::{Hit, How, Matcher};

/// How much is read at a time, at least.
const PIECE_LEN: usize = 256 * 1024;
/// How many hits of one stream are kept; a file that is full of a value is told of without them all.
const HITS_MAX: usize = 1000;

/// What is in one stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// The places, in their order.
    pub(crate) places: Vec<Place>,
    /// Whether the search was given up because there were too many.
    pub(crate) is_cut: bool,
}

/// A place where a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: u64,
    /// The number of the secret.
    pub(crate) secret: usize,
    /// How the value stands there.
    pub(crate) how: How,
    bytes: Range<u64>,
}

/// Where a byte is.
#[derive(Clone, Copy)]
struct Position {
    offset: u64,
    line: u64,
    line_start: u64,
}

impl Position {
    const START: Position = Position { offset: 0, line: 1, line_start: 0 };

    fn advance(&mut self, bytes: &[u8]) {
        let newlines = bytes.iter().filter(|&&byte| byte == b'\n').count();
        self.line += newlines as u64;
        if let Some(last) = bytes.iter().rposition(|&byte| byte == b'\n') {
            self.line_start = self.offset + last as u64 + 1;
        }
        self.offset += bytes.len() as u64;
    }
}

/// Searches one stream after another.
pub(crate) struct Search<'a> {
    matcher: &'a Matcher,
    buffer: Zeroizing<Vec<u8>>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(matcher: &'a Matcher) -> Search<'a> {
        // At least half of what is searched each time is new, however long the needles are.
        Search::with_piece(matcher, PIECE_LEN.max(matcher.len_max()))
    }

    /// Reads pieces of this length.
    pub(crate) fn with_piece(matcher: &'a Matcher, piece_len: usize) -> Search<'a> {
        // A needle, the byte before it, and the byte after it.
        let len = matcher.len_max() + 2 + piece_len;
        Search { matcher, buffer: Zeroizing::new(vec![0; len]) }
    }

    /// Finds every place in `stream`, in their order, and shows the first piece to `inspect`.
    ///
    /// A place inside another one of the same secret is left out: the lines of a value that is there
    /// whole.
    pub(crate) fn places(
        &mut self,
        mut stream: impl Read,
        inspect: impl FnOnce(&[u8]),
    ) -> io::Result<Places> {
        let mut inspect = Some(inspect);
        let mut places = Vec::new();
        let mut position = Position::START;
        let (mut filled, mut done) = (0, 0);
        loop {
            let is_end = fill(&mut stream, &mut self.buffer, &mut filled)?;
            let piece = &self.buffer[..filled];
            if let Some(inspect) = inspect.take() {
                inspect(piece);
            }
            // Whether a word ends with the last byte is known with the next one.
            let end = if is_end { filled } else { filled - 1 };
            self.collect(piece, done..end, position, &mut places);
            if is_end || places.len() >= HITS_MAX {
                // The stream may be one of several behind each other.
                io::copy(&mut stream, &mut io::sink())?;
                let is_cut = places.len() >= HITS_MAX;
                return Ok(Places { places: outermost(places), is_cut });
            }
            let kept = end.saturating_sub(self.matcher.len_max());
            position.advance(&self.buffer[..kept]);
            self.buffer.copy_within(kept..filled, 0);
            (filled, done) = (filled - kept, end - kept);
        }
    }

    /// Adds the hits whose last byte is in `ends`.
    fn collect(&self, piece: &[u8], ends: Range<usize>, from: Position, places: &mut Vec<Place>) {
        let mut hits: Vec<Hit> = Vec::new();
        self.matcher.each_hit(piece, |hit| {
            if ends.start < hit.end && hit.end <= ends.end && hits.len() < HITS_MAX {
                hits.push(hit);
            }
        });
        hits.sort_by_key(|hit| hit.start);
        let (mut position, mut at) = (from, 0);
        for hit in hits {
            position.advance(&piece[at..hit.start]);
            at = hit.start;
            places.push(Place {
                line: position.line,
                column: position.offset - position.line_start + 1,
                secret: hit.secret,
                how: hit.how,
                bytes: from.offset + hit.start as u64..from.offset + hit.end as u64,
            });
        }
    }
}

/// Reads until the buffer is full; whether the stream has ended before.
fn fill(stream: &mut impl Read, buffer: &mut [u8], filled: &mut usize) -> io::Result<bool> {
    while *filled < buffer.len() {
        match stream.read(&mut buffer[*filled..]) {
            Ok(0) => return Ok(true),
            Ok(count) => *filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn outermost(mut places: Vec<Place>) -> Vec<Place> {
    places.sort_by_key(|place| (place.secret, place.bytes.start, Reverse(place.bytes.end)));
    let mut around: Option<(usize, u64)> = None;
    places.retain(|place| match around {
        Some((secret, end)) if secret == place.secret && place.bytes.end <= end => false,
        _ => {
            around = Some((place.secret, place.bytes.end));
            true
        }
    });
    places.sort_by_key(|place| (place.bytes.start, place.secret));
    places
}
