//! `provider: age`: a file that is sealed to a key of ours.
//!
//! The identity file, with the secret halves of key pairs, is the login: option `identity` names it, else
//! the variable `AGE_IDENTITY` or `SOPS_AGE_KEY_FILE`. A file is opened once for the run; the value is all
//! of its content or a field of it. Passphrases are not asked for, and age's plugins are not run. What an
//! identity file is called is not told in errors: people put the key itself where its path belongs.

use std::io::{BufReader, Chain, Cursor, Read};
use std::str::FromStr;
use std::sync::Arc;

use age::armor::ArmoredReader;
use age::stream::StreamReader;
use age::x25519;
use async_trait::async_trait;
use subrosa_engine::provider::{
    Checked, Client, Identity, Provider, ProviderError, ProviderErrorKind, ProviderWarning,
    ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use crate::document::Field;
use crate::place::{self, SEALED_LEN_MAX, SecretFile, VALUE_LEN_MAX};
use crate::texts::Texts;
use crate::warnings::Warnings;

/// The variables that may name the identity file, the first that is set counts.
const VARIABLES: [&str; 2] = ["AGE_IDENTITY", "SOPS_AGE_KEY_FILE"];

/// The provider.
pub(crate) struct Age;

#[async_trait]
impl Provider for Age {
    fn name(&self) -> &str {
        "age"
    }

    fn options(&self) -> &[&str] {
        &["identity", "field", "format"]
    }

    fn identity(&self, request: &SecretRequest) -> Identity {
        Identity::of(request, &["identity"])
    }

    async fn open(
        &self,
        context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let (path, named) = identity_path(context, identity)?;
        let file = place::read(&path, &context.folders, VALUE_LEN_MAX)
            .await
            .map_err(|error| no_identity(&named, &error))?;
        let keys = parse_identities(&file.bytes).map_err(|why| {
            login_failed(format!("the identity file of {named} {why}"))
                .help("it holds lines of the form `AGE-SECRET-KEY-1…`, as `age-keygen` writes them")
        })?;
        Ok(Box::new(Opened {
            context: context.clone(),
            keys: Arc::new(keys),
            identity_file: SecretFile { bytes: Zeroizing::default(), ..file },
            texts: Texts::default(),
            warnings: Warnings::default(),
        }))
    }
}

fn login_failed(message: String) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Unauthenticated, message)
}

/// The path of the identity file, and what names it.
fn identity_path(
    context: &ResolveContext,
    identity: &Identity,
) -> Result<(Zeroizing<String>, String), ProviderError> {
    let found = match identity.0.get("identity") {
        Some(path) => Some((Zeroizing::new(path.clone()), "option `identity`".to_owned())),
        None => VARIABLES.iter().find_map(|name| {
            variable(context, name).map(|path| (path, format!("variable `{name}`")))
        }),
    };
    let (path, named) = found.ok_or_else(|| {
        login_failed("there is no identity to open age files with".to_owned())
            .help("name an identity file in option `identity` or variable `AGE_IDENTITY`")
    })?;
    if path.trim_start().to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Err(login_failed(format!("{named} holds a key where a file's path belongs")).help(
            "put the key into a file of mode 0600 and name that; this one should be replaced",
        ));
    }
    Ok((path, named))
}

#[expect(clippy::disallowed_methods, reason = "a variable names the file of keys")]
fn variable(context: &ResolveContext, name: &str) -> Option<Zeroizing<String>> {
    let value = context.env.workflow.get(name).or_else(|| context.env.process.get(name))?;
    let text = String::from_utf8_lossy(value.expose()).into_owned();
    Some(Zeroizing::new(text)).filter(|text| !text.is_empty())
}

/// Without the words of `error`, which hold the path.
fn no_identity(named: &str, error: &ProviderError) -> ProviderError {
    let why = match error.kind {
        ProviderErrorKind::NotFound => "is not there",
        ProviderErrorKind::Denied => "may not be read by this user",
        ProviderErrorKind::InvalidRequest => "is no regular file",
        ProviderErrorKind::Malformed => "is no identity file",
        ProviderErrorKind::Unauthenticated
        | ProviderErrorKind::Unavailable
        | ProviderErrorKind::TimedOut => "cannot be read",
    };
    login_failed(format!("the identity file of {named} {why}")).help(
        "a relative path starts at the working folder, then at the workflow's; `~` is not expanded",
    )
}

fn parse_identities(bytes: &[u8]) -> Result<Vec<x25519::Identity>, String> {
    let mut keys = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let is = |prefix: &[u8]| {
            line.get(..prefix.len()).is_some_and(|l| l.eq_ignore_ascii_case(prefix))
        };
        if is(b"age-encryption.org/") || is(b"-----BEGIN AGE ENCRYPTED") {
            return Err("is encrypted itself, and nobody is asked for its passphrase".to_owned());
        }
        if is(b"AGE-PLUGIN-") || is(b"AGE-SECRET-KEY-PQ-") || is(b"-----BEGIN OPENSSH") {
            return Err(format!(
                "holds a kind of key that is not known here, in line {}",
                index + 1
            ));
        }
        let key =
            std::str::from_utf8(line).ok().and_then(|line| x25519::Identity::from_str(line).ok());
        keys.push(key.ok_or_else(|| format!("is no identity file: line {} is no key", index + 1))?);
    }
    if keys.is_empty() { Err("holds no key".to_owned()) } else { Ok(keys) }
}

struct Opened {
    context: ResolveContext,
    keys: Arc<Vec<x25519::Identity>>,
    /// Without its bytes.
    identity_file: SecretFile,
    /// By the place of the file.
    texts: Texts<String>,
    warnings: Warnings,
}

