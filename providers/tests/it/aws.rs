//! The providers of AWS against a server that plays it.

use serde_json::{Value, json};
use subrosa_engine::provider::{
    Checked, ProviderError, ProviderErrorKind, ResolveContext, Retry, SecretRequest,
};

use crate::conformance::{context, named};
use crate::peer::{Peer, Received, Reply};
use crate::remote::{self, Remote, clean, fetch, open, request, shown};

/// An environment with credentials, and with the address of a server.
pub(crate) fn environment(address: &str) -> ResolveContext {
    context(
        &[],
        &[
            ("AWS_ACCESS_KEY_ID", b"AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", b"canary-key"),
            ("AWS_SESSION_TOKEN", b"canary-session"),
            ("AWS_REGION", b"eu-west-1"),
            ("AWS_ENDPOINT_URL", address.as_bytes()),
        ],
        &[],
    )
}

/// A refusal by name.
pub(crate) fn refusal(name: &str) -> Reply {
    Reply::json(
        400,
        &json!({ "__type": format!("com.amazonaws#{name}"), "Message": "canary" }).to_string(),
    )
}

fn limited() -> Reply {
    let body = br#"{"__type":"ThrottlingException","message":"canary"}"#;
    Reply::Answer(400, vec!["Retry-After: 2".into()], body.to_vec())
}

struct Secrets;

impl Remote for Secrets {
    const NAME: &'static str = "aws-secrets-manager";

    fn request(_: &str) -> SecretRequest {
        request("prod/db", &[])
    }

    fn context(address: &str) -> ResolveContext {
        environment(address)
    }

    fn found(value: &str) -> Reply {
        Reply::json(200, &json!({ "Name": "prod/db", "SecretString": value }).to_string())
    }

    fn absent() -> Reply {
        refusal("ResourceNotFoundException")
    }

    fn forbidden(_: &Received) -> Reply {
        refusal("AccessDeniedException")
    }

    fn unauthenticated(_: &Received) -> Reply {
        refusal("UnrecognizedClientException")
    }

    fn limited() -> Reply {
        limited()
    }
}

struct Parameters;

impl Remote for Parameters {
    const NAME: &'static str = "aws-ssm";

    fn request(_: &str) -> SecretRequest {
        request("/prod/db", &[])
    }

    fn context(address: &str) -> ResolveContext {
        environment(address)
    }

    fn found(value: &str) -> Reply {
        Reply::json(
            200,
            &json!({ "Parameter": { "Name": "/prod/db", "Value": value } }).to_string(),
        )
    }

    fn absent() -> Reply {
        refusal("ParameterNotFound")
    }

    fn forbidden(_: &Received) -> Reply {
        refusal("AccessDeniedException")
    }

    fn unauthenticated(_: &Received) -> Reply {
        refusal("ExpiredTokenException")
    }

    fn limited() -> Reply {
        limited()
    }
}

/// What a call was: its action and its body.
fn call(received: &Received) -> (String, Value) {
    let target = received.header("x-amz-target").unwrap().to_owned();
    (target, serde_json::from_slice(&received.body).unwrap())
}

