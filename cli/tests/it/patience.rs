//! Nobody waits for long, when a command could end, for those who do not answer.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Ended, Place, eventually};
use crate::secret::set;

/// Of a pipe that nobody reads, this makes an error instead of a wait.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// A plugin that has the value `hunter2`, and takes very long to give back.
const SLOW: &str = r#"#!/bin/sh
while read -r line; do case $line in
    *'"hello"'*) echo '{"type":"hello","protocol":1}';;
    *'"open"'*) echo '{"type":"opened"}';;
    *'"fetch"'*) echo '{"type":"value","id":1,"value":"aHVudGVyMg=="}';;
    *'"close"'*) touch closing; sleep 60;;
esac; done
"#;

#[test]
fn a_signal_ends_the_wait_for_what_is_given_back() {
    let exec = ["exec", "--file", "w.yaml", "--", "true"];
    for (words, code) in [(&["dry", "w.yaml"][..], 130), (&exec, 0)] {
        let place = Place::new();
        let plugin = place.write("bin/subrosa-provider-slow", SLOW);
        fs::set_permissions(plugin, Permissions::from_mode(0o700)).unwrap();
        let secret = "secrets: [{name: A, provider: slow, key: x}]\n";
        place.write("w.yaml", &format!("{secret}steps: ['true']\n"));
        place.write("home/subrosa.toml", "[resolve]\nclose = '1h'\nrequest = '1h'\n");
        let mut command = place.command(words);
        let path = format!("{}/bin:/usr/bin:/bin", place.path().display());
        command.env("PATH", path).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        eventually("it is given back", || place.path().join("closing").exists());
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let ended = Ended::of(&child.wait_with_output().unwrap());
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.stderr.contains("what providers lent was not waited for"), "{ended:?}");
    }
}

#[test]
fn a_key_that_does_not_come_is_not_waited_for_once_the_time_is_up() {
    let place = Place::new();
    assert_eq!(set(&place, &["prod/db"], "hunter2").code, 0);
    place.write("key.sh", "cat stick.key\n");
    for words in [
        &["key", "move", "--to", "file", "--key-file", "stick.key"][..],
        &["key", "move", "--to", "command", "--", "sh", "key.sh"],
    ] {
        let ended = place.run(words);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    place.write("w.yaml", "secrets: [{name: A, ref: prod/db}]\nsteps: ['true']\n");
    place.write("home/subrosa.toml", "[resolve]\ntotal = '1s'\n");
    place.write("key.sh", "read -r line < gate\n");
    let gate = place.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    for words in [&["dry", "w.yaml"][..], &["check", "--read", "w.yaml"]] {
        let ended = place.run(words);
        assert_eq!(ended.code, 4, "{ended:?}");
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(told.contains("no answer in time"), "{told}");
        // Whoever reads here is what would have been waited for until it is killed.
        let open = OpenOptions::new().write(true).custom_flags(NONBLOCK).open(&gate);
        assert!(open.is_ok(), "{open:?}");
        drop(open);
    }
}
