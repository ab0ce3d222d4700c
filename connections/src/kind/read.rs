//! Reads the declaration of a type: one YAML file, everything that is wrong with it at once.
//!
//! The engine's reader of YAML gives places, limits and messages about the syntax. What a declaration has
//! to say beyond its shape is in `rules`.

use std::collections::BTreeMap;

use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::source::{SourceFile, Span};
use subrosa_engine::yaml::{self, Node};

use super::reader::{Map, Notes, Placed, template, wrong_word};
use super::rules::{self, Place, Scene};
use super::template::is_word;
use super::{Apply, Auth, ClientAuth, ConnectionType, Field, Format, OAuth, Template, Test};
use crate::oauth::Endpoint;

/// Fields a type may have: a form that is longer is no form.
const FIELDS_MAX: usize = 40;

const TOP: &[&str] =
    &["id", "label", "summary", "docs", "auth", "fields", "apply", "test", "oauth", "file"];
const FIELD: &[&str] =
    &["name", "label", "help", "secret", "required", "format", "default", "choices"];
const APPLY: &[&str] = &["base_url", "hosts", "headers", "query", "basic", "scheme"];
const BASIC: &[&str] = &["user", "password"];
const TEST: &[&str] = &["kind", "method", "url", "body", "expect", "refused", "shows", "ok"];
const OAUTH: &[&str] = &[
    "authorize_url",
    "token_url",
    "device_url",
    "revoke_url",
    "issuer",
    "scopes",
    "scope_separator",
    "extra",
    "client_auth",
    "expires_in_s",
];

