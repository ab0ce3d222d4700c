//! The help of the commands that look at providers.

pub(crate) const CHECK: &str = "\
Examples:
  subrosa check deploy.yaml
  subrosa check deploy.yaml --env prod --profile prod
  subrosa check deploy.yaml --read                read the values, drop them
  subrosa check deploy.yaml --json | jq '.secrets[] | select(.ok == false)'

For each secret: does the provider answer, does it know us, may we read, is it
there. No value is read unless you say --read: some providers can tell all of
that without, others only a part, and some would have to read; the table says
which. Secrets of called workflows are not looked at: check their files.";

pub(crate) const EXIT_CODES_CHECK: &str = "\
Exit codes:
  0      every secret would resolve, as far as can be told
  2      the command line makes no sense
  3      the workflow file, its parameters, a dotenv file or subrosa.toml
         cannot be used
  4      a secret would not resolve
  128+n  ended by signal n";

pub(crate) const PROVIDERS: &str = "\
Examples:
  subrosa providers
  subrosa providers --all          ask also those that are not configured
  subrosa providers --offline      ask nobody
  subrosa providers --json

Asks the providers that are configured in subrosa.toml, or need no
configuration, whether they answer and know us; no secret is read. Looks for
the project's subrosa.toml from the current folder on.";

pub(crate) const EXIT_CODES_PROVIDERS: &str = "\
Exit codes:
  0      all that were asked answered
  2      the command line makes no sense
  3      a subrosa.toml cannot be used
  4      a provider that was asked did not answer, or does not know us";

#[cfg(test)]
mod tests {
    use super::{CHECK, EXIT_CODES_CHECK, EXIT_CODES_PROVIDERS, PROVIDERS};

    #[test]
    fn help_fits_a_screen_of_80_columns() {
        for help in [CHECK, EXIT_CODES_CHECK, EXIT_CODES_PROVIDERS, PROVIDERS] {
            for line in help.lines() {
                assert!(line.chars().count() < 80, "{line}");
            }
        }
    }
}
