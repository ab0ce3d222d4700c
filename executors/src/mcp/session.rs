//! A session: the handshake, what the step wants, the end.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::sink::StepIo;

use super::message::{Bytes, Heard, joined, notification, request};
use super::output;
use super::remote::Remote;
use super::stdio::Stdio;
use super::wanted::{Tool, Wanted};

/// What we speak, the newest first: the revisions that begin with a handshake.
const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// Pages of tools that are read.
const PAGES_MAX: usize = 1000;

/// The way to a server.
pub(super) enum Link<'a> {
    Stdio(Box<Stdio>),
    Remote(Remote<'a>),
}

impl Link<'_> {
    /// The server as it may be shown.
    fn shown(&self) -> &str {
        match self {
            Link::Stdio(stdio) => stdio.shown(),
            Link::Remote(remote) => remote.shown(),
        }
    }

    async fn ask(&mut self, id: u64, message: Bytes, io: &mut StepIo) -> Result<Bytes, StepFault> {
        let heard = match self {
            Link::Stdio(stdio) => stdio.ask(id, message, io).await,
            Link::Remote(remote) => remote.ask(id, message).await,
        };
        match heard? {
            Heard::Result(result) => Ok(result),
            Heard::Error { code, text } => {
                let end = if text.ends_with('\n') { "" } else { "\n" };
                let line = joined(&[text.as_bytes(), end.as_bytes()]);
                io.tell(&line).map_err(unwritten)?;
                let what = match code {
                    -32601 => " (it has no such method)",
                    -32602 => " (it does not take these arguments, or has no such tool)",
                    -32603 => " (it failed)",
                    _ => "",
                };
                Err(StepFault::new(format!(
                    "{} answered with the error {code}{what}",
                    self.shown()
                )))
            }
            Heard::Asked(_) | Heard::Other => Err(self.no_answer()),
        }
    }

    async fn tell(&mut self, message: Bytes, io: &mut StepIo) -> Result<(), StepFault> {
        match self {
            Link::Stdio(stdio) => stdio.tell(message, io).await,
            Link::Remote(remote) => remote.tell(message).await,
        }
    }

    fn no_answer(&self) -> StepFault {
        StepFault::new(format!(
            "{} answered with something that is no answer of the protocol",
            self.shown()
        ))
    }

    /// Ends the session, in order if all is done.
    pub(super) async fn end(
        self,
        is_done: bool,
        grace: Duration,
        io: &mut StepIo,
    ) -> Result<(), StepFault> {
        match self {
            Link::Stdio(stdio) => stdio.end(is_done, grace, io).await,
            Link::Remote(remote) => {
                remote.end(is_done, grace).await;
                Ok(())
            }
        }
    }
}

fn unwritten(error: std::io::Error) -> StepFault {
    StepFault::new(format!("cannot write the output of the step: {error}"))
}

#[derive(Deserialize)]
struct Greeting {
    #[serde(rename = "protocolVersion")]
    version: String,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(rename = "nextCursor", borrow, default)]
    next: Option<&'a RawValue>,
}

/// The handshake, and what the step wants.
pub(super) async fn work(
    link: &mut Link<'_>,
    wanted: &Wanted,
    step: &StepRequest,
    io: &mut StepIo,
) -> Result<(), StepFault> {
    let hello = format!(
        "{{\"protocolVersion\":\"{}\",\"capabilities\":{{}},\"clientInfo\":{{\"name\":\"subrosa\",\
         \"version\":\"{}\"}}}}",
        VERSIONS[0],
        env!("CARGO_PKG_VERSION")
    );
    let greeting = link.ask(1, request(1, "initialize", hello.as_bytes()), io).await?;
    let greeting: Greeting = serde_json::from_slice(&greeting).map_err(|_| link.no_answer())?;
    let Some(version) = VERSIONS.into_iter().find(|version| *version == greeting.version) else {
        let message = format!("{} speaks another version of the protocol", link.shown());
        return Err(StepFault::new(message).help(format!(
            "known are {}",
            VERSIONS.map(|version| format!("`{version}`")).join(", ")
        )));
    };
    if let Link::Remote(remote) = link {
        remote.agreed(version);
    }
    link.tell(notification("notifications/initialized", b"{}"), io).await?;
    match &wanted.tool {
        Some(tool) => call(link, tool, wanted, step, io).await,
        None => list(link, step, io).await,
    }
}

async fn call(
    link: &mut Link<'_>,
    tool: &Tool,
    wanted: &Wanted,
    step: &StepRequest,
    io: &mut StepIo,
) -> Result<(), StepFault> {
    let params = joined(&[b"{\"name\":", &tool.name, b",\"arguments\":", &tool.arguments, b"}"]);
    let result = link.ask(2, request(2, "tools/call", &params), io).await?;
    drop(params);
    let is_fine = output::write(&result, wanted.wants_json, &step.hiding, io);
    match is_fine.map_err(unwritten)? {
        Some(true) => Ok(()),
        Some(false) => Err(StepFault::new(format!(
            "the tool `{}` of {} says that it failed",
            tool.shown,
            link.shown()
        ))),
        None => Err(link.no_answer()),
    }
}

async fn list(link: &mut Link<'_>, step: &StepRequest, io: &mut StepIo) -> Result<(), StepFault> {
    let mut params = joined(&[b"{}"]);
    for id in 2.. {
        if id > PAGES_MAX as u64 {
            break;
        }
        let page = link.ask(id, request(id, "tools/list", &params), io).await?;
        let page: Page<'_> = serde_json::from_slice(&page).map_err(|_| link.no_answer())?;
        for tool in &page.tools {
            if !output::line(tool.get(), &step.hiding, io).map_err(unwritten)? {
                return Err(link.no_answer());
            }
        }
        match page.next.filter(|next| next.get() != "null") {
            Some(next) => params = joined(&[b"{\"cursor\":", next.get().as_bytes(), b"}"]),
            None => return Ok(()),
        }
    }
    Err(StepFault::new(format!("{} has tools without an end", link.shown())))
}
