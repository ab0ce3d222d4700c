//! `init`: makes the registry and its key before there is a secret.

use serde_json::{Map, json};
use subrosa_registry::{Names, RegistryError};

use crate::args::secret::InitArgs;
use crate::command::secret::{Told, new_store};
use crate::failure::{Exit, Failure};
use crate::wiring::World;

/// Makes what is not there. A registry that is there already stays as it is.
pub(crate) fn init(args: &InitArgs, world: &World) -> Result<Exit, Failure> {
    let secrets = world.secrets()?;
    let admin = secrets.admin("init", false, world);
    match admin.environments() {
        Ok(_) => {
            let folder = secrets.folder.display().to_string();
            return Err(RegistryError::StoreExists { folder }.into());
        }
        // Making it may have been cut off, which the registry can tell from a loss.
        Err(RegistryError::NoStore { .. } | RegistryError::Missing { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let names = if args.seal_names { Names::Sealed } else { Names::Open };
    admin.create_store(names)?;
    let folder = secrets.folder.display().to_string();
    let mut json = Map::new();
    json.insert("registry".to_owned(), json!(folder));
    json.insert("key".to_owned(), json!(secrets.key()));
    json.insert("names".to_owned(), json!(if args.seal_names { "sealed" } else { "open" }));
    let [_, key] = new_store(&secrets);
    let backup = format!(
        "back up both, apart from each other: `{folder}` holds no readable value without the key"
    );
    Told { line: format!("made the registry `{folder}`"), json, notes: vec![key, backup] }
        .tell(args.json)
}
