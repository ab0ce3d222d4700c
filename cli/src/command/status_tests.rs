use std::path::PathBuf;

use subrosa_engine::record::{
    FoundRecord, FoundRun, ParamRecord, RunRecord, SecretRecord, StepRecord,
};

use super::{to_json, to_text};
use crate::render::Look;

fn step(name: &str, status: &str) -> StepRecord {
    StepRecord {
        name: name.into(),
        status: status.into(),
        attempts: 1,
        started: Some("2026-11-22T15:58:47.000Z".into()),
        finished: Some("2026-11-22T15:58:48.500Z".into()),
        exit_code: Some(0),
        signal: None,
        message: None,
        stdout: None,
        stderr: None,
        masked: Vec::new(),
        registered: 0,
        clients: Vec::new(),
        outputs: Vec::new(),
        called: Vec::new(),
    }
}

fn run(status: &str, alive: bool, steps: Vec<StepRecord>) -> FoundRun {
    let record = RunRecord {
        format: 1,
        run: "20261122t155847-ab12".into(),
        retry_of: None,
        workspace: None,
        by: None,
        workflow: "deploy".into(),
        file: "/w/deploy.yaml".into(),
        environment: None,
        environment_given: false,
        status: status.into(),
        reason: None,
        started: "2026-11-22T15:58:47.000Z".into(),
        finished: (status != "running").then(|| "2026-11-22T15:59:57.000Z".into()),
        pid: 1,
        params: vec![ParamRecord { name: Some("ENV".into()), value: "prod".into(), masked: false }],
        secrets: vec![SecretRecord {
            name: "TOKEN".into(),
            provider: "env".into(),
            reference: None,
            found: None,
            cached: None,
            masked: true,
            short: false,
        }],
        steps,
    };
    FoundRun { dir: PathBuf::from("/s/runs/deploy/20261122t155847-ab12"), record, alive }
}

fn shown(run: &FoundRun) -> String {
    let now = humantime::parse_rfc3339("2026-11-22T15:58:57Z").unwrap();
    to_text(run, Look::PLAIN, now)
}

#[test]
fn a_finished_run_shows_its_steps() {
    let failed = StepRecord { exit_code: Some(3), attempts: 2, ..step("test\u{1b}[2J", "failed") };
    let waiting = StepRecord {
        started: None,
        finished: None,
        message: Some("step test failed".into()),
        ..step("ship", "upstream_failed")
    };
    let expected = "\
run       20261122t155847-ab12
workflow  deploy
file      /w/deploy.yaml
status    failed
started   2026-11-22 15:58:47 UTC
took      1m 10s
secrets   TOKEN (env)
record    /s/runs/deploy/20261122t155847-ab12

✓ build          succeeded  1.5s
✗ test\\u{1b}[2J  failed     1.5s  exit 3, 2 attempts
⊘ ship           not run          step test failed
";
    let run = run("failed", false, vec![step("build", "succeeded"), failed, waiting]);
    assert_eq!(shown(&run), expected, "\n{}", shown(&run));
}

#[test]
fn a_secret_with_a_ref_tells_its_version_and_whether_it_had_expired() {
    let mut run = run("succeeded", false, Vec::new());
    run.record.environment = Some("prod".into());
    let found = |expired| FoundRecord {
        workspace: None,
        environment: Some("prod".into()),
        version: 3,
        expired,
        overlapping: false,
    };
    let secret = |name: &str, found| SecretRecord {
        name: name.into(),
        provider: "ref".into(),
        reference: Some("prod/db".into()),
        found,
        cached: None,
        masked: true,
        short: false,
    };
    let secrets = [secret("A", Some(found(false))), secret("B", Some(found(true)))];
    run.record.secrets.extend(secrets.into_iter().chain([secret("C", None)]));
    let shown = shown(&run);
    assert!(shown.contains("\nenvironment  prod\n"), "{shown}");
    let expected = "TOKEN (env), A (ref prod/db, version 3), \
                    B (ref prod/db, version 3, expired), C (ref prod/db)\n";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn a_run_whose_engine_is_gone_was_interrupted() {
    let going = StepRecord { finished: None, ..step("build", "running") };
    let gone = shown(&run("running", false, vec![going.clone()]));
    assert!(gone.contains("status    interrupted\n"), "{gone}");
    assert!(gone.contains("⊘ build  interrupted\n"), "{gone}");
    assert!(!gone.contains("took"), "{gone}");
    let alive = shown(&run("running", true, vec![going]));
    assert!(alive.contains("status    running\n"), "{alive}");
    assert!(alive.contains("took      10s\n"), "{alive}");
    assert!(alive.contains("▸ build  running\n"), "{alive}");
}

#[test]
fn json_is_the_record_with_its_folder_and_true_state() {
    let value = to_json(&run("running", false, Vec::new())).unwrap();
    assert_eq!(value["status"], "interrupted");
    assert_eq!(value["dir"], "/s/runs/deploy/20261122t155847-ab12");
    assert_eq!(value["secrets"][0]["name"], "TOKEN");
}
