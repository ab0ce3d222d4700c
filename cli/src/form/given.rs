//! Answers from the words of a command line: `--set`, `--set-file`, `--unset`.
//!
//! Arguments can be read by every user of the machine, so a secret field takes no value from them, and
//! no word that could hold one is repeated. All words are judged before anything is read.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use subrosa_connections::form::{self, Filled, put};
use subrosa_connections::{ConnectionType, Field};
use subrosa_engine::names::closest;
use zeroize::Zeroizing;

use super::ask;
use crate::failure::Failure;
use crate::{terminal, value};

/// The words that give answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Words<'a> {
    /// `FIELD=VALUE`, or `FIELD=-`.
    pub(crate) set: &'a [OsString],
    /// `FIELD=PATH`.
    pub(crate) set_file: &'a [OsString],
    /// `FIELD`.
    pub(crate) unset: &'a [OsString],
}

impl Words<'_> {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.set_file.is_empty() && self.unset.is_empty()
    }
}

/// Where an answer comes from.
enum Source {
    Word(String),
    Stdin,
    File(PathBuf),
    Nowhere,
}

/// Adds what the words say to the answers. Standard input is read last, so that nobody is asked for
/// something that is refused anyway.
pub(crate) fn read(
    words: Words<'_>,
    kind: &ConnectionType,
    filled: &mut Filled,
) -> Result<(), Failure> {
    let mut planned = plan(words, kind)?;
    planned.sort_by_key(|(_, source)| matches!(source, Source::Stdin));
    for (field, source) in planned {
        let bytes = match source {
            Source::Word(text) => Zeroizing::new(text.into_bytes()),
            Source::File(path) if field.is_secret => value::credentials(&path)?,
            Source::File(path) => value::bytes(Some(&path))?,
            Source::Stdin if field.is_secret && terminal::is_terminal(&io::stdin()) => {
                ask::secret_alone(field, filled)?;
                continue;
            }
            Source::Stdin => value::bytes(None)?,
            Source::Nowhere => {
                form::remove(field, filled);
                continue;
            }
        };
        accept(field, &bytes, filled)?;
    }
    Ok(())
}

fn plan<'a>(
    words: Words<'_>,
    kind: &'a ConnectionType,
) -> Result<Vec<(&'a Field, Source)>, Failure> {
    let mut planned: Vec<(&Field, Source)> = Vec::new();
    let mut add = |field: &'a Field, source: Source| {
        if planned.iter().any(|(known, _)| known.name == field.name) {
            return Err(Failure::usage(format!("the field `{}` is given twice", field.name)));
        }
        let is_stdin = |source: &Source| matches!(source, Source::Stdin);
        if is_stdin(&source) && planned.iter().any(|(_, source)| is_stdin(source)) {
            let message = "two fields are to come from standard input: there is room for one";
            return Err(Failure::usage(message).help(ONE_STDIN));
        }
        planned.push((field, source));
        Ok(())
    };
    for word in words.set {
        let (field, rest) = split(word, kind, "--set")?;
        let source = match rest.to_str() {
            Some("-") => Source::Stdin,
            _ if field.is_secret => return Err(in_arguments(field)),
            Some(text) => Source::Word(text.to_owned()),
            None => return Err(wrong(field, "it is not UTF-8")),
        };
        add(field, source)?;
    }
    for word in words.set_file {
        let (field, path) = split(word, kind, "--set-file")?;
        add(field, Source::File(PathBuf::from(path)))?;
    }
    for word in words.unset {
        let field = word.to_str().and_then(|name| kind.field(name));
        add(field.ok_or_else(|| unknown(word, kind))?, Source::Nowhere)?;
    }
    Ok(planned)
}

const ONE_STDIN: &str = "give the others with `--set-file FIELD=PATH`";

/// The field before the first `=`, and what is behind it.
fn split<'a, 'b>(
    word: &'b OsStr,
    kind: &'a ConnectionType,
    option: &str,
) -> Result<(&'a Field, &'b OsStr), Failure> {
    let bytes = word.as_bytes();
    let Some(at) = bytes.iter().position(|byte| *byte == b'=') else {
        let message = format!("there is no `=` in what follows `{option}`");
        return Err(Failure::usage(message).help(fields_of(kind)));
    };
    let (name, rest) = (OsStr::from_bytes(&bytes[..at]), OsStr::from_bytes(&bytes[at + 1..]));
    let field = name.to_str().and_then(|name| kind.field(name));
    Ok((field.ok_or_else(|| unknown(name, kind))?, rest))
}

