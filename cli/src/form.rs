//! The form of a connection, rendered from the declaration of its type.
//!
//! It is filled in by a person on the controlling terminal ([`ask`]), from the words of a command line
//! ([`given`]) or from the file that the service hands out. All three end in one
//! [`subrosa_connections::form::Filled`]. Storing what was filled in is for the commands.

pub(crate) mod ask;
pub(crate) mod file;
pub(crate) mod given;

#[cfg(test)]
pub(crate) mod tests {
    use subrosa_connections::{Apply, Auth, ConnectionType, Field, Format};

    /// A field of any text.
    pub(crate) fn text(name: &str, is_secret: bool, is_required: bool) -> Field {
        Field {
            name: name.to_owned(),
            label: name.to_uppercase(),
            help: String::new(),
            is_secret,
            is_required,
            format: Format::Text,
            default: None,
            choices: Vec::new(),
        }
    }

    /// A type with a required public, a required secret, an optional secret field, and one with choices.
    pub(crate) fn kind() -> ConnectionType {
        let mut plan = text("plan", false, true);
        plan.choices = vec!["cloud".to_owned(), "server".to_owned()];
        plan.default = Some("cloud".to_owned());
        let mut url = text("base_url", false, true);
        url.format = Format::Url;
        ConnectionType {
            id: "sample_kind".to_owned(),
            label: "Sample".to_owned(),
            summary: String::new(),
            docs: None,
            auth: Auth::Fields,
            fields: vec![url, plan, text("api_token", true, true), text("backup_key", true, false)],
            apply: Apply::default(),
            test: None,
            oauth: None,
            file: [("api_token".to_owned(), "/token".to_owned())].into(),
        }
    }
}
