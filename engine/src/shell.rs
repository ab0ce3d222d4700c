//! Command lines for shell texts and scripts.
//!
//! A text reaches its shell as it stands in the file; values reach it as variables. The shell of a
//! step is the step's own, else the workflow's, else `$DAGU_DEFAULT_SHELL`, `$SHELL` or `sh`; all but
//! a step's own get `-e`, so that the first failing command ends the step.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::host::Host;
use crate::rundir::RunDir;

/// A shell with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShellLine {
    words: Vec<OsString>,
    stop_on_error: bool,
}

/// Longer texts go through a file: one argument may hold 128 KiB.
const ARGUMENT_LEN_MAX: usize = 100 * 1024;

impl ShellLine {
    /// The shell that a step named itself.
    pub(crate) fn of_step(words: Vec<OsString>) -> ShellLine {
        ShellLine { words, stop_on_error: false }
    }

    /// The shell of the workflow.
    pub(crate) fn of_workflow(words: Vec<OsString>) -> ShellLine {
        let stop_on_error = is_posix(&words);
        ShellLine { words, stop_on_error }
    }

    /// The shell where nothing names one.
    pub(crate) fn default_of(host: &Host) -> ShellLine {
        let named = ["SUBROSA_DEFAULT_SHELL", "DAGU_DEFAULT_SHELL", "SHELL"]
            .iter()
            .filter_map(|name| host.env(name))
            .find(|value| !value.is_empty());
        let program = named.cloned().unwrap_or_else(|| "sh".into());
        ShellLine::of_workflow(vec![program])
    }

    pub(crate) fn is_posix(&self) -> bool {
        is_posix(&self.words)
    }

    fn base(&self) -> Vec<OsString> {
        let mut words = self.words.clone();
        if self.stop_on_error {
            words.push("-e".into());
        }
        words
    }

    /// The command line for a text; `file` is where a long one is put.
    pub(crate) fn for_text(&self, text: &str, file: &ScriptPlace<'_>) -> io::Result<Vec<OsString>> {
        let mut words = self.base();
        if text.len() > ARGUMENT_LEN_MAX {
            words.push(file.write(text)?.into());
        } else {
            words.push("-c".into());
            words.push(text.into());
        }
        Ok(words)
    }

    /// The command line for the command of a condition.
    pub(crate) fn for_condition(&self, text: &str) -> Vec<OsString> {
        let mut words = self.base();
        words.extend(["-c".into(), text.into()]);
        words
    }

    /// The command line for a script: its own `#!` line wins over the shell.
    pub(crate) fn for_script(
        &self,
        text: &str,
        file: &ScriptPlace<'_>,
    ) -> io::Result<Vec<OsString>> {
        let mut words = interpreter_line(text).unwrap_or_else(|| self.base());
        words.push(file.write(text)?.into());
        Ok(words)
    }
}

/// Where script files of an attempt lie: in the run's private folder, never in the step's.
pub(crate) struct ScriptPlace<'a> {
    pub(crate) dir: &'a RunDir,
    pub(crate) name: PathBuf,
    pub(crate) written: AtomicBool,
}

impl ScriptPlace<'_> {
    /// Writes a script; the text is the file's own, without any value in it.
    pub(crate) fn write(&self, text: &str) -> io::Result<PathBuf> {
        self.written.store(true, Ordering::Relaxed);
        self.dir.create_file(&self.name)?.write_all(text.as_bytes())?;
        Ok(self.dir.path().join(&self.name))
    }
}

impl Drop for ScriptPlace<'_> {
    /// Removes the script, if one was written, however the attempt ended.
    fn drop(&mut self) {
        if !self.written.load(Ordering::Relaxed) {
            return;
        }
        let _not_there = std::fs::remove_file(self.dir.path().join(&self.name)).err();
    }
}

/// The program of a `#!` line and its one argument, as the kernel reads it.
pub(crate) fn interpreter_line(text: &str) -> Option<Vec<OsString>> {
    let line = text.strip_prefix("#!")?.lines().next()?.trim();
    let (program, argument) = match line.split_once([' ', '\t']) {
        Some((program, argument)) => (program, argument.trim()),
        None => (line, ""),
    };
    if program.is_empty() {
        return None;
    }
    let mut words = vec![OsString::from(program)];
    if !argument.is_empty() {
        words.push(argument.into());
    }
    Some(words)
}

fn is_posix(words: &[OsString]) -> bool {
    const NAMES: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash"];
    let name = words.first().map(Path::new).and_then(Path::file_name).and_then(OsStr::to_str);
    name.is_some_and(|name| NAMES.contains(&name))
}

/// Whether a script names a shell of the POSIX kind in its `#!` line, also by way of `env`.
pub(crate) fn names_posix_shell(text: &str) -> bool {
    let Some(mut words) = interpreter_line(text) else { return false };
    let is_env = Path::new(&words[0]).file_name().is_some_and(|name| name == "env");
    if is_env && let Some(argument) = words.pop().and_then(|word| word.into_string().ok()) {
        let mut named = argument.split_whitespace().filter(|word| !word.starts_with('-'));
        words = named.next().map(OsString::from).into_iter().collect();
    }
    is_posix(&words)
}

/// Sets the shell's positional parameters from variables, in front of a text.
pub(crate) fn with_positional(text: &str, count: usize) -> String {
    if count == 0 {
        return text.to_owned();
    }
    let names: Vec<String> = (1..=count).map(|n| format!("\"${{{POSITIONAL}{n}}}\"")).collect();
    format!("set -- {}; {text}", names.join(" "))
}

/// Prefix of the variables that carry positional parameters.
pub(crate) const POSITIONAL: &str = "SUBROSA_PARAM_";

#[cfg(test)]
mod tests {
    use super::{ShellLine, interpreter_line, names_posix_shell, with_positional};
    use std::ffi::OsString;

    fn words(line: &[OsString]) -> String {
        line.join(" ".as_ref()).to_string_lossy().into_owned()
    }

    #[test]
    fn only_posix_shells_of_the_workflow_stop_on_errors() {
        let base = |line: ShellLine| words(&line.base());
        assert_eq!(base(ShellLine::of_workflow(vec!["/bin/bash".into()])), "/bin/bash -e");
        assert_eq!(base(ShellLine::of_workflow(vec!["fish".into()])), "fish");
        assert_eq!(base(ShellLine::of_step(vec!["bash".into(), "-u".into()])), "bash -u");
    }

    #[test]
    fn a_hash_bang_names_a_program_and_one_argument() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(interpreter_line(text).as_deref().map(words).as_deref(), expected, "{text}");
        };
        check("#!/usr/bin/env python3\nx", Some("/usr/bin/env python3"));
        check("#! /bin/sh -eu  \nx", Some("/bin/sh -eu"));
        check("#!\nx", None);
        check("echo hi", None);
    }

    #[test]
    fn shells_are_known_by_their_line() {
        for line in
            ["#!/bin/sh", "#!/bin/bash -eu", "#!/usr/bin/env bash", "#!/usr/bin/env -S zsh -e"]
        {
            assert!(names_posix_shell(line), "{line}");
        }
        for line in ["#!/usr/bin/env python3", "#!/usr/bin/perl", "#!/usr/bin/env", "echo"] {
            assert!(!names_posix_shell(line), "{line}");
        }
    }

    #[test]
    fn positional_parameters_come_from_variables() {
        assert_eq!(with_positional("echo $1", 0), "echo $1");
        assert_eq!(
            with_positional("echo $1", 2),
            r#"set -- "${SUBROSA_PARAM_1}" "${SUBROSA_PARAM_2}"; echo $1"#
        );
    }
}
