//! The root: the one file that changes, and the start of every proof.
//!
//! It is text: a line of JSON, the map of the branches, and a line with the MAC of all before it.
//! Every byte below it is bound to it by digests, so a root that verifies proves what is in the
//! store and what is not.

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

use crate::audit::{Head, Names};
use crate::crypto::Keys;
use crate::error::RegistryError;
use crate::keys::StoreId;
use crate::piece::{Piece, Pieces};
use crate::time::Time;

/// The file.
pub(crate) const ROOT: &str = "root";
/// The root before this one: a second name, kept for going back when the root is damaged.
pub(crate) const PREVIOUS: &str = "root.prev";
/// The format that is written.
pub(crate) const FORMAT: u64 = 1;
/// Far more than 64 branches and a header take.
pub(crate) const LEN_MAX: u64 = 1 << 20;

/// What the root says.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    pub(crate) store: StoreId,
    pub(crate) key: String,
    pub(crate) generation: u64,
    pub(crate) written: Time,
    pub(crate) names: Names,
    pub(crate) inner: Vec<u8>,
    /// The end of the audit log when the root was written: a shorter log was cut.
    pub(crate) audit: Option<Head>,
    pub(crate) settings: Option<Piece>,
    pub(crate) branches: Pieces,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    subrosa: String,
    format: u64,
    store: String,
    key: String,
    generation: u64,
    written: Time,
    names: Names,
    inner: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    audit: Option<Head>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    settings: Option<PieceText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PieceText {
    file: String,
    at: u64,
    len: u64,
    sha256: String,
}

/// Of a root whose MAC is not checked yet: enough to find the key.
pub(crate) struct Claim {
    pub(crate) store: StoreId,
    pub(crate) key: String,
}

/// Why a root was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRoot {
    /// It is not what it was.
    Damaged(&'static str),
    /// A newer subrosa wrote it.
    TooNew(u64),
}

impl NotRoot {
    pub(crate) fn into_error(self, file: String) -> RegistryError {
        match self {
            NotRoot::Damaged(why) => RegistryError::Damaged { file, why },
            NotRoot::TooNew(found) => RegistryError::TooNew { file, found, known: FORMAT },
        }
    }
}

/// Only these two are looked at before the format is known to be ours.
#[derive(Deserialize)]
struct Kind {
    subrosa: String,
    format: u64,
}

impl Claim {
    /// Reads what is claimed; nothing of it may be believed but for choosing a key.
    pub(crate) fn read(bytes: &[u8]) -> Result<Claim, NotRoot> {
        let header = header(bytes)?;
        let store = StoreId::parse(&header.store).ok_or(NotRoot::Damaged("its first line"))?;
        Ok(Claim { store, key: header.key })
    }
}

fn header(bytes: &[u8]) -> Result<Header, NotRoot> {
    let damaged = NotRoot::Damaged("its first line");
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(damaged)?;
    check_kind(&bytes[..end], "root").map_err(|why| match why {
        NotRoot::Damaged(_) => damaged,
        too_new @ NotRoot::TooNew(_) => too_new,
    })?;
    serde_json::from_slice(&bytes[..end]).map_err(|_| damaged)
}

/// Makes sure that a JSON object is ours, of that kind, and of a format that we read.
pub(crate) fn check_kind(json: &[u8], wanted: &str) -> Result<(), NotRoot> {
    let damaged = NotRoot::Damaged("its content");
    let kind: Kind = serde_json::from_slice(json).map_err(|_| damaged)?;
    match kind.format {
        0 => Err(damaged),
        _ if kind.subrosa != wanted => Err(damaged),
        found if found > FORMAT => Err(NotRoot::TooNew(found)),
        _ => Ok(()),
    }
}

/// The MAC in the last line of a root.
pub(crate) fn mac(bytes: &[u8]) -> Option<[u8; 32]> {
    let line = bytes.get(bytes.len().checked_sub(MAC_LINE_LEN)?..)?;
    let hex = line.strip_prefix(b"mac ")?.strip_suffix(b"\n")?;
    HEXLOWER.decode(hex).ok()?.try_into().ok()
}

const MAC_LINE_LEN: usize = "mac \n".len() + 64;

impl Root {
    /// Checks the MAC, then reads the rest.
    pub(crate) fn open(bytes: &[u8], keys: &Keys) -> Result<Root, NotRoot> {
        let damaged = NotRoot::Damaged("its MAC");
        let mac = mac(bytes).ok_or(damaged)?;
        let body = &bytes[..bytes.len() - MAC_LINE_LEN];
        if !keys.root_mac.verifies(body, &mac) {
            return Err(damaged);
        }
        Root::read(body)
    }

    /// Reads a root without its MAC, which somebody who has no key cannot check: what it says may be
    /// used to look for damage, and for nothing else.
    pub(crate) fn unproven(bytes: &[u8]) -> Result<Root, NotRoot> {
        mac(bytes).ok_or(NotRoot::Damaged("its MAC"))?;
        Root::read(&bytes[..bytes.len() - MAC_LINE_LEN])
    }

    fn read(body: &[u8]) -> Result<Root, NotRoot> {
        let header = header(body)?;
        Root::from_parts(header, body).ok_or(NotRoot::Damaged("its content"))
    }

    fn from_parts(header: Header, body: &[u8]) -> Option<Root> {
        let (_, branches) = std::str::from_utf8(body).ok()?.split_once('\n')?;
        let settings = match header.settings {
            None => None,
            Some(text) => Some(text.into_piece()?),
        };
        Some(Root {
            store: StoreId::parse(&header.store)?,
            key: header.key,
            generation: header.generation,
            written: header.written,
            names: header.names,
            inner: BASE64.decode(header.inner.as_bytes()).ok()?,
            audit: header.audit,
            settings,
            branches: Pieces::parse(branches)?,
        })
    }

    /// The file's bytes.
    pub(crate) fn to_bytes(&self, keys: &Keys) -> Vec<u8> {
        let header = Header {
            subrosa: "root".to_owned(),
            format: FORMAT,
            store: self.store.as_str().to_owned(),
            key: self.key.clone(),
            generation: self.generation,
            written: self.written,
            names: self.names,
            inner: BASE64.encode(&self.inner),
            audit: self.audit,
            settings: self.settings.as_ref().map(PieceText::of),
        };
        let mut text = serde_json::to_string(&header).expect("plain fields become JSON");
        text.push('\n');
        text.push_str(&self.branches.to_text());
        let mac = HEXLOWER.encode(&keys.root_mac.mac(text.as_bytes()));
        text.push_str("mac ");
        text.push_str(&mac);
        text.push('\n');
        text.into_bytes()
    }
}

impl PieceText {
    fn of(piece: &Piece) -> PieceText {
        let Piece { file, at, len, sha256 } = piece;
        PieceText { file: file.clone(), at: *at, len: *len, sha256: HEXLOWER.encode(sha256) }
    }

    fn into_piece(self) -> Option<Piece> {
        let line = format!("00\t{}\t{}\t{}\t{}\n", self.file, self.at, self.len, self.sha256);
        Pieces::parse(&line)?.0.remove(&0)
    }
}
