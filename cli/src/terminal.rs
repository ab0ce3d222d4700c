//! The user's terminal: its size, its modes, and giving it back as it was.
//!
//! Whatever changes the terminal registers here first, so that [`restore`] mends it from the normal
//! end and from the panic hook alike.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr};

use crate::out;

/// Shows the cursor again.
pub(crate) const SHOW_CURSOR: &str = "\x1b[?25h";
/// Hides the cursor.
pub(crate) const HIDE_CURSOR: &str = "\x1b[?25l";

static SAVED_MODES: Mutex<Option<Termios>> = Mutex::new(None);
static CURSOR_HIDDEN: AtomicBool = AtomicBool::new(false);

/// Whether a stream is a terminal.
pub(crate) fn is_terminal(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
}

/// Size of the terminal behind a stream; nothing if there is none or it does not say.
pub(crate) fn size(stream: impl AsFd) -> Option<Winsize> {
    tcgetwinsize(stream).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0)
}

/// Sets the terminal of standard input to raw mode, for [`restore`] to undo, and gives its modes of
/// before.
pub(crate) fn enter_raw_mode() -> io::Result<Termios> {
    let modes = tcgetattr(io::stdin())?;
    if let Ok(mut saved) = SAVED_MODES.lock() {
        *saved = Some(modes.clone());
    }
    let mut raw = modes.clone();
    raw.make_raw();
    tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
    Ok(modes)
}

/// Notes that the cursor is about to be hidden.
pub(crate) fn note_hidden_cursor() {
    CURSOR_HIDDEN.store(true, Ordering::Relaxed);
}

/// Notes that the cursor is shown again.
pub(crate) fn note_shown_cursor() {
    CURSOR_HIDDEN.store(false, Ordering::Relaxed);
}

/// Gives the terminal back as it was; harmless if nothing was changed.
pub(crate) fn restore() {
    // `try_lock`: the panic that brought us here may have happened while the lock was held.
    if let Ok(Some(modes)) = SAVED_MODES.try_lock().map(|mut saved| saved.take()) {
        tcsetattr(io::stdin(), OptionalActions::Now, &modes).ok();
    }
    if CURSOR_HIDDEN.swap(false, Ordering::Relaxed) {
        out::stdout(SHOW_CURSOR).ok();
    }
}
