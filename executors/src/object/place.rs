//! Which store a step means, where it is, and what signs its requests.
//!
//! With a credential a store is where the credential belongs.

use subrosa_connections::apply::{ApplyError, locate};
use subrosa_connections::kind::Scheme;
use subrosa_connections::{ConnectionType, Opened};
use subrosa_engine::kind::StepFault;
use subrosa_engine::names::shown;
use subrosa_http::Url;

use super::own::endpoint;
use super::wanted::Wanted;

/// Letters of a name of a bucket; with them it stays in its place in a URL.
const BUCKET_LEN_MAX: usize = 255;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    S3,
    Gcs,
    Azure,
    Local,
}

/// Where a store is, and what signs.
pub(super) struct Place {
    api: Api,
    pub(super) base: Url,
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) opened: Option<Opened>,
}

/// Which kind of store a step means; `kind` is the type of its credential.
pub(super) fn api(wanted: &Wanted, kind: Option<&ConnectionType>) -> Result<Api, StepFault> {
    let named = match wanted.store.as_deref() {
        Some("s3") => Some(Api::S3),
        Some("gcs") => Some(Api::Gcs),
        Some("azure") => Some(Api::Azure),
        Some(_) => Some(Api::Local),
        None => None,
    };
    let Some(kind) = kind else {
        let otherwise = if wanted.root.is_some() { Api::Local } else { Api::S3 };
        return Ok(named.unwrap_or(otherwise));
    };
    let of_kind = match kind.apply.scheme {
        Some(Scheme::AwsV4) => Api::S3,
        Some(Scheme::AzureSharedKey) => Api::Azure,
        Some(Scheme::GoogleServiceAccount) => Api::Gcs,
        Some(Scheme::Driver) | None => {
            let message = format!("a connection of the type `{}` is for no store", kind.id);
            return Err(
                StepFault::new(message).help("those of the types `s3`, `gcs` and `azure_blob` are")
            );
        }
    };
    match named {
        Some(named) if named != of_kind => {
            let message = format!("`store` is another than that of the type `{}`", kind.id);
            Err(StepFault::new(message).help("remove `store`: the connection says it"))
        }
        Some(_) | None => Ok(of_kind),
    }
}

/// Where a store is. With a credential that is where the credential belongs.
pub(super) fn place(api: Api, opened: Option<Opened>, wanted: &Wanted) -> Result<Place, StepFault> {
    let public = |name: &str| opened.as_ref().and_then(|opened| opened.public(name));
    let own_bucket = public(if api == Api::Azure { "container" } else { "bucket" });
    let bucket = wanted.bucket.clone().or(own_bucket).ok_or_else(|| {
        StepFault::new("the step does not say in which bucket").help("write it in `bucket`")
    })?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'$');
    let is_dots = bucket.bytes().all(|b| b == b'.');
    if is_dots || bucket.len() > BUCKET_LEN_MAX || !bucket.bytes().all(is_name) {
        return Err(StepFault::new(format!("{} is no name of a bucket", shown(&bucket))));
    }
    let region = public("region").or(wanted.region.clone()).unwrap_or_default();
    let base = match &opened {
        Some(opened) => locate(opened, "/").map_err(of_connection)?,
        None => Url::parse(&anonymous(api, wanted)?).map_err(|_| no_endpoint())?,
    };
    let is_web = matches!(base.scheme(), "http" | "https") && base.host_str().is_some();
    if !is_web || !base.username().is_empty() || base.password().is_some() {
        return Err(no_endpoint());
    }
    if let (Some(opened), Some(endpoint)) = (&opened, &wanted.endpoint) {
        locate(opened, endpoint).map_err(of_connection)?;
    }
    Ok(Place { api, base, bucket, region, opened }.with_default_region())
}

impl Place {
    fn with_default_region(mut self) -> Place {
        if self.region.is_empty() && self.api == Api::S3 {
            self.region.push_str("us-east-1");
        }
        self
    }
}

/// Where a store is that anybody may read.
fn anonymous(api: Api, wanted: &Wanted) -> Result<String, StepFault> {
    match api {
        Api::S3 | Api::Local => Ok(endpoint(wanted)),
        Api::Gcs => Ok("https://storage.googleapis.com".to_owned()),
        Api::Azure => match &wanted.account {
            Some(name) if name.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Ok(format!("https://{name}.blob.core.windows.net"))
            }
            Some(_) => Err(StepFault::new("`account` is no name of a storage account")),
            None => Err(StepFault::new("a store of Azure without `account`")),
        },
    }
}

pub(super) fn no_endpoint() -> StepFault {
    StepFault::new("`endpoint` is no URL that begins with `https://` or `http://`")
}

fn of_connection(error: ApplyError) -> StepFault {
    if matches!(&error, ApplyError::Misplaced { field } if field == "endpoint") {
        return no_endpoint().help("keys go over `https` only, or stay on this machine");
    }
    let help = match &error {
        ApplyError::OtherOrigin { .. } => {
            Some("a credential goes to the server of its connection only".to_owned())
        }
        ApplyError::Unencrypted { .. } => {
            Some("keys go over `https` only, or stay on this machine".to_owned())
        }
        _ => None,
    };
    StepFault { message: error.to_string(), help }
}
