//! What a declaration has to say beyond its shape.
//!
//! A template names fields of its type, or a token that the type has. A secret never stands in a URL
//! but as a part of the query, since URLs are logged by servers and proxies. URLs are `https`, or lead to
//! this machine. Each way to authenticate has what it needs.

use subrosa_engine::names::{closest, shown};
use subrosa_engine::source::Span;
use subrosa_http::{Address, HeaderName, Url};

use super::reader::{Notes, Placed, listed};
use super::template::is_word;
use super::{Apply, Auth, Field, Format, OAuth, Piece, Scheme, Template, Test};
use crate::record::{ACCESS_TOKEN, REFRESH_TOKEN};

/// What the parts of a declaration are checked against.
pub(super) struct Scene<'a> {
    /// How it authenticates; `None`: that is wrong and has been told.
    pub(super) auth: Option<Auth>,
    /// Its fields.
    pub(super) fields: &'a [Field],
    /// All of it.
    pub(super) span: Span,
}

/// Where a template stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A whole URL.
    Url,
    /// A path below the base URL, or a whole URL.
    Below,
    /// A header or a part of the query.
    Value,
    /// Something that is shown or sent in the open.
    Public,
}

impl Scene<'_> {
    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    fn has_token(&self) -> bool {
        match self.auth {
            Some(Auth::OAuth2 | Auth::ClientCredentials | Auth::ServiceAccount) | None => true,
            Some(Auth::ApiKey | Auth::Basic | Auth::Bearer | Auth::Fields) => false,
        }
    }

    fn is_secret(&self, name: &str) -> bool {
        name == ACCESS_TOKEN || self.field(name).is_some_and(|field| field.is_secret)
    }
}

/// Where the service explains itself: `https`.
pub(super) fn check_link(notes: &mut Notes, link: &Placed<String>) {
    let is_https = Url::parse(&link.what).is_ok_and(|url| url.scheme() == "https");
    if !is_https {
        notes.wrong(link.span, "`docs` is no `https://` address", "write the whole address");
    }
}

/// One field.
pub(super) fn check_field(
    notes: &mut Notes,
    field: &Field,
    name: &Placed<String>,
    default: Option<&Placed<String>>,
    choices: &[Placed<String>],
) {
    if !is_word(&field.name) {
        let message = "the name of a field has small letters, digits and `_` only";
        notes.wrong(name.span, message, "write `api_key`");
    }
    if [ACCESS_TOKEN, REFRESH_TOKEN].contains(&field.name.as_str()) {
        let message = format!("`{}` is the name of a token, not of a field", field.name);
        notes.wrong(name.span, message, "tokens come with `oauth`; choose another name");
    }
    if let Some(default) = default {
        if field.is_secret {
            notes.wrong(default.span, "a secret field has a default", "leave it out");
        } else if field.is_required {
            let message = "a field with a default is never missing";
            notes.wrong(default.span, message, "leave out `required`, or the default");
        } else if let Err(why) = field.check(default.what.as_bytes()) {
            let message = format!("this is no value of the field: {why}");
            notes.wrong(default.span, message, "write one that is");
        }
    }
    if let (true, Some(choice)) = (field.is_secret, choices.first()) {
        notes.wrong(choice.span, "a secret field has choices", "leave them out");
    }
}

/// The name of a header, which may name public fields.
pub(super) fn check_header_name(notes: &mut Notes, scene: &Scene<'_>, name: &str, span: Span) {
    let written = Placed { what: name.to_owned(), span };
    let Some(found) = super::reader::template(notes, &written) else { return };
    let is_plain = found.what.fields().next().is_none();
    if !is_plain {
        check_template(notes, scene, &found, Place::Public);
    } else if HeaderName::from_bytes(name.as_bytes()).is_err() {
        notes.wrong(span, format!("{} is no name of a header", shown(name)), "write `X-Api-Key`");
    }
}

/// A template: its names, and what may stand where it stands.
pub(super) fn check_template(
    notes: &mut Notes,
    scene: &Scene<'_>,
    template: &Placed<Template>,
    place: Place,
) {
    for name in template.what.fields() {
        check_known(notes, scene, name, template.span);
        if place != Place::Value && scene.is_secret(name) {
            let message = format!("the secret field `{name}` stands where it would be seen");
            notes.wrong(template.span, message, "a secret goes into `headers`, `query` or `basic`");
        }
    }
    match place {
        Place::Url => check_url(notes, scene, template),
        Place::Below if template.what.head().starts_with('/') => {}
        Place::Below if begins_with(scene, &template.what, Format::Path) => {}
        Place::Below => check_url(notes, scene, template),
        Place::Value | Place::Public => {}
    }
}

