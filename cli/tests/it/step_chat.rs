//! Steps of `type: chat` against servers that speak the three protocols.
//!
//! Two values are canaries: the key, and a token that messages hold. Servers repeat both wherever they can.

#[cfg(feature = "real-model")]
mod model;
mod peer;
mod speech;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::program::{Ended, Place};
use crate::secret_leaks::{VALUES, check, check_files_but};
use peer::{Peer, Script};
use speech::{calls, reply, script, sent};

/// What messages hold; what the server knows is [`KEY`].
const TOKEN: &str = VALUES[0];
const KEY: &str = VALUES[1];

/// Runs a workflow with both values. They show nowhere but in the header of a request.
fn run(place: &Place, workflow: &str) -> Ended {
    place.write("w.yaml", workflow);
    run_again(place, &["run", "w.yaml"])
}

fn run_again(place: &Place, words: &[&str]) -> Ended {
    let mut command = place.command(words);
    command.envs([("TOKEN_SOURCE", TOKEN), ("KEY_SOURCE", KEY), ("RUST_BACKTRACE", "full")]);
    let ended = Ended::of(&command.output().unwrap());
    check("stdout", ended.stdout.as_bytes());
    check("stderr", ended.stderr.as_bytes());
    check_files_but(place, &[]);
    ended
}

/// All that a run said.
fn told(ended: &Ended) -> String {
    [ended.stdout.as_str(), &ended.stderr].concat()
}

/// A workflow with a step `ask`; `more` is YAML of the step.
fn workflow(provider: &str, url: &str, stream: bool, more: &str) -> String {
    format!(
        "secrets:
  - {{name: TOKEN, provider: env, key: TOKEN_SOURCE}}
  - {{name: API_KEY, provider: env, key: KEY_SOURCE}}
steps:
  - name: ask
    type: chat
    llm:
      {{provider: {provider}, model: m-1, base_url: '{url}', api_key_name: API_KEY, stream: {stream},
       system: 'be kind to ${{TOKEN}}', temperature: 0.5, top_p: 1, max_tokens: 9}}
{more}"
    )
}

const MESSAGES: &str = "    messages: [{role: user, content: 'my token is ${TOKEN} thanks'}]\n";

#[test]
fn what_is_sent_is_masked_and_the_reply_is_masked_while_it_comes() {
    // Pieces of both values, as tokens of a model would be.
    let half = TOKEN.char_indices().nth(9).unwrap().0;
    let words = ["I heard ", &TOKEN[..half], &TOKEN[half..], " of ", &KEY[..3], &KEY[3..], "!"];
    for provider in ["openai", "anthropic", "gemini"] {
        for (stream, length) in [(true, usize::MAX), (true, 7), (false, usize::MAX)] {
            let peer = Peer::saying(script(stream, &reply(provider, stream, &words), length));
            let place = Place::new();
            let ended = run(&place, &workflow(provider, &peer.url, stream, MESSAGES));
            assert_eq!(ended.code, 0, "{provider} {stream} {ended:?}");
            assert_eq!(place.find("steps/ask.out"), "I heard ******* of *******!\n");
            let heard = peer.heard();
            let (line, header, body) = sent(provider, stream);
            assert_eq!((heard.len(), heard[0].line.as_str()), (1, line));
            assert_eq!(heard[0].json(), body);
            check("the request", &heard[0].body);
            let key = heard[0].header(header).unwrap();
            assert_eq!(key.strip_prefix("Bearer ").unwrap_or(key), KEY);
            check_transcript(&place);
        }
    }
}

/// What is kept beside the log.
fn check_transcript(place: &Place) {
    let kept: Value = serde_json::from_str(&place.find("steps/ask.chat.json")).unwrap();
    let messages = json!([
        {"role": "system", "content": "be kind to *******"},
        {"role": "user", "content": "my token is ******* thanks"},
        {"role": "assistant", "content": "I heard ******* of *******!"},
    ]);
    assert_eq!((&kept["messages"], &kept["model"]), (&messages, &json!("m-1")));
    assert_eq!(
        (&kept["end"]["prompt_tokens"], &kept["end"]["reply_tokens"]),
        (&json!(7), &json!(2))
    );
}

