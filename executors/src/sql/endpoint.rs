//! Where a database is, and as whom to log in: from a connection, or from a URL with a password beside it.

use std::net::IpAddr;
use std::path::PathBuf;

use subrosa_connections::Opened;
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::secret::SecretValue;
use subrosa_http::Url;
use zeroize::Zeroizing;

use super::wanted::{path, plain};

/// What is particular to the URLs of one kind of server.
pub(super) struct Flavor {
    /// The kind.
    pub(super) name: &'static str,
    pub(super) schemes: &'static [&'static str],
    pub(super) port: u16,
    /// The words of `sslmode`; the last proves that it is the right server.
    pub(super) modes: &'static [&'static str],
    /// What is the mode for servers on this machine.
    pub(super) local_mode: &'static str,
    /// The parameter that names a socket in the file system.
    pub(super) socket: &'static str,
}

/// Where a database is, and as whom to log in.
pub(super) struct Endpoint {
    pub(super) place: Place,
    pub(super) database: String,
    pub(super) username: Zeroizing<String>,
    pub(super) password: SecretValue,
    /// One of the flavor's modes.
    pub(super) mode: String,
    /// In PEM.
    pub(super) authorities: Option<Vec<u8>>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp { host: String, port: u16 },
    Socket(PathBuf),
}

impl Place {
    /// As it is shown.
    pub(super) fn shown(&self) -> String {
        match self {
            Place::Tcp { host, port } if host.contains(':') => format!("`[{host}]:{port}`"),
            Place::Tcp { host, port } => format!("`{host}:{port}`"),
            Place::Socket(path) => format!("`{}`", path.display()),
        }
    }

    fn is_local(&self) -> bool {
        match self {
            Place::Tcp { host, .. } => {
                let is_loopback = |address: IpAddr| address.is_loopback();
                host == "localhost" || host.parse().is_ok_and(is_loopback)
            }
            Place::Socket(_) => true,
        }
    }
}

impl Endpoint {
    /// That of a connection; `database` is what the step says instead of it.
    pub(super) fn of_connection(
        flavor: &Flavor,
        opened: &Opened,
        database: Option<&str>,
    ) -> Result<Endpoint, StepFault> {
        let name = opened.name();
        if opened.kind.id != flavor.name {
            let kind = &opened.kind.id;
            return Err(StepFault::new(format!("`{name}` is a connection of type `{kind}`"))
                .help(format!("name one of type `{}`", flavor.name)));
        }
        let missing = |field: &str| {
            StepFault::new(format!("the connection `{name}` has no text in `{field}`"))
        };
        let text = |field: &str| {
            let value = opened.value(field).ok_or_else(|| missing(field))?;
            plain(&value, field)
        };
        let host = text("host")?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = text("port")?.parse().map_err(|_| missing("port"))?;
        let authorities = match opened.value("ca_certificate") {
            Some(_) => Some(text("ca_certificate")?.as_bytes().to_vec()),
            None => None,
        };
        let given = match database {
            Some(database) => database.to_owned(),
            None => text("database")?.to_string(),
        };
        Endpoint {
            place: Place::Tcp { host: bare, port },
            database: given,
            username: text("username")?,
            password: opened.value("password").ok_or_else(|| missing("password"))?,
            mode: text("sslmode")?.to_string(),
            authorities,
        }
        .checked()
    }

    /// That of `dsn`, with what the step says beside it.
    pub(super) fn of_dsn(flavor: &Flavor, request: &StepRequest) -> Result<Endpoint, StepFault> {
        let Some(dsn) = request.input.text("dsn") else {
            return Err(StepFault::new("there is no `connection` and no `dsn`"));
        };
        let mut endpoint = parse(flavor, plain(dsn, "dsn")?.trim())?;
        if let Some(password) = request.input.text("password") {
            endpoint.password = password.clone();
        }
        if let Some(file) = path(request, "ca_cert")? {
            let read = std::fs::read(&file).map_err(|error| {
                let file = file.display();
                StepFault::new(format!("cannot read the file `{file}`: {}", error.kind()))
            })?;
            endpoint.authorities = Some(read);
        }
        if !endpoint.password()?.is_empty() {
            let hidden = request.hiding.hide("dsn", std::slice::from_ref(&endpoint.password));
            hidden.map_err(|error| StepFault::new(error.to_string()))?;
        }
        endpoint.checked()
    }

    /// Names end at a null byte on their way to a server, and what follows would be taken for settings.
    fn checked(self) -> Result<Endpoint, StepFault> {
        let texts = [self.username.as_str(), self.database.as_str()];
        if texts.iter().any(|text| text.contains('\0')) || self.password()?.contains('\0') {
            return Err(StepFault::new("a user, password or database has a null byte in it"));
        }
        Ok(self)
    }

    /// The password as a text.
    pub(super) fn password(&self) -> Result<Zeroizing<String>, StepFault> {
        plain(&self.password, "password")
    }
}

fn malformed(flavor: &Flavor) -> StepFault {
    let scheme = flavor.schemes[0];
    StepFault::new(format!("`dsn` is no URL of `{}`", flavor.name)).help(format!(
        "write `{scheme}://user@host/database`, and the password into `password` beside it: in a URL it has to be encoded"
    ))
}

