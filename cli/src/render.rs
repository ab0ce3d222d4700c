//! Diagnostics as text with carets, or as JSON.
//!
//! What is shown of a line went through three steps, in this order: spans that must not be shown are
//! blanked, known values are masked, and only then is it laid out and cut to the width of the screen;
//! cutting first could leave half a value that no mask recognises.

use std::ops::Range;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use subrosa_engine::diagnostic::{Diagnostic, Label, Severity};
use subrosa_engine::source::{SourceFile, Span};
use subrosa_masker::MaskSet;
use unicode_width::UnicodeWidthChar;

use crate::text::{push_shown, shown, width};

/// What stands in place of a private span.
const BLANK: &str = "•••";
/// The place of what was named in an argument.
pub(crate) const COMMAND_LINE: &str = "<command line>";
/// Columns between tab stops.
const TAB: usize = 4;

/// How to write: with colours or not, and how wide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Colours are wanted.
    pub(crate) colour: bool,
    /// Columns of the screen.
    pub(crate) width: usize,
}

impl Look {
    /// No colours, a usual width.
    pub(crate) const PLAIN: Look = Look { colour: false, width: 100 };

    /// `text` in a style, if colours are wanted.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// Bold in a colour.
pub(crate) fn bold(colour: AnsiColor) -> Style {
    colour.on_default().bold()
}

/// Where excerpts come from, and what must not be in them.
#[derive(Clone, Copy)]
pub(crate) struct Excerpts<'a> {
    file: &'a SourceFile,
    private: &'a [Span],
    masks: Option<&'a MaskSet>,
    /// Where the file's own text ends, if lines of the command line were added to it.
    file_end: usize,
}

