//! What typed steps need of the surroundings: the way to connections and to servers.

use std::ffi::OsStr;
use std::sync::Arc;

use subrosa_engine::kind::{Runners, StepFault};
use subrosa_executors::{HttpFiles, Lender, MakeHttp, Means};
use subrosa_http::{Http, HttpSettings, Proxy, Roots, Tls};
use subrosa_registry::Registry;

use crate::connections;
use crate::wiring::World;

/// Which file of credentials is for which server, for `http` steps that name none.
const HTTP_CREDENTIALS: &str = "SUBROSA_HTTP_CREDENTIALS";

/// What carries out the steps of the kinds of this build.
pub(crate) fn runners(world: &World, registry: Arc<Registry>) -> Runners {
    let lender = Lender::new(connections::store(world, registry));
    let files = world.var(HTTP_CREDENTIALS).map(OsStr::to_string_lossy).unwrap_or_default();
    let http_files = HttpFiles::parse(&files);
    subrosa_executors::runners(&Means { lender: Arc::new(lender), http: http(world), http_files })
}

/// Through the proxy of the environment; servers without encryption need no authorities.
fn http(world: &World) -> MakeHttp {
    let variable = connections::proxy_variables(world);
    Arc::new(move |server, roots, timeout| {
        let roots = if server.is_encrypted() { roots } else { Roots::None };
        let settings = HttpSettings {
            tls: Tls { roots, identity: None },
            proxy: Proxy::of(server, |name| variable(name)),
            timeout,
        };
        Http::new(&settings).map_err(|error| StepFault::new(error.to_string()))
    })
}
