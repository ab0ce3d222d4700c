//! `mask`: a filter that hides given values.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use data_encoding::BASE64;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use subrosa_masker::{MaskSet, MaskWriter};
use zeroize::Zeroizing;

use crate::args::mask::MaskArgs;
use crate::failure::{Exit, Failure};
use crate::out::OutputLost;
use crate::text;
use crate::wiring::World;

/// Bytes that are read at once: few calls, and what was read is still in the processor's cache when it is
/// searched and written.
const BLOCK_LEN: usize = 128 << 10;

/// Copies standard input to standard output, masked.
pub(crate) fn mask(args: &MaskArgs, world: &World) -> Result<Exit, Failure> {
    let values = read_values(&world.current_dir.join(&args.secrets_file))?;
    let masks = MaskSet::new(values.iter().map(|value| value.0.as_slice()), &args.policy());
    let masks = masks.map_err(|error| Failure::new(Exit::INVALID, error.to_string()))?;
    drop(values);
    // Not the standard library's buffered stream: it would look for the last newline of every slice.
    let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(OutputLost)?;
    let mut writer = MaskWriter::new(Arc::new(masks), File::from(stdout));
    let mut stdin = io::stdin().lock();
    let mut block = Zeroizing::new(vec![0; BLOCK_LEN]);
    loop {
        match stdin.read(&mut block) {
            Ok(0) => break,
            Ok(len) => writer.write_all(&block[..len]).map_err(OutputLost)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                writer.finish_cut().map_err(OutputLost)?;
                return Err(Failure::engine(format!("standard input cannot be read: {error}")));
            }
        }
    }
    writer.finish().map_err(OutputLost)?;
    Ok(Exit::OK)
}

fn read_values(path: &Path) -> Result<Vec<SecretBytes>, Failure> {
    let shown = text::shown(&path.display().to_string()).to_string();
    let invalid = |what: String| Failure::new(Exit::INVALID, format!("`{shown}`: {what}"));
    let bytes = fs::read(path).map(Zeroizing::new).map_err(|error| invalid(error.to_string()))?;
    // Only the place: the message of the parser may quote what it found.
    serde_json::from_slice(&bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        invalid(format!(
            "line {line}, column {column}: wanted a JSON array of strings or of `{{\"b64\": \"...\"}}`"
        ))
    })
}

/// A value of the file, wiped when dropped.
struct SecretBytes(Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecretBytes, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretBytes;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string or an object with `b64`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretBytes, E> {
        Ok(SecretBytes(Zeroizing::new(text.as_bytes().to_vec())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretBytes, A::Error> {
        let Some((key, SecretBytes(digits))) = map.next_entry::<String, SecretBytes>()? else {
            return Err(A::Error::custom("no `b64`"));
        };
        let has_more = map.next_key::<String>()?.is_some();
        let bytes = BASE64.decode(&digits).ok().filter(|_| key == "b64" && !has_more);
        bytes
            .map(|bytes| SecretBytes(Zeroizing::new(bytes)))
            .ok_or_else(|| A::Error::custom("no `b64`"))
    }
}