impl<'a> Excerpts<'a> {
    /// Excerpts that may show everything in `file`.
    pub(crate) fn new(file: &'a SourceFile) -> Excerpts<'a> {
        Excerpts { file, private: &[], masks: None, file_end: usize::MAX }
    }

    /// Blanks these spans.
    #[must_use]
    pub(crate) fn private(self, private: &'a [Span]) -> Excerpts<'a> {
        Excerpts { private, ..self }
    }

    /// What stands from here on was added from the command line.
    #[must_use]
    pub(crate) fn file_end(self, file_end: usize) -> Excerpts<'a> {
        Excerpts { file_end, ..self }
    }

    /// Masks everything that is shown.
    #[must_use]
    pub(crate) fn masks(self, masks: &'a MaskSet) -> Excerpts<'a> {
        Excerpts { masks: Some(masks), ..self }
    }

    /// One diagnostic as text, with an empty line after it.
    pub(crate) fn render(&self, diagnostic: &Diagnostic, look: Look) -> String {
        let plain = self.layout(diagnostic, Look { colour: false, ..look });
        let masked = self.mask(&plain);
        // Colour codes could hide a value from the masks, or be taken for one.
        if masked == plain && look.colour { self.layout(diagnostic, look) } else { masked }
    }

    fn mask(&self, text: &str) -> String {
        match self.masks {
            Some(masks) => masks.mask_text(text).as_str().to_owned(),
            None => text.to_owned(),
        }
    }

    fn say(&self, text: &str) -> String {
        shown(&self.mask(text))
    }

    fn layout(&self, diagnostic: &Diagnostic, look: Look) -> String {
        let (word, colour) = match diagnostic.severity {
            Severity::Error => ("error", AnsiColor::Red),
            Severity::Warning => ("warning", AnsiColor::Yellow),
        };
        let head = format!("{word}[{}]", diagnostic.code);
        let mut text = format!(
            "{}: {}\n",
            look.paint(bold(colour), &head),
            look.paint(Style::new().bold(), &self.say(&diagnostic.message))
        );
        let gutter = Gutter::for_labels(self.file, &diagnostic.labels, look);
        let place = self.place(diagnostic.labels.first());
        text.push_str(&gutter.arrow(&place));
        self.push_excerpt(&mut text, diagnostic, &gutter, colour);
        for line in diagnostic.help.iter().flat_map(|help| help.lines()) {
            text.push_str(&gutter.note("help", &self.say(line)));
        }
        text.push('\n');
        text
    }

    fn place(&self, label: Option<&Label>) -> String {
        let path = self.say(&self.file.path().display().to_string());
        match label {
            Some(label) if label.span.start >= self.file_end => COMMAND_LINE.to_owned(),
            Some(label) => {
                let at = self.file.position(label.span.start);
                format!("{path}:{}:{}", at.line, at.column)
            }
            None => path,
        }
    }

    fn push_excerpt(
        &self,
        text: &mut String,
        diagnostic: &Diagnostic,
        gutter: &Gutter,
        colour: AnsiColor,
    ) {
        let Some(primary) = diagnostic.labels.first() else { return };
        let mut labels: Vec<&Label> = diagnostic.labels.iter().collect();
        labels.sort_by_key(|label| label.span.start);
        text.push_str(&gutter.empty());
        let mut before = None;
        for label in labels {
            let line = self.file.position(label.span.start).line;
            let excerpt = self.excerpt(line, label.span).fitted(gutter.room());
            if before != Some(line) {
                if before.is_some_and(|before| line > before + 1) {
                    text.push_str(&gutter.gap());
                }
                let number = (label.span.start < self.file_end).then_some(line);
                text.push_str(&gutter.line(number, &excerpt.text));
            }
            before = Some(line);
            let (caret, style) = match std::ptr::eq(label, primary) {
                true => ("^", bold(colour)),
                false => ("-", bold(AnsiColor::Blue)),
            };
            let carets = format!("{} {}", caret.repeat(excerpt.caret.len()), self.say(&label.text));
            let pad = " ".repeat(excerpt.caret.start);
            text.push_str(&gutter.marks(&pad, &gutter.look.paint(style, carets.trim_end())));
        }
    }

    /// A line with the part of `span` that lies in it.
    fn excerpt(&self, line: usize, span: Span) -> Excerpt {
        let text = self.file.line(line);
        // Where the line starts: as far before the span as its column says.
        let column = self.file.position(span.start).column;
        let before: usize = text.chars().take(column - 1).map(char::len_utf8).sum();
        let line_start = span.start.saturating_sub(before);
        let marked = before..(span.end.max(span.start) - line_start).clamp(before, text.len());
        let (text, marked) = blank(text, marked, line_start, self.private);
        let (text, marked) = match self.masks {
            Some(masks) => masked_line(&text, marked, masks.mask_text(&text).as_str()),
            None => (text, marked),
        };
        Excerpt::layout(&text, &marked)
    }
}

/// Replaces the private parts of a line and moves the marked range along.
fn blank(
    line: &str,
    marked: Range<usize>,
    line_start: usize,
    private: &[Span],
) -> (String, Range<usize>) {
    let private = in_line(line_start..line_start + line.len(), private);
    let hidden = |at: usize| {
        let next = private.partition_point(|span| span.end <= at);
        private.get(next).is_some_and(|span| span.start <= at)
    };
    let mut text = String::with_capacity(line.len());
    let mut moved = None..None;
    let mut in_blank = false;
    for (at, character) in line.char_indices() {
        let is_hidden = hidden(line_start + at);
        if at >= marked.start && moved.start.is_none() {
            // Inside a blank, the mark covers the blank.
            moved.start =
                Some(if is_hidden && in_blank { text.len() - BLANK.len() } else { text.len() });
        }
        if at >= marked.end && moved.end.is_none() {
            moved.end = Some(text.len());
        }
        match (is_hidden, in_blank) {
            (true, false) => text.push_str(BLANK),
            (true, true) => {}
            (false, _) => text.push(character),
        }
        in_blank = is_hidden;
    }
    let start = moved.start.unwrap_or(text.len());
    let end = moved.end.unwrap_or(text.len()).max(start);
    (text, start..end)
}

/// The private parts of a line in order, those that touch as one: a line can have thousands of them, one
/// inside the other.
fn in_line(line: Range<usize>, private: &[Span]) -> Vec<Range<usize>> {
    let touches = |span: &&Span| span.start < line.end && span.end > line.start;
    let mut parts: Vec<Range<usize>> =
        private.iter().filter(touches).map(|span| span.start..span.end).collect();
    parts.sort_unstable_by_key(|part| part.start);
    parts.dedup_by(|next, before| {
        let is_joined = next.start <= before.end;
        if is_joined {
            before.end = before.end.max(next.end);
        }
        is_joined
    });
    parts
}

/// Moves a marked range from a line to its masked form: parts before and after what was masked keep
/// their place, a mark that touches it covers all of it.
fn masked_line(line: &str, marked: Range<usize>, masked: &str) -> (String, Range<usize>) {
    let same = |(a, b): &(char, char)| a == b;
    let length = |(a, _): (char, char)| a.len_utf8();
    let head: usize = line.chars().zip(masked.chars()).take_while(same).map(length).sum();
    let rest = (&line[head..], &masked[head..]);
    let tail: usize =
        rest.0.chars().rev().zip(rest.1.chars().rev()).take_while(same).map(length).sum();
    let moved = if marked.end <= head {
        marked
    } else if marked.start >= line.len() - tail {
        let shift = |at: usize| masked.len() - (line.len() - at);
        shift(marked.start)..shift(marked.end)
    } else {
        head..masked.len() - tail
    };
    (masked.to_owned(), moved)
}

/// A line as it is shown, and the columns that the carets take.
struct Excerpt {
    text: String,
    caret: Range<usize>,
}

impl Excerpt {
    fn layout(line: &str, marked: &Range<usize>) -> Excerpt {
        let mut text = String::with_capacity(line.len());
        let mut caret = None..None;
        let mut column = 0;
        for (at, character) in line.char_indices() {
            if at >= marked.start {
                caret.start.get_or_insert(column);
            }
            if at >= marked.end {
                caret.end.get_or_insert(column);
            }
            if character == '\t' {
                let spaces = TAB - column % TAB;
                text.push_str(&" ".repeat(spaces));
                column += spaces;
            } else {
                let before = text.len();
                push_shown(&mut text, character);
                column += width(&text[before..]);
            }
        }
        let start = caret.start.unwrap_or(column);
        // One caret at least: a missing thing is also at a place.
        let end = caret.end.unwrap_or(column).max(start + 1);
        Excerpt { text, caret: start..end }
    }

    /// Cut to `room` columns around the caret.
    fn fitted(self, room: usize) -> Excerpt {
        if width(&self.text) <= room {
            return self;
        }
        // A third of the room shows what is before the caret, if that must be cut.
        let first =
            if self.caret.start + room / 3 < room { 0 } else { self.caret.start - room / 3 };
        let mut text = String::new();
        let mut column = 0;
        let mut shift = None;
        if first > 0 {
            text.push('…');
        }
        for character in self.text.chars() {
            let columns = character.width().unwrap_or(0);
            if column >= first {
                shift.get_or_insert(column - usize::from(first > 0));
                if width(&text) + columns >= room {
                    text.push('…');
                    break;
                }
                text.push(character);
            }
            column += columns;
        }
        let shift = shift.unwrap_or(0);
        let start = self.caret.start.saturating_sub(shift).min(room);
        let end = self.caret.end.saturating_sub(shift).clamp(start + 1, room.max(start + 1));
        Excerpt { text, caret: start..end }
    }
}

/// The column of line numbers.
struct Gutter {
    digits: usize,
    look: Look,
}

impl Gutter {
    fn for_labels(file: &SourceFile, labels: &[Label], look: Look) -> Gutter {
        let last = labels.iter().map(|label| file.position(label.span.start).line).max();
        Gutter { digits: last.unwrap_or(1).to_string().len(), look }
    }

    /// Columns left for the line itself; never less than makes sense.
    fn room(&self) -> usize {
        self.look.width.saturating_sub(self.digits + 3).max(20)
    }

    fn rule(&self, text: &str) -> String {
        self.look.paint(bold(AnsiColor::Blue), text)
    }

    fn arrow(&self, place: &str) -> String {
        format!("{:1$}{2} {place}\n", "", self.digits, self.rule("-->"))
    }

    fn empty(&self) -> String {
        format!("{}\n", self.rule(&format!("{:1$} |", "", self.digits)))
    }

    fn gap(&self) -> String {
        format!("{}\n", self.rule("..."))
    }

    fn line(&self, number: Option<usize>, text: &str) -> String {
        let number = number.map_or_else(String::new, |number| number.to_string());
        let head = self.rule(&format!("{number:>0$} |", self.digits));
        format!("{}\n", format!("{head} {text}").trim_end())
    }

    fn marks(&self, pad: &str, carets: &str) -> String {
        format!("{} {pad}{carets}\n", self.rule(&format!("{:1$} |", "", self.digits)))
    }

    fn note(&self, kind: &str, text: &str) -> String {
        let kind = self.look.paint(bold(AnsiColor::Cyan), kind);
        format!("{:1$} {2} {kind}: {text}\n", "", self.digits, self.rule("="))
    }
}

/// The JSON form of one file's diagnostics.
#[derive(Serialize)]
pub(crate) struct JsonFile<'a> {
    file: String,
    diagnostics: Vec<JsonDiagnostic<'a>>,
}

#[derive(Serialize)]
struct JsonDiagnostic<'a> {
    code: &'a str,
    severity: &'a str,
    message: &'a str,
    #[serde(flatten)]
    place: Option<JsonPlace>,
    labels: Vec<JsonLabel<'a>>,
    help: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonPlace {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
struct JsonLabel<'a> {
    #[serde(flatten)]
    place: JsonPlace,
    text: &'a str,
}

/// Diagnostics as plain data: lines and columns count from 1, ends are one past the last character.
pub(crate) fn json<'a>(file: &SourceFile, diagnostics: &'a [Diagnostic]) -> JsonFile<'a> {
    let place = |span: Span| {
        let (start, end) = (file.position(span.start), file.position(span.end));
        JsonPlace {
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
        }
    };
    let diagnostics = diagnostics
        .iter()
        .map(|diagnostic| JsonDiagnostic {
            code: diagnostic.code,
            severity: diagnostic.severity.as_str(),
            message: &diagnostic.message,
            place: diagnostic.labels.first().map(|label| place(label.span)),
            labels: diagnostic
                .labels
                .iter()
                .map(|label| JsonLabel { place: place(label.span), text: &label.text })
                .collect(),
            help: diagnostic.help.as_deref(),
        })
        .collect();
    JsonFile { file: file.path().display().to_string(), diagnostics }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
