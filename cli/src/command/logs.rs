//! `logs`: the masked output of steps, as it is in the record.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use subrosa_engine::event::whole_characters;
use subrosa_engine::record;

use crate::args::LogsArgs;
use crate::failure::{Exit, Failure};
use crate::logs::{self, LogFile};
use crate::text::{shown, terminal_line};
use crate::wiring::World;
use crate::{out, records};

/// Between two looks at a log that may grow.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes that are read at once.
const CHUNK_LEN: u64 = 64 * 1024;

/// Shows logs, until the run ends if they are followed.
pub(crate) fn logs(args: &LogsArgs, world: &World) -> Result<Exit, Failure> {
    let run = records::find(&world.data_dir()?, Some(&args.run))?;
    if let Some(step) = &args.step {
        known_step(step, &run.dir)?;
    }
    let mut tails = Tails { to_terminal: io::stdout().is_terminal(), ..Tails::default() };
    loop {
        // Asked before the files are read: what was written until then will be seen.
        let run = records::load(&run.dir)?;
        let goes_on = args.follow && run.record.status == "running" && run.alive;
        let files = chosen(args, logs::files(&run.dir));
        tails.with_headers |= files.len() > 1;
        for file in &files {
            tails.show(file, goes_on)?;
        }
        if !goes_on {
            return Ok(Exit::OK);
        }
        std::thread::sleep(PAUSE);
    }
}

fn known_step(step: &str, run_dir: &Path) -> Result<(), Failure> {
    let names = logs::steps(run_dir);
    if names.iter().any(|name| name == step) {
        return Ok(());
    }
    Err(Failure::usage(format!("no step `{step}` in the run"))
        .help(format!("its steps are: {}", names.join(", "))))
}

fn chosen(args: &LogsArgs, mut files: Vec<LogFile>) -> Vec<LogFile> {
    files.retain(|file| {
        args.step.as_ref().is_none_or(|step| file.step == *step)
            && !(args.stdout && file.stream == "stderr")
            && !(args.stderr && file.stream == "stdout")
    });
    files
}

/// How far each file was shown.
#[derive(Default)]
struct Tails {
    shown: HashMap<PathBuf, u64>,
    /// The file that the last line was from.
    current: Option<PathBuf>,
    with_headers: bool,
    to_terminal: bool,
}

impl Tails {
    fn show(&mut self, log: &LogFile, goes_on: bool) -> Result<(), Failure> {
        let mut position = self.shown.get(&log.path).copied().unwrap_or(0);
        let Ok(mut file) = record::open(&log.path) else {
            // Not written yet, or removed since.
            return Ok(());
        };
        let unreadable =
            |error| Failure::engine(format!("cannot read `{}`: {error}", log.path.display()));
        loop {
            let mut chunk = Vec::new();
            file.seek(SeekFrom::Start(position)).map_err(unreadable)?;
            (&file).take(CHUNK_LEN).read_to_end(&mut chunk).map_err(unreadable)?;
            let is_end = (chunk.len() as u64) < CHUNK_LEN;
            if self.to_terminal && (goes_on || !is_end) {
                chunk.truncate(shown_len(&chunk));
            }
            if chunk.is_empty() {
                break;
            }
            position += chunk.len() as u64;
            self.header(log)?;
            out::stdout(if self.to_terminal { for_terminal(&chunk) } else { chunk })?;
        }
        self.shown.insert(log.path.clone(), position);
        Ok(())
    }

    fn header(&mut self, log: &LogFile) -> Result<(), Failure> {
        if !self.with_headers || self.current.as_ref() == Some(&log.path) {
            return Ok(());
        }
        let space = if self.current.is_some() { "\n" } else { "" };
        out::stdout(format!("{space}==> {} ({}) <==\n", shown(&log.step), log.stream))?;
        self.current = Some(log.path.clone());
        Ok(())
    }
}

/// Length of what means the same whatever comes after it: the rest may begin a character, a colour or the end
/// of a line, and is shown with what follows.
fn shown_len(chunk: &[u8]) -> usize {
    let whole = &chunk[..whole_characters(chunk)];
    let line_end = whole.iter().rev().take_while(|byte| **byte == b'\r').count();
    let mut shown = &whole[..whole.len() - line_end];
    let recent = shown.len().saturating_sub(COLOUR_LEN_MAX);
    if let Some(at) = shown[recent..].iter().rposition(|byte| *byte == b'\x1b')
        && begins_colour(&shown[recent + at..])
    {
        shown = &shown[..recent + at];
    }
    if shown.is_empty() && chunk.len() as u64 == CHUNK_LEN { chunk.len() } else { shown.len() }
}

fn begins_colour(bytes: &[u8]) -> bool {
    match bytes {
        [_, b'[', rest @ ..] => rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b';'),
        bytes => bytes.len() == 1,
    }
}

/// Longer than any colour.
const COLOUR_LEN_MAX: usize = 64;

/// Makes control commands visible; the ends of lines stay where they are.
fn for_terminal(chunk: &[u8]) -> Vec<u8> {
    let lines: Vec<String> = chunk.split(|byte| *byte == b'\n').map(terminal_line).collect();
    lines.join("\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_LEN, for_terminal, shown_len};

    #[test]
    fn what_is_shown_does_not_depend_on_where_it_was_cut() {
        let log =
            "é \u{1b}[1;31mred\u{1b}[0m 漢\r\n\u{1b}[2Jx\r\r\n \u{1b}\u{1b}[m \u{1b}7".as_bytes();
        for cut in 0..=log.len() {
            let (shown, rest) = log.split_at(shown_len(&log[..cut]));
            let seen = [for_terminal(shown), for_terminal(rest)].concat();
            assert!(seen == for_terminal(log), "cut at {cut}");
        }
    }

    #[test]
    fn what_waits_is_no_more_than_a_colour() {
        assert_eq!(shown_len(b"a\r\r"), 1);
        assert_eq!(shown_len(b"a\x1b[31"), 1);
        assert_eq!(shown_len(b"a\x1b[31mb"), 7);
        assert_eq!(shown_len(b"a\x1b7"), 3);
        assert_eq!(shown_len(format!("\x1b[{}", "1".repeat(100)).as_bytes()), 102);
        let whole = usize::try_from(CHUNK_LEN).unwrap();
        assert_eq!(shown_len(&vec![b'\r'; whole]), whole);
    }
}
