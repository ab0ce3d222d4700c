//! Where a step's output goes: always through the masks.
//!
//! A [`MaskedSink`] masks once and hands the result to every target (log, redirect, live view). Only
//! the engine makes sinks; an executor gets them ready and has nothing else to write to. [`Captured`]
//! is the one unmasked place: it stays in memory and is wiped.

mod slow;

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use subrosa_masker::{End, MaskSet, MaskWriter, Tally};
use zeroize::Zeroize;

use crate::event::{
    EventSink, MaskedBytes, RunEvent, StepPath, Stream, Timestamp, whole_characters,
};
use crate::host::Host;
use crate::late::MaskFile;
use crate::masks::Masks;
use crate::rundir::RunDir;
use crate::secret::SecretValue;

pub(crate) use slow::SlowTarget;

/// Masks a stream and writes it to all of its targets.
pub struct MaskedSink {
    writer: MaskWriter<Fanout>,
    masks: Arc<Masks>,
    set: Arc<MaskSet>,
    /// Where the source of the stream registers values to hide.
    late: Option<Arc<MaskFile>>,
}

impl MaskedSink {
    pub(crate) fn new(
        masks: Arc<Masks>,
        targets: Vec<Target>,
        tap: Option<Tap>,
        late: Option<Arc<MaskFile>>,
    ) -> MaskedSink {
        let set = masks.current();
        let fanout = Fanout { buffer: Vec::new(), targets, tap };
        MaskedSink { writer: MaskWriter::new(set.clone(), fanout), masks, set, late }
    }

    /// Masks a piece and hands on all of it that cannot belong to a secret any more. What its source
    /// registered before it wrote the piece is hidden in it.
    ///
    /// # Errors
    /// A target cannot be written, or what was registered cannot be read; nothing of the piece is shown
    /// then. The sink must not be used again.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(late) = &self.late {
            late.look().map_err(io::Error::other)?;
        }
        self.renew()?;
        self.writer.write_all(bytes)?;
        self.writer.get_mut().pass_on()
    }

    /// Whether a target did not take all of it yet.
    fn is_waiting(&mut self) -> bool {
        self.writer.get_mut().targets.iter().any(Target::is_waiting)
    }

    /// Waits until every target has taken what was written.
    async fn drained(&mut self) -> io::Result<()> {
        for target in &mut self.writer.get_mut().targets {
            if let Target::Slow(target) = target {
                target.drained().await?;
            }
        }
        Ok(())
    }

    /// Takes the newest masks.
    fn renew(&mut self) -> io::Result<()> {
        let newest = self.masks.current();
        if !Arc::ptr_eq(&newest, &self.set) {
            self.writer.set_masks(newest.clone())?;
            self.set = newest;
        }
        Ok(())
    }

    /// Hands on what was held back; says what was found in all of it, and which targets have not taken all. Of
    /// an output that was cut off, the beginning of a secret is masked.
    fn finish(mut self, end: StreamsEnd) -> io::Result<(Tally, Vec<SlowTarget>)> {
        self.renew()?;
        let end = match end {
            StreamsEnd::Whole => End::Whole,
            StreamsEnd::Cut => End::Cut,
        };
        let (mut fanout, tally) = self.writer.finish_counted(end)?;
        fanout.pass_on()?;
        if let Some(tap) = &mut fanout.tap {
            tap.end();
        }
        let slow = fanout.targets.into_iter().filter_map(|target| match target {
            Target::Slow(target) => target.is_waiting().then_some(target),
            Target::Open(_) | Target::Log(..) => None,
        });
        Ok((tally, slow.collect()))
    }
}

/// Where masked output goes.
pub(crate) enum Target {
    /// An open file.
    Open(File),
    /// A pipe or a device.
    Slow(SlowTarget),
    /// A file of the run's folder that is made with the first byte: many steps say nothing.
    Log(RunDir, PathBuf),
}

impl Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Target::Log(dir, path) = self {
            *self = Target::Open(dir.create_file(path)?);
        }
        match self {
            Target::Open(file) => file.write_all(bytes),
            Target::Slow(target) => {
                target.write(bytes);
                Ok(())
            }
            Target::Log(..) => Ok(()),
        }
    }

    fn is_waiting(&self) -> bool {
        match self {
            Target::Slow(target) => target.is_waiting(),
            Target::Open(_) | Target::Log(..) => false,
        }
    }
}

/// Sends masked output to whoever watches the run, in whole characters: an event is a text.
pub(crate) struct Tap {
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) host: Arc<Host>,
    pub(crate) step: StepPath,
    pub(crate) stream: Stream,
    /// The beginning of a character.
    pub(crate) begun: Vec<u8>,
}

impl Tap {
    fn send(&mut self, bytes: &[u8]) {
        let mut piece = std::mem::take(&mut self.begun);
        piece.extend_from_slice(bytes);
        self.begun = piece.split_off(whole_characters(&piece));
        self.emit(piece);
    }

    /// Sends what will not become a character any more.
    fn end(&mut self) {
        let rest = std::mem::take(&mut self.begun);
        self.emit(rest);
    }

    fn emit(&self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        self.events.emit(&RunEvent::StepOutput {
            time: Timestamp((self.host.clock)()),
            step: self.step.clone(),
            stream: self.stream,
            data: MaskedBytes::from_masked(bytes),
        });
    }
}

/// Collects masked pieces so that a chunk with many masks is still one write per target.
struct Fanout {
    buffer: Vec<u8>,
    targets: Vec<Target>,
    tap: Option<Tap>,
}

