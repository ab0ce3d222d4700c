//! `CONNECT` and `PING`, as a client of NATS says them.
//!
//! <https://docs.nats.io/reference/reference-protocols/nats-protocol>
//!
//! A user and password, a token, an NKey and a credentials file are known; certificates of clients are not.

use serde::Deserialize;
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::nkey::{Nkey, credentials};
use super::socket::{Lines, Place, wants_tls};
use super::{Means, Outcome};
use crate::opened::Opened;

/// What of the server's greeting counts.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Greeting {
    tls_required: bool,
    tls_available: bool,
    nonce: Option<String>,
}

/// Logs in and asks for an answer.
pub(super) async fn ask(opened: &Opened, means: &Means<'_>) -> Result<Outcome, Outcome> {
    let place = Place::of(opened)?;
    let mut lines = Lines::new(place.connect(means.reach).await?);
    let line = lines.next(&place).await?;
    let strange = || Outcome::unexpected("the server does not speak as NATS does");
    let greeting = line.strip_prefix(b"INFO ").ok_or_else(strange)?;
    let greeting: Greeting = serde_json::from_slice(greeting).map_err(|_| strange())?;
    let wants_tls = wants_tls(opened)?;
    if wants_tls {
        if !greeting.tls_required && !greeting.tls_available {
            let why = "the server does not offer TLS, and the field `tls` asks for it";
            return Err(Outcome::unexpected(why));
        }
        lines = Lines::new(place.secure(lines.into_stream(), &means.tls).await?);
    } else if greeting.tls_required {
        return Err(Outcome::unexpected("the server asks for TLS, and the field `tls` is `false`"));
    }
    lines.send(&place, &connect(opened, greeting.nonce.as_deref(), wants_tls)?).await?;
    loop {
        let line = lines.next(&place).await?;
        match line.as_slice() {
            b"PONG" => return Ok(Outcome::Works { shows: None }),
            b"+OK" | b"PING" => {}
            line if line.starts_with(b"INFO ") => {}
            line if line.starts_with(b"-ERR ") => return Err(refusal(line)),
            _ => return Err(strange()),
        }
    }
}

fn refusal(line: &[u8]) -> Outcome {
    let says = |word: &str| {
        line.to_ascii_lowercase().windows(word.len()).any(|part| part == word.as_bytes())
    };
    match line {
        _ if says("authorization") || says("authentication") => Outcome::Refused,
        _ if says("permissions") => Outcome::Denied,
        _ if says("maximum") => Outcome::unreachable("the server has too many connections"),
        _ => Outcome::unexpected("the server answered with an error"),
    }
}

/// The line `CONNECT` with the login, and `PING`.
fn connect(
    opened: &Opened,
    nonce: Option<&str>,
    wants_tls: bool,
) -> Result<Zeroizing<Vec<u8>>, Outcome> {
    let mut line = Message::new();
    for (key, field) in [("user", "username"), ("pass", "password"), ("auth_token", "token")] {
        if let Some(value) = opened.value(field) {
            line.put(key, &value)?;
        }
    }
    let key = match (opened.value("creds"), opened.value("nkey_seed")) {
        (Some(file), _) => {
            let why = "the field `creds` is no credentials file";
            let (jwt, key) = credentials(&file).ok_or_else(|| Outcome::untested(why))?;
            line.put("jwt", &jwt)?;
            Some(key)
        }
        (None, Some(seed)) => {
            #[expect(clippy::disallowed_methods, reason = "read to log in")]
            let key = Nkey::parse(seed.expose());
            let key = key.ok_or_else(|| {
                Outcome::untested("the field `nkey_seed` is no seed of a user (`SU...`)")
            })?;
            line.put_plain("nkey", &key.public());
            Some(key)
        }
        (None, None) => None,
    };
    match (key, nonce) {
        (Some(key), Some(nonce)) => line.put_plain("sig", &key.sign(nonce)),
        (Some(_), None) => {
            return Err(Outcome::unexpected("the server does not ask for keys (no nonce)"));
        }
        (None, _) => {}
    }
    Ok(line.finish(wants_tls))
}

/// The line, made in one buffer.
struct Message(Zeroizing<Vec<u8>>);

impl Message {
    fn new() -> Message {
        // Room for a credentials file with every byte escaped; a buffer that grew would leave copies.
        let mut line = Zeroizing::new(Vec::with_capacity(6 * 64 * 1024));
        line.extend_from_slice(b"CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1,");
        line.extend_from_slice(b"\"lang\":\"rust\",\"name\":\"subrosa\",\"version\":\"");
        line.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes());
        line.extend_from_slice(b"\"");
        Message(line)
    }

    fn put(&mut self, key: &str, value: &SecretValue) -> Result<(), Outcome> {
        #[expect(clippy::disallowed_methods, reason = "the login carries it")]
        let text = std::str::from_utf8(value.expose());
        let text = text.map_err(|_| Outcome::untested("a field of the login is no text"))?;
        self.put_plain(key, text);
        Ok(())
    }

    fn put_plain(&mut self, key: &str, text: &str) {
        self.0.extend_from_slice(format!(",\"{key}\":").as_bytes());
        serde_json::to_writer(&mut *self.0, text).expect("a text becomes JSON in memory");
    }

    fn finish(mut self, wants_tls: bool) -> Zeroizing<Vec<u8>> {
        self.0.extend_from_slice(format!(",\"tls_required\":{wants_tls}}}\r\nPING\r\n").as_bytes());
        self.0
    }
}
