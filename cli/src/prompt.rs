//! Asking a person on the controlling terminal, wherever the three streams go.
//!
//! What is typed for [`hidden`] and [`Hiding`] is never shown and lies in buffers that wipe themselves. The terminal is
//! as it was on every way out, signals included; a signal ends the question with its exit code.

use std::fs::File;
use std::io::{self, BufRead as _, Write as _};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::load;
use crate::signals::{CONT, STOPPING, Signals};
use crate::terminal::{self, Since};
use crate::text;

/// Longest answer that can be typed, with room to tell that it was longer.
pub(crate) const ANSWER_LEN_MAX: usize = 64 * 1024;

/// Backspace, in both its codes.
const ERASE: [u8; 2] = [0x08, 0x7f];
/// Ctrl-U, which takes back the whole line.
const KILL: u8 = 0x15;
/// Ctrl-D, the end of all input.
const END: u8 = 0x04;

/// The signal that ended a question; 0 if none did. A question can come up deep below a command, where
/// errors have no room for it.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// The exit code if a signal has ended a question.
pub(crate) fn ended() -> Option<Exit> {
    match SIGNAL.load(Ordering::Relaxed) {
        0 => None,
        number => Some(Exit::signal(number)),
    }
}

/// Asks for something that nobody may see; an empty answer is one.
pub(crate) fn hidden(question: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Hiding::default().ask(question)
}

/// While it lives, nothing that is typed is shown once its first question was asked: also not what is
/// typed before the next one comes up, which that one takes as its answer. The last of several gives the
/// terminal back.
pub(crate) struct Hiding(());

/// How many [`Hiding`] there are.
static HIDING: AtomicUsize = AtomicUsize::new(0);

impl Default for Hiding {
    fn default() -> Hiding {
        HIDING.fetch_add(1, Ordering::SeqCst);
        Hiding(())
    }
}

impl Hiding {
    /// Asks for something that nobody may see; an empty answer is one.
    pub(crate) fn ask(&self, question: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let device = open()?;
        let asked = ask(&device, question, terminal::enter_hidden_mode, read_line);
        // The newline that was typed was not shown either.
        (&device).write_all(b"\n").ok();
        asked
    }

    /// Asks for a line that everybody may see; it is shown as it is taken, and not as it is typed: what
    /// is typed ahead may be for a later question that nobody may see.
    pub(crate) fn line(&self, question: &str) -> Result<String, Failure> {
        let device = open()?;
        let asked = ask(&device, question, terminal::enter_hidden_mode, read_echoed);
        (&device).write_all(b"\n").ok();
        Ok(String::from_utf8_lossy(&asked?).into_owned())
    }
}

impl Drop for Hiding {
    fn drop(&mut self) {
        if HIDING.fetch_sub(1, Ordering::SeqCst) == 1 {
            terminal::restore();
        }
    }
}

