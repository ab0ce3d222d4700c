//! Storing what a form was filled in with.

use subrosa_connections::{ConnectionType, Record};
use subrosa_registry::{
    Action, Address, Admin, MustBe, RecordChange, RecordInfo, RegistryError, SetOptions, Written,
};

use super::name;
use crate::failure::{Exit, Failure};
use crate::form::{Current, Filled};

/// How often a change is made again on top of what somebody else has stored meanwhile.
const ATTEMPTS: usize = 5;

/// What is stored.
pub(crate) struct Change<'a> {
    /// The type.
    pub(crate) kind: &'a ConnectionType,
    /// The answers.
    pub(crate) filled: Filled,
    /// What goes with the version.
    pub(crate) options: SetOptions,
    /// What is asked of the state before.
    pub(crate) must_be: MustBe,
}

/// Stores answers on top of what is there. Tokens that are exchanged at the same moment stay, and fields
/// without an answer stay as they are.
pub(crate) fn put(
    admin: &Admin<'_>,
    action: Action,
    address: &Address,
    change: Change<'_>,
) -> Result<Written, Failure> {
    let Change { kind, filled, options, must_be } = change;
    let Filled { public, secret } = filled;
    let public = Filled { public, secret: Default::default() };
    let parts = secret.into_iter().collect();
    let mut change = RecordChange { parts, options, must_be, ..RecordChange::default() };
    let mut attempts = 0;
    loop {
        let known = known(admin, address)?;
        let former = match &known {
            Some(info) => of_kind(info, kind)?,
            None => Record { kind: kind.id.clone(), ..Record::default() },
        };
        let current = Current { public: former.fields.clone(), ..Current::default() };
        let fields = public.public_after(&current);
        change.public = Some(Record { fields, ..former }.to_text());
        // What is there has to be what the change was made from.
        change.expect = known.and_then(|info| info.info.version);
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

/// The connection, if it is there.
pub(crate) fn known(admin: &Admin<'_>, address: &Address) -> Result<Option<RecordInfo>, Failure> {
    match admin.record(address) {
        Ok(info) => Ok(Some(info)),
        Err(RegistryError::NotFound(_) | RegistryError::NoStore { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the text of a connection says.
pub(crate) fn parse(info: &RecordInfo) -> Result<Record, Failure> {
    Record::parse(&info.public).ok_or_else(|| {
        let message = format!(
            "what is kept of the connection `{}` is of another subrosa, probably a newer one",
            name(&info.info.address)
        );
        Failure::new(Exit::ENGINE, message).help("use the newer subrosa that wrote it")
    })
}

fn of_kind(info: &RecordInfo, kind: &ConnectionType) -> Result<Record, Failure> {
    let record = parse(info)?;
    if record.kind == kind.id {
        return Ok(record);
    }
    let message = format!(
        "the connection `{}` is of the type `{}`, not `{}`",
        name(&info.info.address),
        record.kind,
        kind.id
    );
    Err(Failure::new(Exit::SECRETS, message))
}
