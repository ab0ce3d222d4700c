//! The verbs that change a secret without storing a value that was given.

use subrosa_registry::{Address, Admin, Expiry, RegistryError, Scope};

use super::{Told, address, later, minute, scope_names, stamp};
use crate::args::secret::{ChangeArgs, DescribeArgs, ExpireArgs, PruneArgs, RollbackArgs};
use crate::failure::{Exit, Failure};
use crate::text::count;
use crate::wiring::World;

/// Makes an earlier value the newest one.
pub(crate) fn rollback(args: &RollbackArgs, world: &World) -> Result<Exit, Failure> {
    change(&args.change, "secret rollback", world, |admin, address| {
        let rolled_back = admin.rollback(address, args.to);
        if let (Err(RegistryError::NoVersion { .. }), None) = (&rolled_back, args.to) {
            let message = format!("the secret {address} has no version before the current one");
            return Err(Failure::new(Exit::SECRETS, message));
        }
        let (from, version) = rolled_back?;
        let what = format!("version {version} stored, with the value of version {from}");
        Ok(Told::about(address, &what).with("version", version).with("from_version", from))
    })
}

/// Drops the oldest versions.
pub(crate) fn prune(args: &PruneArgs, world: &World) -> Result<Exit, Failure> {
    change(&args.change, "secret prune", world, |admin, address| {
        let dropped = admin.prune(address, args.keep)?;
        let what = format!("{} dropped, {} kept from now on", count(dropped, "version"), args.keep);
        Ok(Told::about(address, &what).with("dropped", dropped).with("keep", args.keep))
    })
}

/// Forbids runs to use a secret.
pub(crate) fn disable(args: &ChangeArgs, world: &World) -> Result<Exit, Failure> {
    change(args, "secret disable", world, |admin, address| {
        let changed = admin.disable(address)?;
        Ok(state(address, "disabled", changed))
    })
}

/// Lets runs use a secret again.
pub(crate) fn enable(args: &ChangeArgs, world: &World) -> Result<Exit, Failure> {
    change(args, "secret enable", world, |admin, address| {
        let changed = admin.enable(address)?;
        let what = if changed { "enabled" } else { "enabled already" };
        Ok(Told::about(address, what).with("state", "active").with("changed", changed))
    })
}

fn state(address: &Address, state: &str, changed: bool) -> Told {
    let what = if changed { state.to_owned() } else { format!("{state} already") };
    Told::about(address, &what).with("state", state).with("changed", changed)
}

/// Removes a secret, and says what runs get in its place.
pub(crate) fn remove(args: &ChangeArgs, world: &World) -> Result<Exit, Failure> {
    change(args, "secret rm", world, |admin, address| {
        admin.remove(address)?;
        let mut told = Told::about(address, "removed").with("removed", true);
        let wider = wider(admin, address);
        if let Some(scope) = &wider {
            let here = &address.scope;
            told.note(format!("runs in {here} get the one in {scope} again"));
        }
        Ok(told.with("falls_back_to", wider.as_ref().map(scope_names)))
    })
}

/// The nearest wider scope that has the ref. The secret is gone already, so that an error here only
/// leaves something unsaid.
fn wider(admin: &Admin<'_>, address: &Address) -> Option<Scope> {
    let has = |scope: &Scope| {
        let (reference, scope) = (address.reference.clone(), scope.clone());
        admin.info(&Address { reference, scope }).is_ok()
    };
    address.scope.search().into_iter().skip(1).find(has)
}

/// Says what a secret is for.
pub(crate) fn describe(args: &DescribeArgs, world: &World) -> Result<Exit, Failure> {
    change(&args.change, "secret describe", world, |admin, address| {
        admin.describe(address, &args.text)?;
        let what = if args.text.is_empty() { "description removed" } else { "described" };
        Ok(Told::about(address, what).with("description", args.text.as_str()))
    })
}

/// Says when a value expires.
pub(crate) fn expire(args: &ExpireArgs, world: &World) -> Result<Exit, Failure> {
    let now = (world.clock)();
    let expiry = match (args.at, args.after, args.max_age) {
        (Some(time), _, _) => Expiry::At(time),
        (None, Some(length), _) => Expiry::At(later(now, length)),
        (None, None, Some(age)) => Expiry::Age(age),
        (None, None, None) => Expiry::Never,
    };
    change(&args.change, "secret expire", world, |admin, address| {
        admin.expire(address, expiry)?;
        let expires = admin.info(address).ok().and_then(|info| info.expires);
        let what = match expires {
            None => "never expires".to_owned(),
            Some(time) if time <= now => format!("expired {} UTC", minute(time)),
            Some(time) => format!("expires {} UTC", minute(time)),
        };
        Ok(Told::about(address, &what).with("expires", expires.map(stamp)))
    })
}

/// Finds the secret, changes it, tells of it.
fn change(
    args: &ChangeArgs,
    command: &str,
    world: &World,
    change: impl FnOnce(&Admin<'_>, &Address) -> Result<Told, Failure>,
) -> Result<Exit, Failure> {
    let address = address(&args.one)?;
    let secrets = world.secrets()?;
    let admin = secrets.admin(command, args.allow_protected, world);
    change(&admin, &address)?.tell(args.one.json)
}
