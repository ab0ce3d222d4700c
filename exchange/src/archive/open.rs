//! Reads archives.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use age::stream::StreamReader;
use tar::{EntryType, Header};

use super::key::{error, stream_error};
use super::{ArchiveError, BLOCK_LEN, EntryName, Identity};

/// Two hundred recipients; age itself would read on without end.
const HEADER_LEN_MAX: usize = 32 << 10;

/// Opens an archive and hands each file to `entry` as a name, a size and its bytes, which come
/// authenticated piece by piece. Only when this returns is it known that the archive was whole and
/// nothing was added: until then no file is to be put to use. What `entry` leaves unread is passed
/// over. `bytes_max` bounds all that is inside, headers included.
///
/// # Errors
/// [`ArchiveError`]; after the first one nothing more is handed on.
pub fn unseal<R: Read>(
    input: R,
    identity: &Identity,
    bytes_max: u64,
    entry: &mut dyn FnMut(&EntryName, u64, &mut dyn Read) -> io::Result<()>,
) -> Result<(), ArchiveError> {
    let input = with_bounded_header(input)?;
    let decryptor = age::Decryptor::new_buffered(input).map_err(error)?;
    let stream = identity.decrypt(decryptor)?;
    let mut archive = Archive { stream, left: bytes_max, bytes_max };
    let mut names = HashSet::new();
    while let Some((name, size)) = archive.next_header()? {
        if !names.insert(name.folded()) {
            return Err(ArchiveError::Twice { name });
        }
        archive.spend(size)?;
        let mut content = Content { archive: &mut archive, left: size, failed: None };
        let handed = entry(&name, size, &mut content);
        if handed.is_ok() {
            content.skip();
        }
        if let Some(failed) = content.failed {
            return Err(stream_error(failed));
        }
        handed.map_err(|source| ArchiveError::Entry { name, source })?;
        archive.skip_padding(size)?;
    }
    archive.expect_end()
}

/// Reads the header, which ends with the line `--- MAC`, so that age meets no more than that.
fn with_bounded_header<R: Read>(input: R) -> Result<impl BufRead, ArchiveError> {
    let mut input = BufReader::new(input);
    let mut header = Vec::new();
    let mut line_start = 0;
    loop {
        let mut byte = [0];
        match input.read_exact(&mut byte) {
            Ok(()) => header.push(byte[0]),
            Err(failed) if header.is_empty() && failed.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ArchiveError::NotAnArchive("it is empty"));
            }
            Err(failed) => return Err(stream_error(failed)),
        }
        let line = &header[line_start..];
        if line_start == 0 {
            check_first_line(line)?;
        }
        if byte == [b'\n'] {
            if line.starts_with(b"---") {
                return Ok(Cursor::new(header).chain(input));
            }
            line_start = header.len();
        }
        if header.len() >= HEADER_LEN_MAX {
            return Err(ArchiveError::NotAnArchive("its header has no end"));
        }
    }
}

fn check_first_line(line: &[u8]) -> Result<(), ArchiveError> {
    const MAGIC: &[u8] = b"age-encryption.org/";
    const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
    let begins = |whole: &[u8]| whole.iter().zip(line).all(|(a, b)| a == b);
    if begins(MAGIC) {
        return Ok(());
    }
    if !begins(ARMOR) {
        return Err(ArchiveError::NotAnArchive("it does not begin like an age file"));
    }
    if line.len() >= ARMOR.len() {
        return Err(ArchiveError::NotAnArchive("it is armored as text"));
    }
    Ok(())
}

struct Archive<R: Read> {
    stream: StreamReader<R>,
    /// Bytes that may still come.
    left: u64,
    bytes_max: u64,
}

impl<R: Read> Archive<R> {
    /// The name and size of the next file, `None` at the end.
    fn next_header(&mut self) -> Result<Option<(EntryName, u64)>, ArchiveError> {
        let block = self.block()?;
        if block == [0; BLOCK_LEN] {
            return if self.block()? == [0; BLOCK_LEN] {
                Ok(None)
            } else {
                Err(ArchiveError::Content("something follows its end"))
            };
        }
        let header = Header::from_byte_slice(&block);
        if header.cksum().ok() != Some(checksum(&block)) {
            return Err(ArchiveError::Content("a header that does not add up"));
        }
        if !matches!(header.entry_type(), EntryType::Regular) {
            return Err(ArchiveError::Content("something else than a regular file"));
        }
        let path = header.path_bytes();
        let name = std::str::from_utf8(&path).ok().and_then(|path| EntryName::parse(path).ok());
        let name = name.ok_or(ArchiveError::Content("a name that leads elsewhere"))?;
        let size = header.entry_size();
        let size = size.map_err(|_| ArchiveError::Content("a header without a size"))?;
        Ok(Some((name, size)))
    }

    fn block(&mut self) -> Result<[u8; BLOCK_LEN], ArchiveError> {
        self.spend(BLOCK_LEN as u64)?;
        let mut block = [0; BLOCK_LEN];
        self.stream.read_exact(&mut block).map_err(stream_error)?;
        Ok(block)
    }

    fn spend(&mut self, count: u64) -> Result<(), ArchiveError> {
        let too_large = ArchiveError::TooLarge { bytes_max: self.bytes_max };
        self.left = self.left.checked_sub(count).ok_or(too_large)?;
        Ok(())
    }

    fn skip_padding(&mut self, size: u64) -> Result<(), ArchiveError> {
        let count = super::padding(size);
        self.spend(count as u64)?;
        self.stream.read_exact(&mut [0; BLOCK_LEN][..count]).map_err(stream_error)
    }

    /// Reads to the last piece, which says that it is the last; other tools fill up with zeros.
    fn expect_end(&mut self) -> Result<(), ArchiveError> {
        let mut buffer = [0; 16 * BLOCK_LEN];
        loop {
            let count = match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(failed) if failed.kind() == io::ErrorKind::Interrupted => continue,
                Err(failed) => return Err(stream_error(failed)),
            };
            self.spend(count as u64)?;
            if buffer[..count].iter().any(|byte| *byte != 0) {
                return Err(ArchiveError::Content("something follows its end"));
            }
        }
    }
}

/// The sum of a header's bytes, those of the sum itself counted as spaces.
fn checksum(block: &[u8; BLOCK_LEN]) -> u32 {
    let place = 148..156;
    let byte = |(at, byte): (usize, &u8)| u32::from(if place.contains(&at) { b' ' } else { *byte });
    block.iter().enumerate().map(byte).sum()
}

/// The bytes of one file. Keeps the stream's own failure apart from those of the caller's closure.
struct Content<'a, R: Read> {
    archive: &'a mut Archive<R>,
    left: u64,
    failed: Option<io::Error>,
}

impl<R: Read> Content<'_, R> {
    /// Reads what is left; a failure is kept in `failed`.
    fn skip(&mut self) {
        if io::copy(self, &mut io::sink()).is_err() {
            debug_assert!(self.failed.is_some(), "only the stream fails, and that is kept");
        }
    }
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let result = match self.archive.stream.read(&mut buffer[..most]) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        match result {
            Ok(count) => {
                self.left -= count as u64;
                Ok(count)
            }
            Err(failed) if failed.kind() == io::ErrorKind::Interrupted => Err(failed),
            Err(failed) => {
                let kind = failed.kind();
                self.failed = Some(failed);
                Err(kind.into())
            }
        }
    }
}
