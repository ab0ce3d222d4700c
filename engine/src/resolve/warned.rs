//! What providers noticed, beside the lines that asked.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::provider::Client;
use crate::workflow::Workflow;

/// The warnings of these clients, each at the secret it was noticed with. For after the fetches.
pub(super) fn warned(clients: &[Arc<dyn Client>], workflow: &Workflow) -> Vec<Diagnostic> {
    let told = clients.iter().flat_map(|client| client.warnings());
    let placed = told.map(|told| {
        let warning = Diagnostic::warning("provider-warning", told.message);
        let asked = workflow.secrets.iter().find(|secret| secret.name == told.secret);
        let warning = match asked {
            Some(secret) => warning.at(secret.key_span, "its value comes from here"),
            None => warning,
        };
        match told.help {
            Some(help) => warning.help(help),
            None => warning,
        }
    });
    placed.collect()
}
