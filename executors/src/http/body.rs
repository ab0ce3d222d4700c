//! What a request carries: a text, a document, a form, files.
//!
//! Bodies may hold secrets. They are made in buffers that never grow, so that no copy is left behind, and
//! that are wiped when they are dropped.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use sha2::{Digest, Sha256};
use subrosa_engine::kind::{Input, StepFault, StepRequest};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

/// Bytes of all files of a request.
const FILES_LEN_MAX: u64 = 64 * 1024 * 1024;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// What a request carries, and what it says it is.
pub(crate) struct Body {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) content_type: Option<String>,
}

impl Body {
    fn new(bytes: Zeroizing<Vec<u8>>, content_type: &str) -> Body {
        Body { bytes, content_type: Some(content_type.to_owned()) }
    }
}

/// Makes the body of a step's request.
#[expect(clippy::disallowed_methods, reason = "the body is what is sent")]
pub(super) async fn make(request: &StepRequest) -> Result<Option<Body>, StepFault> {
    let input = &request.input;
    if let Some(text) = input.text("body") {
        let bytes = Zeroizing::new(text.expose().to_vec());
        return Ok(Some(Body { bytes, content_type: None }));
    }
    if let Some(document) = input.get("json").filter(|json| !matches!(json, Input::Flag(_))) {
        return Ok(Some(Body::new(document.to_json(), "application/json")));
    }
    let fields = input.entries("form");
    let files = input.list("files");
    if !files.is_empty() {
        return parts(request, fields, files).await.map(Some);
    }
    if input.get("form").is_none() {
        return Ok(None);
    }
    Ok(Some(Body::new(pairs(fields), "application/x-www-form-urlencoded")))
}

/// `a=b&c=d`, all of it encoded.
#[expect(clippy::disallowed_methods, reason = "the values are what is sent")]
pub(super) fn pairs(fields: &[(String, Input)]) -> Zeroizing<Vec<u8>> {
    let values: Vec<(&str, SecretValue)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_text().unwrap_or_else(empty)))
        .collect();
    let length: usize =
        values.iter().map(|(name, value)| 3 * (name.len() + value.expose().len()) + 2).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    for (name, value) in values {
        if !out.is_empty() {
            out.push(b'&');
        }
        encode(name.as_bytes(), &mut out);
        out.push(b'=');
        encode(value.expose(), &mut out);
    }
    out
}

fn empty() -> SecretValue {
    SecretValue::new(Vec::new())
}

fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.push(b'%');
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}

/// One part of a form: its head without the boundary, and what it holds.
struct Part {
    head: Zeroizing<Vec<u8>>,
    content: Content,
}

enum Content {
    Value(SecretValue),
    File(Zeroizing<Vec<u8>>),
}

impl Content {
    #[expect(clippy::disallowed_methods, reason = "the part is what is sent")]
    fn bytes(&self) -> &[u8] {
        match self {
            Content::Value(value) => value.expose(),
            Content::File(bytes) => bytes,
        }
    }
}

async fn parts(
    request: &StepRequest,
    fields: &[(String, Input)],
    files: &[Input],
) -> Result<Body, StepFault> {
    let mut parts = Vec::with_capacity(fields.len() + files.len());
    for (name, value) in fields {
        let head = disposition(name.as_bytes(), None);
        parts.push(Part { head, content: Content::Value(value.to_text().unwrap_or_else(empty)) });
    }
    let mut left = FILES_LEN_MAX;
    for file in files {
        let part = file_part(request, file, left).await?;
        left -= u64::try_from(part.content.bytes().len()).unwrap_or(left).min(left);
        parts.push(part);
    }
    Ok(assemble(&parts))
}

#[expect(clippy::disallowed_methods, reason = "the names are sent, and the file is opened")]
async fn file_part(request: &StepRequest, file: &Input, left: u64) -> Result<Part, StepFault> {
    let (Some(name), Some(path)) = (file.text("name"), file.text("path")) else {
        return Err(StepFault::new("a file without `name` and `path`"));
    };
    let path = working_path(request, path)?;
    let own = path.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
    let filename = file.text("filename").map_or(own, |text| text.expose().to_vec());
    let mut head = disposition(name.expose(), Some(&Zeroizing::new(filename)));
    let kind = file.text("content_type").map(|text| text.expose().to_vec());
    let kind = Zeroizing::new(kind.unwrap_or_else(|| b"application/octet-stream".to_vec()));
    if kind.iter().any(u8::is_ascii_control) {
        return Err(StepFault::new("the `content_type` of a file has a control character in it"));
    }
    head = joined(&[&head, b"\r\nContent-Type: ", &kind]);
    let shown = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || read_file(&path, left)).await;
    let read = read.map_err(|_| StepFault::new("reading a file was broken off"))?;
    let bytes =
        read.map_err(|error| StepFault::new(format!("cannot read the file `{shown}`: {error}")))?;
    Ok(Part { head, content: Content::File(bytes) })
}

