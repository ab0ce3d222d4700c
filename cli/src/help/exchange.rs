//! Help of `secret import`, `secret export`, `backup` and `restore`.

pub(crate) const EXIT_CODES_IMPORT: &str = "\
Exit codes:
  0      all went well
  1      there are conflicts, and nothing was stored
  2      the command line makes no sense, or a file cannot be read
  3      something in the file cannot be a secret, and nothing was stored
  4      the environment is protected, or the file may not be moved
  5      registry, key, disk or standard output cannot be used
  6      the change was made, but could not be told on standard output
  128+n  ended by signal n";

pub(crate) const EXIT_CODES_EXCHANGE: &str = "\
Exit codes:
  0      done, and it survives a power cut
  2      the command line makes no sense, or a file cannot be read or made
  4      refused: a secret is not there, there is a registry already, or
         what was given does not open the backup
  5      registry, key, backup, disk or standard output cannot be used
  6      it was done, but could not be told on standard output
  128+n  ended by signal n";

pub(crate) const IMPORT: &str = "\
Examples:
  subrosa secret import .env                     show what would be done
  subrosa secret import .env --apply             do it
  subrosa secret import .env --move              do it, then remove the file
  subrosa secret import secrets.toml --prefix prod --on-conflict replace --apply
  kubectl get secret db -o yaml |
    subrosa secret import - --format kubernetes -w payments --apply
  vault kv get -format=json kv/payments/stripe |
    subrosa secret import - --format vault --vault-path payments/stripe --apply

All values are stored in one change, or none. DATABASE_URL becomes
database-url. --move removes the file once every value was read back from the
registry. Removing wipes no disk: the values may still be in free blocks, in
backups, in snapshots and in the history of git. Replace them where it matters.";

pub(crate) const EXPORT: &str = "\
Examples:
  subrosa secret export --format dotenv --output shop.env
  subrosa secret export prod/db prod/api -w payments --format json -o db.json
  subrosa secret export --format json -o all.json.age --recipient age1…

Without --recipient or --passphrase the values stand in the file in plain text,
so it asks on the terminal first. The file must be new. An encrypted one opens
with `age -d`.";

pub(crate) const BACKUP: &str = "\
Examples:
  subrosa backup monday.age --recipient age1…
  subrosa backup monday.age --passphrase
  subrosa backup everything.age --passphrase --with-key
  subrosa restore monday.age --identity key.txt --check

The key of the registry stays out, and without it nobody can use the backup:
keep a copy of it elsewhere (`subrosa key export`). With --with-key whoever
opens the backup has every secret. Others may read and write the registry
meanwhile. Runs and their logs are not in it.";

pub(crate) const RESTORE: &str = "\
Examples:
  subrosa restore monday.age --identity key.txt --check
  subrosa restore monday.age --identity key.txt
  subrosa restore everything.age --passphrase

Opens every version of every secret before anything is put in place, and never
replaces a registry. Takes the key from the backup if it is in it and none is
there. SUBROSA_PASSPHRASE_FILE names a file with the passphrase (mode 0600).";

#[cfg(test)]
mod tests {
    use super::{BACKUP, EXIT_CODES_EXCHANGE, EXIT_CODES_IMPORT, EXPORT, IMPORT, RESTORE};

    #[test]
    fn help_fits_a_screen_of_80_columns() {
        for help in [BACKUP, EXIT_CODES_EXCHANGE, EXIT_CODES_IMPORT, EXPORT, IMPORT, RESTORE] {
            for line in help.lines() {
                assert!(line.chars().count() < 81, "{line}");
            }
        }
    }
}
