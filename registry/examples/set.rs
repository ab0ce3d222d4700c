//! One `set` in a store, or a look at it, for `tests/kill-at-every-call`.
//!
//! `set FOLDER make` makes a store of a few secrets; `set FOLDER set VALUE` sets one of them and prints its
//! version when that is durable; `set FOLDER judge SEEN` reads all of them as another process would,
//! checks the store and its audit log, and prints the value of the one that was set. The values are
//! no secrets.

#![expect(clippy::print_stdout, reason = "the script reads what it prints")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use secrecy::{ExposeSecret as _, SecretSlice};
use subrosa_registry::{
    Actor, Address, Ask, Cost, Disk, Files, Finding, KeyError, KeyFile, KeyPlace, Lookup, Names,
    Passphrase, Reader as _, Registry, Scope, SecretRef, SetOptions, Surroundings,
};

const OTHERS: [&str; 3] = ["a", "b/c", "d"];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [folder, command, rest @ ..] = arguments.as_slice() else {
        return Err("usage: set FOLDER make|set VALUE|judge".into());
    };
    let registry = registry(Path::new(folder));
    match (*command, rest) {
        ("make", []) => make(&registry),
        ("set", [value]) => set(&registry, value),
        ("judge", []) => judge(&registry),
        _ => Err("usage: set FOLDER make|set VALUE|judge".into()),
    }
}

#[expect(clippy::disallowed_methods, reason = "an example reads the clock itself")]
fn registry(folder: &Path) -> Registry {
    let disk = |name: &str| -> Arc<dyn Files> { Arc::new(Disk::private(&folder.join(name))) };
    let nobody = |_: Ask| {
        let (place, why) = ("the passphrase".to_owned(), "nobody is there to ask".to_owned());
        Err(KeyError::Source { place, why })
    };
    let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    let passphrase = Arc::new(Passphrase::new(Arc::new(nobody), cost));
    let place: Arc<dyn KeyPlace> = Arc::new(KeyFile::in_key_folder(disk("keys"), passphrase));
    Registry::new(Surroundings {
        files: disk("secrets"),
        keys: Arc::new(move |_: &_| Ok(Arc::clone(&place))),
        anchors: Some(disk("anchors")),
        clock: SystemTime::now,
    })
}

fn actor() -> Actor {
    Actor { user: "ada".into(), command: "example".into(), ..Actor::default() }
}

fn address(reference: &str) -> Result<Address, Box<dyn Error>> {
    Ok(Address { reference: SecretRef::parse(reference)?, scope: Scope::default() })
}

fn make(registry: &Registry) -> Result<(), Box<dyn Error>> {
    let admin = registry.admin(actor());
    admin.create_store(Names::Open)?;
    for reference in OTHERS {
        admin.set(&address(reference)?, &secret(reference), &SetOptions::default())?;
    }
    Ok(())
}

fn set(registry: &Registry, value: &str) -> Result<(), Box<dyn Error>> {
    let admin = registry.admin(actor());
    admin.create_store(Names::Open)?;
    let written = admin.set(&address("set")?, &secret(value), &SetOptions::default())?;
    println!("{}", written.version);
    Ok(())
}

fn judge(registry: &Registry) -> Result<(), Box<dyn Error>> {
    let references: Vec<SecretRef> =
        OTHERS.into_iter().chain(["set"]).map(SecretRef::parse).collect::<Result<_, _>>()?;
    let lookup = Lookup {
        scope: Scope::default(),
        allow_protected: false,
        allow_expired: false,
        allow_disabled: false,
        audit_required: true,
        actor: actor(),
    };
    let mut results = registry.resolve(&lookup, &references)?.results.into_iter();
    for reference in OTHERS {
        let found = results.next().ok_or("an answer is missing")??;
        if text(&found.value) != reference {
            return Err(format!("`{reference}` has another value").into());
        }
    }
    let report = registry.check();
    // An anchor is written after the change, and an older one only notices less.
    let harmless = |it: &Finding| {
        matches!(it, Finding::Rubbish { .. } | Finding::NoPrevious { .. } | Finding::Anchor(_))
    };
    if let Some(finding) = report.findings.iter().find(|finding| !harmless(finding)) {
        return Err(format!("{finding:?}").into());
    }
    if let Some(problem) = registry.verify_audit()?.problems.first() {
        return Err(format!("audit log: {problem}").into());
    }
    let found = results.next().ok_or("an answer is missing")??;
    println!("{} {}", found.version, text(&found.value));
    Ok(())
}

fn secret(text: &str) -> SecretSlice<u8> {
    SecretSlice::from(text.as_bytes().to_vec())
}

#[expect(clippy::disallowed_methods, reason = "the values of an example are no secrets")]
fn text(value: &SecretSlice<u8>) -> String {
    String::from_utf8_lossy(value.expose_secret()).into_owned()
}
