use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use super::place::{BASE64, PASSWORD, Place};

#[test]
fn a_folder_without_git_is_walked() {
    let place = Place::new();
    place.write("a/deep/file", format!("x\n  {PASSWORD}"));
    place.write("a b\nc", BASE64);
    place.write("sub/.git/config", PASSWORD);
    place.write("binary", [b"\0\xff\xfe\n\0".as_slice(), PASSWORD.as_bytes(), b"\0"].concat());
    place.write("clean", "nothing");
    let outside = Place::new();
    outside.write("outside", PASSWORD);
    symlink(outside.path(), place.path().join("folder-link")).unwrap();
    symlink(outside.path().join("outside"), place.path().join("file-link")).unwrap();
    symlink(PASSWORD, place.path().join("link")).unwrap();
    let pipe = place.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    place.tree(".").check(&[
        "a b\\nc:1:1: value of `pw` (base64)",
        "binary:2:2: value of `pw` (raw)",
        "link:1:1: value of `pw` (raw)",
        "passed over pipe",
        "a/deep/file:2:3: value of `pw` (raw)",
    ]);
}

#[test]
fn a_name_that_holds_a_value_is_told_and_not_shown() {
    let place = Place::new();
    place.write(&format!("{PASSWORD}.txt"), "x");
    place.write(&format!("d-{BASE64}/x"), PASSWORD);
    place.tree(".").check(&[
        "*******.txt: value of `pw` (raw) in the name",
        "d-*******c=/x: value of `pw` (base64) in the name",
        "d-*******c=/x:1:1: value of `pw` (raw)",
    ]);
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_searched() {
    let place = Place::new();
    place.write("z", PASSWORD);
    symlink("loop", place.path().join("loop")).unwrap();
    place.tree("nowhere").check(&["unreadable nowhere"]);
    place.tree("loop").check(&["unreadable loop"]);
    let scanned = place.tree(".");
    scanned.check(&["z:1:1: value of `pw` (raw)"]);
    assert_eq!(scanned.searched, 2);
}

#[test]
fn in_a_work_tree_ignored_files_are_left_out_and_deleted_ones_are_no_error() {
    let place = Place::repository();
    place.write("tracked", PASSWORD);
    place.write("deleted", PASSWORD);
    place.write("ignored", PASSWORD);
    place.write("build/ignored", PASSWORD);
    place.write(".gitignore", "ignored\nbuild/\n.env*\n");
    place.commit();
    place.write("new file", PASSWORD);
    place.write("sub/x\ny", PASSWORD);
    fs::remove_file(place.path().join("deleted")).unwrap();
    fs::set_permissions(place.write(".env", "A=b"), Permissions::from_mode(0o644)).unwrap();
    place.write(".env.local", "A=b");
    let scanned = place.tree(".");
    scanned.check(&[
        "tracked:1:1: value of `pw` (raw)",
        "new file:1:1: value of `pw` (raw)",
        "sub/x\\ny:1:1: value of `pw` (raw)",
        ".env: a dotenv file that others may read (mode 0644)",
    ]);
    place.tree("sub").check(&["sub/x\\ny:1:1: value of `pw` (raw)"]);
    // What is named is searched, whatever git is told to ignore.
    place.tree("ignored").check(&["ignored:1:1: value of `pw` (raw)"]);
}

#[test]
fn credential_files_are_told_if_others_may_read_them_or_git_has_them() {
    let place = Place::repository();
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(&place.write("a.pem", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n"), 0o640);
    place.write("b/.env", "A=b");
    place.git(&["add", "-A"]);
    mode(&place.write("untracked/.netrc", "machine"), 0o604);
    place.write("untracked/.pgpass", "x");
    place.tree(".").check(&[
        "a.pem: a private key that others may read (mode 0640)",
        "a.pem: a private key that is tracked in git",
        "b/.env: a dotenv file that is tracked in git",
        "untracked/.netrc: a netrc file that others may read (mode 0604)",
    ]);
    place.tree("b/.env").check(&["b/.env: a dotenv file that is tracked in git"]);
    place.staged().check(&[
        "a.pem: a private key that is staged in git",
        "b/.env: a dotenv file that is staged in git",
    ]);
}

#[test]
fn a_repository_inside_a_repository_is_passed_over_and_told() {
    let place = Place::repository();
    let inner = place.path().join("inner");
    fs::create_dir(&inner).unwrap();
    place.git(&["-C", "inner", "init", "-q"]);
    place.write("inner/a", PASSWORD);
    place.tree(".").check(&["passed over inner/"]);
    place.tree("inner").check(&["inner/a:1:1: value of `pw` (raw)"]);
}

#[test]
fn a_repository_that_git_refuses_is_not_walked_instead() {
    let place = Place::new();
    place.write(".git", "nonsense");
    place.write("a", PASSWORD);
    let told = place.tree(".").failure.unwrap();
    assert!(told.contains("`git rev-parse` failed"), "{told}");
}
