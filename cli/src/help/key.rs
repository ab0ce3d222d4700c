//! Help of `key`.

pub(crate) const KEY: &str = "\
Examples:
  subrosa key status                        where it is, and which
  subrosa key export /media/stick/subrosa.key
  subrosa key rotate
  subrosa key move --to keyring

Everything in the registry is encrypted under one key, which is made with the
first secret. Without it nothing can ever be read again: keep a copy, apart
from the registry. docs/keys.md tells what each place protects against.";

pub(crate) const STATUS: &str = "\
Examples:
  subrosa key status
  subrosa key status --json | jq .state

Ends with 5 if the key cannot be used.";

pub(crate) const ROTATE: &str = "\
Examples:
  subrosa key rotate
  subrosa key rotate --seal-names     and hide the names of secrets
  subrosa key rotate --show-names     and show them again

No value changes, and runs go on meanwhile. A rotation that was cut off is
finished or dropped by the next change. Export the new key afterwards; backups
of before need the key of before.";

pub(crate) const MOVE: &str = "\
Examples:
  subrosa key move --to keyring
  subrosa key move --to file                    back into the key folder
  subrosa key move --to file --key-file /media/stick/subrosa.key
  subrosa key move --to passphrase              asks for a new one, twice
  subrosa key move --to command -- pass show subrosa

The copy in the new place is read back and opens the registry before the old
one is removed. Cut off anywhere, the same command finishes it. Here --key-file
says where the key is to go. A program must print what `subrosa key export`
writes; the old copy is then left for you to remove.";

pub(crate) const EXPORT: &str = "\
Examples:
  subrosa key export /media/stick/subrosa.key
  subrosa key export --passphrase subrosa.key   encrypted under a passphrase
  subrosa key export - | age -r age1... > subrosa.key.age

Whoever has the copy and the registry has every secret. The file is made new,
for you alone (0600), and never put over another. The audit log records it.";

pub(crate) const IMPORT: &str = "\
Examples:
  subrosa key import /media/stick/subrosa.key
  age -d subrosa.key.age | subrosa key import -

The copy must be the key that this registry needs; it is kept where the key is
looked for (`subrosa key status`), and never put over another.";

#[cfg(test)]
mod tests {
    use super::{EXPORT, IMPORT, KEY, MOVE, ROTATE, STATUS};

    #[test]
    fn help_fits_a_screen_of_80_columns() {
        for line in [KEY, STATUS, ROTATE, MOVE, EXPORT, IMPORT].iter().flat_map(|it| it.lines()) {
            assert!(line.chars().count() < 80, "{line}");
        }
    }
}
