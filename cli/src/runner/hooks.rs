//! Calls of services: judged here, where the credentials and the signing secrets can be read.

mod replay;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use subrosa_connections::files::{HttpCredentials, HttpFile, effective_path, load};
use subrosa_connections::inbound::{Headers, verify};
use subrosa_engine::secret::SecretValue;
use subrosa_engine::workflow::{HttpTrigger, Signature, Workflow};
use subrosa_registry::{Actor, Lookup, Reader as _, Scope};
use subrosa_server::channel::hooks::{Deliver, Delivered, Parcel};
use subrosa_server::channel::runs::{Param, ProblemView, StartKind, Started};
use subrosa_server::channel::{By, Refusal, RefusalKind};

use super::order::Order;
use super::{Runner, refusal};

pub(super) use replay::Replays;

/// The headers of a parcel.
struct Shown<'a>(&'a Parcel);

impl Headers for Shown<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.get(name).map(|value| value.as_str())
    }
}

/// A call that is let in.
struct Admitted {
    order: Order,
    /// What tells it from others, and for how long it would be let in once more.
    once: Option<(String, Duration)>,
}

/// Judges a call, and starts what it asks for.
pub(super) async fn deliver(
    runner: &Arc<Runner>,
    by: &By,
    asked: Deliver,
) -> Result<Delivered, Refusal> {
    let (judge, by) = (runner.clone(), by.clone());
    let judged = tokio::task::spawn_blocking(move || judge_call(&judge, &by, &asked)).await;
    let Admitted { order, once } = judged.map_err(|_| broken("the call cannot be judged"))??;
    let start = || async {
        match runner.runs.clone().begin(order).await.map_err(told_here)? {
            Started::Run { run } => Ok(run),
            Started::Not { run, problems } => Err(not_started(run.as_deref(), &problems)),
            Started::Plan(_) | Started::Explained(_) => Err(broken("no run was started")),
        }
    };
    let Some((key, within)) = once else {
        return Ok(Delivered { run: start().await?, is_repeated: false });
    };
    let (run, is_repeated) = runner.replays.once(key, within, start).await?;
    Ok(Delivered { run, is_repeated })
}

/// Whoever calls is told that it is not them; what is wrong is for those who see the record.
fn not_started(run: Option<&str>, problems: &[ProblemView]) -> Refusal {
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
    let codes = codes.join(", ");
    let message = match run {
        Some(run) => format!("the workflow did not start, run {run} tells why: {codes}"),
        None => format!("the workflow cannot be started: {codes}"),
    };
    refusal::invalid(message)
}

/// Why a run cannot be set up names our files and settings, which are not for callers.
fn told_here(refusal: Refusal) -> Refusal {
    match refusal.kind {
        RefusalKind::Broken => {
            let message = refusal.message;
            crate::out::stderr(&format!("error: a hook started nothing: {message}\n"));
            broken("the run cannot be started: the log of the server tells why")
        }
        _ => refusal,
    }
}

fn judge_call(runner: &Runner, by: &By, asked: &Deliver) -> Result<Admitted, Refusal> {
    let file = runner.runs.file(&asked.file)?;
    let workflow = workflow(&file)?;
    let trigger = workflow.trigger.as_ref().filter(|trigger| trigger.name == asked.hook);
    let trigger = trigger.ok_or_else(gone)?;
    let opened = runner.key.open(&asked.parcel).map_err(refusal::sealed)?;
    let parcel =
        unpack(&opened).ok_or_else(|| refusal::invalid("the call did not arrive whole"))?;
    let delivery = admit(runner, asked, (&workflow, trigger), &parcel)?;
    if parcel.body.len() > trigger.body_len_max {
        let message = format!("the body is larger than {} bytes", trigger.body_len_max);
        return Err(Refusal { kind: RefusalKind::TooLarge, message, help: None });
    }
    let within = trigger.signature.as_ref().map(|signature| signature.within);
    let once = delivery.map(|id| (format!("{}\n{id}", trigger.name), within.unwrap_or_default()));
    let order = Order {
        run: runner.runs.new_id()?,
        user: by.user.clone(),
        allow_protected: by.allow_protected,
        file,
        workspace: asked.workspace.clone(),
        environment: None,
        params: params(trigger, &parcel.body)?,
        kind: StartKind::Run,
    };
    Ok(Admitted { order, once })
}

