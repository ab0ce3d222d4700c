use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::git::Git;
use super::hook::{self, Hook};
use super::matcher::Matcher;
use super::place::Place;
use crate::failure::Failure;

fn install(place: &Place) -> Result<Hook, Failure> {
    let matcher = Matcher::new(&[]).unwrap();
    hook::install(&Git::new(&place.env(), place.path(), &matcher), place.path())
}

#[test]
fn the_hook_is_installed_once_and_mended() {
    let place = Place::repository();
    let path = place.path().join(".git/hooks/pre-commit");
    assert_eq!(install(&place).unwrap(), Hook::Installed(path.clone()));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("#!/bin/sh\n") && text.contains("\nexec subrosa scan --staged\n"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(install(&place).unwrap(), Hook::Unchanged(path.clone()));
    fs::write(&path, text.replace("exec", "# exec")).unwrap();
    assert_eq!(install(&place).unwrap(), Hook::Installed(path.clone()));
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(install(&place).unwrap(), Hook::Installed(path.clone()));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let names = fs::read_dir(path.parent().unwrap()).unwrap();
    let beside = names
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("subrosa"));
    assert_eq!(beside.count(), 0);
}

#[test]
fn a_foreign_hook_is_left_as_it_is() {
    let place = Place::repository();
    let path = place.write(".git/hooks/pre-commit", "#!/bin/sh\n# subrosa scan --staged\nmake\n");
    let mut told = String::new();
    install(&place).unwrap_err().tell(|text| told.push_str(text));
    assert!(
        told.contains("left as it is") && told.contains("subrosa scan --staged || exit"),
        "{told}"
    );
    assert!(fs::read_to_string(&path).unwrap().ends_with("make\n"));
    place.write(".git/hooks/pre-commit", "#!/bin/sh\nsubrosa scan --staged || exit\nmake\n");
    assert_eq!(install(&place).unwrap(), Hook::CalledFrom(path.clone()));
    fs::remove_file(&path).unwrap();
    symlink("elsewhere", &path).unwrap();
    install(&place).unwrap_err();
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
}

#[test]
fn the_hook_goes_where_git_looks_for_it() {
    let place = Place::repository();
    place.git(&["config", "core.hooksPath", "my hooks"]);
    assert_eq!(install(&place).unwrap(), Hook::Installed(place.path().join("my hooks/pre-commit")));
    install(&Place::new()).unwrap_err();
}

#[test]
fn git_stops_a_commit_when_the_hook_does() {
    let place = Place::repository();
    install(&place).unwrap();
    let program = place.write("bin/subrosa", "#!/bin/sh\necho \"$*\" >called\nexit 1\n");
    fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    let path = format!("{}:/usr/bin:/bin", place.path().join("bin").display());
    let commit = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=e", "commit", "--allow-empty", "-m", "m"])
        .current_dir(place.path())
        .env_clear()
        .envs(place.env())
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(!commit.status.success());
    let called = fs::read_to_string(place.path().join("called")).unwrap();
    assert_eq!(called, "scan --staged\n");
}
