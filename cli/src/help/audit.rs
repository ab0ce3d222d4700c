//! Help of `audit` and `doctor`.

pub(crate) const EXIT_CODES_AUDIT: &str = "\
Exit codes:
  0      all went well, and what was read of the log holds
  1      the log, or a line of it, does not hold
  2      the command line makes no sense
  4      there is no registry
  5      registry, key, disk or standard output cannot be used";

pub(crate) const EXIT_CODES_DOCTOR: &str = "\
Exit codes:
  0      nothing is wrong, or nothing is left of it; or there is no registry
  1      there is an error or a warning
  2      the command line makes no sense
  5      the folders cannot be looked into, or the decision did not work out";

pub(crate) const AUDIT: &str = "\
Examples:
  subrosa audit list --since 7d
  subrosa audit verify

The log has a line for each read, write and refusal, chained so that nobody
without the key can change, remove or add one unnoticed.";

pub(crate) const LIST: &str = "\
Examples:
  subrosa audit list -n 20
  subrosa audit list --ref prod/db-password --since 2027-01-01
  subrosa audit list --action reveal
  subrosa audit list --run 20261122t155812z-4f2a --json | jq .ref

Lines that do not hold are told on standard error, and it ends with 1 then.";

pub(crate) const VERIFY: &str = "\
Examples:
  subrosa audit verify
  subrosa audit verify --json

Also compares the end of the log with what the registry's root, and the place
that remembers how new it was, know of it: a log that was cut is noticed.";

pub(crate) const DOCTOR: &str = "\
Examples:
  subrosa doctor
  subrosa doctor --repair
  subrosa doctor --json | jq '.findings[] | select(.severity == \"error\")'

Looks at folders, files, key and audit log of the registry, opens every value
and forgets it, and says what each finding means and what cures it. --repair
closes what others could read, removes rubbish, finishes what was cut off and
writes marker and anchor anew if they say nothing; never more. Going back, or
accepting an older registry, is for you to decide: each has its own flag.";

#[cfg(test)]
mod tests {
    use super::{AUDIT, DOCTOR, EXIT_CODES_AUDIT, EXIT_CODES_DOCTOR, LIST, VERIFY};

    #[test]
    fn help_fits_a_screen_of_80_columns() {
        let all = [AUDIT, DOCTOR, EXIT_CODES_AUDIT, EXIT_CODES_DOCTOR, LIST, VERIFY];
        for line in all.iter().flat_map(|it| it.lines()) {
            assert!(line.chars().count() < 80, "{line}");
        }
    }
}
