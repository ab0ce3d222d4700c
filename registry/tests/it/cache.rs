//! The cache of values: what comes back, and what does not.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;
use std::time::Duration;

use subrosa_registry::{About, Cache, Disk, Files, Names, RegistryError};
use tempfile::TempDir;

use crate::model::ModelFiles;
use crate::support::{
    Below, START_S, admin, create, now, prepared, registry, secret, set_now_s, text_of,
};

const MAX_AGE_S: u64 = 3600;

fn about(parts: &[&str]) -> About {
    About(parts.iter().map(|part| (*part).to_owned()).collect())
}

/// A store with a cache beside it.
fn model() -> ModelFiles {
    let files = ModelFiles::new();
    create(&registry(&files), Names::Open).unwrap();
    files
}

fn cache(files: &ModelFiles) -> Cache {
    let folder: Arc<dyn Files> = Arc::new(Below::new(files.clone(), "cache"));
    Cache::new(Arc::new(registry(files)), folder, Duration::from_secs(MAX_AGE_S))
}

fn keep(cache: &Cache, parts: &[&str], value: &str) {
    cache.keep(&[(about(parts), secret(value))]).unwrap();
}

fn find(cache: &Cache, parts: &[&str]) -> Option<String> {
    let found = cache.find(&[about(parts)]).unwrap().pop().unwrap();
    found.map(|kept| text_of(&kept.value))
}

fn entries(files: &ModelFiles) -> BTreeMap<String, Vec<u8>> {
    let all = files.snapshot().into_iter();
    all.filter(|(path, _)| path.starts_with("cache/") && !path.ends_with("/lock")).collect()
}

#[test]
fn what_was_kept_comes_back_for_the_same_question_only() {
    let files = model();
    let cache = cache(&files);
    keep(&cache, &["vault", "a", "bc"], "first");
    keep(&cache, &["vault", "a", "bc"], "second");
    assert_eq!(find(&cache, &["vault", "a", "bc"]).unwrap(), "second");
    for other in [&["vault", "ab", "c"][..], &["vault", "a"], &["vault", "a", "bc", ""], &[]] {
        assert_eq!(find(&cache, other), None, "{other:?}");
    }
    assert_eq!(entries(&files).len(), 1);
    let at = cache.find(&[about(&["vault", "a", "bc"])]).unwrap().pop().unwrap().unwrap().at;
    assert_eq!(at, now());
}

#[test]
fn what_is_too_old_or_of_another_time_is_not_there_and_goes() {
    let files = model();
    let cache = cache(&files);
    keep(&cache, &["a"], "value");
    for (at, is_there) in
        [(START_S + MAX_AGE_S, true), (START_S + MAX_AGE_S + 1, false), (START_S - 1, false)]
    {
        set_now_s(at);
        assert_eq!(find(&cache, &["a"]).is_some(), is_there, "{at}");
    }
    set_now_s(START_S + MAX_AGE_S + 1);
    keep(&cache, &["b"], "other");
    assert_eq!(entries(&files).len(), 1);
    assert_eq!(find(&cache, &["b"]).unwrap(), "other");
    set_now_s(START_S);
}

#[test]
fn what_is_forgotten_is_gone_and_the_rest_stays() {
    let files = model();
    let cache = cache(&files);
    cache.forget(&[about(&["a"])]).unwrap();
    keep(&cache, &["a"], "value of a");
    keep(&cache, &["b"], "value of b");
    cache.forget(&[about(&["a"]), about(&["c"])]).unwrap();
    assert_eq!(find(&cache, &["a"]), None);
    assert_eq!(find(&cache, &["b"]).unwrap(), "value of b");
    assert_eq!(entries(&files).len(), 1);
}

#[test]
fn what_is_discarded_is_gone_and_what_is_not_ours_stays() {
    let files = model();
    let cache = cache(&files);
    files.put("cache/letter", b"of somebody else");
    keep(&cache, &["a"], "value");
    set_now_s(START_S + 10 * MAX_AGE_S);
    keep(&cache, &["b"], "value");
    set_now_s(START_S);
    let folder = Below::new(files.clone(), "cache");
    for _ in 0..2 {
        Cache::discard(&folder).unwrap();
        let left: Vec<String> = entries(&files).into_keys().collect();
        assert_eq!(left, ["cache/letter"]);
    }
}

#[test]
fn an_entry_that_was_changed_or_moved_is_not_there() {
    let files = model();
    let cache = cache(&files);
    keep(&cache, &["a"], "value of a");
    let (path, whole) = entries(&files).pop_first().unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        files.put(&path, &bytes);
        assert_eq!(find(&cache, &["a"]), None, "byte {at}");
        files.put(&path, &whole[..at]);
        assert_eq!(find(&cache, &["a"]), None, "cut at {at}");
    }
    files.put(&path, &whole);
    keep(&cache, &["b"], "value of b");
    let other = entries(&files).into_keys().find(|other| *other != path).unwrap();
    files.put(&other, &whole);
    assert_eq!(find(&cache, &["b"]), None);
    assert_eq!(find(&cache, &["a"]).unwrap(), "value of a");
}

#[test]
fn nothing_of_a_value_or_a_question_can_be_read_in_the_folder() {
    let files = model();
    keep(&cache(&files), &["vault", "kv/canary"], "canary-of-the-value");
    for (path, bytes) in entries(&files) {
        assert!(!path.contains("canary"));
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
    }
}

#[test]
fn a_new_key_of_the_store_opens_what_was_kept_and_another_store_does_not() {
    let files = model();
    keep(&cache(&files), &["a"], "value");
    admin(&registry(&files)).rotate_key(None).unwrap();
    assert_eq!(find(&cache(&files), &["a"]).unwrap(), "value");
    let other = model();
    for (path, bytes) in entries(&files) {
        other.put(&path, &bytes);
    }
    assert_eq!(find(&cache(&other), &["a"]), None);
}

#[test]
fn an_entry_that_is_open_to_others_or_a_link_is_not_there_and_goes() {
    let (files, folder) = (model(), TempDir::new().unwrap());
    let path = folder.path().join("cache");
    let disk = || -> Arc<dyn Files> { Arc::new(Disk::private(&path)) };
    let fresh = || Cache::new(Arc::new(registry(&files)), disk(), Duration::from_secs(MAX_AGE_S));
    let cache = fresh();
    keep(&cache, &["a"], "value of a");
    let names = || -> Vec<String> {
        let all = disk().list("").unwrap().into_iter().map(|entry| entry.name);
        all.filter(|name| name.len() == 64).collect()
    };
    let first = names().pop().unwrap();
    keep(&cache, &["b"], "value of b");
    fs::set_permissions(path.join(&first), Permissions::from_mode(0o644)).unwrap();
    symlink("/dev/zero", path.join("0".repeat(64))).unwrap();
    assert_eq!(find(&cache, &["a"]), None);
    assert_eq!(find(&cache, &["b"]).unwrap(), "value of b");
    keep(&cache, &["c"], "value of c");
    assert_eq!(names().len(), 2);
    assert!(!names().contains(&first));
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    assert!(fresh().find(&[about(&["b"])]).is_err());
}

#[test]
fn what_an_entry_is_about_is_not_shown() {
    assert!(!format!("{:?}", about(&["vault", "token=canary"])).contains("canary"));
}

#[test]
fn without_a_store_there_is_no_cache() {
    let files = ModelFiles::new();
    let refused = cache(&files).keep(&[(about(&["a"]), secret("value"))]).unwrap_err();
    assert!(matches!(refused, RegistryError::NoStore { .. }), "{refused}");
    assert_eq!(files.snapshot(), prepared(|_| {}));
}
