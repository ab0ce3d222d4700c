//! Forms without rules of escaping: hexadecimal digits, UTF-16, UUIDs in the other case.

use super::{Batch, Case, Collection, Form, Out};

pub(super) fn add_hex(forms: &mut Collection<'_>) {
    for case in Case::BOTH {
        forms.add(Form::Hex, &|core, out| {
            let mut batch = Batch::new(out);
            core.iter().for_each(|&byte| batch.put(case.hex_byte(byte)));
            batch.flush();
        });
    }
}

pub(super) fn add_hex_colon(forms: &mut Collection<'_>) {
    for case in Case::BOTH {
        forms.add(Form::HexColon, &|core, out| {
            let mut batch = Batch::new(out);
            for (index, &byte) in core.iter().enumerate() {
                if index > 0 {
                    batch.put([b':']);
                }
                batch.put(case.hex_byte(byte));
            }
            batch.flush();
        });
    }
}

/// A value that is no text has no UTF-16.
pub(super) fn add_utf16(forms: &mut Collection<'_>) {
    let Ok(text) = str::from_utf8(forms.core) else { return };
    let utf16 = |out: &mut Out<'_>, to_bytes: fn(u16) -> [u8; 2]| {
        let mut batch = Batch::new(out);
        text.encode_utf16().for_each(|unit| batch.put(to_bytes(unit)));
        batch.flush();
    };
    forms.add(Form::Utf16Le, &|_, out| utf16(out, u16::to_le_bytes));
    forms.add(Form::Utf16Be, &|_, out| utf16(out, u16::to_be_bytes));
}

pub(super) fn add_uuid(forms: &mut Collection<'_>) {
    if is_uuid(forms.core) {
        let mapped = |core: &[u8], out: &mut Out<'_>, to: fn(&u8) -> u8| {
            let mut batch = Batch::new(out);
            core.iter().for_each(|byte| batch.put([to(byte)]));
            batch.flush();
        };
        forms.add(Form::Uuid, &|core, out| mapped(core, out, u8::to_ascii_lowercase));
        forms.add(Form::Uuid, &|core, out| mapped(core, out, u8::to_ascii_uppercase));
    }
}

/// Whether `core` has the shape 8-4-4-4-12 of RFC 9562.
fn is_uuid(core: &[u8]) -> bool {
    let fits = |(index, byte): (usize, &u8)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    core.len() == 36 && core.iter().enumerate().all(fits)
}
