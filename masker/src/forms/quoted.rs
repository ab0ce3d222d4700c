//! What stands between the quotes of programming languages, of data formats and of the shell.
//!
//! Every rule is one function on a single character, so what surrounds a value does not matter.

use super::{Case, Collection, Form, Out, Unit, bytes_escaped, escaped};

/// How a writer of JSON escapes beyond what it must.
#[derive(Clone, Copy)]
struct Json {
    /// Characters that it writes as `\uXXXX` without need.
    further: &'static str,
    /// Whether it writes `\/`.
    slash: bool,
    /// Whether it writes `\uXXXX` for all that is not printable ASCII.
    ascii: bool,
    case: Case,
}

/// The least: most libraries.
const JSON: Json = Json { further: "", slash: false, ascii: false, case: Case::Lower };
/// `jq`.
const DELETE: Json = Json { further: "\u{7f}", ..JSON };
/// PHP and others.
const SLASH: Json = Json { slash: true, ..JSON };
/// Go's `encoding/json` and others whose JSON may end up in HTML.
const HTML_SAFE: Json = Json { further: "<>&\u{2028}\u{2029}", ..JSON };
/// Python, `jq -a`.
const ASCII: Json = Json { ascii: true, ..JSON };
/// PHP as it comes.
const ASCII_SLASH: Json = Json { slash: true, ..ASCII };
/// .NET.
const CAREFUL: Json = Json { further: "<>&\"'+`", case: Case::Upper, ..ASCII };

pub(super) fn add_json(forms: &mut Collection<'_>) {
    for json in [JSON, DELETE, SLASH, HTML_SAFE] {
        add_json_form(forms, Form::Json, json);
    }
    let upper = Json { case: Case::Upper, ..ASCII };
    let html_safe = Json { ascii: true, ..HTML_SAFE };
    for json in [ASCII, upper, ASCII_SLASH, html_safe, CAREFUL] {
        add_json_form(forms, Form::JsonUnicode, json);
    }
}

pub(super) fn add_json_in_json(forms: &mut Collection<'_>) {
    if str::from_utf8(forms.core).is_ok() {
        for json in [JSON, SLASH, HTML_SAFE, ASCII, ASCII_SLASH] {
            forms.add(Form::JsonInJson, &|core, out| {
                // No piece cuts a character, so the outer string takes them one by one.
                json_string(core, json, &mut |piece| json_string(piece, json, out));
            });
        }
    }
}

/// A value that is no text has no form in JSON.
fn add_json_form(forms: &mut Collection<'_>, form: Form, json: Json) {
    if str::from_utf8(forms.core).is_ok() {
        forms.add(form, &|core, out| json_string(core, json, out));
    }
}

fn json_string(core: &[u8], json: Json, out: &mut Out<'_>) {
    escaped(core, out, |unit, out| {
        let Some(character) = unit.character else { return false };
        let is_outside = json.ascii && !matches!(character, ' '..='~');
        match character {
            _ if json.further.contains(character) => json_unicode(character, json.case, out),
            '"' => out(b"\\\""),
            '\\' => out(b"\\\\"),
            '\n' => out(b"\\n"),
            '\r' => out(b"\\r"),
            '\t' => out(b"\\t"),
            '\u{8}' => out(b"\\b"),
            '\u{c}' => out(b"\\f"),
            '/' if json.slash => out(b"\\/"),
            '\0'..='\u{1f}' => json_unicode(character, json.case, out),
            _ if is_outside => json_unicode(character, json.case, out),
            _ => return false,
        }
        true
    });
}

/// One `\uXXXX`, or two for a character that is a pair in UTF-16.
fn json_unicode(character: char, case: Case, out: &mut Out<'_>) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        out(b"\\u");
        case.hex((*unit).into(), 4, out);
    }
}

pub(super) fn add_shell(forms: &mut Collection<'_>) {
    // Bash and zsh; Python's `shlex.quote`, dash.
    for quote in ["'\\''", "'\"'\"'"] {
        add_replaced(forms, Form::ShellSingle, |byte| byte == b'\'', quote.as_bytes());
    }
    forms.add(Form::ShellDouble, &|core, out| {
        backslashed(core, out, |unit| b"$`\"\\".contains(&unit.bytes[0]));
    });
    // Bash; in front of what a shell reads otherwise at the start of a word only; Ruby.
    forms.add(Form::ShellBackslash, &|core, out| {
        backslashed(core, out, |unit| is_special(unit.bytes[0]));
    });
    forms.add(Form::ShellBackslash, &|core, out| {
        backslashed(core, out, |unit| {
            is_special(unit.bytes[0]) || unit.at == 0 && b"#~".contains(&unit.bytes[0])
        });
    });
    forms.add(Form::ShellBackslash, &|core, out| {
        let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.,:+/@\n".contains(&byte);
        backslashed(core, out, |unit| !kept(unit.bytes[0]));
    });
    for keep_wide in [true, false] {
        forms.add(Form::ShellAnsiC, &|core, out| {
            escaped(core, out, |unit, out| ansi_c(unit, keep_wide, out));
        });
    }
}

/// What bash puts a backslash before.
fn is_special(byte: u8) -> bool {
    b" \t\n'\"\\|&;()<>!{}*[?]^$`,".contains(&byte)
}

fn backslashed(core: &[u8], out: &mut Out<'_>, needs: impl Fn(&Unit<'_>) -> bool) {
    escaped(core, out, |unit, out| {
        if needs(unit) {
            out(b"\\");
        }
        false
    });
}

