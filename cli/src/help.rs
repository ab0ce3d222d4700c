//! What stands below the options in the help of each command: examples first, then exit codes.

pub(crate) mod audit;
pub(crate) mod connection;
pub(crate) mod exchange;
pub(crate) mod key;
pub(crate) mod provider;
pub(crate) mod secret;
pub(crate) mod serve;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0      all went well
  1      a step failed (also if `continue_on` let the rest go on)
  2      the command line makes no sense
  3      the workflow file, its parameters, a dotenv file or subrosa.toml
         cannot be used
  4      secrets were not resolved; nothing was started
  5      subrosa itself could not go on (records, disk)
  128+n  ended by signal n";

pub(crate) const EXIT_CODES_DRY: &str = "\
Exit codes:
  0      all went well
  2      the command line makes no sense
  3      the workflow file, its parameters, a dotenv file or subrosa.toml
         cannot be used
  4      secrets were not resolved
  128+n  ended by signal n";

pub(crate) const EXIT_CODES_FILE: &str = "\
Exit codes:
  0      all went well
  2      the command line makes no sense
  3      a file, or a parameter for it, cannot be used";

pub(crate) const EXIT_CODES_RECORD: &str = "\
Exit codes:
  0      all went well, however the run went
  2      the command line makes no sense, or no run (or step) is called so
  5      a record cannot be read";

pub(crate) const TOP: &str = "\
Examples:
  subrosa validate deploy.yaml         find every problem, contact nothing
  subrosa check deploy.yaml            would every secret resolve?
  subrosa dry deploy.yaml              resolve the secrets, show the plan
  subrosa run deploy.yaml -- ENV=prod  run it
  subrosa secret set prod/db-password  keep a value for `ref:` in the registry
  subrosa logs 20261122 build -f       follow a step of a run
  subrosa exec --secret TOKEN=file:token.txt -- ./deploy.sh

Records of runs are kept below SUBROSA_HOME (else $XDG_DATA_HOME/subrosa,
else ~/.local/share/subrosa). A run is named by its id or the start of it.";

pub(crate) const RUN: &str = "\
Examples:
  subrosa run deploy.yaml
  subrosa run deploy.yaml -- ENV=prod REGION=eu   named parameters
  subrosa run deploy.yaml -- one two              positional ones: $1, $2
  subrosa run deploy.yaml --env prod              secrets of an environment
  subrosa run --follow deploy.yaml                show what the steps write
  subrosa run --json deploy.yaml | jq .event      for programs

Nothing is started unless every secret was resolved. The first INT, TERM, HUP
or QUIT is passed on to the steps; the second one kills them.";

pub(crate) const DRY: &str = "\
Examples:
  subrosa dry deploy.yaml
  subrosa dry deploy.yaml --env prod
  subrosa dry deploy.yaml -- ENV=prod

Contacts the providers and reads the values, then forgets them: what is shown
are names and sources, never a value. No command of the file is run.";

