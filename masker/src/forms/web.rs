//! Percent-encoding and entities.

use super::{Case, Collection, Form, Out, bytes_escaped, escaped};

/// What percent-encoders leave alone, besides letters and digits.
const PERCENT: [&[u8]; 7] = [
    // RFC 3986, "unreserved": most libraries, and `encode` of curl and jq.
    b"-._~",
    // Python's `quote`.
    b"-._~/",
    // `encodeURIComponent` of JavaScript.
    b"-._~!'()*",
    // `encodeURI` of JavaScript.
    b"-._~!'()*;,/?:@&=+$#",
    // Go: user and password; a segment of a path.
    b"-._~$&+,;=",
    b"-._~$&+=:@",
    // The user and password of a URL of the WHATWG: a `%` stays.
    b"-._~!$&'()*+,%",
];

/// What encoders of forms leave alone, besides letters and digits.
const FORM: [&[u8]; 3] = [
    // Python's `quote_plus`, Go's `QueryEscape`.
    b"-._~", // Browsers, Java.
    b"-._*", // PHP's `urlencode`.
    b"-._",
];

pub(super) fn add_url(forms: &mut Collection<'_>) {
    for case in Case::BOTH {
        for kept in PERCENT {
            forms.add(Form::Percent, &|core, out| percent(core, kept, b"%20", case, out));
        }
    }
    for case in Case::BOTH {
        for kept in FORM {
            forms.add(Form::FormUrl, &|core, out| percent(core, kept, b"+", case, out));
        }
    }
}

fn percent(core: &[u8], kept: &[u8], blank: &[u8], case: Case, out: &mut Out<'_>) {
    bytes_escaped(core, out, |byte, out| {
        if kept.contains(&byte) {
            return false;
        }
        if byte == b' ' {
            out(blank);
        } else {
            let [high, low] = case.hex_byte(byte);
            out(&[b'%', high, low]);
        }
        true
    });
}

/// What an encoder of HTML or XML writes for a character.
type Entities = [(char, &'static str)];

/// The rules differ in how far they go; all begin with these.
const ALWAYS: &Entities = &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;")];

const FURTHER: [&Entities; 9] = [
    // Text between tags; attributes.
    &[],
    &[('"', "&quot;")],
    // Python; lodash and Django; PHP; XML; Go.
    &[('"', "&quot;"), ('\'', "&#x27;")],
    &[('"', "&quot;"), ('\'', "&#39;")],
    &[('"', "&quot;"), ('\'', "&#039;")],
    &[('"', "&quot;"), ('\'', "&apos;")],
    &[('"', "&#34;"), ('\'', "&#39;")],
    // Underscore; Mustache and Handlebars.
    &[('"', "&quot;"), ('\'', "&#x27;"), ('`', "&#x60;")],
    &[('"', "&quot;"), ('\'', "&#39;"), ('/', "&#x2F;"), ('`', "&#x60;"), ('=', "&#x3D;")],
];

/// What becomes of characters outside ASCII.
#[derive(Clone, Copy)]
enum Wide {
    Kept,
    Decimal,
    Hex,
}

pub(super) fn add_html(forms: &mut Collection<'_>) {
    let all = [Wide::Kept, Wide::Decimal, Wide::Hex];
    let count = if forms.core.is_ascii() { 1 } else { all.len() };
    for wide in all.into_iter().take(count) {
        for further in FURTHER {
            forms.add(Form::Html, &|core, out| html(core, further, wide, out));
        }
    }
}

fn html(core: &[u8], further: &Entities, wide: Wide, out: &mut Out<'_>) {
    escaped(core, out, |unit, out| {
        let Some(character) = unit.character else { return false };
        let entity = ALWAYS.iter().chain(further).find(|(from, _)| *from == character);
        match (entity, wide) {
            (Some((_, entity)), _) => out(entity.as_bytes()),
            (None, Wide::Decimal) if !character.is_ascii() => {
                out(b"&#");
                decimal(character.into(), out);
                out(b";");
            }
            (None, Wide::Hex) if !character.is_ascii() => {
                let code = u32::from(character);
                out(b"&#x");
                Case::Lower.hex(code, code.ilog(16) + 1, out);
                out(b";");
            }
            (None, _) => return false,
        }
        true
    });
}

fn decimal(number: u32, out: &mut Out<'_>) {
    if number >= 10 {
        decimal(number / 10, out);
    }
    out(&[b"0123456789"[(number % 10) as usize]]);
}
