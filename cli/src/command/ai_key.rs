//! `ai-key`: the keys of services with models, one connection each under its type's own name.

use serde_json::{Map, Value, json};
use subrosa_connections::change::{self, Change};
use subrosa_connections::form::Filled;
use subrosa_connections::state::{Seen, State};
use subrosa_connections::{ConnectionType, Field, Types};
use subrosa_registry::{Action, Address, MustBe, Names, Scope, SecretRef, SetOptions};

use super::connection::store;
use super::connection::{about, command, confirm, find, next};
use crate::args::connection::{AiKeyCommand, AiRmArgs, AiService, AiSetArgs};
use crate::command::secret::{NO_ARGUMENT, begin, is_no_store, minute, new_store, stamp};
use crate::command::validate::to_line;
use crate::connections;
use crate::failure::{Exit, Failure};
use crate::form::given;
use crate::wiring::World;
use crate::{out, prompt, table, value};

impl AiService {
    const ALL: [AiService; 4] =
        [AiService::Openai, AiService::Anthropic, AiService::Gemini, AiService::Huggingface];

    /// The type of its connection, and the connection's name.
    fn word(self) -> &'static str {
        match self {
            AiService::Openai => "openai",
            AiService::Anthropic => "anthropic",
            AiService::Gemini => "gemini",
            AiService::Huggingface => "huggingface",
        }
    }

    fn address(self) -> Address {
        let name = SecretRef::parse(self.word()).expect("the words of services are refs");
        Address { reference: SecretRef::connection(&name), scope: Scope::default() }
    }
}

/// Does what a verb says.
pub(crate) fn ai_key(command: &AiKeyCommand, world: &World) -> Result<Exit, Failure> {
    match command {
        AiKeyCommand::Set(args) => set(args, world),
        AiKeyCommand::List { json } => list(*json, world),
        AiKeyCommand::Rm(args) => remove(args, world),
    }
}

fn set(args: &AiSetArgs, world: &World) -> Result<Exit, Failure> {
    if !args.surplus.is_empty() {
        return Err(Failure::usage("there are words after the service").help(NO_ARGUMENT));
    }
    let types = connections::types(world)?;
    let kind = find(&types, args.service.word())?;
    let field = key_field(kind)?;
    let address = args.service.address();
    let secrets = world.secrets()?;
    let admin = secrets.admin("ai-key set", false, world);
    let is_new_store = begin(&admin, &address, false)?;
    let mut filled = Filled::default();
    take(args, kind, field, &mut filled)?;
    if is_new_store {
        admin.create_store(Names::Open)?;
    }
    let change = Change {
        kind,
        filled,
        options: SetOptions::default(),
        must_be: MustBe::Either,
        expect: None,
    };
    let written = change::put(&admin, Action::Set, &address, change)?;
    let mut told = about(&address, &format!("key stored, version {}", written.version))
        .with("version", written.version)
        .with("new", written.is_new)
        .with("new_registry", is_new_store);
    if is_new_store {
        told.notes.extend(new_store(&secrets));
    }
    if written.is_disabled {
        let enable = command("enable", &address);
        told.note(format!("it is still disabled; `{enable}` lets runs use it"));
    }
    let exit = told.tell(args.json)?;
    next(&[command("test", &address)], args.json);
    Ok(exit)
}

/// The field that holds the key.
fn key_field(kind: &ConnectionType) -> Result<&Field, Failure> {
    let is_key = |field: &&Field| field.is_secret && field.is_required;
    kind.fields.iter().find(is_key).ok_or_else(|| {
        let message = format!("the type `{}` as it is declared here has no key", kind.id);
        Failure::new(Exit::INVALID, message)
    })
}

fn take(
    args: &AiSetArgs,
    kind: &ConnectionType,
    field: &Field,
    filled: &mut Filled,
) -> Result<(), Failure> {
    if args.from_file.is_none() && super::connection::is_asked() {
        let label = crate::text::shown(&kind.label);
        let typed = prompt::hidden(&format!("API key of {label} (not shown): "))?;
        return given::accept(field, &typed, filled);
    }
    given::accept(field, &value::bytes(args.from_file.as_deref())?, filled)
}

fn list(json: bool, world: &World) -> Result<Exit, Failure> {
    let types = connections::types(world)?;
    let secrets = world.secrets()?;
    let admin = secrets.admin("ai-key list", false, world);
    let mut rows =
        vec![["SERVICE", "STATE", "UPDATED (UTC)", "LAST USED (UTC)"].map(str::to_owned).to_vec()];
    let mut objects = Vec::new();
    for service in AiService::ALL {
        let info = match admin.record(&service.address()) {
            Ok(info) => Some(info),
            Err(subrosa_registry::RegistryError::NotFound(_)) => None,
            Err(error) if is_no_store(&error) => None,
            Err(error) => return Err(error.into()),
        };
        let state = info.as_ref().map(|info| state(info, &types, world)).transpose()?;
        let (updated, used) =
            info.map_or((None, None), |info| (Some(info.info.updated), info.info.last_used));
        let words = state.as_ref().map(|state| state.words((world.clock)()));
        rows.push(vec![
            service.word().to_owned(),
            words.unwrap_or_else(|| "not set".to_owned()),
            updated.map_or("-".to_owned(), minute),
            used.map_or("-".to_owned(), minute),
        ]);
        let mut object = Map::new();
        object.insert("service".to_owned(), json!(service.word()));
        object.insert("state".to_owned(), json!(state.as_ref().map_or("not_set", State::word)));
        object.insert("updated".to_owned(), json!(updated.map(stamp)));
        object.insert("last_used".to_owned(), json!(used.map(stamp)));
        objects.push(Value::Object(object));
    }
    let table = || table::lines(&rows).iter().map(|line| format!("{line}\n")).collect();
    out::stdout(if json { to_line(&objects)? } else { table() })?;
    Ok(Exit::OK)
}

fn state(
    info: &subrosa_registry::RecordInfo,
    types: &Types,
    world: &World,
) -> Result<State, Failure> {
    let record = store::parse(info)?;
    let seen = Seen { info, record: &record, kind: types.get(&record.kind).map(|kind| &**kind) };
    Ok(State::of(&seen, (world.clock)()))
}

fn remove(args: &AiRmArgs, world: &World) -> Result<Exit, Failure> {
    let address = args.service.address();
    let secrets = world.secrets()?;
    let admin = secrets.admin("ai-key rm", false, world);
    admin.record(&address)?;
    let question = format!("Remove the key of {} with all its versions?", args.service.word());
    confirm(&question, args.yes, world)?;
    admin.remove(&address)?;
    about(&address, "removed").with("removed", true).tell(args.json)
}
