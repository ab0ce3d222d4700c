//! A connection for one call of a step.

use std::sync::{Arc, Mutex, PoisonError};

use subrosa_engine::provider::{Asking, ProviderError, ProviderErrorKind, ProviderWarning};
use subrosa_registry::SecretRef;
use tokio::sync::OnceCell;

use super::{At, Connections, Session, unreadable};
use crate::kind::ConnectionType;
use crate::opened::Opened;

/// What tells a connection from another, and from itself before it was changed. Nothing is opened for it.
#[derive(Clone)]
pub struct Seen {
    /// Its type.
    pub kind: Arc<ConnectionType>,
    /// Where it was found, and its version, in one text.
    pub place: String,
}

impl Connections {
    /// Looks at a connection: whether it may be used now, and its version.
    ///
    /// # Errors
    /// [`ProviderError`]: it is not there, disabled, expired, or cannot be read.
    pub async fn look(&self, asking: &Asking, name: &str) -> Result<Seen, ProviderError> {
        let name = parsed(name)?;
        let session = self.session(asking)?;
        let (seen, record) = session.look(&name).await?;
        let kind = session.at.kind(&record, &name)?;
        let place = format!("{:?} version {}", seen.address, seen.version);
        Ok(Seen { kind, place })
    }

    /// Has a token exchanged that has ended or is about to; what is to be warned of.
    ///
    /// # Errors
    /// [`ProviderError`]: as [`Connections::look`], or its token cannot be exchanged.
    pub async fn ready(
        &self,
        asking: &Asking,
        name: &str,
    ) -> Result<Vec<ProviderWarning>, ProviderError> {
        let name = parsed(name)?;
        let session = self.session(asking)?;
        let (seen, record) = session.look(&name).await?;
        session.refresh_if_needed(&record, &name, name.as_str(), &seen.address).await?;
        let ends = session.at.expiry(&record, seen.expires, &seen.address);
        for (message, help) in ends {
            session.warn(name.as_str(), message, Some(help));
        }
        Ok(session.warnings.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens a connection; a token that has ended, or is about to, is exchanged first.
    ///
    /// # Errors
    /// [`ProviderError`]: as [`Connections::look`], or its token cannot be exchanged.
    pub async fn lend(
        &self,
        asking: &Asking,
        name: &str,
    ) -> Result<(Opened, Vec<ProviderWarning>), ProviderError> {
        let name = parsed(name)?;
        let session = self.session(asking)?;
        let opened = session.open(&name, name.as_str()).await?;
        let warnings = session.warnings.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((opened, warnings))
    }

    fn session(&self, asking: &Asking) -> Result<Session, ProviderError> {
        let Some(reader) = self.reader.clone() else {
            return Err(unreadable("there is no registry yet"));
        };
        Ok(Session {
            at: At { reader, types: self.types.clone(), clock: self.clock },
            refresher: self.refresher.clone(),
            asking: Some(Arc::new(asking.clone())),
            opened: OnceCell::new(),
            unexchanged: OnceCell::new(),
            warnings: Mutex::default(),
            retired_for: Mutex::default(),
        })
    }
}

fn parsed(name: &str) -> Result<SecretRef, ProviderError> {
    SecretRef::parse(name).map_err(|error| {
        let shown = subrosa_engine::names::shown(name);
        let message = format!("{shown} is no name of a connection: {error}");
        ProviderError::new(ProviderErrorKind::InvalidRequest, message)
            .help("`subrosa connection list` names those that are there")
    })
}
