//! The form of a connection in front of a person.

use std::process::Child;

use rustix::termios::LocalModes;
use serde_json::{Value, json as object};

use crate::connection::add;
use crate::program::{Place, SUBROSA};
use crate::secret::json;
use crate::terminal::Screen;

fn start(place: &Place, words: &[&str], screen: &Screen) -> Child {
    let words = [&["__terminal", "--", SUBROSA], words].concat();
    screen.start(place.command(&words).stderr(screen.stream()))
}

/// Waits for each text and presses what belongs to it; what was seen, and the exit code.
fn play(place: &Place, words: &[&str], script: &[(&str, &str)]) -> (String, i32) {
    let mut screen = Screen::new();
    let child = start(place, words, &screen);
    for (text, keys) in script {
        screen.wait_for(text);
        if text.contains("not shown") {
            assert!(!screen.modes().local_modes.contains(LocalModes::ECHO), "{text}");
        }
        screen.press(keys);
    }
    let (seen, status) = screen.finish(child);
    (seen, status.code().unwrap())
}

fn show(place: &Place, name: &str) -> Value {
    json(place, &["connection", "show", name, "--json"])
}

#[test]
fn a_form_asks_judges_each_answer_and_sums_up() {
    let place = Place::new();
    let (seen, code) = play(
        &place,
        &["connection", "add", "jira", "jira-prod"],
        &[
            ("(1 of 3)", ""),
            ("such as `https://example.atlassian.net`.\r\n  > ", "acme\r"),
            ("  ! ", "https://acme.atlassian.net/\r"),
            ("Email", "nobody\r"),
            ("it is no address of mail", "me@acme.com\r"),
            ("(not shown) > ", "\r"),
            ("an answer is needed here", "hunter3\u{7f}2\r"),
            ("next: subrosa connection test jira-prod", ""),
        ],
    );
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("New connection jira-prod (Jira Cloud, global)"), "{seen}");
    assert!(seen.contains("How to get the credential:\r\n  https://"), "{seen}");
    assert!(seen.contains("  site_url   https://acme.atlassian.net\r\n"), "{seen}");
    assert!(seen.contains("  api_token  given, not shown\r\n"), "{seen}");
    assert!(seen.contains("jira-prod: version 1 stored (global)"), "{seen}");
    assert!(!seen.contains("hunter"), "{seen}");
    assert_eq!(show(&place, "jira-prod")["fields"]["email"], "me@acme.com");
}

#[test]
fn what_is_typed_ahead_for_a_hidden_field_is_never_shown() {
    let place = Place::new();
    let words = ["connection", "add", "jira", "j", "--set", "site_url=https://a.example"];
    let words = [&words[..], &["--set", "email=a@b"]].concat();
    // The first answer is refused.
    let (seen, code) = play(&place, &words, &[("(not shown) > ", "\rhunter2\r")]);
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("an answer is needed here"), "{seen}");
    assert!(!seen.contains("hunter"), "{seen}");
}

#[test]
fn what_is_typed_ahead_from_the_first_question_on_shows_no_secret() {
    let place = Place::new();
    let pasted = "https://a.example\rme@acmx\u{7f}e.com\rhunter2\r";
    let words = ["connection", "add", "jira", "j"];
    let (seen, code) = play(&place, &words, &[("  > ", pasted)]);
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains("hunter"), "{seen}");
    assert!(seen.contains("> https://a.example\r\n"), "what may be seen is: {seen}");
    assert_eq!(show(&place, "j")["fields"]["email"], "me@acme.com");
}

/// A type whose token has to be exchanged before it is used, at a port where nobody listens.
const DUE: &str = "id: due\nlabel: Due\nsummary: Ours.\nauth: client_credentials\nfields:\n\
                   - {name: client_id, label: Client, help: Its id.}\n\
                   - {name: client_secret, label: Secret, help: It., secret: true}\n\
                   apply:\n  base_url: https://127.0.0.1:1\n  \
                   headers: {Authorization: 'Bearer ${access_token}'}\n\
                   oauth:\n  token_url: https://127.0.0.1:1/token\n  client_auth: body\n";

