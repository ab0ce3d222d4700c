//! The pages of the kinds say what the declarations say.

use std::fmt::Write as _;

use subrosa_engine::kind::{Field, Section, Shape, table};
use subrosa_executors::KINDS;

const BEGIN: &str = "<!-- fields: made from the declaration, do not edit -->\n";
const END: &str = "<!-- end of fields -->";

/// The pages, and the kinds that each describes.
const PAGES: &[(&str, &[&str])] =
    &[("http", &["http"]), ("object", &["object"]), ("sql", &["postgres", "mysql", "sqlite"])];

/// The tables of a page: what kinds take in the step is told once, what they take in `with` for each.
fn tables(kinds: &[&str]) -> String {
    let mut tables = String::new();
    let described = |name: &&str| KINDS.iter().find(|kind| kind.name == *name).unwrap();
    for (index, kind) in kinds.iter().map(described).enumerate() {
        if index == 0 {
            let beside: &'static [Field] = kind.beside;
            let beside = Section { name: "beside", id: "beside", fields: beside };
            write!(tables, "In the step:\n\n{}", table(&beside)).unwrap();
        }
        let whose = if kinds.len() > 1 { format!(" of `{}`", kind.name) } else { String::new() };
        write!(tables, "\nIn `with`{whose}:\n\n{}", table(kind.with)).unwrap();
        for field in kind.with.fields {
            if let Shape::Objects(section) | Shape::Object(section) = field.shape {
                write!(tables, "\nIn `{}`:\n\n{}", field.name, table(section)).unwrap();
            }
        }
    }
    tables
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "`BLESS` is a switch of the tests, not of the product"
)]
fn the_tables_of_the_pages_are_current() {
    for (page, kinds) in PAGES {
        let tables = tables(kinds);
        let path = format!("{}/../docs/executors/{page}.md", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once(BEGIN).expect("the marker where the tables begin");
        let (found, after) = rest.split_once(END).expect("the marker where the tables end");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}\n{tables}\n{END}{after}")).unwrap();
        } else {
            assert!(found == format!("\n{tables}\n"), "{path} is old: run with BLESS=1");
        }
    }
}
