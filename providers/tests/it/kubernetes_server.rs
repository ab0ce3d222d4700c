//! The kubernetes provider against a real API server, which `tests/with-kube-apiserver` starts.
//!
//! It has left in the namespace `default` a Secret `payments` with the key `stripe` of value `x`, and a
//! kubeconfig with the contexts `may`, `may-not` and `nobody`.

#![expect(clippy::disallowed_methods, reason = "the script says where the server is")]

use subrosa_engine::provider::{Checked, ProviderErrorKind};

use crate::conformance::context;
use crate::remote::{fetch, open, request};

fn kubeconfig() -> String {
    std::env::var("KUBE_APISERVER_CONFIG").expect("tests/with-kube-apiserver runs this test")
}

#[tokio::test]
async fn a_real_server_tells_apart_what_the_stand_in_does() {
    let file = kubeconfig();
    let context = context(&[], &[], &[]);
    for (user, key, expected) in [
        ("may", "payments/stripe", Ok("x")),
        ("may", "payments/other", Err(ProviderErrorKind::NotFound)),
        ("may-not", "payments/stripe", Err(ProviderErrorKind::Denied)),
        ("nobody", "payments/stripe", Err(ProviderErrorKind::Unauthenticated)),
    ] {
        let wanted = request(key, &[("kubeconfig", &file), ("context", user)]);
        let found = fetch("kubernetes", &context, &wanted).await.map_err(|error| error.kind);
        assert_eq!(found.as_deref().map_err(|kind| *kind), expected, "{user} {key}");
    }
    for (user, expected) in [
        ("may", Ok(Checked::Likely)),
        ("may-not", Err(ProviderErrorKind::Denied)),
        ("nobody", Err(ProviderErrorKind::Unauthenticated)),
    ] {
        let wanted = request("payments/stripe", &[("kubeconfig", &file), ("context", user)]);
        let client = open("kubernetes", &context, &wanted).await.unwrap();
        assert_eq!(client.check(&wanted).await.map_err(|error| error.kind), expected, "{user}");
    }
}
