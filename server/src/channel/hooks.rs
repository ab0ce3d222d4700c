//! Calls of services that start a workflow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Ask, Call, Sealed};

/// The headers that a call may show something in: lower case.
pub const HEADERS: [&str; 10] = [
    "authorization",
    "content-type",
    "stripe-signature",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-gitlab-token",
    "x-hub-signature-256",
    "x-slack-request-timestamp",
    "x-slack-signature",
];

/// What can be asked about hooks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HooksCall {
    /// A service called.
    Deliver(Deliver),
}

/// Hands on what a service sent; whether it is let in is the runner's to judge.
#[derive(Debug, Serialize, Deserialize)]
pub struct Deliver {
    /// The file that declares the hook, relative to the folder of workflows.
    pub file: String,
    /// The workspace in which the hook was looked for: the workflow must be in it.
    pub workspace: Option<String>,
    /// The hook's name.
    pub hook: String,
    /// Whether a user who may start runs there has shown a token.
    pub has_user: bool,
    /// A [`Parcel`].
    pub parcel: Sealed,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The run that was started.
    pub run: String,
    /// Whether an earlier delivery of the same call has started it.
    pub is_repeated: bool,
}

impl Ask for Deliver {
    type Answer = Delivered;

    fn into_call(self) -> Call {
        Call::Hooks(HooksCall::Deliver(self))
    }
}

/// The headers and the body of a call; what it shows to be let in is among them, so it travels sealed.
pub struct Parcel {
    /// Of [`HEADERS`], those that are there.
    pub headers: BTreeMap<String, Zeroizing<String>>,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

impl Parcel {
    /// As bytes: a line of JSON for the headers, then the body.
    pub fn pack(&self) -> Zeroizing<Vec<u8>> {
        let texts: BTreeMap<&str, &str> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let length: usize =
            texts.iter().map(|(name, value)| name.len() + 6 * value.len() + 8).sum();
        // Room from the start: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(length + self.body.len() + 8));
        // Writing texts into a vector does not fail.
        serde_json::to_writer(&mut *bytes, &texts).ok();
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The same from bytes.
    pub fn unpack(bytes: &[u8]) -> Option<Parcel> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (head, body) = bytes.split_at(end);
        let texts: BTreeMap<String, String> = serde_json::from_slice(head).ok()?;
        let headers = texts.into_iter().map(|(name, value)| (name, Zeroizing::new(value)));
        Some(Parcel { headers: headers.collect(), body: Zeroizing::new(body[1..].to_vec()) })
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::Parcel;

    #[test]
    fn a_parcel_comes_out_as_it_went_in() {
        for (header, body) in
            [("Bearer shh", &b"{}"[..]), ("quotes \" and \\ and \n", b"\n\nlines\n"), ("", b"")]
        {
            let headers = [("authorization".to_owned(), Zeroizing::new(header.to_owned()))];
            let parcel = Parcel { headers: headers.into(), body: Zeroizing::new(body.to_vec()) };
            let found = Parcel::unpack(&parcel.pack()).unwrap();
            assert_eq!(found.headers["authorization"].as_str(), header);
            assert_eq!(found.body.as_slice(), body);
        }
        assert!(Parcel::unpack(b"no line").is_none());
        assert!(Parcel::unpack(b"no json\n").is_none());
    }
}
