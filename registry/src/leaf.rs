//! Leaves: the entries of the refs that fall into one of 4096 places.
//!
//! A leaf is lines of ref, workspace, environment and the entry's JSON, sorted; all scopes of a ref
//! are in the same leaf, so one leaf proves whether a scope has it. Reading a single entry parses
//! one line. Where names are hidden, the lines are sealed as a whole.

use std::collections::BTreeMap;

use crate::audit::Names;
use crate::crypto::{Context, Inner};
use crate::entry::Entry;
use crate::error::RegistryError;
use crate::keys::StoreId;
use crate::names::{Address, EnvironmentName, Scope, SecretRef, WorkspaceName};
use crate::piece::FAN;

/// Which leaf: the branch, and the leaf within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) branch: u8,
    pub(crate) leaf: u8,
}

impl Place {
    /// Where a ref belongs: 12 bits of its keyed digest, so that a place tells nothing of a ref.
    pub(crate) fn of(reference: &SecretRef, inner: &Inner) -> Place {
        let mac = inner.place.mac(reference.as_str().as_bytes());
        Place { branch: mac[0] % FAN, leaf: mac[1] % FAN }
    }
}

/// A leaf's text.
#[derive(Default)]
pub(crate) struct Leaf(String);

/// Why a leaf that has the right digest cannot be used: a bug or a newer format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl Leaf {
    /// Reads a leaf out of its piece.
    pub(crate) fn open(
        bytes: Vec<u8>,
        names: Names,
        place: Place,
        (inner, store): (&Inner, &StoreId),
    ) -> Result<Leaf, Unreadable> {
        let bytes = match names {
            Names::Open => bytes,
            Names::Sealed => inner
                .names
                .open(&Leaf::context(place, store), &bytes)
                .map(|plain| plain.to_vec())
                .ok_or(Unreadable)?,
        };
        String::from_utf8(bytes).map(Leaf).map_err(|_| Unreadable)
    }

    /// The bytes of its piece.
    pub(crate) fn to_bytes(
        &self,
        names: Names,
        place: Place,
        (inner, store): (&Inner, &StoreId),
    ) -> Result<Vec<u8>, RegistryError> {
        match names {
            Names::Open => Ok(self.0.clone().into_bytes()),
            Names::Sealed => inner.names.seal(&Leaf::context(place, store), self.0.as_bytes()),
        }
    }

    fn context(place: Place, store: &StoreId) -> Context {
        Context::new("subrosa/leaf/1", store).part(&[place.branch, place.leaf])
    }

    /// The entry of an address, if the leaf has one.
    pub(crate) fn find(&self, address: &Address) -> Result<Option<Entry>, Unreadable> {
        let key = line_key(address);
        let line = self.0.lines().find_map(|line| line.strip_prefix(&*key));
        line.map(|json| serde_json::from_str(json).map_err(|_| Unreadable)).transpose()
    }

    /// Every entry, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<(Address, Entry), Unreadable>> {
        self.0.lines().map(|line| parse_line(line).ok_or(Unreadable))
    }

    /// The same leaf with some entries put in place of what was there.
    pub(crate) fn with(&self, changed: &BTreeMap<Address, Entry>) -> Leaf {
        let mut lines: BTreeMap<&str, &str> =
            self.0.lines().filter_map(|line| Some(line.split_at(key_len(line)?))).collect();
        let made: Vec<(String, String)> = changed
            .iter()
            .map(|(address, entry)| {
                let json = serde_json::to_string(entry).expect("plain fields become JSON");
                (line_key(address), json)
            })
            .collect();
        lines.extend(made.iter().map(|(key, json)| (key.as_str(), json.as_str())));
        let mut text = String::with_capacity(self.0.len() + 512 * made.len());
        for (key, json) in lines {
            text.push_str(key);
            text.push_str(json);
            text.push('\n');
        }
        Leaf(text)
    }
}

/// A line up to its JSON. A tab sorts before every character of a name, so lines sort as addresses do.
fn line_key(address: &Address) -> String {
    let Address { reference, scope } = address;
    let workspace = scope.workspace.as_ref().map_or("", |name| name.as_str());
    let environment = scope.environment.as_ref().map_or("", |name| name.as_str());
    format!("{reference}\t{workspace}\t{environment}\t")
}

fn key_len(line: &str) -> Option<usize> {
    line.match_indices('\t').nth(2).map(|(at, _)| at + 1)
}

fn parse_line(line: &str) -> Option<(Address, Entry)> {
    let (key, json) = line.split_at(key_len(line)?);
    let mut fields = key.split('\t');
    let reference = SecretRef::parse_kept(fields.next()?).ok()?;
    let workspace = match fields.next()? {
        "" => None,
        name => Some(WorkspaceName::parse(name).ok()?),
    };
    let environment = match fields.next()? {
        "" => None,
        name => Some(EnvironmentName::parse(name).ok()?),
    };
    let scope = Scope { workspace, environment };
    Some((Address { reference, scope }, serde_json::from_str(json).ok()?))
}
