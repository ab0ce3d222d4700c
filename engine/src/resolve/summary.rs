//! What a resolution did, in numbers; only what is known.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::group::Tally;

/// Counts and times of a resolution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many secrets the workflow declares.
    pub secrets: usize,
    /// How long all of them took.
    pub took: Duration,
    /// By provider, in the order of the first secret; the registry last.
    pub providers: Vec<ProviderSummary>,
}

/// Counts and times of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderSummary {
    /// Its name; `registry` for refs.
    pub provider: String,
    /// Secrets that it was to give.
    pub secrets: usize,
    /// Times that it was opened; none if a login was there already.
    pub logins: usize,
    /// Different requests that were put; fewer than secrets if some are the same.
    pub requests: usize,
    /// Requests that were repeated, each time counted.
    pub retries: usize,
    /// How long until the last answer.
    pub took: Duration,
}

impl ProviderSummary {
    pub(super) fn of(provider: &str, secrets: usize, tally: Tally) -> ProviderSummary {
        let Tally { logins, requests, retries, took } = tally;
        ProviderSummary { provider: provider.to_owned(), secrets, logins, requests, retries, took }
    }

    pub(super) fn registry(secrets: usize, took: Duration) -> ProviderSummary {
        let provider = "registry".to_owned();
        ProviderSummary { provider, secrets, took, ..ProviderSummary::default() }
    }

    /// One line per provider, however many logins it needed.
    pub(super) fn joined(all: Vec<ProviderSummary>) -> Vec<ProviderSummary> {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut joined: Vec<ProviderSummary> = Vec::new();
        for one in all {
            let place = *places.entry(one.provider.clone()).or_insert(joined.len());
            match joined.get_mut(place) {
                None => joined.push(one),
                Some(known) => {
                    known.secrets += one.secrets;
                    known.logins += one.logins;
                    known.requests += one.requests;
                    known.retries += one.retries;
                    known.took = known.took.max(one.took);
                }
            }
        }
        joined
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resolved {} in {} ms", counted(self.secrets, "secret"), self.took.as_millis())?;
        let between = std::iter::once(": ").chain(std::iter::repeat("; "));
        self.providers
            .iter()
            .zip(between)
            .try_for_each(|(one, between)| write!(f, "{between}{one}"))
    }
}

impl fmt::Display for ProviderSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.provider, self.secrets)?;
        if self.requests > 0 {
            write!(f, ", {}", counted(self.requests, "request"))?;
        }
        if self.logins > 0 {
            write!(f, ", {}", counted(self.logins, "login"))?;
        }
        match self.retries {
            0 => {}
            1 => f.write_str(", 1 retry")?,
            retries => write!(f, ", {retries} retries")?,
        }
        write!(f, ", {} ms", self.took.as_millis())
    }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ProviderSummary, Summary};
    use crate::resolve::group::Tally;

    #[test]
    fn one_line_tells_counts_and_times() {
        let tally = |logins, requests, retries, ms| Tally {
            logins,
            requests,
            retries,
            took: Duration::from_millis(ms),
        };
        let providers = ProviderSummary::joined(vec![
            ProviderSummary::of("vault", 6, tally(1, 5, 0, 40)),
            ProviderSummary::of("env", 2, tally(1, 2, 0, 0)),
            ProviderSummary::of("vault", 3, tally(1, 3, 2, 80)),
        ]);
        let mut summary = Summary { secrets: 11, took: Duration::from_millis(83), providers };
        assert_eq!(
            summary.to_string(),
            "resolved 11 secrets in 83 ms: vault 9, 8 requests, 2 logins, 2 retries, 80 ms; \
             env 2, 2 requests, 1 login, 0 ms"
        );
        summary.providers = vec![ProviderSummary::registry(1, Duration::from_millis(4))];
        summary.secrets = 1;
        assert_eq!(summary.to_string(), "resolved 1 secret in 83 ms: registry 1, 4 ms");
    }
}
