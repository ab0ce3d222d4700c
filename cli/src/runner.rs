//! The runner: does for the process that listens what that one cannot, since it has no key.
//!
//! It is asked in JSON lines ([`subrosa_server::channel`]), answers in any order, and ends when nobody can
//! ask any more. Values come sealed to a key that it made; none goes back. Signals that ask people's programs
//! to stop are for the process that listens, which ends our input when it is time.

mod audit;
mod connections;
mod environments;
mod grants;
mod hooks;
mod keys;
mod line;
mod order;
pub(crate) mod process;
mod refusal;
mod runs;
mod secrets;

pub(crate) use connections::PRIVATE_HOSTS;

use std::ffi::OsString;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use subrosa_registry::{Actor, Admin};
use subrosa_server::channel::hooks::{Deliver, HooksCall};
use subrosa_server::channel::runs::{RunsCall, StopRun};
use subrosa_server::channel::{
    Ask, Asked, By, Call, LINE_LEN_MAX, Refusal, RefusalKind, Said, UnsealingKey,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use self::hooks::Replays;
use self::runs::Runs;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::guard::ignore;
use crate::load;
use crate::out;
use crate::registry::OpenSecrets;
use crate::signals;
use crate::wiring::{Named, World};

/// The hidden command.
pub(crate) const WORD: &str = "__runner";

/// The hidden command for one run.
pub(crate) const RUN_WORD: &str = process::WORD;

/// Questions that are looked at, at the same time.
const AT_ONCE: usize = 32;
/// Those among them that wait for services elsewhere: they have room of their own, so that a service that does not
/// answer holds up nobody who only wants to see or store something.
const SERVICES_AT_ONCE: usize = 64;
/// Calls of services that are judged, or whose run is being started, at the same time. They wait for secrets of
/// the run, and are not to hold up anything else.
const HOOKS_AT_ONCE: usize = 64;

/// What answers need.
struct Runner {
    secrets: OpenSecrets,
    world: World,
    key: UnsealingKey,
    clock: fn() -> std::time::SystemTime,
    runs: Arc<Runs>,
    /// What callers of hooks have to show where workflows say nothing.
    hook_credentials: Option<PathBuf>,
    replays: Replays,
    hook_room: Arc<Semaphore>,
    services: connections::Services,
}

impl Runner {
    /// The hand of whoever asked; `command` is what the audit log says.
    fn admin(&self, by: &By, command: &str) -> Admin<'_> {
        let actor =
            Actor { user: by.user.clone(), command: command.to_owned(), ..Actor::default() };
        let mut admin = self.secrets.registry.admin(actor);
        admin.allow_protected = by.allow_protected;
        admin
    }
}

/// What a runner is started with.
pub(crate) struct Task {
    /// The folder with the workflow files.
    pub(crate) folder: PathBuf,
    /// How long runs may go on once the server was asked to stop.
    pub(crate) grace: Duration,
    /// What callers of hooks have to show where workflows say nothing.
    pub(crate) hook_credentials: Option<PathBuf>,
}

impl Task {
    /// As the words after the hidden one.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let grace = self.grace.as_millis().to_string();
        let mut words: Vec<OsString> = vec![self.folder.clone().into(), grace.into()];
        words.extend(self.hook_credentials.clone().map(OsString::from));
        words
    }

    fn parse(words: &[OsString]) -> Option<Task> {
        let (folder, grace, credentials) = match words {
            [folder, grace] => (folder, grace, None),
            [folder, grace, credentials] => (folder, grace, Some(credentials)),
            _ => return None,
        };
        let grace = Duration::from_millis(grace.to_str()?.parse().ok()?);
        Some(Task {
            folder: folder.into(),
            grace,
            hook_credentials: credentials.map(PathBuf::from),
        })
    }
}

/// Serves whoever started us.
pub(crate) fn run(words: &[OsString], opener: for<'a> fn(&'a World) -> Opener<'a>) -> Exit {
    let Some(task) = Task::parse(words) else { return Exit::USAGE };
    match serve(task, opener) {
        Ok(()) => Exit::OK,
        Err(failure) => failure.tell(out::stderr),
    }
}

fn serve(task: Task, opener: for<'a> fn(&'a World) -> Opener<'a>) -> Result<(), Failure> {
    let Task { folder, grace, hook_credentials } = task;
    let world = World::snapshot(Named::default())?;
    let secrets = opener(&world).open_secrets()?;
    unlock(&secrets)?;
    let clock = world.clock;
    let deaf = ignore(&[signals::INT, signals::TERM, signals::HUP, signals::QUIT]);
    let runs = Arc::new(Runs::new(folder, world.executable.clone(), world.clock));
    let key = UnsealingKey::generate();
    let services = connections::Services::new(&world)?;
    let (replays, hook_room) = (Replays::default(), Arc::new(Semaphore::new(HOOKS_AT_ONCE)));
    let runner = Arc::new(Runner {
        secrets,
        world,
        key,
        clock,
        runs,
        hook_credentials,
        replays,
        hook_room,
        services,
    });
    say(&Said::Ready { key: runner.key.sealing_key() });
    let runtime = load::runtime()?;
    let (sender, mut questions) = mpsc::channel(AT_ONCE);
    thread::spawn(move || listen(&sender));
    runtime.block_on(async {
        let room = Room::new();
        while let Some(asked) = questions.recv().await {
            if matches!(asked.call, Call::Runs(RunsCall::Finish(_))) {
                finish(&runner.runs, &mut questions, grace).await;
                break;
            }
            take(&runner, &room, asked).await;
        }
        // Nobody steers what still goes on.
        runner.runs.stop_all().await;
        // What was begun is finished.
        for (room, all) in [
            (&room.quick, AT_ONCE),
            (&room.services, SERVICES_AT_ONCE),
            (&runner.hook_room, HOOKS_AT_ONCE),
        ] {
            let all = u32::try_from(all).unwrap_or(u32::MAX);
            room.acquire_many(all).await.map(drop).ok();
        }
    });
    drop(deaf);
    Ok(())
}

