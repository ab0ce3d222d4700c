//! What `docs/executors/chat.md` says of the fields is what the declaration says.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fmt::Write;

use subrosa_engine::kind::{Section, section, table};
use subrosa_executors::chat::{CHAT, LLM, MESSAGE, TOOL, TOOL_CALL, WITH};

const BEGIN: &str =
    "<!-- fields: made from the table in executors/src/chat/fields.rs, do not edit -->\n";
const END: &str = "<!-- end of fields -->";

fn tables() -> String {
    let step = section("the step, beside those of every step", "", CHAT.beside);
    let mut text = String::new();
    let sections: [&Section; 6] = [&step, &LLM, &WITH, &MESSAGE, &TOOL_CALL, &TOOL];
    for section in sections {
        write!(text, "\n### The fields of {}\n\n", section.name).unwrap();
        text.push_str(&table(section));
    }
    text
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "`BLESS` is a switch of the tests, not of the product"
)]
fn the_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/executors/chat.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the marker where the tables begin");
    let (found, after) = rest.split_once(END).expect("the marker where the tables end");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{}\n{END}{after}", tables())).unwrap();
    } else {
        assert!(found == format!("{}\n", tables()), "{path} is old: run with BLESS=1");
    }
}

#[test]
fn the_page_knows_every_provider() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/executors/chat.md");
    let text = std::fs::read_to_string(path).unwrap();
    let field = LLM.fields.iter().find(|field| field.name == "provider").unwrap();
    let subrosa_engine::kind::Shape::OneOf(words) = field.shape else { panic!("no words") };
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    for word in words {
        let cell = format!("`{word}`");
        let is_there = rows.iter().any(|row| row.split(" | ").next().unwrap().contains(&cell));
        assert!(is_there, "{word}");
    }
}
