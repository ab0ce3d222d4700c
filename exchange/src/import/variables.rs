//! `${NAME}` in the texts of `secrets.toml`.
//!
//! A `$` that no `{` follows is a dollar sign, and `$${` stands for `${`. What a variable holds is not
//! looked at again.

use subrosa_engine::names::is_env_name;
use zeroize::Zeroizing;

use crate::import::Environment;
use crate::wiped::WipedText;

/// Why a text cannot be filled in. The name is part of the text and so not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfilled {
    /// No `}`, or no name before it.
    Malformed,
    /// No such variable.
    Unknown,
}

/// Replaces references by what the environment has for them.
pub(super) fn fill(
    text: &str,
    environment: &Environment<'_>,
) -> Result<Zeroizing<Vec<u8>>, Unfilled> {
    let mut filled = WipedText::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        let special = &rest[at..];
        if let Some(after) = special.strip_prefix("$${") {
            filled.push_str("${");
            rest = after;
        } else if let Some(after) = special.strip_prefix("${") {
            let (name, after) = after.split_once('}').ok_or(Unfilled::Malformed)?;
            if !is_env_name(name) {
                return Err(Unfilled::Malformed);
            }
            filled.push_bytes(&environment(name).ok_or(Unfilled::Unknown)?);
            rest = after;
        } else {
            filled.push('$');
            rest = &special[1..];
        }
    }
    filled.push_str(rest);
    Ok(filled.into_bytes())
}

/// The text that [`fill`] turns into this one.
pub(crate) fn protect(text: &str) -> Zeroizing<Vec<u8>> {
    let mut protected = WipedText::with_capacity(text.len() + 16);
    let mut pieces = text.split("${");
    protected.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        protected.push_str("$${");
        protected.push_str(piece);
    }
    protected.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use zeroize::Zeroizing;

    use super::{Unfilled, fill, protect};

    fn filled(text: &str) -> Result<String, Unfilled> {
        let environment = |name: &str| match name {
            "KEY" => Some(Zeroizing::new(b"${KEY}".to_vec())),
            "NONE" => Some(Zeroizing::new(Vec::new())),
            _ => None,
        };
        fill(text, &environment).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn references_are_filled_once() {
        let check = |text: &str, expected: &str| assert_eq!(filled(text).as_deref(), Ok(expected));
        check("", "");
        check("a${KEY}b${KEY}", "a${KEY}b${KEY}");
        check("[${NONE}]", "[]");
        check("$KEY $ $$ $}", "$KEY $ $$ $}");
        check("$${KEY}", "${KEY}");
        check("$$${KEY}", "$${KEY}");
        check("$${", "${");
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        assert_eq!(filled("${OTHER}"), Err(Unfilled::Unknown));
        assert_eq!(filled("${KEY"), Err(Unfilled::Malformed));
        assert_eq!(filled("${}"), Err(Unfilled::Malformed));
        assert_eq!(filled("${A B}"), Err(Unfilled::Malformed));
    }

    proptest! {
        #[test]
        fn a_protected_text_fills_to_itself(text in "[$\\{\\}KEYñ]{0,20}|.{0,20}") {
            let protected = String::from_utf8(protect(&text).to_vec()).unwrap();
            assert_eq!(filled(&protected), Ok(text));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            drop(filled(&text));
        }
    }
}