#[test]
fn one_question_for_the_passphrase_is_enough_for_a_run_and_is_never_shown() {
    let place = Place::new();
    place.write("home/connection-types/due.yaml", DUE);
    for name in ["one", "two"] {
        let words = ["connection", "add", "due", name, "--set", "client_id=x"];
        let ended = place.feed(&[&words[..], &["--set", "client_secret=-"]].concat(), b"hunter2");
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    let typed = "pass-in-clear\r";
    let keys = [("new passphrase", typed), ("the same again", typed)];
    let (seen, code) = play(&place, &["key", "move", "--to", "passphrase"], &keys);
    assert_eq!(code, 0, "{seen}");
    place.write(
        "due.yaml",
        "name: due\nsecrets:\n\
         - {name: ONE, provider: connection, key: one/access_token}\n\
         - {name: TWO, provider: connection, key: two/access_token}\n\
         steps:\n- {name: s, run: 'true'}\n",
    );
    let keys = [("passphrase of the key", "pass-in-clear\rpass-in-clear\rpass-in-clear\r")];
    let (seen, code) = play(&place, &["run", "due.yaml"], &keys);
    assert_ne!(code, 0, "nobody gives out tokens: {seen}");
    assert_eq!(seen.matches("passphrase of the key").count(), 1, "{seen}");
    assert!(!seen.contains("pass-in-clear"), "{seen}");
}

#[test]
fn what_is_given_is_not_asked_for() {
    let place = Place::new();
    let words = ["connection", "add", "jira", "--set", "site_url=https://a.example"];
    let words = [&words[..], &["--set", "email=a@b"]].concat();
    let (seen, code) = play(&place, &words, &[("(not shown) > ", "hunter2\r")]);
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains("Email") && seen.contains("(1 of 1)"), "{seen}");
}

#[test]
fn choices_have_numbers_and_defaults_brackets() {
    let place = Place::new();
    let own = "id: tracker\nlabel: Tracker\nsummary: Ours.\nauth: bearer\nfields:\n\
               - {name: plan, label: Plan, help: Which., choices: [cloud, server], default: cloud}\n\
               - {name: tier, label: Tier, help: Which., choices: [low, high]}\n\
               - {name: note, label: Note, help: Any., required: false}\n\
               - {name: token, label: Token, help: It., secret: true}\napply:\n  \
               base_url: https://tracker.example\n  headers: {Authorization: 'Bearer ${token}'}\n";
    place.write("home/connection-types/tracker.yaml", own);
    let (seen, code) = play(
        &place,
        &["connection", "add", "tracker", "--json"],
        &[
            ("  1) cloud\r\n  2) server\r\n  [cloud] > ", "\r"),
            ("  1) low\r\n  2) high\r\n  > ", "hihg\r"),
            ("did you mean `high`?", "3\r"),
            ("wanted 1 to 2, or a name", "2\r"),
            ("(optional) > ", "\r"),
            ("(not shown) > ", "hunter2\r"),
        ],
    );
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("  plan   cloud (default)\r\n"), "{seen}");
    assert!(seen.contains("  note   not set\r\n"), "{seen}");
    assert_eq!(show(&place, "tracker")["fields"], object!({ "tier": "high" }));
}

