//! Steps of `type: http`: one request to a server.
//!
//! The answer goes to the step's standard output piece by piece, what came of it to standard error. A
//! credential goes to the origin it is for and nowhere else, redirects included. Messages name the method
//! and the place without its query; bodies and headers stay out of them.

mod answer;
pub(crate) mod body;
mod check;
mod default;
mod expect;
pub(crate) mod send;
pub(crate) mod wanted;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use subrosa_engine::executor::ExitHow;
use subrosa_engine::kind::{
    Field, Kind, Section, Shape, StepFault, StepRequest, StepRunner, Warn, refused, section, works,
};
use subrosa_engine::provider::Asking;
use subrosa_engine::sink::StepIo;
use subrosa_http::Http;

use crate::clients::Clients;
use crate::lender::Means;

pub use default::{HttpFiles, NoHttpFiles};

/// What `files` has in an item.
static FILE: Section = section(
    "a file that is sent",
    "http_file",
    &[
        works("name", Shape::Text, "The name of the form's field."),
        works("path", Shape::Text, "The file; relative to the working directory."),
        works(
            "filename",
            Shape::Text,
            "What the server is told as its name; without it the file's own.",
        ),
        works("content_type", Shape::Text, "Without it `application/octet-stream`."),
    ],
);

/// What `with` has in a step of `type: http`.
static WITH: Section = section(
    "`with` of an `http` step",
    "with_http",
    &[
        works("method", Shape::Text, "`GET` and so on; without it `GET`, with a body `POST`."),
        works("url", Shape::Text, "The URL; with a connection also a path below its base URL."),
        works("headers", Shape::TextMap, "Headers."),
        works("query", Shape::TextMap, "Parameters that are added to the query, encoded."),
        works("body", Shape::Text, "The body, as it is."),
        works("json", Shape::Data, "A document that is the body; `true`: as `output: json`."),
        works("form", Shape::TextMap, "Fields of a form that is the body."),
        works("files", Shape::Objects(&FILE), "Files that are sent as a form in parts."),
        works("timeout", Shape::Whole(1), "Seconds for a request with its answer; without it 60."),
        works(
            "retries",
            Shape::Whole(0),
            "Repetitions if the server is out of reach or says 429 or 503.",
        ),
        works("expect", Shape::Texts, "Good statuses: `200`, `200-204`, `2xx`; without it `2xx`."),
        works("max_bytes", Shape::Whole(1), "Bytes of the answer at most; without it 10 MiB."),
        works(
            "output",
            Shape::OneOf(&["body", "json"]),
            "`json`: status, headers and body as JSON.",
        ),
        works(
            "follow_redirects",
            Shape::Flag,
            "Goes where the server sends it, ten times at most.",
        ),
        works("ca_cert", Shape::Text, "A PEM file with the authorities that count for the server."),
        works("silent", Shape::Flag, "Says nothing of the status."),
        works("debug", Shape::Flag, "Says the headers of the answer, too."),
        Field {
            aliases: &["skipTLSVerify"],
            ..refused(
                "skip_tls_verify",
                "would trust whoever answers",
                "name the server's certificate authority in `ca_cert`",
            )
        },
        works("connection", Shape::Text, "The connection that authenticates the request."),
        works(
            "credentials_path",
            Shape::Text,
            "A JSON file with `bearer_auth`, or `basic_auth` of `username` and `password`.",
        ),
    ],
);

const COMMAND: &[Field] = &[works("command", Shape::Text, "`METHOD URL`, in one text.")];

/// The kind.
pub static HTTP: Kind = Kind {
    name: "http",
    words: &[],
    actions: &[("http.request", "request")],
    with: &WITH,
    beside: COMMAND,
    check: check::check,
};

/// Sends the requests of steps.
struct HttpSteps {
    means: Means,
    clients: Clients<Http>,
}

/// What carries them out.
pub(crate) fn make(means: &Means) -> Arc<dyn StepRunner> {
    Arc::new(HttpSteps { means: means.clone(), clients: Clients::default() })
}

#[async_trait]
impl StepRunner for HttpSteps {
    fn kind(&self) -> &'static Kind {
        &HTTP
    }

    async fn ready(&self, connection: &str, asking: &Asking) -> Result<Vec<StepFault>, StepFault> {
        self.means.lender.ready(connection, asking).await
    }

    async fn run(&self, mut request: StepRequest, io: &mut StepIo) -> Result<ExitHow, StepFault> {
        request.warn = once(request.warn.clone());
        let timing = request.timing.clone();
        tokio::select! {
            how = timing.over() => Ok(how),
            done = self.exchange(&request, io) => done.map(|()| ExitHow::Code(0)),
        }
    }
}

/// Tells the same thing once: redirects and repetitions look at the credential again.
fn once(warn: Warn) -> Warn {
    let told = Mutex::new(BTreeSet::new());
    Arc::new(move |message| {
        let is_new = told.lock().unwrap_or_else(PoisonError::into_inner).insert(message.to_owned());
        if is_new {
            warn(message);
        }
    })
}
