//! Storing what a form was filled in with: on top of what is there, and with nothing lost of what others
//! store at the same moment.
//!
//! Nothing is opened. No secret goes to another place than the one that it was given for: where a public field
//! decides where the credential goes, changing it takes the secrets anew, and forgets tokens.

use subrosa_registry::{
    Action, Address, Admin, InvalidRecord, MustBe, RecordChange, RecordInfo, RegistryError,
    SetOptions, Written,
};

use crate::form::{Current, Filled};
use crate::kind::ConnectionType;
use crate::record::{ACCESS_TOKEN, REFRESH_TOKEN, Record};

/// How often a change is made again on top of what somebody else has stored meanwhile.
const ATTEMPTS: usize = 5;

/// What is stored.
pub struct Change<'a> {
    /// The type.
    pub kind: &'a ConnectionType,
    /// The answers.
    pub filled: Filled,
    /// What goes with the version.
    pub options: SetOptions,
    /// What is asked of the state before.
    pub must_be: MustBe,
    /// The version that it was made from; `None`: whichever is the current one.
    pub expect: Option<u64>,
}

/// Why a change is not stored.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The registry does not take it.
    #[error(transparent)]
    NotStored(#[from] RegistryError),
    /// What is there was written by a newer version.
    #[error("what is kept of the connection `{}` is of another subrosa, probably a newer one", name(.0))]
    Newer(Address),
    /// It is of another type.
    #[error("the connection `{}` is of the type `{found}`, not `{wanted}`", name(.address))]
    OtherType {
        /// Which one.
        address: Address,
        /// The type that it is of.
        found: String,
        /// The type of the form.
        wanted: String,
    },
    /// Secrets would go to another place than the one that they were given for.
    #[error(
        "`{moved}` decides where the credential goes, and {} would go to another place than the one \
         that it was given for; nothing was changed",
        quoted(.kept)
    )]
    Kept {
        /// The field that was changed.
        moved: String,
        /// The secret fields that were not given anew; at least one.
        kept: Vec<String>,
    },
}

