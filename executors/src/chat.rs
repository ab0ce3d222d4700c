//! `type: chat`: a language model is asked, and its reply is what the step prints.
//!
//! All that a model is told is masked after it was filled and before it is written out: messages, system
//! texts, tools, calls and their arguments (`prompt`); what is kept of a chat is masked again. The API key goes into a header and nowhere else.
//! The reply goes through the masks of the step while it comes. An attempt is one request: how often it is
//! tried is up to the step. Of a provider's error only its status and a word are told.

mod anthropic;
pub(crate) mod events;
mod fields;
mod gemini;
mod openai;
mod problem;
mod prompt;
mod reply;
mod service;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use subrosa_engine::executor::ExitHow;
use subrosa_engine::kind::{Kind, StepFault, StepRequest, StepRunner};
use subrosa_engine::provider::Asking;
use subrosa_engine::sink::StepIo;
use subrosa_http::header::CONTENT_TYPE;
use subrosa_http::{Fault, Http, Incoming, Roots};

use crate::clients::{Clients, Identity};
use crate::lender::Means;
use events::{Buffer, Data, Events};
use prompt::Prompt;
use reply::{Broken, Piece, Reply};
use service::{Protocol, Ready, Service};

pub use fields::{CHAT, LLM, MESSAGE, TOOL, TOOL_CALL, WITH};

/// A server that says nothing for so long is given up, whatever the step's own time.
const SILENCE: Duration = Duration::from_secs(5 * 60);
/// No reply takes as long; the step's own time and [`SILENCE`] are what counts.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes an answer may have that comes in one.
const ANSWER_LEN_MAX: usize = 8 * 1024 * 1024;
/// Bytes the events of an answer may have: 4 MiB of words, a token each.
const STREAM_LEN_MAX: usize = 512 * 1024 * 1024;
/// Bytes of an error that are looked at.
const ERROR_LEN_MAX: usize = 64 * 1024;

/// The ending of the file beside the logs that has what was said.
const TRANSCRIPT: &str = "chat.json";

/// Carries out steps of `type: chat`.
pub struct Chat {
    means: Means,
    clients: Clients<Http>,
}

/// What carries out steps of `type: chat`.
pub fn make(means: &Means) -> Arc<dyn StepRunner> {
    Arc::new(Chat { means: means.clone(), clients: Clients::default() })
}

#[async_trait]
impl StepRunner for Chat {
    fn kind(&self) -> &'static Kind {
        &CHAT
    }

    async fn ready(&self, connection: &str, asking: &Asking) -> Result<Vec<StepFault>, StepFault> {
        self.means.lender.ready(connection, asking).await
    }

    async fn run(&self, call: StepRequest, io: &mut StepIo) -> Result<ExitHow, StepFault> {
        tokio::select! {
            ended = self.ask(&call, io) => ended.map(|()| ExitHow::Code(0)),
            how = call.timing.over() => Ok(how),
        }
    }
}

impl Chat {
    async fn ask(&self, request: &StepRequest, io: &mut StepIo) -> Result<(), StepFault> {
        let lender = &self.means.lender;
        let looked = lender.look(request, &self.clients).await?;
        let service = Service::of(request, &looked)?;
        let identity = looked.identity(request.connection.as_deref());
        let credential = lender.open(request, looked).await?;
        let key = service.key(request, &credential)?;
        // After the credential is hidden: a message may hold it.
        let prompt = Prompt::of(&request.input, &request.hiding);
        let ready = service.request(request, &prompt, (&credential, &key))?;
        drop((credential, key));
        let client = self.client(request, &ready, identity).await?;
        let Ready { call, server, key, .. } = ready;
        let incoming =
            patiently(client.open(call)).await.map_err(|fault| of_fault(fault, &server))?;
        if !incoming.status.is_success() {
            let status = incoming.status;
            let body = error_body(incoming).await;
            return Err(problem::refusal(status, &body, &server, key.as_deref()));
        }
        let reply = read(service.protocol, incoming, io, &server).await?;
        reply.finish(&request.hiding, io).map_err(|error| Broken::Output(error).fault(&server))?;
        let transcript = prompt.transcript(&server, &reply, &request.hiding);
        request.keep.document(TRANSCRIPT, transcript).map_err(|error| {
            StepFault::new(format!("could not keep the transcript: {}", error.kind()))
        })?;
        if let Some(word) = reply.cut() {
            (request.warn)(&format!("the reply of the model ends before its end: `{word}`"));
        }
        Ok(())
    }

    /// The client for a server, shared by the steps that ask it as the same.
    async fn client(
        &self,
        request: &StepRequest,
        ready: &Ready,
        (holder, version): (Identity, Identity),
    ) -> Result<Arc<Http>, StepFault> {
        let identity = holder.and([ready.server.as_bytes()]);
        let shown = match &request.connection {
            Some(name) => format!("chat {name}"),
            None => format!("chat {}", ready.server),
        };
        let open = || async {
            let (make, address) = (self.means.http.clone(), ready.address.clone());
            // The authorities of the system are read from files.
            let made = move || make(&address, Roots::System, REQUEST_TIMEOUT);
            let joined = tokio::task::spawn_blocking(made).await;
            joined.unwrap_or_else(|_| Err(StepFault::new("no HTTP client can be made")))
        };
        self.clients.get((identity, version), (&request.usage, &shown), open).await
    }
}

