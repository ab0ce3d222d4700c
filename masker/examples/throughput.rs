//! Prints how fast log-like text is masked: `cargo run --release -p subrosa-masker --example throughput`.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod numbers;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use subrosa_masker::{MaskSet, MaskWriter, Policy};

use self::numbers::Numbers;

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
