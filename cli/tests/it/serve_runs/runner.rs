//! The runner alone, spoken to as the process that listens does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use subrosa_server::channel::{Sealed, SealingKey};

use crate::program::{Place, eventually};

/// A runner and the lines to it.
struct Runner {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    key: SealingKey,
}

impl Runner {
    fn start(place: &Place, grace_ms: u64) -> Runner {
        let folder = place.path().join("flows");
        let words = ["__runner", folder.to_str().unwrap(), &grace_ms.to_string()];
        let mut command = place.command(&words);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let ready = read(&mut output);
        let key = serde_json::from_value(ready["ready"]["key"].clone()).unwrap();
        Runner { child, input, output, key }
    }

    fn say(&mut self, call: &Value) {
        let by = json!({"user": "ada", "allow_protected": false});
        let line = json!({"id": 7, "by": by, "call": {"runs": call}});
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn ask(&mut self, call: &Value) -> Value {
        self.say(call);
        read(&mut self.output)
    }

    fn start_run(&mut self, file: &str, params: &Value, kind: &Value) -> Value {
        let params = Sealed::seal(params.to_string().as_bytes(), &self.key).unwrap();
        let asked = json!({"file": file, "workspace": null, "environment": null,
                           "params": params, "kind": kind});
        self.ask(&json!({"start_run": asked}))
    }

    /// Starts a run that goes on, and gives its id.
    fn begin(&mut self, file: &str) -> String {
        let said = self.start_run(file, &json!([]), &json!("run"));
        said["answer"]["answer"]["run"]["run"].as_str().expect("a run").to_owned()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.input = None;
        // One that was killed has ended.
        self.child.wait().ok();
    }
}

fn read(output: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    serde_json::from_str(&line).expect("a line of the runner")
}

fn place() -> Place {
    let place = Place::new();
    place.write("flows/quick.yaml", "params: [{NAME: nobody}]\nsteps: [{run: echo hello $NAME}]\n");
    place.write(
        "flows/slow.yaml",
        "steps: [{name: wait, run: exec sleep 300}]\nhandler_on: {exit: {run: echo cleaned}}\n",
    );
    place.write("flows/broken.yaml", "steps: [{name: a, run: x, depends: [b]}]\n");
    place.write(
        "flows/unresolved.yaml",
        "secrets: [{name: TOKEN, provider: env, key: NOT_SET}]\nsteps: [{run: \"true\"}]\n",
    );
    place.write("outside.yaml", "steps: [{run: \"true\"}]\n");
    place
}

fn record(place: &Place, run: &str) -> Value {
    let ended = place.run(&["status", run, "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

fn status(place: &Place, run: &str) -> String {
    record(place, run)["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_is_on_disk_when_it_is_acknowledged() {
    let place = place();
    let mut runner = Runner::start(&place, 20_000);
    let params = json!([{"name": "NAME", "value": "ada"}]);
    let said = runner.start_run("quick.yaml", &params, &json!("run"));
    let run = said["answer"]["answer"]["run"]["run"].as_str().expect("a run").to_owned();
    assert_eq!(record(&place, &run)["by"], "ada");
    eventually("its end", || status(&place, &run) == "succeeded");
    assert!(place.run(&["logs", &run]).stdout.ends_with("\nhello ada\n"));
}

#[test]
fn what_cannot_be_started_is_told_with_its_place_and_recorded_if_secrets_were_missing() {
    let place = place();
    let mut runner = Runner::start(&place, 20_000);
    let said = runner.start_run("broken.yaml", &json!([]), &json!("run"));
    let not = &said["answer"]["answer"]["not"];
    assert_eq!((&not["run"], &not["problems"][0]["places"][0]["line"]), (&Value::Null, &json!(1)));
    let said = runner.start_run("unresolved.yaml", &json!([]), &json!("run"));
    let not = &said["answer"]["answer"]["not"];
    assert_eq!(status(&place, not["run"].as_str().unwrap()), "failed");
    assert_eq!(not["problems"][0]["places"][0]["line"], 1, "{not}");
    for file in ["../outside.yaml", "/etc/passwd", "none.yaml", "quick"] {
        let said = runner.start_run(file, &json!([]), &json!("run"));
        assert_eq!(said["refused"]["refusal"]["kind"], "not_found", "{file}: {said}");
    }
}

#[test]
fn a_dry_run_tells_the_plan_and_an_explanation_where_variables_come_from() {
    let place = place();
    let mut runner = Runner::start(&place, 20_000);
    let said = runner.start_run("quick.yaml", &json!([]), &json!("dry"));
    assert_eq!(said["answer"]["answer"]["plan"]["secrets"], json!([]), "{said}");
    let said = runner.start_run("quick.yaml", &json!([]), &json!({"explain": {"step": null}}));
    let variables = said["answer"]["answer"]["explained"].as_array().unwrap();
    let name = variables.iter().find(|one| one["name"] == "NAME").unwrap();
    assert_eq!(name["layer"], "params");
    assert!(!place.home().join("runs").exists());
}

#[test]
fn a_run_is_stopped_gently_or_at_once_and_one_that_is_not_there_is_told() {
    let place = place();
    let mut runner = Runner::start(&place, 20_000);
    for (how, cleaned) in [("graceful", "succeeded"), ("kill", "not_started")] {
        let run = runner.begin("slow.yaml");
        eventually("its step", || record(&place, &run)["steps"][0]["status"] == "running");
        let said = runner.ask(&json!({"stop_run": {"run": run, "how": how}}));
        assert_eq!(said["answer"]["answer"], "told");
        // How it goes is known before the handlers.
        eventually("its end", || !record(&place, &run)["finished"].is_null());
        assert_eq!(status(&place, &run), "aborted");
        assert_eq!(record(&place, &run)["steps"][1]["status"], cleaned, "{how}");
    }
    let said = runner.ask(&json!({"stop_run": {"run": "none", "how": "graceful"}}));
    assert_eq!(said["answer"]["answer"], "not_ours");
}

#[test]
fn when_nobody_asks_any_more_runs_are_stopped_and_the_runner_ends() {
    let place = place();
    let mut runner = Runner::start(&place, 20_000);
    let run = runner.begin("slow.yaml");
    runner.input = None;
    assert!(runner.child.wait().unwrap().success());
    assert_eq!(status(&place, &run), "aborted");
}

#[test]
fn once_told_to_finish_the_runner_lets_runs_end_and_stops_them_after_the_grace() {
    let place = place();
    place.write("flows/gate.yaml", "steps:\n- run: until [ -e open ]; do sleep 0.05; done\n");
    let mut runner = Runner::start(&place, 20_000);
    let run = runner.begin("gate.yaml");
    runner.say(&json!({"finish": {}}));
    assert_eq!(status(&place, &run), "running");
    place.write("flows/open", "");
    assert!(runner.child.wait().unwrap().success());
    assert_eq!(status(&place, &run), "succeeded");
    let mut runner = Runner::start(&place, 1);
    let run = runner.begin("slow.yaml");
    runner.say(&json!({"finish": {}}));
    assert!(runner.child.wait().unwrap().success());
    assert_eq!(status(&place, &run), "aborted");
}

#[test]
fn a_run_whose_runner_was_killed_stops_and_can_be_tried_again() {
    let place = place();
    let mut runner = Runner::start(&place, 20_000);
    let run = runner.begin("slow.yaml");
    runner.child.kill().unwrap();
    eventually("its end", || status(&place, &run) == "aborted");
    place.write("flows/slow.yaml", "steps: [{name: wait, run: \"true\"}]\n");
    let mut runner = Runner::start(&place, 20_000);
    let retry = json!({"retry": {"run": run}});
    let said = runner.start_run("slow.yaml", &json!([]), &retry);
    let again = said["answer"]["answer"]["run"]["run"].as_str().expect("a run").to_owned();
    assert_eq!(record(&place, &again)["retry_of"], run.as_str());
    eventually("its end", || status(&place, &again) == "succeeded");
}

#[test]
fn a_run_whose_own_process_was_killed_is_interrupted_and_the_runner_goes_on() {
    let place = place();
    let mut runner = Runner::start(&place, 20_000);
    let run = runner.begin("slow.yaml");
    let pid = record(&place, &run)["pid"].as_i64().unwrap();
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    eventually("its end", || status(&place, &run) == "interrupted");
    let stop = json!({"stop_run": {"run": run, "how": "graceful"}});
    eventually("it is known to be over", || runner.ask(&stop)["answer"]["answer"] == "not_ours");
}
