//! The providers of AWS against moto, which `./test` installs: what it makes of our requests.
//!
//! It answers like AWS and looks at no signature; those are held to Amazon's own cases beside the code.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use subrosa_engine::provider::{Checked, ProviderErrorKind};

use crate::aws::environment;
use crate::peer::dead_port;
use crate::remote::{clean, fetch, open, request, shown};

/// What a server may need to come up on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);

/// A server; it ends with the test.
struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    fn start() -> Moto {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/moto_server");
        assert!(program.exists(), "moto is not in .venv: ./test puts it there");
        let port = dead_port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Moto { child: command.spawn().unwrap(), port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < START_MAX, "moto does not come up");
            thread::yield_now();
        }
        moto
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One call, without anything of ours.
    fn call(&self, service: &str, action: &str, body: &Value) -> Value {
        let body = body.to_string();
        let head = format!(
            "POST / HTTP/1.0\r\nHost: 127.0.0.1\r\nX-Amz-Target: {action}\r\nContent-Type: \
             application/x-amz-json-1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKID/20260101/\
             eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=x\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.split(' ').nth(1) == Some("200"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn secrets_are_read_by_name_arn_version_stage_and_field() {
    let moto = Moto::start();
    let make = |action: &str, body: Value| {
        moto.call("secretsmanager", &format!("secretsmanager.{action}"), &body)
    };
    let made = make("CreateSecret", json!({ "Name": "prod/db", "SecretString": "canary-old" }));
    let put = json!({ "SecretId": "prod/db", "SecretString": r#"{"password":"canary-new"}"# });
    make("PutSecretValue", put);
    make("CreateSecret", json!({ "Name": "bytes", "SecretBinary": "Y2FuYXJ5" }));
    let (arn, first) = (made["ARN"].as_str().unwrap(), made["VersionId"].as_str().unwrap());
    let around = environment(&moto.url());
    for (key, options, expected) in [
        ("prod/db", &[("field", "password")][..], "canary-new"),
        (arn, &[("field", "password")], "canary-new"),
        ("prod/db", &[("stage", "AWSPREVIOUS")], "canary-old"),
        ("prod/db", &[("version", first)], "canary-old"),
        ("bytes", &[], "canary"),
    ] {
        let fetched = fetch("aws-secrets-manager", &around, &request(key, options)).await;
        assert_eq!(fetched.unwrap(), expected, "{key} {options:?}");
    }
    let absent = fetch("aws-secrets-manager", &around, &request("nope", &[])).await;
    assert_eq!(clean(absent.unwrap_err()).kind, ProviderErrorKind::NotFound);
    let wanted = request("prod/db", &[]);
    let client = open("aws-secrets-manager", &around, &wanted).await.unwrap();
    assert_eq!(client.check(&wanted).await.unwrap(), Checked::Likely);
    client.probe().await.unwrap();
    make("DeleteSecret", json!({ "SecretId": "bytes" }));
    let deleted = fetch("aws-secrets-manager", &around, &request("bytes", &[])).await;
    assert_eq!(clean(deleted.unwrap_err()).kind, ProviderErrorKind::NotFound);
    let checked = client.check(&request("bytes", &[])).await;
    assert_eq!(clean(checked.unwrap_err()).kind, ProviderErrorKind::NotFound);
}

#[tokio::test]
async fn parameters_are_read_one_by_one_and_together() {
    let moto = Moto::start();
    let put = |name: &str, value: &str| {
        let body =
            json!({ "Name": name, "Value": value, "Type": "SecureString", "Overwrite": true });
        moto.call("ssm", "AmazonSSM.PutParameter", &body);
    };
    put("/prod/a", "canary-old");
    put("/prod/a", "canary-new");
    put("/prod/b", r#"{"x":"canary-b"}"#);
    let around = environment(&moto.url());
    let wanted = [
        request("/prod/a", &[]),
        request("/prod/a", &[("version", "1")]),
        request("/prod/b", &[("field", "x")]),
        request("/prod/nope", &[]),
    ];
    let expected = [
        Ok("canary-new".to_owned()),
        Ok("canary-old".to_owned()),
        Ok("canary-b".to_owned()),
        Err(ProviderErrorKind::NotFound),
    ];
    let client = open("aws-ssm", &around, &wanted[0]).await.unwrap();
    let together = client.fetch_many(&wanted).await.into_iter();
    let together: Vec<_> =
        together.map(|answer| answer.map(shown).map_err(|error| clean(error).kind)).collect();
    assert_eq!(together, expected);
    for (wanted, expected) in wanted.iter().zip(expected) {
        let fetched = fetch("aws-ssm", &around, wanted).await.map_err(|error| clean(error).kind);
        assert_eq!(fetched, expected);
    }
    client.probe().await.unwrap();
}
