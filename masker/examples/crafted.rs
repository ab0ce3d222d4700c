//! Times texts that are made to be slow to mask, and prints the slowest:
//!
//! ```text
//! cargo run --release -p subrosa-masker --example crafted
//! ```
//!
//! Values that repeat themselves, share beginnings or have many lines meet texts that nearly hold them: cut off,
//! with a wrong byte, wrapped, repeated, with other whitespace. Each pair is masked three times; the best counts.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod numbers;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use subrosa_masker::forms::{Form, encoded};
use subrosa_masker::{MaskSet, MaskWriter, Policy};

use self::numbers::Numbers;

const TEXT_LEN: usize = 2 << 20;
const WRITE_LEN: usize = 128 << 10;
const ROUNDS: usize = 3;
/// What takes less is not timed again.
const QUICK: Duration = Duration::from_millis(10);
/// So many of the slowest pairs are printed.
const SHOWN: usize = 25;

/// Something made for a purpose, and what it is called.
type Named<T> = (String, T);

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let values_wanted = arguments.next().unwrap_or_default();
    let texts_wanted = arguments.next().unwrap_or_default();
    let mut results = Vec::new();
    for (values_name, values) in all_values() {
        if !values_name.contains(&values_wanted) {
            continue;
        }
        let masks = MaskSet::new(values.iter().map(Vec::as_slice), &Policy::default());
        let masks = Arc::new(masks.map_err(io::Error::other)?);
        for (text_name, part) in texts(&values) {
            if text_name.contains(&texts_wanted) {
                let text: Vec<u8> = part.iter().copied().cycle().take(TEXT_LEN).collect();
                results.push((time(&masks, &text)?, format!("{values_name}; {text_name}")));
            }
        }
    }
    results.sort();
    for (time, name) in results.iter().rev().take(SHOWN) {
        println!("{:.3} GB/s  {name}", TEXT_LEN as f64 / 1e9 / time.as_secs_f64());
    }
    println!("{} pairs", results.len());
    Ok(())
}

fn time(masks: &Arc<MaskSet>, text: &[u8]) -> io::Result<Duration> {
    let mut best = Duration::MAX;
    for round in 0..ROUNDS {
        if round > 0 && best < QUICK {
            break;
        }
        let mut writer = MaskWriter::new(Arc::clone(masks), io::sink());
        let started = cpu_time()?;
        for write in text.chunks(WRITE_LEN) {
            writer.write_all(write)?;
        }
        writer.finish()?;
        best = best.min(cpu_time()? - started);
    }
    Ok(best)
}

/// What this process took of the processor, as Linux says: other work does not count.
fn cpu_time() -> io::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds = stat.split(' ').next().unwrap_or_default().parse();
    nanoseconds.map(Duration::from_nanos).map_err(io::Error::other)
}

