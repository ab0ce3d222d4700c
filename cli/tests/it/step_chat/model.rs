//! A real model: what it says comes in tokens that begin and end where nobody planned it.
//!
//! A model that is asked with masked texts cannot know a secret. So a part of what it says anyway is made one
//! after it said it, and it is asked the same again.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::program::{Ended, Place};

/// The model's server, as long as this lives.
struct Model {
    child: Child,
    url: String,
}

impl Model {
    fn new() -> Model {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/services/model.py");
        let mut child = Command::new("python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(
            url.starts_with("http://127.0.0.1:"),
            "no model: testdata/services/prepare leaves one"
        );
        Model { child, url: url.trim().to_owned() }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// What the model says, with `secret` to be hidden.
fn ask(model: &Model, stream: bool, secret: &str) -> (Ended, String) {
    let place = Place::new();
    let text = format!(
        "secrets: [{{name: A, provider: env, key: SOURCE}}]
steps:
  - name: ask
    type: chat
    llm: {{provider: local, model: smollm2, base_url: '{}', temperature: 0, max_tokens: 24, stream: {stream}}}
    messages: [{{role: user, content: 'Name the months of the year in their order.'}}]
",
        model.url
    );
    place.write("w.yaml", &text);
    let mut command = place.command(&["run", "w.yaml"]);
    let ended = Ended::of(&command.env("SOURCE", secret).output().unwrap());
    assert_eq!(ended.code, 0, "{ended:?}");
    let kept = place.find("steps/ask.chat.json");
    assert!(!kept.contains(secret), "{kept}");
    (ended, place.find("steps/ask.out"))
}

#[test]
fn whatever_the_model_says_is_masked_across_its_tokens() {
    let model = Model::new();
    let (_, said) = ask(&model, true, "not in there");
    // However long the tokens are, this has the end of one in it, and the beginning of another.
    let letters: Vec<char> = said.lines().next().unwrap().trim_end().chars().collect();
    let secret: String = letters[letters.len() / 4..letters.len() * 3 / 4].iter().collect();
    let secret = secret.trim();
    assert!(secret.len() > 12, "{said}");
    for stream in [true, false] {
        let (ended, masked) = ask(&model, stream, secret);
        assert_eq!(masked, said.replace(secret, "*******"), "{secret}");
        assert!(!format!("{ended:?}").contains(secret));
    }
}
