//! `connection` and `ai-key` without a terminal: what each verb does, what it refuses, what it tells.

use serde_json::{Value, json as object};

use crate::program::{Ended, Place};
use crate::secret::json;

const JIRA: [&str; 8] = [
    "connection",
    "add",
    "jira",
    "jira-prod",
    "--set",
    "site_url=https://acme.atlassian.net/",
    "--set",
    "email=me@acme.com",
];

/// Makes the connection `jira-prod`.
pub(crate) fn add(place: &Place, words: &[&str], token: &str) -> Ended {
    place.feed(&[&JIRA[..], &["--set", "api_token=-"], words].concat(), token.as_bytes())
}

fn stocked() -> Place {
    let place = Place::new();
    let ended = add(&place, &[], "hunter2\n");
    assert_eq!(ended.code, 0, "{ended:?}");
    place
}

fn ok(place: &Place, words: &[&str], input: &str) -> Ended {
    let ended = place.feed(&[&["connection"], words].concat(), input.as_bytes());
    assert_eq!(ended.code, 0, "{words:?} {ended:?}");
    ended
}

fn refused(place: &Place, words: &[&str], code: i32, message: &str) {
    let ended = place.feed(&[&["connection"], words].concat(), b"a-value");
    assert_eq!(ended.code, code, "{words:?} {ended:?}");
    assert!(ended.stderr.contains(message), "{words:?} {message}: {ended:?}");
    assert_eq!(ended.stdout, "", "{words:?}");
}

fn show(place: &Place, name: &str) -> Value {
    json(place, &["connection", "show", name, "--json"])
}

