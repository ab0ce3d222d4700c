//! How long, how many and of which letters: what is taken, and beside it what is refused.

use subrosa_registry::{
    EnvironmentName, Import, InvalidName, InvalidValue, LookupError, Names, RegistryError,
    SecretRef, SetOptions, WorkspaceName,
};

use crate::model::ModelFiles;
use crate::support::{
    Below, address, admin, create, registry, resolve, resolve_one, secret, set, text_of,
};

#[test]
fn values_have_one_to_65536_bytes_and_no_nul() {
    let registry = registry(&ModelFiles::new());
    create(&registry, Names::Open).unwrap();
    for len in [1, 59, 60, 61, 64, 124, 1024, 65_535, 65_536] {
        let value = "v".repeat(len);
        set(&registry, "db", &value).unwrap();
        let found = resolve_one(&registry, "", "db").unwrap().unwrap();
        assert!(text_of(&found.value) == value, "{len} bytes");
    }
    let before = admin(&registry).info(&address("db")).unwrap();
    for (value, why) in [
        (String::new(), InvalidValue::Empty),
        ("v".repeat(65_537), InvalidValue::TooLarge),
        ("v".repeat(10_000_000), InvalidValue::TooLarge),
        ("a\0b".into(), InvalidValue::Nul),
    ] {
        let refused = set(&registry, "db", &value);
        assert!(matches!(refused, Err(RegistryError::InvalidValue(found)) if found == why));
        let imports = [("other", "fine"), ("db", value.as_str())]
            .map(|(at, value)| Import { address: address(at), value: secret(value) });
        assert!(admin(&registry).import(&imports).is_err(), "{why}");
    }
    assert_eq!(admin(&registry).list().unwrap(), [before]);
}

#[test]
fn descriptions_have_1024_bytes_of_any_script_and_no_control_characters() {
    let registry = registry(&ModelFiles::new());
    create(&registry, Names::Open).unwrap();
    set(&registry, "db", "value").unwrap();
    let by = admin(&registry);
    for text in ["", "Straße \u{6771}\u{4eac} \u{1f511} \"\\\u{2028}", &"\u{e9}".repeat(512)] {
        by.describe(&address("db"), text).unwrap();
        assert_eq!(by.info(&address("db")).unwrap().description, text);
    }
    for text in ["a\nb", "a\tb", "\u{1b}[31m", "\u{85}", &"\u{e9}".repeat(513)] {
        let refused = by.describe(&address("db"), text);
        assert!(matches!(refused, Err(RegistryError::InvalidDescription(_))), "{text:?}");
    }
    assert_eq!(by.info(&address("db")).unwrap().description, "\u{e9}".repeat(512));
}

#[test]
fn names_are_as_long_as_they_may_be_and_no_longer() {
    let registry = registry(&ModelFiles::new());
    create(&registry, Names::Open).unwrap();
    let reference = vec!["a".repeat(64); 8].join("/");
    let name = "B".repeat(64);
    for scope in [String::new(), name.clone(), format!("{name}/{name}"), format!("/{name}")] {
        let at = format!("{reference}@{scope}");
        set(&registry, &at, &at).unwrap();
        let found = resolve_one(&registry, &scope, &reference).unwrap().unwrap();
        assert_eq!(text_of(&found.value), at);
    }
    for bad in ["\u{e9}", "a\u{301}", "a b", "a\tb", "a\nb", "a.b", "\u{ff41}"] {
        assert!(SecretRef::parse(bad).is_err(), "{bad:?}");
        assert!(WorkspaceName::parse(bad).is_err(), "{bad:?}");
        assert!(EnvironmentName::parse(bad).is_err(), "{bad:?}");
    }
    assert_eq!(SecretRef::parse(&"a".repeat(65)), Err(InvalidName::TooLong));
    assert_eq!(WorkspaceName::parse(&"a".repeat(65)), Err(InvalidName::TooLong));
    assert_eq!(EnvironmentName::parse(&"a".repeat(65)), Err(InvalidName::TooLong));
}

