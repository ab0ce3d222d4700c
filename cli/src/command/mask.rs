//! `mask`: a filter that hides given values, or the secrets of a workflow.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use data_encoding::BASE64;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use subrosa_engine::Purpose;
use subrosa_masker::forms::Form;
use subrosa_masker::{End, MaskSet, MaskWriter, Shape, Tally};
use zeroize::Zeroizing;

use crate::args::mask::MaskArgs;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::out::OutputLost;
use crate::signals::{STOPPING, Signals};
use crate::{load, out, table, text};

/// Bytes that are read at once: few calls, and what was read is still in the processor's cache when it is
/// searched and written.
const BLOCK_LEN: usize = 128 << 10;
/// Where a block begins: the kernel copies a sixth faster to the begin of a cache line than elsewhere.
const BLOCK_ALIGN: usize = 64;

/// Copies standard input to standard output, masked.
pub(crate) fn mask(args: &MaskArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    match &args.values.file {
        Some(file) => mask_with_workflow(args, file, world),
        None => mask_with_values(args, world),
    }
}

fn mask_with_values(args: &MaskArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let path = args.values.secrets_file.as_deref().unwrap_or(Path::new(""));
    let values = read_values(&world.current_dir.join(path))?;
    let masks = MaskSet::new(values.iter().map(|value| value.0.as_slice()), &args.policy());
    let masks = masks.map_err(|error| Failure::new(Exit::INVALID, error.to_string()))?;
    drop(values);
    let found = copy(Arc::new(masks))?;
    if args.report {
        report(&found, |place| format!("#{}", place + 1));
    }
    Ok(Exit::OK)
}

/// With the secrets of a workflow; a signal ends it at any time.
fn mask_with_workflow(args: &MaskArgs, file: &Path, world: &Opener<'_>) -> Result<Exit, Failure> {
    let loaded = load::workflow(file, world)?;
    let host = world.host(args.masking.short())?;
    let options = args.registry.options(Purpose::Exec);
    let runtime = load::runtime()?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::listen(STOPPING)?;
        let resolved = load::resolve(&loaded, &[], &host, options, &mut signals, world);
        let resolved = Box::pin(resolved).await.map_err(|why| why.told(&loaded, world))?;
        let masks = resolved.masks();
        let copying = tokio::task::spawn_blocking(move || copy(masks));
        tokio::select! {
            copied = copying => {
                let broken = |error| Failure::engine(format!("the copy broke off: {error}"));
                let found = copied.map_err(broken)??;
                if args.report {
                    report(&found, |place| resolved.secret_at(place));
                }
                Ok(Exit::OK)
            }
            number = signals.next() => Ok(Exit::signal(number)),
        }
    });
    // A copy that was left waits for input that nobody wants any more.
    runtime.shutdown_background();
    ended
}

/// Copies until the end; says what was masked.
fn copy(masks: Arc<MaskSet>) -> Result<Tally, Failure> {
    // Not the standard library's buffered stream: it would look for the last newline of every slice.
    let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(OutputLost)?;
    let mut writer = MaskWriter::new(masks, File::from(stdout));
    let mut stdin = io::stdin().lock();
    let mut buffer = Zeroizing::new(vec![0; BLOCK_LEN + BLOCK_ALIGN]);
    let start = buffer.as_ptr().align_offset(BLOCK_ALIGN).min(BLOCK_ALIGN);
    let block = &mut buffer[start..start + BLOCK_LEN];
    loop {
        match stdin.read(block) {
            Ok(0) => break,
            Ok(len) => writer.write_all(&block[..len]).map_err(OutputLost)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                writer.finish_cut().map_err(OutputLost)?;
                return Err(Failure::engine(format!("standard input cannot be read: {error}")));
            }
        }
    }
    let (_, found) = writer.finish_counted(End::Whole).map_err(OutputLost)?;
    Ok(found)
}

/// Tells what was masked: names, forms and counts.
fn report(found: &Tally, name: impl Fn(usize) -> String) {
    if found.is_empty() {
        out::stderr("nothing was masked\n");
        return;
    }
    let mut counts: BTreeMap<(usize, String, Shape), u64> = BTreeMap::new();
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for (place, times) in found.iter() {
        // Several needles may belong to one secret: they are counted together, where its first one is.
        let name = name(place.value);
        let first = *first.entry(name.clone()).or_insert(place.value);
        *counts.entry((first, name, place.shape)).or_default() += times;
    }
    let mut rows = vec![["SECRET", "FORM", "OFFSET", "COUNT"].map(str::to_owned).to_vec()];
    rows.extend(counts.iter().map(|((_, name, shape), times)| {
        let offset = match shape {
            Shape::Encoded { form: Form::Base64 | Form::Base64Url, offset } => offset.to_string(),
            Shape::Encoded { .. } | Shape::Value | Shape::Line | Shape::Layout => "-".to_owned(),
        };
        vec![text::shown(name), shape.name().to_owned(), offset, times.to_string()]
    }));
    let lines: String = table::lines(&rows).iter().map(|line| format!("{line}\n")).collect();
    out::stderr(&lines);
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
