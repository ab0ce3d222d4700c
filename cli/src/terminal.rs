//! The user's terminal: its size, its modes, and giving it back as it was.
//!
//! Whatever changes the terminal registers here first, so that [`restore`] mends it from the normal
//! end and from the panic hook alike.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, Winsize, tcgetattr, tcgetwinsize,
    tcsetattr,
};

use crate::out;

/// Shows the cursor again.
pub(crate) const SHOW_CURSOR: &str = "\x1b[?25h";
/// Hides the cursor.
pub(crate) const HIDE_CURSOR: &str = "\x1b[?25l";

/// The control character that no key has.
const DISABLED: u8 = 0;

static SAVED_MODES: Mutex<Option<Termios>> = Mutex::new(None);
/// As above, for the controlling terminal while something is typed that nobody may see.
static HIDDEN: Mutex<Option<(File, Termios)>> = Mutex::new(None);
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

/// Opens the controlling terminal, wherever the three streams go; fails if there is none.
pub(crate) fn controlling() -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/dev/tty", flags, Mode::empty())?.into())
}

/// Since when keys may have been typed that nobody has read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// The last question, or the start.
    LastQuestion,
    /// The program was stopped, and whoever stopped it may have changed the modes.
    Stop,
}

/// Shows nothing of what is typed on `device` from now on and hands it over key by key, for
/// [`restore`] to undo. What was typed before is dropped if it was shown.
///
/// Not by lines: the system cuts these at 4096 bytes without a word. Ctrl-C and its like work;
/// stopping (Ctrl-Z) does not, as nobody can say what the modes are when the program goes on.
pub(crate) fn enter_hidden_mode(device: &File, since: Since) -> io::Result<()> {
    let mut hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (modes, was_shown) = match hidden.take() {
        Some((_, modes)) => (modes, since == Since::Stop),
        None => (tcgetattr(device)?, true),
    };
    let mut silent = modes.clone();
    silent.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON;
    silent.local_modes |= LocalModes::ISIG;
    silent.special_codes[SpecialCodeIndex::VMIN] = 1;
    silent.special_codes[SpecialCodeIndex::VTIME] = 0;
    silent.special_codes[SpecialCodeIndex::VSUSP] = DISABLED;
    *hidden = Some((device.try_clone()?, modes));
    let actions = if was_shown { OptionalActions::Flush } else { OptionalActions::Now };
    tcsetattr(device, actions, &silent)?;
    Ok(())
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
    if let Ok(Some((device, modes))) = HIDDEN.try_lock().map(|mut hidden| hidden.take()) {
        // What was typed and not read is dropped: the shell would show it.
        tcsetattr(device, OptionalActions::Flush, &modes).ok();
    }
    if CURSOR_HIDDEN.swap(false, Ordering::Relaxed) {
        out::stdout(SHOW_CURSOR).ok();
    }
}
