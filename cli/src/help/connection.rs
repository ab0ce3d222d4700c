//! Help of `connection` and `ai-key`.

pub(crate) const EXIT_CODES_CONNECTION: &str = "\
Exit codes:
  0      done, and it survives a power cut
  2      the command line makes no sense; a type, name, field or value cannot
         be one
  3      a file that was given cannot be used
  4      the connection is not there, or the change is refused
  5      registry, key, disk or standard output cannot be used
  6      the change was made, but could not be told on standard output
  128+n  ended by signal n";

pub(crate) const EXIT_CODES_TEST: &str = "\
Exit codes:
  0      done; of `test`: all that were tested work, or have no test
  1      the service refuses the credential or the grant, or is out of reach
  2      the command line makes no sense
  4      the connection is not there, may not be used, or lacks something
  5      subrosa itself could not go on (registry, key, disk)
  128+n  ended by signal n";

pub(crate) const EXIT_CODES_STATUS: &str = "\
Exit codes:
  0      nothing waits for anybody
  1      a connection expired or expires within 7 days, is refused, not
         authorized or incomplete
  2      the command line makes no sense
  5      the registry cannot be read";

pub(crate) const EXIT_CODES_IMPORT: &str = "\
Exit codes:
  0      done, or shown what would be
  1      there are conflicts; nothing was stored
  2      the command line makes no sense
  3      the file cannot be used
  4      the change is refused
  5      registry, key, disk or standard output cannot be used
  6      the change was made, but could not be told on standard output";

pub(crate) const CONNECTION: &str = "\
Examples:
  subrosa connection types                    what there is to connect to
  subrosa connection add jira jira-prod       asks for what Jira wants
  subrosa connection test jira-prod           does it work?
  subrosa connection list
  subrosa connection status                   what expires, what waits

A connection keeps all that a service wants as one unit: public fields, which
are shown, and secret ones, which can be replaced and never read back. A
workflow takes a secret field of it with
  secrets: [{name: JIRA_TOKEN, provider: connection, key: jira-prod/api_token}]";

pub(crate) const ADD: &str = "\
Examples:
  subrosa connection add jira jira-prod         asks, secrets without echo
  subrosa connection add openai                 is called `openai`
  pass show jira | subrosa connection add jira jira-prod \\
    --set site_url=https://acme.atlassian.net --set email=me@acme.com \\
    --set api_token=-
  subrosa connection add postgres shop-db --set host=db --set database=shop \\
    --set user=app --set-file password=/run/secrets/db
  subrosa connection add gcp_service_account gcp --from-file key.json

`subrosa connection types --show TYPE` tells what a type wants. A secret field
is never given as an argument: those can be read by every user of the machine.
On a terminal, what is required and was not given is asked for.";

pub(crate) const EDIT: &str = "\
Examples:
  subrosa connection edit jira-prod             the form; Enter keeps
  subrosa connection edit jira-prod --set email=you@acme.com
  subrosa connection edit jira-prod --set api_token=- < new-token
  subrosa connection edit jira-prod --unset project

Fields that are not named stay as they are; secret ones are not even opened.";

pub(crate) const ROTATE: &str = "\
Examples:
  subrosa connection rotate jira-prod           asks for the secret fields only
  subrosa connection rotate jira-prod --overlap 24h --set api_token=- < new

New runs get the new values at once; with --overlap the former ones are masked
as well until they are out of use. Then: `subrosa connection test`.";

pub(crate) const LIST: &str = "\
Examples:
  subrosa connection list
  subrosa connection list --type jira --workspace payments
  subrosa connection list --json | jq -r '.[] | select(.state != \"ready\").name'

States: ready, not authorized, expires in N days, expired, refused (by the
service), incomplete, disabled, unknown type.";

pub(crate) const SHOW: &str = "\
Examples:
  subrosa connection show jira-prod
  subrosa connection show jira-prod -w payments --json

Public fields as they are; of secret ones, in which version and when they were
set. No command shows a secret field.";

pub(crate) const TYPES: &str = "\
Examples:
  subrosa connection types
  subrosa connection types --show postgres
  subrosa connection types --json

A type is one YAML file. Those in the folder `connection-types` beside
subrosa.toml are added to those that come with the program.";

pub(crate) const TEST: &str = "\
Examples:
  subrosa connection test jira-prod
  subrosa connection test --all
  subrosa connection test --all --json | jq '.[] | select(.outcome != \"works\")'

