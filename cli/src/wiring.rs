//! The only place that reads what surrounds the process: arguments, environment, folders, clock.
//!
//! It takes one snapshot and builds the engine's [`Host`] from it, naming the providers of this build.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use subrosa_engine::config::Settings;
use subrosa_engine::host::{Host, Limits};
use subrosa_engine::provider::{FindProvider, Providers};
use subrosa_masker::Short;
use subrosa_registry::{AskPassphrase, Registry};

use crate::connections;
use crate::dispatch::Opener;
use crate::executors;
use crate::failure::Failure;
use crate::guard;
use crate::render::Look;
use crate::terminal;

/// What surrounds the process, as it was at start.
pub(crate) struct World {
    /// The environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// The current directory.
    pub(crate) current_dir: PathBuf,
    /// This program's own file, to start helpers with.
    pub(crate) executable: PathBuf,
    /// The wall clock.
    pub(crate) clock: fn() -> SystemTime,
    /// `--no-color`.
    pub(crate) no_color: bool,
    /// Where the key of the registry is, if that was said: `--key-file`, else `SUBROSA_KEY_FILE`.
    pub(crate) key_file: Option<PathBuf>,
    /// The profile of the configuration: `--profile`, else `SUBROSA_PROFILE`.
    pub(crate) profile: Option<String>,
    /// Who is asked for a passphrase; `None`: a person, on the terminal.
    pub(crate) asks: Option<AskPassphrase>,
}

/// What the words of the command line say of the surroundings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named<'a> {
    /// `--no-color`.
    pub(crate) no_color: bool,
    /// `--key-file`.
    pub(crate) key_file: Option<&'a Path>,
    /// `--profile`.
    pub(crate) profile: Option<&'a str>,
}

/// The words of the command line, the program's name first.
pub(crate) fn arguments() -> Vec<OsString> {
    std::env::args_os().collect()
}

#[expect(clippy::disallowed_methods, reason = "the clock that the host carries")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// It spreads requests over time; without any, all of them come as early as they may.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

impl World {
    /// Takes the snapshot.
    #[expect(clippy::disallowed_methods, reason = "the one snapshot of the surroundings")]
    pub(crate) fn snapshot(said: Named<'_>) -> Result<World, Failure> {
        let current_dir = std::env::current_dir()
            .map_err(|error| Failure::engine(format!("no current directory: {error}")))?;
        let executable = std::env::current_exe().map_err(|error| {
            Failure::engine(format!("cannot find this program's file: {error}"))
        })?;
        let env = std::env::vars_os().collect();
        let no_color = said.no_color;
        let (key_file, profile) = (None, None);
        let mut world = World {
            env,
            current_dir,
            executable,
            clock: now,
            no_color,
            key_file,
            profile,
            asks: None,
        };
        let named = said.key_file.or_else(|| world.var("SUBROSA_KEY_FILE").map(Path::new));
        world.key_file = named.map(|path| world.current_dir.join(path));
        let profile = || Some(world.var("SUBROSA_PROFILE")?.to_string_lossy().into_owned());
        world.profile = said.profile.map(str::to_owned).or_else(profile);
        Ok(world)
    }

    /// A variable that is set to something.
    pub(crate) fn var(&self, name: &str) -> Option<&OsStr> {
        let (_, value) = self.env.iter().find(|(key, _)| key == name)?;
        Some(value.as_os_str()).filter(|value| !value.is_empty())
    }

