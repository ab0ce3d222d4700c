//! `provider: file`: the whole content of a file, or a field of it.
//!
//! Where a key leads is the business of [`place`]. Of a whole file every byte belongs to the value, the
//! last newline too. With `field` the file is taken apart once for the run, by `format` or the end of its
//! name. A file that others may read is warned of.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use subrosa_engine::provider::{
    Checked, Client, Environment, Identity, Provider, ProviderError, ProviderWarning,
    ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;

use crate::document::{Document, Field, Format};
use crate::once::Once;
use crate::place::{self, SecretFile, VALUE_LEN_MAX};
use crate::value;
use crate::warnings::Warnings;

/// Files that are read in one go, so that others can be read meanwhile.
const BATCH_LEN_MAX: usize = 64;

/// The provider.
pub(crate) struct Files;

#[async_trait]
impl Provider for Files {
    fn name(&self) -> &str {
        "file"
    }

    fn needs_settings(&self) -> bool {
        false
    }

    async fn open(
        &self,
        context: &ResolveContext,
        _identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        Ok(Box::new(Folders {
            folders: context.folders.clone(),
            environment: context.env.clone(),
            documents: Once::default(),
            warnings: Warnings::default(),
        }))
    }
}

struct Folders {
    folders: Arc<[PathBuf]>,
    environment: Arc<Environment>,
    /// By key and format, with the place where it was found.
    documents: Once<(String, Format), (Document, String)>,
    warnings: Warnings,
}

impl Folders {
    async fn read(&self, request: &SecretRequest) -> Result<SecretFile, ProviderError> {
        let file = place::read(&request.key, &self.folders, VALUE_LEN_MAX).await?;
        self.warnings.look_at(request, "secret file", &file);
        Ok(file)
    }
}

#[async_trait]
impl Client for Folders {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let Some(field) = Field::of(request, &request.key)? else {
            return whole(self.read(request).await?);
        };
        let parse = async {
            let file = self.read(request).await?;
            let place = file.place.display().to_string();
            Ok((Document::parse(&file.bytes, field.format, &place)?, place))
        };
        let key = (request.key.clone(), field.format);
        let parsed = self.documents.of(key, parse).await?;
        let (document, place) = &*parsed;
        document.field(&field, &self.environment, place)
    }

    fn batch_len_max(&self) -> usize {
        BATCH_LEN_MAX
    }

    async fn fetch_many(
        &self,
        requests: &[SecretRequest],
    ) -> Vec<Result<SecretValue, ProviderError>> {
        let is_whole =
            |request: &SecretRequest| matches!(Field::of(request, &request.key), Ok(None));
        let whole_ones = || requests.iter().filter(|request| is_whole(request));
        let keys = whole_ones().map(|request| request.key.clone()).collect();
        let files = place::read_many(keys, &self.folders, VALUE_LEN_MAX).await;
        let mut files = whole_ones().zip(files).map(|(request, file)| {
            let file = file?;
            self.warnings.look_at(request, "secret file", &file);
            whole(file)
        });
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            let read = if is_whole(request) { files.next() } else { None };
            answers.push(match read {
                Some(answer) => answer,
                None => self.fetch(request).await,
            });
        }
        answers
    }

    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        let field = Field::of(request, &request.key)?;
        place::locate(&request.key, &self.folders).await?;
        // It was opened, which is all that reading asks for; a field is found by reading.
        Ok(if field.is_some() { Checked::Likely } else { Checked::Readable })
    }

    fn warnings(&self) -> Vec<ProviderWarning> {
        self.warnings.take()
    }
}

/// A value that is all of a file.
fn whole(file: SecretFile) -> Result<SecretValue, ProviderError> {
    let SecretFile { place, bytes, .. } = file;
    value::from_bytes(bytes, || format!("secret file {}", place.display()))
}