#[test]
fn in_the_form_enter_keeps_what_is_there() {
    let place = Place::new();
    add(&place, &[], "hunter2");
    let (seen, code) = play(
        &place,
        &["connection", "edit", "jira-prod"],
        &[
            ("[https://acme.atlassian.net] > ", "\r"),
            ("[me@acme.com] > ", "-\r"),
            ("cannot be taken away", "you@acme.com\r"),
            ("[set, version 1] (not shown) > ", "\r"),
        ],
    );
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("  api_token  stays as it is\r\n"), "{seen}");
    let shown = show(&place, "jira-prod");
    assert_eq!(shown["fields"]["email"], "you@acme.com");
    assert_eq!(
        (&shown["version"], &shown["secrets"]["api_token"]["version"]),
        (&2.into(), &1.into())
    );
    let keys = [("[https:", "\r"), ("[you@", "\r"), ("[set, version 1]", "\r")];
    let (seen, code) = play(&place, &["connection", "edit", "jira-prod"], &keys);
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("jira-prod: nothing was changed"), "{seen}");
    assert_eq!(show(&place, "jira-prod")["version"], 2);
}

#[test]
fn rotating_asks_for_the_secret_fields_only() {
    let place = Place::new();
    add(&place, &[], "hunter2");
    let keys = [("(1 of 1)", ""), ("[set, version 1] (not shown) > ", "hunter3\r")];
    let (seen, code) = play(&place, &["connection", "rotate", "jira-prod"], &keys);
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains("Email") && !seen.contains("hunter"), "{seen}");
    assert_eq!(show(&place, "jira-prod")["secrets"]["api_token"]["version"], 2);
    let keys = [("(not shown) > ", "\r")];
    let (seen, code) = play(&place, &["connection", "rotate", "jira-prod"], &keys);
    assert_eq!(code, 4, "{seen}");
    assert!(seen.contains("no new value was given"), "{seen}");
}

#[test]
fn giving_up_stores_nothing() {
    let place = Place::new();
    for (keys, code) in [("\x03", 130), ("\x04", 2)] {
        let (seen, ended) = play(&place, &["connection", "add", "jira"], &[("  > ", keys)]);
        assert_eq!(ended, code, "{seen}");
    }
    let words = ["connection", "add", "http_bearer", "--set", "base_url=https://a.example"];
    let (seen, ended) = play(&place, &words, &[("(not shown) > ", "hunter2\x03")]);
    assert_eq!(ended, 130, "{seen}");
    assert!(!place.home().exists() && !seen.contains("hunter"), "{seen}");
}

#[test]
fn a_value_of_several_lines_comes_from_a_file() {
    let place = Place::new();
    place.write(
        "key.json",
        r#"{"type": "service_account", "private_key": "hunter2",
                  "client_email": "robot@acme.example"}"#,
    );
    place.write("wrong.json", "hunter2");
    let (seen, code) = play(
        &place,
        &["connection", "add", "gcp_service_account", "gcp"],
        &[
            ("path of the file > ", "nowhere\r"),
            ("cannot read `nowhere`", "wrong.json\r"),
            ("it is no JSON object", "key.json\r"),
            ("(3 of 4)", "\r"),
            ("(4 of 4)", "\r"),
        ],
    );
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains("hunter2"), "{seen}");
    let address = &show(&place, "gcp")["fields"]["client_email"];
    assert_eq!(address, "robot@acme.example", "it is in the file, and not asked for: {seen}");
}

#[test]
fn removing_asks() {
    let place = Place::new();
    add(&place, &[], "hunter2");
    let question = "Remove the connection jira-prod (global) with all its versions? [y/N] ";
    let (seen, code) = play(&place, &["connection", "rm", "jira-prod"], &[(question, "\r")]);
    assert_eq!(code, 4, "{seen}");
    let (seen, code) = play(&place, &["connection", "rm", "jira-prod"], &[(question, "y\r")]);
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("jira-prod: removed (global)"), "{seen}");
}

#[test]
fn a_key_of_a_model_is_asked_for_without_echo() {
    let place = Place::new();
    let keys = [("API key of OpenAI (not shown): ", "hunter2\r")];
    let (seen, code) = play(&place, &["ai-key", "set", "openai"], &keys);
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains("hunter"), "{seen}");
}
