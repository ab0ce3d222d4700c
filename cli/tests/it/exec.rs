//! `exec`: environment, masking, exit codes, signals and terminals around a command.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Ended, Place, eventually};
use crate::terminal::Screen;

const SECRET: &str = "hunter2hunter2";

fn command(place: &Place, script: &str) -> Command {
    let mut command =
        place.command(&["exec", "--secret", "TOKEN=env:SOURCE", "--", "sh", "-c", script]);
    command.env("SOURCE", SECRET);
    command
}

fn run(script: &str) -> Ended {
    Ended::of(&command(&Place::new(), script).output().unwrap())
}

#[test]
fn both_streams_are_masked_and_the_exit_code_passes_through() {
    let ended = run("echo out $TOKEN; echo err $TOKEN >&2; exit 9");
    assert_eq!(ended.code, 9);
    assert_eq!((&*ended.stdout, &*ended.stderr), ("out *******\n", "err *******\n"));
    assert_eq!(run("kill -KILL $$").code, 137);
}

#[test]
fn the_command_gets_what_a_step_would_get_or_all_of_ours() {
    let script = "echo ${SOURCE:-none} ${TOKEN:-none}";
    assert_eq!(run(script).stdout, "none *******\n");
    let place = Place::new();
    let all = place
        .command(&["exec", "-E", "--secret", "TOKEN=env:SOURCE", "--", "sh", "-c", "echo $OTHER"])
        .envs([("SOURCE", SECRET), ("OTHER", "kept")])
        .output()
        .unwrap();
    assert_eq!(all.stdout, b"kept\n");
}

#[test]
fn it_starts_in_the_current_folder_with_our_input() {
    let place = Place::new();
    place.write("input", "from us");
    let input = File::open(place.path().join("input")).unwrap();
    let ended = command(&place, "cat; test -f input && echo ' here'").stdin(input).output();
    assert_eq!(Ended::of(&ended.unwrap()).stdout, "from us here\n");
}

#[test]
fn nothing_is_started_if_a_secret_is_missing() {
    let place = Place::new();
    let missing = ["exec", "--secret", "TOKEN=env:NOWHERE", "--", "touch", "started"];
    let ended = place.run(&missing);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.stderr.contains(" --> <command line>\n"), "{ended:?}");
    assert!(ended.stderr.contains("  | --secret TOKEN=env:NOWHERE\n"), "{ended:?}");
    assert!(!place.path().join("started").exists());
}

#[test]
fn a_command_that_is_not_there_or_no_command_has_its_code() {
    let place = Place::new();
    let exec = |program| place.run(&["exec", "--", program]);
    let ended = exec("no-such-command");
    assert_eq!(ended.code, 127);
    assert_eq!(ended.stderr, "error: command `no-such-command` not found\n");
    assert_eq!(exec("/etc/passwd").code, 126);
}

#[test]
fn a_signal_for_us_reaches_the_command_and_its_children() {
    let place = Place::new();
    let script = "trap 'wait; echo parent; exit 4' TERM; \
                  sh -c 'trap \"echo child; exit\" TERM; touch ready; while :; do sleep 0.1; done' & \
                  wait";
    let child = command(&place, script).stdout(Stdio::piped()).spawn().unwrap();
    eventually("the command is ready", || place.path().join("ready").exists());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ended = Ended::of(&child.wait_with_output().unwrap());
    assert_eq!((ended.code, &*ended.stdout), (4, "child\nparent\n"));
}

/// `subrosa exec` on a terminal that is also its controlling terminal.
fn on_screen(place: &Place, screen: &Screen, script: &str) -> Child {
    let subrosa = crate::program::SUBROSA;
    let words =
        ["__terminal", "--", subrosa, "exec", "--secret", "TOKEN=env:SOURCE", "--", "sh", "-c"];
    let mut command = place.command(&words);
    screen.start(command.arg(script).env("SOURCE", SECRET).stderr(screen.stream()))
}

#[test]
fn a_command_on_a_terminal_gets_one_and_is_masked() {
    let (place, mut screen) = (Place::new(), Screen::new());
    let before = format!("{:?}", screen.modes());
    let script = "test -t 0 && test -t 1 && test -t 2 && stty size; echo secret $TOKEN; \
                  printf 'name? '; read name; echo got $name; exit 6";
    let mut child = on_screen(&place, &screen, script);
    // An unfinished line appears at once.
    screen.wait_for("name? ");
    assert_ne!(format!("{:?}", screen.modes()), before, "the terminal is raw");
    screen.press(&format!("{SECRET}\r"));
    screen.wait_for("got *******");
    assert_eq!(child.wait().unwrap().code(), Some(6));
    assert_eq!(format!("{:?}", screen.modes()), before, "the terminal is as it was");
    let (seen, _) = screen.finish(child);
    assert!(seen.starts_with("24 80\r\nsecret *******\r\n"), "{seen:?}");
    assert!(!seen.contains(SECRET), "{seen:?}");
}

