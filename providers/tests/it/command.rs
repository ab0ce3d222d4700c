//! `command`: what a program prints, and the ways in which it prints nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::time::{Duration, Instant};

use subrosa_engine::provider::{
    Checked, Client, Identity, ProviderErrorKind, ResolveContext, Retry, SecretRequest,
};
use tempfile::TempDir;

use crate::asking::{fetch_all, fetch_one, in_runtime, named, request};
use crate::conformance::context;

const PATH: (&str, &[u8]) = ("PATH", b"/usr/bin:/bin");

fn surroundings(folder: &TempDir) -> ResolveContext {
    context(
        &[("WORKFLOW", b"canary")],
        &[
            PATH,
            ("GIVEN", b"given"),
            ("SUBROSA_KEY_FILE", b"canary"),
            ("DAG_NAME", b"canary"),
            ("_DAGU_PRESOLVED_SECRET_X", b"canary"),
        ],
        &[folder.path().to_path_buf()],
    )
}

/// `sh` with a script: the shell is the program here, chosen by the test.
fn sh(script: &str, options: &[(&str, &str)]) -> SecretRequest {
    let args = serde_json::to_string(&["-c", script]).unwrap();
    let mut all = vec![("args", args.as_str())];
    all.extend(options);
    request("sh", &all)
}

fn check(asked: SecretRequest, expected: &[u8]) {
    let folder = TempDir::new().unwrap();
    let found = fetch_one(&named("command"), &surroundings(&folder), asked);
    assert_eq!(found.as_deref(), Ok(expected));
}

fn check_refused(asked: SecretRequest, kind: ProviderErrorKind, message: &str) {
    let folder = TempDir::new().unwrap();
    let error = fetch_one(&named("command"), &surroundings(&folder), asked).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (kind, message), "{error:?}");
}

