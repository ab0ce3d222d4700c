//! Text for a terminal: what is not meant to be seen made visible, and widths as columns.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Whether a character may go to a terminal as it is. Control characters may not, nor those that
/// reorder or hide the text around them.
pub(crate) fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `text` with every character that is not plain as an escape: `\n`, `\u{1b}`.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        push_shown(&mut shown, character);
    }
    shown
}

/// Adds one character as [`shown`] has it.
pub(crate) fn push_shown(text: &mut String, character: char) {
    if is_plain(character) {
        text.push(character);
    } else {
        write!(text, "{}", character.escape_default()).expect("a String takes every write");
    }
}

/// Columns that a plain text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` cut to at most `columns`, with `…` in place of what was cut.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used + 1 > columns {
            break;
        }
        kept.push(character);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// `1 step`, `2 steps`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A duration as a person says it: `37ms`, `1.4s`, `12s`, `1m 05s`, `2h 03m`.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds}ms"),
        _ => elapsed(milliseconds),
    }
}

/// How long something has been going on: no digit changes faster than it can be read.
pub(crate) fn elapsed(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..10 => format!("{}.{}s", seconds, milliseconds % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Bytes for a terminal: colours (`ESC [ … m`), tabs and line ends stay, other control bytes become
/// visible. A line that was overwritten with carriage returns shows what was written last.
pub(crate) fn terminal_line(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches('\r');
    let last = text.rsplit('\r').next().unwrap_or(text);
    let mut shown = String::with_capacity(last.len());
    let mut rest = last;
    while let Some(character) = rest.chars().next() {
        let taken = match colour(rest) {
            0 => character.len_utf8(),
            length => length,
        };
        let (head, tail) = rest.split_at(taken);
        if taken > character.len_utf8() || character == '\t' {
            shown.push_str(head);
        } else {
            push_shown(&mut shown, character);
        }
        rest = tail;
    }
    shown
}

/// Length of the colour sequence that `text` starts with; 0 if there is none.
fn colour(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return 0 };
    let length = parameters.bytes().take_while(|b| b.is_ascii_digit() || *b == b';').count();
    if parameters.as_bytes().get(length) == Some(&b'm') { length + 3 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::{cut, duration, shown, terminal_line};

    #[test]
    fn hidden_characters_become_visible() {
        assert_eq!(shown("a\tb\u{1b}[2J\u{202e}é\n"), "a\\tb\\u{1b}[2J\\u{202e}é\\n");
    }

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn durations_read_like_speech() {
        for (milliseconds, expected) in [
            (0, "0ms"),
            (37, "37ms"),
            (1_249, "1.2s"),
            (12_900, "12s"),
            (65_000, "1m 05s"),
            (7_380_000, "2h 03m"),
        ] {
            assert_eq!(duration(milliseconds), expected);
        }
    }

    #[test]
    fn a_terminal_gets_colours_and_no_other_commands() {
        assert_eq!(terminal_line(b"\x1b[1;31mred\x1b[0m\tx"), "\u{1b}[1;31mred\u{1b}[0m\tx");
        assert_eq!(terminal_line(b"\x1b]0;title\x07"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(terminal_line(b"10%\r20%\r"), "20%");
        assert_eq!(terminal_line(b"\xff"), "\u{fffd}");
    }
}
