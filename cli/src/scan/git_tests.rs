use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::git::Git;
use super::matcher::Matcher;
use super::place::{BASE64, PASSWORD, Place, first_line};
use super::scanner::Said;
use super::staged;

#[test]
fn staged_is_what_the_index_has() {
    let place = Place::repository();
    place.write("old", PASSWORD);
    place.write("gone", PASSWORD);
    place.write("moved", format!("{PASSWORD}\n"));
    place.commit();
    place.staged().check(&[]);
    place.write("staged then changed", PASSWORD);
    place.write("name\nwith \"quotes\" and é", BASE64);
    place.git(&["add", "-A"]);
    place.write("staged then changed", "harmless");
    place.write("only in the work tree", PASSWORD);
    place.write("old", "harmless");
    place.git(&["rm", "-q", "gone"]);
    place.git(&["mv", "moved", "to here"]);
    symlink(PASSWORD, place.path().join("link")).unwrap();
    place.git(&["add", "link"]);
    place.staged().check(&[
        "link:1:1: value of `pw` (raw)",
        "name\\nwith \"quotes\" and é:1:1: value of `pw` (base64)",
        "staged then changed:1:1: value of `pw` (raw)",
        "to here:1:1: value of `pw` (raw)",
    ]);
}

#[test]
fn staged_is_what_the_index_of_a_partial_commit_has() {
    let place = Place::repository();
    place.write("a", PASSWORD);
    place.git(&["add", "a"]);
    place.git(&["read-tree", "--index-output=.git/other", "--empty"]);
    let mut env = place.env();
    env.push(("GIT_INDEX_FILE".into(), ".git/other".into()));
    place.scan_with(&env, staged::scan).check(&[]);
    place.staged().check(&["a:1:1: value of `pw` (raw)"]);
}

#[test]
fn a_file_that_became_a_link_is_staged() {
    let place = Place::repository();
    let path = place.write("a", "x");
    place.commit();
    fs::remove_file(&path).unwrap();
    symlink(PASSWORD, &path).unwrap();
    place.git(&["add", "-A"]);
    place.staged().check(&["a:1:1: value of `pw` (raw)"]);
}

#[test]
fn before_the_first_commit_everything_is_staged() {
    let place = Place::repository();
    place.staged().check(&[]);
    place.history().check(&[]);
    place.tree(".").check(&[]);
    place.write("a", PASSWORD);
    place.git(&["add", "a"]);
    place.staged().check(&["a:1:1: value of `pw` (raw)"]);
    place.history().check(&[]);
}

#[test]
fn history_tells_a_text_once_with_a_commit_that_has_it() {
    let place = Place::repository();
    place.write("clean", "x");
    place.commit();
    place.write("dir/a b", PASSWORD);
    place.write("copy", PASSWORD);
    let second = place.commit();
    place.write("later", "y");
    place.commit();
    place.git(&["rm", "-q", "-r", "dir", "copy"]);
    place.commit();
    place.git(&["checkout", "-q", "-b", "other", "HEAD~3"]);
    place.write("else", format!("{PASSWORD}\n"));
    let other = place.commit();
    place.git(&["checkout", "-q", "main"]);
    let scanned = place.history();
    let mut said: Vec<String> = scanned
        .said
        .iter()
        .map(|said| match said {
            Said::Found(finding) => first_line(finding),
            other => panic!("{other:?}"),
        })
        .collect();
    said.sort();
    let mut expected = vec![
        format!("copy:1:1: value of `pw` (raw) in commit {second}"),
        format!("else:1:1: value of `pw` (raw) in commit {other}"),
    ];
    expected.sort();
    assert_eq!(said, expected);
    place.tree(".").check(&[]);
}

#[test]
fn messages_of_commits_and_tags_are_part_of_history() {
    let place = Place::repository();
    place.git(&["commit", "-q", "--allow-empty", "-m", &format!("use {PASSWORD}")]);
    let commit = place.git(&["rev-parse", "HEAD"]);
    place.git(&["tag", "-a", "v1", "-m", BASE64]);
    let tag = place.git(&["rev-parse", "v1"]);
    let scanned = place.history();
    let lines: Vec<String> = scanned.said.iter().map(|said| format!("{said:?}")).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let has =
        |file: &str, id: &str| lines.iter().any(|line| line.contains(file) && line.contains(id));
    assert!(has("(message of the commit)", &commit), "{lines:?}");
    assert!(has("(message of a tag)", &tag), "{lines:?}");
}

#[test]
fn a_submodule_is_passed_over_and_told() {
    let place = Place::repository();
    let inner = Place::repository();
    inner.write("a", "x");
    inner.commit();
    let from = inner.path().to_str().unwrap().to_owned();
    place.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &from, "sub"]);
    fs::set_permissions(place.path().join(".gitmodules"), Permissions::from_mode(0o600)).unwrap();
    place.staged().check(&["passed over sub"]);
    place.tree(".").check(&["passed over sub"]);
    place.commit();
    place.history().check(&[]);
}

#[test]
fn a_damaged_object_is_told_and_the_rest_is_searched() {
    let place = Place::repository();
    place.write("a", "one text");
    place.write("b", PASSWORD);
    place.git(&["add", "-A"]);
    let id = place.git(&["rev-parse", ":a"]);
    let object = place.path().join(".git/objects").join(&id[..2]).join(&id[2..]);
    fs::set_permissions(&object, Permissions::from_mode(0o600)).unwrap();
    fs::write(&object, b"damaged").unwrap();
    place.staged().check(&["unreadable a", "b:1:1: value of `pw` (raw)"]);
    fs::remove_file(&object).unwrap();
    place.staged().check(&["unreadable a", "b:1:1: value of `pw` (raw)"]);
}

#[test]
fn without_a_repository_or_git_there_is_a_reason() {
    let place = Place::new();
    for scanned in [place.staged(), place.history()] {
        let told = scanned.failure.unwrap();
        assert!(told.contains("failed") && told.contains("ot a git repository"), "{told}");
    }
    let nowhere = [("PATH".into(), "/nonexistent".into())];
    let matcher = Matcher::new(&[]).unwrap();
    let git = Git::new(&nowhere, place.path(), &matcher);
    let mut told = String::new();
    git.output(&["version"]).unwrap_err().tell(|text| told.push_str(text));
    assert_eq!(told, "error: `git` was not found in `PATH`\n");
}

#[test]
fn programs_that_a_repository_names_are_not_run() {
    let place = Place::repository();
    let program = place.write("program", "#!/bin/sh\ntouch ran\n");
    fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    for key in ["core.fsmonitor", "diff.external", "core.pager", "core.sshCommand"] {
        place.git(&["config", key, program.to_str().unwrap()]);
    }
    place.git(&["-c", "core.fsmonitor=false", "add", "program"]);
    place.tree(".").check(&[]);
    place.staged().check(&[]);
    assert!(!place.path().join("ran").exists());
}

#[test]
fn children_get_nothing_of_the_environment_but_what_git_needs() {
    let place = Place::repository();
    let matcher = Matcher::new(&[]).unwrap();
    let mut env = place.env();
    env.push(("CI_TOKEN".into(), PASSWORD.into()));
    env.push(("GIT_CONFIG_COUNT".into(), "1".into()));
    let git = Git::new(&env, place.path(), &matcher);
    let shown = git.output(&["-c", "alias.env=!env", "env"]).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("PATH=") && !shown.contains("CI_TOKEN"), "{shown}");
    assert!(!shown.contains("GIT_CONFIG_COUNT"), "{shown}");
}
