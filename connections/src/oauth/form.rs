//! Forms that are sent, with credentials in them: made in one buffer each, which is wiped.

use data_encoding::BASE64;
use subrosa_http::{HeaderValue, sensitive};
use zeroize::Zeroizing;

/// A form in the making.
pub(super) struct Form(Zeroizing<Vec<u8>>);

impl Form {
    /// One whose fields are these.
    pub(super) fn of(fields: &[(&str, &[u8])]) -> Form {
        let mut form = Form(Zeroizing::new(Vec::new()));
        form.extend(fields);
        form
    }

    /// Adds fields. By hand: a vector that grows by itself leaves what it held behind.
    pub(super) fn extend(&mut self, fields: &[(&str, &[u8])]) {
        let room: usize = fields.iter().map(|(name, value)| room(name.len() + value.len())).sum();
        let mut larger = Zeroizing::new(Vec::with_capacity(self.0.len() + room));
        larger.extend_from_slice(&self.0);
        for (name, value) in fields {
            if !larger.is_empty() {
                larger.push(b'&');
            }
            encode(name.as_bytes(), &mut larger);
            larger.push(b'=');
            encode(value, &mut larger);
        }
        self.0 = larger;
    }

    /// What is sent.
    pub(super) fn into_body(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// The header `Authorization` of a client with a secret (RFC 6749, 2.3.1: both are encoded first).
pub(super) fn basic(id: &str, secret: &[u8]) -> HeaderValue {
    let mut pair = Zeroizing::new(Vec::with_capacity(room(id.len() + secret.len())));
    encode(id.as_bytes(), &mut pair);
    pair.push(b':');
    encode(secret, &mut pair);
    let mut text = Zeroizing::new(String::with_capacity(6 + BASE64.encode_len(pair.len())));
    text.push_str("Basic ");
    BASE64.encode_append(&pair, &mut text);
    let bytes = Zeroizing::new(std::mem::take(&mut *text).into_bytes());
    sensitive(bytes).expect("base64 has nothing that a header cannot hold")
}

/// An encoded byte takes three; two more stand between.
fn room(length: usize) -> usize {
    3 * length + 2
}

fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(*byte),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                let digit = |half: u8| DIGITS[usize::from(half & 15)];
                out.extend_from_slice(&[b'%', digit(byte >> 4), digit(*byte)]);
            }
        }
    }
}

/// What an encoded text says; `None`: it is not encoded right.
pub(super) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(digits[0])? * 16 + digit(digits[1])?;
                out.push(u8::try_from(value).expect("two hex digits are a byte"));
                rest = after;
            }
            byte => out.push(byte),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Form, basic, decode, encode};

    #[test]
    fn forms_escape_all_that_is_not_plain() {
        let mut form = Form::of(&[("a", b"x y"), ("b", b"1-2")]);
        form.extend(&[("c", b"+/=&\xff")]);
        assert_eq!(form.into_body().as_slice(), b"a=x%20y&b=1-2&c=%2B%2F%3D%26%FF");
        assert_eq!(Form::of(&[]).into_body().as_slice(), b"");
    }

    #[test]
    fn the_header_of_a_client_is_encoded_twice_and_never_printed() {
        // The example of RFC 6749, and one whose id would be cut at the colon.
        let header = basic("s6BhdRkqt3", b"7Fjfp0ZBr1KtDRbnfVdmIw");
        assert_eq!(header.as_bytes(), b"Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
        assert_eq!(basic("a:b", b"c").as_bytes(), b"Basic YSUzQWI6Yw==");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn what_is_half_encoded_is_refused() {
        assert_eq!(decode(b"a+b%20c").unwrap().as_slice(), b"a b c");
        for text in ["%", "%2", "%g0", "%0g", "a%"] {
            assert!(decode(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes: Vec<u8>) {
            let mut text = Vec::new();
            encode(&bytes, &mut text);
            prop_assert_eq!(decode(&text).unwrap().to_vec(), bytes);
        }

        #[test]
        fn decoding_never_fails_badly(bytes: Vec<u8>) {
            let found = decode(&bytes);
            prop_assert!(found.is_none_or(|found| found.len() <= bytes.len()));
        }
    }
}
