//! The store of a step, and the way there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::azure::{AzureCredential, MicrosoftAzureBuilder};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::list::PaginatedListStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    BackoffConfig, Error, ObjectStore, ObjectStoreExt as _, RetryConfig, StaticCredentialProvider,
};
use subrosa_connections::Opened;
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_http::{Address, Call, HeaderMap, Http, Method, Roots, Url};

use super::ObjectSteps;
use super::fault::{Trouble, told};
use super::own::{kind_of, of_fields, of_file};
use super::place::{Api, api, no_endpoint, place};
use super::wanted::{Operation, Wanted};
use super::wire::{ANSWER_LEN_MAX, Connector, Wire};
use crate::clients::Identity;
use crate::http::send::changed;
use crate::lender::Credential;

/// No request takes as long; how long the server is silent is what counts.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a request is tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(3 * 60);

/// A store, and how it is named.
pub(super) struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Lists in pages; folders do not.
    pub(super) pages: Option<Arc<dyn PaginatedListStore>>,
    api: Api,
    bucket: String,
    remote: Option<Remote>,
}

/// A store behind a server.
struct Remote {
    wire: Arc<Wire>,
    base: Url,
    server: String,
}

/// What a step is authenticated with.
struct Held {
    /// The kind of store that it is for.
    api: Api,
    opened: Option<Opened>,
    versions: (Identity, Identity),
}

impl ObjectSteps {
    /// The store of a step, with its credential, which is opened for the step alone.
    pub(super) async fn store(
        &self,
        request: &StepRequest,
        wanted: &Wanted,
    ) -> Result<Store, StepFault> {
        let Held { api, opened, versions } = self.held(request, wanted).await?;
        if api == Api::Local {
            return local(wanted);
        }
        let place = place(api, opened, wanted)?;
        let server = place.base.origin().ascii_serialization();
        let http = self.client((request, wanted), &server, versions).await?;
        let wire = Arc::new(Wire {
            http,
            opened: place.opened,
            clock: request.clock,
            patience: wanted.patience,
            length_max: if wanted.operation == Operation::Get { u64::MAX } else { ANSWER_LEN_MAX },
            trouble: Mutex::default(),
        });
        let remote = Remote { wire: wire.clone(), base: place.base.clone(), server };
        let (base, bucket) = (place.base.as_str().trim_end_matches('/'), place.bucket);
        let way = Way { base, bucket: &bucket, region: &place.region, retries: wanted.retries };
        let made = match api {
            Api::S3 => way.s3(Connector(wire)),
            Api::Gcs => way.gcs(Connector(wire)),
            Api::Azure | Api::Local => way.azure(Connector(wire)),
        };
        let (objects, pages) = made.map_err(|_| StepFault::new("the store cannot be made"))?;
        Ok(Store { objects, pages: Some(pages), api, bucket, remote: Some(remote) })
    }

    /// What the step is authenticated with.
    async fn held(&self, request: &StepRequest, wanted: &Wanted) -> Result<Held, StepFault> {
        let lender = &self.means.lender;
        if let (None, Some(path)) = (&request.connection, &request.credentials_path) {
            let file = lender.keys(request, path)?;
            let kind = kind_of(&file)?;
            let api = api(wanted, Some(&kind))?;
            let opened = of_file(kind, &file, (wanted, request))?;
            return Ok(Held { api, opened: Some(opened), versions: file.identity });
        }
        let looked = lender.look(request, &self.clients).await?;
        let api = api(wanted, looked.kind().map(Arc::as_ref))?;
        let versions = looked.identity(request.connection.as_deref());
        let opened = match lender.open(request, looked).await? {
            Credential::Connection(opened) => Some(*opened),
            Credential::Http(_) | Credential::Nothing => of_fields(api, wanted, request)?,
        };
        Ok(Held { api, opened, versions })
    }

    /// The client that steps with the same credential share for a server.
    async fn client(
        &self,
        (request, wanted): (&StepRequest, &Wanted),
        server: &str,
        (identity, version): (Identity, Identity),
    ) -> Result<Arc<Http>, StepFault> {
        let address = Address::parse(server).map_err(|_| no_endpoint())?;
        let roots: Roots = wanted.roots();
        let file = wanted.roots.as_ref().map(|path| path.as_os_str().as_encoded_bytes());
        let identity = identity.and([server.as_bytes(), file.unwrap_or_default()]);
        let version = version.and([changed(&roots).as_bytes()]);
        let make = self.means.http.clone();
        let open = || async move {
            // The authorities are read from files.
            let make = move || make(&address, roots, REQUEST_TIMEOUT);
            let made = tokio::task::spawn_blocking(make).await;
            made.map_err(|_| StepFault::new("no HTTP client can be made"))?
        };
        let whose = request.connection.as_ref().map(|name| format!(", connection {name}"));
        let name = format!("object {server}{}", whose.unwrap_or_default());
        self.clients.get((identity, version), (&request.usage, &name), open).await
    }
}

