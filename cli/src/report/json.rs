//! Events as JSON lines, for programs.

use subrosa_engine::event::RunEvent;

use super::View;

/// Writes each event as it comes.
pub(super) struct Json;

impl View for Json {
    fn event(&mut self, event: &RunEvent, screen: &mut Vec<u8>) {
        serde_json::to_writer(&mut *screen, event)
            .expect("an event has string keys only, and a Vec takes every write");
        screen.push(b'\n');
    }

    fn end(&mut self, _: &mut Vec<u8>) {}
}
