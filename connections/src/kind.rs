//! What a type of connection is: its declaration, read from YAML and checked.
//!
//! Everything that knows a service by name is data in such a declaration: forms, requests, tests and OAuth
//! are made from it. Texts with `${field}` in them are [`Template`]s; a template names fields of its own
//! type only, which the reader of declarations checks.

mod document;
mod read;
mod reader;
mod rules;
mod template;
mod value;

use std::collections::BTreeMap;

use subrosa_engine::names::closest;

pub use document::{FieldText, TypeText};
pub use read::{Declaration, read};
pub use template::{Piece, Template, TemplateError};
pub use value::{Incomplete, ValueError};

/// The field with the address of this machine that a browser comes back to, where a client has a certain
/// one. It leads nowhere else, whatever it says.
pub const REDIRECT_URI: &str = "redirect_uri";

/// A type of connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionType {
    /// The word that names it: `[a-z0-9_]+`.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// One sentence: what the service is, and what the credential lets a step do.
    pub summary: String,
    /// Where the service tells how to get the credential.
    pub docs: Option<String>,
    /// How it authenticates.
    pub auth: Auth,
    /// What is asked for, in the order of the form.
    pub fields: Vec<Field>,
    /// How a request is authenticated.
    pub apply: Apply,
    /// One cheap question that shows whether it works; `None`: there is none.
    pub test: Option<Test>,
    /// How access is granted, for the types whose `auth` is [`Auth::OAuth2`] or
    /// [`Auth::ClientCredentials`].
    pub oauth: Option<OAuth>,
    /// Fields of the JSON file that the service hands out, by our names: a JSON pointer each
    /// (`--from-file`); the empty pointer is the whole file. Empty: the service hands out none.
    pub file: BTreeMap<String, String>,
}

/// How a type authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// One secret key.
    ApiKey,
    /// A user name and a password.
    Basic,
    /// One token, as `Authorization: Bearer`.
    Bearer,
    /// Several fields, used together.
    Fields,
    /// A person grants access in a browser or with a code.
    OAuth2,
    /// The client's own credentials are exchanged for a token.
    ClientCredentials,
    /// A key file of a service account is exchanged for a token.
    ServiceAccount,
}

/// A field of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The word that names it: `[a-z0-9_]+`.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// What to write there, and where to find it.
    pub help: String,
    /// Whether it is sealed, never shown and write-only.
    pub is_secret: bool,
    /// Whether a connection without it is incomplete.
    pub is_required: bool,
    /// What it has to look like.
    pub format: Format,
    /// What holds if nothing is given.
    pub default: Option<String>,
    /// The only texts it can be; empty: any.
    pub choices: Vec<String>,
}

/// What a field has to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Any text of one line.
    Text,
    /// Text that may have several lines.
    Lines,
    /// `https://...`, or `http://` to this machine.
    Url,
    /// The name or address of a host, without a scheme.
    Host,
    /// 1 to 65535.
    Port,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// An address of mail.
    Email,
    /// A JSON object.
    Json,
    /// A PEM block.
    Pem,
    /// A path below a URL, with its query: it begins with `/`.
    Path,
}

/// How a request is authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apply {
    /// Where requests with a relative URL go, and the only origin that gets the credential.
    pub base_url: Option<Template>,
    /// Further hosts of the same service that get the credential, over TLS: `host` or `*.host`.
    pub hosts: Vec<String>,
    /// Headers, by name; a name may be a template of public fields. A header whose template names a
    /// field that has no value is left out.
    pub headers: BTreeMap<String, Template>,
    /// Parts of the query, by name; left out like headers.
    pub query: BTreeMap<String, Template>,
    /// User name and password, as `Authorization: Basic`.
    pub basic: Option<(Template, Template)>,
    /// What has to be computed for each request or session.
    pub scheme: Option<Scheme>,
}

/// What has to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A signature of AWS, version 4.
    AwsV4,
    /// A token of Google for a service account.
    GoogleServiceAccount,
    /// A shared key of Azure Storage.
    AzureSharedKey,
    /// The login of a database or a broker: the driver does it.
    Driver,
}

/// One cheap question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// An HTTP request.
    Http {
        /// The method.
        method: String,
        /// A path below the base URL, or a URL.
        url: Template,
        /// The body, as JSON.
        body: Option<Template>,
        /// The statuses that mean it works.
        expect: Vec<u16>,
        /// The statuses that mean the credential is refused: 401, and for some services others.
        refused: Vec<u16>,
        /// A JSON pointer to what may be shown of the answer (a login, a workspace's name).
        shows: Option<String>,
        /// A JSON pointer that must lead to `true`, for services that answer 200 to everything.
        ok: Option<String>,
    },
    /// A login to a PostgreSQL server, and `SELECT 1`.
    Postgres,
    /// A login to a MySQL or MariaDB server, and `SELECT 1`.
    MySql,
    /// `AUTH` and `PING`.
    Redis,
    /// `CONNECT` and `PING`.
    Nats,
    /// Whether a token is to be had for the credential.
    Token,
    /// Whether somebody listens at `host` and `port`; nothing is said of the credential.
    Tcp,
}