const BUFFER_LEN_MAX: usize = 64 * 1024;

impl Fanout {
    fn pass_on(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.send(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        result
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for target in &mut self.targets {
            target.write(bytes)?;
        }
        if let Some(tap) = &mut self.tap {
            tap.send(bytes);
        }
        Ok(())
    }
}

impl Write for Fanout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_LEN_MAX {
            self.pass_on()?;
        }
        if bytes.len() >= BUFFER_LEN_MAX {
            self.send(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()
    }
}

/// Raw standard output of a step that has a named output. Bounded, in memory only.
#[derive(Default)]
pub struct Captured {
    bytes: Vec<u8>,
    overflowed: bool,
}

/// More captured output than this fails the step.
pub(crate) const CAPTURED_LEN_MAX: usize = 1024 * 1024;

impl Captured {
    fn push(&mut self, bytes: &[u8]) {
        if self.overflowed || self.bytes.len() + bytes.len() > CAPTURED_LEN_MAX {
            self.overflowed = true;
            return;
        }
        if self.bytes.capacity() < self.bytes.len() + bytes.len() {
            let mut larger = Vec::with_capacity((self.bytes.len() + bytes.len()) * 2);
            larger.extend_from_slice(&self.bytes);
            self.bytes.zeroize();
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// All that was captured.
    pub(crate) fn whole(&self) -> SecretValue {
        SecretValue::new(self.bytes.clone())
    }

    /// What was captured, without white space around it.
    pub(crate) fn value(&self) -> SecretValue {
        SecretValue::new(self.bytes.trim_ascii().to_vec())
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// How the output of a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamsEnd {
    /// The step wrote what it had to write.
    Whole,
    /// It failed, was killed or left processes behind: the rest of a secret may be missing.
    Cut,
}

/// What came of a step's output.
pub(crate) struct StepOutput {
    pub(crate) captured: Option<Captured>,
    /// What was masked in each stream.
    pub(crate) found: Vec<(Stream, Tally)>,
    /// Targets that have not taken all of it yet.
    pub(crate) slow: Vec<SlowTarget>,
}

/// What an executor writes to.
pub struct StepIo {
    stdout: MaskedSink,
    /// `None`: both streams go to `stdout`, and the step has one pipe for both.
    stderr: Option<MaskedSink>,
    captured: Option<Captured>,
    end: StreamsEnd,
}

impl StepIo {
    pub(crate) fn new(stdout: MaskedSink, stderr: Option<MaskedSink>, capture: bool) -> StepIo {
        let captured = capture.then(Captured::default);
        StepIo { stdout, stderr, captured, end: StreamsEnd::Whole }
    }

    /// Whether the step has one pipe for both streams.
    pub fn is_merged(&self) -> bool {
        self.stderr.is_none()
    }

    /// The ends of both streams.
    pub fn split(&mut self) -> (StreamEnd<'_>, Option<StreamEnd<'_>>) {
        let stdout = StreamEnd { sink: &mut self.stdout, captured: self.captured.as_mut() };
        let stderr = self.stderr.as_mut().map(|sink| StreamEnd { sink, captured: None });
        (stdout, stderr)
    }

    /// Tells a person something of our own: on standard error, or in the one log of both streams. It is no
    /// output and is not captured.
    ///
    /// # Errors
    /// As [`MaskedSink::write`].
    pub fn tell(&mut self, text: &[u8]) -> io::Result<()> {
        self.stderr.as_mut().unwrap_or(&mut self.stdout).write(text)
    }

    /// Notes that the output was cut off.
    pub(crate) fn cut(&mut self) {
        self.end = StreamsEnd::Cut;
    }

    pub(crate) fn was_cut(&self) -> bool {
        self.end == StreamsEnd::Cut
    }

    /// Hands on what was held back.
    pub(crate) fn finish(self) -> io::Result<StepOutput> {
        let (stdout, mut slow) = self.stdout.finish(self.end)?;
        let mut found = vec![(Stream::Stdout, stdout)];
        if let Some(stderr) = self.stderr {
            let (stderr, also) = stderr.finish(self.end)?;
            found.push((Stream::Stderr, stderr));
            slow.extend(also);
        }
        Ok(StepOutput { captured: self.captured, found, slow })
    }
}

/// One stream of a step.
pub struct StreamEnd<'a> {
    sink: &'a mut MaskedSink,
    captured: Option<&'a mut Captured>,
}

impl StreamEnd<'_> {
    /// Takes raw bytes.
    ///
    /// # Errors
    /// As [`MaskedSink::write`].
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(captured) = &mut self.captured {
            captured.push(bytes);
        }
        self.sink.write(bytes)
    }

    /// Whether some of it waits for a reader.
    pub(crate) fn is_waiting(&mut self) -> bool {
        self.sink.is_waiting()
    }

    /// Waits until readers have taken what was written: who writes before that makes it wait in memory.
    ///
    /// # Errors
    /// As [`MaskedSink::write`].
    pub async fn drained(&mut self) -> io::Result<()> {
        self.sink.drained().await
    }

    /// Takes a text of our own making: `raw` is captured, `shown` is logged. Where values are quoted
    /// inside a larger text, as in JSON, they are masked one by one before they are quoted.
    ///
    /// # Errors
    /// As [`MaskedSink::write`].
    pub fn write_apart(&mut self, raw: &[u8], shown: &[u8]) -> io::Result<()> {
        if let Some(captured) = &mut self.captured {
            captured.push(raw);
        }
        self.sink.write(shown)
    }
}
