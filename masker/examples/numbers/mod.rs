//! What values and texts of the examples are made of.

/// Numbers that look random and are the same in every run (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// The next one.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A value of letters, digits, `-` and `_`.
    pub(crate) fn value(&mut self, len: usize) -> Vec<u8> {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..len).map(|_| DIGITS[(self.next() >> 58) as usize]).collect()
    }

    /// A multi-line value.
    pub(crate) fn key(&mut self) -> Vec<u8> {
        let mut key = b"-----BEGIN PRIVATE KEY-----\n".to_vec();
        for _ in 0..20 {
            key.extend(self.value(64));
            key.push(b'\n');
        }
        key.extend_from_slice(b"-----END PRIVATE KEY-----\n");
        key
    }
}