fn begins_with(scene: &Scene<'_>, template: &Template, format: Format) -> bool {
    match template.0.first() {
        Some(Piece::Field(name)) => scene.field(name).is_some_and(|field| field.format == format),
        Some(Piece::Text(_)) | None => false,
    }
}

fn check_url(notes: &mut Notes, scene: &Scene<'_>, template: &Placed<Template>) {
    if begins_with(scene, &template.what, Format::Url) {
        return;
    }
    let head = template.what.head();
    let is_local = || Address::parse(head).is_ok_and(|address| address.is_loopback());
    if !(head.starts_with("https://") || (head.starts_with("http://") && is_local())) {
        let message = "this is no URL with `https://`, and leads not to this machine";
        let help = "begin with `https://`, or with a field of the format `url`";
        notes.wrong(template.span, message, help);
    }
}

/// The name of a field, or of a token.
pub(super) fn check_known(notes: &mut Notes, scene: &Scene<'_>, name: &str, span: Span) {
    if scene.field(name).is_some() || (name == ACCESS_TOKEN && scene.has_token()) {
        return;
    }
    let names = scene.fields.iter().map(|field| field.name.as_str());
    let help = match closest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", listed(names)),
    };
    notes.wrong(span, format!("the type has no field {}", shown(name)), help);
}

/// `host` or `*.host`.
pub(super) fn check_host(notes: &mut Notes, host: &Placed<String>) {
    let bare = host.what.strip_prefix("*.").unwrap_or(&host.what);
    let holds = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if bare.split('.').any(str::is_empty) || !bare.contains('.') || !bare.chars().all(holds) {
        let message = format!("{} is no host", shown(&host.what));
        notes.wrong(host.span, message, "write `api.example.com` or `*.example.com`");
    }
}

/// A JSON pointer.
pub(super) fn check_pointer(notes: &mut Notes, pointer: &Placed<String>) {
    if !pointer.what.starts_with('/') {
        let message = format!("{} is no JSON pointer", shown(&pointer.what));
        notes.wrong(pointer.span, message, "write `/user/login`");
    }
}

/// What the parts have to be together.
pub(super) fn check_whole(
    notes: &mut Notes,
    scene: &Scene<'_>,
    apply: &Apply,
    test: Option<&Test>,
    oauth: Option<&OAuth>,
) {
    let Some(auth) = scene.auth else { return };
    let mut lacks = |message: &str, help: &str| {
        notes.wrong(Span::new(scene.span.start..scene.span.start), message, help);
    };
    let is_http = !apply.headers.is_empty() || !apply.query.is_empty() || apply.basic.is_some();
    if apply.base_url.is_none() && (is_http || !apply.hosts.is_empty()) {
        lacks("`apply` has no `base_url`", "say which server gets the credential");
    }
    let is_of_oauth = matches!(auth, Auth::OAuth2 | Auth::ClientCredentials);
    match (is_of_oauth, oauth.is_some()) {
        (true, false) => lacks("the type has no `oauth`", "write `oauth:` with its `token_url`"),
        (false, true) => lacks(
            "`oauth` is for `auth: oauth2` and `auth: client_credentials`",
            "leave it out, or change `auth`",
        ),
        (true, true) | (false, false) => {}
    }
    for (message, help) in
        auth_lacks(scene, auth, apply, oauth).into_iter().chain(test_lacks(scene, apply, test))
    {
        lacks(&message, help);
    }
    for name in scheme_fields(apply.scheme).iter().filter(|name| scene.field(name).is_none()) {
        lacks(&format!("the scheme needs a field `{name}`"), "add it to `fields`");
    }
}

