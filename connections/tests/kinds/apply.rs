//! What a request carries, and where it may go.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use subrosa_connections::Opened;
use subrosa_connections::apply::{ApplyError, Context, authenticate, locate};
use subrosa_engine::secret::SecretValue;
use subrosa_http::{Call, HeaderValue, Method};

use crate::stage::{call, declared, opened};

const NEVER: Context<'_> = Context { now: UNIX_EPOCH, token: None };

/// The request to a path or URL as text: its URL and its headers.
fn sent(opened: &Opened, target: &str) -> Result<String, ApplyError> {
    let mut call = call(locate(opened, target)?.as_str());
    authenticate(opened, &mut call, &NEVER)?;
    Ok(shown(&call))
}

fn shown(call: &Call) -> String {
    let headers = call.headers.iter().map(|(name, value)| {
        let mark = if value.is_sensitive() { " (sensitive)" } else { "" };
        format!("\n{name}: {}{mark}", value.to_str().unwrap())
    });
    let mut headers: Vec<String> = headers.collect();
    headers.sort();
    format!("{}{}", call.url, headers.concat())
}

#[test]
fn each_way_puts_the_credential_where_its_service_wants_it() {
    let check = |id: &str, values: &[(&str, &str)], target: &str, expected: &str| {
        assert_eq!(sent(&opened(id, values), target).as_deref(), Ok(expected), "{id}");
    };
    check(
        "openai",
        &[("api_key", "sk-canary")],
        "/v1/models",
        "https://api.openai.com/v1/models\nauthorization: Bearer sk-canary (sensitive)",
    );
    check(
        "openai",
        &[("api_key", "sk-canary"), ("organization", "org-1")],
        "/v1/models?a=b",
        "https://api.openai.com/v1/models?a=b\nauthorization: Bearer sk-canary (sensitive)\n\
         openai-organization: org-1",
    );
    check(
        "anthropic",
        &[("api_key", "canary")],
        "https://api.anthropic.com/v1/messages",
        "https://api.anthropic.com/v1/messages\nanthropic-version: 2023-06-01\n\
         x-api-key: canary (sensitive)",
    );
    check(
        "jira",
        &[
            ("site_url", "https://example.atlassian.net"),
            ("email", "a@example.com"),
            ("api_token", "pä ss"),
        ],
        "/rest/api/3/myself",
        "https://example.atlassian.net/rest/api/3/myself\naccept: application/json\n\
         authorization: Basic YUBleGFtcGxlLmNvbTpww6Qgc3M= (sensitive)",
    );
    check(
        "custom",
        &[
            ("base_url", "https://api.example.com/below"),
            ("header", "X-Own"),
            ("value", "Token canary"),
        ],
        "/x",
        "https://api.example.com/below/x\nx-own: Token canary (sensitive)",
    );
    check(
        "github",
        &[("client_id", "c"), ("access_token", "canary")],
        "/user",
        "https://api.github.com/user\naccept: application/vnd.github+json\n\
         authorization: Bearer canary (sensitive)\nx-github-api-version: 2022-11-28",
    );
}

const IN_QUERY: &str = "\
id: own
label: Own
summary: Lets a test put a key into the query.
auth: api_key
fields:
  - {name: key, label: Key, help: Any., secret: true}
apply:
  base_url: https://own.example
  query: {key: '${key}', v: '2'}
";

#[test]
fn a_value_in_the_query_stays_one_value() {
    let check = |value: &str, expected: &str| {
        let opened = declared(IN_QUERY, &[("key", value)]);
        assert_eq!(sent(&opened, "/a?b=c").as_deref(), Ok(expected));
    };
    check("canary", "https://own.example/a?b=c&key=canary&v=2");
    check(
        "a&b=c#d e+f/ä%41",
        "https://own.example/a?b=c&key=a%26b%3Dc%23d%20e%2Bf%2F%C3%A4%2541&v=2",
    );
}

#[test]
fn a_credential_goes_to_its_own_server_only() {
    let openai = opened("openai", &[("api_key", "canary")]);
    for target in [
        "https://api.openai.com.evil.example/v1/models",
        "https://evil.example/v1/models",
        "http://api.openai.com/v1/models",
        "https://api.openai.com:8443/v1/models",
        "https://evil.example\\@api.openai.com/",
        "ftp://api.openai.com/v1/models",
    ] {
        let found = sent(&openai, target);
        assert!(matches!(found, Err(ApplyError::OtherOrigin { .. })), "{target}: {found:?}");
    }
    for (target, expected) in [
        ("https://canary@api.openai.com/", ApplyError::UserInfo),
        ("v1/models", ApplyError::Malformed),
        ("", ApplyError::Malformed),
    ] {
        assert_eq!(sent(&openai, target), Err(expected), "{target}");
    }
    // A path stays a path.
    for target in ["//evil.example/x", "/\\evil.example/x", "/@evil.example/x", "/../../x"] {
        let found = sent(&openai, target).unwrap();
        assert!(found.starts_with("https://api.openai.com/"), "{found}");
    }
    // A request that was made by other means is looked at again.
    let mut other = call("https://evil.example/");
    assert!(authenticate(&openai, &mut other, &NEVER).is_err());
    assert!(other.headers.is_empty());
}