#[test]
fn a_connection_is_made_from_words_and_standard_input() {
    let place = Place::new();
    let ended = add(&place, &[], "hunter2\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "jira-prod: version 1 stored (global)\n"));
    assert!(ended.stderr.contains("made the registry"), "{ended:?}");
    assert!(ended.stderr.ends_with("next: subrosa connection test jira-prod\n"), "{ended:?}");
    let shown = show(&place, "jira-prod");
    assert_eq!(
        shown["fields"],
        object!({ "site_url": "https://acme.atlassian.net", "email": "me@acme.com" })
    );
    assert_eq!(shown["secrets"]["api_token"]["version"], 1);
    assert_eq!((&shown["type"], &shown["state"]), (&object!("jira"), &object!("ready")));
    assert_eq!((&shown["missing"], &shown["tokens"]), (&object!([]), &Value::Null));
    let ended = place.run(&["connection", "show", "jira-prod"]);
    assert!(ended.stdout.contains("site_url   https://acme.atlassian.net\n"), "{ended:?}");
    assert!(ended.stdout.contains("api_token  set (version 1, "), "{ended:?}");
}

#[test]
fn the_name_is_the_types_own_unless_one_is_given() {
    let place = Place::new();
    let ended = ok(&place, &["add", "github_token", "--set", "token=-"], "hunter2");
    assert!(ended.stdout.starts_with("github-token: version 1"), "{ended:?}");
    refused(&place, &["add", "github_token", "--set", "token=-"], 4, "a second one");
    let told = ok(&place, &["add", "github_token", "mine", "--set", "token=-", "--json"], "x");
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(
        told,
        object!({
            "name": "mine", "workspace": null, "environment": null, "type": "github_token",
            "version": 1, "state": "active", "new": true, "new_registry": false,
            "new_environment": false, "next": ["subrosa connection test mine"],
        })
    );
}

#[test]
fn what_cannot_be_stored_is_refused_before_anything_is_made() {
    let place = Place::new();
    let check = |words: &[&str], message: &str| {
        refused(&place, &[&["add"], words].concat(), 2, message);
        assert!(!place.home().exists());
    };
    check(&["jria"], "did you mean `jira`?");
    check(&["nothing-of-the-kind"], "no type of connections is called");
    check(&["jira"], "no value for `site_url`, `email`, `api_token`");
    check(&["jira", "--set", "emial=a@b"], "did you mean `email`?");
    check(&["jira", "--set", "email=nobody"], "`email` cannot be used: it is no address of mail");
    check(&["jira", "--set", "site_url=http://acme.example"], "not encrypted");
    check(&["jira", "--set", "api_token=-", "--set", "email=-"], "room for one");
    check(&["jira", "Jira"], "cannot be one");
    check(&["jira", "a", "--expires", "2020-01-01"], "in the past");
    check(&["jira", "a", "--set-file", "api_token=nowhere"], "cannot read `nowhere`");
    check(&["jira", "a", "--from-file", "nowhere"], "cannot read `nowhere`");
}

#[test]
fn a_secret_as_an_argument_is_refused_and_not_repeated() {
    let place = stocked();
    for words in [
        &["add", "jira", "x", "--set", "api_token=canary-7"][..],
        &["add", "jira", "x", "--set", "canary-7"],
        &["add", "jira", "x", "--set", "canary-7=="],
        &["add", "jira", "x", "--set", "tokn=canary-7"],
        &["add", "jira", "x", "canary-7"],
        &["add", "jira", "canary-7!"],
        &["add", "jira", "x", "--canary-7"],
        &["add", "jira", "x", "--token", "canary-7"],
        &["add", "jira", "x", "--token=canary-7"],
        &["edit", "jira-prod", "--set", "api_token=canary-7"],
        &["edit", "jira-prod", "--set", "email=canary-7"],
        &["edit", "jira-prod", "--unset", "canary-7"],
        &["edit", "jira-prod", "canary-7"],
        &["rotate", "jira-prod", "--set", "api_token=canary-7"],
        &["rotate", "jira-prod", "canary-7"],
    ] {
        let ended = place.feed(&[&["connection"], words].concat(), b"");
        assert_eq!(ended.code, 2, "{words:?} {ended:?}");
        assert!(!format!("{ended:?}").contains("canary-7"), "{words:?} {ended:?}");
    }
    for words in [&["set", "openai", "canary-7"][..], &["set", "openai", "--key=canary-7"]] {
        let ended = place.feed(&[&["ai-key"], words].concat(), b"");
        assert_eq!(ended.code, 2, "{words:?} {ended:?}");
        assert!(!format!("{ended:?}").contains("canary-7"), "{words:?} {ended:?}");
    }
    let ended = place.run(&["connection", "add", "jira", "x", "--set", "api_token=canary-7"]);
    for told in
        ["read by every user of the machine", "`--set api_token=-`", "--set-file api_token="]
    {
        assert!(ended.stderr.contains(told), "{told}: {ended:?}");
    }
}

#[test]
fn editing_one_field_leaves_the_others() {
    let place = stocked();
    ok(&place, &["edit", "jira-prod", "--set", "email=you@acme.com"], "");
    let shown = show(&place, "jira-prod");
    assert_eq!(shown["fields"]["email"], "you@acme.com");
    assert_eq!(shown["fields"]["site_url"], "https://acme.atlassian.net");
    assert_eq!(
        (&shown["version"], &shown["secrets"]["api_token"]["version"]),
        (&2.into(), &1.into())
    );
    ok(&place, &["edit", "jira-prod", "--set", "api_token=-"], "hunter3");
    let shown = show(&place, "jira-prod");
    assert_eq!(shown["secrets"]["api_token"]["version"], 3);
    assert_eq!(shown["fields"]["email"], "you@acme.com");
    ok(&place, &["edit", "jira-prod", "--description", "the tracker"], "");
    assert_eq!(show(&place, "jira-prod")["description"], "the tracker");
    refused(&place, &["edit", "jira-prod", "--unset", "email"], 2, "no value for `email`");
    refused(&place, &["edit", "jira-prod"], 2, "there is no terminal to ask on");
    refused(&place, &["edit", "jira-dev", "--set", "email=a@b"], 4, "`jira-dev`");
    assert_eq!(show(&place, "jira-prod")["version"], 4);
}

#[test]
fn optional_fields_come_and_go() {
    let place = Place::new();
    let key = place.write("key", "hunter2\n");
    let key = format!("api_key={}", key.display());
    ok(&place, &["add", "openai", "--set-file", &key, "--set", "project=proj_1"], "");
    assert_eq!(show(&place, "openai")["fields"], object!({ "project": "proj_1" }));
    ok(&place, &["edit", "openai", "--unset", "project"], "");
    assert_eq!(show(&place, "openai")["fields"], object!({}));
}

#[test]
fn the_value_before_a_rotation_is_masked_as_long_as_it_was_said() {
    let place = Place::new();
    add(&place, &[], "old-canary-77");
    let rotate = ["connection", "rotate", "jira-prod", "--overlap", "24h", "--set", "api_token=-"];
    assert_eq!(place.feed(&rotate, b"new-canary-88").code, 0);
    place.write(
        "w.yaml",
        "secrets: [{name: A, provider: connection, key: jira-prod/api_token}]\n\
         steps: ['echo old-canary-77 $A']\n",
    );
    let done = place.run(&["run", "--follow", "w.yaml"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("******* *******"), "{}", done.stdout);
    assert!(!done.stdout.contains("canary"), "{}", done.stdout);
}

#[test]
fn rotating_takes_secret_fields_only() {
    let place = stocked();
    let ended =
        ok(&place, &["rotate", "jira-prod", "--overlap", "24h", "--set", "api_token=-"], "hunter3");
    assert!(ended.stderr.contains("version 1 is masked as well until"), "{ended:?}");
    assert!(ended.stderr.ends_with("next: subrosa connection test jira-prod\n"), "{ended:?}");
    assert_eq!(show(&place, "jira-prod")["secrets"]["api_token"]["version"], 2);
    refused(&place, &["rotate", "jira-prod", "--set", "email=a@b"], 2, "is public");
    refused(&place, &["rotate", "jira-prod"], 2, "there is no terminal to ask on");
}

#[test]
fn the_file_that_a_service_hands_out_is_taken() {
    let place = Place::new();
    let pem = "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n";
    let text = format!(
        r#"{{"type": "service_account", "project_id": "acme", "private_key_id": "7",
            "private_key": "{pem}", "client_email": "robot@acme.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token"}}"#
    );
    place.write("key.json", &text);
    ok(&place, &["add", "gcp_service_account", "gcp", "--from-file", "key.json"], "");
    assert_eq!(show(&place, "gcp")["state"], "ready");
    for (text, message) in
        [("{\"hunter2\": ", "it is no JSON object"), ("[]", "it is no JSON object")]
    {
        place.write("wrong.json", text);
        let words = ["connection", "add", "gcp_service_account", "x", "--from-file", "wrong.json"];
        let ended = place.run(&words);
        assert!(ended.code == 2 || ended.code == 3, "{ended:?}");
        assert!(ended.stderr.contains(message) && !ended.stderr.contains("hunter2"), "{ended:?}");
    }
}