/// What came of a declaration.
#[derive(Debug)]
pub struct Declaration {
    /// The type; `None` if any diagnostic is an error.
    pub kind: Option<ConnectionType>,
    /// In the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a declaration; the path of the file says which id it has to have.
pub fn read(source: &SourceFile) -> Declaration {
    let parsed = yaml::parse(source);
    let mut notes = Notes(parsed.problems);
    let kind = match (parsed.broken, parsed.documents.as_slice()) {
        (true, _) => None,
        (false, [document]) => whole(&mut notes, source, document),
        (false, documents) => {
            let message = match documents.is_empty() {
                true => "an empty file",
                false => "several documents in one file",
            };
            notes.wrong(Span::default(), message, "a file declares one type: `id: ...`");
            None
        }
    };
    let mut diagnostics = notes.0;
    diagnostics.sort_by_key(|found| found.labels.first().map(|label| label.span.start));
    let holds = !diagnostics.iter().any(Diagnostic::is_error);
    Declaration { kind: kind.filter(|_| holds), diagnostics }
}

fn whole(notes: &mut Notes, source: &SourceFile, node: &Node) -> Option<ConnectionType> {
    let map = Map::read(notes, node, "a type", TOP)?;
    let id = map.needed(notes, "id");
    if let Some(id) = &id {
        check_id(notes, source, id);
    }
    let label = map.needed(notes, "label");
    let summary = map.needed(notes, "summary");
    let docs = map.text(notes, "docs");
    if let Some(docs) = &docs {
        rules::check_link(notes, docs);
    }
    map.needed(notes, "auth");
    // The word was read as a text to tell that it is missing; its own complaints come only once.
    let auth = map.get("auth").and_then(|_| map.word::<Auth>(notes, "auth"));
    let fields = fields(notes, &map);
    let scene = Scene { auth, fields: &fields, span: map.span };
    let apply = map.get("apply").map(|node| apply(notes, &scene, node)).unwrap_or_default();
    let test = map.get("test").and_then(|node| test(notes, &scene, node));
    let oauth = map.get("oauth").and_then(|node| oauth(notes, &scene, node));
    let file = file(notes, &scene, &map);
    rules::check_whole(notes, &scene, &apply, test.as_ref(), oauth.as_ref());
    Some(ConnectionType {
        id: id?.what,
        label: label?.what,
        summary: summary?.what,
        docs: docs.map(|docs| docs.what),
        auth: auth?,
        fields,
        apply,
        test,
        oauth,
        file,
    })
}

fn check_id(notes: &mut Notes, source: &SourceFile, id: &Placed<String>) {
    if !is_word(&id.what) {
        notes.wrong(id.span, "an id has small letters, digits and `_` only", "write `my_service`");
        return;
    }
    let stem = source.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
    if stem.as_deref() != Some(&id.what) {
        let message = format!("the file of the type `{}` has another name", id.what);
        notes.wrong(id.span, message, format!("name the file `{}.yaml`", id.what));
    }
}

fn fields(notes: &mut Notes, map: &Map<'_>) -> Vec<Field> {
    if map.get("fields").is_none() {
        let help = "write `fields:` and below it `- name: api_key`";
        notes.wrong(map.span, "a type has no `fields`", help);
    }
    let mut fields: Vec<Field> = Vec::new();
    for (count, node) in map.items(notes, "fields").into_iter().enumerate() {
        if count == FIELDS_MAX {
            let message = format!("a type has more than {FIELDS_MAX} fields");
            notes.wrong(node.span, message, "make two types of it");
            break;
        }
        let Some((field, name)) = field(notes, node) else { continue };
        if fields.iter().any(|other| other.name == field.name) {
            let message = format!("the field `{}` is there twice", field.name);
            notes.wrong(name, message, "keep one of them");
            continue;
        }
        fields.push(field);
    }
    fields
}

fn field(notes: &mut Notes, node: &Node) -> Option<(Field, Span)> {
    let map = Map::read(notes, node, "a field", FIELD)?;
    let name = map.needed(notes, "name");
    let label = map.needed(notes, "label");
    let help = map.needed(notes, "help");
    let is_secret = map.flag(notes, "secret").unwrap_or(false);
    let default = map.text(notes, "default");
    let required = map.flag(notes, "required");
    let choices = map.texts(notes, "choices");
    let format = match map.get("format") {
        Some(_) => map.word::<Format>(notes, "format"),
        None => Some(Format::Text),
    };
    let (name, format) = (name?, format?);
    let field = Field {
        name: name.what.clone(),
        label: label?.what,
        help: help?.what,
        is_secret,
        is_required: required.unwrap_or(default.is_none()),
        format,
        default: default.as_ref().map(|text| text.what.clone()),
        choices: choices.iter().map(|text| text.what.clone()).collect(),
    };
    rules::check_field(notes, &field, &name, default.as_ref(), &choices);
    Some((field, name.span))
}

fn apply(notes: &mut Notes, scene: &Scene<'_>, node: &Node) -> Apply {
    let Some(map) = Map::read(notes, node, "`apply`", APPLY) else { return Apply::default() };
    let hosts = map.texts(notes, "hosts");
    for host in &hosts {
        rules::check_host(notes, host);
    }
    let mut headers = BTreeMap::new();
    for (name, (span, text)) in map.pairs(notes, "headers") {
        rules::check_header_name(notes, scene, &name, span);
        if let Some(value) = placed(notes, scene, &text, Place::Value) {
            headers.insert(name, value);
        }
    }
    let mut query = BTreeMap::new();
    for (name, (_, text)) in map.pairs(notes, "query") {
        if let Some(value) = placed(notes, scene, &text, Place::Value) {
            query.insert(name, value);
        }
    }
    let basic = map.get("basic").and_then(|node| {
        let map = Map::read(notes, node, "`basic`", BASIC)?;
        let mut part = |key| {
            let text = map.needed(notes, key)?;
            placed(notes, scene, &text, Place::Value)
        };
        let user = part("user");
        Some((user?, part("password")?))
    });
    Apply {
        base_url: url(notes, scene, &map, "base_url", Place::Url),
        hosts: hosts.into_iter().map(|host| host.what).collect(),
        headers,
        query,
        basic,
        scheme: map.word(notes, "scheme"),
    }
}

fn placed(
    notes: &mut Notes,
    scene: &Scene<'_>,
    text: &Placed<String>,
    place: Place,
) -> Option<Template> {
    let found = template(notes, text)?;
    rules::check_template(notes, scene, &found, place);
    Some(found.what)
}

fn url(
    notes: &mut Notes,
    scene: &Scene<'_>,
    map: &Map<'_>,
    key: &str,
    place: Place,
) -> Option<Template> {
    let found = map.template(notes, key)?;
    rules::check_template(notes, scene, &found, place);
    Some(found.what)
}

fn test(notes: &mut Notes, scene: &Scene<'_>, node: &Node) -> Option<Test> {
    let map = Map::read(notes, node, "`test`", TEST)?;
    let kind = map.needed(notes, "kind")?;
    let plain = [
        ("postgres", Test::Postgres),
        ("mysql", Test::MySql),
        ("redis", Test::Redis),
        ("nats", Test::Nats),
        ("token", Test::Token),
        ("tcp", Test::Tcp),
    ];
    if kind.what == "http" {
        return http(notes, scene, &map);
    }
    let found = plain.iter().find(|(word, _)| *word == kind.what).map(|(_, test)| test.clone());
    if found.is_none() {
        let words = std::iter::once("http").chain(plain.iter().map(|(word, _)| *word));
        notes.add(wrong_word("kind", &kind, words));
    }
    let others = TEST.iter().skip(1).filter(|key| found.is_some() && map.get(key).is_some());
    for key in others {
        notes.wrong(map.span, format!("`{key}` is for `kind: http` only"), "leave it out");
    }
    found
}

fn http(notes: &mut Notes, scene: &Scene<'_>, map: &Map<'_>) -> Option<Test> {
    let method = map.text(notes, "method");
    if let Some(method) = &method
        && !["GET", "HEAD", "POST"].contains(&method.what.as_str())
    {
        let words = ["GET", "HEAD", "POST"].into_iter();
        notes.add(wrong_word("method", method, words));
    }
    map.needed(notes, "url");
    let url = map.get("url").and_then(|_| url(notes, scene, map, "url", Place::Below));
    let body = map.template(notes, "body");
    if let Some(body) = &body {
        rules::check_template(notes, scene, body, Place::Public);
    }
    let mut pointer = |key| {
        let found = map.text(notes, key)?;
        rules::check_pointer(notes, &found);
        Some(found.what)
    };
    let (shows, ok) = (pointer("shows"), pointer("ok"));
    let mut refused = map.statuses(notes, "refused");
    if !refused.contains(&401) {
        refused.insert(0, 401);
    }
    let mut expect = map.statuses(notes, "expect");
    if expect.is_empty() {
        expect.push(200);
    }
    Some(Test::Http {
        method: method.map_or_else(|| "GET".to_owned(), |method| method.what),
        url: url?,
        body: body.map(|body| body.what),
        expect,
        refused,
        shows,
        ok,
    })
}

fn oauth(notes: &mut Notes, scene: &Scene<'_>, node: &Node) -> Option<OAuth> {
    let map = Map::read(notes, node, "`oauth`", OAUTH)?;
    map.needed(notes, "token_url");
    let mut place = |key| {
        map.get(key)?;
        url(notes, scene, &map, key, Place::Url)
    };
    let (authorize_url, token_url) = (place("authorize_url"), place("token_url"));
    let (device_url, revoke_url) = (place("device_url"), place("revoke_url"));
    let scopes = map.texts(notes, "scopes").into_iter().map(|scope| scope.what).collect();
    let client_auth = match map.get("client_auth") {
        Some(_) => map.word::<ClientAuth>(notes, "client_auth"),
        None => Some(ClientAuth::Body),
    };
    let extra = map.pairs(notes, "extra").into_iter();
    // A separator is white space or a comma: as written, not trimmed.
    let separator = map.get("scope_separator").and_then(|node| node.scalar());
    Some(OAuth {
        authorize_url,
        token_url: token_url?,
        device_url,
        revoke_url,
        issuer: issuer(notes, &map),
        scopes,
        scope_separator: separator.map_or_else(|| " ".to_owned(), |found| found.text.clone()),
        extra: extra.map(|(name, (_, text))| (name, text.what)).collect(),
        client_auth: client_auth?,
        expires_in_s: map.whole(notes, "expires_in_s"),
    })
}

/// The name of a server: an address without a query, compared letter by letter.
fn issuer(notes: &mut Notes, map: &Map<'_>) -> Option<String> {
    let found = map.text(notes, "issuer")?;
    let is_name = Endpoint::parse(&found.what).is_ok() && !found.what.contains(['?', ' ']);
    if !is_name {
        notes.wrong(
            found.span,
            "the name of the server is no address".to_owned(),
            "write it as the server's answers have it: `issuer: https://id.example`",
        );
        return None;
    }
    Some(found.what)
}

fn file(notes: &mut Notes, scene: &Scene<'_>, map: &Map<'_>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, (span, pointer)) in map.pairs(notes, "file") {
        rules::check_known(notes, scene, &name, span);
        if !pointer.what.is_empty() {
            rules::check_pointer(notes, &pointer);
        }
        found.insert(name, pointer.what);
    }
    found
}
