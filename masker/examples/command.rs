//! Runs a command and masks what it writes to standard output.
//!
//! `cargo run -p subrosa-masker --example command -- sh -c 'echo "$TOKEN" | base64'`, with the value to
//! hide in the variable TOKEN.

use std::env;
use std::error::Error;
use std::io;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use subrosa_masker::{MaskSet, MaskWriter, Policy};

#[expect(clippy::disallowed_methods, reason = "an example stands alone and reads its own world")]
fn main() -> Result<ExitCode, Box<dyn Error>> {
    let token = env::var("TOKEN")?;
    let masks = Arc::new(MaskSet::new([token.as_bytes()], &Policy::default())?);
    let mut words = env::args_os().skip(1);
    let program = words.next().ok_or("no command")?;
    let mut child = Command::new(program).args(words).stdout(Stdio::piped()).spawn()?;

    let mut writer = MaskWriter::new(masks, io::stdout());
    let mut output = child.stdout.take().ok_or("standard output is not piped")?;
    let copied = io::copy(&mut output, &mut writer);
    let status = child.wait()?;
    // What is held back when a command fails may be the beginning of a value that was cut off.
    if copied.is_ok() && status.success() {
        writer.finish()?
    } else {
        writer.finish_cut()?
    };
    copied?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