const TOOLS: &str = "    messages:
      - {role: user, content: hi}
      - {role: assistant, tool_calls: [{id: c0, name: look, arguments: {of: '${TOKEN}', n: 2}}]}
      - {role: tool, tool_call_id: c0, content: 'found ${TOKEN}'}
    tools:
      - name: look
        description: 'knows ${TOKEN}'
        parameters: {type: object, properties: {of: {type: string, default: '${TOKEN}'}}}
";

#[test]
fn tools_their_calls_and_their_arguments_are_masked() {
    for provider in ["openai", "anthropic", "gemini"] {
        for stream in [true, false] {
            let peer = Peer::saying(script(stream, &calls(provider, stream), 11));
            let place = Place::new();
            let ended = run(&place, &workflow(provider, &peer.url, stream, TOOLS));
            assert_eq!(ended.code, 0, "{provider} {stream} {ended:?}");
            assert_eq!(
                place.find("steps/ask.out"),
                "{\"id\":\"c1\",\"name\":\"look\",\"arguments\":{\"of\":\"*******\",\"deep\":[{\"n\":1}]}}\n"
            );
            let heard = peer.heard();
            check("the request", &heard[0].body);
            let body = heard[0].json();
            let schema = json!({"type": "object", "properties": {"of": {"type": "string", "default": "*******"}}});
            let (tool, called, answered) = match provider {
                "anthropic" => (
                    &body["tools"][0]["input_schema"],
                    body["messages"][1]["content"][0]["input"].clone(),
                    &body["messages"][2]["content"][0]["content"],
                ),
                "gemini" => (
                    &body["tools"][0]["functionDeclarations"][0]["parameters"],
                    body["contents"][1]["parts"][0]["functionCall"]["args"].clone(),
                    &body["contents"][2]["parts"][0]["functionResponse"]["response"]["result"],
                ),
                _ => {
                    let function = &body["messages"][2]["tool_calls"][0]["function"];
                    (
                        &body["tools"][0]["function"]["parameters"],
                        serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap(),
                        &body["messages"][3]["content"],
                    )
                }
            };
            assert_eq!(tool, &schema, "{provider}");
            assert_eq!(called, json!({"of": "*******", "n": 2}), "{provider}");
            assert_eq!(answered, "found *******", "{provider}");
        }
    }
}

#[test]
fn an_output_gets_what_the_model_said() {
    let peer = Peer::saying(script(true, &reply("local", true, &["for", "ty ", TOKEN]), 9));
    let place = Place::new();
    let then = "    output: ANSWER
  - {name: then, depends: ask, run: 'test \"$ANSWER\" = \"forty $TOKEN\" && echo same'}\n";
    let text = workflow("local", &peer.url, true, &format!("{MESSAGES}{then}"));
    let ended = run(&place, &text);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(place.find("steps/then.out"), "same\n");
}

/// How a step ends that got an answer, and what is said of it.
fn check_refusal(provider: &str, stream: bool, script: Script, expected: &str) {
    let peer = Peer::saying(script);
    let place = Place::new();
    let ended = run(&place, &workflow(provider, &peer.url, stream, MESSAGES));
    assert_eq!(ended.code, 1, "{expected} {ended:?}");
    let told = told(&ended).replace(&peer.url, "URL");
    assert!(told.contains(expected), "{expected} in {told}");
    assert_eq!(peer.heard().len(), 1, "{expected}");
}