/// Asks for something that everybody may see.
pub(crate) fn shown(device: &File, question: &str) -> Result<String, Failure> {
    // A hidden question that came before has left us deaf to signals that nobody listens for.
    let answer = ask(device, question, |_, _| Ok(()), read_shown)?;
    Ok(String::from_utf8_lossy(&answer).trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks for a line that everybody may see; an empty one is an answer, the end of all input is none.
pub(crate) fn line(device: &File, question: &str) -> Result<String, Failure> {
    let answer = ask(device, question, |_, _| Ok(()), read_shown)?;
    match answer.strip_suffix(b"\n") {
        Some(line) => Ok(String::from_utf8_lossy(line).trim_end_matches('\r').to_owned()),
        None => Err(Failure::usage("no answer was given")),
    }
}

/// The controlling terminal.
pub(crate) fn open() -> Result<File, Failure> {
    terminal::controlling()
        .map_err(|error| Failure::usage(format!("there is no terminal to ask on: {error}")))
}

fn broken(error: io::Error) -> Failure {
    Failure::engine(format!("the terminal cannot be used: {error}"))
}

/// Asks on a terminal that `enter` makes ready, now and after a stop, and has `read` take the answer.
fn ask(
    device: &File,
    question: &str,
    enter: fn(&File, Since) -> io::Result<()>,
    read: fn(&File) -> Answer,
) -> Answer {
    let runtime = load::runtime()?;
    let answer = runtime.block_on(async {
        // Before the modes are changed: from here on a signal no longer ends us as we are.
        let mut signals = Signals::listen(STOPPING)?;
        signals.also(CONT)?;
        enter(device, Since::LastQuestion).map_err(broken)?;
        let mut writer = device;
        writer.write_all(question.as_bytes()).map_err(broken)?;
        let mut answer = read_aside(device.try_clone().map_err(broken)?, read)?;
        loop {
            tokio::select! {
                read = &mut answer => {
                    return read.map_err(|_| broken(io::ErrorKind::UnexpectedEof.into()))?;
                }
                number = signals.next() => match number {
                    // Whoever stopped us may have changed the modes since.
                    CONT => enter(device, Since::Stop).map_err(broken)?,
                    _ => {
                        SIGNAL.store(number, Ordering::Relaxed);
                        return Err(Failure::Told(Exit::signal(number)));
                    }
                },
            }
        }
    });
    runtime.shutdown_background();
    answer
}

type Answer = Result<Zeroizing<Vec<u8>>, Failure>;

/// Reads in a thread of its own, which is left behind if a signal comes first.
fn read_aside(
    device: File,
    read: fn(&File) -> Answer,
) -> Result<oneshot::Receiver<Answer>, Failure> {
    let (sender, receiver) = oneshot::channel();
    let reading = move || {
        // Nobody waits for it any more after a signal.
        sender.send(read(&device)).ok();
    };
    std::thread::Builder::new()
        .spawn(reading)
        .map_err(|error| Failure::engine(format!("cannot start a thread: {error}")))?;
    Ok(receiver)
}

/// Reads a line that the system lets be mended and shows.
fn read_shown(device: &File) -> Answer {
    let mut line = Zeroizing::new(Vec::new());
    io::BufReader::new(device).read_until(b'\n', &mut line).map_err(broken)?;
    Ok(line)
}

fn read_line(device: &File) -> Answer {
    read_keys(device, |_, _| Ok(()))
}

/// Reads a line that is shown by us, key by key.
fn read_echoed(device: &File) -> Answer {
    read_keys(device, |line, key| {
        let mut writer = device;
        writer.write_all(&echo(line, key))
    })
}

/// What shows that a key was pressed at the end of a line.
fn echo(line: &[u8], key: u8) -> Vec<u8> {
    let gone = match key {
        KILL => line,
        key if ERASE.contains(&key) => {
            let start = line.iter().rposition(|byte| byte & 0xc0 != 0x80).unwrap_or(0);
            &line[start..]
        }
        // An escape sequence would be carried out.
        key if key.is_ascii_control() || line.len() > ANSWER_LEN_MAX => return Vec::new(),
        key => return vec![key],
    };
    let plain: String = String::from_utf8_lossy(gone).chars().filter(|c| !c.is_control()).collect();
    b"\x08 \x08".repeat(text::width(&plain))
}

/// Reads keys until the line ends; `show` gets each, and the line before it.
fn read_keys(device: &File, show: impl Fn(&[u8], u8) -> io::Result<()>) -> Answer {
    let mut line = Zeroizing::new(Vec::with_capacity(ANSWER_LEN_MAX + 1));
    // One by one: what comes after the end of the line is for the next question.
    let mut key = Zeroizing::new([0; 1]);
    loop {
        let read = rustix::io::retry_on_intr(|| rustix::io::read(device.as_fd(), &mut key[..]));
        if read.map_err(|errno| broken(errno.into()))? == 0 {
            return Err(Failure::usage("the terminal gave no value"));
        }
        show(&line, key[0]).map_err(broken)?;
        match press(&mut line, key[0]) {
            Pressed::More => {}
            Pressed::Done => return Ok(line),
            Pressed::Cancelled => return Err(Failure::usage("no value was given")),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Pressed {
    More,
    Done,
    Cancelled,
}

/// What a key does to the line. The line keeps its place in memory: it has room for all it can hold.
fn press(line: &mut Vec<u8>, key: u8) -> Pressed {
    match key {
        b'\r' | b'\n' => return Pressed::Done,
        END if line.is_empty() => return Pressed::Cancelled,
        END => return Pressed::Done,
        KILL => line.clear(),
        key if ERASE.contains(&key) => {
            // A character goes as a whole.
            while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
        }
        // One more than can be stored, so that the answer is refused and not cut.
        key if line.len() <= ANSWER_LEN_MAX => line.push(key),
        _ => {}
    }
    Pressed::More
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_LEN_MAX, Pressed, echo, press};

    fn typed(keys: &[u8]) -> (Vec<u8>, Pressed) {
        let mut line = Vec::new();
        let mut pressed = Pressed::More;
        for key in keys {
            pressed = press(&mut line, *key);
        }
        (line, pressed)
    }

    #[test]
    fn a_line_can_be_mended_while_it_is_typed() {
        let check = |keys: &[u8], line: &[u8]| {
            assert_eq!(typed(keys), (line.to_vec(), Pressed::Done), "{keys:?}");
        };
        check(b"hunter2\r", b"hunter2");
        check(b"hunter3\x7f2\n", b"hunter2");
        check("pä\u{8}\u{8}x\n".as_bytes(), b"x");
        check("漢\u{7f}x\n".as_bytes(), b"x");
        check(b"\x7f\x7f\n", b"");
        check(b"wrong\x15right\n", b"right");
        check(b"end\x04", b"end");
        check(b"a\tb c\n", b"a\tb c");
        assert_eq!(typed(b"\x04").1, Pressed::Cancelled);
    }

    #[test]
    fn what_is_shown_of_a_key_is_what_it_does() {
        let check = |line: &str, key: u8, expected: &str| {
            assert_eq!(echo(line.as_bytes(), key), expected.as_bytes(), "{line} {key}");
        };
        check("ab", b'c', "c");
        check("ab", 0x7f, "\x08 \x08");
        check("a漢", 0x7f, "\x08 \x08\x08 \x08");
        check("abc", 0x15, "\x08 \x08\x08 \x08\x08 \x08");
        check("", 0x7f, "");
        check("a", 0x1b, "");
        check("a", b'\r', "");
    }

    #[test]
    fn a_line_that_is_too_long_is_not_cut_to_one_that_is_not() {
        let mut keys = vec![b'x'; ANSWER_LEN_MAX + 100];
        assert_eq!(typed(&keys).0.len(), ANSWER_LEN_MAX + 1);
        keys.truncate(ANSWER_LEN_MAX);
        assert_eq!(typed(&keys).0.len(), ANSWER_LEN_MAX);
    }
}
