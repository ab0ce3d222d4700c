//! What else can be found out about a refusal: asked once for a place that was refused, never otherwise.

use reqwest::{Method as HttpMethod, StatusCode};
use serde::Deserialize;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind};

use super::client::LoggedIn;
use super::outcome;
use super::place::{Method, Place};
use super::wire::Envelope;

/// Where a place is mounted.
#[derive(Deserialize)]
pub(super) struct Mount {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    options: Option<MountOptions>,
}

#[derive(Deserialize)]
struct MountOptions {
    version: Option<String>,
}

/// What KV version 2 answers for a version that was removed.
#[derive(Deserialize)]
pub(super) struct Removed {
    metadata: RemovedVersion,
}

#[derive(Deserialize)]
struct RemovedVersion {
    version: u64,
    destroyed: bool,
}

impl Mount {
    /// Asks where a place is mounted; whoever may use it may know.
    pub(super) async fn of(login: &LoggedIn, place: &Place) -> Option<Mount> {
        let segments = ["sys", "internal", "ui", "mounts"].into_iter().chain(place.segments());
        let url = login.server.url(segments).ok()?;
        let asked = login.server.send(Some(&login.token.header), HttpMethod::GET, url, None);
        let answer = asked.await.ok().filter(|answer| answer.status.is_success())?;
        Envelope::parse(&answer.body)?.data()
    }

    /// What comes behind the mount in a path below it.
    fn below<'a>(&self, place: &'a Place) -> Option<&'a str> {
        place.path.strip_prefix(self.path.trim_matches('/'))?.strip_prefix('/')
    }

    fn is_version_2(&self) -> bool {
        let version = self.options.as_ref().and_then(|options| options.version.as_deref());
        self.kind == "kv" && version == Some("2")
    }

    /// The place of KV version 2 that says `part` (`metadata`, `subkeys`) of what the place has.
    pub(super) fn part(&self, place: &Place, part: &str) -> Option<String> {
        let rest = self.below(place).filter(|_| self.is_version_2())?.strip_prefix("data/")?;
        Some(format!("{}/{part}/{rest}", self.path.trim_matches('/')))
    }

    /// How the path has to be written for this kind of mount, if it is not.
    fn better(&self, place: &Place) -> Option<String> {
        let (mount, rest) = (self.path.trim_matches('/'), self.below(place)?);
        let is_kv = matches!(self.kind.as_str(), "kv" | "generic");
        match (self.is_version_2(), rest.strip_prefix("data/")) {
            (true, None) => Some(format!("{mount}/data/{rest}")),
            (false, Some(rest)) if is_kv => Some(format!("{mount}/{rest}")),
            (true, Some(_)) | (false, _) => None,
        }
    }
}

impl Removed {
    pub(super) fn error(&self, place: &Place) -> ProviderError {
        let RemovedVersion { version, destroyed } = self.metadata;
        let how = if destroyed { "destroyed" } else { "deleted" };
        let message =
            format!("secret not found at path \"{}\": version {version} is {how}", place.path);
        let error = ProviderError::new(ProviderErrorKind::NotFound, message);
        match destroyed {
            true => error.help("write a new version, or read an older one with `version`"),
            false => {
                error.help("undelete it, write a new version, or read an older one with `version`")
            }
        }
    }
}

/// The error, with what can be found out about it.
pub(super) async fn explained(
    login: &LoggedIn,
    place: &Place,
    error: ProviderError,
) -> ProviderError {
    let denied = error.kind == ProviderErrorKind::Denied;
    if !denied && error.kind != ProviderErrorKind::NotFound {
        return error;
    }
    if denied && !is_accepted(login).await {
        return outcome::unauthenticated(&login.server.address);
    }
    if place.method == Method::Write {
        return error;
    }
    let mount = Mount::of(login, place).await;
    match mount.and_then(|mount| Some((mount.better(place)?, mount.is_version_2()))) {
        Some((path, true)) => error.help(format!("this is KV version 2: write `{path}`")),
        Some((path, false)) => error.help(format!("this is KV version 1: write `{path}`")),
        None => error,
    }
}

/// Whether the token is one at all: a server says the same to a bad token and to a good one that may not.
///
/// Every token may look at itself by default, and one that may not still learns which mounts it may see.
pub(super) async fn is_accepted(login: &LoggedIn) -> bool {
    !is_denied(login, &["auth", "token", "lookup-self"]).await
        || !is_denied(login, &["sys", "internal", "ui", "mounts"]).await
}

async fn is_denied(login: &LoggedIn, path: &[&str]) -> bool {
    let Ok(url) = login.server.url(path.iter().copied()) else {
        return false;
    };
    let asked = login.server.send(Some(&login.token.header), HttpMethod::GET, url, None);
    asked.await.is_ok_and(|answer| answer.status == StatusCode::FORBIDDEN)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Method, Mount, MountOptions, Place};

    fn mount(path: &str, kind: &str, version: Option<&str>) -> Mount {
        let options = Some(MountOptions { version: version.map(str::to_owned) });
        Mount { path: path.to_owned(), kind: kind.to_owned(), options }
    }

    fn place(path: &str) -> Place {
        let path = path.to_owned();
        Place { path, version: None, method: Method::Read, data: BTreeMap::new() }
    }

    fn check(mount: &Mount, path: &str, expected: Option<&str>) {
        assert_eq!(mount.better(&place(path)).as_deref(), expected, "{path}");
    }

    #[test]
    fn a_wrong_data_part_is_put_right() {
        let two = mount("kv/", "kv", Some("2"));
        check(&two, "kv/prod/api", Some("kv/data/prod/api"));
        check(&two, "kv/data/prod/api", None);
        let one = mount("team/kv/", "kv", Some("1"));
        check(&one, "team/kv/data/prod", Some("team/kv/prod"));
        check(&one, "team/kv/prod", None);
        check(&mount("database/", "database", None), "database/data/x", None);
        check(&two, "kvx/prod", None);
    }

    #[test]
    fn parts_are_those_of_version_2() {
        let two = mount("kv/", "kv", Some("2"));
        assert_eq!(two.part(&place("kv/data/a/b"), "metadata").as_deref(), Some("kv/metadata/a/b"));
        assert_eq!(two.part(&place("kv/a/b"), "metadata"), None);
        assert_eq!(mount("kv/", "kv", Some("1")).part(&place("kv/data/a"), "metadata"), None);
    }
}
