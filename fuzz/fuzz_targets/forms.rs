//! The encoded forms of any value: none is short, equal to the value or there twice; and each one is
//! found in text, whatever stands around it.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use subrosa_masker::forms::{core, encoded};
use subrosa_masker::{MASK, MaskSet, Policy};

fuzz_target!(|bytes: &[u8]| {
    let value = core(bytes);
    let forms = encoded(value);
    let mut seen = HashSet::new();
    for form in &forms {
        assert!(form.bytes.len() >= 8 && form.bytes.as_slice() != value);
        assert!(seen.insert(form.bytes.to_vec()), "{:?} is there twice", form.form);
    }
    let policy = Policy { min_len: 1, ..Policy::default() };
    let Ok(masks) = MaskSet::new([bytes], &policy) else { return };
    for form in &forms {
        let text = [b"\x01", form.bytes.as_slice(), b"\x01"].concat();
        let masked = masks.mask_bytes(&text);
        assert!(masked.len() <= MASK.len() + 2, "{:?}", form.form);
    }
});
