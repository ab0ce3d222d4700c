//! What goes into a store from elsewhere, and out of it.

use crate::audit::{Action, AuditEntry, Filter};
use crate::backup::tests::{actor, address, exported, filled, value};
use crate::error::RegistryError;
use crate::{Import, ImportedSecret, OnConflict, Planned};

fn import(reference: &str, text: &str) -> Import {
    Import { address: address(reference), value: value(text) }
}

#[test]
fn an_import_says_what_it_meets_and_goes_by_the_rule() {
    let here = tempfile::tempdir().unwrap();
    let registry = filled(here.path());
    let admin = registry.admin(actor());
    admin.declare(&address("prod/empty")).unwrap();
    let imports = [
        import("prod/db", "two"),
        import("prod/api", "other"),
        import("prod/empty", "x"),
        import("prod/new", "y"),
    ];
    let plan = admin.import_plan(&imports).unwrap();
    assert_eq!(
        plan,
        [
            Planned::Same { version: 2 },
            Planned::Conflict { version: 1 },
            Planned::FirstValue,
            Planned::New
        ]
    );
    let stopped = admin.import_by(&imports, OnConflict::Stop);
    assert!(matches!(stopped, Err(RegistryError::Exists(found)) if found == address("prod/api")));
    assert_eq!(admin.import_plan(&imports).unwrap(), plan, "nothing was stored");
    let skipped = admin.import_by(&imports, OnConflict::Skip).unwrap();
    assert_eq!(
        skipped[..2],
        [ImportedSecret::Same { version: 2 }, ImportedSecret::Kept { version: 1 }]
    );
    assert!(matches!(&skipped[2], ImportedSecret::Stored(written) if !written.is_new));
    assert!(matches!(&skipped[3], ImportedSecret::Stored(written) if written.is_new));
    let replaced = admin.import_by(&imports, OnConflict::Replace).unwrap();
    assert!(matches!(&replaced[1], ImportedSecret::Stored(written) if written.version == 2));
    let same = |planned: &Planned| matches!(planned, Planned::Same { .. });
    assert!(admin.import_plan(&imports).unwrap().iter().all(same));
    assert!(import("a", "").check().is_err() && import("a", "x").check().is_ok());
}

#[test]
fn an_export_is_recorded_for_each_secret_and_refused_as_a_whole() {
    let here = tempfile::tempdir().unwrap();
    let registry = filled(here.path());
    let found = registry
        .export(&registry.admin(actor()).access(), &[address("prod/db"), address("prod/none")]);
    assert!(matches!(found.err(), Some(RegistryError::NotFound(_))));
    assert_eq!(exported(&registry, &["prod/db", "prod/api"]), ["two", "three"]);
    let mut lines = Vec::new();
    let visit = |entry: Result<AuditEntry, _>| {
        let event = entry.unwrap().event;
        if event.action == Action::Export {
            let reference = event.reference.unwrap().to_string();
            lines.push((reference, event.version, event.outcome.to_string()));
        }
    };
    registry.each_event(Filter::default(), visit).unwrap();
    let line = |reference: &str, version, outcome: &str| {
        (reference.to_owned(), version, outcome.to_owned())
    };
    assert_eq!(
        lines,
        [
            line("prod/none", None, "not-found"),
            line("prod/db", Some(2), "ok"),
            line("prod/api", Some(1), "ok")
        ]
    );
}