#[test]
fn two_thousand_versions_of_one_secret_are_kept() {
    const VERSIONS: u64 = 2000;
    let registry = registry(&ModelFiles::new());
    create(&registry, Names::Open).unwrap();
    let options = SetOptions { keep: Some(2000), ..SetOptions::default() };
    admin(&registry).set(&address("db"), &secret("value 1"), &options).unwrap();
    let imports: Vec<Import> = (2..=VERSIONS)
        .map(|n| Import { address: address("db"), value: secret(&format!("value {n}")) })
        .collect();
    let written = admin(&registry).import(&imports).unwrap();
    assert!(written.iter().map(|written| written.version).eq(2..=VERSIONS));
    let number_of = |info: &subrosa_registry::VersionInfo| info.number;
    let numbers = || -> Vec<u64> {
        admin(&registry).info(&address("db")).unwrap().versions.iter().map(number_of).collect()
    };
    assert!(numbers().into_iter().eq(1..=VERSIONS));
    assert_eq!(admin(&registry).rollback(&address("db"), Some(1)).unwrap(), (1, VERSIONS + 1));
    assert!(numbers().into_iter().eq(2..=VERSIONS + 1));
    assert!(admin(&registry).rollback(&address("db"), Some(1)).is_err());
    let found = resolve_one(&registry, "", "db").unwrap().unwrap();
    assert_eq!((text_of(&found.value).as_str(), found.version), ("value 1", VERSIONS + 1));
}

#[test]
fn three_thousand_secrets_are_all_found_and_no_other() {
    const COUNT: usize = 3000;
    let files = ModelFiles::new();
    let registry = registry(&files);
    create(&registry, Names::Open).unwrap();
    let scope = |n: usize| ["", "pay", "pay/prod"][n % 3];
    let at = |n: usize| format!("team-{}/secret-{n}@{}", n % 7, scope(n));
    let imports: Vec<Import> = (0..COUNT)
        .map(|n| Import { address: address(&at(n)), value: secret(&format!("value {n}")) })
        .collect();
    files.arm(None);
    admin(&registry).import(&imports).unwrap();
    let dump = files.dump();
    let roots = dump.lines().filter(|line| line.ends_with("to secrets/root")).count();
    assert_eq!(roots, 1, "one commit");

    let references: Vec<String> =
        (0..COUNT).map(|n| format!("team-{}/secret-{n}", n % 7)).collect();
    let mut references: Vec<&str> = references.iter().map(String::as_str).collect();
    references.extend(["team-1/secret-0", "team-0", "secret-0", "team-0/secret-3000"]);
    for (from, readable) in [("", 1), ("pay", 2), ("pay/prod", 3), ("other/prod", 1)] {
        let answer = resolve(&registry, from, &references).unwrap();
        for (n, result) in answer.results.into_iter().enumerate() {
            if n < COUNT && n % 3 < readable {
                assert_eq!(text_of(&result.unwrap().value), format!("value {n}"));
            } else {
                assert_eq!(result.err(), Some(LookupError::NotFound), "{n} from `{from}`");
            }
        }
    }
    let listed = admin(&registry).list().unwrap();
    assert_eq!(listed.len(), COUNT);
    assert!(listed.is_sorted_by(|a, b| a.address < b.address));
    let report = registry.check();
    assert_eq!((report.secrets, report.versions), (COUNT, COUNT));
}

#[test]
fn where_a_secret_is_absent_is_known_without_its_file() {
    // What no branch names needs no file to be proven absent; what one names is never absent.
    let files = ModelFiles::new();
    let registry = registry(&files);
    create(&registry, Names::Open).unwrap();
    set(&registry, "db", "value").unwrap();
    let index = files.snapshot().into_keys().find(|path| path.contains("idx/")).unwrap();
    let store = Below::new(files.clone(), "secrets");
    subrosa_registry::Files::remove(&store, index.strip_prefix("secrets/").unwrap()).unwrap();
    let found = resolve_one(&registry, "pay", "db").unwrap();
    assert!(matches!(found, Err(LookupError::Damaged { .. })));
    let all: Vec<String> = (0..200).map(|n| format!("absent-{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let answer = resolve(&registry, "pay", &all).unwrap();
    let is_absent = |result: &&Result<_, LookupError>| matches!(result, Err(LookupError::NotFound));
    let absent = answer.results.iter().filter(is_absent).count();
    assert!(absent > 150, "{absent} of 200 are in other branches");
}
