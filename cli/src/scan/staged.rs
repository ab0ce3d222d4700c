//! What is staged: the objects in the index that differ from the last commit.
//!
//! They are read from git, not from the work tree, which may have changed since.

use std::io::Read;

use super::finding::Since;
use super::git::{Git, Objects};
use super::scanner::{Scanner, Subject};
use crate::failure::Failure;

/// A file of the index.
#[derive(Debug, PartialEq, Eq)]
struct Staged<'a> {
    mode: &'a str,
    id: &'a str,
    path: &'a [u8],
}

/// Searches what the next commit would add or change.
pub(crate) fn scan(git: &Git<'_>, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
    // Outside of a repository `diff` would compare files.
    git.output(&["rev-parse", "--git-dir"])?;
    // `--raw` has the ids, so that no path has to be given back to git. A file that became a link, or
    // the other way round, is staged as well (`T`).
    let listed = git.output(&[
        "diff",
        "--cached",
        "--raw",
        "-z",
        "--no-abbrev",
        "--no-renames",
        "--no-relative",
        "--no-ext-diff",
        "--no-color",
        "--diff-filter=ACMRT",
    ])?;
    let mut objects = Objects::new(git);
    for staged in parse(&listed) {
        let Some(Staged { mode, id, path }) = staged else {
            return Err(Failure::engine("`git diff` wrote what is no list of staged files"));
        };
        if mode == "160000" {
            scanner.passed_over(path, "a submodule is a repository of its own")?;
            continue;
        }
        let subject = Subject { name: path, mode: None, since: Some(Since::Staged), commit: None };
        objects.with(id, |text| match text {
            Some(text) => search_whole(scanner, subject, text),
            None => scanner.unreadable_because(path, b"git cannot give it"),
        })?;
    }
    Ok(())
}

/// Searches a text that has a known length: an end before that is an error.
pub(crate) fn search_whole<R: Read>(
    scanner: &mut Scanner<'_>,
    subject: Subject<'_>,
    text: &mut std::io::Take<R>,
) -> Result<(), Failure> {
    scanner.search(subject, &mut *text)?;
    match text.limit() {
        0 => Ok(()),
        _ => scanner.unreadable_because(subject.name, b"git ended in the middle of it"),
    }
}

/// `:old-mode mode old-id id status`, a NUL, the path, a NUL; and so on.
fn parse(listed: &[u8]) -> impl Iterator<Item = Option<Staged<'_>>> {
    let mut parts = listed.split(|&byte| byte == 0);
    std::iter::from_fn(move || {
        let header = parts.next().filter(|header| !header.is_empty())?;
        Some(parts.next().and_then(|path| parse_one(header, path)))
    })
}

fn parse_one<'a>(header: &'a [u8], path: &'a [u8]) -> Option<Staged<'a>> {
    let mut words = str::from_utf8(header).ok()?.strip_prefix(':')?.split(' ').skip(1);
    let mode = words.next()?;
    let id = words.nth(1)?;
    Some(Staged { mode, id, path })
}

#[cfg(test)]
mod tests {
    use super::{Staged, parse};

    #[test]
    fn a_list_is_read_whatever_the_paths_are() {
        let list = b":000000 100644 00 1f A\0a\nb c\0:100644 120000 00 2e T\0link\0";
        let expected = [
            Some(Staged { mode: "100644", id: "1f", path: b"a\nb c" }),
            Some(Staged { mode: "120000", id: "2e", path: b"link" }),
        ];
        assert_eq!(parse(list).collect::<Vec<_>>(), expected);
        assert_eq!(parse(b"").count(), 0);
        assert_eq!(parse(b"nonsense\0a\0").next(), Some(None));
        assert_eq!(parse(b":000000 100644 00 1f A").next(), Some(None));
    }
}