/// Lets runs go on until they have ended, their time is over, or nobody is there any more.
async fn finish(runs: &Runs, questions: &mut mpsc::Receiver<Asked>, grace: Duration) {
    runs.finish();
    tokio::select! {
        () = runs.ended() => {}
        () = tokio::time::sleep(grace) => {}
        () = async { while questions.recv().await.is_some() {} } => {}
    }
}

/// Room for what is looked at.
struct Room {
    quick: Arc<Semaphore>,
    services: Arc<Semaphore>,
}

impl Room {
    fn new() -> Room {
        let (quick, services) = (Semaphore::new(AT_ONCE), Semaphore::new(SERVICES_AT_ONCE));
        Room { quick: Arc::new(quick), services: Arc::new(services) }
    }

    /// Waits for a place, unless those who have one wait for services themselves.
    async fn place(&self, call: &Call) -> Option<OwnedSemaphorePermit> {
        match call {
            Call::Connections(call) if connections::waits_for_a_service(call) => {
                self.services.clone().try_acquire_owned().ok()
            }
            _ => self.quick.clone().acquire_owned().await.ok(),
        }
    }
}

/// Has a question answered.
async fn take(runner: &Arc<Runner>, room: &Room, Asked { id, by, call }: Asked) {
    let runner = runner.clone();
    match call {
        Call::Runs(RunsCall::StartRun(asked)) => {
            tokio::spawn(
                async move { runner.runs.clone().start(id, by, asked, &runner.key).await },
            );
        }
        Call::Runs(RunsCall::StopRun(asked)) => {
            reply::<StopRun>(id, Ok(runner.runs.stop(&asked)));
        }
        Call::Runs(RunsCall::Finish(_)) => {}
        Call::Hooks(HooksCall::Deliver(asked)) => {
            let Ok(held) = runner.hook_room.clone().try_acquire_owned() else {
                return reply::<Deliver>(id, Err(refusal::busy_hooks()));
            };
            tokio::spawn(async move {
                let delivered = hooks::deliver(&runner, &by, asked).await;
                reply::<Deliver>(id, delivered);
                drop(held);
            });
        }
        call => {
            let Some(held) = room.place(&call).await else {
                return say(&Said::Refused { id, refusal: refusal::busy() });
            };
            tokio::task::spawn_blocking(move || {
                answer(&runner, id, &by, call);
                drop(held);
            });
        }
    }
}

/// Asks for what opens the registry while there is somebody at the terminal; without a registry, nothing.
fn unlock(secrets: &OpenSecrets) -> Result<(), Failure> {
    if secrets.registry.exists()? {
        secrets.registry.admin(Actor::default()).environments()?;
    }
    Ok(())
}

/// Hands on what is asked until nobody can ask any more.
fn listen(asked: &mpsc::Sender<Asked>) {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut input).take(LINE_LEN_MAX).read_until(b'\n', &mut line);
        if !matches!(read, Ok(length) if length > 0) {
            return;
        }
        // What is not understood comes from another version, and has no number to answer to.
        let Ok(one) = serde_json::from_slice(&line) else { return };
        if asked.blocking_send(one).is_err() {
            return;
        }
    }
}

fn say(said: &Said) {
    let Ok(mut line) = serde_json::to_vec(said) else { return };
    line.push(b'\n');
    let mut output = io::stdout().lock();
    // Whoever asked may be gone.
    output.write_all(&line).and_then(|()| output.flush()).ok();
}

fn answer(runner: &Runner, id: u64, by: &By, call: Call) {
    match call {
        Call::Secrets(call) => secrets::answer(runner, id, by, call),
        // These wait for processes, and are looked at before.
        Call::Runs(_) | Call::Hooks(_) => {}
        Call::Connections(call) => connections::answer(runner, id, by, call),
        Call::Environments(call) => environments::answer(runner, id, by, call),
        Call::Audit(call) => audit::answer(runner, id, call),
        Call::Keys(call) => keys::answer(runner, id, call),
    }
}

/// Says what came of a question.
fn reply<A: Ask>(id: u64, outcome: Result<A::Answer, Refusal>) {
    let said = outcome.and_then(|answer| {
        let answer = serde_json::value::to_raw_value(&answer).map_err(|_| Refusal {
            kind: RefusalKind::Broken,
            message: "the answer cannot be written".to_owned(),
            help: None,
        })?;
        Ok(Said::Answer { id, answer })
    });
    say(&said.unwrap_or_else(|refusal| Said::Refused { id, refusal }));
}
