//! Secrets: listed, stored, changed. No answer holds a value.

use std::time::{Duration, SystemTime};

use subrosa_registry::{Address, Admin, Amendment, Expiry, Names, RegistryError, SetOptions};
use subrosa_server::channel::secrets::{
    ChangeSecret, Changed, ExpiryName, ListSecrets, SecretChange, SecretView, SecretsCall,
    SetSecret, ShowSecret, Standing, Written,
};
use subrosa_server::channel::{By, Refusal, ScopeName, moment};

use super::{Runner, refusal, reply};

/// Answers what is asked about secrets.
pub(super) fn answer(runner: &Runner, id: u64, by: &By, call: SecretsCall) {
    match call {
        SecretsCall::ListSecrets(asked) => reply::<ListSecrets>(id, list(runner, by, &asked)),
        SecretsCall::ShowSecret(asked) => reply::<ShowSecret>(id, show(runner, by, &asked)),
        SecretsCall::SetSecret(asked) => reply::<SetSecret>(id, set(runner, by, &asked)),
        SecretsCall::ChangeSecret(asked) => reply::<ChangeSecret>(id, change(runner, by, &asked)),
    }
}

fn address(scope: &ScopeName, reference: &str) -> Result<Address, Refusal> {
    scope.address(reference).map_err(|why| refusal::name(&why))
}

/// Every secret; none without a registry.
fn list(runner: &Runner, by: &By, _: &ListSecrets) -> Result<Vec<SecretView>, Refusal> {
    match runner.admin(by, "serve").list() {
        Ok(list) => Ok(list.iter().map(SecretView::of).collect()),
        Err(RegistryError::NoStore { .. }) => Ok(Vec::new()),
        Err(error) => Err(refusal::registry(&error)),
    }
}

/// One secret.
fn show(runner: &Runner, by: &By, asked: &ShowSecret) -> Result<SecretView, Refusal> {
    let address = address(&asked.scope, &asked.reference)?;
    match runner.admin(by, "serve").info(&address) {
        Ok(info) => Ok(SecretView::of(&info)),
        // Without a registry there is no such secret, and that is all there is to say of it.
        Err(RegistryError::NoStore { .. }) => {
            Err(refusal::registry(&RegistryError::NotFound(address)))
        }
        Err(error) => Err(refusal::registry(&error)),
    }
}

/// Stores a value, or declares that there will be one; the first makes the registry.
fn set(runner: &Runner, by: &By, asked: &SetSecret) -> Result<Written, Refusal> {
    let address = address(&asked.scope, &asked.reference)?;
    let mut admin = runner.admin(by, "serve");
    let now = (runner.clock)();
    let options = SetOptions {
        overlap: asked.overlap_s.map(Duration::from_secs),
        description: asked.description.clone(),
        expiry: asked.expiry.as_ref().map(|name| expiry(name, now)).transpose()?,
        keep: keep(asked.keep)?,
    };
    let value = asked.value.as_ref().map(|sealed| runner.key.open(sealed)).transpose();
    let value = value.map_err(refusal::sealed)?;
    let written = match (value, asked.must_be) {
        (Some(value), Standing::New) => {
            in_store(&admin, || admin.create(&address, &value, &options).map(Some))
        }
        (Some(value), Standing::Present(expected)) => {
            admin.expect = expected;
            admin.rotate(&address, &value, &options).map(Some)
        }
        (None, Standing::New) => {
            let declaration = Amendment {
                description: options.description,
                expiry: options.expiry,
                keep: options.keep,
            };
            in_store(&admin, || admin.declare_as(&address, &declaration).map(|_| None))
        }
        (None, Standing::Present(_)) => return Err(refusal::invalid("there is no value")),
    };
    let written = written.map_err(|error| refusal::registry(&error))?;
    Ok(Written {
        version: written.as_ref().map(|written| written.version),
        lost_expiry: written.is_some_and(|written| written.lost_expiry),
    })
}

/// Does what makes a secret; if there is no registry yet, it is made first.
fn in_store<T>(
    admin: &Admin<'_>,
    make: impl Fn() -> Result<T, RegistryError>,
) -> Result<T, RegistryError> {
    match make() {
        Err(RegistryError::NoStore { .. } | RegistryError::Missing { .. }) => {}
        done => return done,
    }
    match admin.create_store(Names::Open) {
        // Somebody else was faster.
        Ok(()) | Err(RegistryError::StoreExists { .. }) => make(),
        Err(error) => Err(error),
    }
}

/// Changes a secret, but not its value.
fn change(runner: &Runner, by: &By, asked: &ChangeSecret) -> Result<Changed, Refusal> {
    let address = address(&asked.scope, &asked.reference)?;
    let mut admin = runner.admin(by, "serve");
    admin.expect = asked.expect;
    let nothing = |()| Changed::default();
    let changed = match &asked.change {
        SecretChange::Enable => admin.enable(&address).map(drop).map(nothing),
        SecretChange::Disable => admin.disable(&address).map(drop).map(nothing),
        SecretChange::Remove => admin.remove(&address).map(nothing),
        SecretChange::Rollback { version } => {
            let rolled_back = admin.rollback(&address, Some(*version));
            rolled_back.map(|(_, version)| Changed { version: Some(version), dropped: 0 })
        }
        SecretChange::Amend { description, expiry: name, keep: wanted } => {
            let expiry = name.as_ref().map(|name| expiry(name, (runner.clock)())).transpose()?;
            let keep = keep(*wanted)?;
            let amendment = Amendment { description: description.clone(), expiry, keep };
            admin.amend(&address, &amendment).map(nothing)
        }
        SecretChange::Prune { keep: wanted } => {
            let keep = keep(Some(*wanted))?.unwrap_or_default();
            admin.prune(&address, keep).map(|dropped| Changed {
                version: None,
                dropped: u64::try_from(dropped).unwrap_or(u64::MAX),
            })
        }
    };
    match changed {
        Err(RegistryError::NoStore { .. }) => {
            Err(refusal::registry(&RegistryError::NotFound(address)))
        }
        changed => changed.map_err(|error| refusal::registry(&error)),
    }
}

fn keep(wanted: Option<u32>) -> Result<Option<u32>, Refusal> {
    match wanted {
        Some(0) => Err(refusal::invalid("`keep` is 0, and one version at least is kept")),
        wanted => Ok(wanted),
    }
}

pub(super) fn expiry(name: &ExpiryName, now: SystemTime) -> Result<Expiry, Refusal> {
    match name {
        ExpiryName::Never => Ok(Expiry::Never),
        ExpiryName::At(text) => {
            let at = moment(text).ok_or_else(|| {
                refusal::invalid("`expires` is no moment like 2027-01-31T00:00:00Z")
            })?;
            if at <= now {
                return Err(refusal::invalid("`expires` is in the past"));
            }
            Ok(Expiry::At(at))
        }
        ExpiryName::Age(0) => Err(refusal::invalid("`max_age_s` is 0")),
        ExpiryName::Age(seconds) => Ok(Expiry::Age(Duration::from_secs(*seconds))),
    }
}
