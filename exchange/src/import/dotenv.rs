//! dotenv files, by the engine's own reader.
//!
//! `__` in a name parts segments, so that what was exported comes back: `PROD__DB_PASSWORD` is
//! `prod/db-password`. A name that is there twice is a problem here, although a run takes the later.

use subrosa_engine::dotenv;
use zeroize::Zeroizing;

use crate::import::Leaf;
use crate::problem::Problems;
use crate::source::Source;

pub(super) fn read(source: &Source<'_>, problems: &mut Problems<'_>) -> Vec<Leaf> {
    let pairs = match dotenv::parse(source.text) {
        Ok(pairs) => pairs,
        Err(errors) => {
            for error in errors {
                let cure = "mend this line; docs/import-export.md shows what a line may be";
                problems.add_line(error.line, error.message, cure);
            }
            return Vec::new();
        }
    };
    let leaf = |(name, pair): (String, dotenv::Pair)| {
        let at = source.start_of(pair.line);
        Leaf { names: segments(&name), at, value: plaintext(pair) }
    };
    pairs.into_iter().map(leaf).collect()
}

/// The parts between `__`; one at the beginning parts nothing.
fn segments(name: &str) -> Vec<String> {
    let leading = name.len() - name.trim_start_matches('_').len();
    let (leading, rest) = name.split_at(leading);
    let mut parts: Vec<String> = rest.split("__").map(str::to_owned).collect();
    if let Some(first) = parts.first_mut() {
        first.insert_str(0, leading);
    }
    parts
}

#[expect(clippy::disallowed_methods, reason = "the value moves into the leaf, which is wiped")]
fn plaintext(pair: dotenv::Pair) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(pair.into_value().expose().to_vec())
}
