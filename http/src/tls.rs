//! Whom a client trusts, and who it is: the settings of TLS.
//!
//! TLS 1.2 or newer with ring, and nothing turns verification off. A certificate authority that is given
//! stands instead of those of the system, not beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::{InvalidSetting, small_file};

/// Files of a folder of authorities that are read.
const FOLDER_FILES_MAX: usize = 1000;

/// Which certificate authorities count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// None: for a server without TLS. Reading those of the system takes its time.
    None,
    /// Those of the system.
    System,
    /// Those in a PEM file.
    File(PathBuf),
    /// Those in the PEM files of a folder.
    Folder(PathBuf),
}

/// The certificate that the client shows, with its key: PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    /// Its key, not encrypted.
    pub key: PathBuf,
}

/// Whom to trust, and who to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whom to trust.
    pub roots: Roots,
    /// Who to be.
    pub identity: Option<ClientIdentity>,
}

impl Tls {
    /// Reads the files. Not for async threads.
    ///
    /// # Errors
    /// [`InvalidSetting`]: a file is no good.
    pub fn load(&self) -> Result<ClientConfig, InvalidSetting> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring offers what TLS 1.2 and 1.3 need")
            .with_root_certificates(self.roots.load()?);
        let Some(identity) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(&identity.certificate, "the client certificate")?;
        let bytes = small_file::read(&identity.key, "the key of the client certificate")?;
        let key = PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|_| invalid(&identity.key, "holds no private key (PEM, not encrypted)"))?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(|_| invalid(&identity.key, "is not the key of the client certificate"))
    }
}

impl Roots {
    fn load(&self) -> Result<RootCertStore, InvalidSetting> {
        let mut store = RootCertStore::empty();
        match self {
            Roots::None => {}
            Roots::System => {
                // What of it cannot be read is not trusted; if that is all of it, verification says so.
                let found = rustls_native_certs::load_native_certs();
                store.add_parsable_certificates(found.certs);
            }
            Roots::File(path) => {
                for certificate in certificates(path, "the certificate authority")? {
                    let unusable = |_| invalid(path, "holds a certificate that cannot be used");
                    store.add(certificate).map_err(unusable)?;
                }
            }
            Roots::Folder(path) => {
                for file in files(path)? {
                    // As in OpenSSL's folders, other files may lie about.
                    if let Ok(found) = certificates(&file, "a certificate authority") {
                        store.add_parsable_certificates(found);
                    }
                }
                if store.is_empty() {
                    return Err(invalid(path, "holds no certificate"));
                }
            }
        }
        Ok(store)
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, InvalidSetting> {
    let entries = fs::read_dir(folder).map_err(|error| {
        let place = folder.display();
        let message =
            format!("cannot read the folder of certificate authorities `{place}`: {error}");
        InvalidSetting(message)
    })?;
    Ok(entries.take(FOLDER_FILES_MAX).filter_map(|entry| Some(entry.ok()?.path())).collect())
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, InvalidSetting> {
    let bytes = small_file::read(path, what)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(invalid(path, "holds no certificate (PEM)")),
    }
}

fn invalid(path: &Path, what: &str) -> InvalidSetting {
    InvalidSetting(format!("`{}` {what}", path.display()))
}
