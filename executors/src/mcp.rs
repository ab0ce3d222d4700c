//! Steps of `type: mcp`: a tool of a server that speaks the Model Context Protocol is called.
//!
//! The server is a program that is started for the step and spoken to over its standard input and output
//! (`stdio`), or one that is there (`remote`). A step is one session: the handshake, the call, the end. What
//! the server says on its standard error, and what a tool says of its failure, goes to the step's standard
//! error through the masks; messages of failures have none of it. Nothing of a call is kept.

mod check;
mod lines;
mod message;
mod output;
mod remote;
mod session;
mod stdio;
mod wanted;

use std::sync::Arc;

use async_trait::async_trait;
use subrosa_engine::executor::ExitHow;
use subrosa_engine::kind::{
    Kind, Section, Shape, StepFault, StepRequest, StepRunner, alias, refused, section, works,
};
use subrosa_engine::provider::Asking;
use subrosa_engine::sink::StepIo;
use subrosa_http::Http;

use crate::clients::Clients;
use crate::lender::Means;
use remote::Remote;
use session::Link;
use stdio::Stdio;
use wanted::{Server, Wanted};

/// What `with` has in a step of `type: mcp`.
static WITH: Section = section(
    "`with` of an `mcp` step",
    "with_mcp",
    &[
        works("tool", Shape::Text, "The name of the tool."),
        works("arguments", Shape::Data, "What it gets: a mapping, or a text that is JSON."),
        works("command", Shape::Texts, "The program of the server; in a list with its arguments."),
        works("args", Shape::Texts, "Arguments of the program."),
        works("env", Shape::TextMap, "Variables of the program, beside those of the step."),
        works("url", Shape::Text, "The server over HTTP; with a connection also a path."),
        works("headers", Shape::TextMap, "Headers of the requests over HTTP."),
        works(
            "output",
            Shape::OneOf(&["text", "json"]),
            "`text`, the texts of the result; `json`, its structured content or else all of it.",
        ),
        alias(
            "timeout",
            &["timeout_seconds"],
            Shape::Whole(1),
            "Seconds for the handshake, and for the call; without it 60.",
        ),
        works("max_bytes", Shape::Whole(1), "Bytes of a message at most; without it 10 MiB."),
        works("ca_cert", Shape::Text, "A PEM file with the authorities that count for the server."),
        refused(
            "skip_tls_verify",
            "would trust whoever answers",
            "name the server's certificate authority in `ca_cert`",
        ),
        works("connection", Shape::Text, "The connection that authenticates, over HTTP."),
        works(
            "credentials_path",
            Shape::Text,
            "A JSON file with `bearer_auth`, or `basic_auth` of `username` and `password`.",
        ),
    ],
);

/// The kind.
pub(crate) static MCP: Kind = Kind {
    name: "mcp",
    words: &["mcp_tool"],
    actions: &[("mcp.call", "call"), ("mcp.call_tool", "call"), ("mcp.list_tools", "list")],
    with: &WITH,
    beside: &[],
    check: check::check,
};

/// Carries out the steps.
struct McpSteps {
    means: Means,
    clients: Clients<Http>,
}

/// What carries them out.
pub(crate) fn make(means: &Means) -> Arc<dyn StepRunner> {
    Arc::new(McpSteps { means: means.clone(), clients: Clients::default() })
}

#[async_trait]
impl StepRunner for McpSteps {
    fn kind(&self) -> &'static Kind {
        &MCP
    }

    async fn ready(&self, connection: &str, asking: &Asking) -> Result<Vec<StepFault>, StepFault> {
        self.means.lender.ready(connection, asking).await
    }

    async fn run(&self, request: StepRequest, io: &mut StepIo) -> Result<ExitHow, StepFault> {
        let wanted = Wanted::read(&request)?;
        let mut link = match &wanted.server {
            Server::Program(program) => {
                Link::Stdio(Box::new(Stdio::start(program, &wanted, &request)?))
            }
            Server::Url(url) => Link::Remote(Remote::new(self, &request, &wanted, url)),
        };
        let ended = tokio::select! {
            how = request.timing.over() => Ok(how),
            done = session::work(&mut link, &wanted, &request, io) => {
                done.map(|()| ExitHow::Code(0))
            }
        };
        let is_done = matches!(ended, Ok(ExitHow::Code(0)));
        let closed = Box::pin(link.end(is_done, request.timing.grace, io)).await;
        let how = ended?;
        closed?;
        Ok(how)
    }
}
