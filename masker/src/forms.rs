//! The encoded forms of a value: what programs commonly make of it when they print it.
//!
//! A pure function from a value to byte strings. Every form is an exact one: where the rules of programs
//! differ (which characters are escaped, which case the digits have) each common rule gives its own
//! form. What lies around the value does not matter: base64 is given at its three alignments, and every
//! other encoding here works character by character. Each form stands there once; none equals the value
//! and none is shorter than eight bytes. All copies are wiped when dropped, and none is left behind by a
//! buffer that grew.
//!
//! Left to others: which values are too short to be looked for, and text that is wrapped or indented
//! inside a form (base64 over several lines).

mod base64;
mod plain;
mod quoted;
mod web;

use zeroize::Zeroizing;

use crate::fold::trim;

/// Shorter forms are left out: they would be found in ordinary text.
const LEN_MIN: usize = 8;

/// How a form came out of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// Base64: the characters that depend on the value alone, at one of three alignments.
    Base64,
    /// Base64 with `-` and `_`, likewise.
    Base64Url,
    /// Hexadecimal digits, in one case.
    Hex,
    /// Percent-encoding, as in the parts of a URL.
    Percent,
    /// Percent-encoding with `+` for a blank, as in the body of a form.
    FormUrl,
    /// What stands between the quotes of a JSON string.
    Json,
    /// The same with `\uXXXX` for every character outside ASCII.
    JsonUnicode,
    /// What stands between the single quotes of a shell word; `set -x` prints such words.
    ShellSingle,
    /// What stands between the double quotes of a shell word.
    ShellDouble,
    /// A shell word with backslashes: `printf %q`.
    ShellBackslash,
    /// What stands in `$'...'`, which shells print for control characters.
    ShellAnsiC,
    /// Entities of HTML and XML.
    Html,
    /// A string literal of Go (`%q`, `%+q`) or Rust (`{:?}`).
    GoString,
    /// A literal of Python: `repr`, `ascii`, bytes.
    PythonRepr,
    /// One kind of quotes doubled: SQL, CSV, YAML.
    DoubledQuotes,
    /// UTF-16 with the low byte first.
    Utf16Le,
    /// UTF-16 with the high byte first.
    Utf16Be,
    /// JSON in a string of JSON, optional like those that follow.
    JsonInJson,
    /// Base64 of base64, at nine alignments.
    Base64Twice,
    /// Hexadecimal digits with colons between the bytes.
    HexColon,
    /// A UUID in the other case.
    Uuid,
}

impl Form {
    /// A name for people and for reports.
    pub fn name(self) -> &'static str {
        match self {
            Form::Base64 => "base64",
            Form::Base64Url => "base64url",
            Form::Hex => "hex",
            Form::Percent => "percent",
            Form::FormUrl => "form-url",
            Form::Json => "json",
            Form::JsonUnicode => "json-unicode",
            Form::ShellSingle => "shell-single",
            Form::ShellDouble => "shell-double",
            Form::ShellBackslash => "shell-backslash",
            Form::ShellAnsiC => "shell-ansi-c",
            Form::Html => "html",
            Form::GoString => "go-string",
            Form::PythonRepr => "python-repr",
            Form::DoubledQuotes => "doubled-quotes",
            Form::Utf16Le => "utf-16le",
            Form::Utf16Be => "utf-16be",
            Form::JsonInJson => "json-in-json",
            Form::Base64Twice => "base64-twice",
            Form::HexColon => "hex-colon",
            Form::Uuid => "uuid",
        }
    }

    /// Whether the form is beyond those that every masker should know.
    pub fn is_optional(self) -> bool {
        matches!(self, Form::JsonInJson | Form::Base64Twice | Form::HexColon | Form::Uuid)
    }
}