#[test]
fn connections_are_listed_with_their_states() {
    let place = stocked();
    let ended = place.run(&["connection", "list"]);
    let lines: Vec<Vec<&str>> =
        ended.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["jira-prod", "(global)", "-", "jira", "ready", "never"]);
    let listed = json(&place, &["connection", "list", "--json"]);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["state"]),
        (&object!("jira-prod"), &object!("ready"))
    );
    assert_eq!(json(&place, &["connection", "list", "--type", "openai", "--json"]), object!([]));
    refused(&place, &["list", "--type", "openia"], 2, "did you mean `openai`?");
    ok(&place, &["disable", "jira-prod"], "");
    assert_eq!(json(&place, &["connection", "list", "--json"])[0]["state"], "disabled");
    ok(&place, &["enable", "jira-prod"], "");
    let ended = ok(&place, &["rm", "jira-prod", "--yes"], "");
    assert_eq!(ended.stdout, "jira-prod: removed (global)\n");
    assert_eq!(json(&place, &["connection", "list", "--json"]), object!([]));
    let secrets = json(&place, &["secret", "list", "--json"]);
    assert_eq!(secrets, object!([]), "a connection is no secret");
}

#[test]
fn removing_takes_a_yes() {
    let place = stocked();
    refused(&place, &["rm", "jira-prod"], 2, "add `--yes`");
    refused(&place, &["rm", "else", "--yes"], 4, "`else`");
    assert_eq!(show(&place, "jira-prod")["state"], "ready");
}

