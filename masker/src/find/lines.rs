//! Probes the ends and beginnings of lines: a wrap inside a window leaves one of its grams there.

use super::{Finder, Pass};
use crate::grams::Grams;
use crate::wrap::{BLANKS_MAX, is_blank};

impl Finder<'_> {
    /// Probes where lines end and begin: a wrap inside a window leaves one of its grams there.
    pub(super) fn probe_lines(&mut self) {
        let newline = self.search.newline.take().filter(|&at| at >= self.view.held_start);
        if let Some(newline) = newline {
            self.probe_line_end(newline);
            self.probe_line_start(newline);
        }
        let (piece, begin) = (self.view.piece, self.view.piece_start());
        for at in memchr::memchr_iter(b'\n', piece) {
            let newline = begin + at as u64;
            let around = at.checked_sub(8).and_then(|start| piece.get(start..)?.first_chunk());
            match around {
                // Nearly every line is done with this: two probes in the piece itself, neither passing. An
                // empty line is no part of a form.
                Some(around) if around[7] != b'\r' && !is_blank(around[9]) => {
                    let is_empty = around[7] == b'\n' || around[9] == b'\n';
                    let mut all = self.masks.finders.grams.iter();
                    if !is_empty && all.any(|grams| grams.may_touch(around)) {
                        self.compare_beside(around, newline);
                    }
                }
                _ => {
                    self.probe_line_end(newline);
                    self.probe_line_start(newline);
                }
            }
        }
    }

    /// Asks for the grams beside the newline in the middle of `around`.
    #[cold]
    fn compare_beside(&mut self, around: &[u8; 17], newline: u64) {
        let masks = self.masks;
        for grams in &masks.finders.grams {
            let before = &around[8 - grams.gram_len()..8];
            if grams.knows(before) {
                self.compare_around(grams, before, newline - before.len() as u64, Pass::Line);
            }
            let after = &around[9..9 + grams.gram_len()];
            if grams.knows(after) {
                self.compare_around(grams, after, newline + 1, Pass::Line);
            }
        }
    }

    fn probe_line_end(&mut self, newline: u64) {
        let mut end = newline;
        // A short first line is out before its end is known: see the wraps.
        if end > self.view.held_start && self.view.byte(end - 1) == b'\r' {
            end -= 1;
        }
        for grams in &self.masks.finders.grams {
            if let Some(start) = end.checked_sub(grams.gram_len() as u64) {
                self.probe_one(grams, start);
            }
        }
    }

    fn probe_line_start(&mut self, newline: u64) {
        let mut start = newline + 1;
        let limit = self.view.end().min(start + u64::from(BLANKS_MAX));
        while start < limit && is_blank(self.view.byte(start)) {
            start += 1;
        }
        for grams in &self.masks.finders.grams {
            if start + grams.gram_len() as u64 <= self.view.end() {
                self.probe_one(grams, start);
            } else {
                self.search.newline = Some(newline);
            }
        }
    }

    /// Asks for the gram at `start`.
    fn probe_one(&mut self, grams: &Grams, start: u64) {
        if start < self.view.held_start {
            return;
        }
        let end = start + grams.gram_len() as u64;
        let [held, piece] = self.view.slices(start..end);
        if held.is_empty() {
            self.compare_around(grams, piece, start, Pass::Line);
        } else {
            let mut gram = zeroize::Zeroizing::new([0; 8]);
            let gram = self.copy(start..end, gram.as_mut_slice());
            self.compare_around(grams, gram, start, Pass::Line);
        }
    }
}