/// Waits for a server, but not for ever.
async fn patiently<T>(answer: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::time::timeout(SILENCE, answer).await.unwrap_or(Err(Fault::TimedOut))
}

fn of_fault(fault: Fault, server: &str) -> StepFault {
    StepFault { message: fault.message(server), help: fault.help().map(str::to_owned) }
}

/// What there is of the body of an error; what is missing is not missed.
async fn error_body(mut incoming: Incoming) -> Data {
    let mut body = Buffer::default();
    while let Ok(Some(piece)) = patiently(incoming.chunk()).await {
        if body.push_within(&piece, ERROR_LEN_MAX).is_err() {
            break;
        }
    }
    body.empty()
}

/// Reads a reply and shows it while it comes: as events, or in one by a server that does not stream.
async fn read(
    protocol: Protocol,
    mut incoming: Incoming,
    io: &mut StepIo,
    server: &str,
) -> Result<Reply, StepFault> {
    let kind = incoming.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase());
    let is_streamed = kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
    let too_large = || Broken::TooLarge.fault(server);
    let mut reply = Reply::default();
    let (mut events, mut whole) = (Events::default(), Buffer::default());
    let mut length = 0;
    loop {
        let piece = patiently(incoming.chunk()).await.map_err(|fault| of_fault(fault, server))?;
        let Some(piece) = piece else { break };
        length += piece.len();
        if length > STREAM_LEN_MAX {
            return Err(too_large());
        }
        if is_streamed {
            for event in events.take(&piece).map_err(|_| too_large())? {
                take(protocol, &event, &mut reply, io, server)?;
            }
        } else {
            whole.push_within(&piece, ANSWER_LEN_MAX).map_err(|_| too_large())?;
        }
    }
    if !is_streamed {
        let pieces = take(protocol, &whole.empty(), &mut reply, io, server)?;
        return if pieces > 0 { Ok(reply) } else { Err(no_reply(server)) };
    }
    if let Some(event) = events.rest().map_err(|_| too_large())? {
        take(protocol, &event, &mut reply, io, server)?;
    }
    if reply.is_whole() {
        return Ok(reply);
    }
    Err(StepFault::new(format!("`{server}` broke the reply off")))
}

/// Takes the pieces in an answer or an event, and says how many there were.
fn take(
    protocol: Protocol,
    data: &[u8],
    reply: &mut Reply,
    io: &mut StepIo,
    server: &str,
) -> Result<usize, StepFault> {
    let read = match protocol {
        Protocol::OpenAi => openai::read(data),
        Protocol::Anthropic => anthropic::read(data),
        Protocol::Gemini => gemini::read(data),
    };
    let pieces: Vec<Piece> = read.map_err(|_| no_reply(server))?;
    let count = pieces.len();
    for piece in pieces {
        reply.take(piece, io).map_err(|broken| broken.fault(server))?;
    }
    Ok(count)
}

fn no_reply(server: &str) -> StepFault {
    StepFault::new(format!("`{server}` answered with something that is no reply of a model"))
        .help("are `provider` and `base_url` right?")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{anthropic, gemini, openai};

    /// Something of each protocol, whole and in pieces.
    const ANSWERS: [&str; 6] = [
        r#"{"choices":[{"delta":{"content":"a","tool_calls":[{"index":0,"id":"c","function":{"name":"n","arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#,
        r#"{"choices":[{"message":{"content":null,"refusal":"no"}}],"error":{"type":"t","code":3}}"#,
        r#"{"type":"message","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"c","name":"n","input":{"x":[1]}}],"stop_reason":"end_turn"}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"x\":"}}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"a"},{"thought":true,"text":"b"},{"functionCall":{"name":"n","args":{"x":1}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}}"#,
        r#"[{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"m"}}]"#,
    ];

    fn read(data: &[u8]) {
        for result in [openai::read(data), anthropic::read(data), gemini::read(data)] {
            // Whether it is one is not the question.
            drop(result);
        }
        drop(super::problem::word_of(data));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(
            which in 0..ANSWERS.len(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(),
            other in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut data = ANSWERS[which].as_bytes().to_vec();
            read(&data);
            for (place, byte) in edits {
                let place = place.index(data.len());
                data[place] = byte;
            }
            read(&data);
            data.truncate(cut.index(data.len()));
            read(&data);
            read(&other);
        }
    }

    #[test]
    fn what_is_an_answer_has_pieces() {
        let counts = ANSWERS.map(|answer| {
            let all = [openai::read, anthropic::read, gemini::read];
            all.map(|read| read(answer.as_bytes()).map(|pieces| pieces.len()).ok())
        });
        assert_eq!(counts[0][0], Some(4));
        assert_eq!(counts[1][0], Some(2));
        assert_eq!(counts[2][1], Some(3));
        assert_eq!(counts[3][1], Some(1));
        assert_eq!(counts[4][2], Some(4));
    }
}