/// One form of a value. It has no `Debug`: it is as secret as the value.
pub struct Encoded {
    /// How it came out of the value.
    pub form: Form,
    /// The alignment of base64: how many bytes stand before the value in its group of three; for base64
    /// of base64 three times that plus the same of the outer one. Otherwise 0.
    pub offset: u8,
    /// Its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// What is looked for of a value: all but the ASCII whitespace around it.
pub fn core(value: &[u8]) -> &[u8] {
    trim(value)
}

/// The lines of a multi-line core that say enough to be looked for alone, without whitespace around
/// them: those of eight bytes or more, except where a key in PEM begins and ends.
pub fn lines(core: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_multi_line = core.contains(&b'\n');
    let lines = core.split(|&byte| byte == b'\n').map(trim);
    lines.filter(move |line| is_multi_line && line.len() >= LEN_MIN && !is_armour(line))
}

/// Whether a line only says that a key begins or ends; other keys have the same.
fn is_armour(line: &[u8]) -> bool {
    (line.starts_with(b"-----BEGIN") || line.starts_with(b"-----END")) && line.ends_with(b"-----")
}

/// The encoded forms of `core`, a value as [`core()`] gives it.
///
/// Where two encodings give the same bytes, the first of them in the order of [`Form`] is named.
pub fn encoded(core: &[u8]) -> Vec<Encoded> {
    // Few forms are longer; one that is gets a buffer of its own length.
    let buffer = Zeroizing::new(Vec::with_capacity(4 * core.len()));
    let mut forms = Collection { core, forms: Vec::new(), buffer };
    base64::add(&mut forms);
    plain::add_hex(&mut forms);
    // Most tokens are made of these alone: asking every rule would take most of the time.
    let is_escaped = !core.iter().all(|&byte| is_never_escaped(byte));
    if is_escaped {
        web::add_url(&mut forms);
        quoted::add_json(&mut forms);
        quoted::add_shell(&mut forms);
        web::add_html(&mut forms);
        quoted::add_literals(&mut forms);
        quoted::add_doubled(&mut forms);
    }
    plain::add_utf16(&mut forms);
    // The optional ones come last, so that a required one is never named after one of them.
    if is_escaped {
        quoted::add_json_in_json(&mut forms);
    }
    base64::add_twice(&mut forms);
    plain::add_hex_colon(&mut forms);
    plain::add_uuid(&mut forms);
    forms.forms
}

/// Whether every rule of escaping leaves a byte as it is.
fn is_never_escaped(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

/// Takes the bytes of a form, a piece at a time.
type Out<'a> = dyn FnMut(&[u8]) + 'a;

/// Makes one form of a value: it must give the same pieces each time.
type Encode<'a> = dyn Fn(&[u8], &mut Out<'_>) + 'a;

struct Collection<'a> {
    core: &'a [u8],
    forms: Vec<Encoded>,
    /// The form that was made last. Most of them are known already and need no memory of their own.
    buffer: Zeroizing<Vec<u8>>,
}

impl Collection<'_> {
    fn add(&mut self, form: Form, encode: &Encode<'_>) {
        self.add_at(form, 0, encode);
    }

    fn add_at(&mut self, form: Form, offset: u8, encode: &Encode<'_>) {
        collect(&mut self.buffer, self.core, encode);
        let bytes = self.buffer.as_slice();
        let is_known = |known: &[u8]| known == bytes;
        let is_new = !is_known(self.core) && !self.forms.iter().any(|other| is_known(&other.bytes));
        if bytes.len() >= LEN_MIN && is_new {
            self.forms.push(Encoded { form, offset, bytes: Zeroizing::new(bytes.to_vec()) });
        }
    }
}

/// Fills `buffer` with all pieces of a form. It never grows: that would leave copies in freed memory. One that
/// is too small is replaced, when the length is known.
fn collect(buffer: &mut Zeroizing<Vec<u8>>, bytes: &[u8], encode: &Encode<'_>) {
    let len = fill(buffer, bytes, encode);
    if len > buffer.capacity() {
        *buffer = Zeroizing::new(Vec::with_capacity(len));
        fill(buffer, bytes, encode);
    }
}

/// Fills `buffer` as far as it has room; the length of all pieces.
fn fill(buffer: &mut Vec<u8>, bytes: &[u8], encode: &Encode<'_>) -> usize {
    let mut len = 0;
    buffer.clear();
    encode(bytes, &mut |piece| {
        len += piece.len();
        if len <= buffer.capacity() {
            match piece {
                // Most pieces: not worth a call.
                [byte] => buffer.push(*byte),
                _ => buffer.extend_from_slice(piece),
            }
        }
    });
    len
}

