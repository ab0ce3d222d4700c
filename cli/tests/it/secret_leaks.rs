//! Canaries in the registry: no output, no file and no command line has a value that was stored, in
//! whatever form.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};

use crate::at_rest::below;
use crate::program::{Ended, Place, eventually};

pub(crate) const VALUES: [&str; 3] = [
    "q\"uo\\te' $HOME `id` pässwörd→{canary-one}",
    "canary two/plain+value=4711",
    "-----BEGIN KEY-----\ncanary three first line\nsecond line canary\n-----END KEY-----\n",
];

/// Base64 of the value wherever it begins in what is encoded, without the digits that depend on what
/// is around it.
fn base64(value: &[u8], offset: usize) -> [String; 2] {
    let text = [&b"xx"[..offset], value].concat();
    let (first, last) = ((offset * 8).div_ceil(6), text.len() * 8 / 6);
    [&BASE64, &BASE64URL].map(|encoding| encoding.encode(&text)[first..last].to_owned())
}

fn forms(value: &str) -> Vec<Vec<u8>> {
    let bytes = value.as_bytes();
    let json = serde_json::to_string(value).unwrap();
    let percent = |is_plain: fn(u8) -> bool| -> String {
        let one = |byte: &u8| match is_plain(*byte) {
            true => char::from(*byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        bytes.iter().map(one).collect()
    };
    let mut forms = vec![value.to_owned(), json[1..json.len() - 1].to_owned()];
    forms.extend([HEXLOWER.encode(bytes), HEXUPPER.encode(bytes)]);
    forms.extend([
        percent(|byte| byte.is_ascii_alphanumeric()),
        percent(|byte| byte > 0x20 && byte < 0x7f),
    ]);
    forms.extend((0..3).flat_map(|offset| base64(bytes, offset)));
    forms.extend(value.lines().filter(|line| line.contains("canary")).map(str::to_owned));
    forms.into_iter().map(String::into_bytes).collect()
}

pub(crate) fn check(place: &str, bytes: &[u8]) {
    for form in VALUES.iter().flat_map(|value| forms(value)) {
        let found = bytes.windows(form.len()).any(|window| window == form);
        assert!(!found, "{place} holds {:?}", String::from_utf8_lossy(&form));
    }
}

fn check_files(place: &Place) -> usize {
    check_files_but(place, &[])
}

/// Looks into all files but those that are meant to have the values.
pub(crate) fn check_files_but(place: &Place, meant: &[&str]) -> usize {
    let files = below(place.path());
    for path in &files {
        if meant.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let name = path.display().to_string();
        check(&name, path.as_os_str().as_bytes());
        if path.is_file() {
            check(&name, &fs::read(path).unwrap());
        }
    }
    files.len()
}

pub(crate) fn run(place: &Place, words: &[&str], input: &str) -> Ended {
    let mut command = place.command(words);
    command.envs([("RUST_BACKTRACE", "full"), ("RUST_LOG", "trace")]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (half, rest) = input.as_bytes().split_at(input.len() / 2);
    // What does not read its input may be gone already.
    stdin.write_all(half).ok();
    check("the command line", &fs::read(format!("/proc/{}/cmdline", child.id())).unwrap());
    stdin.write_all(rest).ok();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    check(&format!("stdout of {words:?}"), &output.stdout);
    check(&format!("stderr of {words:?}"), &output.stderr);
    Ended::of(&output)
}

#[test]
fn the_search_finds_every_form() {
    let value = VALUES[1].as_bytes();
    let around = |inner: &[u8]| [&b"around "[..], inner, b" it"].concat();
    let found = |bytes: &[u8]| std::panic::catch_unwind(|| check("here", bytes)).is_err();
    assert!(found(&around(value)));
    assert!(found(HEXLOWER.encode(&around(value)).as_bytes()));
    for before in ["", "a", "ab", "abc"] {
        let text = [before.as_bytes(), value, b"tail"].concat();
        assert!(found(BASE64.encode(&text).as_bytes()), "{before}");
    }
    assert!(found(serde_json::to_string(VALUES[0]).unwrap().as_bytes()));
    assert!(found(b"canary%20two%2Fplain%2Bvalue%3D4711"));
    assert!(!found(b"canary"));
}

#[test]
fn no_command_lets_a_value_out() {
    let place = Place::new();
    let ok = |words: &[&str], input: &str| {
        let ended = run(&place, words, input);
        assert_eq!(ended.code, 0, "{words:?} {ended:?}");
    };
    for value in VALUES {
        ok(&["secret", "set", "prod/db", "--keep-newline"], value);
        ok(&["secret", "set", "prod/db", "-w", "payments", "-e", "dev", "--json"], value);
        ok(&["secret", "rotate", "prod/db", "--overlap", "24h", "--keep-newline"], value);
    }
    let scoped = ["-w", "payments", "-e", "dev"];
    for words in [
        &["list"][..],
        &["list", "--json"],
        &["get-metadata", "prod/db"],
        &["get-metadata", "prod/db", "--json"],
        &["versions", "prod/db"],
        &["versions", "prod/db", "--json"],
        &["rollback", "prod/db"],
        &["prune", "prod/db", "--keep", "2"],
        &["disable", "prod/db", "--json"],
        &["enable", "prod/db"],
        &["describe", "prod/db", "text"],
        &["expire", "prod/db", "--max-age", "90d"],
        &["copy", "prod/db", "prod/copy"],
        &["mv", "prod/copy", "prod/moved", "--json"],
        &["rm", "prod/moved"],
    ] {
        ok(&[&["secret"], words].concat(), "");
    }
    ok(&[&["secret", "rm", "prod/db"][..], &scoped].concat(), "");
    ok(&["environment", "list"], "");
    for words in [
        &["secret", "set", "prod/db", "--seal-names"][..],
        &["secret", "set", "Prod/DB"],
        &["secret", "rotate", "prod/else"],
        &["secret", "reveal", "prod/db", "--json"],
    ] {
        assert_ne!(run(&place, words, VALUES[0]).code, 0, "{words:?}");
    }
    place.write("w.yaml", "secrets: [{name: A, ref: prod/db}]\nsteps: ['echo \"$A\"']\n");
    ok(&["run", "w.yaml", "--follow"], "");
    ok(&["exec", "--secret", "A=ref:prod/db", "--", "sh", "-c", "echo \"$A\""], "");
    assert!(check_files(&place) > 20);
}

#[test]
fn a_process_that_takes_a_value_in_leaves_no_core_file() {
    let place = Place::new();
    let mut command = place.command(&["secret", "set", "a"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hunter2-hunter2").unwrap();
    // It waits for the end of the value, some of which it has.
    let process = std::path::PathBuf::from(format!("/proc/{}", child.id()));
    eventually("it reads", || {
        fs::read_to_string(process.join("wchan")).is_ok_and(|at| at.contains("pipe"))
            || fs::read_to_string(process.join("syscall")).is_ok_and(|call| call.starts_with("0 "))
    });
    let limits = fs::read_to_string(process.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
