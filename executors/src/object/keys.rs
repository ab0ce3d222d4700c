//! Listing and deleting, a page at a time.

use std::borrow::Cow;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{Error, ListResult, ObjectMeta};
use serde_json::{Value, json};
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::sink::StepIo;

use super::get::{described, named};
use super::store::Store;
use super::wanted::Wanted;

/// Deletions under way at a time.
const DELETIONS_MAX: usize = 16;

/// Writes a document of our own as a line of output: what is captured, and what is shown.
pub(super) fn say(
    document: Value,
    request: &StepRequest,
    io: &mut StepIo,
) -> Result<(), StepFault> {
    let mut raw = document.to_string().into_bytes();
    raw.push(b'\n');
    let mut shown = request.hiding.line(document);
    shown.push(b'\n');
    let written = io.split().0.write_apart(&raw, &shown);
    written.map_err(|error| StepFault::new(format!("cannot write the output of the step: {error}")))
}

/// Lists objects, one JSON document a line.
pub(super) async fn list(
    store: &Store,
    wanted: &Wanted,
    request: &StepRequest,
    io: &mut StepIo,
) -> Result<(), StepFault> {
    let prefix = wanted.prefix.as_ref().map_or("", |prefix| prefix.as_str());
    let shown = store.shown(request, "list", prefix);
    let mut left = wanted.keys_max;
    let mut pages = pages(store, prefix, wanted.is_recursive);
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| store.fault(&error, &shown))?;
        let folders = page.common_prefixes.iter().map(|prefix| json!({"prefix": folder(prefix)}));
        for document in folders.chain(page.objects.iter().map(described)) {
            if left == 0 {
                return Ok(());
            }
            left -= 1;
            say(document, request, io)?;
        }
        let drained = io.split().0.drained().await;
        drained.map_err(|error| {
            StepFault::new(format!("cannot write the output of the step: {error}"))
        })?;
    }
    Ok(())
}

fn folder(prefix: &Path) -> String {
    format!("{}/", prefix.as_ref())
}

type Pages<'a> = BoxStream<'a, Result<ListResult, Error>>;

/// What begins with a prefix, in pages.
fn pages<'a>(store: &'a Store, prefix: &'a str, is_recursive: bool) -> Pages<'a> {
    match &store.pages {
        Some(pages) => remote(pages.as_ref(), prefix, is_recursive),
        None => local(store, prefix, is_recursive),
    }
}

fn remote<'a>(store: &'a dyn PaginatedListStore, prefix: &'a str, is_recursive: bool) -> Pages<'a> {
    /// Where a list goes on.
    enum Next {
        First,
        Page(String),
        End,
    }
    let prefix = (!prefix.is_empty()).then_some(prefix);
    let pages = futures_util::stream::try_unfold(Next::First, move |next| async move {
        let page_token = match next {
            Next::First => None,
            Next::Page(token) => Some(token),
            Next::End => return Ok(None),
        };
        let delimiter = (!is_recursive).then_some(Cow::Borrowed("/"));
        let options =
            PaginatedListOptions { delimiter, page_token, ..PaginatedListOptions::default() };
        let page = store.list_paginated(prefix, options).await?;
        let next = page.page_token.map_or(Next::End, Next::Page);
        Ok(Some((page.result, next)))
    });
    pages.boxed()
}

/// A folder is asked for what is below the last `/` of the prefix; the rest of it is looked at here.
fn local<'a>(store: &'a Store, prefix: &'a str, is_recursive: bool) -> Pages<'a> {
    let parent = prefix.rsplit_once('/').map_or("", |(parent, _)| parent);
    let parent = match Path::parse(parent) {
        Ok(parent) => parent,
        Err(source) => {
            let error = Error::InvalidPath { source };
            return futures_util::stream::iter([Err(error)]).boxed();
        }
    };
    let begins = move |path: &Path| path.as_ref().starts_with(prefix.trim_start_matches('/'));
    if is_recursive {
        let objects = store.objects.list(Some(&parent));
        let pages = objects.filter_map(move |found| async move {
            match found {
                Ok(meta) if begins(&meta.location) => Some(Ok(one(meta))),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            }
        });
        return pages.boxed();
    }
    let page = async move {
        let mut page = store.objects.list_with_delimiter(Some(&parent)).await?;
        page.objects.retain(|meta| begins(&meta.location));
        page.common_prefixes.retain(&begins);
        Ok(page)
    };
    futures_util::stream::once(page).boxed()
}

fn one(meta: ObjectMeta) -> ListResult {
    ListResult { objects: vec![meta], common_prefixes: Vec::new(), extensions: Default::default() }
}

/// Deletes an object, or all that begin with a prefix. One that is not there counts as deleted.
pub(super) async fn delete(
    store: &Store,
    wanted: &Wanted,
    request: &StepRequest,
    io: &mut StepIo,
) -> Result<(), StepFault> {
    if wanted.key.is_some() {
        let (path, shown) = named(store, wanted, request)?;
        let was_there = store.delete(&path, &shown).await?;
        if !was_there {
            io.tell(format!("{shown}: there was no such object\n").as_bytes()).map_err(
                |error| StepFault::new(format!("cannot write the output of the step: {error}")),
            )?;
        }
        return say(deleted(store, &path), request, io);
    }
    let prefix = wanted.prefix.as_ref().filter(|prefix| !prefix.trim_matches('/').is_empty());
    let Some(prefix) = prefix else {
        return Err(StepFault::new("`prefix` is empty: that would be the whole bucket"));
    };
    let shown = store.shown(request, "list", prefix);
    let mut pages = pages(store, prefix, true);
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| store.fault(&error, &shown))?;
        let deletions = page.objects.into_iter().map(|meta| async move {
            let shown = store.shown(request, "delete", meta.location.as_ref());
            store.delete(&meta.location, &shown).await.map(|_| meta.location)
        });
        let mut done = futures_util::stream::iter(deletions).buffered(DELETIONS_MAX);
        while let Some(path) = done.next().await {
            say(deleted(store, &path?), request, io)?;
        }
    }
    Ok(())
}

fn deleted(store: &Store, path: &Path) -> Value {
    json!({"operation": "delete", "bucket": store.bucket(), "key": path.as_ref()})
}