/// The workflow in a file, as it is now.
fn workflow(file: &Path) -> Result<Workflow, Refusal> {
    let source = subrosa_engine::load(file).map_err(|_| gone())?;
    let found = subrosa_engine::validate(Arc::new(source), subrosa_executors::KINDS);
    found.workflow.ok_or_else(|| refusal::invalid("the workflow is not valid"))
}

#[expect(clippy::disallowed_methods, reason = "taken apart; the parts wipe themselves")]
fn unpack(opened: &secrecy::SecretSlice<u8>) -> Option<Parcel> {
    Parcel::unpack(secrecy::ExposeSecret::expose_secret(opened))
}

fn gone() -> Refusal {
    let message = "there is no such hook any more".to_owned();
    Refusal { kind: RefusalKind::NotFound, message, help: None }
}

/// The same for all: whoever has one half of what a hook asks for is not told that it was right.
fn stranger() -> Refusal {
    let message = "the call does not show what this hook asks for".to_owned();
    let help = "what a hook may ask for, and that one that asks for nothing is closed, is in docs/server/hooks.md";
    Refusal { kind: RefusalKind::Unauthenticated, message, help: Some(help.to_owned()) }
}

/// Makes sure that the call shows all that the hook asks for. Gives what tells a call that is sent once
/// more, if it was signed.
fn admit(
    runner: &Runner,
    asked: &Deliver,
    (workflow, trigger): (&Workflow, &HttpTrigger),
    parcel: &Parcel,
) -> Result<Option<String>, Refusal> {
    let own = trigger.credentials_path.as_ref().map(|path| workflow.folder().join(&path.raw));
    // Whoever signs shows enough; what the server asks for is for hooks that ask for nothing themselves.
    let is_open = trigger.is_anonymous || trigger.signature.is_some();
    let default = runner.hook_credentials.as_deref().filter(|_| !is_open);
    let credentials = effective_path(own.as_deref(), default).map(credentials).transpose()?;
    let asks_nothing = match &credentials {
        None | Some(HttpCredentials::Nothing) => trigger.signature.is_none() && !trigger.needs_user,
        Some(HttpCredentials::Bearer(_) | HttpCredentials::Basic { .. }) => false,
    };
    if asks_nothing && !trigger.is_anonymous {
        return Err(stranger());
    }
    if trigger.needs_user && !asked.has_user {
        return Err(stranger());
    }
    if let Some(credentials) = credentials {
        let shown = parcel.headers.get("authorization").map(|shown| shown.as_bytes());
        credentials.admit(shown).map_err(|_| stranger())?;
    }
    match &trigger.signature {
        None => Ok(None),
        Some(signature) => signed(runner, (workflow, signature), parcel),
    }
}

fn credentials(path: &Path) -> Result<HttpCredentials, Refusal> {
    let read = load(path).and_then(|loaded| HttpFile::parse(&loaded.bytes));
    // The caller is told nothing of our files.
    read.map(|file| file.credentials).map_err(|error| {
        crate::out::stderr(&format!("error: a hook cannot be called: {error}\n"));
        broken("what callers have to show cannot be read")
    })
}

fn broken(message: &str) -> Refusal {
    Refusal { kind: RefusalKind::Broken, message: message.to_owned(), help: None }
}