#[test]
fn scopes_and_protection_hold_as_for_secrets() {
    let place = stocked();
    let ended = add(&place, &["-w", "payments", "--env", "prod"], "hunter3");
    assert_eq!(
        ended.stdout,
        "jira-prod: version 1 stored (workspace payments, environment prod)\n"
    );
    assert!(ended.stderr.contains("the environment prod is new"), "{ended:?}");
    place.run(&["environment", "protect", "prod"]);
    let scope = ["-w", "payments", "--env", "prod"];
    for verb in [
        &["edit", "jira-prod", "--set", "email=a@b"][..],
        &["rotate", "jira-prod", "--set", "api_token=-"],
        &["rm", "jira-prod", "--yes"],
        &["disable", "jira-prod"],
    ] {
        refused(&place, &[verb, &scope].concat(), 4, "is protected");
        ok(&place, &[verb, &scope, &["--allow-protected"]].concat(), "hunter4");
        if verb[0] == "rm" {
            add(&place, &[&scope[..], &["--allow-protected"]].concat(), "hunter5");
        }
    }
    assert_eq!(show(&place, "jira-prod")["version"], 1);
}

#[test]
fn status_says_what_waits_for_somebody() {
    let place = stocked();
    let status = |words: &[&str]| place.run(&[&["connection", "status"], words].concat());
    let ended = status(&[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
    ok(
        &place,
        &["add", "github", "gh", "--set", "client_id=abc", "--set", "client_secret=-"],
        "hunter2",
    );
    let ended = status(&[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("gh: nobody has granted access yet"), "{ended:?}");
    assert!(ended.stderr.contains("`subrosa connection authorize gh`"), "{ended:?}");
    let listed: Value = serde_json::from_str(&status(&["--json"]).stdout).unwrap();
    assert_eq!(
        (&listed[0]["state"], &listed[0]["needs_somebody"], listed.as_array().unwrap().len()),
        (&object!("not_authorized"), &object!(true), 1)
    );
    ok(&place, &["disable", "gh"], "");
    assert_eq!(status(&[]).code, 0);
    let soon = humantime_in(3 * 86_400 + 3_600);
    ok(&place, &["edit", "jira-prod", "--expires", &soon], "");
    let ended = status(&[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("expires in 3 days"), "{ended:?}");
    assert!(ended.stderr.contains("`subrosa connection rotate jira-prod`"), "{ended:?}");
    ok(&place, &["edit", "jira-prod", "--expires", &humantime_in(30 * 86_400)], "");
    assert_eq!(status(&[]).code, 0);
}

/// A moment so many seconds from now, as the command line takes it.
pub(crate) fn humantime_in(seconds: u64) -> String {
    let date = std::process::Command::new("date")
        .args(["-u", "-d", &format!("+{seconds} seconds"), "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(date.stdout).unwrap().trim().to_owned()
}

#[test]
fn types_are_listed_and_explained() {
    let place = Place::new();
    let types = json(&place, &["connection", "types", "--json"]);
    let jira = types.as_array().unwrap().iter().find(|kind| kind["type"] == "jira").unwrap();
    assert_eq!(jira["fields"][2]["secret"], true);
    assert_eq!(&json(&place, &["connection", "types", "--show", "jira", "--json"]), jira);
    let page = ok(&place, &["types", "--show", "jira"], "").stdout;
    for told in
        ["api_token  (secret, required)", "subrosa connection add jira --set site_url=VALUE"]
    {
        assert!(page.contains(told), "{told}: {page}");
    }
    refused(&place, &["types", "--show", "jra"], 2, "did you mean `jira`?");
    let own = "id: tracker\nlabel: Tracker\nsummary: Ours.\nauth: bearer\nfields:\n\
               - {name: token, label: Token, help: It., secret: true}\napply:\n  \
               base_url: https://tracker.example\n  headers: {Authorization: 'Bearer ${token}'}\n";
    place.write("home/connection-types/tracker.yaml", own);
    assert!(ok(&place, &["types"], "").stdout.contains("tracker"));
    place.write("home/connection-types/bad.yaml", "id: bad\nfieldz: []\n");
    let ended = ok(&place, &["types"], "");
    assert!(ended.stderr.contains("bad.yaml"), "{ended:?}");
    assert!(ended.stdout.contains("tracker"), "the others count all the same: {ended:?}");
}

#[test]
fn ai_keys_are_one_bag() {
    let place = Place::new();
    let ai =
        |words: &[&str], input: &str| place.feed(&[&["ai-key"], words].concat(), input.as_bytes());
    let ended = ai(&["set", "openai"], "sk-1\n");
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "openai: key stored, version 1 (global)\n")
    );
    place.write("key", "sk-2");
    assert_eq!(ai(&["set", "openai", "--from-file", "key"], "").code, 0);
    let states = || -> Vec<(String, String)> {
        let listed = json(&place, &["ai-key", "list", "--json"]);
        let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = listed.as_array().unwrap().iter();
        rows.map(|row| (word(row, "service"), word(row, "state"))).collect()
    };
    assert_eq!(states()[0], ("openai".into(), "ready".into()));
    assert_eq!(states()[3], ("huggingface".into(), "not_set".into()));
    assert_eq!(show(&place, "openai")["secrets"]["api_key"]["version"], 2);
    ok(&place, &["edit", "openai", "--set", "project=proj_1"], "");
    assert_eq!(ai(&["set", "openai"], "sk-3").code, 0);
    assert_eq!(show(&place, "openai")["fields"]["project"], "proj_1", "the others stay");
    assert_eq!(ai(&["set", "openai"], "").code, 2);
    assert_eq!(ai(&["rm", "openai"], "").code, 2);
    assert_eq!(ai(&["rm", "openai", "--yes"], "").code, 0);
    assert_eq!(ai(&["rm", "openai", "--yes"], "").code, 4);
    assert_eq!(states()[0], ("openai".into(), "not_set".into()));
    assert_eq!(ai(&["set", "opnai"], "x").code, 2);
}

#[test]
fn an_ai_key_serves_steps_and_a_replaced_one_is_the_next() {
    let place = Place::new();
    place.write(
        "w.yaml",
        "secrets: [{name: KEY, provider: connection, key: anthropic/api_key}]\n\
         steps: ['echo \"$KEY\" ${#KEY}']\n",
    );
    for key in ["sk-canary-1", "sk-canary-of-another-length"] {
        assert_eq!(place.feed(&["ai-key", "set", "anthropic"], key.as_bytes()).code, 0);
        let ended = place.run(&["run", "--follow", "w.yaml"]);
        let told = format!("******* {}", key.len());
        assert!(ended.code == 0 && ended.stdout.contains(&told), "{ended:?}");
    }
    assert_eq!(place.run(&["ai-key", "rm", "anthropic", "--yes"]).code, 0);
    let ended = place.run(&["run", "--follow", "w.yaml"]);
    assert!(ended.code == 4 && ended.stderr.contains("no connection `anthropic`"), "{ended:?}");
}

#[test]
fn another_address_wants_the_secret_anew() {
    let place = stocked();
    let edit = ["edit", "jira-prod", "--set", "site_url=https://elsewhere.example"];
    refused(&place, &edit, 4, "`site_url` decides where the credential goes, and `api_token`");
    assert_eq!(show(&place, "jira-prod")["version"], 1);
    ok(&place, &["edit", "jira-prod", "--set", "email=you@acme.com"], "");
    ok(&place, &["edit", "jira-prod", "--set", "site_url=https://acme.atlassian.net"], "");
    ok(&place, &[&edit[..], &["--set", "api_token=-"]].concat(), "hunter3");
    let shown = show(&place, "jira-prod");
    assert_eq!(shown["fields"]["site_url"], "https://elsewhere.example");
    assert_eq!(shown["secrets"]["api_token"]["version"], shown["version"]);
}

#[test]
fn a_remedy_is_about_connections_and_names_the_scope() {
    let place = stocked();
    let ended = place.run(&["connection", "show", "nope"]);
    assert!(ended.stderr.contains("`subrosa connection list` shows"), "{ended:?}");
    assert!(!ended.stderr.contains("secret list"), "{ended:?}");
    let words = ["add", "oauth_sample", "c", "--workspace", "team", "--set", "client_id=x"];
    let kind = "id: oauth_sample\nlabel: Sample\nsummary: Ours.\nauth: oauth2\nfields:\n\
                - {name: client_id, label: Client, help: Its id.}\n\
                apply:\n  base_url: https://a.example\n  \
                headers: {Authorization: 'Bearer ${access_token}'}\n\
                oauth:\n  authorize_url: https://a.example/a\n  token_url: https://a.example/t\n";
    place.write("home/connection-types/oauth_sample.yaml", kind);
    ok(&place, &words, "");
    ok(&place, &["add", "github_token", "soon", "--set", "token=-", "--max-age", "1d"], "x");
    let ended = place.run(&["connection", "status"]);
    assert!(
        ended.stderr.contains("`subrosa connection authorize c --workspace team`"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("`subrosa connection rotate soon`"), "{ended:?}");
}

#[test]
fn a_test_of_postgres_takes_nothing_from_the_environment() {
    let place = Place::new();
    let words = ["add", "postgres", "pg", "--set", "host=127.0.0.1", "--set", "port=1"];
    let words = [&words[..], &["--set", "database=d", "--set", "username=u"]].concat();
    ok(&place, &[&words[..], &["--set", "password=-"]].concat(), "hunter2");
    for (name, is_taken) in [("PGOPTIONS", true), ("PGSSLROOTCERT", true), ("PGHOST", false)] {
        let mut command = place.command(&["connection", "test", "pg"]);
        let output = command.env(name, "/nowhere").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(
            said.contains(&format!("not tested: the variable `{name}`")),
            is_taken,
            "{said}"
        );
    }
}

#[test]
fn a_run_says_what_is_wrong_with_a_type_of_the_user() {
    let place = Place::new();
    let kind = "id: own\nlabel: Own\nsummary: Ours.\nauth: bearer\nfields:\n\
                - {name: token, label: Token, help: It., secret: true}\n\
                apply:\n  base_url: https://a.example\n  \
                headers: {Authorization: 'Bearer ${token}'}\n";
    place.write("home/connection-types/own.yaml", kind);
    ok(&place, &["add", "own", "--set", "token=-"], "hunter2");
    place.write(
        "own.yaml",
        "name: own\nsecrets:\n- {name: T, provider: connection, key: own/token}\n\
         steps:\n- {name: s, run: 'true'}\n",
    );
    let ended = place.run(&["run", "own.yaml"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    place.write("home/connection-types/own.yaml", &kind.replace("auth: bearer", "auth: baerer"));
    let ended = place.run(&["run", "own.yaml"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.stderr.contains("connection-types/own.yaml:4:"), "{ended:?}");
    assert_eq!(ended.stderr.matches("own.yaml:4:").count(), 1, "{ended:?}");
}

#[test]
fn a_file_of_types_that_cannot_be_read_takes_no_other_away() {
    let place = stocked();
    let types = place.home().join("connection-types");
    std::fs::create_dir_all(types.join("folder.yaml")).unwrap();
    std::os::unix::fs::symlink("nowhere", types.join("dangling.yaml")).unwrap();
    std::fs::write(types.join("large.yaml"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    std::fs::write(types.join("open.yaml"), "id: open\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o664);
    std::fs::set_permissions(types.join("open.yaml"), mode).unwrap();
    let ended = ok(&place, &["list"], "");
    assert!(ended.stdout.contains("jira-prod"), "{ended:?}");
    for (file, why) in [
        ("folder.yaml", "it is no regular file"),
        ("dangling.yaml", "No such file"),
        ("large.yaml", "it is larger than 1 MiB"),
        ("open.yaml", "can be changed by its group"),
    ] {
        assert!(ended.stderr.contains(file) && ended.stderr.contains(why), "{file}: {ended:?}");
    }
}
