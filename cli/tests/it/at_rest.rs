//! What others on the machine could see of a run: command lines, modes of files, what stands in the
//! place of a file, what a killed run leaves.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Ended, Place, SUBROSA, eventually};
use crate::terminal::Screen;

const SECRET: &str = "hunter2-at-rest-hunter2";
const HEAD: &str = "name: demo\nsecrets: [{name: TOKEN, provider: env, key: SOURCE}]\n";

fn run(place: &Place, words: &[&str]) -> Ended {
    Ended::of(&place.command(words).env("SOURCE", SECRET).output().unwrap())
}

/// Every file and folder below one, links as links.
pub(crate) fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(below(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}

fn pipe(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn log(place: &Place, name: &str) -> String {
    let found = below(&place.home()).into_iter().find(|path| path.ends_with(name));
    fs::read_to_string(found.unwrap()).unwrap()
}

#[test]
fn no_command_line_holds_a_secret() {
    let place = Place::new();
    let dump = "for p in /proc/[0-9]*; do cat $p/cmdline || :; echo; done >> lines 2>/dev/null";
    let step = |text: &str| format!("{text}, env: [MADE: \"Bearer ${{TOKEN}}\"]");
    let steps = [
        step(&format!("run: '{dump}; echo $MADE'")),
        step(&format!("script: '{dump}; echo ${{env.MADE}}'")),
        step(&format!("run: echo, preconditions: [{{condition: '{dump}; test $TOKEN'}}]")),
        step("call: child, params: {KEY: \"${TOKEN}\"}"),
        step("call: child, parallel: [\"${TOKEN}\"], params: {KEY: \"${ITEM}\"}"),
    ];
    let steps: String = steps.iter().map(|step| format!("  - {{{step}}}\n")).collect();
    let child = format!(
        "name: child\nparams: [KEY: \"\"]\nsteps: [{{run: '{dump}; echo $KEY ${{params.KEY}}'}}]\n"
    );
    place.write("demo.yaml", &format!("{HEAD}steps:\n{steps}---\n{child}"));
    let ended = run(&place, &["run", "demo.yaml"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let refused = format!(
        "{HEAD}type: graph\nsteps:\n  - {{name: a, run: 'echo $TOKEN', output: SAID}}\n  \
         - {{depends: a, exec: [sh, -c, '{dump}', \"${{SAID}}\"]}}\n  \
         - {{depends: a, run: '{dump}', shell: [sh, -o, \"${{SAID}}\"]}}\n"
    );
    place.write("refused.yaml", &refused);
    let ended = run(&place, &["run", "refused.yaml"]);
    assert_eq!(ended.stdout.matches("would hold a secret").count(), 4, "{ended:?}");
    let words = ["exec", "--secret", "TOKEN=env:SOURCE", "--", "sh", "-c", dump];
    assert_eq!(run(&place, &words).code, 0);
    let screen = Screen::new();
    let child = screen.start(place.command(&words).env("SOURCE", SECRET).stderr(screen.stream()));
    assert_eq!(screen.finish(child).1.code(), Some(0));
    let lines =
        String::from_utf8_lossy(&fs::read(place.path().join("lines")).unwrap()).into_owned();
    // Other processes of the machine are in it too, and their lines are not for a message.
    assert!(lines.contains("__guard") && lines.contains("$MADE"));
    assert_eq!(lines.lines().find(|line| line.contains(SECRET)), None);
}

#[test]
fn files_are_private_whatever_the_umask() {
    let place = Place::new();
    let step = "{run: 'echo $TOKEN', stdout: made/by/redirect.txt, output: RESULT}";
    let call = "{name: call, call: child, parallel: [1]}";
    let child = "name: child\nsteps: [{run: echo child}]\n";
    place.write("demo.yaml", &format!("{HEAD}steps: [{step}, {call}]\n---\n{child}"));
    let mut command = Command::new("sh");
    command.args(["-c", "umask 000; exec \"$0\" run demo.yaml", SUBROSA]).current_dir(place.path());
    command.env("SUBROSA_HOME", place.path().join("new/home")).env("SOURCE", SECRET);
    let ended = Ended::of(&command.output().unwrap());
    assert_eq!(ended.code, 0, "{ended:?}");
    for folder in ["new", "made"] {
        let folder = place.path().join(folder);
        for path in below(&folder).into_iter().chain([folder]) {
            let found = fs::symlink_metadata(&path).unwrap();
            let wanted = if found.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(found.permissions().mode() & 0o777, wanted, "{}", path.display());
        }
    }
}

#[test]
fn a_folder_of_somebody_else_is_not_filled() {
    let place = Place::new();
    place.write("demo.yaml", &format!("{HEAD}steps: [{{run: echo}}]\n"));
    let (runs, other) = (place.home().join("runs"), place.path().join("other"));
    fs::create_dir_all(&runs).unwrap();
    fs::create_dir(&other).unwrap();
    symlink(&other, runs.join("demo")).unwrap();
    let ended = run(&place, &["run", "demo.yaml"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.contains("is a link"), "{ended:?}");
    assert!(below(&other).is_empty());
    fs::remove_file(runs.join("demo")).unwrap();
    fs::create_dir(runs.join("demo")).unwrap();
    fs::set_permissions(runs.join("demo"), fs::Permissions::from_mode(0o777)).unwrap();
    let ended = run(&place, &["run", "demo.yaml"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.contains("chmod 700"), "{ended:?}");
    fs::set_permissions(runs.join("demo"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(run(&place, &["run", "demo.yaml"]).code, 0);
}

#[test]
fn what_stands_in_the_place_of_a_file_is_replaced() {
    let place = Place::new();
    let plant = "dir=${DAG_RUN_STEP_STDOUT_FILE%/*}; ln -s \"$PWD/target\" $dir/linked.out; \
                 mkfifo $dir/piped.out; ln -s \"$PWD/target\" $dir/../.status.json.tmp; \
                 ln -s \"$PWD/target\" $dir/script.script";
    place.write("target", "untouched");
    let steps = format!(
        "  - {{name: plant, run: '{plant}'}}\n  - {{name: linked, depends: plant, run: echo linked}}\n  \
         - {{name: piped, depends: plant, run: echo piped}}\n  \
         - {{name: script, depends: plant, script: 'echo script'}}\n"
    );
    place.write("demo.yaml", &format!("{HEAD}type: graph\nsteps:\n{steps}"));
    let ended = run(&place, &["run", "demo.yaml"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(fs::read_to_string(place.path().join("target")).unwrap(), "untouched");
    for name in ["linked", "piped", "script"] {
        assert_eq!(log(&place, &format!("{name}.out")), format!("{name}\n"));
    }
    assert!(run(&place, &["status"]).stdout.contains("succeeded"));
}

#[test]
fn a_pipe_in_the_place_of_a_file_holds_nobody() {
    let place = Place::new();
    for name in ["piped", "piped.env", "home/runs/demo/20261122t155847-ab12/status.json"] {
        pipe(&place.path().join(name));
    }
    assert_eq!(run(&place, &["status"]).code, 5);
    assert_eq!(run(&place, &["runs"]).code, 5);
    let check = |text: &str, code: i32| {
        place.write("demo.yaml", text);
        let ended = run(&place, &["run", "demo.yaml"]);
        assert_eq!(ended.code, code, "{ended:?}");
    };
    check("name: demo\nsteps: [{run: echo, stdout: piped}]\n", 1);
    check("name: demo\ndotenv: [piped.env]\nsteps: [{run: echo}]\n", 3);
    check(
        "name: demo\nsecrets: [{name: A, provider: file, key: piped}]\nsteps: [{run: echo}]\n",
        4,
    );
}

#[test]
fn the_beginning_of_a_secret_is_masked_where_output_was_cut_off() {
    let place = Place::new();
    let print = r#"printf "x %s" "${TOKEN%?????}""#;
    let check = |end: &str, shown: &str| {
        place.write("demo.yaml", &format!("{HEAD}steps: [{{name: a, {end}}}]\n"));
        run(&place, &["run", "demo.yaml"]);
        assert_eq!(run(&place, &["logs", "2", "a", "--stdout"]).stdout, shown, "{end}");
        fs::remove_dir_all(place.home()).unwrap();
    };
    check(&format!("run: '{print}'"), "x hunter2-at-rest-hu");
    check(&format!("run: '{print}; exit 1'"), "x *******");
    let failed = "exit 1', output: CUT, continue_on: failed";
    place.write("demo.yaml", &format!("{HEAD}steps: [{{name: a, run: '{print}; {failed}}}]\n"));
    run(&place, &["run", "demo.yaml"]);
    for name in ["outputs.json", "status.json"] {
        assert!(!log(&place, name).contains("hunter2"), "{name}");
    }
    fs::remove_dir_all(place.home()).unwrap();
    check(&format!("run: '{print}; kill -KILL $$'"), "x *******");
    check(&format!("run: '{print}; exec sleep 60', timeout_sec: 1"), "x *******");
    let exec = |script: &str| {
        let words = ["exec", "--secret", "TOKEN=env:SOURCE", "--", "sh", "-c", script];
        run(&place, &words).stdout
    };
    assert_eq!(exec(print), "x hunter2-at-rest-hu");
    assert_eq!(exec(&format!("{print}; kill -KILL $$")), "x *******");
}

#[test]
fn a_script_holds_no_value_and_goes_with_its_step() {
    let place = Place::new();
    let steps = "steps: [{name: a, script: 'echo ${TOKEN} ${env.TOKEN}; touch ready; test -e go || exec sleep 60; exit 1'}]\n";
    place.write("demo.yaml", &format!("{HEAD}{steps}"));
    let mut child = place.command(&["run", "demo.yaml"]).env("SOURCE", SECRET).spawn().unwrap();
    eventually("the step is ready", || place.path().join("ready").exists());
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    let scripts = || {
        let files = below(&place.home()).into_iter();
        files.filter(|path| path.extension().is_some_and(|ending| ending == "script")).count()
    };
    assert_eq!(scripts(), 1);
    for path in below(&place.home()).into_iter().filter(|path| path.is_file()) {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains(SECRET), "{}", path.display());
    }
    fs::remove_dir_all(place.home()).unwrap();
    place.write("go", "");
    assert_eq!(run(&place, &["run", "demo.yaml"]).code, 1);
    assert_eq!(scripts(), 0);
}
