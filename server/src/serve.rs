//! Starts a server, and ends it with grace.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::app::{self, App, Parts};
use crate::idempotency::Idempotency;
use crate::listen::{Listening, counter, listen};
use crate::log;
use crate::people::openid::{OpenIdError, Provider};
use crate::people::{People, PeopleError};
use crate::runner::runner;
use crate::settings::{Settings, TlsFiles};
use crate::shelf::ShelfError;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nobody else may listen there.
    #[error("cannot listen on {0}")]
    Bind(std::net::SocketAddr, #[source] io::Error),
    /// The certificate or its key is no good.
    #[error("cannot use `{file}`: {why}")]
    Tls {
        /// Which file.
        file: String,
        /// Why not.
        why: String,
    },
    /// What the server keeps cannot be read.
    #[error(transparent)]
    Kept(#[from] ShelfError),
    /// The runner did not come up.
    #[error("the runner did not come up")]
    Runner,
    /// How people come in by an OpenID provider makes no sense.
    #[error("{0}")]
    OpenId(String),
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

/// How far a server is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It goes on.
    No,
    /// It answers no more, and lets runs finish up to the grace.
    Finish,
    /// Runs are stopped as well.
    Now,
}

impl Stop {
    /// Whether it is to stop at all.
    pub(crate) fn is_told(self) -> bool {
        self != Stop::No
    }
}

/// Says that a server is to stop.
pub type Stopping = watch::Receiver<Stop>;

/// Serves until `stop` is told, then lets runs finish. `ready` gets the address, and the link that lets the
/// first admin in.
///
/// # Errors
/// [`ServeError`], before anything is served.
pub async fn serve(
    settings: Settings,
    stop: Stopping,
    ready: impl FnOnce(&str, Option<&str>),
) -> Result<(), ServeError> {
    let served = serve_all(settings, stop, ready).await;
    // What was said last is written before the program ends.
    tokio::task::spawn_blocking(log::flush).await.ok();
    served
}

async fn serve_all(
    settings: Settings,
    stop: Stopping,
    ready: impl FnOnce(&str, Option<&str>),
) -> Result<(), ServeError> {
    let people = People::open(&settings).map_err(unkept)?;
    let idempotency = Idempotency::open(&settings)?;
    let tls = settings.tls.as_ref().map(acceptor).transpose()?;
    let bound = TcpListener::bind(settings.bind).await;
    let listener = bound.map_err(|error| ServeError::Bind(settings.bind, error))?;
    let address = listener.local_addr().map_err(|e| ServeError::Bind(settings.bind, e))?;
    let (asks, keeper) = runner(&settings);
    let clock = settings.clock;
    let tell = move |message: &str| log::tell(clock(), "error", message, &[]);
    // The runner is told when nobody can ask it any more: requests under way may still need it.
    let (end, ending) = watch::channel(Stop::No);
    let kept = tokio::spawn(keeper.keep(ending, tell));
    let mut told = stop.clone();
    tokio::select! {
        is_ready = asks.wait_ready() => if !is_ready {
            return Err(ServeError::Runner);
        },
        _ = told.wait_for(|stop| stop.is_told()) => {
            finish(end, stop, kept).await;
            return Ok(());
        }
    }
    let link = people.offer_link(settings.admin_link).map_err(unkept)?;
    let base = base(&settings, address);
    let openid = openid(&settings, &base).await?;
    let link = link.map(|token| format!("{base}/welcome?token={token}"));
    let (limits, trust_proxy) = (settings.limits, settings.trust_proxy);
    let (base_, stop_) = (base.clone(), stop.clone());
    let parts = Parts { people, openid, idempotency, runner: asks, base: base_, stop: stop_ };
    let app = App::new(settings, parts);
    let count = counter(&app.metrics);
    // Reading thousands of records for the first time takes a while.
    let warm = app.clone();
    tokio::task::spawn_blocking(move || warm.runs.all(&warm.flows));
    ready(&base, link.as_deref());
    let router = app::router(app);
    let listening = Listening { listener, tls, router, limits, trust_proxy, count };
    listen(listening, stop.clone()).await;
    finish(end, stop, kept).await;
    Ok(())
}

/// Tells the runner what the server was told and is told meanwhile, and waits for its end.
async fn finish(end: watch::Sender<Stop>, mut stop: Stopping, mut kept: JoinHandle<()>) {
    loop {
        end.send_replace(*stop.borrow_and_update());
        tokio::select! {
            _ = &mut kept => return,
            told = stop.changed() => if told.is_err() {
                kept.await.ok();
                return;
            }
        }
    }
}

fn unkept(error: PeopleError) -> ServeError {
    match error {
        PeopleError::Kept(error) => ServeError::Kept(error),
        _ => ServeError::Randomness,
    }
}

/// The OpenID provider, if there is one; it is asked nothing yet.
async fn openid(settings: &Settings, base: &str) -> Result<Option<Provider>, ServeError> {
    let Some(settings) = settings.openid.clone() else { return Ok(None) };
    let base = base.to_owned();
    let made = tokio::task::spawn_blocking(move || Provider::new(settings, &base)).await;
    let told = |error: OpenIdError| ServeError::OpenId(error.to_string());
    made.map_err(|_| ServeError::Randomness)?.map(Some).map_err(told)
}

/// How the server is reached.
fn base(settings: &Settings, address: std::net::SocketAddr) -> String {
    match &settings.public_url {
        Some(url) => url.to_string().trim_end_matches('/').to_owned(),
        None if settings.tls.is_some() => format!("https://{address}"),
        None => format!("http://{address}"),
    }
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, ServeError> {
    let failed =
        |file: &Path, why: String| ServeError::Tls { file: file.display().to_string(), why };
    let certificates = File::open(&files.certificate)
        .map_err(|error| failed(&files.certificate, error.to_string()))?;
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_reader_iter(BufReader::new(certificates)).collect();
    let certificates = certificates
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| failed(&files.certificate, "it holds no certificate in PEM".to_owned()))?;
    // What is wrong with a key is not repeated.
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|_| {
        failed(&files.key, "it is not there or holds no private key in PEM".to_owned())
    })?;
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| failed(&files.certificate, error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
