//! Pieces of index files: where one is, and what it must be.
//!
//! Root and branches are maps from a number (0 to 63) to a piece. A piece is checked against the digest
//! in the map that names it, so whoever believes the root may believe every piece reached from it.

use std::collections::BTreeMap;
use std::fmt::Write;

use data_encoding::HEXLOWER;

use crate::crypto::digest;
use crate::error::RegistryError;
use crate::files::Files;

/// The folder of the index files.
pub(crate) const FOLDER: &str = "idx";

/// How many pieces a root or a branch names at most.
pub(crate) const FAN: u8 = 64;

/// No index file is larger; what claims to be is refused before memory is asked for.
const LEN_MAX: u64 = 1 << 30;

/// A range of bytes of an index file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) file: String,
    pub(crate) at: u64,
    pub(crate) len: u64,
    pub(crate) sha256: [u8; 32],
}

impl Piece {
    /// Where it is, for messages and calls.
    pub(crate) fn path(&self) -> String {
        format!("{FOLDER}/{}", self.file)
    }

    /// Reads it, and makes sure that it is what it was.
    pub(crate) fn read(&self, files: &dyn Files) -> Result<Vec<u8>, RegistryError> {
        let path = self.path();
        let bytes = files
            .read_at(&path, self.at, self.len)?
            .ok_or_else(|| RegistryError::Missing { file: files.shown(&path) })?;
        if digest(&bytes) == self.sha256 {
            Ok(bytes)
        } else {
            Err(RegistryError::Damaged { file: files.shown(&path), why: "its digest differs" })
        }
    }

    fn parse(line: &str) -> Option<(u8, Piece)> {
        let mut fields = line.split('\t');
        let number = fields.next().filter(|hex| hex.len() == 2)?;
        let number = u8::from_str_radix(number, 16).ok().filter(|number| *number < FAN)?;
        let file = fields.next().filter(|name| is_index_name(name))?.to_owned();
        let at = fields.next()?.parse().ok()?;
        let len = fields.next()?.parse().ok().filter(|len| *len <= LEN_MAX)?;
        let sha256 = HEXLOWER.decode(fields.next()?.as_bytes()).ok()?.try_into().ok()?;
        fields.next().is_none().then_some((number, Piece { file, at, len, sha256 }))
    }
}

/// Names of index files: the generation and eight random digits.
pub(crate) fn index_name(generation: u64, random: [u8; 4]) -> String {
    format!("{generation:012x}-{}", HEXLOWER.encode(&random))
}

/// Whether a name could be an index file's.
pub(crate) fn is_index_name(name: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    name.split_once('-').is_some_and(|(generation, random)| {
        generation.len() >= 12
            && generation.len() <= 16
            && random.len() == 8
            && hex(generation)
            && hex(random)
    })
}

/// A map of pieces, as root and branches hold one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pieces(pub(crate) BTreeMap<u8, Piece>);

impl Pieces {
    /// Reads lines of number, file, offset, length and digest, numbers rising.
    pub(crate) fn parse(text: &str) -> Option<Pieces> {
        let mut pieces = BTreeMap::new();
        for line in text.lines() {
            let (number, piece) = Piece::parse(line)?;
            if pieces.last_key_value().is_some_and(|(last, _)| *last >= number) {
                return None;
            }
            pieces.insert(number, piece);
        }
        Some(Pieces(pieces))
    }

    /// Writes the lines that [`Pieces::parse`] reads.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.0.len() * 110);
        for (number, Piece { file, at, len, sha256 }) in &self.0 {
            let digest = HEXLOWER.encode(sha256);
            writeln!(text, "{number:02x}\t{file}\t{at}\t{len}\t{digest}")
                .expect("a string takes every text");
        }
        text
    }
}
