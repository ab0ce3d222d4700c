//! Texts with `${field}` in them.
//!
//! What a value may be where it stands is the business of whoever puts it there: a header, a URL and a
//! body each have their own rules.

/// A text with `${field}` in it; `$$` is a dollar sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// The value of a field, or of a part that OAuth brings: `access_token`.
    Field(String),
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `$` before anything but `{` or `$`.
    #[error("a `$` stands alone; it is written `$$`")]
    LoneDollar,
    /// `${` without its `}`.
    #[error("`${{` is not closed")]
    Unclosed,
    /// Something else than the name of a field in the braces.
    #[error("`${{...}}` holds no name of a field (`[a-z0-9_]+`)")]
    Name,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// [`TemplateError`]
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            if let Some(more) = behind.strip_prefix('$') {
                plain.push('$');
                rest = more;
                continue;
            }
            let inside = behind.strip_prefix('{').ok_or(TemplateError::LoneDollar)?;
            let (name, more) = inside.split_once('}').ok_or(TemplateError::Unclosed)?;
            if !is_word(name) {
                return Err(TemplateError::Name);
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Field(name.to_owned()));
            rest = more;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Template(pieces))
    }

    /// The fields that it names.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Field(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The text in front of the first field.
    pub(crate) fn head(&self) -> &str {
        match self.0.first() {
            Some(Piece::Text(text)) => text,
            Some(Piece::Field(_)) | None => "",
        }
    }

    /// The text as it is written in a declaration.
    pub fn to_text(&self) -> String {
        let written = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.replace('$', "$$"),
            Piece::Field(name) => format!("${{{name}}}"),
        });
        written.collect()
    }
}

/// Whether a text names a type or a field: `[a-z0-9_]+`, at most 64 bytes.
pub(super) fn is_word(text: &str) -> bool {
    let holds = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(holds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Template, TemplateError};

    fn check(text: &str, expected: Result<&[&str], TemplateError>) {
        let found = Template::parse(text);
        let fields = found.as_ref().map(|found| found.fields().collect::<Vec<_>>());
        assert_eq!(fields, expected.as_ref().map(|names| names.to_vec()), "{text}");
        if let Ok(found) = found {
            assert_eq!(found.to_text(), text);
        }
    }

    #[test]
    fn templates_name_fields() {
        check("", Ok(&[]));
        check("Bearer ${token}", Ok(&["token"]));
        check("${a}${b_2}/x", Ok(&["a", "b_2"]));
        check("costs $$5", Ok(&[]));
        check("$${a}", Ok(&[]));
        check("costs $5", Err(TemplateError::LoneDollar));
        check("$", Err(TemplateError::LoneDollar));
        check("${a", Err(TemplateError::Unclosed));
        check("${}", Err(TemplateError::Name));
        check("${A}", Err(TemplateError::Name));
        check("${a b}", Err(TemplateError::Name));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "([a-z $]|\\$\\{|\\}|ä){0,20}") {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(template.to_text(), text);
            }
        }
    }
}
