//! One line of the audit log: its exact bytes, its MAC, its seal.
//!
//! A line is `{"seq":N,` REST `,"mac":"` 64 hex digits `"}`, where REST is what an event's JSON has
//! between its braces, or `"sealed":"..."`. The MAC covers the MAC of the line before and the line's
//! text without the field `mac`. Which line has to follow which is told by [`super::scan`].

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead as _, Payload};
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::event::Event;
use crate::crypto::derive;
use crate::keys::StoreId;

/// The longest line, its line feed not counted.
///
/// Five texts of 256 bytes, each byte escaped to 6, a ref of 519 and two names of 64 bytes, and less
/// than 500 bytes of keys, numbers and MAC make 8.9 KB; sealed and in base64, less than 12.4 KB.
pub(super) const LINE_LEN_MAX: usize = 16 * 1024;

const DOMAIN_START: &[u8] = b"subrosa/audit-start/1\0";
const DOMAIN_LINE: &[u8] = b"subrosa/audit-line/1\0";
const DOMAIN_RESTART: &[u8] = b"subrosa/audit-restart/1\0";
const DOMAIN_SEAL: &[u8] = b"subrosa/audit-seal/1\0";

const NONCE_LEN: usize = 24;
/// What a sealed event's length is rounded up to, so that it tells little of the names.
const PADDED_TO: usize = 128;

/// The keys of the audit log.
pub(crate) struct AuditKeys {
    mac: Zeroizing<[u8; 32]>,
    seal: Zeroizing<[u8; 32]>,
}

impl AuditKeys {
    /// Derives the keys of a store's log from a key of that store.
    pub(crate) fn derive(inner: &[u8; 32], store: &StoreId) -> AuditKeys {
        AuditKeys {
            mac: derive(inner, store, "subrosa/audit-mac/1"),
            seal: derive(inner, store, "subrosa/audit-seal/1"),
        }
    }
}

/// Whether names can be read without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// Refs, scopes, descriptions and times can be read by whoever reads the files.
    Open,
    /// The leaves and the settings are sealed, and of the audit log all but the lines' numbers.
    Sealed,
}

/// Where a log ends: its last line's number and MAC. A log without lines ends at number 0 with the
/// start value of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "HeadText", into = "HeadText")]
pub struct Head {
    /// The number of the last line.
    pub seq: u64,
    /// Its MAC.
    pub mac: [u8; 32],
}

/// A [`Head`] as JSON has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadText {
    seq: u64,
    mac: String,
}

impl From<Head> for HeadText {
    fn from(head: Head) -> HeadText {
        HeadText { seq: head.seq, mac: HEXLOWER.encode(&head.mac) }
    }
}

impl TryFrom<HeadText> for Head {
    type Error = &'static str;

    fn try_from(text: HeadText) -> Result<Head, &'static str> {
        let mac = mac_of_hex(text.mac.as_bytes()).ok_or("no 64 lower-case hex digits")?;
        Ok(Head { seq: text.seq, mac })
    }
}

/// Takes 64 lower-case hex digits.
fn mac_of_hex(hex: &[u8]) -> Option<[u8; 32]> {
    let mut mac = [0; 32];
    if hex.len() != 64 {
        return None;
    }
    HEXLOWER.decode_mut(hex, &mut mac).ok()?;
    Some(mac)
}

/// A line that has the shape of one; whether it belongs where it stands is another question.
pub(super) struct Line<'a> {
    /// Its number.
    pub(super) seq: u64,
    /// The MAC that it states.
    pub(super) mac: [u8; 32],
    /// All before `,"mac"`.
    text: &'a [u8],
    /// What of it follows the number.
    rest: &'a [u8],
}

impl<'a> Line<'a> {
    /// Takes a line apart, its line feed already taken off.
    pub(super) fn parse(line: &'a [u8]) -> Option<Line<'a>> {
        let (line, hex) = line.strip_suffix(b"\"}")?.split_last_chunk::<64>()?;
        let mac = mac_of_hex(hex)?;
        let text = line.strip_suffix(b",\"mac\":\"")?;
        let numbered = text.strip_prefix(b"{\"seq\":")?;
        let comma = numbered.iter().position(|byte| *byte == b',')?;
        let (digits, rest) = (&numbered[..comma], &numbered[comma + 1..]);
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let seq = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Line { seq, mac, text, rest })
    }
}

