//! `secret mv` and `secret copy`: another name or scope.

use subrosa_registry::{Address, Scope};

use super::{Told, address, place, reference};
use crate::args::secret::TransferArgs;
use crate::failure::{Exit, Failure};
use crate::wiring::World;

/// Gives a secret another name or scope.
pub(crate) fn mv(args: &TransferArgs, world: &World) -> Result<Exit, Failure> {
    let (from, to) = (address(&args.change.one)?, target(args)?);
    let secrets = world.secrets()?;
    let admin = secrets.admin("secret mv", args.change.allow_protected, world);
    admin.move_to(&from, &to)?;
    told(&from, &to, "moved").tell(args.change.one.json)
}

/// Gives a second secret the value of a first one.
pub(crate) fn copy(args: &TransferArgs, world: &World) -> Result<Exit, Failure> {
    let (from, to) = (address(&args.change.one)?, target(args)?);
    let secrets = world.secrets()?;
    let admin = secrets.admin("secret copy", args.change.allow_protected, world);
    admin.copy(&from, &to)?;
    told(&from, &to, "copied").tell(args.change.one.json)
}

fn target(args: &TransferArgs) -> Result<Address, Failure> {
    let from = &args.change.one.scope;
    let workspace = match &args.to_workspace {
        Some(name) => Some(name.clone()),
        None => from.workspace.clone().filter(|_| !args.to_global),
    };
    let environment = match &args.to_env {
        Some(name) => Some(name.clone()),
        None => from.environment.clone().filter(|_| !args.to_no_env),
    };
    Ok(Address { reference: reference(&args.to)?, scope: Scope { workspace, environment } })
}

fn told(from: &Address, to: &Address, verb: &str) -> Told {
    let what = format!("{verb} from {} ({}) to here", from.reference, place(&from.scope));
    let mut told = Told::about(to, &what);
    told.line = format!("{}: {verb} to {} ({})", from.reference, to.reference, place(&to.scope));
    let from = Told::about(from, verb).json;
    told.with("from", from)
}
