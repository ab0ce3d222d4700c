use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde_json::{Value, json};

use super::{BASE64URL_NOPAD, Claims, Expected, JwtError, Keys, verify};

const NOW: u64 = 1_800_000_000;

/// A key of which nobody has the other half any more, and what was signed with it: [`claims`].
const RSA_MODULUS: &str = "6y7Ld1PvaZ2B0_3psI8_kqPsBRR9OasNdxTi8QYp1Av8vh_TFZxAgdzwosdg1Y55IXyZiFgsyj4Fa5IDyeg-BveJ\
     g0ng1l0RP7C7-I66vYjIQb9oT3LEyAoVJzoB8V53EzOJEndvabgUDB6DlbfLmWjh-vX_YnIyBe0rkzfPQbNGylRS\
     HaY_NWO43ZB9TyIls7hZiAi1bzWSVMVq9q6L6wfyPZEUTpLl0sX30DV8qDZEKunuBmX4SEXD4kEeBcbyFnjM7SI4\
     k-PMYsw1BNqBxIsMHWo3MoUnlN-HBuWYFGidJVRZ0Po6YcIjtW2oaOqKt_tbLGjV46NbrIYLSRR3ww";
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOiJzdWJ\
     yb3NhIiwic3ViIjoiYWRhIiwibm9uY2UiOiJvbmNlIiwiZXhwIjoxODAwMDAwMzAwLCJpYXQiOjE4MDAwMDAwMDB\
     9.laSM6Lp1G27AejPJ1FZ-AdcCpi7TCtZURRn3pRASJCyU7CguAmLzoBS7WnkkSG-f75NYzPkyBkxcaMEB_pw6wF\
     TQEHJGMIdIU2aCp6cWp5jWSNd3vDEbMasl2r5-jszdGZbPaliLNd2lEvCPphdpfwjG5IMMQ2kbpPAVyUU3rI5ND-\
     UmqhxabGIIxVwJPxUTobLZXgWN4rAI4lqb8KSOaQrQgHuIRLd3DRiXkWqWkVuWzmybRtRpqtfNC3z2gvYbJ4TVKz\
     qNk5T1VeBWs32YCEprrywpZDdsvrEE7MRtuKsQX9UprUTnFgfRej0igDL64rDe7Y1Im_EbTsx4o0BTOQ";

fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// An issuer with a key of each kind.
struct Issuer {
    p256: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    random: SystemRandom,
}

impl Issuer {
    fn new() -> Issuer {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let p256 = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Issuer {
            p256: EcdsaKeyPair::from_pkcs8(kind, p256.as_ref(), &random).unwrap(),
            ed25519: Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap(),
            random,
        }
    }

    fn keys(&self) -> Value {
        let point = self.p256.public_key().as_ref();
        json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256", "use": "sig",
              "x": encode(&point[1..33]), "y": encode(&point[33..]) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed",
              "x": encode(self.ed25519.public_key().as_ref()) },
            { "kty": "RSA", "kid": "rsa",
              "n": RSA_MODULUS, "e": "AQAB" },
            { "kty": "oct", "kid": "hmac", "k": "AAAA" },
            { "kty": "new kind" },
        ] })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| encode(&serde_json::to_vec(value).unwrap());
        let signed = format!("{}.{}", part(header), part(claims));
        let bytes = signed.as_bytes();
        let signature = match header["alg"].as_str() {
            Some("ES256") => self.p256.sign(&self.random, bytes).unwrap().as_ref().to_vec(),
            Some("EdDSA") => self.ed25519.sign(bytes).as_ref().to_vec(),
            _ => b"anything".to_vec(),
        };
        format!("{signed}.{}", encode(&signature))
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example", "aud": "subrosa", "sub": "ada", "nonce": "once",
        "exp": NOW + 300, "iat": NOW,
    })
}

const EXPECTED: Expected<'_> = Expected {
    issuer: "https://id.example",
    audience: "subrosa",
    is_for_any_client: false,
    nonce: Some("once"),
    now: NOW,
};

fn look(token: &str, keys: &Value) -> Result<Claims, JwtError> {
    verify(token, &Keys::parse(&serde_json::to_vec(keys).unwrap())?, &EXPECTED)
}

#[test]
fn three_algorithms_count_each_with_its_own_key() {
    let issuer = Issuer::new();
    assert_eq!(look(RSA_TOKEN, &issuer.keys()).unwrap().subject(), "ada");
    for (alg, kid) in [("ES256", "ec"), ("EdDSA", "ed")] {
        let token = issuer.sign(&json!({ "alg": alg, "kid": kid }), &claims());
        assert_eq!(look(&token, &issuer.keys()).unwrap().subject(), "ada", "{alg}");
        let unnamed = issuer.sign(&json!({ "alg": alg }), &claims());
        assert!(look(&unnamed, &issuer.keys()).is_ok(), "{alg}");
        let wrong = issuer.sign(&json!({ "alg": alg, "kid": "hmac" }), &claims());
        assert_eq!(look(&wrong, &issuer.keys()).err(), Some(JwtError::UnknownKey), "{alg}");
        let foreign = Issuer::new().sign(&json!({ "alg": alg, "kid": kid }), &claims());
        assert_eq!(look(&foreign, &issuer.keys()).err(), Some(JwtError::Signature), "{alg}");
    }
}

