use super::*;
use crate::keys::fake::{key, store};

fn shell(script: &str) -> KeyCommand {
    let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    KeyCommand::new(argv, vec![("PATH".into(), "/usr/bin:/bin".into())])
}

/// A command that prints the key of the store `a`, between other things.
fn printing(before: &str, after: &str) -> KeyCommand {
    let text = String::from_utf8(key(1).to_text(&store('a')).to_vec()).unwrap();
    shell(&format!("{before}printf '%s' '{}'{after}", text.trim_end()))
}

fn check(place: &KeyCommand, expected: Result<u8, &str>) {
    let found = place.load(&store('a'), Slot::Current);
    let found = found.map(|key| key.unwrap().bytes()[0]).map_err(|error| error.to_string());
    assert_eq!(found, expected.map_err(str::to_owned));
}

#[test]
fn the_output_is_the_key_however_many_line_ends_it_has() {
    check(&printing("", ""), Ok(1));
    check(&printing("", "; echo"), Ok(1));
    check(&printing("", r"; printf '\r\n\n'"), Ok(1));
    let damaged = "the key of the registry is damaged: the command `/bin/sh`: ";
    check(&printing("echo hello; ", ""), Err(&format!("{damaged}is no key")));
    check(
        &printing("", "; echo; echo hello"),
        Err(&format!("{damaged}does not end with its checksum")),
    );
    check(&shell(""), Err(&format!("{damaged}is no key")));
    let flood = shell("exec head -c 100000000 /dev/zero");
    check(&flood, Err(&format!("{damaged}prints more than a key")));
}

#[test]
fn the_key_of_another_registry_is_refused() {
    let result = printing("", "").load(&store('b'), Slot::Current);
    assert!(matches!(result, Err(KeyError::OtherStore { .. })));
}

#[test]
fn what_it_gets_is_what_it_is_given() {
    check(&printing("[ -z \"$(cat)\" ] && [ \"$(env | grep -c ^HOME=)\" = 0 ] && ", ""), Ok(1));
    let mut place = printing("[ \"$MARK\" = yes ] && ", "");
    place.environment.push(("MARK".into(), "yes".into()));
    check(&place, Ok(1));
}

#[test]
fn a_failure_is_told_without_what_it_said() {
    let place = printing("echo canary >&2; ", "; exit 3");
    check(&place, Err("the command `/bin/sh`: ended with exit status: 3"));
    let place = printing("", "; kill -9 $$");
    check(&place, Err("the command `/bin/sh`: ended with signal: 9 (SIGKILL)"));
}

#[test]
fn a_program_that_cannot_be_started_is_told() {
    let place = KeyCommand::new(vec!["/nowhere/pass".to_owned()], Vec::new());
    let error = "the command `/nowhere/pass`: could not be started: \
                 No such file or directory (os error 2)";
    check(&place, Err(error));
    let place = KeyCommand::new(Vec::new(), Vec::new());
    check(&place, Err("the command ``: could not be started: invalid input parameter"));
}

/// Whether everything that has the other end of a pipe open is gone: its reader then sees the end.
#[test]
fn a_program_that_takes_too_long_is_killed_with_what_it_started() {
    let scripts = ["sleep 1000 & sleep 1000", "exec >&-; sleep 1000", "sleep 1000 & exit"];
    for script in scripts {
        let folder = tempfile::tempdir().unwrap();
        let held = folder.path().join("held");
        let lock = std::fs::File::create(&held).unwrap();
        let mut place = shell(&format!("exec 9>{}; flock 9; {script}", held.display()));
        place.deadline = Duration::from_millis(500);
        let slow = "the command `/bin/sh`: gave no key within 0.5 s, and was killed";
        check(&place, Err(slow));
        // The lock is free once all who inherited the descriptor are dead.
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    }
}

#[test]
fn it_takes_no_keys() {
    let place = printing("", "");
    let results = [
        place.keep(&store('a'), Slot::Next, &key(2)),
        place.promote(&store('a')),
        place.forget(&store('a'), Slot::Current),
    ];
    for result in results {
        let error = result.unwrap_err().to_string();
        assert_eq!(error, "a key can only be read from the command `/bin/sh`");
    }
    assert!(place.load(&store('a'), Slot::Next).unwrap().is_none());
}
