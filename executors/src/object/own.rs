//! What a step is authenticated with that is no connection: keys in its fields, or in a file.
//!
//! Both are taken as a connection that is kept nowhere, so that they are judged by the same rules. Secret
//! values are hidden before anything is done with them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use subrosa_connections::record::Record;
use subrosa_connections::types::Types;
use subrosa_connections::{ConnectionType, Opened};
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::secret::SecretValue;
use subrosa_registry::{Address, Scope, SecretRef};

use super::place::Api;
use super::wanted::Wanted;
use crate::lender::KeyFile;

fn types() -> &'static Types {
    static TYPES: OnceLock<Types> = OnceLock::new();
    TYPES.get_or_init(Types::shipped)
}

/// The type of connection that is for a kind of store.
fn shipped(api: Api) -> Option<Arc<ConnectionType>> {
    let id = match api {
        Api::S3 => "s3",
        Api::Gcs => "gcs",
        Api::Azure => "azure_blob",
        Api::Local => return None,
    };
    types().get(id).cloned()
}

/// What a step says in its fields; none if it has no key.
pub(super) fn of_fields(
    api: Api,
    wanted: &Wanted,
    request: &StepRequest,
) -> Result<Option<Opened>, StepFault> {
    if wanted.parts.is_empty() {
        return Ok(None);
    }
    let Some(kind) = shipped(api) else { return Ok(None) };
    let parts = wanted.parts.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    kept_nowhere(kind, parts.collect(), "with", (wanted, request)).map(Some)
}

/// The type of connection that a file would be.
pub(super) fn kind_of(file: &KeyFile) -> Result<Arc<ConnectionType>, StepFault> {
    if let Some(kind) = ["s3", "azure_blob"].into_iter().find(|id| *id == file.kind)
        && let Some(kind) = types().get(kind)
    {
        return Ok(kind.clone());
    }
    let fault = StepFault::new(format!("`{}` is no file with keys of S3 or Azure", file.shown));
    Err(match file.kind {
        // Its token has to be asked for, which is the business of connections.
        "gcp_service_account" => fault
            .help("`subrosa connection add gcs NAME --from-file FILE` makes a connection of it"),
        _ => {
            fault.help("such a file has `aws_access_key_id` or `azure_storage_account_name` in it")
        }
    })
}

/// What stands in a file of this type.
pub(super) fn of_file(
    kind: Arc<ConnectionType>,
    file: &KeyFile,
    (wanted, request): (&Wanted, &StepRequest),
) -> Result<Opened, StepFault> {
    let fields = kind.read_file(&file.bytes);
    let fields = fields.map_err(|error| StepFault::new(format!("`{}`: {error}", file.shown)))?;
    kept_nowhere(kind, fields, &format!("file {}", file.shown), (wanted, request))
}

/// A connection of these values, and of what the step says beside them.
fn kept_nowhere(
    kind: Arc<ConnectionType>,
    values: BTreeMap<String, SecretValue>,
    whose: &str,
    (wanted, request): (&Wanted, &StepRequest),
) -> Result<Opened, StepFault> {
    let mut record = Record { kind: kind.id.clone(), ..Record::default() };
    let mut parts = BTreeMap::new();
    for (name, value) in values {
        if kind.field(&name).is_some_and(|field| !field.is_secret) {
            record.fields.insert(name.clone(), public(&name, &value)?);
            continue;
        }
        let hidden = request.hiding.hide(&format!("{whose}/{name}"), std::slice::from_ref(&value));
        hidden.map_err(|error| StepFault::new(error.to_string()))?;
        parts.insert(name, value);
    }
    let beside = [
        ("region", Some(region(wanted))),
        ("account", wanted.account.clone()),
        ("endpoint", Some(endpoint(wanted))),
    ];
    for (name, value) in beside {
        if let Some(value) = value.filter(|_| kind.field(name).is_some()) {
            record.fields.entry(name.to_owned()).or_insert(value);
        }
    }
    let reference = SecretRef::parse("step").expect("`step` is a name");
    let scope = Scope { workspace: None, environment: None };
    Ok(Opened {
        kind,
        address: Address { reference, scope },
        version: 0,
        expires: None,
        record,
        parts,
        retired: Vec::new(),
    })
}

#[expect(clippy::disallowed_methods, reason = "the type says that the field is no secret")]
fn public(name: &str, value: &SecretValue) -> Result<String, StepFault> {
    let text = std::str::from_utf8(value.expose());
    text.map(str::to_owned).map_err(|_| StepFault::new(format!("`{name}` is no text in UTF-8")))
}

fn region(wanted: &Wanted) -> String {
    wanted.region.clone().unwrap_or_else(|| "us-east-1".to_owned())
}

/// The server of the API of S3.
pub(super) fn endpoint(wanted: &Wanted) -> String {
    let amazon = || format!("https://s3.{}.amazonaws.com", region(wanted));
    wanted.endpoint.clone().unwrap_or_else(amazon)
}
