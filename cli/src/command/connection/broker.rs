//! The verbs that need an opened connection: the broker does them, and says here how they went.
//!
//! What comes back are words that may be shown. Ctrl-C is passed on; what the broker has begun with a
//! service and cannot take back, it finishes all the same.

use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};
use subrosa_connections::protocol::{Done, Event, Failed, FailedKind, Flow, Request, Task};
use subrosa_connections::state::{State, moment};
use subrosa_registry::Address;
use tokio::sync::Notify;

use super::list::{Row, json_lines, rows, text};
use super::{about, address, confirm, name, named, names};
use crate::args::connection::{AuthorizeArgs, ChangeArgs, RefreshArgs, RevokeArgs, TestArgs};
use crate::broker::{Broker, request};
use crate::command::secret::{minute, place, stamp};
use crate::command::validate::to_line;
use crate::connections;
use crate::failure::{Exit, Failure};
use crate::signals::{STOPPING, Signals};
use crate::text::shown;
use crate::wiring::World;
use crate::{load, out};

/// Has a person grant access.
pub(crate) fn authorize(args: &AuthorizeArgs, world: &World) -> Result<Exit, Failure> {
    let flow = if args.device { Flow::Device } else { Flow::Browser };
    one(&args.change, Task::Authorize(flow), "connection authorize", world)
}

/// Has the tokens exchanged for new ones.
pub(crate) fn refresh(args: &RefreshArgs, world: &World) -> Result<Exit, Failure> {
    let task = Task::Refresh { force: args.force };
    one(&args.change, task, "connection refresh", world)
}

/// Has the grant given back, after a question.
pub(crate) fn revoke(args: &RevokeArgs, world: &World) -> Result<Exit, Failure> {
    let (forget, args) = (args.forget, &args.confirm);
    let address = address(&args.change.one)?;
    let (name, place) = (name(&address), place(&address.scope));
    let what = if forget { "Forget the tokens" } else { "Give back the grant" };
    let question = format!("{what} of {name} ({place})? Runs cannot use it then.");
    confirm(&question, args.yes, world)?;
    one(&args.change, Task::Revoke { forget }, "connection revoke", world)
}

fn one(args: &ChangeArgs, task: Task, command: &str, world: &World) -> Result<Exit, Failure> {
    let address = address(&args.one)?;
    let asked = asked(task, &address, (command, args.allow_protected));
    match carry_out(&asked, world)?.0 {
        Ok(done) => {
            let mut told = about(&address, &done_words(&done)).with("done", done_word(&done));
            if let Some(end) = ends(&done) {
                told = told.with("expires", stamp(moment(end)));
            }
            if let Done::Revoked { at_service: false } = done {
                told.note(match task {
                    Task::Revoke { forget: true } => {
                        "the service was not told: take the grant back there"
                    }
                    _ => "the service offers no way to give a grant back: take it back there",
                });
            }
            told.tell(args.one.json)
        }
        Err(failed) => Err(failure(&address, failed)),
    }
}

/// Has services asked whether connections work.
pub(crate) fn test(args: &TestArgs, world: &World) -> Result<Exit, Failure> {
    let addresses = match &args.name {
        Some(word) => vec![named(word, &args.scope)?],
        None => all(world)?,
    };
    let mut outcomes = Vec::new();
    for address in addresses {
        let asked = asked(Task::Test, &address, ("connection test", args.allow_protected));
        let (outcome, ended_by) = carry_out(&asked, world)?;
        if let Some(number) = ended_by {
            // The one that was under way has ended well; the next ones are not begun.
            return Err(Failure::Told(Exit::signal(number)));
        }
        outcomes.push((address, outcome));
    }
    if args.json {
        let objects: Vec<Map<String, Value>> = outcomes.iter().map(outcome_json).collect();
        match (args.all, objects.first()) {
            (false, Some(object)) => out::stdout(to_line(object)?)?,
            _ => out::stdout(json_lines(&objects)?)?,
        }
    } else if args.all {
        let mut lines = vec![["NAME", "SCOPE", "OUTCOME", ""].map(str::to_owned).to_vec()];
        lines.extend(outcomes.iter().map(outcome_cells));
        out::stdout(text(&lines))?;
    } else {
        for (address, outcome) in outcomes {
            let done = outcome.map_err(|failed| failure(&address, failed))?;
            about(&address, &done_words(&done)).tell(false)?;
        }
        return Ok(Exit::OK);
    }
    Ok(worst(&outcomes))
}

