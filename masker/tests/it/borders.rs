//! Where two things meet: line wraps and the ends of writes, line wraps and swaps of sets.

use std::io::Write;

use data_encoding::{BASE64, BASE64_NOPAD};
use subrosa_masker::{MaskWriter, Policy};

use crate::check::{set, shown};
use crate::oracle::Oracle;

const LONG: &[u8] = b"q7Gk2zXw9RtLp4Vn8YbMs3Hd6FcJe5Ua1To0Ki-Zx_CvBnQwErTy";

#[test]
fn a_value_wrapped_twice_is_masked_wherever_a_write_ends() {
    let values = [LONG.to_vec()];
    let (masks, oracle) =
        (set(&values, &Policy::default()), Oracle::new(&values, &Policy::default()));
    let base64 = BASE64.encode(LONG);
    for first in 1..40 {
        for line_len in [24, 25, 30, 40, 42] {
            let (line, rest) = base64.as_bytes().split_at(first);
            let lines = rest.chunks(line_len).flat_map(|line| [b"\n", line].concat());
            let text: Vec<u8> =
                [b"x ", line].concat().into_iter().chain(lines).chain(*b" end").collect();
            let expected = oracle.mask(&text);
            for cut in 1..text.len() {
                let mut writer = MaskWriter::new(masks.clone(), Vec::new());
                writer.write_all(&text[..cut]).unwrap();
                writer.write_all(&text[cut..]).unwrap();
                let masked = writer.finish().unwrap();
                assert_eq!(shown(&masked), shown(&expected), "{first} {line_len} {cut}");
            }
        }
    }
}

#[test]
fn a_form_whose_first_line_came_before_a_swap_is_masked_after_it() {
    for value in ["hunter", "hunter2", "hunter2Q", "hunter2Qx", "hunter2Qxy", "hunter2Qxyz"] {
        let masks = set(&[value.as_bytes().to_vec()], &Policy::default());
        let base64 = BASE64_NOPAD.encode(value.as_bytes());
        for cut in 1..8 {
            let (first, second) = (format!("{}\n", &base64[..cut]), format!("{} ", &base64[cut..]));
            let mut writer = MaskWriter::new(set(&[], &Policy::default()), Vec::new());
            writer.write_all(first.as_bytes()).unwrap();
            writer.set_masks(masks.clone()).unwrap();
            writer.write_all(second.as_bytes()).unwrap();
            let expected = masks.mask_bytes([first, second].concat().as_bytes());
            assert_eq!(shown(&writer.finish().unwrap()), shown(&expected), "{value} {cut}");
        }
    }
}
