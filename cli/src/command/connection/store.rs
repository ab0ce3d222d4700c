//! Storing what a form was filled in with.

use subrosa_connections::record::{ACCESS_TOKEN, REFRESH_TOKEN};
use subrosa_connections::{ConnectionType, Record};
use subrosa_registry::{
    Action, Address, Admin, InvalidRecord, MustBe, RecordChange, RecordInfo, RegistryError,
    SetOptions, Written,
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

/// Makes sure that no secret goes to another place than the one that it was given for: who may edit a
/// connection could read it there.
fn refuse_kept(
    moved: &str,
    kind: &ConnectionType,
    info: &RecordInfo,
    change: &RecordChange,
) -> Result<(), Failure> {
    let is_given = |name: &str| change.parts.iter().any(|(part, _)| part == name);
    let is_kept = |part: &&str| kind.field(part).is_some() && !is_given(part);
    let kept: Vec<&str> =
        info.parts.iter().map(|part| part.name.as_str()).filter(is_kept).collect();
    if kept.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = kept.iter().map(|name| format!("`{name}`")).collect();
    let words: Vec<String> = kept.iter().map(|name| format!("`--set-file {name}=PATH`")).collect();
    let message = format!(
        "`{moved}` decides where the credential goes, and {} would go to another place than the one \
         that it was given for; nothing was changed",
        names.join(", ")
    );
    Err(Failure::new(Exit::SECRETS, message).help(format!(
        "give it anew in the same command, with {} or `--set {}=-`",
        words.join(", "),
        kept[0]
    )))
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
pub(crate) fn put_new(
    admin: &Admin<'_>,
    action: Action,
    changes: Vec<(Address, Change<'_>)>,
) -> Result<(), Failure> {
    let changes = changes.into_iter().map(|(address, change)| {
        let Change { kind, filled, options, .. } = change;
        let public = Some(new_record(&kind.id, &filled).to_text());
        let parts = filled.secret.into_iter().collect();
        let must_be = MustBe::New;
        (address, RecordChange { public, parts, options, must_be, ..RecordChange::default() })
    });
    let changes: Vec<(Address, RecordChange)> = changes.collect();
    Ok(admin.put_records(action, &changes).map(|_| ())?)
}

/// Whether the registry would take the public fields of a new connection.
pub(crate) fn check_public(kind: &str, filled: &Filled) -> Result<(), InvalidRecord> {
    subrosa_registry::check_public(&new_record(kind, filled).to_text())
}

fn new_record(kind: &str, filled: &Filled) -> Record {
    let fields = filled.public_after(&Current::default());
    Record { kind: kind.to_owned(), fields, ..Record::default() }
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
