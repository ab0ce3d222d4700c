//! Secrets: listed, stored, changed. No answer holds a value.

use std::time::{Duration, SystemTime};

use subrosa_registry::{Address, Admin, Expiry, Names, RegistryError, SetOptions};
use subrosa_server::channel::secrets::{
    ChangeSecret, EnvironmentView, ListEnvironments, ListSecrets, SecretChange, SecretView,
    SecretsCall, SetSecret, Standing, Written,
};
use subrosa_server::channel::{By, Refusal};

use super::{Runner, refusal, reply};

/// Answers what is asked about secrets and environments.
pub(super) fn answer(runner: &Runner, id: u64, by: &By, call: SecretsCall) {
    match call {
        SecretsCall::ListSecrets(asked) => reply::<ListSecrets>(id, list(runner, by, &asked)),
        SecretsCall::SetSecret(asked) => reply::<SetSecret>(id, set(runner, by, &asked)),
        SecretsCall::ChangeSecret(asked) => reply::<ChangeSecret>(id, change(runner, by, &asked)),
        SecretsCall::ListEnvironments(asked) => {
            reply::<ListEnvironments>(id, environments(runner, by, &asked));
        }
    }
}

/// Every secret; none without a registry.
fn list(runner: &Runner, by: &By, _: &ListSecrets) -> Result<Vec<SecretView>, Refusal> {
    match runner.admin(by, "serve").list() {
        Ok(list) => Ok(list.iter().map(SecretView::of).collect()),
        Err(RegistryError::NoStore { .. }) => Ok(Vec::new()),
        Err(error) => Err(refusal::registry(&error)),
    }
}

/// The environments; none without a registry.
fn environments(
    runner: &Runner,
    by: &By,
    _: &ListEnvironments,
) -> Result<Vec<EnvironmentView>, Refusal> {
    match runner.admin(by, "serve").environments() {
        Ok(list) => Ok(list.iter().map(EnvironmentView::of).collect()),
        Err(RegistryError::NoStore { .. }) => Ok(Vec::new()),
        Err(error) => Err(refusal::registry(&error)),
    }
}

/// Stores a value, or declares that there will be one; the first makes the registry.
fn set(runner: &Runner, by: &By, asked: &SetSecret) -> Result<Written, Refusal> {
    let address = asked.scope.address(&asked.reference).map_err(|why| refusal::name(&why))?;
    let admin = runner.admin(by, "serve");
    let now = (runner.clock)();
    let options = SetOptions {
        overlap: asked.overlap_s.map(Duration::from_secs),
        description: asked.description.clone(),
        expiry: expiry(asked.expires.as_deref(), asked.max_age_s, now)?,
        keep: asked.keep,
    };
    let value = asked.value.as_ref().map(|sealed| runner.key.open(sealed)).transpose();
    let value = value.map_err(refusal::sealed)?;
    stands(&admin, &address, asked.must_be)?;
    let written = match value {
        Some(value) => {
            let written = admin.set(&address, &value, &options);
            let written = written.map_err(|error| refusal::registry(&error))?;
            Written { version: Some(written.version), lost_expiry: written.lost_expiry }
        }
        None => {
            admin.declare(&address).map_err(|error| refusal::registry(&error))?;
            Written { version: None, lost_expiry: false }
        }
    };
    Ok(written)
}

/// Whether what must be there is there.
fn stands(admin: &Admin<'_>, address: &Address, standing: Standing) -> Result<(), Refusal> {
    let refused = |error: RegistryError| Err(refusal::registry(&error));
    let found = match admin.info(address) {
        Ok(info) => Some(info),
        Err(RegistryError::NotFound(_)) => None,
        Err(RegistryError::NoStore { .. }) if standing == Standing::New => {
            admin.create_store(Names::Open).map_err(|error| refusal::registry(&error))?;
            None
        }
        Err(error) => return refused(error),
    };
    match (standing, found) {
        (Standing::New, Some(_)) => refused(RegistryError::Exists(address.clone())),
        (Standing::Present(_), None) => refused(RegistryError::NotFound(address.clone())),
        (Standing::Present(Some(expected)), Some(info)) if info.version != Some(expected) => {
            let (address, found) = (address.clone(), info.version);
            refused(RegistryError::Changed { address, expected, found })
        }
        _ => Ok(()),
    }
}

/// Changes a secret, but not its value.
fn change(runner: &Runner, by: &By, asked: &ChangeSecret) -> Result<(), Refusal> {
    let address = asked.scope.address(&asked.reference).map_err(|why| refusal::name(&why))?;
    let admin = runner.admin(by, "serve");
    stands(&admin, &address, Standing::Present(asked.expect))?;
    let changed = match &asked.change {
        SecretChange::Enable => admin.enable(&address).map(drop),
        SecretChange::Disable => admin.disable(&address).map(drop),
        SecretChange::Remove => admin.remove(&address),
        SecretChange::Rollback { version } => admin.rollback(&address, Some(*version)).map(drop),
        SecretChange::Describe { text } => admin.describe(&address, text),
        SecretChange::Expire { at, max_age_s } => {
            let expiry = expiry(at.as_deref(), *max_age_s, (runner.clock)())?;
            admin.expire(&address, expiry.unwrap_or(Expiry::Never))
        }
        SecretChange::Prune { keep } => admin.prune(&address, *keep).map(drop),
    };
    changed.map_err(|error| refusal::registry(&error))
}

pub(super) fn expiry(
    at: Option<&str>,
    max_age_s: Option<u64>,
    now: SystemTime,
) -> Result<Option<Expiry>, Refusal> {
    match (at, max_age_s) {
        (Some(_), Some(_)) => Err(refusal::invalid("`expires` and `max_age_s` exclude each other")),
        (Some(at), None) => {
            let at = humantime::parse_rfc3339_weak(at).map_err(|_| {
                refusal::invalid("`expires` is no moment like 2027-01-31T00:00:00Z")
            })?;
            if at <= now {
                return Err(refusal::invalid("`expires` is in the past"));
            }
            Ok(Some(Expiry::At(at)))
        }
        (None, Some(0)) => Err(refusal::invalid("`max_age_s` is 0")),
        (None, age) => Ok(age.map(|age| Expiry::Age(Duration::from_secs(age)))),
    }
}
