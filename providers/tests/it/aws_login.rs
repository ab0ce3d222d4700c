//! Where the providers of AWS take credentials from, and where they do not send them.

use std::fs;

use serde_json::json;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind, ResolveContext};

use crate::aws::refusal;
use crate::conformance::context;
use crate::peer::{Peer, Received, Reply};
use crate::remote::{clean, fetch, request};

const TOKEN: &str = "canary.web.token";

/// What anybody who lends credentials answers, and Secrets Manager beside.
fn lender(received: &Received) -> Reply {
    let lent = json!({ "AccessKeyId": "ASIALENT", "SecretAccessKey": "canary-key", "Token": "canary-lent" });
    match received.path.as_str() {
        "/latest/api/token" if received.method == "PUT" => {
            assert_eq!(received.header("x-aws-ec2-metadata-token-ttl-seconds"), Some("60"));
            Reply::json(200, "canary-metadata")
        }
        "/latest/meta-data/iam/security-credentials/" => Reply::json(200, "a-role"),
        "/latest/meta-data/iam/security-credentials/a-role" => {
            assert_eq!(received.header("x-aws-ec2-metadata-token"), Some("canary-metadata"));
            Reply::json(200, &lent.to_string())
        }
        "/container" => {
            assert_eq!(received.header("authorization"), Some("canary-container"));
            Reply::json(200, &lent.to_string())
        }
        _ if received.header("x-amz-target").is_none() => {
            let body = String::from_utf8(received.body.clone()).unwrap();
            assert_eq!(
                body,
                format!(
                    "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3A\
                     role%2Fx&RoleSessionName=subrosa&WebIdentityToken={TOKEN}"
                )
            );
            Reply::json(
                200,
                "<R><Credentials><AccessKeyId>ASIALENT</AccessKeyId><SecretAccessKey>canary-key\
                 </SecretAccessKey><SessionToken>canary-lent</SessionToken></Credentials></R>",
            )
        }
        _ => Reply::json(200, r#"{"SecretString":"x"}"#),
    }
}

fn around(peer: &Peer, variables: &[(&str, &str)]) -> ResolveContext {
    let url = peer.url();
    let own = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()),
    ];
    // Those of the case come last, and count.
    let all: Vec<(&str, &[u8])> =
        own.iter().chain(variables).map(|(name, value)| (*name, value.as_bytes())).collect();
    context(&[], &all, &[])
}

async fn ask(
    variables: &[(&str, &str)],
    options: &[(&str, &str)],
) -> (Result<String, ProviderError>, Vec<Received>) {
    let peer = Peer::plain(lender);
    let around = around(&peer, variables);
    let fetched = fetch("aws-secrets-manager", &around, &request("db", options)).await;
    (fetched.map_err(clean), peer.received())
}

/// It is the key with this id that asks in the end, with this token.
async fn check(
    variables: &[(&str, &str)],
    options: &[(&str, &str)],
    id: &str,
    token: Option<&str>,
) {
    let (fetched, received) = ask(variables, options).await;
    assert_eq!(fetched.unwrap(), "x", "{variables:?}");
    let last = received.last().unwrap();
    let credential = format!("Credential={id}/");
    assert!(last.header("authorization").unwrap().contains(&credential), "{variables:?}");
    assert_eq!(last.header("x-amz-security-token"), token);
    assert!(received.iter().all(|got| !got.text().contains("canary-key")));
}

async fn refused(variables: &[(&str, &str)], options: &[(&str, &str)], part: &str) {
    let (fetched, received) = ask(variables, options).await;
    let error = fetched.unwrap_err();
    assert!(error.message.contains(part), "{error}");
    assert!(received.iter().all(|got| got.header("x-amz-target").is_none()));
}

