//! The shapes of files that are known, and the types of connections that they are for.

use std::collections::BTreeMap;

use subrosa_engine::secret::SecretValue;

use super::http::{HttpCredentials, HttpFile};
use super::json::{self, Tree};
use super::{FileError, listed};

/// What a file turned out to be.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// The type of connection it is for.
    pub kind: &'static str,
    /// Its fields.
    pub fields: BTreeMap<String, SecretValue>,
    /// Keys at the top that mean nothing here.
    pub unknown: Vec<String>,
}

struct Shape {
    kind: &'static str,
    /// Places that have to be there.
    marks: &'static [&'static str],
    /// Place and field.
    fields: &'static [(&'static str, &'static str)],
    /// The field that gets the whole file.
    whole: Option<&'static str>,
}

/// The first that fits is taken: those with less in common come first.
const SHAPES: &[Shape] = &[
    Shape {
        kind: "gcp_service_account",
        marks: &["/private_key", "/client_email"],
        fields: &[("/client_email", "client_email"), ("/project_id", "project_id")],
        whole: Some("key_file"),
    },
    Shape {
        kind: "google",
        marks: &["/installed/client_id"],
        fields: &[
            ("/installed/client_id", "client_id"),
            ("/installed/client_secret", "client_secret"),
        ],
        whole: None,
    },
    Shape {
        kind: "nats",
        marks: &["/nkey/seed"],
        fields: &[("/nkey/seed", "nkey_seed")],
        whole: None,
    },
    Shape {
        kind: "salesforce",
        marks: &["/client_id", "/client_secret", "/instance_url"],
        fields: &[
            ("/client_id", "client_id"),
            ("/client_secret", "client_secret"),
            ("/instance_url", "instance_url"),
            ("/tenant_id", "tenant_id"),
        ],
        whole: None,
    },
    Shape {
        kind: "sqlserver",
        marks: &["/host", "/database", "/username", "/password"],
        fields: &[
            ("/host", "host"),
            ("/port", "port"),
            ("/database", "database"),
            ("/username", "username"),
            ("/password", "password"),
            ("/encrypt", "encrypt"),
            ("/trust_server_certificate", "trust_server_certificate"),
        ],
        whole: None,
    },
    Shape {
        kind: "s3",
        marks: &["/aws_access_key_id", "/aws_secret_access_key"],
        fields: &[
            ("/aws_access_key_id", "access_key_id"),
            ("/aws_secret_access_key", "secret_access_key"),
            ("/aws_session_token", "session_token"),
            ("/aws_region", "region"),
            ("/aws_endpoint", "endpoint"),
        ],
        whole: None,
    },
    Shape {
        kind: "azure_blob",
        marks: &["/azure_storage_account_name", "/azure_storage_account_key"],
        fields: &[
            ("/azure_storage_account_name", "account"),
            ("/azure_storage_account_key", "account_key"),
        ],
        whole: None,
    },
    Shape {
        kind: "git_https",
        marks: &["/token"],
        fields: &[("/token", "token"), ("/username", "username")],
        whole: None,
    },
];

/// Tells what a file is, and takes its fields out of it.
///
/// # Errors
/// [`FileError`]
pub fn recognise(bytes: &[u8]) -> Result<Recognised, FileError> {
    const CREDS: &[u8] = b"-BEGIN NATS USER JWT-";
    if bytes.windows(CREDS.len()).any(|part| part == CREDS) {
        let value = SecretValue::new(bytes.to_vec());
        let fields = BTreeMap::from([("creds".to_owned(), value)]);
        return Ok(Recognised { kind: "nats", fields, unknown: Vec::new() });
    }
    let tree = json::parse(bytes)?;
    if tree.node("/bearer_auth").is_some() || tree.node("/basic_auth").is_some() {
        return of_http(&tree);
    }
    let fits = |shape: &&Shape| shape.marks.iter().all(|place| tree.text(place).is_some());
    let Some(shape) = SHAPES.iter().find(fits) else {
        return Err(FileError::Unknown { keys: listed(tree.0.keys().map(String::as_str)) });
    };
    let texts = shape.fields.iter().filter_map(|(place, field)| {
        let text = tree.text(place)?;
        Some(((*field).to_owned(), text))
    });
    let mut fields: BTreeMap<String, SecretValue> = texts.collect();
    if let Some(field) = shape.whole {
        fields.insert(field.to_owned(), SecretValue::new(bytes.trim_ascii().to_vec()));
    }
    let is_known = |key: &str| {
        let mut places = shape.fields.iter().map(|(place, _)| *place);
        shape.whole.is_some() || places.any(|place| place.split('/').nth(1) == Some(key))
    };
    let unknown = tree.0.keys().filter(|key| !is_known(key)).cloned().collect();
    Ok(Recognised { kind: shape.kind, fields, unknown })
}

fn of_http(tree: &Tree) -> Result<Recognised, FileError> {
    let file = HttpFile::of(tree)?;
    let is_known = |key: &str| matches!(key, "bearer_auth" | "basic_auth");
    let unknown = tree.0.keys().filter(|key| !is_known(key)).cloned().collect();
    let (kind, fields) = match file.credentials {
        HttpCredentials::Bearer(token) => ("http_bearer", vec![("token", token)]),
        HttpCredentials::Basic { username, password } => {
            ("http_basic", vec![("username", username), ("password", password)])
        }
        HttpCredentials::Nothing => {
            return Err(FileError::Unknown { keys: listed(tree.0.keys().map(String::as_str)) });
        }
    };
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(Recognised { kind, fields, unknown })
}
