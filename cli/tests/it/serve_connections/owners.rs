//! The runner, asked as the process that listens asks it: a grant belongs to who began it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::Value;
use subrosa_server::channel::connections::{
    BeginGrant, CancelGrant, GrantView, GrantWay, ListTypes, LookAtGrant, ReturnToGrant,
};
use subrosa_server::channel::{
    Ask, Asked, By, Refusal, RefusalKind, Said, ScopeName, Sealed, SealingKey,
};

use crate::connection_oauth::service::Service;
use crate::program::Place;

/// A runner.
struct Runner {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    key: SealingKey,
}

impl Runner {
    fn start(place: &Place) -> Runner {
        let mut command = place.command(&["__runner", ".", "1000"]);
        command.env("SUBROSA_ALLOW_PRIVATE_HOSTS", "127.0.0.1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let Said::Ready { key } = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        Runner { child, input, output, key }
    }

    fn send<A: Ask>(&mut self, id: u64, ask: A) {
        let by = By { user: "somebody".to_owned(), allow_protected: false };
        let asked = Asked { id, by, call: ask.into_call() };
        writeln!(self.input, "{}", serde_json::to_string(&asked).unwrap()).unwrap();
    }

    fn said(&mut self) -> Said {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.contains("canary"), "{line}");
        serde_json::from_str(&line).unwrap()
    }

    fn ask<A: Ask>(&mut self, ask: A) -> Result<A::Answer, Refusal> {
        self.send(1, ask);
        match self.said() {
            Said::Answer { answer, .. } => Ok(serde_json::from_str(answer.get()).unwrap()),
            Said::Refused { refusal, .. } => Err(refusal),
            Said::Ready { .. } => panic!("it was ready before"),
        }
    }

    fn begin(&mut self, owner: &str) -> GrantView {
        let way = GrantWay::Browser("https://flows.example/oauth/callback".to_owned());
        let (name, scope, owner) = ("m".to_owned(), ScopeName::default(), owner.to_owned());
        self.ask(BeginGrant { name, scope, way, owner }).unwrap()
    }

    fn come_back(&mut self, owner: &str, query: &str) -> Result<GrantView, Refusal> {
        let query = Sealed::seal(query.as_bytes(), &self.key).unwrap();
        self.ask(ReturnToGrant { owner: owner.to_owned(), query })
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn state(grant: &GrantView) -> String {
    let (_, query) = grant.url.as_ref().unwrap().split_once("&state=").unwrap();
    query.split('&').next().unwrap().to_owned()
}

#[test]
fn another_session_can_neither_look_nor_come_back_nor_cancel() {
    let service = Service::start();
    let place = service.place();
    let mut runner = Runner::start(&place);
    let begun = runner.begin("mine");
    let query = format!("code=code-canary&state={}", state(&begun));
    let not_found = |refused: Result<Value, Refusal>| {
        assert_eq!(refused.unwrap_err().kind, RefusalKind::NotFound);
    };
    let (id, owner) = (begun.id.clone(), "yours".to_owned());
    not_found(runner.come_back("yours", &query).map(|_| Value::Null));
    not_found(
        runner.ask(LookAtGrant { id: id.clone(), owner: owner.clone() }).map(|_| Value::Null),
    );
    not_found(runner.ask(CancelGrant { id: id.clone(), owner }).map(|()| Value::Null));
    assert_eq!(service.count("/token"), 0);
    // Nothing of that has spent it.
    let mine = runner.ask(LookAtGrant { id, owner: "mine".to_owned() }).unwrap();
    assert_eq!(mine.state, "waiting");
    assert_eq!(runner.come_back("mine", &query).unwrap().state, "granted");
    not_found(runner.come_back("mine", &query).map(|_| Value::Null));
    assert_eq!(service.count("/token"), 1);
}

#[test]
fn answers_of_two_grants_are_not_mixed_up() {
    let service = Service::start();
    let place = service.place();
    let mut runner = Runner::start(&place);
    let (one, other) = (runner.begin("mine"), runner.begin("mine"));
    assert_ne!((one.id.as_str(), state(&one)), (other.id.as_str(), state(&other)));
    let came = runner.come_back("mine", &format!("code=code-canary&state={}", state(&other)));
    let came = came.unwrap();
    assert_eq!((came.id, came.state), (other.id, "granted".to_owned()));
    let (id, owner) = (one.id, "mine".to_owned());
    assert_eq!(runner.ask(LookAtGrant { id, owner }).unwrap().state, "waiting");
}

/// More than the runner answers at the same time of what is quick.
const MANY: u64 = 40;

#[test]
fn services_that_do_not_answer_hold_up_nobody_else() {
    let service = Service::start();
    let place = service.place();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = place.path().join("home/connection-types/own.yaml");
    let declared = std::fs::read_to_string(path).unwrap();
    let device = format!("http://{}/device", silent.local_addr().unwrap());
    let declared = declared.replace(&format!("{}/device", service.url()), &device);
    place.write("home/connection-types/own.yaml", &declared);
    let mut runner = Runner::start(&place);
    for id in 1..=MANY {
        let (name, scope, way) = ("m".to_owned(), ScopeName::default(), GrantWay::Device);
        runner.send(id, BeginGrant { name, scope, way, owner: format!("owner {id}") });
    }
    // Each is waited for: the first answer is to what was asked last.
    runner.send(MANY + 1, ListTypes {});
    let said = runner.said();
    assert!(matches!(&said, Said::Answer { id, .. } if *id == MANY + 1), "{said:?}");
}