/// How access is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    /// Where a person grants access.
    pub authorize_url: Option<Template>,
    /// Where codes and tokens are exchanged.
    pub token_url: Template,
    /// Where a device asks for a code (RFC 8628).
    pub device_url: Option<Template>,
    /// Where a token is revoked (RFC 7009).
    pub revoke_url: Option<Template>,
    /// The server's name, where it says it to the browser (RFC 9207); an answer of another is refused.
    pub issuer: Option<String>,
    /// What is asked for, unless the connection says otherwise.
    pub scopes: Vec<String>,
    /// What stands between scopes: a space, but for some.
    pub scope_separator: String,
    /// Further parts of the authorization request, such as `access_type: offline`.
    pub extra: BTreeMap<String, String>,
    /// How the client authenticates at the token endpoint.
    pub client_auth: ClientAuth,
    /// How long an access token holds if the answer does not say, in seconds; `None`: for ever.
    pub expires_in_s: Option<u64>,
}

/// How the client authenticates at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the header `Authorization: Basic`; with the id alone if there is no secret.
    Basic,
    /// In the body.
    Body,
}

impl ConnectionType {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field that a name was probably meant to be.
    pub fn closest_field(&self, name: &str) -> Option<&str> {
        closest(name, self.fields.iter().map(|field| field.name.as_str()))
    }

    /// The public fields that decide where the credential goes, and that are not what they were.
    pub fn moved(
        &self,
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) -> Vec<&str> {
        let is_moved = |field: &&Field| {
            let held = |fields: &BTreeMap<String, String>| {
                fields.get(&field.name).or(field.default.as_ref()).cloned()
            };
            self.is_of_address(field) && held(before) != held(after)
        };
        self.fields.iter().filter(is_moved).map(|field| field.name.as_str()).collect()
    }

    /// Whether an address is made of a public field: that of the service, or of who grants access.
    fn is_of_address(&self, field: &Field) -> bool {
        let oauth = self.oauth.iter().flat_map(|oauth| {
            let further = [&oauth.authorize_url, &oauth.device_url, &oauth.revoke_url];
            further.into_iter().flatten().chain([&oauth.token_url])
        });
        let mut templates = self.apply.base_url.iter().chain(oauth);
        // A driver has no template: it takes the fields of these formats.
        let is_place = matches!(field.format, Format::Url | Format::Host | Format::Port)
            && field.name != REDIRECT_URI;
        !field.is_secret
            && (is_place || templates.any(|one| one.fields().any(|name| name == field.name)))
    }

    /// Whether a token is exchanged for it before a request: `access_token` is a part of it then.
    pub fn has_token(&self) -> bool {
        match self.auth {
            Auth::OAuth2 | Auth::ClientCredentials | Auth::ServiceAccount => true,
            Auth::ApiKey | Auth::Basic | Auth::Bearer | Auth::Fields => false,
        }
    }
}

impl Auth {
    /// What it authenticates with, for people.
    pub fn words(self) -> &'static str {
        match self {
            Auth::ApiKey => "an API key",
            Auth::Basic => "user name and password",
            Auth::Bearer => "a token",
            Auth::Fields => "several fields",
            Auth::OAuth2 => "a grant in the browser (OAuth)",
            Auth::ClientCredentials => "client id and secret (OAuth)",
            Auth::ServiceAccount => "the key file of a service account",
        }
    }
}

impl Format {
    /// Its word in declarations.
    pub fn name(self) -> &'static str {
        self.word()
    }
}

/// The words of a set of variants in declarations, in one place for reading and writing.
pub(crate) trait Words: Copy + PartialEq + 'static {
    /// Word and variant.
    const WORDS: &'static [(&'static str, Self)];

    /// The word of a variant.
    fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, one)| *one == self);
        found.map_or("", |(word, _)| word)
    }
}

impl Words for Auth {
    const WORDS: &'static [(&'static str, Auth)] = &[
        ("api_key", Auth::ApiKey),
        ("basic", Auth::Basic),
        ("bearer", Auth::Bearer),
        ("fields", Auth::Fields),
        ("oauth2", Auth::OAuth2),
        ("client_credentials", Auth::ClientCredentials),
        ("service_account", Auth::ServiceAccount),
    ];
}

impl Words for Format {
    const WORDS: &'static [(&'static str, Format)] = &[
        ("text", Format::Text),
        ("lines", Format::Lines),
        ("url", Format::Url),
        ("host", Format::Host),
        ("port", Format::Port),
        ("integer", Format::Integer),
        ("boolean", Format::Boolean),
        ("email", Format::Email),
        ("json", Format::Json),
        ("pem", Format::Pem),
        ("path", Format::Path),
    ];
}

impl Words for Scheme {
    const WORDS: &'static [(&'static str, Scheme)] = &[
        ("aws_v4", Scheme::AwsV4),
        ("google_service_account", Scheme::GoogleServiceAccount),
        ("azure_shared_key", Scheme::AzureSharedKey),
        ("driver", Scheme::Driver),
    ];
}

impl Words for ClientAuth {
    const WORDS: &'static [(&'static str, ClientAuth)] =
        &[("basic", ClientAuth::Basic), ("body", ClientAuth::Body)];
}
