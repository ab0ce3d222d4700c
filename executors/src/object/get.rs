//! Fetching an object, and looking at one.

use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::path::Path;
use object_store::{Attribute, Attributes, GetOptions, ObjectMeta};
use serde_json::{Map, Value, json};
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::sink::StepIo;

use super::files::Begun;
use super::keys::say;
use super::store::Store;
use super::wanted::Wanted;

/// Bytes that are gathered before a file is written.
const BATCH_LEN: usize = 1024 * 1024;

/// The name of a step's object, and how messages begin.
pub(super) fn named(
    store: &Store,
    wanted: &Wanted,
    request: &StepRequest,
) -> Result<(Path, String), StepFault> {
    let key = wanted.key.as_ref().ok_or_else(|| StepFault::new("there is no `key`"))?;
    let shown = store.shown(request, wanted.operation.word(), key);
    // What ends with `/` would mean another object.
    let path = Path::parse(key.as_str()).ok().filter(|_| !key.ends_with('/'));
    let path = path.filter(|path| !path.as_ref().is_empty());
    let path = path.ok_or_else(|| {
        StepFault::new(format!("{shown}: this is no name of an object"))
            .help("parts of it, between `/`, are not empty and not `.` or `..`")
    })?;
    Ok((path, shown))
}

/// Fetches an object into a file, or to the step's output.
pub(super) async fn get(
    store: &Store,
    wanted: &Wanted,
    request: &StepRequest,
    io: &mut StepIo,
) -> Result<(), StepFault> {
    let (path, shown) = named(store, wanted, request)?;
    let result = store.objects.get_opts(&path, GetOptions::default()).await;
    let result = result.map_err(|error| store.fault(&error, &shown))?;
    let size = result.meta.size;
    if size > wanted.length_max {
        return Err(too_large(&shown, wanted));
    }
    let mut pieces = result.into_stream();
    let mut sink = match &wanted.destination {
        Some(destination) => Some(Written::new(destination, &path, &shown).await?),
        None => None,
    };
    let mut length = 0_u64;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| store.fault(&error, &shown))?;
        length = length.saturating_add(piece.len() as u64);
        if length > wanted.length_max {
            return Err(too_large(&shown, wanted));
        }
        match &mut sink {
            Some(written) => written.take(piece, &shown).await?,
            None => {
                let (mut out, _) = io.split();
                out.write(&piece).map_err(unwritten)?;
                out.drained().await.map_err(unwritten)?;
            }
        }
    }
    if length != size {
        return Err(StepFault::new(format!("{shown}: the object ended before its end")));
    }
    let Some(written) = sink else {
        return io.tell(format!("{shown}: {length} bytes\n").as_bytes()).map_err(unwritten);
    };
    let to = written.path.clone();
    written.finish(&shown).await?;
    let key = path.as_ref();
    let document = json!({
        "operation": "get", "bucket": store.bucket(), "key": key, "size": length,
        "destination": to.display().to_string(),
    });
    say(document, request, io)
}

fn unwritten(error: std::io::Error) -> StepFault {
    StepFault::new(format!("cannot write the output of the step: {error}"))
}

fn too_large(shown: &str, wanted: &Wanted) -> StepFault {
    let message = format!("{shown}: the object has more than {} bytes", wanted.length_max);
    StepFault::new(message).help(match wanted.destination {
        Some(_) => "`max_bytes` allows more",
        None => "`max_bytes` allows more; `destination` writes it to a file",
    })
}

/// A file that is written while an object comes.
struct Written {
    begun: Begun,
    path: PathBuf,
    batch: Vec<Bytes>,
    batch_len: usize,
}

impl Written {
    async fn new(destination: &FilePath, key: &Path, shown: &str) -> Result<Written, StepFault> {
        let is_folder = destination.as_os_str().as_encoded_bytes().ends_with(b"/");
        let mut path = destination.to_path_buf();
        if is_folder || destination.is_dir() {
            path.push(key.filename().unwrap_or_default());
        }
        let at = path.clone();
        let begun = blocking(move || Begun::new(&at)).await;
        let begun = begun.map_err(|error| broken(shown, &path, &error))?;
        Ok(Written { begun, path, batch: Vec::new(), batch_len: 0 })
    }

    async fn take(&mut self, piece: Bytes, shown: &str) -> Result<(), StepFault> {
        self.batch_len += piece.len();
        self.batch.push(piece);
        if self.batch_len < BATCH_LEN {
            return Ok(());
        }
        self.batch_len = 0;
        let batch = std::mem::take(&mut self.batch);
        // In place: the file goes with this future if the step is stopped.
        let written = self.begun.write(&batch);
        tokio::task::yield_now().await;
        written.map_err(|error| broken(shown, &self.path, &error))
    }

    async fn finish(mut self, shown: &str) -> Result<(), StepFault> {
        let batch = std::mem::take(&mut self.batch);
        let (mut begun, path) = (self.begun, self.path);
        let done = blocking(move || {
            begun.write(&batch)?;
            begun.finish()
        });
        done.await.map_err(|error| broken(shown, &path, &error))
    }
}

fn broken(shown: &str, path: &FilePath, error: &std::io::Error) -> StepFault {
    StepFault::new(format!("{shown}: cannot write `{}`: {error}", path.display()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| std::io::Error::other("it was broken off"))?
}

/// Says what is known of an object.
pub(super) async fn head(
    store: &Store,
    wanted: &Wanted,
    request: &StepRequest,
    io: &mut StepIo,
) -> Result<(), StepFault> {
    let (path, shown) = named(store, wanted, request)?;
    let options = GetOptions { head: true, ..GetOptions::default() };
    let result = store.objects.get_opts(&path, options).await;
    let result = result.map_err(|error| store.fault(&error, &shown))?;
    let mut document = described(&result.meta);
    if let Some(map) = document.as_object_mut() {
        add_attributes(map, &result.attributes);
    }
    say(document, request, io)
}

/// An object as a list shows it.
pub(super) fn described(meta: &ObjectMeta) -> Value {
    json!({
        "key": meta.location.as_ref(),
        "size": meta.size,
        "modified": meta.last_modified.to_rfc3339().replace("+00:00", "Z"),
        "etag": meta.e_tag,
    })
}

fn add_attributes(map: &mut Map<String, Value>, attributes: &Attributes) {
    let mut metadata = Map::new();
    for (attribute, value) in attributes {
        match attribute {
            Attribute::ContentType => {
                map.insert("content_type".to_owned(), json!(value.as_ref()));
            }
            Attribute::Metadata(name) => {
                metadata.insert(name.to_string(), json!(value.as_ref()));
            }
            _ => {}
        }
    }
    if !metadata.is_empty() {
        map.insert("metadata".to_owned(), Value::Object(metadata));
    }
}
