//! `connection import`: what a file of another tool would bring, and storing it.

use serde_json::{Value, json as object};

use crate::program::Place;
use crate::secret::json;

const SECRETS: &str = "[sources.github]\naccess_token = \"hunter2\"\n\n\
                       [sources.shop]\nhost = \"db\"\nport = 5432\ndatabase = \"shop\"\n\
                       username = \"app\"\npassword = \"hunter3\"\n";

#[test]
fn a_file_is_shown_first_and_stored_when_that_is_said() {
    let place = Place::new();
    place.write("secrets.toml", SECRETS);
    let shown: Value = {
        let ended = place.run(&["connection", "import", "secrets.toml", "--json"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(!format!("{ended:?}").contains("hunter"), "{ended:?}");
        assert!(ended.stderr.contains("`--apply` stores it"), "{ended:?}");
        serde_json::from_str(&ended.stdout).unwrap()
    };
    assert!(!place.home().exists());
    let names: Vec<&Value> = shown.as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert!(names.contains(&&object!("github")), "{shown}");
    let ended = place.run(&["connection", "import", "secrets.toml", "--apply"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(json(&place, &["connection", "show", "github", "--json"])["state"], "ready");
    let ended = place.run(&["connection", "import", "secrets.toml", "--apply"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("is there already"), "{ended:?}");
}

#[test]
fn a_file_that_cannot_be_used_is_refused_without_its_text() {
    let place = Place::new();
    for (name, content) in [
        ("a.toml", "hunter2"),
        ("b.toml", "[sources.x]\nwhatever = \"hunter2\"\n"),
        ("c.json", "{\"hunter2\": "),
        ("d.json", "{\"whatever\": \"hunter2\"}"),
    ] {
        place.write(name, content);
        let ended = place.run(&["connection", "import", name, "--apply"]);
        assert_eq!(ended.code, 3, "{name} {ended:?}");
        assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
    }
    assert!(!place.home().exists());
}