#[test]
fn further_hosts_of_a_service_get_the_credential_over_tls() {
    let google = opened("google", &[("client_id", "c"), ("access_token", "canary")]);
    for good in ["https://sheets.googleapis.com/v4", "https://a.b.googleapis.com/"] {
        assert!(sent(&google, good).unwrap().contains("canary"), "{good}");
    }
    for bad in [
        "https://googleapis.com/",
        "https://evilgoogleapis.com/",
        "https://sheets.googleapis.com:444/",
        "http://sheets.googleapis.com/",
        "https://sheets.googleapis.com.evil.example/",
    ] {
        assert!(matches!(sent(&google, bad), Err(ApplyError::OtherOrigin { .. })), "{bad}");
    }
}

#[test]
fn values_add_no_headers_and_do_not_leave_their_place() {
    let control = |field: &str| Err(ApplyError::Control { field: field.to_owned() });
    for value in ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\rb", "a\x7fb"] {
        let with = |id, field| sent(&opened(id, &[(field, value)]), "/");
        assert_eq!(with("openai", "api_key"), control("api_key"));
        let declared = declared(IN_QUERY, &[("key", value)]);
        assert_eq!(sent(&declared, "/"), control("key"));
        let jira = opened(
            "jira",
            &[("site_url", "https://s.example"), ("email", value), ("api_token", "t")],
        );
        assert_eq!(sent(&jira, "/"), control("email"));
    }
    let azure = |account| opened("azure_blob", &[("account", account), ("account_key", "a2V5")]);
    assert!(sent(&azure("mine"), "/box").is_ok());
    for account in ["evil.example/", "evil.example#", "a@evil.example", ""] {
        let misplaced = Err(ApplyError::Misplaced { field: "account".to_owned() });
        assert_eq!(sent(&azure(account), "/box"), misplaced, "{account}");
    }
    let custom = opened(
        "custom",
        &[("base_url", "https://c.example"), ("header", "X Y"), ("value", "canary")],
    );
    assert_eq!(sent(&custom, "/"), Err(ApplyError::HeaderName { name: "X Y".to_owned() }));
    let colon = opened(
        "http_basic",
        &[("base_url", "https://c.example"), ("username", "a:b"), ("password", "canary")],
    );
    assert_eq!(sent(&colon, "/"), Err(ApplyError::Colon));
}

#[test]
fn what_is_missing_is_named() {
    let missing = |field: &str| Err(ApplyError::Missing { field: field.to_owned() });
    assert_eq!(sent(&opened("openai", &[]), "/"), missing("api_key"));
    assert_eq!(sent(&opened("jira", &[]), "/"), missing("site_url"));
    assert_eq!(sent(&opened("github", &[("client_id", "c")]), "/"), Err(ApplyError::NoToken));
    let postgres = opened("postgres", &[("host", "db")]);
    let expected = Err(ApplyError::NotHttp { kind: "postgres".to_owned() });
    assert_eq!(sent(&postgres, "/"), expected);
    // Not a value that any check lets through; a record may be older than the check.
    let plain = opened("http_bearer", &[("base_url", "http://far.example"), ("token", "canary")]);
    assert_eq!(sent(&plain, "/"), Err(ApplyError::Misplaced { field: "base_url".to_owned() }));
}