type Lack = (String, &'static str);

fn auth_lacks(scene: &Scene<'_>, auth: Auth, apply: &Apply, oauth: Option<&OAuth>) -> Vec<Lack> {
    let mut found: Vec<Lack> = Vec::new();
    let mut lacks = |message: &str, help: &'static str| found.push((message.to_owned(), help));
    let secrets = scene.fields.iter().filter(|field| field.is_secret).count();
    let sends = |name: &str| {
        let basic = apply.basic.iter().flat_map(|(user, password)| [user, password]);
        let all = apply.headers.values().chain(apply.query.values()).chain(basic);
        all.flat_map(Template::fields).any(|field| field == name)
    };
    let secret = scene.fields.iter().find(|field| field.is_secret);
    match auth {
        Auth::ApiKey | Auth::Bearer if secrets != 1 => {
            lacks("the type does not have one secret field", "exactly one field is `secret: true`");
        }
        Auth::ApiKey | Auth::Bearer if !secret.is_some_and(|field| sends(&field.name)) => {
            lacks("the secret field is not sent", "use it in `apply`: `headers` or `query`");
        }
        Auth::Bearer if !apply.headers.get("Authorization").is_some_and(is_bearer) => {
            let help = "write `Authorization: Bearer ${token}` in `headers`";
            lacks("`auth: bearer` without its header", help);
        }
        Auth::ApiKey | Auth::Bearer => {}
        Auth::Basic if apply.basic.is_none() => {
            lacks("`auth: basic` without `basic`", "write `basic: {user: ..., password: ...}`");
        }
        Auth::Basic | Auth::Fields if secrets == 0 => {
            lacks("the type has no secret field", "one of the fields is `secret: true`");
        }
        Auth::Basic | Auth::Fields => {}
        Auth::OAuth2 | Auth::ClientCredentials => {
            if scene.field("client_id").is_none() {
                lacks("the type has no field `client_id`", "add it to `fields`");
            }
            if !sends(ACCESS_TOKEN) {
                lacks("the token is not sent", "use `${access_token}` in `apply`");
            }
            let by_person =
                oauth.is_some_and(|o| o.authorize_url.is_some() || o.device_url.is_some());
            let has_secret = scene.field("client_secret").is_some_and(|field| field.is_secret);
            match auth {
                Auth::OAuth2 if !by_person && oauth.is_some() => {
                    lacks("`oauth` has no `authorize_url`", "write it, or `device_url`");
                }
                Auth::ClientCredentials if by_person => {
                    let help = "leave out `authorize_url` and `device_url`";
                    lacks("nobody grants access to `auth: client_credentials`", help);
                }
                Auth::ClientCredentials if !has_secret => {
                    lacks("the type has no secret field `client_secret`", "add it to `fields`");
                }
                _ => {}
            }
        }
        Auth::ServiceAccount => {
            if apply.scheme != Some(Scheme::GoogleServiceAccount) {
                let help = "write `scheme: google_service_account`";
                lacks("`auth: service_account` without its scheme", help);
            }
            if !scene.field("key_file").is_some_and(|field| field.is_secret) {
                lacks("the type has no secret field `key_file`", "add it to `fields`");
            }
        }
    }
    found
}

fn is_bearer(template: &Template) -> bool {
    template.head() == "Bearer " && template.0.len() == 2
}

fn test_lacks(scene: &Scene<'_>, apply: &Apply, test: Option<&Test>) -> Vec<Lack> {
    let lack = |message: &str, help: &'static str| vec![(message.to_owned(), help)];
    match test {
        None => Vec::new(),
        Some(Test::Http { .. }) if apply.base_url.is_none() => {
            lack("the test asks a server, and there is no `base_url`", "write it in `apply`")
        }
        Some(Test::Http { .. }) => Vec::new(),
        Some(Test::Token) if !scene.has_token() => {
            lack("the test asks for a token that the type does not have", "ask something else")
        }
        Some(Test::Token) => Vec::new(),
        Some(Test::Postgres | Test::MySql | Test::Redis | Test::Nats | Test::Tcp) => {
            let needed = [("host", Format::Host), ("port", Format::Port)];
            let has = |(name, format): &(&str, Format)| {
                scene.field(name).is_some_and(|field| field.format == *format)
            };
            if needed.iter().all(has) {
                return Vec::new();
            }
            lack(
                "the test needs the fields `host` and `port`",
                "add them, with the formats `host` and `port`",
            )
        }
    }
}

/// The fields that a scheme works with.
fn scheme_fields(scheme: Option<Scheme>) -> &'static [&'static str] {
    match scheme {
        Some(Scheme::AwsV4) => &["access_key_id", "secret_access_key", "region"],
        Some(Scheme::AzureSharedKey) => &["account", "account_key"],
        Some(Scheme::GoogleServiceAccount) => &["key_file"],
        Some(Scheme::Driver) | None => &[],
    }
}
