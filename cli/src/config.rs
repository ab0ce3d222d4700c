//! Finds the `subrosa.toml` files and tells what is wrong with them.
//!
//! The user's is in one place; the project's is beside the workflow file or in a folder above it, as far
//! up as the git work tree goes: outside of one, whoever may write to a parent folder would have a say.
//! For the same reason a file or a work tree of others, or that others can change, does not count. The
//! user's decides where credentials go, so nobody else may be able to change it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use subrosa_engine::config::{ConfigFile, Origin, Settings, parse};
use subrosa_engine::provider::Providers;
use subrosa_masker::MaskSet;
use subrosa_server::OpenIdSettings;

use crate::failure::{Exit, Failure};
use crate::load;
use crate::render::Excerpts;
use crate::wiring::World;

/// What is read here of the user's file; the rest is the engine's.
#[derive(Deserialize)]
struct Whole {
    serve: Option<Serve>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Serve {
    oidc: Option<OpenIdSettings>,
}

const NAME: &str = "subrosa.toml";

/// What others may do to a file: write to it.
const WRITABLE_BY_OTHERS: u32 = 0o022;

impl World {
    /// The configuration for the workflow of this file; for the current folder, if there is none.
    pub(crate) fn settings(
        &self,
        workflow: Option<&Path>,
        providers: &Providers,
    ) -> Result<Settings, Failure> {
        let user = self.config_file().filter(|path| is_there(path));
        let project = self.nearest(workflow).filter(|path| {
            let is_trusted = is_trusted(path);
            if !is_trusted {
                let shown = path.display();
                let why = format!("`{shown}` is not used: others own it, or can change it");
                load::warn(&why, &MaskSet::empty());
            }
            is_trusted
        });
        let project =
            project.filter(|path| user.as_deref().is_none_or(|user| !is_same(user, path)));
        let mut files = Vec::new();
        if let Some(path) = &user {
            check_owner(path)?;
            files.push(self.read(path, Origin::User, providers)?);
        }
        if let Some(path) = &project {
            files.push(self.read(path, Origin::Project, providers)?);
        }
        Settings::new(&files, self.profile.as_deref())
            .map_err(|error| Failure::usage(error.to_string()).help(error.help()))
    }

    /// How people come in to the server by an OpenID provider: `[serve.oidc]` of the user's file, and of no
    /// other: it decides who may do what.
    pub(crate) fn openid(&self) -> Result<Option<OpenIdSettings>, Failure> {
        let Some(path) = self.config_file().filter(|path| is_there(path)) else {
            return Ok(None);
        };
        check_owner(&path)?;
        let shown = path.display();
        let source = subrosa_engine::load(&path)
            .map_err(|error| Failure::new(Exit::INVALID, error.to_string()))?;
        let whole: Whole = toml::from_str(source.text()).map_err(|error| {
            let before = error.span().and_then(|span| source.text().get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            let why = error.message().lines().next().unwrap_or_default().to_owned();
            Failure::new(Exit::INVALID, format!("{shown}:{line}: {why}"))
                .help("docs/server/people.md has what `[serve.oidc]` may say")
        })?;
        let mut openid = whole.serve.and_then(|serve| serve.oidc);
        if let Some(OpenIdSettings { ca_cert, client_secret_file, .. }) = &mut openid {
            // As in the other tables: beside the file that names it.
            for file in [ca_cert, client_secret_file].into_iter().flatten() {
                *file = path.parent().unwrap_or(Path::new("")).join(&file);
            }
        }
        Ok(openid)
    }

    /// The project's file, if there is one that is used.
    pub(crate) fn project_file(&self, workflow: Option<&Path>) -> Option<PathBuf> {
        self.nearest(workflow).filter(|path| is_trusted(path))
    }

    /// The file that is called like the project's, whoever's it is.
    fn nearest(&self, workflow: Option<&Path>) -> Option<PathBuf> {
        let path = workflow.map(|path| self.current_dir.join(path));
        let folder = path.as_deref().map_or(Some(self.current_dir.as_path()), Path::parent)?;
        let tree = folder.ancestors().find(|folder| is_there(&folder.join(".git")));
        let tree = tree.filter(|folder| is_trusted(&folder.join(".git")));
        let mut folders =
            folder.ancestors().take_while(|folder| folder.starts_with(tree.unwrap_or(folder)));
        match tree {
            Some(_) => folders.map(|folder| folder.join(NAME)).find(|path| is_there(path)),
            None => folders.next().map(|folder| folder.join(NAME)).filter(|path| is_there(path)),
        }
    }

    fn read(
        &self,
        path: &Path,
        origin: Origin,
        providers: &Providers,
    ) -> Result<ConfigFile, Failure> {
        let shown = path.strip_prefix(&self.current_dir).unwrap_or(path);
        let source = subrosa_engine::load(path)
            .map_err(|error| Failure::new(Exit::INVALID, error.to_string()))?;
        let source = Arc::new(source.named(shown));
        let parsed = parse(&source, origin, providers);
        load::tell(&Excerpts::new(&source).private(&parsed.private), &parsed.diagnostics, self);
        parsed.file.ok_or(Failure::Told(Exit::INVALID))
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    real(a) == real(b)
}

/// Whether nobody but the user and the administrator made this, or can change it.
fn is_trusted(path: &Path) -> bool {
    let is_ours = |uid| uid == 0 || uid == rustix::process::geteuid().as_raw();
    let (Ok(link), Ok(stat)) = (rustix::fs::lstat(path), rustix::fs::stat(path)) else {
        return false;
    };
    // Where each user has a group of that number, group and owner are the same person, and the usual
    // mask of such systems leaves what the group may do.
    let others = if stat.st_gid == stat.st_uid { 0o002 } else { WRITABLE_BY_OTHERS };
    is_ours(link.st_uid) && is_ours(stat.st_uid) && stat.st_mode & others == 0
}

/// The file is the user's, or the administrator's, and nobody else can write to it.
fn check_owner(path: &Path) -> Result<(), Failure> {
    // What cannot be looked at cannot be read either, and reading tells why.
    let Ok(stat) = rustix::fs::stat(path) else { return Ok(()) };
    let shown = path.display();
    let owners = [rustix::process::geteuid().as_raw(), 0];
    if !owners.contains(&stat.st_uid) {
        let why =
            format!("`{shown}` belongs to another user, and decides where your credentials go");
        return Err(Failure::new(Exit::INVALID, why).help(format!("chown \"$USER\" {shown}")));
    }
    if stat.st_mode & WRITABLE_BY_OTHERS != 0 {
        let why = format!(
            "`{shown}` can be changed by other users, and decides where your credentials go"
        );
        return Err(Failure::new(Exit::INVALID, why).help(format!("chmod go-w {shown}")));
    }
    Ok(())
}
