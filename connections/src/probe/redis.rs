//! `AUTH`, `SELECT` and `PING`, as a client of Redis says them.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>

use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::socket::{Lines, Place, wants_tls};
use super::{Means, Outcome, text};
use crate::opened::Opened;

/// Logs in and asks for an answer.
pub(super) async fn ask(opened: &Opened, means: &Means<'_>) -> Result<Outcome, Outcome> {
    let place = Place::of(opened)?;
    let mut stream = place.connect(means.reach).await?;
    if wants_tls(opened)? {
        stream = place.secure(stream, &means.tls).await?;
    }
    let mut lines = Lines::new(stream);
    let word = |text: &str| SecretValue::new(text.as_bytes().to_vec());
    let mut login = vec![word("AUTH")];
    login.extend(opened.value("username"));
    login.extend(opened.value("password"));
    let select = [word("SELECT"), word(&text(opened, "database")?)];
    for command in [&login[..], &select, &[word("PING")]] {
        lines.send(&place, &encoded(command)).await?;
        let answer = lines.next(&place).await?;
        if let Some(outcome) = refusal(&answer) {
            return Err(outcome);
        }
    }
    Ok(Outcome::Works { shows: None })
}

/// A command as an array of strings.
#[expect(clippy::disallowed_methods, reason = "the login carries the password")]
fn encoded(words: &[SecretValue]) -> Zeroizing<Vec<u8>> {
    // Numbers of at most twenty digits, and seven marks.
    let length: usize = words.iter().map(|word| word.expose().len() + 27).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length + 27));
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.expose().len()).as_bytes());
        out.extend_from_slice(word.expose());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// What an answer means if it is none of those that are hoped for.
fn refusal(answer: &[u8]) -> Option<Outcome> {
    let Some(error) = answer.strip_prefix(b"-") else {
        let is_good = answer.starts_with(b"+");
        return (!is_good).then(|| Outcome::unexpected("the server does not speak as Redis does"));
    };
    let code = error.split(|b| *b == b' ').next().unwrap_or_default();
    Some(match code {
        b"WRONGPASS" | b"NOAUTH" => Outcome::Refused,
        b"NOPERM" => Outcome::Denied,
        b"LOADING" => Outcome::unreachable("the server is still loading its data"),
        // What the server says otherwise may have something of the command in it.
        _ if error.windows(4).any(|word| word == b"AUTH") => {
            Outcome::unexpected("the server has no password set for this user")
        }
        _ if error.windows(2).any(|word| word == b"DB") => {
            Outcome::unexpected("the server has no database of this number")
        }
        _ => Outcome::unexpected("the server answered with an error"),
    })
}
