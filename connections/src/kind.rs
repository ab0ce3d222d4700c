//! What a type of connection is: its declaration, read from YAML and checked.
//!
//! Everything that knows a service by name is data in such a declaration: forms, requests, tests and OAuth
//! are made from it. Texts with `${field}` in them are [`Template`]s; a template names fields of its own
//! type only, which the reader of declarations checks.

use std::collections::BTreeMap;

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
    /// (`--from-file`). Empty: the service hands out none.
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
}

/// How a request is authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apply {
    /// Where requests with a relative URL go, and the only origin that gets the credential.
    pub base_url: Option<Template>,
    /// Headers, by name.
    pub headers: BTreeMap<String, Template>,
    /// Parts of the query, by name.
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

/// A text with `${field}` in it; `$$` is a dollar sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// The value of a field, or of a part that OAuth brings: `access_token`.
    Field(String),
}