/// A path of the step, from its working directory.
#[expect(clippy::disallowed_methods, reason = "the path is opened")]
pub(crate) fn working_path(
    request: &StepRequest,
    path: &SecretValue,
) -> Result<PathBuf, StepFault> {
    let text = std::str::from_utf8(path.expose())
        .map_err(|_| StepFault::new("a path is no text in UTF-8"))?;
    Ok(request.working_dir.join(text))
}

/// The head of a part. Quotes and line endings in names are encoded as browsers do.
fn disposition(name: &[u8], filename: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
    let name = quoted(name);
    let head: &[u8] = b"Content-Disposition: form-data; name=\"";
    match filename.map(quoted) {
        None => joined(&[head, &name, b"\""]),
        Some(filename) => joined(&[head, &name, b"\"; filename=\"", &filename, b"\""]),
    }
}

fn quoted(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() * 3));
    for &byte in bytes {
        match byte {
            b'"' => out.extend_from_slice(b"%22"),
            b'\r' => out.extend_from_slice(b"%0D"),
            b'\n' => out.extend_from_slice(b"%0A"),
            other => out.push(other),
        }
    }
    out
}

fn joined(pieces: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    out
}

/// All parts, with a boundary between them that none can hold: it is made of the digest of them all.
fn assemble(parts: &[Part]) -> Body {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.head.as_slice());
        digest.update(part.content.bytes());
    }
    let mut boundary = Vec::with_capacity(80);
    boundary.extend_from_slice(b"subrosa-");
    for byte in digest.finalize().as_slice() {
        boundary.push(HEX[usize::from(byte >> 4)]);
        boundary.push(HEX[usize::from(byte & 15)]);
    }
    let mut pieces: Vec<&[u8]> = Vec::with_capacity(parts.len() * 7 + 3);
    for part in parts {
        let content = part.content.bytes();
        pieces.extend_from_slice(&[b"--", &boundary, b"\r\n", &part.head, b"\r\n\r\n", content]);
        pieces.push(b"\r\n");
    }
    pieces.extend_from_slice(&[b"--", &boundary, b"--\r\n"]);
    let content_type =
        format!("multipart/form-data; boundary={}", String::from_utf8_lossy(&boundary));
    Body::new(joined(&pieces), &content_type)
}

fn read_file(path: &Path, length_max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(open(path, flags, Mode::empty())?);
    let seen = fstat(&file)?;
    if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    let too_large = || io::Error::other("the files of a request are more than 64 MiB");
    let length = u64::try_from(seen.st_size).unwrap_or(u64::MAX);
    if length > length_max {
        return Err(too_large());
    }
    let room = usize::try_from(length).map_err(|_| too_large())?;
    // No more than there is room for: a vector that grew would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(room + 64));
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use subrosa_engine::kind::Input;
    use subrosa_engine::secret::SecretValue;
    use zeroize::Zeroizing;

    use super::{Content, Part, assemble, disposition, pairs, read_file};

    fn text(text: &str) -> Input {
        Input::Text(SecretValue::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn pairs_are_encoded() {
        let fields = [
            ("a b".to_owned(), text("1&2=3")),
            ("n".to_owned(), Input::Number("7".to_owned())),
            ("ä".to_owned(), Input::Null),
        ];
        assert_eq!(pairs(&fields).as_slice(), b"a%20b=1%262%3D3&n=7&%C3%A4=");
        assert!(pairs(&[]).is_empty());
    }

    #[test]
    fn parts_cannot_end_each_other() {
        let file = Content::File(Zeroizing::new(b"--subrosa-\r\n".to_vec()));
        let head = disposition(b"a\"\r\nX: y", Some(b"b\"c"));
        let body = assemble(&[Part { head, content: file }]);
        let boundary = body.content_type.as_deref().unwrap().split_once("boundary=").unwrap().1;
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"a%22%0D%0AX: y\"; \
             filename=\"b%22c\"\r\n\r\n--subrosa-\r\n\r\n--{boundary}--\r\n"
        );
        assert_eq!(String::from_utf8_lossy(&body.bytes), expected);
    }

    #[test]
    fn files_are_regular_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read_file(&path, 5).unwrap().as_slice(), b"12345");
        assert!(read_file(&path, 4).is_err());
        assert!(read_file(folder.path(), 100).is_err());
        assert!(read_file("/dev/zero".as_ref(), 100).is_err());
    }
}
