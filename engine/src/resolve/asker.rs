//! On whose behalf secrets are asked for, and from which environment of the registry.
//!
//! The flag wins over every file; a called workflow has its own `environment:` or else that of its
//! caller. Whether such an environment exists, and may be used, is for the registry to say.

use std::sync::Arc;

use subrosa_registry::{Actor, EnvironmentName, Lookup, Scope};

use super::logins::{InUse, Logins};
use crate::host::Host;
use crate::masks::Masks;
use crate::provider::Asking;
use crate::rundir::run_id;
use crate::workflow::{Environment, Workflow};

/// What the resolution is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A run.
    Run,
    /// Another try of a run.
    Retry,
    /// A command that is no step.
    Exec,
    /// A look: no command of the file is run, also not those in back-ticks.
    Dry,
    /// A look at what could be resolved, without values.
    Check,
}

impl Purpose {
    /// Whether commands in back-ticks are run.
    pub(crate) fn runs_commands(self) -> bool {
        match self {
            Purpose::Run | Purpose::Retry | Purpose::Exec => true,
            Purpose::Dry | Purpose::Check => false,
        }
    }

    /// The command, as the audit log says it.
    fn command(self) -> &'static str {
        match self {
            Purpose::Run => "run",
            Purpose::Retry => "retry",
            Purpose::Exec => "exec",
            Purpose::Dry => "dry",
            Purpose::Check => "check",
        }
    }

    /// The id of the run that is to come, which the audit log names already.
    fn run(self, host: &Host) -> Option<String> {
        match self {
            // Without randomness there is no id; whoever makes the run's folder tells that.
            Purpose::Run | Purpose::Retry => run_id((host.clock)()).ok(),
            Purpose::Exec | Purpose::Dry | Purpose::Check => None,
        }
    }
}

/// Who chooses the environment of the registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EnvironmentChoice {
    /// The files do.
    #[default]
    Files,
    /// A run that is tried again had this one: it wins over what the outermost workflow says now, not
    /// over what called ones say.
    Recorded(EnvironmentName),
    /// `--env`: it wins over what all files say.
    Given(EnvironmentName),
}

/// What is resolved, and which values of the registry may be used.
#[derive(Clone, Debug)]
pub struct ResolveOptions {
    /// What for.
    pub purpose: Purpose,
    /// Who chooses the environment.
    pub environment: EnvironmentChoice,
    /// Whether a protected environment may be used.
    pub allow_protected: bool,
    /// Whether values past their date are used.
    pub allow_expired: bool,
    /// Whether connections are looked at before they are used.
    pub checks_connections: bool,
    /// The logins that are made; whoever starts a run keeps a clone to close them with.
    pub logins: Logins,
    /// The id of the run that is to come, if whoever starts it has chosen one: [`crate::run_id`].
    pub run_id: Option<String>,
}

impl ResolveOptions {
    /// The files choose, and nothing special is allowed.
    pub fn new(purpose: Purpose) -> ResolveOptions {
        ResolveOptions {
            purpose,
            environment: EnvironmentChoice::Files,
            allow_protected: false,
            allow_expired: false,
            checks_connections: true,
            logins: Logins::default(),
            run_id: None,
        }
    }
}

/// Who asks for the secrets of one workflow.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) options: ResolveOptions,
    /// The environment that was chosen for this workflow.
    pub(crate) environment: Option<EnvironmentName>,
    /// The run's id.
    pub(crate) run: Option<String>,
    audit_required: bool,
    /// The step that calls the workflow.
    step: Option<String>,
    /// Keeps open what was opened for the workflow, for as long as it runs.
    _session: Option<Arc<InUse>>,
}

impl Asker {
    /// For the workflow that a command names.
    pub(crate) fn outermost(workflow: &Workflow, options: ResolveOptions, host: &Host) -> Asker {
        let environment = match &options.environment {
            EnvironmentChoice::Given(name) | EnvironmentChoice::Recorded(name) => {
                Some(name.clone())
            }
            EnvironmentChoice::Files => own(workflow),
        };
        let run = options.run_id.clone().or_else(|| options.purpose.run(host));
        let audit_required = workflow.audit_required;
        Asker { options, environment, run, audit_required, step: None, _session: None }
    }

    /// For a workflow that `step` calls. Who must be audited does not escape that by a call.
    pub(crate) fn called(&self, workflow: &Workflow, step: String) -> Asker {
        let environment = match &self.options.environment {
            EnvironmentChoice::Given(name) => Some(name.clone()),
            EnvironmentChoice::Files | EnvironmentChoice::Recorded(_) => {
                own(workflow).or_else(|| self.environment.clone())
            }
        };
        Asker {
            environment,
            audit_required: self.audit_required || workflow.audit_required,
            step: Some(step),
            ..self.clone()
        }
    }

    /// Keeps the logins of the workflow open for as long as this is there.
    pub(super) fn keeping(self, session: Arc<InUse>) -> Asker {
        Asker { _session: Some(session), ..self }
    }

    /// Whether the command line chose the environment.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.options.environment, EnvironmentChoice::Given(_))
    }

    /// Where the search for the workflow's refs begins.
    pub(crate) fn scope(&self, workflow: &Workflow) -> Scope {
        Scope { workspace: workflow.workspace(), environment: self.environment.clone() }
    }

    /// On whose behalf a provider may ask the registry.
    pub(crate) fn asking(&self, workflow: &Workflow, host: &Host, masks: &Masks) -> Asking {
        let name = masks.text(&workflow.name).to_string();
        let checks_connections = self.options.checks_connections;
        Asking { lookup: self.lookup(workflow, name, host), checks_connections }
    }

    /// The question for the registry; `name` is the workflow's as it may be shown.
    pub(super) fn lookup(&self, workflow: &Workflow, name: String, host: &Host) -> Lookup {
        Lookup {
            scope: self.scope(workflow),
            allow_protected: self.options.allow_protected,
            allow_expired: self.options.allow_expired,
            allow_disabled: false,
            audit_required: self.audit_required,
            actor: Actor {
                user: host.user.clone(),
                command: self.options.purpose.command().to_owned(),
                run: self.run.clone(),
                workflow: Some(name),
                step: self.step.clone(),
            },
        }
    }
}

fn own(workflow: &Workflow) -> Option<EnvironmentName> {
    workflow.environment.as_ref().map(|Environment { name, .. }| name.clone())
}