#[test]
fn a_token_that_was_exchanged_just_now_goes_first() {
    let github = opened("github", &[("client_id", "c"), ("access_token", "old")]);
    let token = SecretValue::new(b"new".to_vec());
    let mut call = call("https://api.github.com/user");
    call.headers.insert("accept", HeaderValue::from_static("text/plain"));
    let context = Context { now: UNIX_EPOCH, token: Some(&token) };
    authenticate(&github, &mut call, &context).unwrap();
    let shown = shown(&call);
    assert!(shown.contains("authorization: Bearer new (sensitive)"), "{shown}");
    // What the step says of its form stands.
    assert!(shown.contains("accept: text/plain"), "{shown}");
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The examples in Amazon's documentation of signatures for S3.
#[test]
fn requests_for_s3_are_signed_as_amazon_does() {
    let s3 = opened(
        "s3",
        &[
            ("endpoint", "https://examplebucket.s3.amazonaws.com"),
            ("region", "us-east-1"),
            ("bucket", "examplebucket"),
            ("access_key_id", "AKIAIOSFODNN7EXAMPLE"),
            ("secret_access_key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ],
    );
    let check = |target: &str, expected: &str| {
        let mut call = call(locate(&s3, target).unwrap().as_str());
        authenticate(&s3, &mut call, &Context { now: at(1_369_353_600), token: None }).unwrap();
        let header = call.headers["authorization"].to_str().unwrap();
        let wanted = "AWS4-HMAC-SHA256 \
             Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=";
        assert_eq!(header, format!("{wanted}{expected}"));
        assert!(call.headers["authorization"].is_sensitive());
    };
    check("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    check(
        "/?prefix=J&max-keys=2",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
}

/// A signature that botocore makes of the same request: what S3 stores with an object is signed, too.
#[test]
fn the_headers_of_s3_are_signed_as_its_library_does() {
    let s3 = opened(
        "s3",
        &[
            ("endpoint", "https://examplebucket.s3.amazonaws.com"),
            ("region", "us-east-1"),
            ("bucket", "examplebucket"),
            ("access_key_id", "AKIAIOSFODNN7EXAMPLE"),
            ("secret_access_key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("session_token", "session-token"),
        ],
    );
    let mut call = call("https://examplebucket.s3.amazonaws.com/a%20b/c");
    call.method = Method::PUT;
    call.body = Some(b"some text".to_vec().into());
    call.headers.insert("x-amz-meta-name", "a value".parse().unwrap());
    authenticate(&s3, &mut call, &Context { now: at(1_369_353_600), token: None }).unwrap();
    let header = call.headers["authorization"].to_str().unwrap();
    let signed = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-meta-name;\
                  x-amz-security-token, \
                  Signature=0b8a64fb4c9c5b7ef6deddcfff542b13198e152e990f3491186a6b21e4333a59";
    assert!(header.ends_with(signed), "{header}");
}

/// Signatures that the library `azure-storage-blob` makes of the same requests.
#[test]
fn requests_for_azure_are_signed_as_its_library_does() {
    let azure = opened(
        "azure_blob",
        &[
            ("account", "account1"),
            ("container", "box"),
            ("account_key", "c2VjcmV0LWtleS1mb3ItdGVzdHMtb25seS1ub3QtcmVhbA=="),
        ],
    );
    let check = |mut call: Call, expected: &str| {
        authenticate(&azure, &mut call, &Context { now: at(784_111_777), token: None }).unwrap();
        assert_eq!(call.headers["authorization"], format!("SharedKey account1:{expected}"));
    };
    let list = "/box?restype=container&comp=list&maxresults=1";
    check(
        call(locate(&azure, list).unwrap().as_str()),
        "nNpvtHnXG4HxYb7rQYFWun7EdjMI2c/+Y4dIUt1+zks=",
    );
    let mut put = call(locate(&azure, "/box/a%20b.txt").unwrap().as_str());
    put.method = Method::PUT;
    put.body = Some(b"hello".to_vec().into());
    put.headers.insert("content-type", HeaderValue::from_static("text/plain"));
    put.headers.insert("x-ms-blob-type", HeaderValue::from_static("BlockBlob"));
    check(put, "lo1RlMjFn50zZEgLJ+cPyG7JcUGintGXZt+S7+co9rg=");
    let wrong = opened("azure_blob", &[("account", "a"), ("account_key", "not base64")]);
    let mut request = call(locate(&wrong, "/x").unwrap().as_str());
    assert_eq!(
        authenticate(&wrong, &mut request, &NEVER),
        Err(ApplyError::Key { field: "account_key".to_owned() })
    );
}

proptest! {
    /// Whatever a value and a target are, the credential stays with its server, in its header.
    #[test]
    fn no_value_and_no_target_leads_elsewhere(value: String, site: String, target: String) {
        let site = format!("https://own.example/{site}");
        let values = [("site_url", site.as_str()), ("email", &value), ("api_token", "canary")];
        let jira = opened("jira", &values);
        for target in [target.clone(), format!("/{target}"), format!("https://{target}")] {
            let Ok(url) = locate(&jira, &target) else { continue };
            prop_assert_eq!(url.host_str(), Some("own.example"));
            prop_assert_eq!(url.scheme(), "https");
            let mut call = call(url.as_str());
            if authenticate(&jira, &mut call, &NEVER).is_ok() {
                prop_assert_eq!(call.url.host_str(), Some("own.example"));
                prop_assert_eq!(call.headers.len(), 2);
            }
        }
    }

    /// A value in the name of a host, in a path, in the query.
    #[test]
    fn no_public_value_leaves_its_place(account: String, key: String) {
        let azure = opened("azure_blob", &[("account", &account), ("account_key", "a2V5")]);
        if let Ok(url) = locate(&azure, "/box") {
            let wanted = format!("{}.blob.core.windows.net", account.to_ascii_lowercase());
            prop_assert_eq!(url.host_str(), Some(wanted.as_str()));
            prop_assert_eq!(url.path(), "/box");
        }
        let own = declared(IN_QUERY, &[("key", &key)]);
        let mut call = call("https://own.example/a");
        if authenticate(&own, &mut call, &NEVER).is_ok() {
            let pairs: Vec<_> = call.url.query_pairs().into_owned().collect();
            let wanted = [("key".to_owned(), key), ("v".to_owned(), "2".to_owned())];
            prop_assert_eq!(pairs, wanted);
        }
    }
}
