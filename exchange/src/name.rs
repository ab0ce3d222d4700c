//! From the names of other places to refs.
//!
//! `DATABASE_URL`, `database.url` and `databaseUrl` all become `database-url`. Two names may so become
//! one; finding that out is left to the caller, who knows the lines.

use subrosa_registry::{InvalidName, SecretRef};

/// A segment for a name: lower case, `_`, `.` and the borders of camel case as `-`, none at its
/// beginning. What the grammar of refs does not allow stays and is refused with the whole.
fn segment(name: &str) -> String {
    let name = name.trim_start_matches(['_', '.', '-']);
    let chars: Vec<char> = name.chars().collect();
    let mut mapped = String::with_capacity(name.len() + 4);
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        if c.is_ascii_uppercase() && before.is_some_and(|b| is_border(*b, chars.get(at + 1))) {
            mapped.push('-');
        }
        mapped.push(if matches!(c, '_' | '.') { '-' } else { c.to_ascii_lowercase() });
    }
    mapped
}

/// Whether a word begins with the capital between these two: `apiKey`, `s3Key`, `HTTPServer`.
fn is_border(before: char, after: Option<&char>) -> bool {
    let word_follows = after.is_some_and(char::is_ascii_lowercase);
    before.is_ascii_lowercase()
        || (before.is_ascii_uppercase() || before.is_ascii_digit()) && word_follows
}

/// The ref for names that lie inside each other, below a prefix. A `/` in a name parts segments.
pub(crate) fn reference<'a>(
    prefix: Option<&SecretRef>,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<SecretRef, InvalidName> {
    let mut text = prefix.map_or_else(String::new, |prefix| prefix.as_str().to_owned());
    for part in names.into_iter().flat_map(|name| name.split('/')) {
        if !text.is_empty() {
            text.push('/');
        }
        let part = segment(part);
        if part.is_empty() {
            return Err(InvalidName::EmptySegment);
        }
        text.push_str(&part);
    }
    SecretRef::parse(&text)
}

/// Why a name cannot be mapped, without the name: in a file of another format than the reader
/// believes, names are made of anything.
pub(crate) fn reason(invalid: InvalidName) -> &'static str {
    match invalid {
        InvalidName::Empty | InvalidName::EmptySegment | InvalidName::LeadingDash => {
            "no ref can be made of this name: there is nothing in it, or in a part of it"
        }
        InvalidName::Character(_) | InvalidName::OutsideName(_) => {
            "no ref can be made of this name: it has other characters than a-z, A-Z, 0-9, `_`, `.`, \
             `-` and `/`"
        }
        InvalidName::TooLong => {
            "no ref can be made of this name: refs have at most 8 segments of 64 bytes each"
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use subrosa_registry::{InvalidName, SecretRef};

    use super::reference;

    fn check(names: &[&str], expected: &str) {
        let found = reference(None, names.iter().copied()).map(|r| r.as_str().to_owned());
        assert_eq!(found.as_deref(), Ok(expected), "{names:?}");
    }

    #[test]
    fn names_become_lower_case_words_with_dashes() {
        check(&["DATABASE_URL"], "database-url");
        check(&["database.url"], "database-url");
        check(&["databaseUrl"], "database-url");
        check(&["s3Key"], "s3-key");
        check(&["S3KEY"], "s3key");
        check(&["HTTPServer"], "http-server");
        check(&["OAUTH2_TOKEN"], "oauth2-token");
        check(&["tls.crt"], "tls-crt");
        check(&[".dockerconfigjson"], "dockerconfigjson");
        check(&["_Token_"], "token-");
        check(&["a__b"], "a--b");
        check(&["stripe", "stripe_secret_key"], "stripe/stripe-secret-key");
        check(&["prod/db", "x"], "prod/db/x");
    }

    #[test]
    fn a_prefix_comes_first() {
        let prefix = SecretRef::parse("prod/eu").unwrap();
        let found = reference(Some(&prefix), ["A_B"]).unwrap();
        assert_eq!(found.as_str(), "prod/eu/a-b");
        assert_eq!(reference(Some(&prefix), ["__"]), Err(InvalidName::EmptySegment));
    }

    #[test]
    fn names_outside_the_grammar_are_refused() {
        let check = |name: &str, why| assert_eq!(reference(None, [name]), Err(why), "{name}");
        check("", InvalidName::EmptySegment);
        check("a//b", InvalidName::EmptySegment);
        check("a b", InvalidName::Character(' '));
        check("TOKEN=x", InvalidName::Character('='));
        check("schlüssel", InvalidName::Character('ü'));
        check(&"x".repeat(65), InvalidName::TooLong);
        check(&"x/".repeat(9), InvalidName::EmptySegment);
    }

    proptest! {
        #[test]
        fn refs_map_to_themselves(text in "[a-z0-9][a-z0-9-]{0,9}(/[a-z0-9][a-z0-9-]{0,9}){0,3}") {
            check(&[&text], &text);
        }

        #[test]
        fn no_name_makes_it_panic(name in any::<String>()) {
            drop(reference(None, [name.as_str()]));
        }
    }
}
