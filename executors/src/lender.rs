//! The way to a credential: looked at for its version, opened for one call, hidden before it is used.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use subrosa_connections::files::{HttpCredentials, HttpFile, load, recognise};
use subrosa_connections::provider::{Connections, Seen};
use subrosa_connections::{ConnectionType, Opened};
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::names;
use subrosa_engine::provider::{Asking, ProviderError};
use subrosa_engine::secret::SecretValue;
use subrosa_http::{Address, Http, Roots};
use zeroize::Zeroizing;

use crate::clients::{Clients, Identity};
use crate::http::{HttpFiles, NoHttpFiles};

/// What kinds of steps need of the surroundings.
#[derive(Clone)]
pub struct Means {
    /// Where credentials come from.
    pub lender: Arc<Lender>,
    /// Makes the way to servers over HTTP.
    pub http: MakeHttp,
    /// Credentials for requests of steps that name none.
    pub http_files: Result<HttpFiles, NoHttpFiles>,
}

/// Makes a client for a server: with these authorities, through the proxy of the environment, and so long
/// for one request.
pub type MakeHttp = Arc<dyn Fn(&Address, Roots, Duration) -> Result<Http, StepFault> + Send + Sync>;

/// Where credentials come from.
pub struct Lender {
    connections: Arc<Connections>,
}

/// What a step is authenticated with, before it is opened.
pub enum Looked {
    /// A connection.
    Connection(Seen),
    /// A file, read.
    File(PathBuf, HttpFile, Identity),
    /// Nothing, or what the step says itself.
    Nothing,
}

/// A file with the keys of a service, read.
pub(crate) struct KeyFile {
    /// The file, as it may be shown.
    pub(crate) shown: String,
    /// The type of connection that it would be.
    pub(crate) kind: &'static str,
    /// All of it. Nothing in it is hidden yet.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// What tells it from others, and this version of it from those before.
    pub(crate) identity: (Identity, Identity),
}

/// What a step is authenticated with. It is dropped with the call that needed it.
pub enum Credential {
    /// A connection with its values.
    Connection(Box<Opened>),
    /// A bearer token, or a user name and a password.
    Http(HttpCredentials),
    /// Nothing, or what the step says itself.
    Nothing,
}

impl Looked {
    /// What tells the credential from others, and this version of it from those before.
    pub fn identity(&self, name: Option<&str>) -> (Identity, Identity) {
        match self {
            Looked::Connection(seen) => {
                (of_connection(name.unwrap_or_default()), Identity::of([seen.place.as_bytes()]))
            }
            Looked::File(path, _, version) => (of_file(path), *version),
            Looked::Nothing => (Identity::of([b"nothing".as_slice()]), Identity::of([])),
        }
    }

    /// The type of the connection, if it is one.
    pub fn kind(&self) -> Option<&Arc<ConnectionType>> {
        match self {
            Looked::Connection(seen) => Some(&seen.kind),
            Looked::File(..) | Looked::Nothing => None,
        }
    }
}

impl Lender {
    /// One that lends connections.
    pub fn new(connections: Arc<Connections>) -> Lender {
        Lender { connections }
    }

    /// Looks at a connection before any step, and has its token exchanged if it needs that.
    ///
    /// # Errors
    /// [`StepFault`]: no step that uses it can succeed.
    pub async fn ready(&self, name: &str, asking: &Asking) -> Result<Vec<StepFault>, StepFault> {
        let warnings = self.connections.ready(asking, name).await.map_err(of_provider)?;
        let told = warnings
            .into_iter()
            .map(|warning| StepFault { message: warning.message, help: warning.help });
        Ok(told.collect())
    }