    /// Where records live: `SUBROSA_HOME`, else `subrosa` in the user's data folder.
    pub(crate) fn data_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(home) = self.var("SUBROSA_HOME") {
            return Ok(self.current_dir.join(home));
        }
        // A relative path in an XDG variable is to be ignored, says the XDG specification.
        if let Some(data) = self.var("XDG_DATA_HOME").filter(|path| Path::new(path).is_absolute()) {
            return Ok(Path::new(data).join("subrosa"));
        }
        match self.var("HOME") {
            Some(home) => Ok(self.current_dir.join(home).join(".local/share/subrosa")),
            None => Err(Failure::engine("there is no folder for records: `HOME` is not set")
                .help("set `SUBROSA_HOME` to a folder of your own")),
        }
    }

    /// Who runs this: what the environment calls the user, else the user's number.
    pub(crate) fn user(&self) -> String {
        let name = self.var("USER").or_else(|| self.var("LOGNAME"));
        let number = || rustix::process::getuid().as_raw().to_string();
        name.map_or_else(number, |name| name.to_string_lossy().into_owned())
    }

    /// How to write to a stream: colours only on a terminal, and only if wanted.
    pub(crate) fn look(&self, stream: &(impl IsTerminal + AsFd)) -> Look {
        let on_terminal = stream.is_terminal();
        let dumb = self.var("TERM").is_none_or(|term| term == "dumb");
        let colour = on_terminal && !dumb && !self.no_color && self.var("NO_COLOR").is_none();
        let width = terminal::size(stream).map_or(Look::PLAIN.width, |size| size.ws_col.into());
        Look { colour, width }
    }
}

impl Opener<'_> {
    /// The engine's view of the world, with the configuration for the workflow of this file; for the
    /// current folder, if there is none.
    pub(crate) fn configured_host(
        &self,
        short: Option<Short>,
        workflow: Option<&Path>,
    ) -> Result<Host, Failure> {
        let registry = self.open_secrets()?.registry;
        let host = self.host_with(short, registry.clone())?;
        let settings = self.settings(workflow, &host.providers)?;
        let cache = self.cache(registry, settings.cache_max_age)?;
        Ok(Host { limits: settings.limits(host.limits), settings, cache, ..host })
    }

    /// The engine's view of the world, without any configuration.
    pub(crate) fn host(&self, short: Option<Short>) -> Result<Host, Failure> {
        self.host_with(short, self.open_secrets()?.registry)
    }

    fn host_with(&self, short: Option<Short>, registry: Arc<Registry>) -> Result<Host, Failure> {
        Ok(Host {
            process_env: self.env.clone(),
            current_dir: self.current_dir.clone(),
            data_dir: self.data_dir()?,
            providers: self.providers(registry.clone()),
            runners: executors::runners(self, registry.clone()),
            registry: Some(registry),
            cache: None,
            user: self.user(),
            clock: self.clock,
            random,
            guard: Some(vec![self.executable.clone().into(), guard::WORD.into()]),
            short,
            limits: Limits::default(),
            settings: Settings::default(),
        })
    }

    /// The providers of this build, and plugins in the folders of `PATH`.
    fn providers(&self, registry: Arc<Registry>) -> Providers {
        let path = self.var("PATH").map(OsStr::to_owned);
        let find = path.map(|path| -> FindProvider {
            Arc::new(move |name| subrosa_providers::find_plugin(name, &path))
        });
        let mut built_in = subrosa_providers::builtin();
        built_in.push(connections::store(self, registry));
        Providers { built_in, find }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    use super::World;

    /// A world of nothing but variables.
    pub(crate) fn world(env: &[(&str, &str)]) -> World {
        World {
            env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            current_dir: "/here".into(),
            executable: "/bin/subrosa".into(),
            clock: || SystemTime::UNIX_EPOCH,
            no_color: false,
            key_file: None,
            profile: None,
            asks: None,
        }
    }

    fn data_dir(env: &[(&str, &str)]) -> Option<PathBuf> {
        world(env).data_dir().ok()
    }

    #[test]
    fn a_user_has_a_name_or_a_number() {
        assert_eq!(world(&[("LOGNAME", "b"), ("USER", "a")]).user(), "a");
        assert_eq!(world(&[("LOGNAME", "b"), ("USER", "")]).user(), "b");
        assert!(world(&[]).user().bytes().all(|byte| byte.is_ascii_digit()));
    }

    #[test]
    fn records_live_where_the_environment_says() {
        let check =
            |env, expected: &str| assert_eq!(data_dir(env).as_deref(), Some(Path::new(expected)));
        check(&[("SUBROSA_HOME", "/s"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")], "/s");
        check(&[("SUBROSA_HOME", "rel"), ("HOME", "/h")], "/here/rel");
        check(&[("SUBROSA_HOME", ""), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")], "/x/subrosa");
        check(&[("XDG_DATA_HOME", "rel"), ("HOME", "/h")], "/h/.local/share/subrosa");
        assert_eq!(data_dir(&[]), None);
    }
}
