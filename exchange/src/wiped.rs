//! Buffers for plaintext that leave no copy behind when they grow.

use zeroize::Zeroizing;

/// A text under construction. A `String` that grows frees its old memory as it is; this wipes it.
#[derive(Default)]
pub(crate) struct WipedText(Zeroizing<Vec<u8>>);

impl WipedText {
    pub(crate) fn with_capacity(capacity: usize) -> WipedText {
        WipedText(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.0.capacity())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    pub(crate) fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    pub(crate) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::WipedText;

    #[test]
    fn pieces_come_out_in_order_however_it_grows() {
        let mut text = WipedText::with_capacity(1);
        for _ in 0..100 {
            text.push('ñ');
            text.push_str("ab");
            text.push_bytes(b"\xff");
        }
        assert_eq!(**text.into_bytes(), *b"\xc3\xb1ab\xff".repeat(100));
    }
}