/// Verifies the signature, with the current secret or a former one that is still in use.
#[expect(clippy::disallowed_methods, reason = "the signature is computed with it")]
fn signed(
    runner: &Runner,
    (workflow, signature): (&Workflow, &Signature),
    parcel: &Parcel,
) -> Result<Option<String>, Refusal> {
    let environment = workflow.environment.as_ref().map(|chosen| chosen.name.clone());
    let lookup = Lookup {
        scope: Scope { workspace: workflow.workspace(), environment },
        allow_protected: true,
        allow_expired: false,
        allow_disabled: false,
        audit_required: workflow.audit_required,
        actor: Actor {
            user: format!("hook {}", workflow.trigger.as_ref().map_or("", |t| t.name.as_str())),
            command: "serve".to_owned(),
            workflow: Some(workflow.name.clone()),
            ..Actor::default()
        },
    };
    let told = |error: &dyn std::fmt::Display| {
        crate::out::stderr(&format!("error: a hook cannot be called: {error}\n"));
        broken("the signing secret cannot be had")
    };
    let answer = runner.secrets.registry.resolve(&lookup, std::slice::from_ref(&signature.secret));
    let answer = answer.map_err(|error| told(&error))?;
    let found = answer.results.into_iter().next().ok_or_else(|| broken("no signing secret"))?;
    let found = found.map_err(|error| told(&error))?;
    let secrets = std::iter::once(&found.value).chain(&found.retired);
    let now = (runner.clock)();
    for secret in secrets {
        let secret = SecretValue::new(secrecy::ExposeSecret::expose_secret(secret).to_vec());
        let call = (&Shown(parcel) as &dyn Headers, parcel.body.as_slice());
        if let Ok(delivery) = verify(signature.scheme, &secret, call, (now, signature.within)) {
            return Ok(delivery.id);
        }
    }
    Err(stranger())
}

/// The parameters that a body gives: itself, and parts of it if it is JSON.
fn params(trigger: &HttpTrigger, body: &[u8]) -> Result<Vec<Param>, Refusal> {
    let text = std::str::from_utf8(body).ok().filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| refusal::invalid("the body is no text in UTF-8"))?;
    let named = |name: &String, value| Param { name: Some(name.clone()), value };
    let mut params = vec![named(&trigger.body, text.to_owned())];
    if trigger.params.is_empty() {
        return Ok(params);
    }
    let tree: serde_json::Value =
        serde_json::from_str(text).map_err(|_| refusal::invalid("the body is no JSON"))?;
    for (name, pointer) in &trigger.params {
        let part = match tree.pointer(pointer) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(serde_json::Value::Null) | None => {
                let message = format!("the body has nothing at `{pointer}`, for `{name}`");
                return Err(refusal::invalid(message));
            }
            Some(other) => other.to_string(),
        };
        params.push(named(name, part));
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use subrosa_engine::workflow::HttpTrigger;
    use subrosa_server::channel::runs::Param;

    use super::params;

    fn check(pairs: &[(&str, &str)], body: &[u8], expected: Result<&[&str], &str>) {
        let trigger = HttpTrigger {
            name: "hook".to_owned(),
            credentials_path: None,
            signature: None,
            needs_user: false,
            is_anonymous: true,
            body: "BODY".to_owned(),
            params: pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            body_len_max: 100,
            span: subrosa_engine::source::Span::default(),
        };
        let found = params(&trigger, body);
        let shown = |param: &Param| format!("{}={}", param.name.as_ref().unwrap(), param.value);
        let found = found.map(|all| all.iter().map(shown).collect::<Vec<_>>());
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(refusal), Err(expected)) => assert_eq!(refusal.message, expected),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn a_body_and_its_parts_become_parameters() {
        check(&[], b"hello", Ok(&["BODY=hello"]));
        let body = br#"{"ref":"main","n":{"x":[1,true]}}"#;
        let whole = r#"BODY={"ref":"main","n":{"x":[1,true]}}"#;
        check(&[("B", "/ref")], body, Ok(&[whole, "B=main"]));
        check(&[("B", "/n/x/1"), ("C", "/n")], body, Ok(&[whole, "B=true", r#"C={"x":[1,true]}"#]));
        check(&[("B", "/other")], body, Err("the body has nothing at `/other`, for `B`"));
        check(&[("B", "/ref")], b"ref=main", Err("the body is no JSON"));
        check(&[], b"\xff", Err("the body is no text in UTF-8"));
        check(&[], b"a\0b", Err("the body is no text in UTF-8"));
    }
}
