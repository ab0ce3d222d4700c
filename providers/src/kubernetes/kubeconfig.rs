//! Kubeconfigs: which cluster and which user a context means.
//!
//! Of several files the first that has a name wins, as with kubectl; paths are relative to the file that
//! they stand in. What would weaken the connection, or is not understood, is refused and not passed over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use data_encoding::BASE64;
use subrosa_engine::provider::{ProviderError, ResolveContext};
use subrosa_engine::secret::SecretValue;
use subrosa_engine::yaml::Node;
use zeroize::Zeroizing;

use super::exec::Plugin;
use super::node::{get, is_true, items, parse, text, texts};
use super::settings::{Login, Pem, Settings};
use crate::http::{self, Address, Proxy};
use crate::setup::{self, invalid};

/// Names that an error shows at most.
const NAMES_MAX: usize = 20;

/// The files, in their order.
pub(super) struct Files(pub(super) Vec<(PathBuf, Zeroizing<Vec<u8>>)>);

/// A file that was read.
struct Parsed<'a> {
    folder: &'a Path,
    root: Rc<Node>,
}

/// An entry of `clusters`, `users` or `contexts`.
pub(super) struct Entry<'a> {
    /// The folder that its paths are relative to.
    pub(super) folder: &'a Path,
    pub(super) name: &'a str,
    pub(super) node: &'a Node,
}

impl Entry<'_> {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        text(self.node, name)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(|path| self.folder.join(path))
    }

    /// A PEM text: as `NAME-data` in base64, else the file `NAME`.
    fn pem(&self, name: &str) -> Result<Option<Pem>, ProviderError> {
        let inline = format!("{name}-data");
        if let Some(encoded) = self.text(&inline) {
            let from = format!("`{inline}` of `{}`", self.name);
            let decoded = BASE64.decode(encoded.as_bytes()).map(Zeroizing::new);
            let text =
                decoded.map_err(|_| invalid(format!("kubeconfig error: {from} is no base64")))?;
            return Ok(Some(Pem { text, from }));
        }
        self.path(name).map(|path| Pem::read(&path, &format!("`{name}`"))).transpose()
    }
}

/// The cluster and the login of a context.
///
/// # Errors
/// A file, the context or what it names makes no sense.
pub(super) fn read(
    files: &Files,
    chosen: Option<&str>,
    context: &ResolveContext,
) -> Result<Settings, ProviderError> {
    let mut parsed = Vec::new();
    for (path, bytes) in &files.0 {
        let folder = path.parent().unwrap_or(Path::new(""));
        parsed.extend(parse(path, bytes)?.map(|root| Parsed { folder, root }));
    }
    let current = || parsed.iter().find_map(|file| text(&file.root, "current-context"));
    let Some(name) = chosen.or_else(current) else {
        return Err(invalid("kubeconfig error: no context is chosen")
            .help(format!("set `options.context` to one of: {}", names(&parsed, "contexts"))));
    };
    let chosen = find(&parsed, "contexts", "context", name)?;
    let Some(cluster) = chosen.text("cluster") else {
        return Err(invalid(format!("kubeconfig error: context `{name}` names no cluster")));
    };
    let cluster = find(&parsed, "clusters", "cluster", cluster)?;
    let (address, proxy) = server(&cluster, context)?;
    let authority = cluster.pem("certificate-authority")?;
    let mut login = match chosen.text("user") {
        Some(user) => self::login(&find(&parsed, "users", "user", user)?)?,
        None => Login { from: format!("context `{name}`, which has no user"), ..Login::default() },
    };
    if let Some(plugin) = &mut login.plugin {
        plugin.note_cluster(&cluster, authority.as_ref());
    }
    let has_login = login.authorization.is_some() || login.plugin.is_some();
    if has_login && !address.is_encrypted() && !address.is_loopback() {
        let message = format!("`{address}` would get the credentials over the network unencrypted");
        return Err(invalid(message).help("use an `https://` address in the kubeconfig"));
    }
    let tls_name = cluster.text("tls-server-name").map(str::to_owned);
    Ok(Settings { address, authority, tls_name, proxy, login })
}