async fn ask(
    provider: &str,
    wanted: &SecretRequest,
    answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> (Result<String, ProviderError>, Vec<Received>) {
    let peer = Peer::plain(answers);
    let fetched = fetch(provider, &environment(&peer.url()), wanted).await.map_err(clean);
    (fetched, peer.received())
}

#[tokio::test]
async fn the_suite_for_remote_providers_holds_for_secrets() {
    remote::suite::<Secrets>().await;
}

#[tokio::test]
async fn the_suite_for_remote_providers_holds_for_parameters() {
    remote::suite::<Parameters>().await;
}

#[tokio::test]
async fn what_is_sent_is_signed_and_holds_no_key() {
    let options = [("version", "v1"), ("stage", "AWSPREVIOUS")];
    let wanted = request("prod/db", &options);
    let (fetched, received) = ask(Secrets::NAME, &wanted, |_| Secrets::found("x")).await;
    assert_eq!(fetched.unwrap(), "x");
    let (action, body) = call(&received[0]);
    assert_eq!(action, "secretsmanager.GetSecretValue");
    let expected =
        json!({ "SecretId": "prod/db", "VersionId": "v1", "VersionStage": "AWSPREVIOUS" });
    assert_eq!(body, expected);
    assert_eq!(received[0].header("x-amz-security-token"), Some("canary-session"));
    let authorization = received[0].header("authorization").unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert!(authorization.contains("/eu-west-1/secretsmanager/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "));
    assert!(!received[0].text().contains("canary-key"));
}

#[tokio::test]
async fn fields_and_bytes_are_taken_out() {
    let answer = |_: &Received| Secrets::found(r#"{"db":{"password":"canary"},"port":5432}"#);
    for (field, expected) in [("db.password", "canary"), ("port", "5432")] {
        let wanted = request("prod/db", &[("field", field)]);
        assert_eq!(ask(Secrets::NAME, &wanted, answer).await.0.unwrap(), expected);
    }
    let wanted = request("prod/db", &[("field", "nope")]);
    let error = ask(Secrets::NAME, &wanted, answer).await.0.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
    let error = ask(Secrets::NAME, &wanted, |_| Secrets::found("canary")).await.0.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Malformed);
    let wanted = request("prod/db", &[]);
    let binary = |text: &'static str| move |_: &Received| Reply::json(200, text);
    let good = binary(r#"{"SecretBinary":"Y2FuYXJ5"}"#);
    assert_eq!(ask(Secrets::NAME, &wanted, good).await.0.unwrap(), "canary");
    for bad in [
        r#"{"SecretBinary":"canary?"}"#,
        r#"{"SecretBinary":"AAAA"}"#,
        r#"{"SecretString":["canary"]}"#,
        r#"{"SecretString":"\ud800"}"#,
    ] {
        let error = ask(Secrets::NAME, &wanted, binary(bad)).await.0.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Malformed, "{bad}");
    }
}

#[tokio::test]
async fn refusals_are_known_by_their_names() {
    use ProviderErrorKind::{Denied, InvalidRequest, NotFound, Unauthenticated, Unavailable};
    for (name, kind, help) in [
        ("AccessDeniedException", Denied, "allow `secretsmanager:GetSecretValue`"),
        ("DecryptionFailure", Denied, "allow `kms:Decrypt`"),
        ("ExpiredTokenException", Unauthenticated, "log in again"),
        ("InvalidSignatureException", Unauthenticated, "clock"),
        ("InvalidRequestException", NotFound, "marked for deletion"),
        ("ValidationException", InvalidRequest, ""),
        ("InternalServiceError", Unavailable, ""),
    ] {
        let answer = move |_: &Received| refusal(name);
        let error = ask(Secrets::NAME, &request("prod/db", &[]), answer).await.0.unwrap_err();
        assert_eq!(error.kind, kind, "{name}");
        assert!(error.help.as_deref().unwrap_or_default().contains(help), "{error:?}");
        let retry = if kind == Unavailable { Retry::Later } else { Retry::Never };
        assert_eq!(error.retry, retry, "{name}");
    }
}

#[tokio::test]
async fn fields_of_a_secret_are_one_read() {
    let peer = Peer::plain(|_| Secrets::found(r#"{"a":"x","b":"y"}"#));
    let wanted = ["a", "b"].map(|field| request("prod/db", &[("field", field)]));
    let client = open(Secrets::NAME, &environment(&peer.url()), &wanted[0]).await.unwrap();
    let (a, b) = futures_util::join!(client.fetch(&wanted[0]), client.fetch(&wanted[1]));
    assert_eq!((shown(a.unwrap()), shown(b.unwrap())), ("x".into(), "y".into()));
    assert_eq!(peer.received().len(), 1);
}

#[tokio::test]
async fn parameters_are_asked_for_in_one_call() {
    let peer = Peer::plain(|received| {
        let (action, body) = call(received);
        match action.as_str() {
            "AmazonSSM.GetParameters" => {
                assert_eq!(body["Names"], json!(["/a", "/b", "/c"]));
                let found = json!([
                    { "Name": "/a", "Value": "{\"x\":\"one\"}" },
                    { "Name": "/b", "Value": "two" },
                ]);
                let body = json!({ "Parameters": found, "InvalidParameters": ["/c"] });
                Reply::json(200, &body.to_string())
            }
            _ if body["Name"] == "/b:3" => Parameters::found("older"),
            _ => Parameters::found("by itself"),
        }
    });
    let wanted = [
        request("/a", &[("field", "x")]),
        request("/b", &[]),
        request("/b", &[("version", "3")]),
        request("/c", &[]),
        request("arn:aws:ssm:eu-west-1:123456789012:parameter/d", &[]),
        request("not good", &[]),
    ];
    let client = open(Parameters::NAME, &environment(&peer.url()), &wanted[0]).await.unwrap();
    assert_eq!(client.batch_len_max(), 10);
    let answers = client.fetch_many(&wanted).await.into_iter();
    let answers: Vec<_> =
        answers.map(|answer| answer.map(shown).map_err(|error| error.kind)).collect();
    let expected = [
        Ok("one".to_owned()),
        Ok("two".to_owned()),
        Ok("older".to_owned()),
        Err(ProviderErrorKind::NotFound),
        Ok("by itself".to_owned()),
        Err(ProviderErrorKind::InvalidRequest),
    ];
    assert_eq!(answers, expected);
    assert_eq!(peer.received().len(), 3);
}

#[tokio::test]
async fn one_that_is_denied_does_not_spoil_the_others() {
    let peer = Peer::plain(|received| match call(received) {
        (action, _) if action == "AmazonSSM.GetParameters" => refusal("AccessDeniedException"),
        (_, body) if body["Name"] == "/a" => Parameters::found("x"),
        _ => refusal("AccessDeniedException"),
    });
    let wanted = [request("/a", &[]), request("/b", &[])];
    let client = open(Parameters::NAME, &environment(&peer.url()), &wanted[0]).await.unwrap();
    let mut answers = client.fetch_many(&wanted).await;
    let denied = clean(answers.remove(1).unwrap_err());
    assert_eq!(denied.kind, ProviderErrorKind::Denied);
    assert_eq!(shown(answers.remove(0).unwrap()), "x");
}

#[tokio::test]
async fn checks_and_probes_read_no_value() {
    async fn check(reply: fn() -> Reply) -> (Result<Checked, ProviderErrorKind>, bool) {
        let peer = Peer::plain(move |_| reply());
        let wanted = request("prod/db", &[]);
        let client = open(Secrets::NAME, &environment(&peer.url()), &wanted).await.unwrap();
        let checked = client.check(&wanted).await.map_err(|error| clean(error).kind);
        let answers = client.probe().await.is_ok();
        assert!(peer.received().iter().all(|got| !call(got).0.contains("GetSecretValue")));
        (checked, answers)
    }
    let there = || Reply::json(200, r#"{"ARN":"arn:x"}"#);
    assert_eq!(check(there).await, (Ok(Checked::Likely), true));
    let deleted = || Reply::json(200, r#"{"ARN":"arn:x","DeletedDate":1.5}"#);
    assert_eq!(check(deleted).await.0, Err(ProviderErrorKind::NotFound));
    let denied = || refusal("AccessDeniedException");
    assert_eq!(check(denied).await, (Ok(Checked::WouldRead), true));
    let unknown = || refusal("UnrecognizedClientException");
    assert_eq!(check(unknown).await, (Err(ProviderErrorKind::Unauthenticated), false));
}

#[test]
fn only_what_names_its_account_is_kept() {
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf";
    let scope = |key: &str, options: &[(&str, &str)]| {
        named(Secrets::NAME).cache_scope(&environment("https://x"), &request(key, options))
    };
    assert_eq!(scope("db", &[]), None);
    assert!(scope(arn, &[]).is_some());
    assert_ne!(scope(arn, &[]), scope(arn, &[("version", "1")]));
    assert_ne!(scope(arn, &[]), scope(arn, &[("field", "a")]));
}