#[test]
fn an_error_is_told_by_its_status_and_a_word() {
    let body = |word: &str| {
        json!({"error": {"message": format!("key {KEY} is wrong, you said {TOKEN}"), "code": word}})
            .to_string()
    };
    let whole = |status, body: &str| Script::whole(status, body);
    let gemini = json!([{"error": {"code": 400, "message": KEY, "status": "INVALID_ARGUMENT"}}]);
    let anthropic =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": TOKEN}});
    for (provider, script, expected) in [
        (
            "openai",
            whole("401 Unauthorized", &body("invalid_api_key")),
            "`URL` answered 401 `invalid_api_key`; is the key in the variable `API_KEY` right",
        ),
        ("openai", whole("403 Forbidden", &body("two words")), "`URL` answered 403; is the key"),
        ("openai", whole("400 Bad Request", &body(KEY)), "`URL` answered 400"),
        (
            "openai",
            whole("404 Not Found", KEY),
            "`URL` answered 404; are `model` and `base_url` right?",
        ),
        ("openai", whole("302 Found", ""), "`URL` answered 302; redirects are not followed"),
        (
            "gemini",
            whole("400 Bad Request", &gemini.to_string()),
            "`URL` answered 400 `INVALID_ARGUMENT`",
        ),
        (
            "anthropic",
            whole("529 Overloaded", &anthropic.to_string()),
            "`URL` answered 529 `overloaded_error`; `retry_policy` of the step tries again",
        ),
        (
            "anthropic",
            Script::events(&format!("data: {anthropic}\n\n"), 9),
            "`URL` broke the reply off: `overloaded_error`",
        ),
        (
            "gemini",
            whole("200 OK", &json!({"promptFeedback": {"blockReason": "SAFETY"}}).to_string()),
            "`URL` broke the reply off: `SAFETY`",
        ),
        ("openai", whole("200 OK", &body("server_error")), "broke the reply off: `server_error`"),
        (
            "openai",
            whole("200 OK", &json!({"error": KEY}).to_string()),
            "`URL` broke the reply off",
        ),
    ] {
        check_refusal(provider, true, script, expected);
    }
}

#[test]
fn a_reply_that_ends_before_its_end_is_shown_and_warned_of() {
    let text = reply("openai", true, &["well "]).replace("\"stop\"", "\"length\"");
    let peer = Peer::saying(Script::events(&text, 9));
    let place = Place::new();
    let ended = run(&place, &workflow("openai", &peer.url, true, MESSAGES));
    assert_eq!((ended.code, place.find("steps/ask.out").as_str()), (0, "well \n"), "{ended:?}");
    assert!(
        told(&ended).contains("the reply of the model ends before its end: `length`"),
        "{ended:?}"
    );
}

#[test]
fn an_answer_that_is_none_is_told() {
    let none = "`URL` answered with something that is no reply of a model";
    let part = format!("data: {}\n\n", json!({"choices": [{"delta": {"content": TOKEN}}]}));
    let malformed = Script::events(&format!("{part}data: {{\"choices\": {KEY}\n\n"), 9);
    let large = format!("data: {{\"x\": \"{}\n", "x".repeat(1024 * 1024));
    let words = "w".repeat(800_000);
    let many = reply("openai", true, &[&words, &words, &words, &words, &words, &words]);
    for (script, expected) in [
        (Script::whole("200 OK", &format!("<html>{KEY}")), none),
        (Script::whole("200 OK", "{}"), none),
        (Script::whole("200 OK", ""), none),
        (malformed, none),
        (Script::events(&part, 9), "`URL` broke the reply off"),
        (Script { breaks_off: true, ..Script::events(&part, 9) }, "`URL` closed the connection"),
        (Script::events(&large, usize::MAX), "`URL` replied with more than 4 MiB"),
        (Script::events(&many, 65536), "`URL` replied with more than 4 MiB"),
        (Script::whole("200 OK", &" ".repeat(9 << 20)), "`URL` replied with more than 4 MiB"),
    ] {
        check_refusal("openai", true, script, expected);
    }
    let place = Place::new();
    let ended = run(&place, &workflow("openai", "http://127.0.0.1:1/v1", true, MESSAGES));
    assert!(
        told(&ended).contains("cannot reach `http://127.0.0.1:1`: connection refused"),
        "{ended:?}"
    );
}

