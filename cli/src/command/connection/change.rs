//! The verbs that change a connection without a new version of it.

use subrosa_registry::{Address, Admin};

use super::{about, address, confirm, name};
use crate::args::connection::{ChangeArgs, ConfirmArgs};
use crate::command::secret::{Told, allowed, place};
use crate::failure::{Exit, Failure};
use crate::wiring::World;

/// Forbids runs to use a connection.
pub(crate) fn disable(args: &ChangeArgs, world: &World) -> Result<Exit, Failure> {
    change(args, "connection disable", world, |admin, address| {
        let changed = admin.disable(address)?;
        let what = if changed { "disabled" } else { "disabled already" };
        Ok(about(address, what).with("state", "disabled").with("changed", changed))
    })
}

/// Lets runs use a connection again.
pub(crate) fn enable(args: &ChangeArgs, world: &World) -> Result<Exit, Failure> {
    change(args, "connection enable", world, |admin, address| {
        let changed = admin.enable(address)?;
        let what = if changed { "enabled" } else { "enabled already" };
        Ok(about(address, what).with("state", "active").with("changed", changed))
    })
}

/// Removes a connection, after a question.
pub(crate) fn remove(args: &ConfirmArgs, world: &World) -> Result<Exit, Failure> {
    change(&args.change, "connection rm", world, |admin, address| {
        let record = admin.record(address)?;
        allowed(admin, address)?;
        let is_granted = super::store::parse(&record).is_ok_and(|record| record.tokens.is_some());
        let (name, place) = (name(address), place(&address.scope));
        let question = format!("Remove the connection {name} ({place}) with all its versions?");
        confirm(&question, args.yes, world)?;
        removed(admin, address, is_granted)
    })
}

fn removed(admin: &Admin<'_>, address: &Address, is_granted: bool) -> Result<Told, Failure> {
    admin.remove(address)?;
    let mut told = about(address, "removed").with("removed", true);
    if is_granted {
        told.note(
            "the service still has the grant, which was not revoked; it can be taken back there",
        );
    }
    Ok(told)
}

/// Finds the connection, changes it, tells of it.
fn change(
    args: &ChangeArgs,
    verb: &str,
    world: &World,
    change: impl FnOnce(&Admin<'_>, &Address) -> Result<Told, Failure>,
) -> Result<Exit, Failure> {
    let address = address(&args.one)?;
    let secrets = world.secrets()?;
    let admin = secrets.admin(verb, args.allow_protected, world);
    change(&admin, &address)?.tell(args.one.json)
}
