//! The pages of the kinds say what the declarations say.

use std::fmt::Write as _;

use subrosa_engine::kind::{Field, Section, Shape, table};
use subrosa_executors::KINDS;

const BEGIN: &str = "<!-- fields: made from the declaration, do not edit -->\n";
const END: &str = "<!-- end of fields -->";

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "`BLESS` is a switch of the tests, not of the product"
)]
fn the_tables_of_the_pages_are_current() {
    for kind in KINDS.iter().filter(|kind| kind.name == "http") {
        let beside: &'static [Field] = kind.beside;
        let beside = Section { name: "beside", id: "beside", fields: beside };
        let mut tables = format!("In the step:\n\n{}", table(&beside));
        write!(tables, "\nIn `with`:\n\n{}", table(kind.with)).unwrap();
        for field in kind.with.fields {
            if let Shape::Objects(section) | Shape::Object(section) = field.shape {
                write!(tables, "\nIn `{}`:\n\n{}", field.name, table(section)).unwrap();
            }
        }
        let path = format!("{}/../docs/executors/{}.md", env!("CARGO_MANIFEST_DIR"), kind.name);
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
