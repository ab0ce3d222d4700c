//! `provider: env`: a variable of the workflow, or of the process.
//!
//! Looks in the workflow's `env:` and dotenv files, then for the variable that hands a resolved value
//! to a child engine, then in the process environment. Set but empty is a value. The key is literal,
//! the value is taken byte by byte, options are ignored.

use std::sync::Arc;

use async_trait::async_trait;
use subrosa_engine::provider::{
    Checked, Client, Environment, Identity, Provider, ProviderError, ProviderErrorKind,
    ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;

/// What stands before the key in the variable that hands a resolved value on.
const PRESOLVED: &str = "_DAGU_PRESOLVED_SECRET_";

/// The provider.
pub(crate) struct Env;

#[async_trait]
impl Provider for Env {
    fn name(&self) -> &str {
        "env"
    }

    fn needs_settings(&self) -> bool {
        false
    }

    async fn open(
        &self,
        context: &ResolveContext,
        _identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        Ok(Box::new(Variables(context.env.clone())))
    }
}

struct Variables(Arc<Environment>);

#[async_trait]
impl Client for Variables {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let Environment { workflow, process } = &*self.0;
        let key = &request.key;
        workflow
            .get(key)
            .or_else(|| process.get(&format!("{PRESOLVED}{key}")))
            .or_else(|| process.get(key))
            .cloned()
            .ok_or_else(|| not_set(key, &self.0))
    }

    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        // Nobody sees a variable being read.
        self.fetch(request).await.map(|_| Checked::Readable)
    }
}

fn not_set(key: &str, environment: &Environment) -> ProviderError {
    let error = ProviderError::new(
        ProviderErrorKind::NotFound,
        // As written: the masks know no escaped form of it. Whoever shows it escapes it afterwards.
        format!("environment variable \"{key}\" is not set"),
    );
    let names = environment.workflow.keys().chain(environment.process.keys());
    match nearest(key, names) {
        Some(name) => error.help(format!("did you mean `{name}`?")),
        None if key.contains('$') => error.help("keys are literal: nothing expands them"),
        None => error.help("set it where subrosa is started, or in a dotenv file of the workflow"),
    }
}

/// The name that differs from `key` in case only, or in one place.
fn nearest<'a>(key: &str, names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut close: Vec<&String> = names.filter(|name| is_close(key, name)).collect();
    close.sort_by_key(|name| !name.eq_ignore_ascii_case(key));
    close.first().copied()
}

/// Whether one character that was added, left out or changed, or the case, makes the difference.
fn is_close(a: &str, b: &str) -> bool {
    if a.eq_ignore_ascii_case(b) {
        return true;
    }
    // A single character of a very short name is most of the name.
    if a.len().min(b.len()) < 4 {
        return false;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let head = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[head..], &b[head..]);
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    a.len() - tail <= 1 && b.len() - tail <= 1
}

#[cfg(test)]
mod tests {
    use super::{is_close, nearest};

    #[test]
    fn names_are_close_by_case_or_by_one_character() {
        for (a, b) in
            [("TOKEN", "token"), ("TOKEN", "TOKENS"), ("API_KEY", "APIKEY"), ("ABCDE", "ABXDE")]
        {
            assert!(is_close(a, b) && is_close(b, a), "{a} {b}");
        }
        for (a, b) in [("TOKEN", "SECRET"), ("A", "B"), ("TOKEN", "TOKEN_2"), ("", "X")] {
            assert!(!is_close(a, b) && !is_close(b, a), "{a} {b}");
        }
    }

    #[test]
    fn case_alone_is_nearer_than_another_letter() {
        let names = ["TOKENS".to_owned(), "token".to_owned()];
        assert_eq!(nearest("TOKEN", names.iter()).unwrap(), "token");
    }
}
