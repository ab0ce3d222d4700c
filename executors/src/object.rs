//! Steps of `type: object`: objects of S3, Google Cloud Storage, Azure and folders are fetched, stored,
//! listed and deleted.
//!
//! The protocols are those of `object_store`; its requests go over our client (`wire`), are signed there,
//! and only there: no key is handed to it. Objects pass through in pieces. A file is there when it is
//! whole, and an upload that ends early is taken back. Messages name the operation and the place; what a
//! server said is told as its status and a word of a closed list.

mod check;
mod fault;
mod files;
mod get;
mod keys;
mod own;
mod place;
mod put;
mod store;
mod wanted;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use subrosa_engine::executor::ExitHow;
use subrosa_engine::kind::{
    Field, Kind, Section, Shape, StepFault, StepRequest, StepRunner, refused, section, works,
};
use subrosa_engine::provider::Asking;
use subrosa_engine::sink::StepIo;
use subrosa_http::Http;

use crate::clients::Clients;
use crate::lender::Means;
use store::Store;
use wanted::{Operation, Wanted};

/// What `with` has in a step of `type: object`.
static WITH: Section = section(
    "`with` of an `object` step",
    "with_object",
    &[
        works("operation", Shape::OneOf(wanted::WORDS), "What is done, unless `action` says it."),
        works(
            "store",
            Shape::OneOf(&["s3", "gcs", "azure", "local"]),
            "Where; without it what the connection is for, `local` with a `root`, else `s3`.",
        ),
        works("bucket", Shape::Text, "The bucket or container; without it the connection's."),
        works("key", Shape::Text, "The name of the object."),
        works("prefix", Shape::Text, "The beginning of the names that are listed or deleted."),
        works("source", Shape::Text, "The file that is stored; relative to the working directory."),
        works("content", Shape::Text, "The text that is stored, as it is."),
        works("json", Shape::Data, "A document that is stored."),
        works("destination", Shape::Text, "The file that is written; without it standard output."),
        works("content_type", Shape::Text, "What a stored object says it is."),
        works("metadata", Shape::TextMap, "What a stored object has beside its content."),
        works("if_absent", Shape::Flag, "Stores nothing if there is such an object already."),
        works("recursive", Shape::Flag, "`false`: what is below a further `/` is listed as one."),
        works("max_keys", Shape::Whole(1), "Objects that are listed at most."),
        works("max_bytes", Shape::Whole(1), "Bytes that are fetched at most; to output 10 MiB."),
        works("region", Shape::Text, "The region of S3; without it `us-east-1`."),
        works("endpoint", Shape::Text, "The server of the API of S3; without it Amazon's."),
        works("account", Shape::Text, "The storage account of Azure."),
        works("root", Shape::Text, "The folder that is the store, for `local`."),
        works("access_key_id", Shape::Text, "The key's id, for S3."),
        works("secret_access_key", Shape::Text, "The key, for S3: from `secrets:`."),
        works("session_token", Shape::Text, "The token of a temporary key, for S3."),
        works("account_key", Shape::Text, "The key of the account, for Azure: from `secrets:`."),
        works("access_token", Shape::Text, "A token, for Google Cloud Storage: from `secrets:`."),
        works("ca_cert", Shape::Text, "A PEM file with the authorities that count for the server."),
        works("timeout", Shape::Whole(1), "Seconds that the server may be silent; without it 60."),
        works("retries", Shape::Whole(0), "Repetitions of a request; without it 2."),
        works("force_path_style", Shape::Flag, "`true` is how it is done anyway."),
        Field {
            aliases: &["disableSSL"],
            ..refused("disable_ssl", "would send everything in the open", "write it in `endpoint`")
        },
        refused("profile", "is a file of other programs", "use a `connection`, or `secrets:`"),
        works("connection", Shape::Text, "The connection that authenticates the requests."),
        works("credentials_path", Shape::Text, "A JSON file with the keys, for S3 and Azure."),
    ],
);

const COMMAND: &[Field] = &[works("command", Shape::Text, "The operation, in Dagu's words.")];

/// The kind.
pub(crate) static OBJECT: Kind = Kind {
    name: "object",
    words: &["object_store", "s3"],
    actions: &[
        ("object.get", "get"),
        ("object.put", "put"),
        ("object.list", "list"),
        ("object.delete", "delete"),
        ("object.head", "head"),
        ("s3.download", "get"),
        ("s3.upload", "put"),
        ("s3.list", "list"),
        ("s3.delete", "delete"),
    ],
    with: &WITH,
    beside: COMMAND,
    check: check::check,
};

/// Carries out the steps.
struct ObjectSteps {
    means: Means,
    clients: Clients<Http>,
}

/// What carries them out.
pub(crate) fn make(means: &Means) -> Arc<dyn StepRunner> {
    Arc::new(ObjectSteps { means: means.clone(), clients: Clients::default() })
}

#[async_trait]
impl StepRunner for ObjectSteps {
    fn kind(&self) -> &'static Kind {
        &OBJECT
    }

    async fn ready(&self, connection: &str, asking: &Asking) -> Result<Vec<StepFault>, StepFault> {
        self.means.lender.ready(connection, asking).await
    }

    async fn run(&self, request: StepRequest, io: &mut StepIo) -> Result<ExitHow, StepFault> {
        let timing = request.timing.clone();
        let began = async {
            let wanted = Wanted::read(&request)?;
            let store = self.store(&request, &wanted).await?;
            Ok::<_, StepFault>((wanted, store))
        };
        let (wanted, store) = tokio::select! {
            how = timing.over() => return Ok(how),
            begun = began => begun?,
        };
        if wanted.operation == Operation::Put {
            return put::put(&store, &wanted, &request, io).await;
        }
        tokio::select! {
            how = timing.over() => Ok(how),
            done = rest(&store, &wanted, &request, io) => done.map(|()| ExitHow::Code(0)),
        }
    }
}

/// What may be left where it is at any time.
async fn rest(
    store: &Store,
    wanted: &Wanted,
    request: &StepRequest,
    io: &mut StepIo,
) -> Result<(), StepFault> {
    match wanted.operation {
        Operation::Get => get::get(store, wanted, request, io).await,
        Operation::Head => get::head(store, wanted, request, io).await,
        Operation::List => keys::list(store, wanted, request, io).await,
        Operation::Delete => keys::delete(store, wanted, request, io).await,
        Operation::Put => Ok(()),
    }
}
