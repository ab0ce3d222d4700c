//! Times masking against `AhoCorasick::stream_replace_all`, on the same text and the same needles:
//!
//! ```text
//! cargo run --release -p subrosa-masker --example compare -- secrets.json text.log
//! ```
//!
//! The first file is a JSON array of values, the second one any text. Both read it from the same reader, which
//! gives up to 256 KiB at once out of memory, and write to nowhere; three rounds in turn, the best of each.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::error::Error;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use subrosa_masker::forms::{core, encoded};
use subrosa_masker::{MASK, MaskSet, MaskWriter, Policy};

const BLOCK_LEN: usize = 128 << 10;
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, secrets, text] = arguments.as_slice() else {
        return Err("wanted: SECRETS.json TEXT".into());
    };
    let values: Vec<String> = serde_json::from_slice(&std::fs::read(secrets)?)?;
    let text = std::fs::read(text)?;
    let masks = MaskSet::new(values.iter().map(String::as_bytes), &Policy::default())?;
    let masks = Arc::new(masks);
    let needles: Vec<Vec<u8>> = values.iter().flat_map(|value| needles(value)).collect();
    let automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(&needles)?;
    let replacements = vec![MASK; needles.len()];
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        mask(&masks, Blocks(&text))?;
        ours = ours.min(started.elapsed());
        let started = Instant::now();
        automaton.try_stream_replace_all(Blocks(&text), io::sink(), &replacements)?;
        theirs = theirs.min(started.elapsed());
    }
    let rate = |time: Duration| text.len() as f64 / 1e9 / time.as_secs_f64();
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    println!(
        "{} needles: {:.2} GB/s, stream_replace_all {:.3} GB/s, {ratio:.0} times as fast",
        needles.len(),
        rate(ours),
        rate(theirs)
    );
    Ok(())
}

/// Masks all that `reader` gives, as a filter does.
fn mask(masks: &Arc<MaskSet>, mut reader: impl Read) -> io::Result<()> {
    let mut writer = MaskWriter::new(Arc::clone(masks), io::sink());
    let mut block = vec![0; BLOCK_LEN];
    loop {
        match reader.read(&mut block)? {
            0 => return writer.finish().map(drop),
            len => writer.write_all(&block[..len])?,
        }
    }
}

/// A value and its forms; lines of values and other layouts are left out, which favours the other side.
fn needles(value: &str) -> Vec<Vec<u8>> {
    let core = core(value.as_bytes());
    let forms = encoded(core).into_iter().map(|form| form.bytes.to_vec());
    std::iter::once(core.to_vec()).chain(forms).collect()
}

/// Reads as a pipe or a file gives.
struct Blocks<'a>(&'a [u8]);

impl Read for Blocks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.0.len().min(buffer.len()).min(BLOCK_LEN);
        let (block, rest) = self.0.split_at(len);
        buffer[..len].copy_from_slice(block);
        self.0 = rest;
        Ok(len)
    }
}
