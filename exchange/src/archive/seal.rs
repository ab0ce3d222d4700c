//! Writes archives.
//!
//! Nothing but names and contents goes in, so equal entries make equal plaintexts.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use age::stream::StreamWriter;
use tar::{EntryType, Header};

use super::{ArchiveError, BLOCK_LEN, EntryName, Recipients};

/// An archive under construction. One that is dropped before [`ArchiveWriter::finish`] cannot be opened.
pub struct ArchiveWriter<W: Write> {
    stream: StreamWriter<W>,
    names: HashSet<String>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Adds a file of `size` bytes, reading it to its end.
    ///
    /// # Errors
    /// If it is longer or shorter, its name was there before, or reading or writing fails; the archive
    /// is then to be dropped.
    pub fn add(
        &mut self,
        name: &EntryName,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), ArchiveError> {
        if !self.names.insert(name.folded()) {
            return Err(ArchiveError::Twice { name: name.clone() });
        }
        self.put(header(name, size).as_bytes())?;
        let mut left = size;
        let mut buffer = [0; 16 * BLOCK_LEN];
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(ArchiveError::Entry { name: name.clone(), source }),
            };
            left = left
                .checked_sub(count as u64)
                .ok_or_else(|| ArchiveError::SizeChanged { name: name.clone() })?;
            self.put(&buffer[..count])?;
        }
        if left > 0 {
            return Err(ArchiveError::SizeChanged { name: name.clone() });
        }
        self.put(&[0; BLOCK_LEN][..super::padding(size)])
    }

    /// Writes the end and gives the stream below back. Making it durable is the caller's business.
    ///
    /// # Errors
    /// If the stream below fails.
    pub fn finish(mut self) -> Result<W, ArchiveError> {
        self.put(&[0; 2 * BLOCK_LEN])?;
        let mut output = self.stream.finish().map_err(ArchiveError::Io)?;
        output.flush().map_err(ArchiveError::Io)?;
        Ok(output)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.stream.write_all(bytes).map_err(ArchiveError::Io)
    }
}

/// Begins an archive that `recipients` can open.
///
/// # Errors
/// If there are none, or the stream below fails.
pub fn seal<W: Write>(
    output: W,
    recipients: &Recipients,
) -> Result<ArchiveWriter<W>, ArchiveError> {
    let stream = recipients.encryptor()?.wrap_output(output).map_err(ArchiveError::Io)?;
    Ok(ArchiveWriter { stream, names: HashSet::new() })
}

/// Encrypts one text as it is, without an archive around it: what `age -d` gives back.
///
/// # Errors
/// If there are no recipients.
pub fn encrypt(plain: &[u8], recipients: &Recipients) -> Result<Vec<u8>, ArchiveError> {
    let mut stream = recipients.encryptor()?.wrap_output(Vec::new()).map_err(ArchiveError::Io)?;
    stream.write_all(plain).map_err(ArchiveError::Io)?;
    stream.finish().map_err(ArchiveError::Io)
}

fn header(name: &EntryName, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_path(name.as_str()).expect("names are relative and fit: EntryName::parse checks it");
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(size);
    for set in [Header::set_mtime, Header::set_uid, Header::set_gid] {
        set(&mut header, 0);
    }
    header.set_cksum();
    header
}
