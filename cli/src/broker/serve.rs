//! The broker itself: does one thing with one connection, tells how it went, and ends.
//!
//! It ignores the signals that ask to stop, leads a process group of its own, and heeds the end of the
//! line to whoever asked only where nothing was begun with a service. A refresh token that was sent is
//! thus exchanged and stored by a process that nobody had a reason to kill.

use std::sync::{Arc, Mutex};

use subrosa_connections::keeper::{Elsewhere, Keeper, address_of};
use subrosa_connections::protocol::{Event, Failed, FailedKind, Request};
use subrosa_http::{Private, Reach};
use subrosa_registry::{Actor, Ask, KeyError};

use super::link::Link;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::guard::ignore;
use crate::signals;
use crate::wiring::{Named, World};
use crate::{connections, load};

/// Serves whoever started us.
pub(crate) fn serve(opener: for<'a> fn(&'a World) -> Opener<'a>) -> Exit {
    let deaf = ignore(&[signals::INT, signals::TERM, signals::HUP, signals::QUIT]);
    let Some((request, link)) = Link::open() else { return Exit::USAGE };
    let link = Arc::new(link);
    let end = match carry_out(&request, &link, opener) {
        Ok(event) => event,
        Err(failure) => {
            let (message, help) = failure.parts();
            let (message, help) = (message.to_owned(), help.map(str::to_owned));
            Event::Failed(Failed { kind: FailedKind::Broken, message, help })
        }
    };
    link.say(&end);
    drop(deaf);
    Exit::OK
}

fn carry_out(
    request: &Request,
    link: &Arc<Link>,
    opener: for<'a> fn(&'a World) -> Opener<'a>,
) -> Result<Event, Failure> {
    let mut world = World::snapshot(Named::default())?;
    let asked = link.clone();
    world.asks = Some(Arc::new(move |ask| match ask {
        Ask::Existing { place } => asked.passphrase(&place).ok_or_else(|| KeyError::Source {
            place,
            why: "nobody was there to ask for the passphrase".to_owned(),
        }),
        Ask::New { place } => {
            let why = "a new key is not made here".to_owned();
            Err(KeyError::Source { place, why })
        }
    }));
    let address = match address_of(request) {
        Ok(address) => address,
        Err(failed) => return Ok(Event::Failed(failed)),
    };
    let told = link.clone();
    let reach = reach(request)?;
    let back = link.back();
    let elsewhere = request.redirect.clone().map(|redirect| Elsewhere { redirect, back });
    let keeper = Keeper {
        registry: opener(&world).open_secrets()?.registry,
        types: connections::types(&world)?,
        actor: Actor {
            user: request.user.clone().unwrap_or_else(|| world.user()),
            command: request.command.clone(),
            run: request.run.clone(),
            ..Actor::default()
        },
        allow_protected: request.allow_protected,
        http: connections::http(&world, &reach),
        clock: world.clock,
        tell: Arc::new(move |event| told.say(&event)),
        reach,
        elsewhere: Mutex::new(elsewhere),
    };
    let runtime = load::runtime()?;
    let gone = link.gone.clone();
    let work = keeper.carry_out(request.task, &address, async move { gone.notified().await });
    let done = runtime.block_on(Box::pin(work));
    runtime.shutdown_background();
    Ok(match done {
        Ok(done) => Event::Done(done),
        Err(failed) => Event::Failed(failed),
    })
}

/// Which addresses may be connected to.
fn reach(request: &Request) -> Result<Reach, Failure> {
    let Some(hosts) = &request.private_hosts else { return Ok(Reach::Anywhere) };
    let hosts: Result<Vec<Private>, _> = hosts.iter().map(|text| Private::parse(text)).collect();
    let hosts =
        hosts.map_err(|why| Failure::usage(format!("a host that may be private: {why}")))?;
    Ok(Reach::Public(hosts.into()))
}