/// The word is not repeated: what is before the first `=` may be the beginning of a value.
fn unknown(name: &OsStr, kind: &ConnectionType) -> Failure {
    let failure = Failure::usage(format!("the type `{}` has no field of that name", kind.id));
    let names = kind.fields.iter().map(|field| field.name.as_str());
    match name.to_str().and_then(|name| closest(name, names)) {
        Some(near) => failure.help(format!("did you mean `{near}`?\n{}", fields_of(kind))),
        None => failure.help(fields_of(kind)),
    }
}

fn fields_of(kind: &ConnectionType) -> String {
    let names: Vec<&str> = kind.fields.iter().map(|field| field.name.as_str()).collect();
    format!("its fields: {}", names.join(", "))
}

fn in_arguments(field: &Field) -> Failure {
    let name = &field.name;
    let message = format!("the field `{name}` is secret, and its value was given as an argument");
    Failure::usage(message).help(format!(
        "a value is never an argument, as these can be read by every user of the machine: \
         `--set {name}=-` reads it from standard input, `--set-file {name}=PATH` from a file\n\
         the one that was given may have been seen, and be in the history of the shell"
    ))
}

/// What is wrong with the answer for a field, as the end of a command.
fn wrong(field: &Field, why: &str) -> Failure {
    Failure::usage(format!("the value of `{}` cannot be used: {why}", field.name))
}

/// Takes an answer that came from words, a file or standard input.
pub(crate) fn accept(field: &Field, bytes: &[u8], filled: &mut Filled) -> Result<(), Failure> {
    put(field, bytes, filled).map_err(|why| wrong(field, &why))
}

/// A path as it was typed, with `~/` as the home folder.
pub(crate) fn path(typed: &str, home: Option<&Path>) -> PathBuf {
    match (typed.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(typed),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::{Words, path, read};
    use crate::failure::Exit;
    use crate::form::tests::kind;
    use subrosa_connections::form::Filled;

    fn given(set: &[&str], unset: &[&str]) -> Result<Filled, (Exit, String)> {
        let [set, unset]: [Vec<OsString>; 2] =
            [set, unset].map(|words| words.iter().map(OsString::from).collect());
        let mut filled = Filled::default();
        let words = Words { set: &set, set_file: &[], unset: &unset };
        match read(words, &kind(), &mut filled) {
            Ok(()) => Ok(filled),
            Err(failure) => {
                let mut said = String::new();
                let exit = failure.tell(|text| said.push_str(text));
                Err((exit, said))
            }
        }
    }

    #[test]
    fn public_fields_come_as_words() {
        let filled = given(&["base_url=https://a.example/x"], &["plan"]).ok().unwrap();
        assert_eq!(filled.public["base_url"].as_deref(), Some("https://a.example/x"));
        assert_eq!(filled.public["plan"], None);
        assert!(filled.secret.is_empty());
    }

    #[test]
    fn words_that_cannot_be_meant_are_refused_and_not_repeated() {
        let check = |set: &[&str], unset: &[&str], message: &str| {
            let (exit, said) = given(set, unset).err().unwrap();
            assert_eq!(exit, Exit::USAGE);
            assert!(said.contains(message), "{message}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        };
        check(&["api_token=hunter2"], &[], "the field `api_token` is secret");
        check(&["api_token="], &[], "the field `api_token` is secret");
        check(&["hunter2"], &[], "there is no `=`");
        check(&["hunter2=="], &[], "has no field of that name");
        check(&["api_tokn=hunter2"], &[], "did you mean `api_token`?");
        check(&[], &["backup_kye"], "did you mean `backup_key`?");
        check(&["base_url=hunter2"], &[], "`base_url` cannot be used: it is no");
        check(&["base_url="], &[], "`base_url` cannot be used: it is empty");
        check(&["plan=hunter2"], &[], "none of cloud, server");
        check(&["plan=cloud", "plan=server"], &[], "given twice");
        check(&["plan=cloud"], &["plan"], "given twice");
        check(&["api_token=-", "backup_key=-"], &[], "room for one");
    }

    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = Some(Path::new("/h"));
        assert_eq!(path("~/key.json", home), Path::new("/h/key.json"));
        assert_eq!(path("~user/key.json", home), Path::new("~user/key.json"));
        assert_eq!(path("key.json", home), Path::new("key.json"));
        assert_eq!(path("~/key.json", None), Path::new("~/key.json"));
    }
}