/// All connections that runs may use.
fn all(world: &World) -> Result<Vec<Address>, Failure> {
    let types = connections::types(world)?;
    let rows = rows(&types, "connection test", world)?;
    let usable = rows.into_iter().filter(|row: &Row<'_>| row.state != State::Disabled);
    Ok(usable.map(|row| row.info.info.address).collect())
}

fn asked(task: Task, address: &Address, (command, allow_protected): (&str, bool)) -> Request {
    Request { allow_protected, ..request(task, &address.reference, &address.scope, command) }
}

type Outcome = Result<Done, Failed>;

/// Has the broker do it, shows what it says, and passes signals on to it; the last of these goes with what
/// was done all the same.
fn carry_out(request: &Request, world: &World) -> Result<(Outcome, Option<i32>), Failure> {
    let runtime = load::runtime()?;
    runtime.block_on(async {
        let mut signals = Signals::listen(STOPPING)?;
        let (broker, cancel) = (Broker::new(world), Notify::new());
        let mut ended_by = None;
        let mut show = |event: Event| tell(&event, world);
        let mut answer = std::pin::pin!(broker.ask(request, &mut show, &cancel));
        loop {
            tokio::select! {
                outcome = &mut answer => {
                    return match (outcome, ended_by) {
                        (Err(_), Some(number)) => Err(Failure::Told(Exit::signal(number))),
                        (outcome, ended_by) => Ok((outcome, ended_by)),
                    };
                }
                number = signals.next() => {
                    ended_by = Some(number);
                    cancel.notify_one();
                }
            }
        }
    })
}

/// Shows what the broker says on the way.
fn tell(event: &Event, world: &World) {
    let say = |text: String| out::stderr(&text);
    match event {
        Event::OpenUrl { url, within_s } => {
            let how = if open(url, world) { "The browser opens" } else { "Open in a browser" };
            let url = shown(url);
            say(format!("{how}, within {}:\n\n  {url}\n\n", minutes(*within_s)));
        }
        Event::UserCode { url, complete_url, code, within_s } => {
            let (within, url, code) = (minutes(*within_s), shown(url), shown(code));
            say(format!(
                "On any device, within {within}, open\n\n  {url}\n\nand type the code\n\n  {code}\n\n"
            ));
            if let Some(url) = complete_url {
                say(format!("or open at once\n\n  {}\n\n", shown(url)));
            }
        }
        Event::Note(note) => say(format!("note: {}\n", shown(note))),
        // The client answers the one and returns the others.
        Event::Ask { .. } | Event::Done(_) | Event::Failed(_) => {}
    }
}

/// How long a person has.
fn minutes(seconds: u64) -> String {
    match seconds.div_ceil(60) {
        1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

/// Opens the browser, where there is one; whether that was tried. The address holds nothing that could
/// be used without what the broker keeps.
fn open(url: &str, world: &World) -> bool {
    let has_screen = world.var("DISPLAY").or_else(|| world.var("WAYLAND_DISPLAY")).is_some();
    let browser = world.var("BROWSER").map(ToOwned::to_owned);
    let Some(program) = browser.or_else(|| has_screen.then(|| "xdg-open".into())) else {
        return false;
    };
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}

fn done_words(done: &Done) -> String {
    let until = |end: &Option<u64>| {
        end.map(|end| format!(" until {} UTC", minute(moment(end)))).unwrap_or_default()
    };
    match done {
        Done::Authorized { expires, .. } => format!("authorized, access{}", until(expires)),
        Done::Refreshed { expires } => format!("refreshed, access{}", until(expires)),
        Done::StillFresh { expires } => format!("still fresh, access{}", until(expires)),
        Done::Works { shows: Some(who) } => format!("works: {}", shown(who)),
        Done::Works { shows: None } => "works".to_owned(),
        Done::NotTested { why } => format!("not tested: {}", shown(why)),
        Done::Revoked { at_service: true } => "revoked".to_owned(),
        Done::Revoked { at_service: false } => "tokens forgotten".to_owned(),
    }
}

fn done_word(done: &Done) -> &'static str {
    match done {
        Done::Authorized { .. } => "authorized",
        Done::Refreshed { .. } => "refreshed",
        Done::StillFresh { .. } => "still_fresh",
        Done::Works { .. } => "works",
        Done::NotTested { .. } => "not_tested",
        Done::Revoked { .. } => "revoked",
    }
}

fn failed_word(kind: FailedKind) -> &'static str {
    match kind {
        FailedKind::Unusable => "unusable",
        FailedKind::Refused => "refused",
        FailedKind::Unavailable => "unavailable",
        FailedKind::Cancelled => "cancelled",
        FailedKind::Broken => "broken",
    }
}

fn ends(done: &Done) -> Option<u64> {
    match done {
        Done::Authorized { expires, .. }
        | Done::Refreshed { expires }
        | Done::StillFresh { expires } => *expires,
        Done::Works { .. } | Done::NotTested { .. } | Done::Revoked { .. } => None,
    }
}

fn exit(kind: FailedKind) -> Exit {
    match kind {
        FailedKind::Refused | FailedKind::Unavailable | FailedKind::Cancelled => Exit::FOUND,
        FailedKind::Unusable => Exit::SECRETS,
        FailedKind::Broken => Exit::ENGINE,
    }
}

fn failure(address: &Address, failed: Failed) -> Failure {
    let Failed { kind, message, help } = failed;
    let failure = Failure::new(exit(kind), format!("{}: {message}", name(address)));
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// The worst outcome decides: what is broken, then what cannot be used, then what does not work.
fn worst(outcomes: &[(Address, Outcome)]) -> Exit {
    let kinds = || outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().err());
    let worst = [
        FailedKind::Broken,
        FailedKind::Unusable,
        FailedKind::Refused,
        FailedKind::Unavailable,
        FailedKind::Cancelled,
    ];
    let found = worst.into_iter().find(|kind| kinds().any(|failed| failed.kind == *kind));
    found.map_or(Exit::OK, exit)
}

fn outcome_cells((address, outcome): &(Address, Outcome)) -> Vec<String> {
    let (word, words) = match outcome {
        Ok(Done::Works { shows }) => ("works", shown(shows.as_deref().unwrap_or_default())),
        Ok(done) => ("not tested", done_words(done)),
        Err(failed) => (failed_word(failed.kind), shown(&failed.message)),
    };
    vec![name(address).to_owned(), place(&address.scope), word.to_owned(), words]
}

fn outcome_json((address, outcome): &(Address, Outcome)) -> Map<String, Value> {
    let mut object = names(address);
    let (word, shows) = match outcome {
        Ok(Done::Works { shows }) => ("works", shows.clone()),
        Ok(done) => (done_word(done), None),
        Err(failed) => (failed_word(failed.kind), None),
    };
    let failed = outcome.as_ref().err();
    object.insert("outcome".to_owned(), json!(word));
    object.insert("shows".to_owned(), json!(shows));
    object.insert("message".to_owned(), json!(failed.map(|failed| &failed.message)));
    object.insert("help".to_owned(), json!(failed.and_then(|failed| failed.help.as_ref())));
    object
}
