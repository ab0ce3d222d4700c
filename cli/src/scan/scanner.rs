//! Takes files and objects one by one, searches them, and says what is in them.
//!
//! What was found, what could not be read and what was passed over leave through one function that is
//! given; the counts stay here.

use std::io::{self, Read};

use super::finding::{Finding, Since, What};
use super::lax;
use super::matcher::Matcher;
use super::search::Search;
use crate::failure::Failure;

/// What a scan says while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Something was found.
    Found(Finding),
    /// A file could not be read.
    Unreadable { file: String, why: String },
    /// What is at this place was not searched, and need not be readable.
    PassedOver { file: String, why: &'static str },
}

/// Takes what a scan says; it may end the scan.
pub(crate) type Say<'a> = dyn FnMut(Said) -> Result<(), Failure> + 'a;

/// How much there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Files and objects that were searched.
    pub(crate) searched: u64,
    /// What was found.
    pub(crate) found: u64,
    /// What could not be read.
    pub(crate) unreadable: u64,
}

/// What is searched, besides its text.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Its path or what stands for it.
    pub(crate) name: &'a [u8],
    /// The permission bits, if it is a file.
    pub(crate) mode: Option<u32>,
    /// Whether git has it.
    pub(crate) since: Option<Since>,
    /// The commit that it was found in.
    pub(crate) commit: Option<&'a str>,
}

/// Searches one thing after another.
pub(crate) struct Scanner<'a> {
    matcher: &'a Matcher,
    search: Search<'a>,
    say: &'a mut Say<'a>,
    tally: Tally,
}

impl<'a> Scanner<'a> {
    /// A scanner for these needles.
    pub(crate) fn new(matcher: &'a Matcher, say: &'a mut Say<'a>) -> Scanner<'a> {
        Scanner { matcher, search: Search::new(matcher), say, tally: Tally::default() }
    }

    /// How much there was so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Searches a name and the text that belongs to it. In a text from history only values are looked
    /// for: the mode of a file that is gone cannot be mended, while a value can be rotated.
    pub(crate) fn search(&mut self, subject: Subject<'_>, text: impl Read) -> Result<(), Failure> {
        let file = self.matcher.shown(subject.name);
        self.search_name(&subject, &file)?;
        let mut credentials = None;
        let places = self.search.places(text, |head| {
            if subject.commit.is_none() {
                credentials = lax::credentials(subject.name, head);
            }
        });
        let places = match places {
            Ok(places) => places,
            Err(error) => return self.unreadable(subject.name, &error),
        };
        self.tally.searched += 1;
        for place in &places.places {
            let name = self.matcher.name(place.secret);
            self.found(Finding::value(&file, place, name, subject.commit))?;
        }
        if places.is_cut {
            self.passed_over(subject.name, "its rest has more values than are told")?;
        }
        match credentials {
            Some(credentials) => self.found_credentials(&subject, file, credentials),
            None => Ok(()),
        }
    }

    /// Looks at what kind of file it is, not for values: for files that git is told to ignore.
    pub(crate) fn inspect(
        &mut self,
        subject: Subject<'_>,
        mut text: impl Read,
    ) -> Result<(), Failure> {
        let mut head = zeroize::Zeroizing::new(vec![0; 64 * 1024]);
        let mut len = 0;
        while len < head.len() {
            match text.read(&mut head[len..]) {
                Ok(0) => break,
                Ok(count) => len += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.unreadable(subject.name, &error),
            }
        }
        match lax::credentials(subject.name, &head[..len]) {
            Some(credentials) => {
                let file = self.matcher.shown(subject.name);
                self.found_credentials(&subject, file, credentials)
            }
            None => Ok(()),
        }
    }

    fn search_name(&mut self, subject: &Subject<'_>, file: &str) -> Result<(), Failure> {
        let mut hits = Vec::new();
        self.matcher.each_hit(subject.name, |hit| hits.push(hit));
        hits.sort_by_key(|hit| (hit.secret, hit.start));
        hits.dedup_by_key(|hit| hit.secret);
        for hit in hits {
            let secret = self.matcher.name(hit.secret).to_owned();
            self.found(Finding {
                file: file.to_owned(),
                what: What::InName { secret, how: hit.how },
                commit: subject.commit.map(str::to_owned),
            })?;
        }
        Ok(())
    }

    fn found_credentials(
        &mut self,
        subject: &Subject<'_>,
        file: String,
        credentials: &'static str,
    ) -> Result<(), Failure> {
        if let Some(mode) = subject.mode.filter(|mode| mode & 0o044 != 0) {
            let what = What::Readable { credentials, mode: mode & 0o7777 };
            self.found(Finding { file: file.clone(), what, commit: None })?;
        }
        match subject.since {
            Some(since) => {
                let what = What::InGit { credentials, since };
                self.found(Finding { file, what, commit: None })
            }
            None => Ok(()),
        }
    }

    fn found(&mut self, finding: Finding) -> Result<(), Failure> {
        self.tally.found += 1;
        (self.say)(Said::Found(finding))
    }

    /// Tells of something that cannot be read.
    pub(crate) fn unreadable(&mut self, name: &[u8], why: &io::Error) -> Result<(), Failure> {
        self.unreadable_because(name, why.to_string().as_bytes())
    }

    /// The same, in the words of another program.
    pub(crate) fn unreadable_because(&mut self, name: &[u8], why: &[u8]) -> Result<(), Failure> {
        self.tally.unreadable += 1;
        let (file, why) = (self.matcher.shown(name), self.matcher.shown(why));
        (self.say)(Said::Unreadable { file, why })
    }

    /// Tells of something that is not searched.
    pub(crate) fn passed_over(&mut self, name: &[u8], why: &'static str) -> Result<(), Failure> {
        let file = self.matcher.shown(name);
        (self.say)(Said::PassedOver { file, why })
    }
}
