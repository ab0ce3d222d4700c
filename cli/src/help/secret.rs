//! Help of `secret`, `environment` and `init`.

pub(crate) const EXIT_CODES_SECRET: &str = "\
Exit codes:
  0      done, and it survives a power cut
  2      the command line makes no sense, or a name or value cannot be one
  4      the secret is not there, or the change is refused
  5      registry, key, disk or standard output cannot be used
  6      the change was made, but could not be told on standard output
  128+n  ended by signal n";

pub(crate) const SECRET: &str = "\
Examples:
  subrosa secret set prod/db-password          asks for the value
  pass show db | subrosa secret set prod/db-password --workspace payments
  subrosa secret list
  subrosa secret rotate prod/db-password --overlap 24h < new-password

A workflow names a secret as `ref: prod/db-password`. It gets the value of its
own workspace (label workspace=NAME), else the global one, never another. No
command shows a value again, but `reveal` on a terminal.";

pub(crate) const SET: &str = "\
Examples:
  subrosa secret set prod/db-password                  asks, without echo
  printf %s \"$TOKEN\" | subrosa secret set ci/token
  subrosa secret set prod/tls-key --from-file key.pem --keep-newline
  subrosa secret set prod/api -w payments -e staging   one workspace and one
                                                       environment only
  subrosa secret set prod/api --max-age 90d --description 'the shop'

The value is never an argument: those can be read by every user of the
machine. It may have 1 byte to 64 KiB, any but NUL. One newline at the end is
dropped unless --keep-newline is given. The first value makes the registry and
its key.";

pub(crate) const ROTATE: &str = "\
Examples:
  subrosa secret rotate prod/db-password               asks, without echo
  subrosa secret rotate prod/db-password --overlap 24h < new-password

As `set`, but the secret must be there. New runs get the new value at once;
with --overlap the former one is masked as well until it is out of use.";

pub(crate) const LIST: &str = "\
Examples:
  subrosa secret list
  subrosa secret list --workspace payments --prefix prod/
  subrosa secret list --expired
  subrosa secret list --unused --json | jq -r '.[].ref'

On a narrow terminal the least important columns are left out; nothing is cut
off. Times are UTC.";

pub(crate) const META: &str = "\
Examples:
  subrosa secret get-metadata prod/db-password
  subrosa secret get-metadata prod/db-password -w payments --json";

pub(crate) const VERSIONS: &str = "\
Examples:
  subrosa secret versions prod/db-password
  subrosa secret versions prod/db-password --json";

pub(crate) const ROLLBACK: &str = "\
Examples:
  subrosa secret rollback prod/db-password          to the version before
  subrosa secret rollback prod/db-password --to 3

The old value becomes a new version; numbers are never used twice.";

pub(crate) const PRUNE: &str = "\
Examples:
  subrosa secret prune prod/db-password --keep 2

Versions that are dropped cannot be brought back. Ten are kept where nothing
else is said; those within their overlap stay anyway.";

pub(crate) const DISABLE: &str = "\
Examples:
  subrosa secret disable prod/db-password
  subrosa secret disable prod/db-password -w payments

Runs that meet a disabled secret stop; they do not look in a wider scope.";

pub(crate) const ENABLE: &str = "\
Examples:
  subrosa secret enable prod/db-password";

pub(crate) const RM: &str = "\
Examples:
  subrosa secret rm prod/db-password --workspace payments

Its versions are gone for good, and runs look in the wider scope again. To
stop them instead: `subrosa secret disable`.";

pub(crate) const MV: &str = "\
Examples:
  subrosa secret mv prod/db prod/db-password
  subrosa secret mv ci/token ci/token --to-workspace payments
  subrosa secret mv prod/api prod/api -e staging --to-no-env

Versions and their times go along.";

pub(crate) const COPY: &str = "\
Examples:
  subrosa secret copy prod/db staging/db
  subrosa secret copy ci/token ci/token --to-workspace payments

Only the current version is copied; the two are independent from then on.";

pub(crate) const DESCRIBE: &str = "\
Examples:
  subrosa secret describe prod/db-password 'owner of the shop database'
  subrosa secret describe prod/db-password ''

A description is not a secret: it is shown, and can be read in the files.";

pub(crate) const EXPIRE: &str = "\
Examples:
  subrosa secret expire prod/db-password --at 2027-01-31
  subrosa secret expire prod/db-password --after 30d
  subrosa secret expire prod/db-password --max-age 90d   later values as well
  subrosa secret expire prod/db-password --never

Runs warn before, and refuse an expired value unless --allow-expired is given.";

pub(crate) const REVEAL: &str = "\
Examples:
  subrosa secret reveal prod/db-password

Asks for the ref once more and shows the value on the terminal, wherever
standard output goes. The audit log says who saw it.";

pub(crate) const ENVIRONMENT: &str = "\
Examples:
  subrosa environment list
  subrosa environment protect prod
  subrosa secret set prod/api --env prod --allow-protected

A ref may have one value per environment. A run takes the values of the one
that is chosen (`--env NAME`, or `environment:` in the workflow), else those
without an environment. `subrosa secret set REF --env NAME` makes one.";

pub(crate) const ENVIRONMENT_LIST: &str = "\
Examples:
  subrosa environment list
  subrosa environment list --json";

pub(crate) const PROTECT: &str = "\
Examples:
  subrosa environment protect prod

From then on, using or changing its secrets takes --allow-protected. One that
is not there is made.";

pub(crate) const UNPROTECT: &str = "\
Examples:
  subrosa environment unprotect prod --allow-protected";

pub(crate) const RM_ENVIRONMENT: &str = "\
Examples:
  subrosa environment rm staging";

pub(crate) const INIT: &str = "\
Examples:
  subrosa init
  subrosa init --seal-names
  subrosa init --key-file /mnt/usb/subrosa.key

Not needed, as the first `subrosa secret set` does the same. With --seal-names
whoever reads the files learns no name either. A key file that is named here
has to be named each time: --key-file, or SUBROSA_KEY_FILE.";

#[cfg(test)]
mod tests {
    use super::{
        COPY, DESCRIBE, DISABLE, ENABLE, ENVIRONMENT, ENVIRONMENT_LIST, EXIT_CODES_SECRET, EXPIRE,
        INIT, LIST, META, MV, PROTECT, PRUNE, REVEAL, RM, RM_ENVIRONMENT, ROLLBACK, ROTATE, SECRET,
        SET, UNPROTECT, VERSIONS,
    };

    #[test]
    fn help_fits_a_screen_of_80_columns() {
        for help in [
            EXIT_CODES_SECRET,
            SECRET,
            SET,
            ROTATE,
            LIST,
            META,
            VERSIONS,
            ROLLBACK,
            PRUNE,
            DISABLE,
            ENABLE,
            RM,
            MV,
            COPY,
            DESCRIBE,
            EXPIRE,
            REVEAL,
            ENVIRONMENT,
            ENVIRONMENT_LIST,
            PROTECT,
            UNPROTECT,
            RM_ENVIRONMENT,
            INIT,
        ] {
            for line in help.lines() {
                assert!(line.chars().count() < 80, "{line}");
            }
        }
    }
}
