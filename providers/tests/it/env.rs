//! `env`: scopes and their order.

use subrosa_engine::provider::{ProviderErrorKind, ResolveContext};

use crate::conformance::{self, Fixture, context, fetch, refused};

struct Process(Vec<(String, Vec<u8>)>);

impl Fixture for Process {
    const NAME: &'static str = "env";

    fn new() -> Process {
        Process(Vec::new())
    }

    fn put(&mut self, key: &str, value: &[u8]) {
        self.0.push((key.to_owned(), value.to_vec()));
    }

    fn context(&self) -> ResolveContext {
        let pairs: Vec<(&str, &[u8])> =
            self.0.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
        context(&[], &pairs, &[])
    }
}

#[test]
fn conforms() {
    conformance::suite::<Process>();
}

#[test]
fn the_workflow_comes_before_the_transport_and_that_before_the_process() {
    let transport: (&str, &[u8]) = ("_DAGU_PRESOLVED_SECRET_KEY", b"transport");
    let process: (&str, &[u8]) = ("KEY", b"process");
    let all = context(&[("KEY", b"workflow")], &[transport, process], &[]);
    assert_eq!(fetch("env", &all, "KEY").unwrap(), b"workflow");
    let no_workflow = context(&[], &[transport, process], &[]);
    assert_eq!(fetch("env", &no_workflow, "KEY").unwrap(), b"transport");
    let only_process = context(&[], &[process], &[]);
    assert_eq!(fetch("env", &only_process, "KEY").unwrap(), b"process");
}

#[test]
fn an_empty_variable_of_the_workflow_hides_a_full_one_of_the_process() {
    let both = context(&[("KEY", b"")], &[("KEY", b"process")], &[]);
    assert_eq!(fetch("env", &both, "KEY").unwrap(), b"");
}

#[test]
fn an_unset_variable_is_named_with_one_that_may_be_meant() {
    let near = context(&[], &[("API_TOKEN", b"canary")], &[]);
    let error = refused("env", &near, "API_TOKN", ProviderErrorKind::NotFound);
    assert_eq!(error.message, "environment variable \"API_TOKN\" is not set");
    assert_eq!(error.help.as_deref(), Some("did you mean `API_TOKEN`?"));
    let literal = refused("env", &near, "${API_TOKEN}", ProviderErrorKind::NotFound);
    assert_eq!(literal.help.as_deref(), Some("keys are literal: nothing expands them"));
}
