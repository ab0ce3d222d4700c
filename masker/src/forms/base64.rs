//! Base64, once and twice.
//!
//! A character of base64 holds six bits. If the value begins 0, 1 or 2 bytes into a group of three, the
//! first 0, 2 or 3 characters hold bits of what stands before it, too, and the last one may hold bits
//! of what follows. Those are left out; the rest depends on the value alone, with or without padding.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{Batch, Collection, Form, Out, collect};

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many bytes may stand before a value in its group of three.
const SHIFTS: [u8; 3] = [0, 1, 2];

pub(super) fn add(forms: &mut Collection<'_>) {
    let add = |forms: &mut Collection<'_>, form, shift, alphabet| {
        forms.add_at(form, shift, &|core, out| certain(core, shift, alphabet, out));
    };
    let differs = SHIFTS.map(|shift| {
        add(forms, Form::Base64, shift, STANDARD);
        differs(&forms.buffer)
    });
    for (shift, _) in SHIFTS.into_iter().zip(differs).filter(|(_, differs)| *differs) {
        add(forms, Form::Base64Url, shift, URL);
    }
}

pub(super) fn add_twice(forms: &mut Collection<'_>) {
    let mut once = Zeroizing::new(Vec::new());
    let mut add = |forms: &mut Collection<'_>, inner, outer, alphabet| {
        collect(&mut once, forms.core, &|core, out| certain(core, inner, alphabet, out));
        let twice = |_: &[u8], out: &mut Out<'_>| certain(&once, outer, alphabet, out);
        forms.add_at(Form::Base64Twice, 3 * inner + outer, &twice);
        differs(&once) || differs(&forms.buffer)
    };
    let both = SHIFTS.into_iter().flat_map(|inner| SHIFTS.map(|outer| (inner, outer)));
    let mut others = Vec::with_capacity(SHIFTS.len() * SHIFTS.len());
    others.extend(both.filter(|&(inner, outer)| add(forms, inner, outer, STANDARD)));
    for (inner, outer) in others {
        add(forms, inner, outer, URL);
    }
}

/// Whether the other alphabet would give something else. Most often it does not.
fn differs(base64: &[u8]) -> bool {
    base64.iter().any(|character| b"+/".contains(character))
}

/// The characters that depend on `bytes` alone when `shift` bytes stand before them.
fn certain(bytes: &[u8], shift: u8, alphabet: &[u8; 64], out: &mut Out<'_>) {
    let shift = usize::from(shift);
    let mut batch = Batch::new(out);
    // Of a group of three bytes the characters from the first certain one on.
    let mut group = |bytes: [u8; 3], certain: Range<usize>| {
        let number = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        let characters = [18, 12, 6, 0].map(|place| alphabet[(number >> place & 63) as usize]);
        match certain {
            Range { start: 0, end: 4 } => batch.put(characters),
            some => characters[some].iter().for_each(|&character| batch.put([character])),
        }
    };
    let (first, rest) = bytes.split_at(bytes.len().min((3 - shift) % 3));
    if !first.is_empty() {
        let mut some = Zeroizing::new([0; 3]);
        some[shift..shift + first.len()].copy_from_slice(first);
        group(*some, (shift * 8).div_ceil(6)..(shift + first.len()) * 8 / 6);
    }
    let (groups, last) = rest.as_chunks();
    groups.iter().for_each(|bytes| group(*bytes, 0..4));
    let mut some = Zeroizing::new([0; 3]);
    some[..last.len()].copy_from_slice(last);
    group(*some, 0..last.len() * 8 / 6);
    batch.flush();
}