pub(crate) const VALIDATE: &str = "\
Examples:
  subrosa validate deploy.yaml
  subrosa validate --json workflows/*.yaml        one JSON object per file

Reads the named files and nothing else: no dotenv file, no provider. Whether a
provider exists and has the secret is for `subrosa check` to find out.";

pub(crate) const EXPLAIN: &str = "\
Examples:
  subrosa explain deploy.yaml                     what every step has
  subrosa explain deploy.yaml --step build        what the step `build` has
  subrosa explain deploy.yaml --json -- ENV=prod

Layers, later ones win: process, params, env, dotenv, managed, secret, output,
step. Reads dotenv files, contacts no provider, shows no value.";

pub(crate) const EXEC: &str = "\
Examples:
  subrosa exec --secret TOKEN=env:CI_TOKEN -- ./deploy.sh
  subrosa exec --secret PGPASSWORD=file:/run/secrets/db -E -- psql
  subrosa exec --secret API=ref:prod/api -- make release
  subrosa exec --file deploy.yaml -- terraform apply

The command gets the secrets on top of the environment that a step would get;
with -E, on top of all of ours. Whatever it writes is masked. On a terminal it
gets a terminal of its own, so that prompts, editors and shells work. It starts
in the current folder.

Exit codes: those of the command (128+n if signal n ended it), and
  2      the command line makes no sense
  3      the workflow file, its parameters, a dotenv file or subrosa.toml
         cannot be used
  4      secrets were not resolved; the command was not started
  5      subrosa itself could not go on
  126    the command cannot be executed
  127    the command was not found";

pub(crate) const STATUS: &str = "\
Examples:
  subrosa status                   the newest run
  subrosa status 20261122t1558     the run whose id starts so
  subrosa status --json            its record

A run whose engine was killed reads `interrupted`.";

pub(crate) const RUNS: &str = "\
Examples:
  subrosa runs
  subrosa runs --workflow deploy -n 5
  subrosa runs --json              one JSON object per run
  subrosa runs --leaks             which steps printed which secrets

Printed secrets were masked; the list says where a step should not print them.";

pub(crate) const LOGS: &str = "\
Examples:
  subrosa logs 20261122t1558                  all steps
  subrosa logs 20261122t1558 build --stderr   one stream of one step
  subrosa logs 20261122t1558 -f               until the run ends

Logs were masked when they were written; there is no unmasked copy.";

pub(crate) const RETRY: &str = "\
Examples:
  subrosa retry 20261122t1558
  subrosa retry 20261122t1558 -- KEY=value    a parameter given again

Reads the workflow file of that run again and runs what did not succeed, with
the parameters and the environment of that run. A parameter that held a secret
is masked in the record and has to be given again, and so have
--allow-protected and --allow-expired.";

pub(crate) const MASK: &str = "\
Examples:
  make 2>&1 | subrosa mask --secrets-file secrets.json
  subrosa mask --secrets-file secrets.json --forms raw < build.log > masked.log
  subrosa mask --file deploy.yaml --report < old.log > masked.log

A file of secrets is a JSON array of strings, or of {\"b64\": \"...\"} for values
that are not text. With every value its encoded forms are masked, too. A report
names secrets; those of a file by their place: #1, #2.

Exit codes:
  0      all of the input was copied
  3      the file of secrets or the workflow is invalid or unreadable
  4      a secret of the workflow cannot be resolved
  5      the input cannot be read, or the output not written
";

pub(crate) const SCAN: &str = "\
Examples:
  subrosa scan                     the current folder
  subrosa scan --staged            what the next commit would add
  subrosa scan --history           whatever any branch or tag has ever held
  subrosa scan --install-hook      run `subrosa scan --staged` before commits
  subrosa scan --json src | jq .secret

Looks for the values of the secrets in the registry, as they are and encoded,
and for credential files that others may read or that git has. In a git work
tree, ignored files are not searched for values. What is shown is the place and
the secret's name, never the value.

Exit codes:
  0      nothing was found
  1      something was found
  2      the command line makes no sense
  5      it could not go on, or could not read a file (the rest was searched)";

pub(crate) const SCHEMA: &str = "\
Examples:
  subrosa schema > workflow.schema.json

An editor that knows the schema completes and checks workflow files; in many, a
first line `# yaml-language-server: $schema=workflow.schema.json` is enough.";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  subrosa completions bash > \\
    ~/.local/share/bash-completion/completions/subrosa
  subrosa completions zsh > ~/.zfunc/_subrosa
  subrosa completions fish > ~/.config/fish/completions/subrosa.fish";

pub(crate) const MAN: &str = "\
Examples:
  subrosa man | man -l -
  subrosa man --dir ~/.local/share/man/man1";

#[cfg(test)]
mod tests {
    use super::{
        COMPLETIONS, DRY, EXEC, EXIT_CODES, EXIT_CODES_DRY, EXIT_CODES_FILE, EXIT_CODES_RECORD,
        EXPLAIN, LOGS, MAN, MASK, RETRY, RUN, RUNS, SCAN, SCHEMA, STATUS, TOP, VALIDATE,
    };

    #[test]
    fn help_fits_a_screen_of_80_columns() {
        for help in [
            COMPLETIONS,
            DRY,
            EXEC,
            EXIT_CODES,
            EXIT_CODES_DRY,
            EXIT_CODES_FILE,
            EXIT_CODES_RECORD,
            EXPLAIN,
            LOGS,
            MAN,
            MASK,
            RETRY,
            RUN,
            RUNS,
            SCAN,
            SCHEMA,
            STATUS,
            TOP,
            VALIDATE,
        ] {
            for line in help.lines() {
                assert!(line.chars().count() < 80, "{line}");
            }
        }
    }
}