/// Writes and checks the lines of one store's log.
pub(super) struct Codec<'a> {
    keys: &'a AuditKeys,
    store: &'a StoreId,
    /// The MAC's state after the key: the key is taken in once, not once for each line.
    keyed: Hmac<Sha256>,
}

impl<'a> Codec<'a> {
    pub(super) fn new(keys: &'a AuditKeys, store: &'a StoreId) -> Codec<'a> {
        let keyed = Hmac::new_from_slice(&*keys.mac).expect("HMAC takes keys of any length");
        Codec { keys, store, keyed }
    }

    /// Where a log without lines ends.
    pub(super) fn start(&self) -> Head {
        let mac = self.mac(&[DOMAIN_START, self.store.as_str().as_bytes()]);
        Head { seq: 0, mac: mac.finalize().into_bytes().into() }
    }

    /// What a line follows that begins a new chain, where `good` was the last line that held.
    pub(super) fn restart(&self, good: &Head, seq: u64) -> [u8; 32] {
        let (store, seq) = (self.store.as_str().as_bytes(), seq.to_be_bytes());
        self.mac(&[DOMAIN_RESTART, store, &good.mac, &seq]).finalize().into_bytes().into()
    }

    /// Appends a line and its line feed to `log`, and gives its MAC.
    ///
    /// # Errors
    /// If the system gives no randomness for the seal.
    pub(super) fn write(
        &self,
        log: &mut Vec<u8>,
        event: &Event,
        place: Place,
    ) -> Result<Head, getrandom::Error> {
        let from = log.len();
        let json = event.to_json();
        log.extend_from_slice(format!("{{\"seq\":{},", place.seq).as_bytes());
        match place.names {
            Names::Open => log.extend_from_slice(&json.as_bytes()[1..json.len() - 1]),
            Names::Sealed => {
                let mut nonce = [0; NONCE_LEN];
                getrandom::fill(&mut nonce)?;
                log.extend_from_slice(self.sealed(json, place.seq, nonce).as_bytes());
            }
        }
        let mac = self.mac(&[DOMAIN_LINE, &place.previous, &log[from..], b"}"]);
        let mac: [u8; 32] = mac.finalize().into_bytes().into();
        log.extend_from_slice(format!(",\"mac\":\"{}\"}}\n", HEXLOWER.encode(&mac)).as_bytes());
        Ok(Head { seq: place.seq, mac })
    }

    /// Whether the line is what was written after the line with the MAC `previous`.
    pub(super) fn follows(&self, line: &Line<'_>, previous: &[u8; 32]) -> bool {
        self.mac(&[DOMAIN_LINE, previous, line.text, b"}"]).verify_slice(&line.mac).is_ok()
    }

    /// What the line says; `None` if it cannot be understood.
    pub(super) fn event(&self, line: &Line<'_>) -> Option<Event> {
        let Some(sealed) = line.rest.strip_prefix(b"\"sealed\":") else {
            return Event::from_json(&[b"{", line.rest, b"}"].concat());
        };
        let bytes = BASE64.decode(sealed.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let aad = self.seal_aad(line.seq);
        let payload = Payload { msg: ciphertext, aad: &aad };
        let json = self.cipher().decrypt(&(*nonce).into(), payload).ok()?;
        Event::from_json(&json)
    }

    fn sealed(&self, mut json: String, seq: u64, nonce: [u8; NONCE_LEN]) -> String {
        // Spaces after the object are part of no event, and every reader of JSON passes over them.
        let padding = json.len().next_multiple_of(PADDED_TO) - json.len();
        json.extend(std::iter::repeat_n(' ', padding));
        let payload = Payload { msg: json.as_bytes(), aad: &self.seal_aad(seq) };
        let ciphertext = self
            .cipher()
            .encrypt(&nonce.into(), payload)
            .expect("a line is far shorter than what one nonce can seal");
        format!("\"sealed\":\"{}\"", BASE64.encode(&[&nonce[..], &ciphertext].concat()))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new_from_slice(&*self.keys.seal).expect("the key has 32 bytes")
    }

    /// The parts have fixed lengths (the id has 32 bytes), so their sequence is unambiguous.
    fn seal_aad(&self, seq: u64) -> Vec<u8> {
        [DOMAIN_SEAL, self.store.as_str().as_bytes(), &seq.to_be_bytes()].concat()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

/// Where a line is to stand, and how it is written.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Its number.
    pub(super) seq: u64,
    /// The MAC of the line before.
    pub(super) previous: [u8; 32],
    /// Whether it is sealed.
    pub(super) names: Names,
}
