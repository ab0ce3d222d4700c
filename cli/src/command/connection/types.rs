//! `connection types`: what there is to connect to, and what each type asks for.

use serde_json::{Value, json};
use subrosa_connections::{Auth, ConnectionType, Field, Format, Types};
use subrosa_engine::names::shown as quoted;

use super::list::text;
use crate::args::connection::TypesArgs;
use crate::command::validate::to_line;
use crate::connections;
use crate::failure::{Exit, Failure};
use crate::out;
use crate::text::shown;
use crate::wiring::World;

/// Lists the types, or tells all about one.
pub(crate) fn types(args: &TypesArgs, world: &World) -> Result<Exit, Failure> {
    let types = connections::types(world)?;
    match &args.show {
        Some(id) => {
            let kind = find(&types, id)?;
            out::stdout(if args.json { to_line(&to_json(kind))? } else { page(kind) })?;
        }
        None if args.json => {
            let all: Vec<Value> = types.iter().map(|kind| to_json(kind)).collect();
            out::stdout(to_line(&all)?)?;
        }
        None => {
            let mut rows =
                vec![["TYPE", "SERVICE", "AUTHENTICATES WITH"].map(str::to_owned).to_vec()];
            rows.extend(types.iter().map(|kind| {
                vec![kind.id.clone(), shown(&kind.label), kind.auth.words().to_owned()]
            }));
            out::stdout(text(&rows))?;
        }
    }
    Ok(Exit::OK)
}

/// The type of that name; what was meant, if there is none.
pub(in crate::command) fn find<'a>(
    types: &'a Types,
    id: &str,
) -> Result<&'a ConnectionType, Failure> {
    if let Some(kind) = types.get(id) {
        return Ok(kind);
    }
    let failure = Failure::usage(format!("no type of connections is called {}", quoted(id)));
    let lower = id.to_ascii_lowercase().replace('-', "_");
    let near = types.get(&lower).map(|kind| kind.id.as_str());
    let list = "`subrosa connection types` lists them";
    match near.or_else(|| types.closest(&lower)) {
        Some(near) => Err(failure.help(format!("did you mean `{near}`? {list}"))),
        None => Err(failure.help(format!("{list}; `http_bearer` and `custom` fit most services"))),
    }
}

/// All about a type, as text.
fn page(kind: &ConnectionType) -> String {
    let mut page = format!("{}: {}\n", kind.id, shown(&kind.label));
    page.push_str(&format!("{}\n\n", shown(&kind.summary)));
    let mut rows = vec![vec!["authenticates with".to_owned(), kind.auth.words().to_owned()]];
    if let Some(docs) = &kind.docs {
        rows.push(vec!["the credential".to_owned(), shown(docs)]);
    }
    if let Some(oauth) = &kind.oauth
        && !oauth.scopes.is_empty()
    {
        rows.push(vec!["asks for".to_owned(), shown(&oauth.scopes.join(" "))]);
    }
    let test = if kind.test.is_some() { "yes" } else { "no" };
    rows.push(vec!["can be tested".to_owned(), test.to_owned()]);
    page.push_str(&text(&rows));
    page.push_str("\nFields:\n");
    for field in &kind.fields {
        page.push_str(&format!("  {}  ({})\n", field.name, traits(field).join(", ")));
        let about = [&field.label, &field.help].map(|text| shown(text.trim()));
        let about: Vec<&str> =
            about.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        page.push_str(&format!("      {}\n", about.join(": ")));
    }
    page.push_str(&format!("\nMake one:\n  subrosa connection add {}\n", kind.id));
    let words: Vec<String> = kind.fields.iter().filter_map(word).collect();
    if !words.is_empty() {
        page.push_str(&format!("  subrosa connection add {} {}\n", kind.id, words.join(" ")));
    }
    if !kind.file.is_empty() {
        page.push_str(&format!("  subrosa connection add {} --from-file FILE.json\n", kind.id));
    }
    page
}

/// How a required field is given without a terminal.
fn word(field: &Field) -> Option<String> {
    let name = &field.name;
    let is_needed = field.is_required && field.default.is_none();
    is_needed.then(|| match field.is_secret {
        true => format!("--set-file {name}=PATH"),
        false => format!("--set {name}=VALUE"),
    })
}

fn traits(field: &Field) -> Vec<String> {
    let mut traits = Vec::new();
    let mut add = |text: &str| traits.push(text.to_owned());
    if field.is_secret {
        add("secret");
    }
    add(if field.is_required { "required" } else { "optional" });
    match (field.choices.is_empty(), wanted(field.format)) {
        (false, _) => add(&format!("one of {}", shown(&field.choices.join(", ")))),
        (true, "") => {}
        (true, wanted) => add(wanted),
    }
    if let Some(default) = &field.default {
        add(&format!("default `{}`", shown(default)));
    }
    traits
}

/// What a value has to look like; nothing is said of text.
fn wanted(format: Format) -> &'static str {
    match format {
        Format::Text => "",
        Format::Lines => "text of several lines",
        Format::Url => "a URL",
        Format::Host => "a host",
        Format::Port => "a port",
        Format::Integer => "a whole number",
        Format::Boolean => "`true` or `false`",
        Format::Email => "an address of mail",
        Format::Json => "a JSON object",
        Format::Pem => "a PEM block",
        Format::Path => "a path below a URL",
    }
}

fn to_json(kind: &ConnectionType) -> Value {
    let field = |field: &Field| {
        json!({
            "name": field.name,
            "label": field.label,
            "help": field.help,
            "secret": field.is_secret,
            "required": field.is_required,
            "default": field.default,
            "choices": field.choices,
        })
    };
    json!({
        "type": kind.id,
        "label": kind.label,
        "summary": kind.summary,
        "docs": kind.docs,
        "needs_grant": kind.auth == Auth::OAuth2,
        "can_be_tested": kind.test.is_some(),
        "from_file": !kind.file.is_empty(),
        "fields": kind.fields.iter().map(field).collect::<Vec<Value>>(),
    })
}