impl Opened {
    /// Reads a file and does something with it, off the async threads: opening is arithmetic.
    async fn with<T: Send + 'static>(
        &self,
        request: &SecretRequest,
        work: impl FnOnce(&[x25519::Identity], &SecretFile) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        self.warnings.look_at(request, "age identity file", &self.identity_file);
        let file = place::read(&request.key, &self.context.folders, SEALED_LEN_MAX).await?;
        let keys = Arc::clone(&self.keys);
        let worked = tokio::task::spawn_blocking(move || work(&keys, &file)).await;
        worked.unwrap_or_else(|_| {
            let message = format!("opening age file {} was called off", request.key);
            Err(ProviderError::new(ProviderErrorKind::Unavailable, message))
        })
    }
}

/// The name that says how the content is written.
fn name_inside(key: &str) -> &str {
    key.strip_suffix(".age").unwrap_or(key)
}

#[async_trait]
impl Client for Opened {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let field = Field::of(request, name_inside(&request.key))?;
        let make = Box::pin(self.with(request, content));
        let place = format!("age file {}", request.key);
        self.texts.value(request.key.clone(), field, &self.context.env, &place, make).await
    }

    /// Opens the file's header, which tells whether the key fits, and nothing of the content.
    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        let field = Field::of(request, name_inside(&request.key))?;
        self.with(request, |keys, file| unsealed(keys, file).map(drop)).await?;
        Ok(if field.is_some() { Checked::Likely } else { Checked::Readable })
    }

    fn warnings(&self) -> Vec<ProviderWarning> {
        self.warnings.take()
    }
}

/// Bytes of a header: a key takes about 100 of them.
const HEADER_LEN_MAX: usize = 64 * 1024;

type Sealed<'f> = Chain<Cursor<Vec<u8>>, ArmoredReader<BufReader<&'f [u8]>>>;

/// A file whose header opened with one of the keys.
fn unsealed<'f>(
    keys: &[x25519::Identity],
    file: &'f SecretFile,
) -> Result<StreamReader<Sealed<'f>>, ProviderError> {
    let sealed = with_bounded_header(file).ok_or_else(|| no_age_file(file))?;
    let decryptor = age::Decryptor::new_buffered(sealed).map_err(|error| refused(file, &error))?;
    if decryptor.is_scrypt() {
        let message = format!("age file is sealed with a passphrase: {}", file.place.display());
        return Err(ProviderError::new(ProviderErrorKind::InvalidRequest, message)
            .help("nobody is asked for one; seal it to a recipient with `age -r`"));
    }
    decryptor
        .decrypt(keys.iter().map(|key| key as &dyn age::Identity))
        .map_err(|error| refused(file, &error))
}

/// Reads the header, which ends with the line `--- MAC`, so that age meets no more than that: it would
/// go through an endless one again for each of its lines. `None` if it has no end.
fn with_bounded_header(file: &SecretFile) -> Option<Sealed<'_>> {
    let mut reader = ArmoredReader::new(file.bytes.as_slice());
    let mut header = Vec::new();
    let mut line_start = 0;
    while header.len() < HEADER_LEN_MAX {
        let mut byte = [0];
        reader.read_exact(&mut byte).ok()?;
        header.push(byte[0]);
        if byte == [b'\n'] {
            if header[line_start..].starts_with(b"---") {
                return Some(Cursor::new(header).chain(reader));
            }
            line_start = header.len();
        }
    }
    None
}

fn content(
    keys: &[x25519::Identity],
    file: &SecretFile,
) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    let mut stream = unsealed(keys, file)?;
    // What is sealed is shorter than the file. Room for a byte more, to see the end.
    let mut bytes = Zeroizing::new(vec![0; file.bytes.len().min(VALUE_LEN_MAX) + 1]);
    let length = place::read_all(&mut stream, &mut bytes).map_err(|_| damaged(file))?;
    if length > VALUE_LEN_MAX {
        let message = format!("age file holds more than 1 MiB: {}", file.place.display());
        return Err(ProviderError::new(ProviderErrorKind::Malformed, message));
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn damaged(file: &SecretFile) -> ProviderError {
    let place = file.place.display();
    let message = format!("age file is damaged, cut off or was tampered with: {place}");
    ProviderError::new(ProviderErrorKind::Malformed, message)
}

fn no_age_file(file: &SecretFile) -> ProviderError {
    let message = format!("this is no age file, or it is damaged: {}", file.place.display());
    ProviderError::new(ProviderErrorKind::Malformed, message)
}

/// age's errors in our kinds; their own words are not used.
fn refused(file: &SecretFile, error: &age::DecryptError) -> ProviderError {
    use age::DecryptError::{
        DecryptionFailed, InvalidHeader, InvalidMac, Io, KeyDecryptionFailed, NoMatchingKeys,
    };
    let place = file.place.display();
    match error {
        NoMatchingKeys | KeyDecryptionFailed | DecryptionFailed => {
            let message =
                format!("age file is not sealed to any key of the identity file: {place}");
            ProviderError::new(ProviderErrorKind::Denied, message)
                .help("seal it to the recipient of your key as well, or name another identity file")
        }
        InvalidMac => damaged(file),
        InvalidHeader | Io(_) => no_age_file(file),
        // Of a newer version; the enum of age is open for more of the kind.
        _ => {
            let message = format!("this version of age files is not known here: {place}");
            ProviderError::new(ProviderErrorKind::Malformed, message)
        }
    }
}