#[test]
fn a_server_that_stalls_ends_with_the_time_of_the_step() {
    let part = format!("data: {}\n\n", json!({"choices": [{"delta": {"content": "well "}}]}));
    let peer = Peer::saying(Script { stalls: true, ..Script::events(&part, 9) });
    let place = Place::new();
    let more = format!("{MESSAGES}    timeout_sec: 1\n");
    let ended = run(&place, &workflow("openai", &peer.url, true, &more));
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(told(&ended).contains("timed out"), "{ended:?}");
    assert_eq!(place.find("steps/ask.out"), "well ");
    // The connection is closed, so the server can stop, too.
    peer.gone.recv_timeout(crate::program::PATIENCE).unwrap();
}

#[test]
fn only_the_step_tries_again() {
    let answer = |index: usize, _: &peer::Heard| match index {
        0 => Script::whole("429 Too Many Requests", "{}"),
        1 => Script::whole("503 Service Unavailable", "{}"),
        _ => Script::whole("200 OK", &reply("openai", false, &["done"])),
    };
    let peer = Peer::new(answer);
    let place = Place::new();
    let more = format!("{MESSAGES}    retry_policy: {{limit: 2, interval_sec: 0}}\n");
    let ended = run(&place, &workflow("openai", &peer.url, false, &more));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!((peer.heard().len(), place.find("steps/ask.3.out").as_str()), (3, "done\n"));
}

