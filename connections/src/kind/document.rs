//! A type explained to people: as text for a terminal, as Markdown for the documentation.
//!
//! Both are made from the same lines, so neither says what the other does not.

use super::{Auth, ConnectionType, Field, Format, Scheme, Template, Test, Words as _};

/// What there is to say about a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldText {
    /// The word that names it.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// `secret`, `required`, the format, the default, the choices.
    pub traits: Vec<String>,
    /// What to write there.
    pub help: String,
}

/// What there is to say about a type, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeText {
    /// The word that names it.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// What it is for.
    pub summary: String,
    /// Topic and text, such as `authenticates` and `a key`.
    pub facts: Vec<(&'static str, String)>,
    /// Its fields, in the order of the form.
    pub fields: Vec<FieldText>,
}

impl ConnectionType {
    /// What there is to say about the type.
    pub fn document(&self) -> TypeText {
        TypeText {
            id: self.id.clone(),
            label: self.label.clone(),
            summary: self.summary.clone(),
            facts: self.facts(),
            fields: self.fields.iter().map(Field::document).collect(),
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("auth", format!("{}: {}", self.auth.word(), explained(self.auth)))];
        let quoted = |template: &Template| format!("`{}`", template.to_text());
        if let Some(base) = &self.apply.base_url {
            let mut text = quoted(base);
            for host in &self.apply.hosts {
                text.push_str(&format!(", `https://{host}`"));
            }
            facts.push(("server", text));
        }
        let sent = self.sent();
        if !sent.is_empty() {
            facts.push(("sends", sent.join(", ")));
        }
        facts.push(("test", self.tested()));
        if let Some(oauth) = &self.oauth {
            if !oauth.scopes.is_empty() {
                let scopes: Vec<_> = oauth.scopes.iter().map(|s| format!("`{s}`")).collect();
                facts.push(("scopes", scopes.join(", ")));
            }
            let ways = [
                ("in a browser", &oauth.authorize_url),
                ("with a code on another device", &oauth.device_url),
            ];
            let ways: Vec<_> =
                ways.iter().filter(|(_, url)| url.is_some()).map(|(way, _)| *way).collect();
            if !ways.is_empty() {
                facts.push(("granted", ways.join(", or ")));
            }
            let revoked = match oauth.revoke_url.is_some() {
                true => "at the service, too",
                false => {
                    "here only: the service has no standard way; end the grant in its settings"
                }
            };
            facts.push(("revoked", revoked.to_owned()));
        }
        if !self.file.is_empty() {
            let fields: Vec<_> = self.file.keys().map(|name| format!("`{name}`")).collect();
            let text = format!("`--from-file` takes {} from it", fields.join(", "));
            facts.push(("key file", text));
        }
        if let Some(docs) = &self.docs {
            facts.push(("get it at", format!("<{docs}>")));
        }
        facts
    }

    /// What a request is given, by name; values of headers that are not secret are not said.
    fn sent(&self) -> Vec<String> {
        let is_secret = |template: &Template| {
            template.fields().any(|name| {
                name == crate::record::ACCESS_TOKEN
                    || self.field(name).is_some_and(|field| field.is_secret)
            })
        };
        let apply = &self.apply;
        let headers = apply.headers.iter().filter(|(_, value)| is_secret(value));
        let headers = headers.map(|(name, value)| format!("`{name}: {}`", value.to_text()));
        let query = apply.query.iter().filter(|(_, value)| is_secret(value));
        let query = query.map(|(name, value)| format!("`?{name}={}`", value.to_text()));
        let basic = apply.basic.iter().map(|(user, password)| {
            let (user, password) = (user.to_text(), password.to_text());
            format!("`Authorization: Basic` of `{user}` and `{password}`")
        });
        let scheme = apply.scheme.into_iter().map(|scheme| {
            let text = match scheme {
                Scheme::AwsV4 => "a signature of AWS, version 4",
                Scheme::AzureSharedKey => "a signature with the shared key",
                Scheme::GoogleServiceAccount => "a token exchanged for the key file",
                Scheme::Driver => "the login of its protocol",
            };
            text.to_owned()
        });
        headers.chain(query).chain(basic).chain(scheme).collect()
    }

    fn tested(&self) -> String {
        match &self.test {
            None => "none".to_owned(),
            Some(Test::Http { method, url, .. }) => format!("`{method} {}`", url.to_text()),
            Some(Test::Postgres | Test::MySql) => "a login and `SELECT 1`".to_owned(),
            Some(Test::Redis) => "`AUTH` and `PING`".to_owned(),
            Some(Test::Nats) => "`CONNECT` and `PING`".to_owned(),
            Some(Test::Token) => "whether a token is given for it".to_owned(),
            Some(Test::Tcp) => {
                "whether somebody listens at host and port; the credential is not tried".to_owned()
            }
        }
    }
}

fn explained(auth: Auth) -> &'static str {
    match auth {
        Auth::ApiKey => "one secret key",
        Auth::Basic => "a user name and a password",
        Auth::Bearer => "one token, as `Authorization: Bearer`",
        Auth::Fields => "several fields, used together",
        Auth::OAuth2 => "a person grants access (`subrosa connection authorize`)",
        Auth::ClientCredentials => "the client's id and secret are exchanged for a token",
        Auth::ServiceAccount => "a key file is exchanged for a token",
    }
}

impl Field {
    /// What there is to say about the field.
    pub fn document(&self) -> FieldText {
        let mut traits = Vec::new();
        if self.is_secret {
            traits.push("secret".to_owned());
        }
        let presence = match &self.default {
            Some(default) => format!("default `{default}`"),
            None if self.is_required => "required".to_owned(),
            None => "optional".to_owned(),
        };
        traits.push(presence);
        if !matches!(self.format, Format::Text) {
            traits.push(self.format.word().to_owned());
        }
        if !self.choices.is_empty() {
            let choices: Vec<_> = self.choices.iter().map(|c| format!("`{c}`")).collect();
            traits.push(format!("one of {}", choices.join(", ")));
        }
        FieldText {
            name: self.name.clone(),
            label: self.label.clone(),
            traits,
            help: self.help.clone(),
        }
    }
}

impl TypeText {
    /// For a terminal.
    pub fn to_text(&self) -> String {
        let mut text = format!("{} - {}\n\n{}\n\n", self.id, self.label, self.summary);
        let width = self.facts.iter().map(|(topic, _)| topic.len()).max().unwrap_or(0);
        for (topic, fact) in &self.facts {
            text.push_str(&format!("  {topic:width$}  {}\n", plain(fact)));
        }
        text.push_str("\nFields:\n");
        for field in &self.fields {
            let traits = plain(&field.traits.join(", "));
            let (name, label, help) = (&field.name, &field.label, plain(&field.help));
            text.push_str(&format!("\n  {name} ({traits})\n      {label}: {help}\n"));
        }
        text
    }

    /// For the documentation.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("## {}\n\n**{}.** {}\n\n", self.id, self.label, self.summary);
        for (topic, fact) in &self.facts {
            text.push_str(&format!("- {topic}: {fact}\n"));
        }
        text.push_str("\n| field | | what to write |\n|---|---|---|\n");
        for field in &self.fields {
            let traits = field.traits.join(", ");
            let FieldText { name, label, help, .. } = field;
            text.push_str(&format!("| `{name}` | {traits} | {label}: {help} |\n"));
        }
        text
    }
}

/// Markdown's marks mean nothing on a terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '`' | '<' | '>')).collect()
}
