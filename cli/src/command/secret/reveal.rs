//! `secret reveal`: shows a value to whoever sits at the terminal, after a question.
//!
//! The value goes to the terminal and nowhere else, whatever standard output is. The audit log has
//! the line before the value is handed out.

use std::io::Write as _;

use secrecy::{ExposeSecret as _, SecretSlice};
use zeroize::Zeroizing;

use super::{named, place, set};
use crate::args::secret::RevealArgs;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::prompt;
use crate::text;

/// Columns that one byte can take as an escape, and more.
const ESCAPE_LEN_MAX: usize = 10;

/// Asks, then shows.
pub(crate) fn reveal(args: &RevealArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let address = named(&args.reference, &args.scope)?;
    let secrets = world.open_secrets()?;
    let admin = secrets.admin("secret reveal", args.allow_protected, world);
    admin.info(&address)?;
    set::allowed(&admin, &address)?;
    let device = prompt::open()?;
    let (reference, place) = (&address.reference, place(&address.scope));
    let question =
        format!("The value of {reference} ({place}) will be shown here.\nType the ref to go on: ");
    if prompt::shown(&device, &question)? != reference.as_str() {
        return Err(Failure::new(Exit::SECRETS, "that is not the ref; nothing was shown"));
    }
    let (version, value) = secrets.registry.reveal(&admin.access(), &address)?;
    let shown = readable(&value);
    let note = if shown.escaped { ", control characters as escapes" } else { "" };
    let mut device = &device;
    let written = device
        .write_all(format!("version {version}{note}:\n").as_bytes())
        .and_then(|()| device.write_all(shown.text.as_bytes()))
        .and_then(|()| device.write_all(b"\n"));
    written.map_err(|error| Failure::engine(format!("the terminal cannot be used: {error}")))?;
    Ok(Exit::OK)
}

/// A value as a terminal can show it.
struct Readable {
    text: Zeroizing<String>,
    escaped: bool,
}

#[expect(clippy::disallowed_methods, reason = "the value that a person asked to see")]
fn readable(value: &SecretSlice<u8>) -> Readable {
    let bytes = value.expose_secret();
    // Room for everything from the start: a text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * ESCAPE_LEN_MAX));
    let mut escaped = false;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if matches!(character, '\n' | '\t') {
                text.push(character);
            } else {
                escaped |= !text::is_plain(character);
                text::push_shown(&mut text, character);
            }
        }
        for byte in chunk.invalid() {
            escaped = true;
            for escape in std::ascii::escape_default(*byte) {
                text.push(char::from(escape));
            }
        }
    }
    Readable { text, escaped }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretSlice;

    use super::readable;

    #[test]
    fn a_value_cannot_steer_the_terminal() {
        let check = |value: &[u8], text: &str, escaped: bool| {
            let shown = readable(&SecretSlice::from(value.to_vec()));
            assert_eq!((shown.text.as_str(), shown.escaped), (text, escaped));
        };
        check(b"hunter2", "hunter2", false);
        check("a\n\tpä".as_bytes(), "a\n\tpä", false);
        check(b"\x1b[2Jx\r", "\\u{1b}[2Jx\\r", true);
        check(b"a\xff\xfeb", "a\\xff\\xfeb", true);
    }
}
