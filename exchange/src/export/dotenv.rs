//! dotenv lines that the engine reads back and that a POSIX shell takes with `.`.
//!
//! Single quotes where they do: nothing in them means anything to either reader. A value with a
//! single quote stands in double quotes, `\` before what would mean something. Only a carriage
//! return before a line end has no spelling that both understand; it is written for the engine.

use subrosa_engine::names::is_env_name;
use zeroize::Zeroizing;

use crate::export::{ExportError, TextEntry};
use crate::format::Format;
use crate::wiped::WipedText;

pub(super) fn write(
    entries: &[TextEntry<'_>],
    errors: &mut Vec<ExportError>,
) -> Zeroizing<Vec<u8>> {
    let mut out = WipedText::with_capacity(entries.len() * 64);
    for TextEntry { reference, text } in entries {
        match variable(reference.as_str()) {
            Ok(name) => {
                out.push_str(&name);
                out.push('=');
                push_value(&mut out, text);
                out.push('\n');
            }
            Err(why) => errors.push(ExportError::Unnameable {
                reference: (*reference).clone(),
                format: Format::Dotenv,
                why,
            }),
        }
    }
    out.into_bytes()
}

/// `prod/db-password` is `PROD__DB_PASSWORD`: `__` is a slash, so no two dashes may meet.
fn variable(reference: &str) -> Result<String, &'static str> {
    if reference.contains("--") || reference.contains("-/") {
        return Err("a `-` before another or before `/` would come back as `/`");
    }
    let name = reference.replace('/', "__").replace('-', "_").to_ascii_uppercase();
    if !is_env_name(&name) {
        return Err("a variable cannot begin with a digit");
    }
    Ok(name)
}

fn push_value(out: &mut WipedText, text: &str) {
    if !text.contains('\'') && !text.contains("\r\n") {
        out.push('\'');
        out.push_str(text);
        out.push('\'');
        return;
    }
    out.push('"');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\\' | '$' | '`' => {
                out.push('\\');
                out.push(c);
            }
            '\r' if chars.peek() == Some(&'\n') => out.push_str("\\r"),
            _ => out.push(c),
        }
    }
    out.push('"');
}
