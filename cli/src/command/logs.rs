//! `logs`: the masked output of steps, as it is in the record.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
            tails.show(file)?;
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
    fn show(&mut self, log: &LogFile) -> Result<(), Failure> {
        let from = self.shown.get(&log.path).copied().unwrap_or(0);
        let Ok(mut file) = record::open(&log.path) else {
            // Not written yet, or removed since.
            return Ok(());
        };
        let unreadable =
            |error| Failure::engine(format!("cannot read `{}`: {error}", log.path.display()));
        file.seek(SeekFrom::Start(from)).map_err(unreadable)?;
        let mut position = from;
        loop {
            let mut chunk = Vec::new();
            (&file).take(CHUNK_LEN).read_to_end(&mut chunk).map_err(unreadable)?;
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

/// Makes control commands visible; the ends of lines stay where they are.
fn for_terminal(chunk: &[u8]) -> Vec<u8> {
    let lines: Vec<String> = chunk.split(|byte| *byte == b'\n').map(terminal_line).collect();
    lines.join("\n").into_bytes()
}
