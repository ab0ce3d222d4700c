//! The messages between us and a plugin, as `docs/providers/plugin.md` has them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The version of the protocol. Fields that one side does not know it ignores, so that only what is no
/// longer understood makes a new one.
pub(super) const PROTOCOL: u32 = 1;

/// What we say.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Said<'a> {
    /// The first message.
    Hello { protocol: u32, provider: &'a str },
    /// The second: the options that make the login.
    Open { login: &'a BTreeMap<String, String>, timeout_ms: u64 },
    /// Asks for values.
    Fetch { timeout_ms: u64, requests: Vec<Wanted<'a>> },
    /// Asks whether values could be got.
    Check { timeout_ms: u64, requests: Vec<Wanted<'a>> },
    /// The last message.
    Close,
}

/// One secret that is asked for.
#[derive(Serialize)]
pub(super) struct Wanted<'a> {
    pub(super) id: u64,
    pub(super) name: &'a str,
    pub(super) key: &'a str,
    pub(super) options: &'a BTreeMap<String, String>,
}

impl Said<'_> {
    /// As a line.
    pub(super) fn line(&self) -> Zeroizing<Vec<u8>> {
        // Options may be credentials: a buffer that grows leaves copies behind, so the length is
        // counted first.
        let mut length = Count(1);
        let counted = serde_json::to_writer(&mut length, self).is_ok();
        let mut line = Zeroizing::new(Vec::with_capacity(length.0));
        let written = serde_json::to_writer(&mut *line, self).is_ok();
        debug_assert!(counted && written, "texts and numbers have JSON forms");
        line.push(b'\n');
        line
    }
}

struct Count(usize);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A text that is borrowed from the line where no escape stands in it.
#[derive(Deserialize)]
pub(super) struct Text<'l>(#[serde(borrow)] pub(super) Cow<'l, str>);

/// What a plugin says: the fields of all messages, each of which has some of them.
#[derive(Deserialize)]
pub(super) struct Heard<'l> {
    #[serde(rename = "type", borrow)]
    pub(super) kind_of_message: Text<'l>,
    // `hello`
    pub(super) protocol: Option<u32>,
    pub(super) batch: Option<usize>,
    pub(super) check: Option<bool>,
    pub(super) login: Option<Vec<String>>,
    // `value`, `checked` and `error`
    pub(super) id: Option<u64>,
    #[serde(borrow)]
    pub(super) value: Option<Text<'l>>,
    #[serde(borrow)]
    pub(super) found: Option<Text<'l>>,
    #[serde(borrow)]
    pub(super) kind: Option<Text<'l>>,
    #[serde(borrow)]
    pub(super) message: Option<Text<'l>>,
    #[serde(borrow)]
    pub(super) help: Option<Text<'l>>,
    pub(super) retry: Option<bool>,
    pub(super) retry_after_ms: Option<u64>,
}

impl<'l> Heard<'l> {
    /// Reads a line; `None` if it is no message.
    pub(super) fn parse(line: &'l [u8]) -> Option<Heard<'l>> {
        serde_json::from_slice(line).ok()
    }

    /// The word in `type`.
    pub(super) fn word(&self) -> &str {
        &self.kind_of_message.0
    }
}
