//! What was found, as people and programs get it. Every text in it is fit to be shown.

use serde_json::{Value, json};
use subrosa_engine::remedy::quoted;

use super::matcher::How;
use super::search::Place;

/// What was found in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, values in its name masked.
    pub(crate) file: String,
    /// What.
    pub(crate) what: What,
    /// A commit that has it.
    pub(crate) commit: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A value in the text of the file.
    Value { line: u64, column: u64, secret: String, how: How },
    /// A value in the name of the file.
    InName { secret: String, how: How },
    /// A credential file that more people than its owner may read.
    Readable { credentials: &'static str, mode: u32 },
    /// A credential file that git has or is about to have.
    InGit { credentials: &'static str, since: Since },
}

/// How far a file has come into git.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// It is in the index.
    Tracked,
    /// The next commit adds or changes it.
    Staged,
}

impl Since {
    fn name(self) -> &'static str {
        match self {
            Since::Tracked => "tracked",
            Since::Staged => "staged",
        }
    }
}

impl Finding {
    /// A value in the text of a file.
    pub(crate) fn value(file: &str, place: &Place, secret: &str, commit: Option<&str>) -> Finding {
        let Place { line, column, how, .. } = *place;
        Finding {
            file: file.to_owned(),
            what: What::Value { line, column, secret: secret.to_owned(), how },
            commit: commit.map(str::to_owned),
        }
    }

    /// A line for people, and how to mend it.
    pub(crate) fn to_text(&self) -> String {
        let file = &self.file;
        let told = match &self.what {
            What::Value { line, column, secret, how } => {
                format!("{file}:{line}:{column}: value of `{secret}` ({})", how.name())
            }
            What::InName { secret, how } => {
                format!("{file}: value of `{secret}` ({}) in the name", how.name())
            }
            What::Readable { credentials, mode } => {
                format!("{file}: {credentials} that others may read (mode {mode:04o})")
            }
            What::InGit { credentials, since } => {
                format!("{file}: {credentials} that is {} in git", since.name())
            }
        };
        let commit = self.commit.iter().map(|commit| format!(" in commit {commit}"));
        let help = self.help().map(|help| format!("\n  help: {help}"));
        format!("{told}{}{}\n", commit.collect::<String>(), help.unwrap_or_default())
    }

    /// An object for programs.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = match &self.what {
            What::Value { line, column, secret, how } => json!({
                "kind": "value", "file": self.file, "line": line, "column": column,
                "secret": secret, "form": how.name(),
            }),
            What::InName { secret, how } => json!({
                "kind": "value_in_name", "file": self.file, "secret": secret, "form": how.name(),
            }),
            What::Readable { credentials, mode } => json!({
                "kind": "readable_credentials", "file": self.file, "credentials": credentials,
                "mode": format!("{mode:04o}"),
            }),
            What::InGit { credentials, since } => json!({
                "kind": "credentials_in_git", "file": self.file, "credentials": credentials,
                "state": since.name(),
            }),
        };
        if let Some(commit) = &self.commit {
            object["commit"] = json!(commit);
        }
        if let Some(help) = self.help() {
            object["help"] = json!(help);
        }
        object
    }

    fn help(&self) -> Option<String> {
        let file = quoted(&self.file);
        match &self.what {
            What::Value { .. } | What::InName { .. } => None,
            What::Readable { .. } => Some(format!("chmod 600 {file}")),
            What::InGit { .. } => Some(format!(
                "git rm --cached {file}, then add it to `.gitignore`; rotate what was pushed"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use subrosa_masker::forms::Form;

    use super::{Finding, Since, What};
    use crate::scan::matcher::How;

    #[test]
    fn findings_are_told_to_people_and_to_programs() {
        let check = |finding: &Finding, text: &str, json: &str| {
            assert_eq!(
                (finding.to_text().as_str(), finding.to_json().to_string().as_str()),
                (text, json)
            );
        };
        let file = || "it's here".to_owned();
        let commit = Some("1f".to_owned());
        let what = What::Value { line: 2, column: 3, secret: "pw".to_owned(), how: How::Line };
        check(
            &Finding { file: file(), what, commit },
            "it's here:2:3: value of `pw` (line) in commit 1f\n",
            r#"{"kind":"value","file":"it's here","line":2,"column":3,"secret":"pw","form":"line","commit":"1f"}"#,
        );
        let what = What::InName { secret: "pw".to_owned(), how: How::Encoded(Form::Base64) };
        check(
            &Finding { file: "a".to_owned(), what, commit: None },
            "a: value of `pw` (base64) in the name\n",
            r#"{"kind":"value_in_name","file":"a","secret":"pw","form":"base64"}"#,
        );
        let what = What::Readable { credentials: "a dotenv file", mode: 0o644 };
        check(
            &Finding { file: file(), what, commit: None },
            "it's here: a dotenv file that others may read (mode 0644)\n  help: chmod 600 'it'\\''s here'\n",
            r#"{"kind":"readable_credentials","file":"it's here","credentials":"a dotenv file","mode":"0644","help":"chmod 600 'it'\\''s here'"}"#,
        );
        let what = What::InGit { credentials: "a dotenv file", since: Since::Staged };
        check(
            &Finding { file: "-x".to_owned(), what, commit: None },
            "-x: a dotenv file that is staged in git\n  help: git rm --cached ./-x, then add it to \
         `.gitignore`; rotate what was pushed\n",
            r#"{"kind":"credentials_in_git","file":"-x","credentials":"a dotenv file","state":"staged","help":"git rm --cached ./-x, then add it to `.gitignore`; rotate what was pushed"}"#,
        );
    }
}
