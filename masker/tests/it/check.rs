//! The properties as functions of a case; the fuzz target includes this file by path.

use std::io::{self, Write};
use std::sync::Arc;

use subrosa_masker::{MaskSet, MaskWriter, Policy};

use crate::case::Case;
use crate::oracle::{Oracle, mask_covered};

/// What is out after every write, at the end, and after a cut equals the oracle; the order of values
/// does not matter.
pub(crate) fn check_stream(case: &Case) {
    let (text, masks) = (case.text(), set(&case.values, &case.policy));
    let oracle = Oracle::new(&case.values, &case.policy);
    let expected = oracle.mask(&text);
    let mut backwards = case.values.clone();
    backwards.reverse();
    assert_eq!(shown(&set(&backwards, &case.policy).mask_bytes(&text)), shown(&expected));
    assert_eq!(masks.finds(&text), expected != text);

    let mut writer = MaskWriter::new(Arc::clone(&masks), Vec::new());
    let mut cut = MaskWriter::new(masks, Vec::new());
    let mut seen = 0;
    for write in &case.writes {
        writer.write_all(write).unwrap();
        writer.flush().unwrap();
        cut.write_all(write).unwrap();
        seen += write.len();
        assert_eq!(shown(writer.get_ref()), shown(&oracle.emitted(&text[..seen])));
    }
    assert_eq!(shown(&writer.finish().unwrap()), shown(&expected));

    let (tail, mut covered) = (oracle.tail(&text), oracle.covered(&text, 0, true));
    if text.len() - tail >= 8 {
        covered[tail..].fill(true);
    }
    let expected = mask_covered(&text, &covered, text.len());
    assert_eq!(shown(&cut.finish_cut().unwrap()), shown(&expected));
}

/// A new set applies from the tail on that the former one held; what that had found stays covered.
pub(crate) fn check_swap(case: &Case) {
    let text = case.text();
    let swap = case.swap.min(case.writes.len());
    let before = case.writes[..swap].concat();
    let former = Oracle::new(&case.values, &case.policy);
    let later = Oracle::new(&case.later_values, &case.policy);
    let mut covered = later.covered(&text, former.tail(&before), true);
    for (covered, found) in covered.iter_mut().zip(former.covered(&before, 0, false)) {
        *covered |= found;
    }
    let expected = mask_covered(&text, &covered, text.len());

    let mut writer = MaskWriter::new(set(&case.values, &case.policy), Vec::new());
    for (index, write) in case.writes.iter().enumerate() {
        if index == swap {
            writer.set_masks(set(&case.later_values, &case.policy)).unwrap();
        }
        writer.write_all(write).unwrap();
    }
    if swap == case.writes.len() {
        writer.set_masks(set(&case.later_values, &case.policy)).unwrap();
    }
    assert_eq!(shown(&writer.finish().unwrap()), shown(&expected));
}

/// After the inner writer failed every call fails, and what it took is the beginning of the result.
pub(crate) fn check_failure(case: &Case) {
    let expected = Oracle::new(&case.values, &case.policy).mask(&case.text());
    let inner = Failing { taken: Vec::new(), room: case.failing_after };
    let mut writer = MaskWriter::new(set(&case.values, &case.policy), inner);
    let mut failed = false;
    for write in &case.writes {
        let result = writer.write_all(write);
        assert!(!failed || write.is_empty() || result.is_err());
        failed |= result.is_err();
        assert!(!failed || writer.flush().is_err());
    }
    assert!(expected.starts_with(&writer.get_ref().taken));
    assert_eq!(writer.finish().is_ok(), expected.len() <= case.failing_after);
}

/// Takes some bytes, then fails once and takes everything again.
struct Failing {
    taken: Vec<u8>,
    room: usize,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 && !bytes.is_empty() {
            self.room = usize::MAX;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let len = bytes.len().min(self.room);
        self.taken.extend_from_slice(&bytes[..len]);
        self.room -= len;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn set(values: &[Vec<u8>], policy: &Policy) -> Arc<MaskSet> {
    Arc::new(MaskSet::new(values.iter().map(Vec::as_slice), policy).unwrap())
}

/// Bytes in a form that a failed comparison can print.
pub(crate) fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
