//! Environments: listed, protected, removed.

use subrosa_registry::{EnvironmentName, Names, RegistryError};
use subrosa_server::channel::environments::{
    ChangeEnvironment, EnvironmentChange, EnvironmentView, EnvironmentsCall, ListEnvironments,
};
use subrosa_server::channel::{By, Refusal, RefusalKind};

use super::{Runner, refusal, reply};

/// Answers what is asked about environments.
pub(super) fn answer(runner: &Runner, id: u64, by: &By, call: EnvironmentsCall) {
    match call {
        EnvironmentsCall::ListEnvironments(asked) => {
            reply::<ListEnvironments>(id, list(runner, by, &asked));
        }
        EnvironmentsCall::ChangeEnvironment(asked) => {
            reply::<ChangeEnvironment>(id, change(runner, by, &asked));
        }
    }
}

/// The environments; none without a registry.
fn list(runner: &Runner, by: &By, _: &ListEnvironments) -> Result<Vec<EnvironmentView>, Refusal> {
    match runner.admin(by, "serve").environments() {
        Ok(list) => Ok(list.iter().map(EnvironmentView::of).collect()),
        Err(RegistryError::NoStore { .. }) => Ok(Vec::new()),
        Err(error) => Err(refusal::registry(&error)),
    }
}

/// Changes one; to protect the first makes the registry.
fn change(runner: &Runner, by: &By, asked: &ChangeEnvironment) -> Result<(), Refusal> {
    let name = EnvironmentName::parse(&asked.name).map_err(|why| match asked.change {
        EnvironmentChange::Protect => refusal::name(&why),
        // What is no name names nothing.
        EnvironmentChange::Unprotect | EnvironmentChange::Remove => Refusal {
            kind: RefusalKind::NotFound,
            message: format!("there is no such environment: {why}"),
            help: None,
        },
    })?;
    let admin = runner.admin(by, "serve");
    let change = || match asked.change {
        EnvironmentChange::Protect => admin.protect(&name).map(drop),
        EnvironmentChange::Unprotect => admin.unprotect(&name).map(drop),
        EnvironmentChange::Remove => admin.remove_environment(&name),
    };
    let changed = match (change(), asked.change) {
        (Err(RegistryError::NoStore { .. }), EnvironmentChange::Protect) => {
            match admin.create_store(Names::Open) {
                Ok(()) | Err(RegistryError::StoreExists { .. }) => change(),
                Err(error) => Err(error),
            }
        }
        (Err(RegistryError::NoStore { .. }), _) => {
            Err(RegistryError::UnknownEnvironment { name: name.clone(), known: Vec::new() })
        }
        (changed, _) => changed,
    };
    changed.map_err(|error| refusal::registry(&error))
}
