//! A folder of a test, what is in it, and scans of it.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use secrecy::SecretSlice;
use tempfile::TempDir;

use super::finding::Finding;
use super::git::Git;
use super::matcher::Matcher;
use super::scanner::{Said, Scanner};
use super::{Known, history, staged, tree};
use crate::failure::Failure;

pub(crate) const PASSWORD: &str = "hunter2-Zq9xK4vL8mPw";
pub(crate) const BASE64: &str = "aHVudGVyMi1acTl4SzR2TDhtUHc=";

/// A folder, and what git finds of the world in it.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Place {
        Place(TempDir::new().unwrap())
    }

    pub(crate) fn repository() -> Place {
        let place = Place::new();
        place.git(&["init", "-q", "-b", "main"]);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn env(&self) -> Vec<(OsString, OsString)> {
        let none = [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")];
        let path = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/nonexistent")];
        none.into_iter().chain(path).map(|(name, value)| (name.into(), value.into())).collect()
    }

    pub(crate) fn git(&self, words: &[&str]) -> String {
        let author = ["-c", "user.name=n", "-c", "user.email=e@example.org"];
        let output = Command::new("git")
            .args(author)
            .args(words)
            .current_dir(self.path())
            .env_clear()
            .envs(self.env())
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub(crate) fn commit(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "m"]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(crate) fn scan(
        &self,
        run: impl FnOnce(&Git<'_>, &mut Scanner<'_>) -> Result<(), Failure>,
    ) -> Scanned {
        self.scan_with(&self.env(), run)
    }

    pub(crate) fn scan_with(
        &self,
        env: &[(OsString, OsString)],
        run: impl FnOnce(&Git<'_>, &mut Scanner<'_>) -> Result<(), Failure>,
    ) -> Scanned {
        let value = SecretSlice::from(PASSWORD.as_bytes().to_vec());
        let matcher = Matcher::new(&[Known { name: "pw".to_owned(), value }]).unwrap();
        let git = Git::new(env, self.path(), &matcher);
        let mut said = Vec::new();
        let mut say = |one: Said| {
            said.push(one);
            Ok(())
        };
        let mut scanner = Scanner::new(&matcher, &mut say);
        let ended = run(&git, &mut scanner);
        let searched = scanner.tally().searched;
        let failure = ended.err().map(|failure| {
            let mut told = String::new();
            failure.tell(|text| told.push_str(text));
            told
        });
        let all = format!("{said:?}{failure:?}");
        assert!(!all.contains(PASSWORD) && !all.contains(&BASE64[..24]), "{all}");
        Scanned { said, searched, failure }
    }

    pub(crate) fn tree(&self, path: &str) -> Scanned {
        self.scan(|git, scanner| tree::scan(Path::new(path), self.path(), git, scanner))
    }

    pub(crate) fn staged(&self) -> Scanned {
        self.scan(staged::scan)
    }

    pub(crate) fn history(&self) -> Scanned {
        self.scan(history::scan)
    }
}

/// What a scan said.
pub(crate) struct Scanned {
    pub(crate) said: Vec<Said>,
    pub(crate) searched: u64,
    pub(crate) failure: Option<String>,
}

impl Scanned {
    #[track_caller]
    pub(crate) fn check(&self, expected: &[&str]) {
        let shown = |said: &Said| match said {
            Said::Found(finding) => first_line(finding),
            Said::Unreadable { file, .. } => format!("unreadable {file}"),
            Said::PassedOver { file, .. } => format!("passed over {file}"),
        };
        assert_eq!(self.said.iter().map(shown).collect::<Vec<_>>(), expected);
        assert_eq!(self.failure, None);
    }
}

pub(crate) fn first_line(finding: &Finding) -> String {
    finding.to_text().lines().next().unwrap_or_default().to_owned()
}
