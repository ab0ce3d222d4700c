//! `serve`: listens, and lets a second process open what has to be opened.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use subrosa_engine::remedy::with_causes;
use subrosa_server::{Limits, ServeError, Settings, Stop, TlsFiles, Uri};
use tokio::runtime::Builder;
use tokio::sync::watch;

use crate::args::serve::ServeArgs;
use crate::failure::{Exit, Failure};
use crate::out;
use crate::runner::{self, Task};
use crate::signals::{STOPPING, Signals};
use crate::wiring::World;

/// How long the server may still take once runs have ended.
const LAST: Duration = Duration::from_secs(2);

/// Serves until a signal comes.
pub(crate) fn serve(args: &ServeArgs, world: &World) -> Result<Exit, Failure> {
    let settings = settings(args, world)?;
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::engine(format!("cannot start the runtime: {error}")))?;
    let served = runtime.block_on(async {
        let mut signals = Signals::listen(STOPPING)?;
        let (stop, stopping) = watch::channel(Stop::No);
        tokio::spawn(async move {
            for how in [Stop::Finish, Stop::Now] {
                signals.next().await;
                stop.send_replace(how);
            }
            // Whoever holds the other end is told nothing by our being gone.
            std::future::pending::<()>().await;
        });
        subrosa_server::serve(settings, stopping, tell).await.map_err(failure)
    });
    runtime.shutdown_timeout(LAST);
    served.map(|()| Exit::OK)
}

fn tell(address: &str, link: Option<&str>) {
    out::stderr(&format!("subrosa serves {address}\n"));
    if let Some(link) = link {
        out::stderr(&format!("come in, once, as an admin: {link}\n"));
    }
}

fn settings(args: &ServeArgs, world: &World) -> Result<Settings, Failure> {
    let public_url = args.public_url.as_deref().map(public_url).transpose()?;
    let tls = args.tls_cert.as_ref().zip(args.tls_key.as_ref());
    let tls = tls.map(|(certificate, key)| TlsFiles {
        certificate: world.current_dir.join(certificate),
        key: world.current_dir.join(key),
    });
    let workflows = world.current_dir.join(&args.workflows);
    if !workflows.is_dir() {
        let message = format!("`{}` is no folder", args.workflows.display());
        return Err(Failure::usage(message).help("name the folder that holds the workflow files"));
    }
    let key_file = world.key_file.as_ref().map(|path| ("SUBROSA_KEY_FILE", path.as_os_str()));
    let profile = world.profile.as_ref().map(|name| ("SUBROSA_PROFILE", name.as_ref()));
    let private: Vec<String> = args.allow_private_hosts.iter().map(ToString::to_string).collect();
    let private = private.join(" ");
    let private = Some((runner::PRIVATE_HOSTS, private.as_ref()));
    let runner_env = [key_file, profile, private].into_iter().flatten();
    let runner = runner_words(args, world, &workflows);
    Ok(Settings {
        bind: args.bind,
        public_url,
        trust_proxy: args.trust_proxy,
        tls,
        workflows,
        kinds: subrosa_executors::KINDS,
        data_dir: world.data_dir()?,
        runner,
        runner_env: runner_env
            .map(|(name, value)| (OsString::from(name), value.to_owned()))
            .collect(),
        admin_link: args.admin_link,
        log_requests: !args.quiet,
        openid: world.openid()?,
        clock: world.clock,
        limits: limits(args),
    })
}

/// The program and its words that make the runner.
fn runner_words(args: &ServeArgs, world: &World, workflows: &Path) -> Vec<OsString> {
    let credentials = args.hook_credentials.as_ref().map(|path| world.current_dir.join(path));
    let task =
        Task { folder: workflows.to_path_buf(), grace: args.grace, hook_credentials: credentials };
    let words = [world.executable.clone().into(), runner::WORD.into()];
    words.into_iter().chain(task.words()).collect()
}

/// Bounds; there are no more connections than descriptors, of which files and the runner need some, too.
fn limits(args: &ServeArgs) -> Limits {
    let known = Limits { body_len_max: args.max_body, grace: args.grace, ..Limits::default() };
    let descriptors = getrlimit(Resource::Nofile).current;
    let room = descriptors.and_then(|count| usize::try_from(count / 4 * 3).ok());
    let connections_max =
        room.map_or(known.connections_max, |room| known.connections_max.min(room));
    let connections_per_address = known.connections_per_address.min(connections_max.div_ceil(2));
    Limits { connections_max, connections_per_address, ..known }
}

fn public_url(text: &str) -> Result<Uri, Failure> {
    let wrong = || {
        Failure::usage("what was given as `--public-url` is no address of a server")
            .help("it looks like `https://flows.example.com`")
    };
    let url: Uri = text.parse().map_err(|_| wrong())?;
    let is_root = matches!(url.path(), "" | "/") && url.query().is_none();
    let is_web = matches!(url.scheme_str(), Some("http" | "https"));
    let has_user = url.authority().is_none_or(|authority| authority.as_str().contains('@'));
    if is_root && is_web && !has_user { Ok(url) } else { Err(wrong()) }
}

fn failure(error: ServeError) -> Failure {
    let help = match &error {
        ServeError::Bind(..) => {
            Some("another program may listen there: name another with `--bind`")
        }
        ServeError::Runner => Some("what it said stands above"),
        ServeError::OpenId(_) => Some("docs/server/people.md has what `[serve.oidc]` may say"),
        ServeError::Tls { .. } | ServeError::Kept(_) | ServeError::Randomness => None,
    };
    let failure = Failure::engine(with_causes(&error));
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}
