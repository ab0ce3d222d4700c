//! The last lines of a step's masked log.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use subrosa_engine::record;

use crate::logs;
use crate::text::terminal_line;

/// Bytes at the end of a log that are looked at.
const TAIL_LEN: u64 = 16 * 1024;

/// The last lines of a step's standard error, or of its standard output if that says nothing.
pub(super) fn of_step(run_dir: &Path, step: &str, lines_max: usize) -> Vec<String> {
    let files = logs::files_of_step(run_dir, step);
    let mut candidates = files.iter().rev();
    candidates
        .find_map(|file| {
            let tail = read_tail(&file.path).ok()?;
            let lines = last_lines(&tail, lines_max);
            (!lines.is_empty()).then_some(lines)
        })
        .unwrap_or_default()
}

fn read_tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = record::open(path)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(TAIL_LEN);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_LEN).read_to_end(&mut bytes)?;
    if start > 0 {
        // The first line is probably cut.
        let next = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.drain(..next);
    }
    Ok(bytes)
}

fn last_lines(bytes: &[u8], lines_max: usize) -> Vec<String> {
    let bytes = bytes.trim_ascii_end();
    if bytes.is_empty() {
        return Vec::new();
    }
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let first = lines.len().saturating_sub(lines_max);
    lines[first..].iter().map(|line| terminal_line(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines_are_kept() {
        assert_eq!(last_lines(b"a\nb\nc\n\n", 2), ["b", "c"]);
        assert_eq!(last_lines(b"a", 2), ["a"]);
        assert!(last_lines(b"\n \n", 2).is_empty());
    }
}