Asks the service one cheap question with the credential. What is shown of the
answer is whose the credential is, never the credential.";

pub(crate) const STATUS: &str = "\
Examples:
  subrosa connection status
  subrosa connection status > /dev/null || notify 'a connection needs somebody'

Lists what has an end and what cannot be used, with the command that mends it.
An access token that is refreshed by itself needs nobody.";

pub(crate) const AUTHORIZE: &str = "\
Examples:
  subrosa connection authorize google-drive            in a browser
  subrosa connection authorize google-drive --device   with a code, anywhere

Opens the browser at the service's page and waits five minutes for the answer,
which comes to this machine only. The address is printed as well. Tokens are
stored once the exchange has succeeded; Ctrl-C gives up.";

pub(crate) const REFRESH: &str = "\
Examples:
  subrosa connection refresh google-drive
  subrosa connection refresh google-drive --force

Runs do this by themselves before a token ends, once for all of them.";

pub(crate) const REVOKE: &str = "\
Examples:
  subrosa connection revoke google-drive
  subrosa connection revoke google-drive --yes
  subrosa connection revoke google-drive --forget

The tokens are forgotten here, too; the other fields stay. To use it again:
`subrosa connection authorize`. With `--forget` the service is not asked.";

pub(crate) const DISABLE: &str = "\
Examples:
  subrosa connection disable jira-prod

Runs that meet a disabled connection stop; they do not look in a wider scope.";

pub(crate) const ENABLE: &str = "\
Examples:
  subrosa connection enable jira-prod";

pub(crate) const RM: &str = "\
Examples:
  subrosa connection rm jira-prod
  subrosa connection rm jira-prod --yes

Its versions are gone for good. A grant stays with the service: revoke it
before, with `subrosa connection revoke`.";

pub(crate) const IMPORT: &str = "\
Examples:
  subrosa connection import secrets.toml          shows what it would bring
  subrosa connection import secrets.toml --apply
  subrosa connection import jira.json --type jira --name jira-prod --apply

Takes dango's `secrets.toml` and files of credentials as JSON. Nothing that is
there already is overwritten.";

pub(crate) const AI_KEY: &str = "\
Examples:
  subrosa ai-key set openai                  asks, without echo
  subrosa ai-key set anthropic < key
  subrosa ai-key list

Each key is a connection under the service's name: `subrosa connection edit`
changes its other fields, `subrosa connection test` tries it, and a workflow
takes it with
  secrets: [{name: OPENAI_API_KEY, provider: connection, key: openai/api_key}]";

pub(crate) const AI_SET: &str = "\
Examples:
  subrosa ai-key set openai                  asks, without echo
  pass show anthropic | subrosa ai-key set anthropic
  subrosa ai-key set gemini --from-file /run/secrets/gemini

The key is never an argument: those can be read by every user of the machine.
A key that is there already is replaced.";

pub(crate) const AI_LIST: &str = "\
Examples:
  subrosa ai-key list
  subrosa ai-key list --json";

pub(crate) const AI_RM: &str = "\
Examples:
  subrosa ai-key rm openai
  subrosa ai-key rm openai --yes";

#[cfg(test)]
mod tests {
    use super::{
        ADD, AI_KEY, AI_LIST, AI_RM, AI_SET, AUTHORIZE, CONNECTION, DISABLE, EDIT, ENABLE,
        EXIT_CODES_CONNECTION, EXIT_CODES_IMPORT, EXIT_CODES_STATUS, EXIT_CODES_TEST, IMPORT, LIST,
        REFRESH, REVOKE, RM, ROTATE, SHOW, STATUS, TEST, TYPES,
    };

    #[test]
    fn help_fits_a_screen_of_80_columns() {
        for help in [
            ADD,
            AI_KEY,
            AI_LIST,
            AI_RM,
            AI_SET,
            AUTHORIZE,
            CONNECTION,
            DISABLE,
            EDIT,
            ENABLE,
            EXIT_CODES_CONNECTION,
            EXIT_CODES_IMPORT,
            EXIT_CODES_STATUS,
            EXIT_CODES_TEST,
            IMPORT,
            LIST,
            REFRESH,
            REVOKE,
            RM,
            ROTATE,
            SHOW,
            STATUS,
            TEST,
            TYPES,
        ] {
            for line in help.lines() {
                assert!(line.chars().count() < 80, "{line}");
            }
        }
    }
}