#[tokio::test]
async fn credentials_are_looked_for_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(place(".aws")).unwrap();
    fs::write(
        place(".aws/credentials"),
        "[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key = canary-key\n\
         [eu]\naws_access_key_id=AKIDEU\naws_secret_access_key=canary-key\naws_session_token=canary-eu\n",
    )
    .unwrap();
    fs::write(place(".aws/config"), "[profile eu]\nregion = eu-central-1\n[profile none]\n")
        .unwrap();
    fs::write(place("token"), format!("{TOKEN}\n")).unwrap();
    let (home, token) = (place(""), place("token"));
    let home = ("HOME", home.as_str());
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
    ];
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "canary-key")];
    let profile = ("AWS_PROFILE", "eu");
    check(&[&[home, profile], &web[..], &keys].concat(), &[], "AKIDENV", None).await;
    check(&[&[home, profile], &web[..]].concat(), &[], "ASIALENT", Some("canary-lent")).await;
    check(&[home, profile], &[], "AKIDEU", Some("canary-eu")).await;
    check(&[home], &[], "AKIDDEFAULT", None).await;
    let asked = [("profile", "eu")];
    check(&[&[home], &keys[..]].concat(), &asked, "AKIDEU", Some("canary-eu")).await;
    check(&[], &[], "ASIALENT", Some("canary-lent")).await;
    let asked = [("profile", "none")];
    refused(&[home], &asked, "holds no credentials").await;
    refused(&[home], &[("profile", "gone")], "no AWS profile `gone`").await;
}

#[tokio::test]
async fn containers_show_their_token() {
    let peer = Peer::plain(lender);
    let full = format!("{}/container", peer.url());
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-container");
    let uri = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", full.as_str());
    check(&[uri, token], &[], "ASIALENT", Some("canary-lent")).await;
    assert_eq!(peer.received().len(), 1);
    for elsewhere in ["http://192.0.2.1/x", "http://canary@127.0.0.1/x", "file:///x", "x"] {
        let uri = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", elsewhere);
        refused(&[uri, token], &[], "neither encrypted nor near").await;
    }
}

#[tokio::test]
async fn what_is_half_or_not_followed_is_refused_by_name() {
    refused(&[("AWS_ACCESS_KEY_ID", "AKID")], &[], "without `AWS_SECRET_ACCESS_KEY`").await;
    refused(&[("AWS_SECRET_ACCESS_KEY", "canary")], &[], "without `AWS_ACCESS_KEY_ID`").await;
    refused(&[("AWS_EC2_METADATA_DISABLED", "true")], &[], "no AWS credentials").await;
    refused(&[("AWS_REGION", "evil.example/")], &[], "region is none").await;
    refused(&[("AWS_ENDPOINT_URL", "http://192.0.2.1")], &[], "unencrypted").await;
    refused(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://192.0.2.1")], &[], "no metadata").await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    for entry in ["credential_process", "sso_session", "source_profile", "credential_source"] {
        fs::write(&config, format!("[default]\n{entry} = canary\n")).unwrap();
        refused(&[("AWS_CONFIG_FILE", config.to_str().unwrap())], &[], entry).await;
    }
}

#[tokio::test]
async fn what_was_lent_and_has_expired_is_lent_again_once() {
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let expired = move |received: &Received| match received.header("x-amz-target") {
        Some(_) if is_first.swap(false, std::sync::atomic::Ordering::SeqCst) => {
            refusal("ExpiredTokenException")
        }
        _ => lender(received),
    };
    let peer = Peer::plain(expired);
    let wanted = request("db", &[]);
    let fetched = fetch("aws-secrets-manager", &around(&peer, &[]), &wanted).await;
    assert_eq!(fetched.unwrap(), "x");
    assert_eq!(peer.count("PUT", "/latest/api/token"), 2);
    let peer = Peer::plain(|received| match received.header("x-amz-target") {
        Some(_) => refusal("ExpiredTokenException"),
        None => lender(received),
    });
    let fetched = fetch("aws-secrets-manager", &around(&peer, &[]), &wanted).await;
    assert_eq!(clean(fetched.unwrap_err()).kind, ProviderErrorKind::Unauthenticated);
    assert_eq!(peer.count("PUT", "/latest/api/token"), 2);
}

#[tokio::test]
async fn lenders_that_repeat_what_they_get_say_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, TOKEN).unwrap();
    for status in [200, 302, 400, 401, 403, 404, 429, 500] {
        let echo = move |got: &Received| Reply::Answer(status, vec![], got.text().into_bytes());
        let peer = Peer::plain(echo);
        let container = format!("{}/container", peer.url());
        let cases: [&[(&str, &str)]; 3] = [
            &[],
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-container"),
            ],
            &[("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()), ("AWS_ROLE_ARN", "r")],
        ];
        for variables in cases {
            let around = around(&peer, variables);
            let fetched = fetch("aws-ssm", &around, &request("db", &[])).await;
            assert!(!clean(fetched.unwrap_err()).message.is_empty());
        }
    }
}