fn name(address: &Address) -> &str {
    address.reference.connection_name().unwrap_or(address.reference.as_str())
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Stores answers on top of what is there. Tokens that are exchanged at the same moment stay, and fields
/// without an answer stay as they are.
///
/// # Errors
/// [`ChangeError`]; nothing was changed then.
pub fn put(
    admin: &Admin<'_>,
    action: Action,
    address: &Address,
    change: Change<'_>,
) -> Result<Written, ChangeError> {
    let Change { kind, filled, options, must_be, expect } = change;
    let Filled { public, secret } = filled;
    let public = Filled { public, secret: Default::default() };
    let parts = secret.into_iter().collect();
    let mut change = RecordChange { parts, options, must_be, ..RecordChange::default() };
    let mut attempts = 0;
    loop {
        let known = known(admin, address)?;
        let found = known.as_ref().and_then(|info| info.info.version);
        if let Some(expected) = expect
            && known.is_some()
            && found != Some(expected)
        {
            let address = address.clone();
            return Err(RegistryError::Changed { address, expected, found }.into());
        }
        let former = match &known {
            Some(info) => of_kind(info, kind)?,
            None => Record { kind: kind.id.clone(), ..Record::default() },
        };
        let current = Current { public: former.fields.clone(), ..Current::default() };
        let fields = public.public_after(&current);
        let mut after = Record { fields, ..former };
        if let Some(info) = &known
            && let Some(moved) = kind.moved(&current.public, &after.fields).first()
        {
            refuse_kept(moved, kind, info, &change)?;
            // They were granted by, and are for, the former place.
            after.tokens = None;
            forget_tokens(info, &mut change);
        }
        // Whether the service takes another credential, nobody has asked yet.
        let is_mended = change.parts.iter().any(|(part, value)| {
            value.is_some() && kind.field(part).is_some_and(|field| field.is_secret)
        });
        if let Some(tokens) = after.tokens.as_mut().filter(|_| is_mended) {
            tokens.refused = None;
        }
        change.public = Some(after.to_text());
        // What is there has to be what the change was made from.
        change.expect = found;
        if change.expect.is_none() && must_be == MustBe::Either {
            change.must_be = MustBe::New;
        }
        attempts += 1;
        match admin.put_record(action, address, &change) {
            Err(RegistryError::Changed { .. }) if attempts < ATTEMPTS => {}
            Err(RegistryError::Exists(_)) if must_be == MustBe::Either && attempts < ATTEMPTS => {
                change.must_be = MustBe::Either;
            }
            written => return Ok(written?),
        }
    }
}

/// Makes sure that no secret goes to another place than the one that it was given for: who may edit a
/// connection could read it there.
fn refuse_kept(
    moved: &str,
    kind: &ConnectionType,
    info: &RecordInfo,
    change: &RecordChange,
) -> Result<(), ChangeError> {
    let is_given = |name: &str| change.parts.iter().any(|(part, _)| part == name);
    let is_kept = |part: &&str| kind.field(part).is_some() && !is_given(part);
    let parts = info.parts.iter().map(|part| part.name.as_str());
    let kept: Vec<String> = parts.filter(is_kept).map(str::to_owned).collect();
    match kept.is_empty() {
        true => Ok(()),
        false => Err(ChangeError::Kept { moved: moved.to_owned(), kept }),
    }
}

fn forget_tokens(info: &RecordInfo, change: &mut RecordChange) {
    for name in [ACCESS_TOKEN, REFRESH_TOKEN] {
        let is_there = info.parts.iter().any(|part| part.name == name);
        if is_there && !change.parts.iter().any(|(part, _)| part == name) {
            change.parts.push((name.to_owned(), None));
        }
    }
}

/// Stores connections that are not there yet: all of them or none.
///
/// # Errors
/// [`RegistryError`]
pub fn put_new(
    admin: &Admin<'_>,
    action: Action,
    changes: Vec<(Address, Change<'_>)>,
) -> Result<(), RegistryError> {
    let changes = changes.into_iter().map(|(address, change)| {
        let Change { kind, filled, options, .. } = change;
        let public = Some(new_record(&kind.id, &filled).to_text());
        let parts = filled.secret.into_iter().collect();
        let must_be = MustBe::New;
        (address, RecordChange { public, parts, options, must_be, ..RecordChange::default() })
    });
    let changes: Vec<(Address, RecordChange)> = changes.collect();
    admin.put_records(action, &changes).map(drop)
}

/// Whether the registry would take the public fields of a new connection.
///
/// # Errors
/// [`InvalidRecord`]
pub fn check_public(kind: &str, filled: &Filled) -> Result<(), InvalidRecord> {
    subrosa_registry::check_public(&new_record(kind, filled).to_text())
}

fn new_record(kind: &str, filled: &Filled) -> Record {
    let fields = filled.public_after(&Current::default());
    Record { kind: kind.to_owned(), fields, ..Record::default() }
}

/// The connection, if it is there.
///
/// # Errors
/// [`RegistryError`]
pub fn known(admin: &Admin<'_>, address: &Address) -> Result<Option<RecordInfo>, RegistryError> {
    match admin.record(address) {
        Ok(info) => Ok(Some(info)),
        Err(RegistryError::NotFound(_) | RegistryError::NoStore { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the text of a connection says.
///
/// # Errors
/// [`ChangeError::Newer`]
pub fn parse(info: &RecordInfo) -> Result<Record, ChangeError> {
    Record::parse(&info.public).ok_or_else(|| ChangeError::Newer(info.info.address.clone()))
}

fn of_kind(info: &RecordInfo, kind: &ConnectionType) -> Result<Record, ChangeError> {
    let record = parse(info)?;
    if record.kind == kind.id {
        return Ok(record);
    }
    let address = info.info.address.clone();
    Err(ChangeError::OtherType { address, found: record.kind, wanted: kind.id.clone() })
}