fn parse(flavor: &Flavor, text: &str) -> Result<Endpoint, StepFault> {
    let url = Url::parse(text).map_err(|_| malformed(flavor))?;
    if !flavor.schemes.contains(&url.scheme()) || url.fragment().is_some() {
        return Err(malformed(flavor));
    }
    let database = decoded(flavor, url.path().trim_start_matches('/'))?;
    let username = decoded(flavor, url.username())?;
    if username.is_empty() || database.is_empty() || database.contains('/') {
        return Err(malformed(flavor));
    }
    let (mut mode, mut socket) = (None, None);
    for (name, value) in url.query_pairs() {
        if matches!(&*name, "sslmode" | "ssl-mode") {
            let word = value.to_ascii_lowercase();
            if !flavor.modes.contains(&word.as_str()) {
                return Err(StepFault::new("`dsn` has an `sslmode` that is none")
                    .help(format!("write one of {}", flavor.modes.join(", "))));
            }
            mode = Some(word);
        } else if name == flavor.socket && value.starts_with('/') {
            socket = Some(PathBuf::from(value.as_ref()));
        } else {
            return Err(StepFault::new("`dsn` has a parameter that is not known")
                .help(format!("`sslmode` and `{}` are; remove the others", flavor.socket)));
        }
    }
    let place = match (socket, url.host_str()) {
        // As with libpq, it counts instead of the host, which a URL with a user cannot leave out.
        (Some(path), _) => Place::Socket(path),
        (None, Some(host)) if !host.is_empty() => {
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Place::Tcp { host, port: url.port().unwrap_or(flavor.port) }
        }
        _ => return Err(malformed(flavor)),
    };
    let strict = flavor.modes.last().copied().unwrap_or_default();
    let default = if place.is_local() { flavor.local_mode } else { strict };
    let password = decoded(flavor, url.password().unwrap_or_default())?;
    Ok(Endpoint {
        database: database.to_string(),
        username,
        password: SecretValue::new(password.as_bytes().to_vec()),
        mode: mode.unwrap_or_else(|| default.to_owned()),
        place,
        authorities: None,
    })
}

/// A part of a URL as it was before it was encoded.
fn decoded(flavor: &Flavor, text: &str) -> Result<Zeroizing<String>, StepFault> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let (byte, left) = match (first, others) {
            (b'%', [high, low, left @ ..]) => {
                let digits = [*high, *low].map(|digit| char::from(digit).to_digit(16));
                let [Some(high), Some(low)] = digits else { return Err(malformed(flavor)) };
                (u8::try_from(high * 16 + low).unwrap_or_default(), left)
            }
            (b'%', _) => return Err(malformed(flavor)),
            (other, left) => (*other, left),
        };
        bytes.push(byte);
        rest = left;
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed(flavor))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Place, parse};
    use crate::sql::postgres::FLAVOR;

    #[test]
    fn a_url_says_where_and_as_whom() {
        for (text, place, mode, password) in [
            ("postgres://ada:w%40rd@db.example/books", "`db.example:5432`", "verify-full", "w@rd"),
            ("postgresql://ada@127.0.0.1:99/books", "`127.0.0.1:99`", "prefer", ""),
            ("postgres://ada@[::1]/books", "`[::1]:5432`", "prefer", ""),
            ("postgres://ada@h/books?sslmode=require", "`h:5432`", "require", ""),
            (
                "postgres://ada@localhost/books?sslmode=VERIFY-FULL",
                "`localhost:5432`",
                "verify-full",
                "",
            ),
        ] {
            let found = parse(&FLAVOR, text).unwrap();
            assert_eq!(
                (found.place.shown().as_str(), found.mode.as_str()),
                (place, mode),
                "{text}"
            );
            assert_eq!(found.password().unwrap().as_str(), password, "{text}");
            assert_eq!((found.username.as_str(), found.database.as_str()), ("ada", "books"));
        }
        let socket = parse(&FLAVOR, "postgres://ada@localhost/books?host=/run/postgresql").unwrap();
        assert_eq!(socket.place, Place::Socket("/run/postgresql".into()));
        assert_eq!(socket.mode, "prefer");
    }

    #[test]
    fn what_is_no_such_url_is_refused_without_its_text() {
        for text in [
            "",
            "canary",
            "http://ada:canary@h/books",
            "postgres://h/books",
            "postgres://ada:canary@h",
            "postgres://ada:canary@/books",
            "postgres://ada:canary@h/books/more",
            "postgres://ada:canary%zz@h/books",
            "postgres://ada:canary/word@h/books",
            "postgres://ada:canary@h/books?sslmode=canary",
            "postgres://ada:canary@h/books?options=canary",
            "postgres://ada:canary@h/books#canary",
            "mysql://ada:canary@h/books",
        ] {
            let Err(fault) = parse(&FLAVOR, text) else { panic!("{text}") };
            assert!(!format!("{fault:?}").contains("canary"), "{fault:?}");
        }
    }
}