    /// Looks at what a step names: whether it may be used now, and its version. If it may not be, the clients
    /// that were made with it are let go.
    ///
    /// # Errors
    /// [`StepFault`]: it is not there, not to be used, or the step names two.
    pub async fn look<C: Send + Sync + 'static>(
        &self,
        request: &StepRequest,
        clients: &Clients<C>,
    ) -> Result<Looked, StepFault> {
        let looked = self.look_at(request).await;
        if looked.is_err() {
            let name = request.connection.as_deref().map(of_connection);
            let file = request.credentials_path.as_deref().map(of_file);
            name.iter().chain(&file).for_each(|credential| clients.close(credential));
        }
        looked
    }

    async fn look_at(&self, request: &StepRequest) -> Result<Looked, StepFault> {
        match (&request.connection, &request.credentials_path) {
            (Some(_), Some(_)) => {
                Err(StepFault::new("both `connection` and `credentials_path`")
                    .help("keep one of them"))
            }
            (Some(name), None) => {
                let seen = self.connections.look(&request.asking, name).await;
                seen.map(Looked::Connection).map_err(of_provider)
            }
            (None, Some(path)) => self.look_at_file(request, path),
            (None, None) => Ok(Looked::Nothing),
        }
    }

    /// Looks at a file of credentials, which is read for it.
    ///
    /// # Errors
    /// [`StepFault`]: it is not there, anybody may change it, or it has none.
    pub fn look_at_file(&self, request: &StepRequest, path: &Path) -> Result<Looked, StepFault> {
        file(request, path)
    }

    /// Reads the file with the keys of a service that a step names.
    ///
    /// # Errors
    /// [`StepFault`]: it is not there, anybody may change it, or nobody knows what it is.
    pub(crate) fn keys(&self, request: &StepRequest, path: &Path) -> Result<KeyFile, StepFault> {
        let shown = path.display().to_string();
        let loaded = load(path).map_err(|error| StepFault::new(error.to_string()))?;
        loaded.warnings.iter().for_each(|warning| (request.warn)(warning));
        let found = recognise(&loaded.bytes)
            .map_err(|error| StepFault::new(format!("`{shown}` has no credentials: {error}")))?;
        if !found.unknown.is_empty() {
            let keys: Vec<String> = found.unknown.iter().map(|key| names::shown(key)).collect();
            (request.warn)(&format!("`{shown}` has keys that mean nothing: {}", keys.join(", ")));
        }
        let identity = (of_file(path), Identity::of([loaded.bytes.as_slice()]));
        Ok(KeyFile { shown, kind: found.kind, bytes: loaded.bytes, identity })
    }

    /// Opens what was looked at. Its values are hidden in all that leaves from now on.
    ///
    /// # Errors
    /// [`StepFault`]: it cannot be opened or not be hidden.
    pub async fn open(
        &self,
        request: &StepRequest,
        looked: Looked,
    ) -> Result<Credential, StepFault> {
        match looked {
            Looked::Nothing => Ok(Credential::Nothing),
            Looked::File(path, file, _) => {
                hide(request, &format!("file {}", path.display()), &values(&file.credentials))?;
                Ok(Credential::Http(file.credentials))
            }
            Looked::Connection(_) => {
                let name = request.connection.as_deref().unwrap_or_default();
                let lent = self.connections.lend(&request.asking, name).await;
                let (opened, warnings) = lent.map_err(of_provider)?;
                for (part, value) in &opened.parts {
                    hide(request, &format!("{name}/{part}"), std::slice::from_ref(value))?;
                }
                hide(request, &format!("{name}, before"), &opened.retired)?;
                for warning in warnings {
                    (request.warn)(&warning.message);
                }
                Ok(Credential::Connection(Box::new(opened)))
            }
        }
    }
}

/// What tells a connection from others.
fn of_connection(name: &str) -> Identity {
    Identity::of([b"connection", name.as_bytes()])
}

/// What tells a file of credentials from others.
fn of_file(path: &Path) -> Identity {
    Identity::of([b"file", path.as_os_str().as_encoded_bytes()])
}

fn hide(request: &StepRequest, whose: &str, values: &[SecretValue]) -> Result<(), StepFault> {
    request.hiding.hide(whose, values).map_err(|error| StepFault::new(error.to_string()))
}

fn values(credentials: &HttpCredentials) -> Vec<SecretValue> {
    match credentials {
        HttpCredentials::Bearer(token) => vec![token.clone()],
        HttpCredentials::Basic { username: _, password } => vec![password.clone()],
        HttpCredentials::Nothing => Vec::new(),
    }
}

fn of_provider(error: ProviderError) -> StepFault {
    StepFault { message: error.message, help: error.help }
}

fn file(request: &StepRequest, path: &Path) -> Result<Looked, StepFault> {
    let shown = path.display();
    let loaded = load(path).map_err(|error| StepFault::new(error.to_string()))?;
    let version = Identity::of([loaded.bytes.as_slice()]);
    let file = HttpFile::parse(&loaded.bytes)
        .map_err(|error| StepFault::new(format!("`{shown}` has no credentials: {error}")))?;
    loaded.warnings.iter().chain(&file.warnings).for_each(|warning| (request.warn)(warning));
    Ok(Looked::File(path.to_path_buf(), file, version))
}
