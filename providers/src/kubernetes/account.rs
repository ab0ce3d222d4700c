//! The service account of a pod.

use std::path::Path;

use subrosa_engine::provider::{ProviderError, ResolveContext};

use super::settings::{Login, Pem, Settings, variable};
use crate::http::Address;
use crate::setup::{self, invalid};

/// Reads it; `looked` is where no kubeconfig was.
///
/// # Errors
/// This is no pod, or it has no service account.
pub(super) fn read(
    context: &ResolveContext,
    folder: &Path,
    looked: &str,
) -> Result<Settings, ProviderError> {
    let variable = |name| variable(context, name);
    let (Some(host), Some(port)) =
        (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"))
    else {
        let places = if looked.is_empty() { "no place: `HOME` is not set" } else { looked };
        return Err(invalid("kubeconfig error: there is none, and this is no pod of a cluster")
            .help(format!(
                "looked for {places}; name one in `options.kubeconfig` or `KUBECONFIG`"
            )));
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let address = Address::parse(&format!("https://{host}:{port}")).map_err(|_| {
        invalid("`KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` make no address")
    })?;
    let mut login = Login::default();
    let token = setup::read(&folder.join("token"), "the token of the service account")?;
    login.bearer(&token, "the token of the pod's service account")?;
    let authority = Pem::read(&folder.join("ca.crt"), "the certificate authority of the cluster")?;
    Ok(Settings { address, authority: Some(authority), tls_name: None, proxy: None, login })
}
