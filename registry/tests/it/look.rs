//! A look says what a run would find, and leaves nothing behind.

use subrosa_registry::{Found, LookupError, Reader as _, SecretRef, Seen};

use crate::model::ModelFiles;
use crate::operations::prepare;
use crate::support::{lookup, registry};

fn seen(found: Found) -> Seen {
    Seen { address: found.address, version: found.version, expires: found.expires }
}

#[test]
fn a_look_finds_what_a_run_finds_and_writes_nothing() {
    let files = ModelFiles::new();
    let registry = registry(&files);
    prepare(&registry);
    let refs: Vec<SecretRef> =
        ["db", "off", "later", "nobody"].map(|text| SecretRef::parse(text).unwrap()).into();
    for scope in ["", "pay", "pay/prod", "/locked"] {
        let before = files.snapshot();
        let looked = registry.look(&lookup(scope), &refs).unwrap();
        assert_eq!(files.snapshot(), before);
        let results = registry.resolve(&lookup(scope), &refs).unwrap().results;
        let told: Vec<Result<Seen, LookupError>> =
            results.into_iter().map(|result| result.map(seen)).collect();
        assert_eq!(looked, told, "{scope}");
        assert_eq!(looked.iter().filter(|one| one.is_ok()).count(), 1, "{scope}");
    }
}

#[test]
fn a_look_into_a_protected_environment_needs_leave() {
    let files = ModelFiles::new();
    let registry = registry(&files);
    prepare(&registry);
    let mut lookup = lookup("/locked");
    lookup.allow_protected = false;
    let refused = registry.look(&lookup, &[SecretRef::parse("db").unwrap()]).unwrap_err();
    assert!(matches!(refused, subrosa_registry::RegistryError::Protected(_)), "{refused}");
}
