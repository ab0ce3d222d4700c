//! Providers of others: an executable `subrosa-provider-NAME` in `PATH` is `provider: NAME`.
//!
//! The two sides speak JSON, a message a line, over the plugin's standard input and output; the whole of
//! it is in `docs/providers/plugin.md`. A run has one process for each login: which options make a login,
//! the plugin says itself. A workflow can run programs in its steps anyway, so that a file names a plugin
//! gives its author no power.

mod answer;
mod lines;
mod message;
mod session;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::join_all;
use subrosa_engine::provider::{
    Checked, Client, Identity, Provider, ProviderError, ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;

use crate::once::Once;
use crate::program;
use answer::{Answer, off_protocol};
use session::{Ask, Greeted, Session};

/// The provider that an executable `subrosa-provider-NAME` in the folders of `path` is, if there is one.
///
/// Nothing is started yet. Names are made of lower-case letters, digits and `-`; entries of `path` that
/// are relative or empty do not count.
pub fn find_plugin(name: &str, path: &OsStr) -> Option<Arc<dyn Provider>> {
    const NAME_LEN_MAX: usize = 64;
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.len() > NAME_LEN_MAX || name.starts_with('-') || !name.bytes().all(known) {
        return None;
    }
    let program = program::in_path(&format!("subrosa-provider-{name}"), path)?;
    // Nothing but a prefix is no name.
    (!name.is_empty()).then(|| Arc::new(Plugin { name: name.to_owned(), program }) as _)
}

/// A plugin that was found.
struct Plugin {
    name: String,
    program: PathBuf,
}

#[async_trait]
impl Provider for Plugin {
    fn name(&self) -> &str {
        &self.name
    }

    async fn open(
        &self,
        context: &ResolveContext,
        _identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let greeted = session::greet(&self.name, &self.program, context).await?;
        Ok(Box::new(Plugged {
            name: self.name.clone(),
            program: self.program.clone(),
            context: context.clone(),
            login: greeted.login.clone(),
            checks: greeted.checks,
            spare: Mutex::new(Some(greeted)),
            sessions: Once::default(),
        }))
    }
}

/// A plugin that said what it can do.
struct Plugged {
    name: String,
    program: PathBuf,
    context: ResolveContext,
    /// The options that make a login.
    login: Vec<String>,
    checks: bool,
    /// The first process, until a login needs it.
    spare: Mutex<Option<Greeted>>,
    /// By the options they logged in with.
    sessions: Once<BTreeMap<String, String>, Session>,
}

impl Plugged {
    async fn session(&self, request: &SecretRequest) -> Result<Arc<Session>, ProviderError> {
        let names: Vec<&str> = self.login.iter().map(String::as_str).collect();
        let Identity(login) = Identity::of(request, &names);
        let open = async {
            let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
            let greeted = match spare {
                Some(greeted) => greeted,
                None => session::greet(&self.name, &self.program, &self.context).await?,
            };
            greeted.open(login.clone(), &self.context).await
        };
        self.sessions.of(login.clone(), Box::pin(open)).await
    }

    async fn ask(&self, ask: Ask, request: &SecretRequest) -> Result<Answer, ProviderError> {
        self.session(request).await?.ask(ask, request).await
    }
}

#[async_trait]
impl Client for Plugged {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        match self.ask(Ask::Fetch, request).await? {
            Answer::Value(value) => Ok(value),
            Answer::Checked(_) => Err(off_protocol(&self.name, "checked what was to fetch")),
        }
    }

    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        if !self.checks {
            // The login is all that can be looked at.
            self.session(request).await?;
            return Ok(Checked::WouldRead);
        }
        match self.ask(Ask::Check, request).await? {
            Answer::Checked(checked) => Ok(checked),
            Answer::Value(_) => Err(off_protocol(&self.name, "fetched what was to check")),
        }
    }

    /// Asks every process to give back what it holds and to end; one that does not is killed.
    async fn close(&self) -> Result<(), ProviderError> {
        drop(self.spare.lock().unwrap_or_else(PoisonError::into_inner).take());
        let sessions = self.sessions.made();
        // At once: all of them together have the time that one has.
        let closed = join_all(sessions.iter().map(|session| session.close())).await;
        closed.into_iter().collect()
    }
}