#[test]
fn no_other_algorithm_counts() {
    let issuer = Issuer::new();
    for alg in ["none", "None", "HS256", "RS384", "PS256", "ES384", ""] {
        let token = issuer.sign(&json!({ "alg": alg }), &claims());
        assert_eq!(look(&token, &issuer.keys()).err(), Some(JwtError::Algorithm), "{alg}");
    }
    // A key that the token brings, and an extension that has to be understood.
    let mut header =
        json!({ "alg": "ES256", "kid": "mine", "jwk": Issuer::new().keys()["keys"][0] });
    let token = Issuer::new().sign(&header, &claims());
    assert_eq!(look(&token, &issuer.keys()).err(), Some(JwtError::UnknownKey));
    header = json!({ "alg": "ES256", "kid": "ec", "crit": ["exp"] });
    let token = issuer.sign(&header, &claims());
    assert_eq!(look(&token, &issuer.keys()).err(), Some(JwtError::Malformed));
}

#[test]
fn whatever_is_changed_in_a_token_it_does_not_count() {
    let issuer = Issuer::new();
    let token = issuer.sign(&json!({ "alg": "ES256", "kid": "ec" }), &claims());
    for token in [token.as_str(), RSA_TOKEN] {
        for at in (0..token.len()).filter(|at| &token[*at..=*at] != ".") {
            let other = if &token[at..=at] == "A" { "E" } else { "A" };
            let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            assert!(look(&changed, &issuer.keys()).is_err(), "{at}");
        }
    }
    for text in ["", ".", "..", "a.b.c", &token[..token.len() - 5], &"a".repeat(40_000)] {
        assert!(look(text, &issuer.keys()).is_err());
    }
}

#[test]
fn a_token_is_from_the_issuer_for_us_now_and_for_this_time() {
    let issuer = Issuer::new();
    let check = |name: &str, value: Value, expected: Option<JwtError>| {
        let mut claims = claims();
        claims[name] = value.clone();
        let token = issuer.sign(&json!({ "alg": "EdDSA" }), &claims);
        assert_eq!(look(&token, &issuer.keys()).err(), expected, "{name} {value}");
    };
    check("iss", json!("https://id.example/"), Some(JwtError::NotForUs));
    check("iss", Value::Null, Some(JwtError::NotForUs));
    check("aud", json!("other"), Some(JwtError::NotForUs));
    check("aud", json!([]), Some(JwtError::NotForUs));
    check("aud", json!(["subrosa"]), None);
    check("aud", json!(["subrosa", "other"]), Some(JwtError::NotForUs));
    check("azp", json!("subrosa"), None);
    check("azp", json!("other"), Some(JwtError::NotForUs));
    check("exp", json!(NOW - 59), None);
    check("exp", json!(NOW - 60), Some(JwtError::Time));
    check("exp", json!(1_799_999_940.5), Some(JwtError::Time));
    check("exp", json!(1_799_999_941.5), None);
    check("exp", json!(-1), Some(JwtError::Time));
    check("exp", Value::Null, Some(JwtError::Time));
    check("exp", json!("tomorrow"), Some(JwtError::Time));
    check("nbf", json!(NOW + 60), None);
    check("nbf", json!(NOW + 61), Some(JwtError::Time));
    check("iat", json!(NOW + 61), Some(JwtError::Time));
    check("nonce", json!("twice"), Some(JwtError::Nonce));
    check("nonce", Value::Null, Some(JwtError::Nonce));
    check("sub", json!(""), Some(JwtError::Malformed));
    check("sub", json!("a".repeat(256)), Some(JwtError::Malformed));
    check("sub", json!(7), Some(JwtError::Malformed));
}

#[test]
fn a_token_for_us_may_be_made_for_another_client_where_that_is_meant() {
    let issuer = Issuer::new();
    let keys = Keys::parse(&serde_json::to_vec(&issuer.keys()).unwrap()).unwrap();
    let check = |audience: Value, is_good: bool| {
        let mut claims = claims();
        (claims["aud"], claims["azp"]) = (audience.clone(), json!("other"));
        let token = issuer.sign(&json!({ "alg": "EdDSA" }), &claims);
        let expected = Expected { is_for_any_client: true, nonce: None, ..EXPECTED };
        assert_eq!(verify(&token, &keys, &expected).is_ok(), is_good, "{audience}");
        assert!(verify(&token, &keys, &EXPECTED).is_err(), "{audience}");
    };
    check(json!("subrosa"), true);
    check(json!(["other", "subrosa"]), true);
    check(json!("other"), false);
    check(json!([]), false);
}

#[test]
fn a_key_is_for_what_it_says() {
    let issuer = Issuer::new();
    let token = issuer.sign(&json!({ "alg": "ES256", "kid": "ec" }), &claims());
    let check = |name: &str, value: &str, is_good: bool| {
        let mut keys = issuer.keys();
        keys["keys"][0][name] = json!(value);
        assert_eq!(look(&token, &keys).is_ok(), is_good, "{name} {value}");
    };
    check("use", "sig", true);
    check("use", "enc", false);
    check("alg", "RS256", false);
    check("crv", "P-384", false);
    check("kid", "other", false);
    check("x", "AAAA", false);
    assert!(Keys::parse(b"{}").is_err() && Keys::parse(b"[").is_err());
}
