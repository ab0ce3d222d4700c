//! Credentials for steps that name none, by the servers that they are for.

use std::path::{Path, PathBuf};

use subrosa_engine::kind::StepFault;
use subrosa_http::{Address, Url};

/// The file of credentials for each of some origins. A server that is not listed gets nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpFiles(Vec<(String, PathBuf)>);

/// A text does not say which file is for which origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`SUBROSA_HTTP_CREDENTIALS` is no list like `https://host=/path/of/file.json`")]
pub struct NoHttpFiles;

impl From<NoHttpFiles> for StepFault {
    fn from(error: NoHttpFiles) -> StepFault {
        StepFault::new(error.to_string()).help("several are apart by spaces; paths are absolute")
    }
}

impl HttpFiles {
    /// Reads `ORIGIN=PATH`, several of them apart by white space.
    ///
    /// # Errors
    /// [`NoHttpFiles`]
    pub fn parse(text: &str) -> Result<HttpFiles, NoHttpFiles> {
        let pairs = text.split_whitespace().map(|word| {
            let (server, path) = word.split_once('=').ok_or(NoHttpFiles)?;
            let address = Address::parse(server).map_err(|_| NoHttpFiles)?;
            let url = Url::parse(server).map_err(|_| NoHttpFiles)?;
            let is_safe = address.is_encrypted() || address.is_loopback();
            if !is_safe || url.path() != "/" || !path.starts_with('/') {
                return Err(NoHttpFiles);
            }
            Ok((url.origin().ascii_serialization(), PathBuf::from(path)))
        });
        pairs.collect::<Result<_, _>>().map(HttpFiles)
    }

    /// Whether there is no file for any server.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The file for the server of a URL.
    pub(super) fn of(&self, url: &Url) -> Option<&Path> {
        let origin = url.origin().ascii_serialization();
        let (_, path) = self.0.iter().find(|(known, _)| *known == origin)?;
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use subrosa_http::Url;

    use super::{HttpFiles, NoHttpFiles};

    #[test]
    fn a_file_is_for_its_origin_only() {
        let files = HttpFiles::parse("https://a.example=/a.json http://127.0.0.1:8080/=/b=c.json");
        let files = files.unwrap();
        let of = |url| files.of(&Url::parse(url).unwrap()).map(|path| path.to_str().unwrap());
        assert_eq!(of("https://A.example:443/x?y"), Some("/a.json"));
        assert_eq!(of("http://127.0.0.1:8080/"), Some("/b=c.json"));
        for other in ["http://a.example", "https://a.example:444", "https://b.a.example"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(HttpFiles::parse("  "), Ok(HttpFiles::default()));
    }

    #[test]
    fn what_is_for_no_origin_is_refused() {
        for text in [
            "/a.json",
            "https://a.example",
            "https://a.example=a.json",
            "http://a.example=/a.json",
            "https://a.example/below=/a.json",
            "https://u:p@a.example=/a.json",
        ] {
            assert_eq!(HttpFiles::parse(text), Err(NoHttpFiles), "{text}");
        }
    }
}
