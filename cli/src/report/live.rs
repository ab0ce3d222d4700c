//! The live view of a terminal: what is done stays as lines, what goes on is redrawn below.
//!
//! Drawn about ten times a second at most, however fast the steps are. The redrawn part is never
//! higher than the screen and none of its lines wider, so that moving up finds its first line again.

use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use subrosa_engine::event::{RunEvent, StepPath, StepStatus};

use super::plain::{Lines, finish_words, name, retry_words, warning};
use super::summary::Tally;
use super::{View, words};
use crate::render::{Look, bold};
use crate::terminal;
use crate::text::{count, cut, elapsed as elapsed_words, shown, terminal_line};

const PERIOD: Duration = Duration::from_millis(100);
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// The view.
pub(super) struct Live {
    look: Look,
    tally: Tally,
    lines: Lines,
    /// In the order they started.
    running: Vec<Running>,
    steps: usize,
    done: usize,
    /// Lines for good that are not on the screen yet.
    fresh: String,
    /// Lines of the redrawn part that are on the screen.
    drawn: usize,
    turn: usize,
    cursor_hidden: bool,
    size: fn() -> (usize, usize),
}

struct Running {
    step: StepPath,
    since: Instant,
    note: String,
}

impl Live {
    /// An empty screen.
    pub(super) fn new(look: Look) -> Live {
        Live::sized(look, || {
            let size = terminal::size(std::io::stdout());
            size.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
        })
    }

    /// An empty screen whose columns and rows `size` tells.
    pub(super) fn sized(look: Look, size: fn() -> (usize, usize)) -> Live {
        Live {
            look,
            tally: Tally::default(),
            lines: Lines::default(),
            running: Vec::new(),
            steps: 0,
            done: 0,
            fresh: String::new(),
            drawn: 0,
            turn: 0,
            cursor_hidden: false,
            size,
        }
    }

    fn say(&mut self, line: &str) {
        self.fresh.push_str(line);
        self.fresh.push('\n');
    }

    fn finish(&mut self, step: &StepPath, status: StepStatus, words: &str) {
        self.flush_lines(step);
        self.running.retain(|running| running.step != *step);
        // Steps of called workflows are not part of the total that is known.
        self.done += 1;
        let sign = words::painted(status, self.look);
        self.say(&format!(
            "{sign} {}  {}",
            name(step),
            self.look.paint(Style::new().dimmed(), words)
        ));
    }

    fn flush_lines(&mut self, step: &StepPath) {
        let (look, fresh) = (self.look, &mut self.fresh);
        self.lines.finish(step, |name, line| push_line(fresh, look, name, line));
    }

    /// The part that is redrawn: at most one line per running step, and one for the rest.
    fn region(&self, columns: usize, rows: usize) -> Vec<String> {
        let spinner = SPINNER[self.turn % SPINNER.len()];
        let room = rows.saturating_sub(2).max(1);
        let shown_steps = if self.running.len() > room { room - 1 } else { self.running.len() };
        let mut lines: Vec<String> = self.running[..shown_steps]
            .iter()
            .map(|running| {
                let elapsed = running.since.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
                let text =
                    format!("{}  {}{}", name(&running.step), elapsed_words(elapsed), running.note);
                let sign = self.look.paint(bold(AnsiColor::Cyan), spinner);
                format!("{sign} {}", cut(&text, columns.saturating_sub(3)))
            })
            .collect();
        if shown_steps < self.running.len() {
            lines.push(format!("  and {} more", self.running.len() - shown_steps));
        }
        if !self.running.is_empty() {
            let of =
                if self.done <= self.steps { format!(" of {}", self.steps) } else { String::new() };
            let text = cut(&format!("  {}{of} done", self.done), columns.saturating_sub(1));
            lines.push(self.look.paint(Style::new().dimmed(), &text));
        }
        lines
    }

    fn draw(&mut self, screen: &mut Vec<u8>, region: &[String]) {
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        if self.drawn > 0 || !region.is_empty() {
            text.push_str("\r\x1b[J");
        }
        text.push_str(&std::mem::take(&mut self.fresh));
        for line in region {
            text.push_str(line);
            text.push('\n');
        }
        self.drawn = region.len();
        screen.extend_from_slice(text.as_bytes());
    }
}

fn push_line(fresh: &mut String, look: Look, name: &str, line: &[u8]) {
    let name = look.paint(bold(AnsiColor::Blue), name);
    // A colour that the step forgot to end must not run into our own lines.
    let end = if line.contains(&0x1b) { "\x1b[0m" } else { "" };
    fresh.push_str(&format!("{name} │ {}{end}\n", terminal_line(line)));
}

impl View for Live {
    fn event(&mut self, event: &RunEvent, _: &mut Vec<u8>) {
        self.tally.event(event);
        match event {
            RunEvent::RunStarted { run, workflow, environment, steps, secrets, .. } => {
                self.steps = *steps;
                let workflow = self.look.paint(Style::new().bold(), &shown(workflow.as_str()));
                let (steps, secrets) = (count(*steps, "step"), count(secrets.len(), "secret"));
                let environment = words::environment(environment.as_ref());
                self.say(&format!("{workflow}  run {run}{environment}, {steps}, {secrets}"));
            }
            RunEvent::StepStarted { step, attempt, .. } => {
                self.running.retain(|running| running.step != *step);
                let note =
                    if *attempt > 1 { format!("  attempt {attempt}") } else { String::new() };
                self.running.push(Running { step: step.clone(), since: Instant::now(), note });
            }
            RunEvent::StepOutput { step, stream, data, .. } => {
                let (look, fresh) = (self.look, &mut self.fresh);
                self.lines.push(step, *stream, data.as_bytes(), |name, line| {
                    push_line(fresh, look, name, line);
                });
            }
            RunEvent::StepRetrying { step, end, pause_ms, .. } => {
                self.flush_lines(step);
                let words = retry_words(end, *pause_ms);
                self.say(&format!("↻ {}  {words}", name(step)));
                self.running.retain(|running| running.step != *step);
            }
            RunEvent::StepFinished { step, status, end, duration_ms, .. } => {
                self.finish(step, *status, &finish_words(*status, end, *duration_ms));
            }
            RunEvent::Warning { step, message, .. } => {
                self.say(&warning(step.as_ref(), message.as_str()));
            }
            RunEvent::RunFinished { .. } => {}
        }
    }

    fn period(&self) -> Option<Duration> {
        Some(PERIOD)
    }

    fn frame(&mut self, screen: &mut Vec<u8>) {
        let (columns, rows) = (self.size)();
        let region = self.region(columns, rows);
        if !region.is_empty() && !self.cursor_hidden {
            self.cursor_hidden = true;
            terminal::note_hidden_cursor();
            screen.extend_from_slice(terminal::HIDE_CURSOR.as_bytes());
        }
        self.turn += 1;
        if !region.is_empty() || self.drawn > 0 || !self.fresh.is_empty() {
            self.draw(screen, &region);
        }
    }

    fn end(&mut self, screen: &mut Vec<u8>) {
        let summary = self.tally.summary(self.look);
        self.fresh.push_str(&summary);
        self.draw(screen, &[]);
        if self.cursor_hidden {
            terminal::note_shown_cursor();
            screen.extend_from_slice(terminal::SHOW_CURSOR.as_bytes());
        }
    }
}
