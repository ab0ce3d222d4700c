//! Storing an object: in one request, or in parts that are taken back if they do not become whole.

use std::fs::File;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, MultipartUpload, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    UploadPart,
};
use serde_json::json;
use subrosa_engine::executor::ExitHow;
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::sink::StepIo;

use super::files::{begin, part};
use super::get::named;
use super::keys::say;
use super::store::Store;
use super::wanted::{Content, Wanted};

/// Bytes of a part, and of an object that is stored in one.
const PART_LEN: u64 = 8 * 1024 * 1024;
/// Parts that an object may have: 10,000 at S3.
const PARTS_MAX: u64 = 9_000;
/// Parts under way at a time.
const PARTS_AT_ONCE: usize = 3;
/// How long taking an upload back may take, beyond which the store is left to do it.
const ABORT_MAX: Duration = Duration::from_secs(10);

/// Stores an object.
pub(super) async fn put(
    store: &Store,
    wanted: &Wanted,
    request: &StepRequest,
    io: &mut StepIo,
) -> Result<ExitHow, StepFault> {
    let (path, shown) = named(store, wanted, request)?;
    let Some(content) = &wanted.content else {
        return Err(StepFault::new(format!("{shown}: there is nothing to store")));
    };
    let small = match content {
        Content::Bytes(bytes) => Bytes::copy_from_slice(bytes),
        Content::File(source) => {
            let source = source.clone();
            let unreadable = |error: std::io::Error| {
                let place = source.display();
                StepFault::new(format!("{shown}: cannot read the file `{place}`: {error}"))
            };
            let (file, length) = begin(&source).map_err(&unreadable)?;
            if length > PART_LEN {
                if wanted.is_if_absent {
                    let message = format!("{shown}: `if_absent` of more than 8 MiB");
                    return Err(StepFault::new(message)
                        .help("what is stored in parts replaces what is there"));
                }
                let large = Large { store, request, shown: &shown, path: &path, wanted };
                return large.put(file, length, io).await;
            }
            let room = usize::try_from(length).unwrap_or(0);
            let read = part(file, room).await;
            read.map_err(&unreadable)?.1
        }
    };
    let length = small.len() as u64;
    let mode = if wanted.is_if_absent { PutMode::Create } else { PutMode::Overwrite };
    let options = PutOptions { mode, attributes: attributes(wanted), ..PutOptions::default() };
    let payload = PutPayload::from_bytes(small);
    let stored = store.objects.put_opts(&path, payload, options);
    let etag = tokio::select! {
        how = request.timing.over() => return Ok(how),
        stored = stored => stored.map_err(|error| store.fault(&error, &shown))?.e_tag,
    };
    said(store, request, &path, length, etag, io)
}

fn said(
    store: &Store,
    request: &StepRequest,
    path: &Path,
    size: u64,
    etag: Option<String>,
    io: &mut StepIo,
) -> Result<ExitHow, StepFault> {
    let document = json!({
        "operation": "put", "bucket": store.bucket(), "key": path.as_ref(),
        "uri": store.uri(path.as_ref()), "size": size, "etag": etag,
    });
    say(document, request, io).map(|()| ExitHow::Code(0))
}

fn attributes(wanted: &Wanted) -> Attributes {
    let mut attributes = Attributes::new();
    if let Some(content_type) = &wanted.content_type {
        attributes.insert(Attribute::ContentType, content_type.clone().into());
    }
    for (name, value) in &wanted.metadata {
        attributes.insert(Attribute::Metadata(name.clone().into()), value.clone().into());
    }
    attributes
}

/// An object that is stored in parts.
struct Large<'a> {
    store: &'a Store,
    request: &'a StepRequest,
    shown: &'a str,
    path: &'a Path,
    wanted: &'a Wanted,
}

impl Large<'_> {
    async fn put(&self, file: File, length: u64, io: &mut StepIo) -> Result<ExitHow, StepFault> {
        let options = PutMultipartOptions {
            attributes: attributes(self.wanted),
            ..PutMultipartOptions::default()
        };
        let begun = self.store.objects.put_multipart_opts(self.path, options);
        let mut upload = tokio::select! {
            how = self.request.timing.over() => return Ok(how),
            begun = begun => begun.map_err(|error| self.fault(&error))?,
        };
        let ended = tokio::select! {
            how = self.request.timing.over() => Ok(Err(how)),
            etag = self.parts(upload.as_mut(), file, length) => etag.map(Ok),
        };
        match ended {
            Ok(Ok(etag)) => said(self.store, self.request, self.path, length, etag, io),
            Ok(Err(how)) => {
                self.take_back(upload.as_mut()).await;
                Ok(how)
            }
            Err(fault) => {
                self.take_back(upload.as_mut()).await;
                Err(fault)
            }
        }
    }

    async fn parts(
        &self,
        upload: &mut dyn MultipartUpload,
        mut file: File,
        length: u64,
    ) -> Result<Option<String>, StepFault> {
        let part_len = PART_LEN.max(length.div_ceil(PARTS_MAX));
        let room = usize::try_from(part_len).unwrap_or(usize::MAX);
        let mut under_way: FuturesUnordered<UploadPart> = FuturesUnordered::new();
        let mut left = length;
        while left > 0 {
            if under_way.len() >= PARTS_AT_ONCE
                && let Some(done) = under_way.next().await
            {
                done.map_err(|error| self.fault(&error))?;
            }
            let wanted = room.min(usize::try_from(left).unwrap_or(usize::MAX));
            let (rest, bytes) = part(file, wanted).await.map_err(|error| {
                StepFault::new(format!("{}: cannot read the file: {error}", self.shown))
            })?;
            file = rest;
            if bytes.len() < wanted {
                let message = format!("{}: the file became shorter meanwhile", self.shown);
                return Err(StepFault::new(message));
            }
            left -= bytes.len() as u64;
            under_way.push(upload.put_part(PutPayload::from_bytes(bytes)));
        }
        while let Some(done) = under_way.next().await {
            done.map_err(|error| self.fault(&error))?;
        }
        let whole = upload.complete().await.map_err(|error| self.fault(&error))?;
        Ok(whole.e_tag)
    }

    /// Has the store forget what came of an upload that does not become whole.
    async fn take_back(&self, upload: &mut dyn MultipartUpload) {
        // Less than the grace: whoever waits for us has the same.
        let time = ABORT_MAX.min(self.request.timing.grace.mul_f64(0.8));
        if !matches!(tokio::time::timeout(time, upload.abort()).await, Ok(Ok(()))) {
            let message = format!("{}: parts of it may be left in the store", self.shown);
            (self.request.warn)(&message);
        }
    }

    fn fault(&self, error: &object_store::Error) -> StepFault {
        self.store.fault(error, self.shown)
    }
}