fn local(wanted: &Wanted) -> Result<Store, StepFault> {
    let Some(root) = &wanted.root else {
        return Err(StepFault::new("a store of the kind `local` without `root`")
            .help("`root` names the folder"));
    };
    let objects = LocalFileSystem::new_with_prefix(root).map_err(|_| {
        StepFault::new(format!("the folder `{}` cannot be used", root.display()))
            .help("is it there? it is not made")
    })?;
    let bucket = root.display().to_string();
    Ok(Store { objects: Arc::new(objects), pages: None, api: Api::Local, bucket, remote: None })
}

type Made = (Arc<dyn ObjectStore>, Arc<dyn PaginatedListStore>);

/// What the three builders need. None of them reads the environment, and none gets a credential.
struct Way<'a> {
    base: &'a str,
    bucket: &'a str,
    region: &'a str,
    retries: usize,
}

impl Way<'_> {
    fn retry(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: self.retries,
            retry_timeout: RETRY_TIMEOUT,
        }
    }

    fn s3(&self, connector: Connector) -> object_store::Result<Made> {
        let nobody =
            AwsCredential { key_id: String::new(), secret_key: String::new(), token: None };
        let store = AmazonS3Builder::new()
            .with_endpoint(self.base)
            .with_allow_http(true)
            .with_bucket_name(self.bucket)
            .with_region(self.region)
            .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
            .with_skip_signature(true)
            // One by one: deletions in bulk want digests that only its own cryptography makes.
            .with_disable_bulk_delete(true)
            .with_retry(self.retry())
            .with_http_connector(connector)
            .build()?;
        let store = Arc::new(store);
        Ok((store.clone(), store))
    }

    fn gcs(&self, connector: Connector) -> object_store::Result<Made> {
        let nobody = GcpCredential { bearer: String::new() };
        let store = GoogleCloudStorageBuilder::new()
            .with_base_url(self.base)
            .with_bucket_name(self.bucket)
            .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
            .with_skip_signature(true)
            .with_retry(self.retry())
            .with_http_connector(connector)
            .build()?;
        let store = Arc::new(store);
        Ok((store.clone(), store))
    }

    fn azure(&self, connector: Connector) -> object_store::Result<Made> {
        let nobody = AzureCredential::BearerToken(String::new());
        let store = MicrosoftAzureBuilder::new()
            .with_endpoint(self.base.to_owned())
            .with_allow_http(true)
            .with_account("account")
            .with_container_name(self.bucket)
            .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
            .with_skip_signature(true)
            .with_retry(self.retry())
            .with_http_connector(connector)
            .build()?;
        let store = Arc::new(store);
        Ok((store.clone(), store))
    }
}

impl Store {
    /// How a message begins: the operation and the place, masked.
    pub(super) fn shown(&self, request: &StepRequest, operation: &str, name: &str) -> String {
        let place = self.uri(name);
        let masked = request.hiding.text(&format!("{operation} {place}"));
        masked.as_str().chars().filter(|character| !character.is_control()).collect()
    }

    /// The place of an object.
    pub(super) fn uri(&self, name: &str) -> String {
        let scheme = match self.api {
            Api::S3 => "s3",
            Api::Gcs => "gs",
            Api::Azure => "az",
            Api::Local => return format!("{}/{name}", self.bucket.trim_end_matches('/')),
        };
        format!("{scheme}://{}/{name}", self.bucket)
    }

    /// The bucket, or the folder that stands for it.
    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What to tell of an error.
    pub(super) fn fault(&self, error: &Error, shown: &str) -> StepFault {
        let trouble = self.remote.as_ref().and_then(|remote| remote.wire.trouble());
        told(error, trouble, shown, self.remote.as_ref().map(|remote| remote.server.as_str()))
    }

    /// Deletes an object, and says whether there was one to delete, as far as the store says so.
    pub(super) async fn delete(&self, path: &Path, shown: &str) -> Result<bool, StepFault> {
        let (Api::Azure, Some(remote)) = (self.api, &self.remote) else {
            return match self.objects.delete(path).await {
                Ok(()) => Ok(true),
                Err(error) if self.is_absence(&error) => Ok(false),
                Err(error) => Err(self.fault(&error, shown)),
            };
        };
        // `object_store` deletes in a batch there, whose parts it would have to sign.
        let mut url = remote.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(&self.bucket).extend(path.as_ref().split('/'));
        }
        let call = Call { method: Method::DELETE, url, headers: HeaderMap::new(), body: None };
        let failed = |trouble: Option<Trouble>| {
            let error =
                Error::NotImplemented { operation: String::new(), implementer: String::new() };
            told(&error, trouble, shown, Some(&remote.server))
        };
        let sent = remote.wire.send(call).await;
        let incoming = sent.map_err(|_| failed(remote.wire.trouble()))?;
        if incoming.status.is_success() {
            return Ok(true);
        }
        remote.wire.refused(incoming).await;
        match remote.wire.trouble() {
            Some(trouble) if trouble.is_absence() => Ok(false),
            trouble => Err(failed(trouble)),
        }
    }

    /// Whether an error says that there is no such object.
    fn is_absence(&self, error: &Error) -> bool {
        let is_found = matches!(error, Error::NotFound { .. });
        match self.remote.as_ref().and_then(|remote| remote.wire.trouble()) {
            Some(trouble) => is_found && trouble.is_absence(),
            None => is_found,
        }
    }
}
