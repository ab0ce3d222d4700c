//! Splits a text into words as a shell does, without expanding anything.

/// Why a text has no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclosed(pub(super) char);

/// The words of a text: blanks separate, quotes and backslashes keep. In double quotes a backslash
/// only keeps `"`, `\`, `$` and a backtick. A command in backticks stays in one piece, as it is.
pub(super) fn split(text: &str) -> Result<Vec<String>, Unclosed> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => quoted(&mut chars, word.get_or_insert_default())?,
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err(Unclosed('\\')),
            },
            '`' => back_ticked(&mut chars, word.get_or_insert_default()),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn quoted(chars: &mut Chars<'_>, word: &mut String) -> Result<(), Unclosed> {
    loop {
        match chars.next().ok_or(Unclosed('\''))? {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
}

fn double_quoted(chars: &mut Chars<'_>, word: &mut String) -> Result<(), Unclosed> {
    loop {
        match chars.next().ok_or(Unclosed('"'))? {
            '"' => return Ok(()),
            '\\' => match chars.next().ok_or(Unclosed('"'))? {
                '\n' => {}
                c @ ('"' | '\\' | '$' | '`') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

/// Takes a command with its backticks; one that is never closed is a character like others.
fn back_ticked(chars: &mut Chars<'_>, word: &mut String) {
    word.push('`');
    if chars.clone().any(|c| c == '`') {
        for c in chars.by_ref() {
            word.push(c);
            if c == '`' {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Unclosed, split};

    #[test]
    fn words_are_a_shells() {
        for (text, expected) in [
            ("", &[][..]),
            ("  bash  -e ", &["bash", "-e"]),
            ("sh -c 'a b'", &["sh", "-c", "a b"]),
            (r#"A=1 B="x y" C='$D'"#, &["A=1", "B=x y", "C=$D"]),
            (r#"a\ b "c\"d" "e\f""#, &["a b", "c\"d", "e\\f"]),
            ("'' x", &["", "x"]),
            ("A=`echo 'x y'`z ` b", &["A=`echo 'x y'`z", "`", "b"]),
            ("${TOK} $(a b)", &["${TOK}", "$(a", "b)"]),
        ] {
            assert_eq!(split(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn open_quotes_are_refused() {
        for (text, quote) in [("'a", '\''), ("a \"b", '"'), ("a\\", '\\')] {
            assert_eq!(split(text), Err(Unclosed(quote)), "{text}");
        }
    }
}