#[test]
fn control_sequences_within_a_secret_do_not_show_it() {
    let (place, screen) = (Place::new(), Screen::new());
    let script = r#"printf 'a \033[1m%s\033[0m%s b' "${TOKEN%${TOKEN#???}}" "${TOKEN#???}""#;
    let child = on_screen(&place, &screen, script);
    let (seen, _) = screen.finish(child);
    assert_eq!(seen, "a \u{1b}[1m*******\u{1b}[0m b");
}

#[test]
fn on_a_screen_alone_control_sequences_do_not_show_a_secret_either() {
    let (place, screen) = (Place::new(), Screen::new());
    let script = r#"printf 'a \033[1m%s\033[0m%s b' "${TOKEN%${TOKEN#???}}" "${TOKEN#???}""#;
    let run = |script: &str| {
        let words = ["exec", "--secret", "TOKEN=env:SOURCE", "--", "sh", "-c", script];
        let mut command = place.command(&words);
        command.env("SOURCE", "hunter2-hunter2").stdin(Stdio::null());
        command.stdout(screen.stream()).stderr(screen.stream()).spawn().unwrap()
    };
    assert!(run(script).wait().unwrap().success());
    assert!(run(&format!("({script}) >&2")).wait().unwrap().success());
    let (seen, _) =
        screen.finish(place.command(&["--version"]).stdout(Stdio::null()).spawn().unwrap());
    assert_eq!(seen, "a \u{1b}[1m*******\u{1b}[0m b".repeat(2));
}

#[test]
fn a_pause_shows_the_start_of_what_may_be_a_secret_if_asked_for() {
    let (place, mut screen) = (Place::new(), Screen::new());
    let words = ["exec", "--show-starts", "--secret", "TOKEN=env:SOURCE", "--", "sh", "-c"];
    let mut command = place.command(&words);
    command.arg(r#"printf '> %.2s' "$TOKEN"; read key; echo "$TOKEN""#).env("SOURCE", SECRET);
    let child = screen.start(command.stderr(screen.stream()));
    screen.wait_for(&format!("> {}", &SECRET[..2]));
    screen.press("\r");
    let (seen, _) = screen.finish(child);
    assert!(seen.ends_with("*******\r\n") && !seen.contains(SECRET), "{seen:?}");
}

#[test]
fn keys_interrupt_and_a_new_size_arrives() {
    let (place, mut screen) = (Place::new(), Screen::new());
    let script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done";
    let child = on_screen(&place, &screen, script);
    screen.wait_for("ready");
    screen.resize(100, 30);
    screen.wait_for("30 100");
    screen.press("\x03");
    let (seen, status) = screen.finish(child);
    assert_eq!(status.code(), Some(130), "{seen:?}");
}

#[test]
fn standard_error_that_goes_elsewhere_is_masked_there() {
    let (place, screen) = (Place::new(), Screen::new());
    let elsewhere = File::create(place.path().join("err")).unwrap();
    let mut command = command(&place, "echo $TOKEN >&2; test -t 2 || echo pipe");
    let child = screen.start(command.stderr(elsewhere));
    let (seen, status) = screen.finish(child);
    assert_eq!((status.code(), &*seen), (Some(0), "pipe\r\n"));
    assert_eq!(std::fs::read_to_string(place.path().join("err")).unwrap(), "*******\n");
}

#[test]
fn a_command_that_stops_stops_us_and_goes_on_with_us() {
    let (place, mut screen) = (Place::new(), Screen::new());
    let before = format!("{:?}", screen.modes());
    let child = on_screen(&place, &screen, "echo ready; read key; kill -STOP $$; echo back");
    screen.wait_for("ready");
    screen.press("\r");
    let pid = Pid::from_child(&child);
    eventually("subrosa stopped", || state(pid) == 'T');
    assert_eq!(format!("{:?}", screen.modes()), before, "the shell gets its terminal back");
    kill_process(pid, Signal::CONT).unwrap();
    let (seen, status) = screen.finish(child);
    assert_eq!(status.code(), Some(0), "{seen:?}");
    assert!(seen.contains("back\r\n"), "{seen:?}");
}

fn state(pid: Pid) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap()
}
