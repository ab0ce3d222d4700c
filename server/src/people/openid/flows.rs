//! Sign-ins that are under way: what was sent along, to be shown when the browser comes back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::OpenIdError;
use crate::people::{PeopleError, Token, digest, is_same};

/// How long a person may take at the provider.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// Sign-ins that are remembered; beyond that the oldest is forgotten.
const FLOWS_MAX: usize = 1000;

/// All that are under way, by the digest of the state.
#[derive(Default)]
pub(crate) struct Flows {
    flows: Mutex<HashMap<String, Flow>>,
}

/// One that is under way.
pub(crate) struct Flow {
    /// What is sent as the question's nonce, and has to be in the token.
    pub(super) nonce: Token,
    /// What shows, when the code is exchanged, that it was us who asked.
    pub(super) verifier: Token,
    /// The browser's, as a digest.
    browser: String,
    begun: Instant,
}

/// What the provider has the browser bring back.
#[derive(Deserialize)]
pub(crate) struct Returned {
    state: Option<String>,
    pub(super) code: Option<String>,
    pub(super) iss: Option<String>,
    error: Option<String>,
}

impl Returned {
    /// Why the provider says no, if it does. What it says is not repeated: anybody can make up an address.
    pub(super) fn denied(&self) -> Option<&'static str> {
        match self.error.as_deref()? {
            "access_denied" => Some("the sign-in was refused there"),
            "login_required" | "interaction_required" => Some("it wants to ask you something"),
            "temporarily_unavailable" | "server_error" => Some("it has a fault"),
            _ => Some("it does not say why"),
        }
    }
}

impl Flows {
    /// Begins one for a browser: the state to send, and what belongs to it.
    pub(super) fn begin<R>(
        &self,
        browser: &str,
        send: impl FnOnce(&Token, &Flow) -> R,
    ) -> Result<R, PeopleError> {
        let (state, nonce, verifier) = (Token::random()?, Token::random()?, Token::random()?);
        let flow = Flow { nonce, verifier, browser: digest(browser), begun: Instant::now() };
        let sent = send(&state, &flow);
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        flows.retain(|_, flow| flow.begun.elapsed() < LIFE);
        if flows.len() >= FLOWS_MAX {
            let oldest =
                flows.iter().min_by_key(|(_, flow)| flow.begun).map(|(key, _)| key.clone());
            oldest.map(|key| flows.remove(&key));
        }
        flows.insert(state.digest(), flow);
        Ok(sent)
    }

    /// The one that a browser comes back with, which is over with that.
    pub(super) fn take(
        &self,
        returned: &Returned,
        browser: Option<&str>,
    ) -> Result<Flow, OpenIdError> {
        let state = returned.state.as_deref().ok_or(OpenIdError::State)?;
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        let flow = flows.remove(&digest(state)).ok_or(OpenIdError::State)?;
        let is_theirs = browser.is_some_and(|browser| is_same(&digest(browser), &flow.browser));
        match is_theirs && flow.begun.elapsed() < LIFE {
            true => Ok(flow),
            false => Err(OpenIdError::State),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FLOWS_MAX, Flows, Returned};

    fn begin(flows: &Flows, browser: &str) -> String {
        flows.begin(browser, |state, _| state.text().to_owned()).unwrap()
    }

    fn returned(state: &str) -> Returned {
        Returned { state: Some(state.to_owned()), code: None, iss: None, error: None }
    }

    #[test]
    fn a_sign_in_is_good_once_and_for_its_browser() {
        let flows = Flows::default();
        let state = begin(&flows, "mine");
        assert!(flows.take(&returned("other"), Some("mine")).is_err());
        assert!(flows.take(&returned(&state), Some("mine")).is_ok());
        assert!(flows.take(&returned(&state), Some("mine")).is_err());
        for browser in [None, Some("theirs")] {
            let state = begin(&flows, "mine");
            assert!(flows.take(&returned(&state), browser).is_err());
        }
        assert!(flows.take(&Returned { state: None, ..returned("") }, Some("mine")).is_err());
    }

    #[test]
    fn sign_ins_that_nobody_ends_are_bounded() {
        let flows = Flows::default();
        let first = begin(&flows, "mine");
        for _ in 0..FLOWS_MAX {
            begin(&flows, "theirs");
        }
        assert_eq!(flows.flows.lock().unwrap().len(), FLOWS_MAX);
        assert!(flows.take(&returned(&first), Some("mine")).is_err());
    }
}
