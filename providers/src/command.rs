//! `provider: command`: what a program prints.
//!
//! `key` is the program, option `args` its arguments as a JSON list: no shell, no words that are split.
//! It runs once for the run for each program with arguments, in the first folder of the run. Every byte
//! belongs to the value, as in a file; `trim: newline` takes one line end away. A workflow can run programs
//! in its steps anyway, so this gives its author no power.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use subrosa_engine::provider::{
    Checked, Client, Identity, Provider, ProviderError, ProviderErrorKind, ResolveContext,
    SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use crate::document::Field;
use crate::program;
use crate::setup::invalid;
use crate::texts::Texts;

/// The provider.
pub(crate) struct Commands;

#[async_trait]
impl Provider for Commands {
    fn name(&self) -> &str {
        "command"
    }

    fn options(&self) -> &[&str] {
        &["args", "trim", "field", "format"]
    }

    async fn open(
        &self,
        context: &ResolveContext,
        _identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        Ok(Box::new(Printed { context: context.clone(), texts: Texts::default() }))
    }
}

struct Printed {
    context: ResolveContext,
    /// By the program and its arguments, and whether a line end was taken away.
    texts: Texts<(PathBuf, Vec<String>, bool)>,
}

/// The arguments. They are not repeated: some of them may be credentials.
fn arguments(request: &SecretRequest) -> Result<Vec<String>, ProviderError> {
    let Some(written) = request.options.0.get("args") else { return Ok(Vec::new()) };
    let arguments: Vec<String> = serde_json::from_str(written).map_err(|_| {
        invalid("option `args` is no JSON list of texts")
            .help(r#"write it as in `args: '["show", "the entry"]'`"#)
    })?;
    if arguments.iter().any(|argument| argument.contains('\0')) {
        return Err(invalid("option `args` holds a NUL byte"));
    }
    Ok(arguments)
}

fn trims(request: &SecretRequest) -> Result<bool, ProviderError> {
    match request.options.0.get("trim").map(String::as_str) {
        None => Ok(false),
        Some("newline") => Ok(true),
        Some(_) => Err(invalid("option `trim` is not `newline`")
            .help("`trim: newline` takes one line end away; without it every byte is kept")),
    }
}

impl Printed {
    fn program(&self, request: &SecretRequest) -> Result<PathBuf, ProviderError> {
        let key = &request.key;
        if key.is_empty() || key.contains('\0') {
            return Err(invalid("the key of a command is the program, and names none"));
        }
        let folder = self.context.folders.first().map_or(Path::new("/"), PathBuf::as_path);
        let path = program::path_of(&self.context.env);
        program::find(key, folder, path.as_deref()).ok_or_else(|| {
            let message = format!("there is no program `{key}`");
            let error = ProviderError::new(ProviderErrorKind::NotFound, message);
            if key.contains(' ') {
                error.help("the key is the program alone; its arguments go into option `args`")
            } else if key.contains('/') {
                error
                    .help(format!("looked for an executable file `{}`", folder.join(key).display()))
            } else {
                error.help("looked for an executable file in the folders of `PATH`")
            }
        })
    }
}

#[async_trait]
impl Client for Printed {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let field = Field::of(request, "")?;
        let (arguments, trim) = (arguments(request)?, trims(request)?);
        let program = self.program(request)?;
        let what = format!("command `{}`", request.key);
        let make = Box::pin(async {
            let mut command = program::command(&program, &self.context);
            command.args(&arguments);
            let printed = program::output(command, program::limit(&self.context)).await;
            printed
                .map(|printed| if trim { without_line_end(printed) } else { printed })
                .map_err(|failed| program::error(&what, &failed))
        });
        let key = (program.clone(), arguments.clone(), trim);
        let place = format!("the output of {what}");
        self.texts.value(key, field, &self.context.env, &place, make).await
    }

    /// Looks for the program and does not run it.
    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        Field::of(request, "")?;
        arguments(request)?;
        trims(request)?;
        self.program(request)?;
        Ok(Checked::WouldRead)
    }
}

fn without_line_end(mut printed: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if printed.last() == Some(&b'\n') {
        printed.pop();
        if printed.last() == Some(&b'\r') {
            printed.pop();
        }
    }
    printed
}
