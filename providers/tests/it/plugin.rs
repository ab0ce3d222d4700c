//! Plugins: what is said to them and what their answers mean, with one that answers by rote; and, with the
//! feature `real-tools`, the example in Python.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use subrosa_engine::provider::{
    Checked, Client, Identity, Provider, ProviderError, ProviderErrorKind, ResolveContext, Retry,
    SecretRequest,
};
use subrosa_providers::find_plugin;
use tempfile::TempDir;

use crate::asking::{fetch_all, in_runtime, plain, request};
use crate::conformance::context;

const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/plugin-stand-in");
const HELLO: &str = r#"{"type":"hello","protocol":1,"batch":10,"check":true,"login":["address"]}"#;
const OPENED: &str = r#"{"type":"opened"}"#;

/// `canary` in base64.
const CANARY: &str = r#"{"type":"value","id":1,"value":"Y2FuYXJ5"}"#;

/// A plugin `rote` with its turns; at an empty one it says nothing.
struct Place(TempDir);

impl Place {
    fn new(turns: &[&str]) -> Place {
        let place = Place(TempDir::new().unwrap());
        symlink(STAND_IN, place.0.path().join("subrosa-provider-rote")).unwrap();
        for (index, turn) in turns.iter().enumerate().filter(|(_, turn)| !turn.is_empty()) {
            fs::write(place.0.path().join(format!("turn.{}", index + 1)), format!("{turn}\n"))
                .unwrap();
        }
        place
    }

    fn exits_at(self, turn: usize, code: u8) -> Place {
        fs::write(self.0.path().join(format!("exit.{turn}")), code.to_string()).unwrap();
        self
    }

    fn provider(&self) -> Arc<dyn Provider> {
        find_plugin("rote", self.0.path().as_os_str()).unwrap()
    }

    fn context(&self) -> ResolveContext {
        context(&[], &[("PATH", b"/usr/bin:/bin")], &[self.0.path().to_path_buf()])
    }

    fn fetch(&self, requests: &[SecretRequest]) -> Vec<Result<Vec<u8>, ProviderError>> {
        let answers = fetch_all(&self.provider(), &self.context(), requests);
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        answers
    }

    /// What one request is refused with, whether the plugin closed well or not.
    fn refusal(&self, asked: SecretRequest) -> ProviderError {
        in_runtime(async {
            let client = match self.provider().open(&self.context(), &Identity::default()).await {
                Ok(client) => client,
                Err(error) => return error,
            };
            let error = client.fetch(&asked).await.unwrap_err();
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            error
        })
    }

    /// What each process heard, in any order of processes.
    fn heard(&self) -> Vec<Vec<String>> {
        let entries = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path());
        let heard =
            |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("heard.");
        let lines =
            |path: PathBuf| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
        entries.filter(heard).map(lines).collect()
    }
}

fn check_refused(turns: &[&str], kind: ProviderErrorKind, message: &str) {
    let error = Place::new(turns).refusal(request("key", &[]));
    assert_eq!((error.kind, error.message.as_str()), (kind, message), "{turns:?}");
}

#[test]
fn a_plugin_is_an_executable_of_that_name_in_an_absolute_folder() {
    let place = Place::new(&[]);
    let path = place.0.path().as_os_str();
    assert_eq!(find_plugin("rote", path).unwrap().name(), "rote");
    for name in ["", "other", "Rote", "../rote", "-rote", "ro te", "rote/", &"r".repeat(65)] {
        assert!(find_plugin(name, path).is_none(), "{name}");
    }
    fs::write(place.0.path().join("subrosa-provider-"), "").unwrap();
    fs::write(place.0.path().join("subrosa-provider-text"), "").unwrap();
    assert!(find_plugin("", path).is_none());
    assert!(find_plugin("text", path).is_none(), "it is not executable");
    assert!(find_plugin("rote", OsStr::new("")).is_none());
    assert!(find_plugin("rote", OsStr::new(".:relative")).is_none());
}