#[test]
fn the_value_is_what_the_program_prints() {
    check(sh("printf canary", &[]), b"canary");
    check(sh("printf 'canary\\r\\n\\n'", &[]), b"canary\r\n\n");
    check(sh("printf 'canary\\r\\n'", &[("trim", "newline")]), b"canary");
    check(sh("printf 'canary\\n\\n'", &[("trim", "newline")]), b"canary\n");
    check(sh("printf '\\377'", &[]), b"\xff");
    check(sh(":", &[]), b"");
    check(
        request("/bin/echo", &[("args", r#"["-n", "a  b", "$HOME `x` *"]"#)]),
        b"a  b $HOME `x` *",
    );
}

#[test]
fn a_field_is_taken_out_of_what_it_prints() {
    let json = r#"printf '{"a":{"b":"canary"}}'"#;
    check(sh(json, &[("format", "json"), ("field", "a.b")]), b"canary");
    check_refused(
        sh(json, &[("format", "json"), ("field", "a.c")]),
        ProviderErrorKind::NotFound,
        "there is no field `a.c` in the output of command `sh`",
    );
    check_refused(
        sh("printf 'x: [canary'", &[("format", "json"), ("field", "a")]),
        ProviderErrorKind::Malformed,
        "the output of command `sh`:1:1: this is no JSON",
    );
}

#[test]
fn a_program_gets_the_environment_of_the_process_and_nothing_of_the_engine() {
    let script = "printf '%s|' \"$GIVEN\" \"$WORKFLOW\" \"$SUBROSA_KEY_FILE\" \"$DAG_NAME\" \"$_DAGU_PRESOLVED_SECRET_X\"";
    check(sh(script, &[]), b"given|||||");
    check(sh("cat; printf end", &[]), b"end");
}

#[test]
fn a_program_starts_in_the_first_folder_and_is_found_from_there() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("beside"), "canary").unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    // No copy: while another test starts a program, a file that was just written cannot be executed.
    symlink("/bin/cat", folder.path().join("bin/print")).unwrap();
    let asked = request("bin/print", &[("args", r#"["beside"]"#)]);
    let context = surroundings(&folder);
    assert_eq!(fetch_one(&named("command"), &context, asked).as_deref(), Ok(b"canary".as_slice()));
    let error = fetch_one(&named("command"), &context, request("beside", &[])).unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
}

#[test]
fn what_is_no_program_is_named() {
    let absent = ProviderErrorKind::NotFound;
    check_refused(request("no-such-program", &[]), absent, "there is no program `no-such-program`");
    check_refused(request("sh -c x", &[]), absent, "there is no program `sh -c x`");
    check_refused(request("/etc/passwd", &[]), absent, "there is no program `/etc/passwd`");
    check_refused(request("/etc", &[]), absent, "there is no program `/etc`");
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("here"), "").unwrap();
    fs::set_permissions(folder.path().join("here"), fs::Permissions::from_mode(0o700)).unwrap();
    let relative = context(&[], &[("PATH", b":.")], &[folder.path().to_path_buf()]);
    let error = fetch_one(&named("command"), &relative, request("here", &[])).unwrap_err();
    assert_eq!(error.kind, absent, "an entry of `PATH` that is relative does not count");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let invalid = ProviderErrorKind::InvalidRequest;
    for args in ["canary", "[1]", r#"{"a":"canary"}"#, ""] {
        check_refused(
            request("sh", &[("args", args)]),
            invalid,
            "option `args` is no JSON list of texts",
        );
    }
    check_refused(
        request("sh", &[("args", r#"["\u0000"]"#)]),
        invalid,
        "option `args` holds a NUL byte",
    );
    check_refused(request("sh", &[("trim", "all")]), invalid, "option `trim` is not `newline`");
    check_refused(request("", &[]), invalid, "the key of a command is the program, and names none");
}

#[test]
fn a_program_that_fails_is_named_by_its_end_alone() {
    let failed = ProviderErrorKind::Unavailable;
    let script = "echo canary; echo canary >&2; exit 3";
    check_refused(sh(script, &[]), failed, "command `sh` ended with exit status: 3");
    check_refused(
        sh("echo canary; kill -9 $$", &[]),
        failed,
        "command `sh` ended with signal: 9 (SIGKILL)",
    );
}

#[test]
fn output_is_bounded_and_holds_no_nul() {
    let malformed = ProviderErrorKind::Malformed;
    let folder = TempDir::new().unwrap();
    let full = sh("yes x | tr -d '\\n' | head -c 1048576", &[]);
    let found = fetch_one(&named("command"), &surroundings(&folder), full).unwrap();
    assert!(found == [b'x'; 1 << 20], "{}", found.len());
    check_refused(sh("exec yes canary", &[]), malformed, "command `sh` printed more than 1 MiB");
    check_refused(
        sh("printf 'can\\0ary'", &[]),
        malformed,
        "the output of command `sh` holds a NUL byte",
    );
}

/// Whether the process whose number a script left in `file` is gone.
fn wait_until_gone(file: &std::path::Path) {
    let pid: i32 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while rustix::process::test_kill_process(pid).is_ok() && !is_zombie(pid) {
        assert!(Instant::now() < until, "{pid:?} still runs");
        std::thread::yield_now();
    }
}

/// It ended, and whoever took it over (in a container, perhaps nobody) has not waited for it.
fn is_zombie(pid: rustix::process::Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    status.is_ok_and(|status| status.contains(") Z "))
}

#[test]
fn a_slow_program_is_killed_with_all_it_started() {
    let folder = TempDir::new().unwrap();
    let mut context = surroundings(&folder);
    // Long enough for the shell to get to its end on a busy machine.
    context.request_timeout = Duration::from_secs(2);
    let asked = sh("sleep 600 & echo $! >left; echo canary; wait", &[]);
    let error = fetch_one(&named("command"), &context, asked).unwrap_err();
    assert_eq!((error.kind, error.retry), (ProviderErrorKind::TimedOut, Retry::Never));
    assert_eq!(error.message, "command `sh` did not end within 1.9 s, and was killed");
    wait_until_gone(&folder.path().join("left"));
}

#[test]
fn a_program_need_not_wait_for_what_it_leaves_behind() {
    let folder = TempDir::new().unwrap();
    let context = surroundings(&folder);
    // With its pipe, and without: both are ended, too.
    for left in ["sleep 600 &", "sleep 600 >/dev/null &"] {
        let asked = sh(&format!("{left} echo $! >left; echo value"), &[]);
        let value = fetch_one(&named("command"), &context, asked).unwrap();
        assert_eq!(value, b"value\n", "{left}");
        wait_until_gone(&folder.path().join("left"));
    }
}

#[test]
fn a_program_whose_caller_went_away_is_killed() {
    let folder = TempDir::new().unwrap();
    let context = surroundings(&folder);
    in_runtime(async {
        let client: Arc<dyn Client> =
            named("command").open(&context, &Identity::default()).await.unwrap().into();
        let asked = sh("sleep 600 & echo $! >made; mv made left; wait", &[]);
        let fetching = tokio::spawn(async move { client.fetch(&asked).await.map(drop) });
        while !folder.path().join("left").exists() {
            tokio::task::yield_now().await;
        }
        fetching.abort();
        assert!(fetching.await.unwrap_err().is_cancelled());
    });
    wait_until_gone(&folder.path().join("left"));
}

#[test]
fn one_program_runs_once_for_all_that_it_gives() {
    let folder = TempDir::new().unwrap();
    let script = r#"echo >>ran; printf '{"a":"one","b":"two"}'"#;
    let fields = ["a", "b", "a"].map(|field| sh(script, &[("format", "json"), ("field", field)]));
    let found = fetch_all(&named("command"), &surroundings(&folder), &fields);
    let expected = ["one", "two", "one"].map(|value| Ok(value.as_bytes().to_vec()));
    assert_eq!(found, expected);
    assert_eq!(fs::read_to_string(folder.path().join("ran")).unwrap(), "\n");
}

#[test]
fn a_check_does_not_run_the_program() {
    let folder = TempDir::new().unwrap();
    let context = surroundings(&folder);
    let check = |asked: SecretRequest| {
        in_runtime(async {
            let client = named("command").open(&context, &Identity::default()).await.unwrap();
            client.check(&asked).await.map_err(|error| error.kind)
        })
    };
    assert_eq!(check(sh("echo >ran", &[])), Ok(Checked::WouldRead));
    assert!(!folder.path().join("ran").exists());
    assert_eq!(check(request("no-such-program", &[])), Err(ProviderErrorKind::NotFound));
    assert_eq!(check(request("sh", &[("args", "x")])), Err(ProviderErrorKind::InvalidRequest));
}