fn ansi_c(unit: &Unit<'_>, keep_wide: bool, out: &mut Out<'_>) -> bool {
    match unit.bytes[0] {
        b'\'' => out(b"\\'"),
        b'\\' => out(b"\\\\"),
        0x07 => out(b"\\a"),
        0x08 => out(b"\\b"),
        0x09 => out(b"\\t"),
        0x0a => out(b"\\n"),
        0x0b => out(b"\\v"),
        0x0c => out(b"\\f"),
        0x0d => out(b"\\r"),
        0x1b => out(b"\\E"),
        b' '..=b'~' => return false,
        first => {
            let is_shown = first >= 0x80 && keep_wide && unit.character.is_some_and(is_shown);
            if is_shown {
                return false;
            }
            for &byte in unit.bytes {
                out(&[b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]);
            }
        }
    }
    true
}

/// Whether languages print a character as it is. Their tables differ; for the few characters on which
/// they do (unassigned, invisible), the escaped form is there through the rules that keep to ASCII.
fn is_shown(character: char) -> bool {
    !character.is_control()
}

pub(super) fn add_literals(forms: &mut Collection<'_>) {
    for keep_wide in [true, false] {
        forms.add(Form::GoString, &|core, out| {
            escaped(core, out, |unit, out| go(unit, keep_wide, out));
        });
    }
    forms.add(Form::GoString, &|core, out| escaped(core, out, rust));
    // `repr` chooses its quotes by the whole text, which the value may be a part of.
    let all = [Python::Repr, Python::Ascii, Python::Bytes];
    let count = if forms.core.is_ascii() { 1 } else { all.len() };
    for quote in [None, Some('\'')] {
        for wide in all.into_iter().take(count) {
            forms.add(Form::PythonRepr, &|core, out| {
                escaped(core, out, |unit, out| python(unit, quote, wide, out));
            });
        }
    }
}

fn go(unit: &Unit<'_>, keep_wide: bool, out: &mut Out<'_>) -> bool {
    match unit.character {
        Some('"') => out(b"\\\""),
        Some('\\') => out(b"\\\\"),
        Some('\u{7}') => out(b"\\a"),
        Some('\u{8}') => out(b"\\b"),
        Some('\u{c}') => out(b"\\f"),
        Some('\n') => out(b"\\n"),
        Some('\r') => out(b"\\r"),
        Some('\t') => out(b"\\t"),
        Some('\u{b}') => out(b"\\v"),
        Some(' '..='~') => return false,
        Some(wide) if !wide.is_ascii() && keep_wide && is_shown(wide) => return false,
        Some(wide) if !wide.is_ascii() => numbered(wide, out),
        Some(_) | None => {
            for &byte in unit.bytes {
                out(b"\\x");
                Case::Lower.hex(byte.into(), 2, out);
            }
        }
    }
    true
}

/// `\u00e4`, or `\U0001f600` where four digits do not hold the character.
fn numbered(character: char, out: &mut Out<'_>) {
    let code = u32::from(character);
    let (start, digits): (&[u8], u32) = if code > 0xffff { (b"\\U", 8) } else { (b"\\u", 4) };
    out(start);
    Case::Lower.hex(code, digits, out);
}

fn rust(unit: &Unit<'_>, out: &mut Out<'_>) -> bool {
    match unit.character {
        Some('\'') => return false,
        Some(character) => {
            for part in character.escape_debug() {
                out(part.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        // `escape_ascii` of bytes.
        None => {
            out(b"\\x");
            Case::Lower.hex(unit.bytes[0].into(), 2, out);
        }
    }
    true
}

/// What Python makes of characters outside ASCII.
#[derive(Clone, Copy)]
enum Python {
    Repr,
    Ascii,
    Bytes,
}

fn python(unit: &Unit<'_>, quote: Option<char>, wide: Python, out: &mut Out<'_>) -> bool {
    match (unit.character, wide) {
        (Some('\\'), _) => out(b"\\\\"),
        (Some('\n'), _) => out(b"\\n"),
        (Some('\r'), _) => out(b"\\r"),
        (Some('\t'), _) => out(b"\\t"),
        (Some(character), _) if Some(character) == quote => {
            out(b"\\");
            return false;
        }
        (Some(' '..='~'), _) => return false,
        (Some(character), Python::Repr) if is_shown(character) => return false,
        (Some(character), Python::Repr | Python::Ascii) if u32::from(character) > 0xff => {
            numbered(character, out);
        }
        (Some(character), Python::Repr | Python::Ascii) => {
            out(b"\\x");
            Case::Lower.hex(character.into(), 2, out);
        }
        (Some(_), Python::Bytes) | (None, _) => {
            for &byte in unit.bytes {
                out(b"\\x");
                Case::Lower.hex(byte.into(), 2, out);
            }
        }
    }
    true
}

pub(super) fn add_doubled(forms: &mut Collection<'_>) {
    for (quote, doubled) in [(b'\'', b"''"), (b'"', b"\"\"")] {
        add_replaced(forms, Form::DoubledQuotes, |byte| byte == quote, doubled);
    }
}

fn add_replaced(
    forms: &mut Collection<'_>,
    form: Form,
    replaces: impl Fn(u8) -> bool,
    replacement: &[u8],
) {
    forms.add(form, &|core, out| {
        bytes_escaped(core, out, |byte, out| {
            let is_replaced = replaces(byte);
            if is_replaced {
                out(replacement);
            }
            is_replaced
        });
    });
}
