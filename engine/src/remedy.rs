//! What to type when the registry refuses: the words that diagnostics and front ends share.
//!
//! Facts are the registry's; here are the commands that mend them. What depends on who asks (a ref of
//! a workflow, a word of a command line) stays with whoever asks.

use std::error::Error;

use subrosa_registry::{FileError, KeyError, Scope, SecretRef};

/// For what only a look at the whole registry explains.
pub const DOCTOR: &str = "`subrosa doctor` tells what is wrong and what can be done";

/// An error with its causes; one that only repeats what it is caused by is said once.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if said != last {
            text.push_str(": ");
            text.push_str(&said);
        }
        last = said;
        cause = error.source();
    }
    text
}

/// A command about a secret or a connection, as it can be typed.
pub fn command(verb: &str, reference: &SecretRef, scope: &Scope) -> String {
    let mut command = match reference.connection_name() {
        Some(name) => format!("subrosa connection {verb} {name}"),
        None => format!("subrosa secret {verb} {reference}"),
    };
    if let Some(workspace) = &scope.workspace {
        command.push_str(&format!(" --workspace {workspace}"));
    }
    if let Some(environment) = &scope.environment {
        command.push_str(&format!(" --env {environment}"));
    }
    command
}

/// A path as a shell takes it.
pub fn quoted(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(&byte);
    let path = if path.starts_with('-') { format!("./{path}") } else { path.to_owned() };
    if path.bytes().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// What to do about a file or folder of the registry.
pub fn file(error: &FileError) -> Option<String> {
    match error {
        FileError::NotPrivate { file, is_folder: true, .. } => {
            Some(format!("close it: `chmod 700 {}`", quoted(file)))
        }
        FileError::NotPrivate { file, is_folder: false, .. } => {
            Some(format!("close it: `chmod 600 {}`", quoted(file)))
        }
        FileError::NotOurs { .. } | FileError::NotPlain { .. } | FileError::TooLarge { .. } => {
            Some(DOCTOR.to_owned())
        }
        FileError::Busy { pid: Some(pid), .. } => {
            Some(format!("wait until process {pid} is done, or see what it does: `ps -p {pid}`"))
        }
        FileError::Busy { pid: None, .. } | FileError::Io { .. } => None,
    }
}

/// What to do about the key of the registry.
pub fn key(error: &KeyError) -> Option<String> {
    match error {
        KeyError::File(error) => file(error),
        KeyError::Missing { .. }
        | KeyError::Damaged { .. }
        | KeyError::Wrong { .. }
        | KeyError::OtherStore { .. } => Some(
            "`subrosa key import` brings a copy of the key back; `subrosa key status` tells where \
             it is looked for"
                .to_owned(),
        ),
        KeyError::TooNew { .. } => Some("use the newer subrosa that wrote it".to_owned()),
        KeyError::WrongPassphrase { .. } => Some("try again; nothing was changed".to_owned()),
        KeyError::ReadOnly { .. } => {
            Some("`subrosa key move --to file` takes the key to where it can be changed".to_owned())
        }
        KeyError::Taken { .. } | KeyError::Source { .. } => {
            Some("`subrosa key status` tells where the key is looked for".to_owned())
        }
        KeyError::Randomness => None,
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_is_one_word_for_a_shell_and_no_option() {
        let check = |path, expected| assert_eq!(quoted(path), expected);
        check("/s/a-b_c.d", "/s/a-b_c.d");
        check("/s/it's", r"'/s/it'\''s'");
        check("a b", "'a b'");
        check("$(x)", "'$(x)'");
        check("-rf", "./-rf");
        check("-r f", "'./-r f'");
        check("ä", "'ä'");
    }
}
