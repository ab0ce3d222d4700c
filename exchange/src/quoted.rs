//! Texts in double quotes, written so that JSON, YAML and TOML all read them back.

use crate::wiped::WipedText;

/// Writes the text in quotes, with the escapes that the three formats share. Beside control characters
/// those are escaped that YAML takes for line ends or marks.
pub(crate) fn push_quoted(out: &mut WipedText, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => push_code(out, u32::from(c)),
            _ => out.push(c),
        }
    }
    out.push('"');
}

fn push_code(out: &mut WipedText, code: u32) {
    out.push_str("\\u");
    for shift in [12, 8, 4, 0] {
        let digit = char::from_digit((code >> shift) & 0xf, 16);
        out.push(digit.expect("four bits are a hexadecimal digit"));
    }
}

#[cfg(test)]
mod tests {
    use super::push_quoted;
    use crate::wiped::WipedText;

    #[test]
    fn escapes_are_those_of_all_three_formats() {
        let mut out = WipedText::default();
        push_quoted(&mut out, "a\"\\\n\t\r\u{1b}\u{85}\u{2028}ñ🦀");
        let expected = r#""a\"\\\n\t\r\u001b\u0085\u2028ñ🦀""#;
        assert_eq!(out.into_bytes().as_slice(), expected.as_bytes());
    }
}
