//! `secret export`: values in a new file for other tools.
//!
//! Plain text is written only after somebody at a terminal said so, and never to standard output. The
//! audit log has a line for each secret before its value is handed out.

use std::io::Write as _;

use serde_json::json;
use subrosa_exchange::{ExportError, Format, Outgoing, Recipients, encrypt, write};
use subrosa_registry::{Address, Admin, Scope};
use zeroize::Zeroizing;

use super::{Told, place, reference, set};
use crate::args::exchange::ExportArgs;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::newfile::NewFile;
use crate::text::{count, shown};
use crate::{out, prompt, sealing};

/// Writes the file.
pub(crate) fn export(args: &ExportArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    if args.format == Format::Vault {
        return Err(Failure::usage(ExportError::ReadOnly(args.format).to_string())
            .help("`vault kv put PATH @FILE` takes the file of `--format json`"));
    }
    let scope = Scope { workspace: args.workspace.clone(), environment: args.environment.clone() };
    let secrets = world.open_secrets()?;
    let admin = secrets.admin("secret export", args.allow_protected, world);
    let chosen = choose(args, &scope, &admin)?;
    let mut file = NewFile::create(&args.output)?;
    let recipients = sealing::recipients(&args.sealing, world)?;
    if recipients.is_none() {
        ask(args, &chosen, &scope)?;
    }
    let values = secrets.registry.export(&admin.access(), &chosen.addresses)?;
    let outgoing: Vec<Outgoing> = chosen
        .addresses
        .iter()
        .zip(values)
        .map(|(address, value)| Outgoing { reference: address.reference.clone(), value })
        .collect();
    let text = write(args.format, &outgoing).map_err(|errors| unwritable(&errors))?;
    let bytes = sealed(text, recipients.as_ref())?;
    file.write_all(&bytes).map_err(|error| file.broken(&error))?;
    file.keep()?;
    tell(args, &chosen, recipients.is_some())
}

/// What is exported.
struct Chosen {
    addresses: Vec<Address>,
    /// Secrets of the scope that have no value to write.
    valueless: usize,
    disabled: usize,
}

/// The secrets that were named, or all of the scope.
fn choose(args: &ExportArgs, scope: &Scope, admin: &Admin<'_>) -> Result<Chosen, Failure> {
    let mut wanted: Vec<Address> = Vec::new();
    for word in &args.references {
        let address = Address { reference: reference(word)?, scope: scope.clone() };
        if !wanted.contains(&address) {
            wanted.push(address);
        }
    }
    let infos: Vec<_> = match wanted.is_empty() {
        true => admin.list()?.into_iter().filter(|info| info.address.scope == *scope).collect(),
        false => wanted.iter().map(|address| admin.info(address)).collect::<Result<_, _>>()?,
    };
    let Some(first) = infos.first() else {
        return Err(Failure::new(Exit::SECRETS, format!("there is no secret ({})", place(scope)))
            .help("`subrosa secret list` shows the scopes that there are"));
    };
    set::allowed(admin, &first.address)?;
    let disabled = infos.iter().filter(|info| info.is_disabled).count();
    let has_value =
        |info: &&subrosa_registry::SecretInfo| info.version.is_some() || !wanted.is_empty();
    let addresses: Vec<Address> =
        infos.iter().filter(has_value).map(|info| info.address.clone()).collect();
    let valueless = infos.len() - addresses.len();
    if addresses.is_empty() {
        return Err(Failure::new(
            Exit::SECRETS,
            format!("no secret has a value ({})", place(scope)),
        ));
    }
    Ok(Chosen { addresses, valueless, disabled })
}

/// Asks whether plain text is meant.
fn ask(args: &ExportArgs, chosen: &Chosen, scope: &Scope) -> Result<(), Failure> {
    let device = prompt::open().map_err(|failure| {
        failure.help(
            "plain text is written only after a question; `--recipient` or `--passphrase` encrypts",
        )
    })?;
    let (values, file) =
        (count(chosen.addresses.len(), "value"), args.output.display().to_string());
    let question = format!(
        "{values} ({}) will stand in plain text in {}.\nType `export` to go on: ",
        place(scope),
        shown(&file)
    );
    match prompt::shown(&device, &question)?.as_str() {
        "export" => Ok(()),
        _ => Err(Failure::new(Exit::SECRETS, "that is not `export`; nothing was written")),
    }
}

fn sealed(
    text: Zeroizing<Vec<u8>>,
    recipients: Option<&Recipients>,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match recipients {
        None => Ok(text),
        Some(recipients) => Ok(Zeroizing::new(encrypt(&text, recipients)?)),
    }
}

fn unwritable(errors: &[ExportError]) -> Failure {
    for error in errors {
        out::stderr(&format!("error: {}\n", shown(&error.to_string())));
    }
    out::stderr(
        "  help: nothing was written; name the secrets to export, or choose another format\n",
    );
    Failure::Told(Exit::SECRETS)
}

fn tell(args: &ExportArgs, chosen: &Chosen, is_encrypted: bool) -> Result<Exit, Failure> {
    let file = args.output.display().to_string();
    let how = if is_encrypted { "encrypted" } else { "in plain text" };
    let secrets = count(chosen.addresses.len(), "secret");
    let line = format!("wrote `{}`: {secrets}, {how}", shown(&file));
    let mut json = serde_json::Map::new();
    json.insert("file".to_owned(), json!(file));
    let mut told = Told { line, json, notes: Vec::new() }
        .with("format", args.format.as_str())
        .with("secrets", chosen.addresses.len())
        .with("encrypted", is_encrypted)
        .with("without_value", chosen.valueless);
    if chosen.valueless > 0 {
        told.note(format!("left out {}: without a value", count(chosen.valueless, "secret")));
    }
    if chosen.disabled > 0 {
        told.note(format!("{} in it may not be used by runs", count(chosen.disabled, "secret")));
    }
    told.tell(args.json)
}