#[test]
fn values_come_in_any_order_and_questions_go_together() {
    let both = r#"{"type":"value","id":2,"value":"dHdv"}
{"type":"value","id":1,"value":"b25l","note":"ignored"}"#;
    let place = Place::new(&[HELLO, OPENED, both]);
    let options = [("address", "https://x"), ("extra", "1")];
    let asked = [request("a", &options), request("b", &options)];
    assert_eq!(place.fetch(&asked), [Ok(b"one".to_vec()), Ok(b"two".to_vec())]);
    let heard = place.heard();
    let said: Vec<Value> =
        heard[0][..4].iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let wanted = |id: u64, key: &str| json!({"id": id, "name": "NAME", "key": key, "options": {"address": "https://x", "extra": "1"}});
    let expected = [
        json!({"type": "hello", "protocol": 1, "provider": "rote"}),
        json!({"type": "open", "login": {"address": "https://x"}, "timeout_ms": 4750}),
        json!({"type": "fetch", "timeout_ms": 4750, "requests": [wanted(1, "a"), wanted(2, "b")]}),
        json!({"type": "close"}),
    ];
    assert_eq!(said, expected);
    assert_eq!((heard.len(), heard[0].len(), heard[0][4].as_str()), (1, 5, "end"));
}

#[test]
fn a_run_has_one_process_for_each_login() {
    let place = Place::new(&[HELLO, OPENED, CANARY]);
    let one = request("a", &[("address", "one")]);
    let other = request("a", &[("address", "other"), ("extra", "1")]);
    assert_eq!(place.fetch(&[one, other]), [Ok(b"canary".to_vec()), Ok(b"canary".to_vec())]);
    assert_eq!(place.heard().len(), 2);
    let place = Place::new(&[HELLO, OPENED, CANARY, r#"{"type":"value","id":2,"value":""}"#]);
    let asked = ["1", "2"].map(|extra| request("a", &[("extra", extra)]));
    in_runtime(async {
        let client = place.provider().open(&place.context(), &Identity::default()).await.unwrap();
        assert_eq!(plain(&client.fetch(&asked[0]).await.unwrap()), b"canary");
        assert_eq!(plain(&client.fetch(&asked[1]).await.unwrap()), b"");
        client.close().await.unwrap();
    });
    assert_eq!(place.heard().len(), 1);
}

#[test]
fn values_are_bytes_up_to_a_mebibyte() {
    use std::fmt::Write;
    let check = |bytes: &[u8]| {
        let mut value = String::new();
        // With an escape, which base64 has where JSON libraries protect `/`.
        write!(value, "{}", data_encoding::BASE64.encode(bytes).replace('/', "\\/")).unwrap();
        let said = format!(r#"{{"type":"value","id":1,"value":"{value}"}}"#);
        let place = Place::new(&[HELLO, OPENED, &said]);
        place.fetch(&[request("key", &[])]).remove(0)
    };
    for bytes in [b"".as_slice(), b"a\r\n\n", b"\xff\xfe\xff\xff", &vec![b'x'; 1 << 20]] {
        assert_eq!(check(bytes).as_deref(), Ok(bytes));
    }
    let error = check(&vec![b'x'; (1 << 20) + 1]).unwrap_err();
    assert_eq!(error.message, "plugin `subrosa-provider-rote` sent a value of more than 1 MiB");
    let error = check(b"can\0ary").unwrap_err();
    assert_eq!(error.message, "the value of `key` holds a NUL byte");
}

#[test]
fn errors_of_a_plugin_have_kinds_and_say_whether_to_try_again() {
    let check = |fields: &str, expected: (ProviderErrorKind, &str, Retry)| {
        let said = format!(r#"{{"type":"error","id":1,{fields}}}"#);
        let error = Place::new(&[HELLO, OPENED, &said]).refusal(request("key", &[]));
        assert_eq!((error.kind, error.message.as_str(), error.retry), expected);
    };
    use ProviderErrorKind as Kind;
    check(
        r#""kind":"not-found","message":"no such key""#,
        (Kind::NotFound, "no such key", Retry::Never),
    );
    check(r#""kind":"denied","message":"no""#, (Kind::Denied, "no", Retry::Never));
    check(
        r#""kind":"unauthenticated","message":"no""#,
        (Kind::Unauthenticated, "no", Retry::Never),
    );
    check(r#""kind":"invalid-request","message":"no""#, (Kind::InvalidRequest, "no", Retry::Never));
    check(r#""kind":"timed-out","message":"no""#, (Kind::TimedOut, "no", Retry::Never));
    check(
        r#""kind":"malformed","message":"a\u001b[1m\nb""#,
        (Kind::Malformed, "a [1m b", Retry::Never),
    );
    check(
        r#""kind":"unavailable","message":"busy","retry":true"#,
        (Kind::Unavailable, "busy", Retry::Later),
    );
    check(
        r#""kind":"unavailable","message":"busy","retry_after_ms":1500"#,
        (Kind::Unavailable, "busy", Retry::After(Duration::from_millis(1500))),
    );
    check(r#""kind":"denied""#, (Kind::Denied, "the plugin does not say why", Retry::Never));
    check(
        r#""kind":"canary","message":"canary""#,
        (
            Kind::Malformed,
            "plugin `subrosa-provider-rote` told an error of a kind that there is not",
            Retry::Never,
        ),
    );
}

#[test]
fn an_option_that_a_plugin_repeats_is_hidden() {
    let said = r#"{"type":"error","id":1,"kind":"denied","message":"token canary-token is bad","help":"not canary-token"}"#;
    let asked = request("key", &[("token", "canary-token"), ("on", "to")]);
    let error = Place::new(&[HELLO, OPENED, said]).refusal(asked);
    assert_eq!(error.message, "token ******* is bad");
    assert_eq!(error.help.as_deref(), Some("not *******"));
    let said = r#"{"type":"error","kind":"unauthenticated","message":"canary-address is down"}"#;
    let asked = request("key", &[("address", "canary-address")]);
    let error = Place::new(&[HELLO, said]).refusal(asked);
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ProviderErrorKind::Unauthenticated, "******* is down")
    );
}

#[test]
fn what_is_no_message_ends_the_plugin() {
    let check = |turns: &[&str], what: &str| {
        let message = format!("plugin `subrosa-provider-rote` {what}");
        check_refused(turns, ProviderErrorKind::Malformed, &message);
    };
    check(&["canary"], "did not say hello in JSON");
    check(&[OPENED], "did not say hello in JSON");
    check(&[r#"{"type":"hello","protocol":2}"#], "speaks protocol 2, and this subrosa 1");
    check(&[r#"{"type":"hello"}"#], "speaks protocol none, and this subrosa 1");
    check(&[HELLO, "canary"], "answered the login with no message of the protocol");
    check(&[HELLO, HELLO], "answered the login with no message of the protocol");
    check(&[HELLO, OPENED, "canary"], "sent a line that is no message");
    check(
        &[HELLO, OPENED, r#"{"type":"value","id":7,"value":""}"#],
        "answered what it was not asked",
    );
    check(&[HELLO, OPENED, r#"{"type":"value","value":""}"#], "answered what it was not asked");
    check(&[HELLO, OPENED, r#"{"type":"value","id":1}"#], "sent a value without `value`");
    let said = r#"{"type":"value","id":1,"value":"canary!"}"#;
    check(&[HELLO, OPENED, said], "sent a value that is no base64");
    let said = r#"{"type":"canary","id":1}"#;
    check(&[HELLO, OPENED, said], "sent a message that the protocol does not have");
    let said = r#"{"type":"checked","id":1,"found":"readable"}"#;
    check(&[HELLO, OPENED, said], "checked what was to fetch");
    let endless = "x".repeat(5 << 20);
    check(&[HELLO, OPENED, &endless], "sent a line of more than 2 MiB");
}

#[test]
fn a_plugin_that_ends_fails_all_that_it_was_asked() {
    let message = "plugin `subrosa-provider-rote` ended with exit status: 3 while it was needed";
    for (turns, at) in [(&[][..], 1), (&[HELLO], 2), (&[HELLO, OPENED], 3)] {
        let error = Place::new(turns).exits_at(at, 3).refusal(request("key", &[]));
        assert_eq!((error.kind, error.message.as_str()), (ProviderErrorKind::Unavailable, message));
    }
    let place = Place::new(&[HELLO, OPENED]).exits_at(3, 3);
    in_runtime(async {
        let client: Arc<dyn Client> =
            place.provider().open(&place.context(), &Identity::default()).await.unwrap().into();
        let ask = |key: &str| {
            let (client, asked) = (client.clone(), request(key, &[]));
            tokio::spawn(async move { client.fetch(&asked).await })
        };
        let asked = [ask("a"), ask("b")];
        for answer in asked {
            assert_eq!(answer.await.unwrap().unwrap_err().message, message);
        }
        assert_eq!(ask("c").await.unwrap().unwrap_err().message, message);
        assert_eq!(client.close().await.unwrap_err().message, message);
    });
}

#[test]
fn a_silent_plugin_is_left_after_its_time() {
    let refused = async |turns: &[&str]| {
        let place = Place::new(turns);
        let mut context = place.context();
        // Long enough for it to get to its silence on a busy machine.
        context.request_timeout = Duration::from_secs(2);
        match place.provider().open(&context, &Identity::default()).await {
            Ok(client) => client.fetch(&request("key", &[])).await.unwrap_err(),
            Err(error) => error,
        }
    };
    let errors = in_runtime(async {
        tokio::join!(refused(&[]), refused(&[HELLO]), refused(&[HELLO, OPENED]))
    });
    let check = |error: ProviderError, what: &str| {
        assert_eq!((error.kind, error.retry), (ProviderErrorKind::TimedOut, Retry::Later));
        assert_eq!(error.message, format!("plugin `subrosa-provider-rote` {what} within 1.9 s"));
    };
    check(errors.0, "did not say hello");
    check(errors.1, "did not log in");
    check(errors.2, "did not answer");
}

#[test]
fn an_answer_to_somebody_who_went_away_disturbs_nobody() {
    let late = format!("{CANARY}\n{}", r#"{"type":"value","id":2,"value":"dHdv"}"#);
    let place = Place::new(&[HELLO, OPENED, "", &late]);
    in_runtime(async {
        let client: Arc<dyn Client> =
            place.provider().open(&place.context(), &Identity::default()).await.unwrap().into();
        let first = tokio::spawn({
            let (client, asked) = (client.clone(), request("a", &[]));
            async move { client.fetch(&asked).await.map(drop) }
        });
        while place.heard().first().is_none_or(|lines| lines.len() < 3) {
            tokio::task::yield_now().await;
        }
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(plain(&client.fetch(&request("b", &[])).await.unwrap()), b"two");
    });
}

#[test]
fn a_plugin_that_fails_to_close_is_told() {
    let place = Place::new(&[HELLO, OPENED, CANARY]).exits_at(4, 5);
    in_runtime(async {
        let client = place.provider().open(&place.context(), &Identity::default()).await.unwrap();
        client.fetch(&request("key", &[])).await.unwrap();
        let error = client.close().await.unwrap_err();
        let message = "plugin `subrosa-provider-rote` ended with exit status: 5 when it was closed";
        assert_eq!(error.message, message);
        // A second close has nothing left to do.
        client.close().await.unwrap();
        assert_eq!(
            client.fetch(&request("key", &[])).await.unwrap_err().kind,
            ProviderErrorKind::Malformed
        );
    });
}

#[test]
fn a_check_is_asked_of_those_who_can() {
    let check = |turns: &[&str]| {
        let place = Place::new(turns);
        in_runtime(async {
            let client = place.provider().open(&place.context(), &Identity::default()).await?;
            client.check(&request("key", &[])).await
        })
        .map_err(|error| error.kind)
    };
    let said = |found: &str| format!(r#"{{"type":"checked","id":1,"found":"{found}"}}"#);
    assert_eq!(check(&[HELLO, OPENED, &said("readable")]), Ok(Checked::Readable));
    assert_eq!(check(&[HELLO, OPENED, &said("likely")]), Ok(Checked::Likely));
    assert_eq!(check(&[HELLO, OPENED, &said("would-read")]), Ok(Checked::WouldRead));
    assert_eq!(check(&[HELLO, OPENED, &said("canary")]), Err(ProviderErrorKind::Malformed));
    assert_eq!(check(&[HELLO, OPENED, CANARY]), Err(ProviderErrorKind::Malformed));
    let absent = r#"{"type":"error","id":1,"kind":"not-found","message":"no"}"#;
    assert_eq!(check(&[HELLO, OPENED, absent]), Err(ProviderErrorKind::NotFound));
    let plain_hello = r#"{"type":"hello","protocol":1}"#;
    assert_eq!(check(&[plain_hello, OPENED]), Ok(Checked::WouldRead));
    let refused = r#"{"type":"error","kind":"unauthenticated","message":"no"}"#;
    assert_eq!(check(&[plain_hello, refused]), Err(ProviderErrorKind::Unauthenticated));
}