/// A character of a value that some rule may escape, or a byte of it that belongs to none.
struct Unit<'a> {
    /// Where it stands in the value.
    at: usize,
    bytes: &'a [u8],
    character: Option<char>,
}

/// Walks over the characters of a value that is mostly UTF-8, but for those that no rule escapes.
fn units(bytes: &[u8], mut take: impl FnMut(Unit<'_>)) {
    let mut at = 0;
    while let Some(&first) = bytes.get(at) {
        if is_never_escaped(first) {
            at += 1;
            continue;
        }
        // No character is longer than four bytes.
        let mut chunks = bytes[at..bytes.len().min(at + 4)].utf8_chunks();
        let character = chunks.next().and_then(|chunk| chunk.valid().chars().next());
        let end = at + character.map_or(1, char::len_utf8);
        take(Unit { at, bytes: &bytes[at..end], character });
        at = end;
    }
}

/// Replaces the units that `escape` writes something for (and says so); the others pass, as many at once as stand
/// side by side.
fn escaped(bytes: &[u8], out: &mut Out<'_>, escape: impl Fn(&Unit<'_>, &mut Out<'_>) -> bool) {
    let mut start = 0;
    units(bytes, |unit| {
        let mut put = |piece: &[u8]| {
            if start < unit.at {
                out(&bytes[start..unit.at]);
                start = unit.at;
            }
            out(piece);
        };
        if escape(&unit, &mut put) {
            start = unit.at + unit.bytes.len();
        }
    });
    if start < bytes.len() {
        out(&bytes[start..]);
    }
}

/// The same for rules about bytes.
fn bytes_escaped(bytes: &[u8], out: &mut Out<'_>, escape: impl Fn(u8, &mut Out<'_>) -> bool) {
    let mut start = 0;
    for (at, &byte) in bytes.iter().enumerate().filter(|(_, byte)| !is_never_escaped(**byte)) {
        let mut put = |piece: &[u8]| {
            if start < at {
                out(&bytes[start..at]);
                start = at;
            }
            out(piece);
        };
        if escape(byte, &mut put) {
            start = at + 1;
        }
    }
    if start < bytes.len() {
        out(&bytes[start..]);
    }
}

/// Hands on what comes in bits: a call for each would take most of the time.
struct Batch<'a, 'b> {
    out: &'a mut Out<'b>,
    bytes: Zeroizing<[u8; 64]>,
    len: usize,
}

impl<'a, 'b> Batch<'a, 'b> {
    fn new(out: &'a mut Out<'b>) -> Batch<'a, 'b> {
        Batch { out, bytes: Zeroizing::new([0; 64]), len: 0 }
    }

    /// Takes a few bytes.
    #[inline]
    fn put<const LEN: usize>(&mut self, bytes: [u8; LEN]) {
        if self.len + LEN > self.bytes.len() {
            self.flush();
        }
        self.bytes[self.len..self.len + LEN].copy_from_slice(&bytes);
        self.len += LEN;
    }

    /// Hands on what is left.
    fn flush(&mut self) {
        (self.out)(&self.bytes[..self.len]);
        self.len = 0;
    }
}

/// The case of digits above 9.
#[derive(Clone, Copy)]
enum Case {
    Lower,
    Upper,
}

impl Case {
    const BOTH: [Case; 2] = [Case::Lower, Case::Upper];

    fn digits(self) -> &'static [u8; 16] {
        match self {
            Case::Lower => b"0123456789abcdef",
            Case::Upper => b"0123456789ABCDEF",
        }
    }

    /// The two hexadecimal digits of a byte.
    fn hex_byte(self, byte: u8) -> [u8; 2] {
        let digits = self.digits();
        [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]
    }

    /// The last `count` hexadecimal digits of `number`.
    fn hex(self, number: u32, count: u32, out: &mut Out<'_>) {
        let digits = self.digits();
        for place in (0..count).rev() {
            out(&[digits[(number >> (4 * place) & 15) as usize]]);
        }
    }
}
