//! What any commit has: every file that a branch, a tag, a stash or the head leads to.
//!
//! Each text is searched once, under the path and the commit where git meets it first, going from old
//! to new; messages of commits and tags are searched, too. Not seen is what no name leads to any more.

use super::git::{Git, Objects};
use super::scanner::{Scanner, Subject};
use super::staged::search_whole;
use crate::failure::Failure;

/// An object, as `git cat-file --batch-check` has it.
#[derive(Debug, PartialEq, Eq)]
struct Listed<'a> {
    kind: &'a [u8],
    id: &'a str,
    path: &'a [u8],
}

/// Searches all objects.
pub(crate) fn scan(git: &Git<'_>, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
    // A commit comes before what it has, and what an earlier one has does not come again: a text is told
    // with the commit that brought it.
    let mut listing = git.start(
        &["rev-list", "--objects", "--in-commit-order", "--reverse", "--all"],
        std::process::Stdio::null(),
    )?;
    let mut kinds = git.start(
        &["cat-file", "--batch-check=%(objecttype) %(objectname) %(rest)"],
        listing.take_stdout(),
    )?;
    let mut objects = Objects::new(git);
    let mut commit = String::new();
    while let Some(line) = kinds.line()? {
        let Some(Listed { kind, id, path }) = parse(&line) else {
            return Err(Failure::engine("`git cat-file` wrote what is no list of objects"));
        };
        let name: &[u8] = match kind {
            b"tree" => continue,
            b"commit" => {
                id.clone_into(&mut commit);
                b"(message of the commit)"
            }
            b"tag" => b"(message of a tag)",
            _ if path.is_empty() => b"(without a path)",
            _ => path,
        };
        let subject =
            Subject { name, mode: None, since: None, commit: Some(commit_of(kind, id, &commit)) };
        objects.with(id, |text| match text {
            Some(text) => search_whole(scanner, subject, text),
            None => scanner.unreadable_because(name, format!("git cannot give {id}").as_bytes()),
        })?;
    }
    git.finish(kinds)?;
    git.finish(listing)
}

/// Where an object was found: a tag stands for itself.
fn commit_of<'a>(kind: &[u8], id: &'a str, commit: &'a str) -> &'a str {
    if kind == b"tag" || commit.is_empty() { id } else { commit }
}

/// `blob ID PATH`, or `ID missing` with or without a blank and nothing more.
fn parse(line: &[u8]) -> Option<Listed<'_>> {
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let (kind, id) = (words.next()?, words.next()?);
    if id == b"missing" {
        return Some(Listed {
            kind: b"missing",
            id: str::from_utf8(kind).ok()?,
            path: b"(unknown)",
        });
    }
    let path = words.next().unwrap_or(b"");
    Some(Listed { kind, id: str::from_utf8(id).ok()?, path })
}

#[cfg(test)]
mod tests {
    use super::{Listed, parse};

    #[test]
    fn a_line_is_read_whatever_the_path_is() {
        let check = |line: &[u8], expected: Option<Listed<'_>>| assert_eq!(parse(line), expected);
        check(b"blob 1f a b", Some(Listed { kind: b"blob", id: "1f", path: b"a b" }));
        check(b"commit 1f ", Some(Listed { kind: b"commit", id: "1f", path: b"" }));
        check(b"1f missing", Some(Listed { kind: b"missing", id: "1f", path: b"(unknown)" }));
        check(b"nonsense", None);
    }
}
