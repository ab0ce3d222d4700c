//! Prints how fast log-like text is masked: `cargo run --release -p subrosa-masker --example throughput`.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use subrosa_masker::{MaskSet, MaskWriter, Policy};

const TEXT_LEN: usize = 64 << 20;
const WRITE_LEN: usize = 64 << 10;

fn main() -> io::Result<()> {
    let text = log_text();
    for (count, value_len, multi_line) in
        [(0, 40, 0), (1, 40, 0), (100, 40, 0), (100, 40, 5), (2000, 20, 0), (10_000, 60, 0)]
    {
        let mut numbers = Numbers(count as u64 + 1);
        let mut values: Vec<Vec<u8>> = (0..count).map(|_| numbers.value(value_len)).collect();
        values.extend((0..multi_line).map(|_| numbers.key()));
        let started = Instant::now();
        let masks = MaskSet::new(values.iter().map(Vec::as_slice), &Policy::default())
            .map_err(io::Error::other)?;
        let build = started.elapsed();
        let mut writer = MaskWriter::new(Arc::new(masks), io::sink());
        let started = Instant::now();
        for write in text.chunks(WRITE_LEN) {
            writer.write_all(write)?;
        }
        writer.finish()?;
        let rate = text.len() as f64 / 1e6 / started.elapsed().as_secs_f64();
        println!(
            "{count:6} values of {value_len} bytes, {multi_line} keys: {rate:6.0} MB/s, built in {build:.1?}"
        );
    }
    Ok(())
}

/// Lines such as programs log, with numbers and names that vary.
fn log_text() -> Vec<u8> {
    let mut numbers = Numbers(7);
    let mut text = Vec::with_capacity(TEXT_LEN + 200);
    while text.len() < TEXT_LEN {
        let (id, time) = (numbers.next(), numbers.next() % 100_000);
        text.extend_from_slice(
            format!(
                "2025-03-14T15:{:02}:{:02}.{:06}Z INFO worker-{} request id={id:016x} path=/api/v1/items/{} \
                 status=200 duration={time}us {{\"cache\":\"hit\",\"bytes\":{}}}\n",
                time % 60, id % 60, id % 1_000_000, id % 16, time, id % 65_536,
            )
            .as_bytes(),
        );
    }
    text
}

/// Numbers that look random and are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn value(&mut self, len: usize) -> Vec<u8> {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..len).map(|_| DIGITS[(self.next() >> 58) as usize]).collect()
    }

    /// A multi-line value.
    fn key(&mut self) -> Vec<u8> {
        let mut key = b"-----BEGIN PRIVATE KEY-----\n".to_vec();
        for _ in 0..20 {
            key.extend(self.value(64));
            key.push(b'\n');
        }
        key.extend_from_slice(b"-----END PRIVATE KEY-----\n");
        key
    }
}
