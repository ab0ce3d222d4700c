//! A provider that does as it is told, and writes down what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use subrosa_engine::provider::{
    Checked, Client, Identity, Provider, ProviderError, ProviderErrorKind, ResolveContext, Retry,
    SecretRequest,
};
use subrosa_engine::secret::SecretValue;

/// What it does when it is asked.
#[derive(Clone)]
pub(crate) enum Act {
    /// Gives the key with `value of ` before it.
    Give,
    Fail(ProviderError),
    /// Never answers.
    Hang,
    Panic,
    /// Gives after a while.
    Slow(Duration),
}

/// An error as a provider makes one.
pub(crate) fn error(kind: ProviderErrorKind, message: &str, retry: Retry) -> Act {
    Act::Fail(ProviderError::new(kind, message).retry(retry))
}

/// Out of reach, worth a repetition.
pub(crate) fn unreachable() -> Act {
    error(ProviderErrorKind::Unavailable, "connection refused", Retry::Later)
}

/// What it was asked.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) lines: Mutex<Vec<String>>,
    now: AtomicUsize,
    /// The most requests and logins that were under way at a time.
    pub(crate) at_once: AtomicUsize,
}

impl Log {
    fn line(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }

    async fn under_way<T>(&self, act: impl Future<Output = T>) -> T {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once.fetch_max(now, Ordering::SeqCst);
        let done = act.await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        done
    }

    /// The lines that begin so.
    pub(crate) fn count(&self, start: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.starts_with(start)).count()
    }
}

type Script = Arc<dyn Fn(&SecretRequest, usize) -> Act + Send + Sync>;

/// The provider.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) name: &'static str,
    /// Told by the number of the attempt, from 0.
    pub(crate) opens: fn(usize) -> Act,
    /// Told by the request, and how often the same was asked before.
    pub(crate) script: Script,
    pub(crate) batch_len: usize,
    pub(crate) keeps: Option<Act>,
    pub(crate) closes: Act,
    pub(crate) log: Arc<Log>,
}

impl Scripted {
    /// One that gives whatever it is asked.
    pub(crate) fn giving() -> Scripted {
        Scripted::told(|_, _| Act::Give)
    }

    pub(crate) fn told(
        script: impl Fn(&SecretRequest, usize) -> Act + Send + Sync + 'static,
    ) -> Scripted {
        Scripted {
            name: "box",
            opens: |_| Act::Give,
            script: Arc::new(script),
            batch_len: 1,
            keeps: None,
            closes: Act::Give,
            log: Arc::default(),
        }
    }
}

#[async_trait]
impl Provider for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn identity(&self, request: &SecretRequest) -> Identity {
        Identity::of(request, &["address"])
    }

    fn place(&self, request: &SecretRequest) -> String {
        request.key.split('#').next().unwrap_or_default().to_owned()
    }

    fn cache_scope(
        &self,
        _context: &ResolveContext,
        request: &SecretRequest,
    ) -> Option<Vec<String>> {
        (!request.key.starts_with("lent")).then(|| vec!["https://box".to_owned()])
    }

    fn options(&self) -> &[&str] {
        &["address", "field", "namespace", "token"]
    }

    async fn open(
        &self,
        _context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let number = self.log.count("open");
        let address = identity.0.get("address").map_or("", String::as_str);
        self.log.line(format!("open {address}"));
        let opened = self.log.under_way(act(&(self.opens)(number), "")).await;
        opened.map(|_| Box::new(self.clone()) as _)
    }
}

#[async_trait]
impl Client for Scripted {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let line = format!("fetch {}", request.key);
        let number = self.log.lines.lock().unwrap().iter().filter(|known| **known == line).count();
        self.log.line(line);
        self.log.under_way(act(&(self.script)(request, number), &request.key)).await
    }

    fn batch_len_max(&self) -> usize {
        self.batch_len
    }

    async fn fetch_many(
        &self,
        requests: &[SecretRequest],
    ) -> Vec<Result<SecretValue, ProviderError>> {
        self.log.line(format!("batch of {}", requests.len()));
        let mut answers = Vec::new();
        for request in requests {
            answers.push(self.fetch(request).await);
        }
        answers
    }

    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        self.log.line(format!("check {}", request.key));
        act(&(self.script)(request, 0), &request.key).await.map(|_| Checked::Likely)
    }

    async fn keep(&self) -> Result<(), ProviderError> {
        self.log.line("keep");
        match &self.keeps {
            Some(told) => act(told, "").await.map(drop),
            None => Ok(()),
        }
    }

    async fn close(&self) -> Result<(), ProviderError> {
        self.log.line("close");
        act(&self.closes, "").await.map(drop)
    }
}

async fn act(act: &Act, key: &str) -> Result<SecretValue, ProviderError> {
    match act {
        Act::Give => {}
        Act::Fail(error) => return Err(error.clone()),
        Act::Hang => std::future::pending().await,
        Act::Panic => panic!("as told"),
        Act::Slow(while_) => tokio::time::sleep(*while_).await,
    }
    Ok(SecretValue::new(format!("value of {key}").into_bytes()))
}
