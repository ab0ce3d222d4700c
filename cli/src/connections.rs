//! What connections need of the surroundings: the types that are declared, the way to servers, the provider.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use subrosa_connections::keeper::MakeHttp;
use subrosa_connections::provider::Connections;
use subrosa_connections::types::{Flawed, Types};
use subrosa_http::{Http, HttpSettings, Proxy, Reach, Roots, Tls};
use subrosa_registry::Registry;

use crate::broker::refresher;
use crate::failure::Failure;
use crate::out;
use crate::render::{Excerpts, Look};
use crate::wiring::World;

/// How long one request to a service may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The folder in which users declare types of their own; none without a home.
pub(crate) fn types_folder(world: &World) -> Option<PathBuf> {
    Some(world.config_file()?.with_file_name("connection-types"))
}

/// The types of this build and those of the user. What is wrong with a file of theirs is told, and the
/// type is not there.
pub(crate) fn types(world: &World) -> Result<Arc<Types>, Failure> {
    let mut types = Types::shipped();
    if let Some(folder) = types_folder(world) {
        let flawed =
            types.add_folder(&folder).map_err(|error| Failure::engine(error.to_string()))?;
        tell(&flawed, world.look(&std::io::stderr()));
    }
    Ok(Arc::new(types))
}

/// Says what is wrong with files of the user.
fn tell(flawed: &[Flawed], look: Look) {
    for file in flawed {
        let excerpts = Excerpts::new(&file.source);
        for diagnostic in &file.diagnostics {
            out::stderr(&excerpts.render(diagnostic, look));
        }
    }
}

/// How servers are reached: with the authorities of the system, through the proxy of the environment.
pub(crate) fn http(world: &World, reach: &Reach) -> MakeHttp {
    let (variables, reach) = (proxy_variables(world), reach.clone());
    Arc::new(move |server| {
        let roots = if server.is_encrypted() { Roots::System } else { Roots::None };
        let settings = HttpSettings {
            tls: Tls { roots, identity: None },
            proxy: Proxy::of(server, |name| variables(name)),
            timeout: REQUEST_TIMEOUT,
        };
        Http::within(&settings, &reach).map_err(|error| error.to_string())
    })
}

/// Reads a variable of the snapshot.
pub(crate) type Variable = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The variables of proxies.
pub(crate) fn proxy_variables(world: &World) -> Variable {
    let variables: Vec<(String, String)> = ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), world.var(name)?.to_str()?.to_owned())))
        .collect();
    Arc::new(move |name| {
        variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    })
}

/// The connections of the registry, as the provider `connection` and typed steps read them. The types are
/// read when the first connection is: most runs have none.
pub(crate) fn store(world: &World, registry: Arc<Registry>) -> Arc<Connections> {
    let (folder, look) = (types_folder(world), world.look(&std::io::stderr()));
    let read: OnceLock<Result<Arc<Types>, String>> = OnceLock::new();
    let types = move || {
        read.get_or_init(|| {
            let mut types = Types::shipped();
            if let Some(folder) = &folder {
                let flawed = types.add_folder(folder).map_err(|error| error.to_string())?;
                tell(&flawed, look);
            }
            Ok(Arc::new(types))
        })
        .clone()
    };
    Arc::new(Connections {
        reader: Some(registry),
        types: Arc::new(types),
        refresher: refresher(world),
        clock: world.clock,
    })
}
