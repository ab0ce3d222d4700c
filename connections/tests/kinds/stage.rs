//! What the tests share: connections with values.

use std::collections::BTreeMap;

use subrosa_connections::kind::{ConnectionType, read};
use subrosa_connections::{Opened, Record, Types};
use subrosa_engine::secret::SecretValue;
use subrosa_engine::source::SourceFile;
use subrosa_http::{Call, HeaderMap, Http, HttpSettings, Method, Roots, Tls, Url};
use subrosa_registry::{Address, Scope, SecretRef};

/// A connection of a shipped type with these values; each goes where its field says.
pub(crate) fn opened(id: &str, values: &[(&str, &str)]) -> Opened {
    let kind = Types::shipped().get(id).unwrap().as_ref().clone();
    opened_of(kind, values)
}

/// A connection of a type that is declared here.
pub(crate) fn declared(text: &str, values: &[(&str, &str)]) -> Opened {
    let found = read(&SourceFile::new("own.yaml", text));
    assert!(found.diagnostics.is_empty(), "{:#?}", found.diagnostics);
    opened_of(found.kind.unwrap(), values)
}

fn opened_of(kind: ConnectionType, values: &[(&str, &str)]) -> Opened {
    let mut record = Record { kind: kind.id.clone(), ..Record::default() };
    let mut parts = BTreeMap::new();
    for (name, value) in values {
        let is_public = kind.field(name).is_some_and(|field| !field.is_secret);
        if is_public {
            record.fields.insert((*name).to_owned(), (*value).to_owned());
        } else {
            parts.insert((*name).to_owned(), SecretValue::new(value.as_bytes().to_vec()));
        }
    }
    let name = SecretRef::parse("tested").unwrap();
    let address = Address { reference: name, scope: Scope { workspace: None, environment: None } };
    Opened {
        kind: kind.into(),
        address,
        version: 1,
        expires: None,
        record,
        parts,
        retired: Vec::new(),
    }
}

/// A request without anything.
pub(crate) fn call(url: &str) -> Call {
    let url = Url::parse(url).unwrap();
    Call { method: Method::GET, url, headers: HeaderMap::new(), body: None }
}

/// A client for servers on loopback.
pub(crate) fn http() -> Http {
    let tls = Tls { roots: Roots::None, identity: None };
    let timeout = std::time::Duration::from_secs(10);
    Http::new(&HttpSettings { tls, proxy: None, timeout }).unwrap()
}

/// Runs a future of the crate.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}