#[test]
fn steps_that_ask_the_same_share_what_they_ask_through() {
    let peer = Peer::saying(Script::events(&reply("openai", true, &["yes"]), 9));
    let place = Place::new();
    let steps: String = (0..5)
        .map(|number| {
            format!(
                "  - {{name: s{number}, type: chat, llm: {{provider: local, model: m, \
                 base_url: '{}'}}, messages: [{{role: user, content: hi}}]}}\n",
                peer.url
            )
        })
        .collect();
    let ended = run(&place, &format!("type: chain\nsteps:\n{steps}"));
    assert_eq!((ended.code, peer.heard().len(), peer.connections()), (0, 5, 1), "{ended:?}");
    let record: Value = serde_json::from_str(&place.find("status.json")).unwrap();
    let used = |name: &str| {
        let steps = record["steps"].as_array().unwrap().iter();
        steps.map(|step| step["clients"][0][name].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((used("opened"), used("shared")), (1, 4));
}

#[test]
fn a_name_of_a_model_is_masked_wherever_it_stands() {
    for (provider, place_of_it) in [("gemini", "/models/*******:generateContent"), ("openai", "")] {
        let peer = Peer::saying(Script::whole("200 OK", &reply(provider, false, &["yes"])));
        let place = Place::new();
        let text = workflow(provider, &peer.url, false, MESSAGES).replace("m-1", "'${TOKEN}'");
        let ended = run(&place, &text);
        assert_eq!(ended.code, 0, "{ended:?}");
        let heard = &peer.heard()[0];
        check("the request", &heard.body);
        check("the request", heard.line.as_bytes());
        assert!(heard.line.contains(place_of_it), "{}", heard.line);
    }
}

#[test]
fn a_connection_gives_the_key_to_its_own_server_only() {
    let peer = Peer::new(|_, heard| {
        let provider = if heard.line.contains("messages") { "anthropic" } else { "openai" };
        Script::whole("200 OK", &reply(provider, false, &["hello ", KEY]))
    });
    let other = Peer::saying(Script::whole("200 OK", "{}"));
    let place = Place::new();
    let url = format!("base_url={}", peer.url);
    for (kind, name, field) in [
        ("openai", "ai", "api_key=-"),
        ("anthropic", "claude", "api_key=-"),
        ("http_bearer", "own", "token=-"),
    ] {
        let words = ["connection", "add", kind, name, "--set", &url, "--set", field];
        assert_eq!(place.feed(&words, KEY.as_bytes()).code, 0);
    }
    let step = |connection: &str, more: &str| {
        format!(
            "steps:\n  - name: ask\n    action: chat.completion\n    with:\n      \
             {{connection: {connection}, model: m, messages: [{{role: user, content: hi}}]{more}}}\n"
        )
    };
    for (connection, header) in
        [("ai", "authorization"), ("claude", "x-api-key"), ("own", "authorization")]
    {
        let ended = run(&place, &step(connection, ""));
        assert_eq!(ended.code, 0, "{connection} {ended:?}");
        let heard = peer.heard();
        let key = heard.last().unwrap().header(header).unwrap();
        assert_eq!(key.strip_prefix("Bearer ").unwrap_or(key), KEY);
        check("the request", &heard.last().unwrap().body);
    }
    let count = peer.heard().len();
    for (connection, more, expected) in [
        ("ai", format!(", base_url: '{}'", other.url), "does not belong to the connection"),
        (
            "ai",
            ", provider: anthropic".to_owned(),
            "is of the type `openai`, and the provider is `anthropic`",
        ),
        ("nobody", String::new(), "nobody"),
        ("ai", ", api_key_name: X".to_owned(), "both `connection` and `api_key_name`"),
    ] {
        let ended = run(&place, &step(connection, &more));
        assert_ne!(ended.code, 0, "{expected}");
        assert!(told(&ended).contains(expected), "{expected} in {ended:?}");
    }
    assert_eq!((peer.heard().len(), other.heard().len()), (count, 0));
}

#[test]
fn a_file_gives_a_token_and_nothing_else() {
    let peer = Peer::saying(Script::whole("200 OK", &reply("gemini", false, &["hello ", KEY])));
    let place = Place::new();
    let text = format!(
        "steps:\n  - {{name: ask, action: chat.completion, credentials_path: key.json, with: {{\
         provider: gemini, model: m, base_url: '{}', messages: [{{role: user, content: hi}}]}}}}\n",
        peer.url
    );
    let run = |credentials: Value| {
        place.write("w.yaml", &text);
        let file = place.write("key.json", &credentials.to_string());
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let ended = place.run(&["run", "w.yaml"]);
        check("stdout", told(&ended).as_bytes());
        check_files_but(&place, &["key.json"]);
        ended
    };
    let ended = run(json!({"bearer_auth": KEY}));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(place.find("steps/ask.out"), "hello *******\n");
    assert_eq!(peer.heard()[0].header("x-goog-api-key"), Some(KEY));
    let ended = run(json!({"basic_auth": {"username": "me", "password": KEY}}));
    assert!(
        ended.code == 1 && told(&ended).contains("has a user name and a password"),
        "{ended:?}"
    );
    assert_eq!(peer.heard().len(), 1);
}

#[test]
fn a_key_that_is_no_secret_is_masked_in_what_the_model_is_told() {
    let peer = Peer::saying(Script::whole("200 OK", &reply("openai", false, &["hello ", KEY])));
    let place = Place::new();
    let text = format!(
        "env: [{{LATER: '{KEY}'}}]\nsteps: [{{name: ask, action: chat.completion, with: {{\
         provider: openai, model: m, api_key_name: LATER, base_url: '{}', messages: \
         [{{role: user, content: 'mine is ${{LATER}}'}}]}}}}]\n",
        peer.url
    );
    place.write("w.yaml", &text);
    assert_eq!(place.run(&["run", "w.yaml"]).code, 0);
    let heard = &peer.heard()[0];
    assert_eq!(heard.json()["messages"][0]["content"], "mine is *******");
    assert_eq!(heard.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(place.find("steps/ask.out"), "hello *******\n");
    check("the transcript", place.find("steps/ask.chat.json").as_bytes());
}

#[test]
fn a_key_that_is_not_there_is_missed_and_one_is_not_sent_in_the_open() {
    let place = Place::new();
    for (provider, name) in [
        ("openai", "OPENAI_API_KEY"),
        ("anthropic", "ANTHROPIC_API_KEY"),
        ("gemini", "GOOGLE_API_KEY"),
        ("openrouter", "OPENROUTER_API_KEY"),
    ] {
        let text = format!(
            "steps: [{{name: ask, type: chat, llm: {{provider: {provider}, model: m}}, \
             messages: [{{role: user, content: hi}}]}}]\n"
        );
        let ended = run(&place, &text);
        let expected = format!("the variable `{name}` is not set; declare `{name}` in `secrets`");
        assert!(ended.code == 1 && told(&ended).contains(&expected), "{ended:?}");
    }
    for (url, expected) in [
        ("http://192.0.2.1/v1", "is not encrypted, and not this machine"),
        ("ftp://127.0.0.1", "`base_url` is no address of a server"),
        ("http://me:${TOKEN}@127.0.0.1", "`base_url` is no address of a server"),
        ("http://127.0.0.1/?key=${TOKEN}", "`base_url` is no address of a server"),
    ] {
        let ended = run(&place, &workflow("openai", url, true, MESSAGES));
        assert!(ended.code == 1 && told(&ended).contains(expected), "{expected} in {ended:?}");
    }
}

#[test]
fn what_is_not_done_is_refused_with_a_cure() {
    let place = Place::new();
    let check = |step: &str, expected: &[&str]| {
        place.write("w.yaml", &format!("steps:\n  - name: ask\n    type: chat\n{step}"));
        let ended = place.run(&["validate", "w.yaml"]);
        assert_eq!(ended.code == 0, expected.is_empty(), "{step} {ended:?}");
        for text in expected {
            assert!(ended.stderr.contains(text), "{text} in {ended:?}");
        }
    };
    let said = "    messages: [{role: user, content: hi}]\n";
    let llm = |more: &str| format!("    llm: {{provider: local, model: m{more}}}\n{said}");
    check(&llm(""), &[]);
    check(&llm(", maxTokens: 3, topP: 0.1, baseURL: 'http://127.0.0.1', apiKeyName: A"), &[]);
    for (more, name) in [
        (", thinking: {enabled: true}", "thinking"),
        (", web_search: {enabled: true}", "web_search"),
        (", tools: [other]", "tools"),
        (", max_tool_iterations: 3", "max_tool_iterations"),
    ] {
        check(&llm(more), &[&format!("`{name}`"), "help: "]);
    }
    check(&llm(", temperature: 3"), &["`temperature` is 3, wanted a number from 0 to 2"]);
    check(&llm(", top_p: 1.5"), &["`top_p` is 1.5, wanted a number from 0 to 1"]);
    check(&llm(", provider: watson").replace("provider: local, ", ""), &["watson"]);
    check(
        "    llm: {}\n",
        &["a chat without `model`", "a chat without `provider`", "a chat without `messages`"],
    );
    let with = |messages: &str| {
        format!("    llm: {{provider: local, model: m}}\n    messages: [{messages}]\n")
    };
    check(&with("{role: user}"), &["a message without `content`"]);
    check(&with("hello"), &["found a text where a message takes a mapping", "w.yaml: 1 error"]);
    check(
        &llm("").replace("model: m", "model: [m, n]"),
        &["found a list where `model` takes a text"],
    );
    check(&with("{content: hi}"), &["a message without `role`"]);
    check(&with("{role: tool, content: hi}"), &["without `tool_call_id`"]);
    check(
        &with("{role: user, content: hi, tool_call_id: x}"),
        &["`tool_call_id` in a message of `role: user`"],
    );
    check(&with("{role: critic, content: hi}"), &["critic"]);
    check(
        &format!("{}    with: {{model: n}}\n", llm("")),
        &["both `llm` and its fields in `with`"],
    );
    check(&format!("{}    command: ls\n", llm("")), &["`command` in a step of `type: chat`"]);
}
