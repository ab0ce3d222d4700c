//! The answers to the form of a type: what a person, a command line, a file or a web page fills in.
//!
//! Answers have the format that the type wants. A secret goes into a buffer that wipes itself, and is never
//! given back: of secrets that are stored already versions are known here, not values. Storing what was
//! filled in is for [`crate::change`].

use std::collections::BTreeMap;

use secrecy::SecretSlice;
use subrosa_registry::check_value;

use crate::kind::{ConnectionType, Field};

/// What is stored already.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// Public fields.
    pub public: BTreeMap<String, String>,
    /// The secret fields that are set, with the version in which each was written.
    pub secret: BTreeMap<String, u64>,
}

/// Answers, by the names of fields. A field without an answer stays as it is.
#[derive(Default)]
pub struct Filled {
    /// Public fields; `None` takes what is there away.
    pub public: BTreeMap<String, Option<String>>,
    /// Secret fields; `None` takes what is there away.
    pub secret: BTreeMap<String, Option<SecretSlice<u8>>>,
}

impl Filled {
    /// Whether there is an answer for the field.
    pub fn has(&self, name: &str) -> bool {
        self.public.contains_key(name) || self.secret.contains_key(name)
    }

    /// Whether nothing was answered.
    pub fn is_empty(&self) -> bool {
        self.public.is_empty() && self.secret.is_empty()
    }

    /// The public fields as they are once this is stored.
    pub fn public_after(&self, current: &Current) -> BTreeMap<String, String> {
        let mut public = current.public.clone();
        for (name, answer) in &self.public {
            match answer {
                Some(text) => public.insert(name.clone(), text.clone()),
                None => public.remove(name),
            };
        }
        public
    }
}

/// Where a field's value is from, once this is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was given just now.
    Given,
    /// It stays as it is.
    Stays,
    /// Nothing was given, and the type says what holds then.
    Default,
    /// There is none.
    Missing,
}

/// How a field stands once `filled` is stored on top of `current`.
pub fn standing(field: &Field, current: &Current, filled: &Filled) -> Standing {
    let name = field.name.as_str();
    let (is_given, is_removed) = if field.is_secret {
        let answer = filled.secret.get(name);
        (answer.is_some_and(Option::is_some), answer.is_some_and(Option::is_none))
    } else {
        let answer = filled.public.get(name);
        (answer.is_some_and(Option::is_some), answer.is_some_and(Option::is_none))
    };
    let is_there = current.public.contains_key(name) || current.secret.contains_key(name);
    match (is_given, is_there && !is_removed, &field.default) {
        (true, _, _) => Standing::Given,
        (false, true, _) => Standing::Stays,
        (false, false, Some(_)) => Standing::Default,
        (false, false, None) => Standing::Missing,
    }
}

/// The required fields that would have no value, in the order of the form.
pub fn missing<'a>(kind: &'a ConnectionType, current: &Current, filled: &Filled) -> Vec<&'a Field> {
    let is_missing =
        |field: &&Field| field.is_required && standing(field, current, filled) == Standing::Missing;
    kind.fields.iter().filter(is_missing).collect()
}

/// Takes an answer, if it has the right format.
pub fn put(field: &Field, answer: &[u8], filled: &mut Filled) -> Result<(), String> {
    let answer = field.normalise(answer);
    field.check(&answer).map_err(|why| why.to_string())?;
    check_value(&answer).map_err(|why| why.to_string())?;
    if field.is_secret {
        // Exactly as long as it has to be: no copy of it stays behind in a buffer that was cut.
        filled.secret.insert(field.name.clone(), Some(SecretSlice::from(answer.to_vec())));
        return Ok(());
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    filled.public.insert(field.name.clone(), Some(text));
    Ok(())
}

/// Takes what is there away.
pub fn remove(field: &Field, filled: &mut Filled) {
    let name = field.name.clone();
    if field.is_secret {
        filled.secret.insert(name, None);
    } else {
        filled.public.insert(name, None);
    }
}

/// The required fields that would have no value, if they are more than before: a connection that was
/// incomplete may be completed in steps.
pub fn newly_missing<'a>(
    kind: &'a ConnectionType,
    current: &Current,
    filled: &Filled,
) -> Vec<&'a Field> {
    let had = missing(kind, current, &Filled::default()).len();
    let missing = missing(kind, current, filled);
    if missing.len() > had { missing } else { Vec::new() }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::kind::{Apply, Auth, ConnectionType, Field, Format};
    use secrecy::SecretSlice;

    use super::{Current, Filled, Standing, missing, standing};

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

    #[test]
    fn what_is_missing_is_what_nobody_gave_and_nothing_stands_for() {
        let kind = kind();
        let names = |current: &Current, filled: &Filled| -> Vec<String> {
            missing(&kind, current, filled).iter().map(|field| field.name.clone()).collect()
        };
        let (none, mut filled) = (Current::default(), Filled::default());
        assert_eq!(names(&none, &filled), ["base_url", "api_token"]);
        filled.public.insert("base_url".to_owned(), Some("https://a".to_owned()));
        assert_eq!(names(&none, &filled), ["api_token"]);
        let stored = Current { secret: [("api_token".to_owned(), 3)].into(), ..none };
        assert_eq!(names(&stored, &filled), [""; 0]);
        filled.secret.insert("api_token".to_owned(), None);
        assert_eq!(names(&stored, &filled), ["api_token"]);
    }

    #[test]
    fn an_answer_goes_before_what_is_stored_and_that_before_the_default() {
        let kind = kind();
        let (mut current, mut filled) = (Current::default(), Filled::default());
        let plan = |current: &Current, filled: &Filled| standing(&kind.fields[1], current, filled);
        let key = |current: &Current, filled: &Filled| standing(&kind.fields[3], current, filled);
        assert_eq!(plan(&current, &filled), Standing::Default);
        assert_eq!(key(&current, &filled), Standing::Missing);
        current.public.insert("plan".to_owned(), "server".to_owned());
        current.secret.insert("backup_key".to_owned(), 2);
        assert_eq!(plan(&current, &filled), Standing::Stays);
        assert_eq!(key(&current, &filled), Standing::Stays);
        filled.public.insert("plan".to_owned(), None);
        filled.secret.insert("backup_key".to_owned(), Some(SecretSlice::from(vec![1])));
        assert_eq!(plan(&current, &filled), Standing::Default);
        assert_eq!(key(&current, &filled), Standing::Given);
        assert!(filled.public_after(&current).is_empty());
    }
}
