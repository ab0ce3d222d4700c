//! SHA-256 (FIPS 180-4), for the vectors whose output is too large to state.

/// The hash of `message` in hexadecimal.
pub(crate) fn sha256(message: &[u8]) -> String {
    let primes: Vec<u64> = (2..312).filter(|n| (2..*n).all(|d| n % d != 0)).collect();
    let mut hash: Vec<u32> = primes[..8].iter().map(|&prime| root_bits(prime, 2)).collect();
    let constants: Vec<u32> = primes[..64].iter().map(|&prime| root_bits(prime, 3)).collect();
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - message.len() < 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let length_at = padded.len() - 8;
    padded[length_at..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        compress(&mut hash, block, &constants);
    }
    hash.iter().map(|word| format!("{word:08x}")).collect()
}

/// The first 32 bits of the fraction of the square or cube root of `n`.
fn root_bits(n: u64, degree: u32) -> u32 {
    let scaled = u128::from(n) << (32 * degree);
    let (mut low, mut high) = (0_u128, 1 << 37);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if middle.pow(degree) <= scaled { low = middle } else { high = middle }
    }
    (low & 0xffff_ffff) as u32
}

fn compress(hash: &mut [u32], block: &[u8], constants: &[u32]) {
    let mut words: Vec<u32> =
        block.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
    for i in 16..64 {
        let (a, b) = (words[i - 15], words[i - 2]);
        let small = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
        let large = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
        words
            .push(words[i - 16].wrapping_add(small).wrapping_add(words[i - 7]).wrapping_add(large));
    }
    let mut v: [u32; 8] = (&*hash).try_into().unwrap();
    for (constant, word) in constants.iter().zip(words) {
        let [a, b, c, d, e, f, g, h] = v;
        let large = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let first = h
            .wrapping_add(large)
            .wrapping_add(e & f ^ !e & g)
            .wrapping_add(*constant)
            .wrapping_add(word);
        let small = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let second = small.wrapping_add(a & b ^ a & c ^ b & c);
        v = [first.wrapping_add(second), a, b, c, d.wrapping_add(first), e, f, g];
    }
    for (word, added) in hash.iter_mut().zip(v) {
        *word = word.wrapping_add(added);
    }
}
