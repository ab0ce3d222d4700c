//! The formats by name, and which one a file's name promises.

/// A format in which secrets are kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `NAME=value` lines.
    Dotenv,
    /// One object, nested objects allowed.
    Json,
    /// One mapping, nested mappings allowed.
    Yaml,
    /// Tables, as in `secrets.toml`.
    Toml,
    /// Manifests of the kind `Secret`, as YAML or JSON.
    Kubernetes,
    /// What `vault kv get -format=json` prints.
    Vault,
}

impl Format {
    /// All formats, in the order in which they are listed to people.
    pub const ALL: [Format; 6] = [
        Format::Dotenv,
        Format::Json,
        Format::Yaml,
        Format::Toml,
        Format::Kubernetes,
        Format::Vault,
    ];

    /// The word for the format on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Dotenv => "dotenv",
            Format::Json => "json",
            Format::Yaml => "yaml",
            Format::Toml => "toml",
            Format::Kubernetes => "kubernetes",
            Format::Vault => "vault",
        }
    }

    /// The format of that word.
    pub fn parse(word: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// The most bytes that a file of this format may have; a caller need not read further than one more.
    ///
    /// YAML and dotenv have the bounds of the engine's readers. 16 MiB of JSON are 100 000 secrets of 100
    /// bytes and more. For TOML that is wrong in every line the parser needs 120 times as much memory,
    /// half a gigabyte for 4 MiB. A manifest may be JSON; as YAML it has the bound of YAML.
    pub fn bytes_max(self) -> usize {
        match self {
            Format::Dotenv | Format::Yaml => 1 << 20,
            Format::Toml => 4 << 20,
            Format::Json | Format::Kubernetes | Format::Vault => 16 << 20,
        }
    }

    /// The format that a file's name (without its folder) promises, if it promises one.
    ///
    /// A manifest ends in `.yaml` like any other YAML; reading one as plain YAML is refused with the
    /// word to use, so a wrong guess stores nothing.
    pub fn guess(file_name: &str) -> Option<Format> {
        let name = file_name.to_ascii_lowercase();
        if name == ".env" || name.starts_with(".env.") {
            return Some(Format::Dotenv);
        }
        match name.rsplit_once('.')?.1 {
            "env" => Some(Format::Dotenv),
            "json" => Some(Format::Json),
            "yaml" | "yml" => Some(Format::Yaml),
            "toml" => Some(Format::Toml),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn every_format_has_a_word_of_its_own() {
        for format in Format::ALL {
            assert_eq!(Format::parse(format.as_str()), Some(format));
        }
        assert_eq!(Format::parse("Dotenv"), None);
        assert_eq!(Format::parse(""), None);
    }

    #[test]
    fn a_clear_name_promises_a_format() {
        for (name, expected) in [
            (".env", Some(Format::Dotenv)),
            (".env.production", Some(Format::Dotenv)),
            ("prod.env", Some(Format::Dotenv)),
            ("secrets.toml", Some(Format::Toml)),
            ("a.b.JSON", Some(Format::Json)),
            ("x.yml", Some(Format::Yaml)),
            ("x.yaml", Some(Format::Yaml)),
            ("environment", None),
            ("x.txt", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(Format::guess(name), expected, "{name}");
        }
    }
}