fn find<'a>(
    files: &'a [Parsed<'a>],
    list: &str,
    what: &str,
    name: &str,
) -> Result<Entry<'a>, ProviderError> {
    for file in files {
        let named = |item: &&Rc<Node>| text(item, "name") == Some(name);
        if let Some(item) = items(&file.root, list).iter().find(named)
            && let (Some(node), Some(name)) = (get(item, what), text(item, "name"))
        {
            return Ok(Entry { folder: file.folder, name, node });
        }
    }
    Err(invalid(format!("kubeconfig error: there is no {what} `{name}`"))
        .help(format!("there is: {}", names(files, list))))
}

fn names(files: &[Parsed<'_>], list: &str) -> String {
    let all = files.iter().flat_map(|file| items(&file.root, list));
    let names = all.filter_map(|item| text(item, "name")).take(NAMES_MAX);
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The address, and the proxy on the way there.
fn server(
    cluster: &Entry<'_>,
    context: &ResolveContext,
) -> Result<(Address, Option<Proxy>), ProviderError> {
    let name = cluster.name;
    if is_true(cluster.node, "insecure-skip-tls-verify") {
        let message = format!(
            "cluster `{name}` has `insecure-skip-tls-verify`, and servers are always verified"
        );
        return Err(invalid(message).help("give its `certificate-authority` instead"));
    }
    let Some(server) = cluster.text("server") else {
        return Err(invalid(format!("kubeconfig error: cluster `{name}` has no `server`")));
    };
    let address = Address::parse(server).map_err(|error| {
        invalid(format!("kubeconfig error: the server of cluster `{name}` is no good: {error}"))
    })?;
    let proxy = match cluster.text("proxy-url") {
        None => http::proxy(&address, &context.env.process),
        Some(url) => {
            let url = SecretValue::new(url.as_bytes().to_vec());
            http::proxy(&address, &BTreeMap::from([("HTTPS_PROXY".to_owned(), url)]))
        }
    };
    Ok((address, proxy))
}

/// The login of a user: what stands first here counts, as with kubectl.
fn login(user: &Entry<'_>) -> Result<Login, ProviderError> {
    let name = user.name;
    let mut login = Login { from: format!("user `{name}` of the kubeconfig"), ..Login::default() };
    login.impersonate = impersonate(user)?;
    if let Some(path) = user.path("tokenFile") {
        let token = setup::read(&path, "the token file")?;
        login.bearer(&token, &format!("the token in `{}`", path.display()))?;
    } else if let Some(token) = user.text("token") {
        login.bearer(token.as_bytes(), &format!("the token of user `{name}`"))?;
    } else if let Some(who) = user.text("username") {
        let password = user.text("password").unwrap_or_default();
        let pair = Zeroizing::new([who.as_bytes(), b":", password.as_bytes()].concat());
        let encoded = Zeroizing::new(BASE64.encode(&pair));
        login.authorization = Some(Zeroizing::new([b"Basic ", encoded.as_bytes()].concat()));
    }
    login.certificate = match (user.pem("client-certificate")?, user.pem("client-key")?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            let message = format!(
                "kubeconfig error: user `{name}` has a client certificate or its key, not both"
            );
            return Err(invalid(message));
        }
    };
    if login.authorization.is_none() && login.certificate.is_none() {
        if let Some(exec) = get(user.node, "exec") {
            login.plugin = Some(Plugin::read(exec, user)?);
        } else if get(user.node, "auth-provider").is_some() {
            let message =
                format!("user `{name}` logs in by `auth-provider`, which Kubernetes gave up");
            return Err(invalid(message).help("use an `exec` plugin of the cloud instead"));
        }
    }
    Ok(login)
}

fn impersonate(user: &Entry<'_>) -> Result<Vec<(&'static str, String)>, ProviderError> {
    if get(user.node, "as-user-extra").is_some() {
        return Err(invalid(format!("`as-user-extra` of user `{}` is not understood", user.name)));
    }
    let mut headers = Vec::new();
    headers.extend(user.text("as").map(|who| ("impersonate-user", who.to_owned())));
    headers.extend(user.text("as-uid").map(|uid| ("impersonate-uid", uid.to_owned())));
    let groups = texts(user.node, "as-groups");
    headers.extend(groups.map(|group| ("impersonate-group", group.to_owned())));
    Ok(headers)
}