/// Sets of values.
fn all_values() -> Vec<Named<Vec<Vec<u8>>>> {
    let mut all = Vec::new();
    for (name, part) in [
        ("a", &b"a"[..]),
        ("ab", b"ab"),
        ("lines of a", b"a\n"),
        ("lines of n", b"n\n"),
        ("lines of ab", b"ab\n"),
        ("lines of 2", b"ab\ncd\n"),
        ("lines of blanks", b"a b  c\n"),
        ("lines of 8", b"abcdefgh\n"),
        ("lines of as", b"aaaaaaaaaaaaaaaa\n"),
        ("lines of 64", b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+/\n"),
        ("backslashes", b"\\\\\n"),
        ("backslash n", b"\\n\\na"),
    ] {
        for len in [40, 300, 5000, 1 << 20] {
            let mut value = part.repeat(len / part.len());
            value.extend_from_slice(b"$");
            all.push((format!("{name}, {len}"), vec![value]));
        }
    }
    let line = b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+/\n";
    let begin = b"-----BEGIN PRIVATE KEY-----\n";
    let end = b"-----END PRIVATE KEY-----\n";
    all.push(("PEM of one line".into(), vec![[&begin[..], &line.repeat(25), end].concat()]));
    let a_line = [&b"A".repeat(64)[..], b"\n"].concat();
    all.push(("PEM of A".into(), vec![[&begin[..], &a_line.repeat(25), end].concat()]));
    all.push(("PEM of A, 1 MiB".into(), vec![[&begin[..], &a_line.repeat(16_000), end].concat()]));
    let mut numbers = Numbers(1);
    all.push(("random, 40".into(), vec![numbers.value(40)]));
    all.push(("random, 5000".into(), vec![numbers.value(5000)]));
    all.push(("escapes".into(), vec![b"\"\x01\x02<>&'\xc3\xa4\\\"".repeat(20)]));
    all.push(("controls".into(), vec![b"\x01".repeat(200)]));
    all.push(("100 keys".into(), (0..100).map(|_| numbers.key()).collect()));
    let shared = numbers.value(300);
    let tails = (0..1000).map(|_| [shared.as_slice(), &numbers.value(20)].concat());
    all.push(("1000 with one beginning".into(), tails.collect()));
    let tails = (0..1000).map(|_| [numbers.value(20).as_slice(), &shared].concat());
    all.push(("1000 with one end".into(), tails.collect()));
    all.push(("a nested".into(), (4..300).map(|len| b"a".repeat(len)).collect()));
    let nested = numbers.value(300);
    all.push(("random nested".into(), (4..300).map(|len| nested[..len].to_vec()).collect()));
    let nested = [&begin[..], &a_line.repeat(100)].concat();
    let keys = (3..100).map(|lines| nested[..begin.len() + 65 * lines].to_vec());
    all.push(("PEM nested".into(), keys.collect()));
    let nested = b"ab\n".repeat(300);
    all.push(("lines nested".into(), (4..300).map(|lines| nested[..3 * lines].to_vec()).collect()));
    let short = (0..64_u8).map(|bits| (0..6).map(|bit| b'a' + (bits >> bit & 1)).collect());
    all.push(("short".into(), short.collect()));
    let bits = |len: u32| {
        (0..1_u32 << len)
            .map(move |bits| (0..len).map(|bit| b'a' + (bits >> bit & 1) as u8).collect())
    };
    all.push(("all of 12 bits".into(), bits(12).collect()));
    all.push(("words".into(), bits(3).collect()));
    all
}

/// Texts that are slow with these values, each to be repeated.
fn texts(values: &[Vec<u8>]) -> Vec<Named<Vec<u8>>> {
    let value = values[values.len() / 2].as_slice();
    let mut texts = around("value", value);
    let with = |gap: &[u8]| -> Vec<u8> {
        value
            .iter()
            .flat_map(|byte| if *byte == b'\n' { gap } else { std::slice::from_ref(byte) })
            .copied()
            .collect()
    };
    if value.contains(&b'\n') {
        for (name, gap) in [
            ("blank", &b" "[..]),
            ("backslash", b"\\n"),
            ("CR", b"\r\n"),
            ("many", &[b' '; 255]),
            ("n", b"\\n\\n "),
        ] {
            texts.extend(around(name, &with(gap)));
        }
    }
    for form in encoded(value).into_iter().filter(|form| form.offset == 0 && value.len() < 10_000) {
        let name = format!("{:?}", form.form);
        texts.extend(around(&name, &form.bytes).into_iter().take(3));
        if form.form == Form::Base64 {
            for (width, gap) in
                [(24, &b"\n"[..]), (24, b"\r\n                                "), (60, b"\n")]
            {
                let lines: Vec<_> = form.bytes.chunks(width).collect();
                texts.extend(around(
                    &format!("{name} at {width}{}", gap.escape_ascii()),
                    &lines.join(gap),
                ));
            }
        }
    }
    for (name, part) in [
        ("blanks", &b" "[..]),
        ("newlines", b"\n"),
        ("backslashes", b"\\"),
        ("a", b"a"),
        ("ns", b"\\n"),
        ("zeros", b"\0"),
        ("escapes", b"\\u00"),
        ("terminal", b"\x1b[31m"),
        ("quotes", b"\\\\\\\""),
        ("percents", b"%"),
        ("ab", b"ab"),
    ] {
        texts.push((format!("only {name}"), part.to_vec()));
    }
    texts
}

/// Texts that nearly hold these bytes.
fn around(name: &str, bytes: &[u8]) -> Vec<Named<Vec<u8>>> {
    let mut texts = vec![(format!("{name} whole"), bytes.to_vec())];
    if let Some((_, cut)) = bytes.split_last() {
        texts.push((format!("{name} cut"), cut.to_vec()));
        texts.push((format!("{name} wrong"), [cut, b"!"].concat()));
    }
    for len in [8, 13, 24, 40, 100, 160, 256, 1000, 10_000, 200_000] {
        if len < bytes.len() {
            texts.push((format!("{name} first {len}"), bytes[..len].to_vec()));
            texts.push((format!("{name} first {len} and more"), [&bytes[..len], b"!"].concat()));
        }
    }
    let growing: Vec<u8> =
        (1..bytes.len().min(2000)).flat_map(|len| &bytes[..len]).copied().collect();
    texts.push((format!("{name} growing"), growing));
    let moving: Vec<u8> =
        bytes.windows(48.min(bytes.len())).take(5000).flatten().copied().collect();
    texts.push((format!("{name} moving"), moving));
    texts
}
