//! Base64, once and twice.
//!
//! A character of base64 holds six bits. If the value begins 0, 1 or 2 bytes into a group of three, the
//! first 0, 2 or 3 characters hold bits of what stands before it, too, and the last one may hold bits
//! of what follows. Those are left out; the rest depends on the value alone, with or without padding.

use zeroize::Zeroizing;

use super::{Collection, Form, Out, collect};

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many bytes may stand before a value in its group of three.
const SHIFTS: [u8; 3] = [0, 1, 2];

pub(super) fn add(forms: &mut Collection<'_>) {
    for (form, alphabet) in [(Form::Base64, STANDARD), (Form::Base64Url, URL)] {
        for shift in SHIFTS {
            forms.add_at(form, shift, &|core, out| certain(core, shift, alphabet, out));
        }
    }
}

pub(super) fn add_twice(forms: &mut Collection<'_>) {
    let mut once = Zeroizing::new(Vec::new());
    for (alphabet, inner) in [STANDARD, URL].into_iter().flat_map(|a| SHIFTS.map(|i| (a, i))) {
        collect(&mut once, forms.core, &|core, out| certain(core, inner, alphabet, out));
        for outer in SHIFTS {
            let offset = 3 * inner + outer;
            let twice = |_: &[u8], out: &mut Out<'_>| certain(&once, outer, alphabet, out);
            forms.add_at(Form::Base64Twice, offset, &twice);
        }
    }
}

/// The characters that depend on `bytes` alone when `shift` bytes stand before them.
fn certain(bytes: &[u8], shift: u8, alphabet: &[u8; 64], out: &mut Out<'_>) {
    let shift = usize::from(shift);
    let first = (shift * 8).div_ceil(6);
    let end = (shift + bytes.len()) * 8 / 6;
    // Some at once: a call for each would take most of the time.
    let mut piece = Zeroizing::new([0; 32]);
    let mut index = first;
    while index < end {
        let len = piece.len().min(end - index);
        for character in &mut piece[..len] {
            let bit = index * 6 - shift * 8;
            let next = bytes.get(bit / 8 + 1).copied().unwrap_or(0);
            let pair = u16::from_be_bytes([bytes[bit / 8], next]);
            let sextet = pair >> (10 - bit % 8) & 63;
            *character = alphabet[usize::from(sextet)];
            index += 1;
        }
        out(&piece[..len]);
    }
}
