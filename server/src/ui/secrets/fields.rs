//! What the forms about secrets send. A value in it is sealed to the runner, and wiped.

use std::time::Duration;

use zeroize::Zeroize as _;

use crate::app::App;
use crate::channel::secrets::ExpiryName;
use crate::channel::{ScopeName, Sealed};
use crate::problem::Problem;

/// The fields of a form.
#[derive(serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Fields(Vec<(String, String)>);

impl Drop for Fields {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, text)| text.zeroize());
    }
}

impl Fields {
    /// What is in a field; nothing, if it is empty.
    pub(super) fn text(&self, wanted: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == wanted);
        found.map(|(_, text)| text.as_str()).filter(|text| !text.is_empty())
    }

    /// The same, without blanks around it.
    pub(super) fn word(&self, wanted: &str) -> Option<String> {
        let word = self.text(wanted)?.trim();
        (!word.is_empty()).then(|| word.to_owned())
    }

    /// A number.
    pub(super) fn number<T: std::str::FromStr>(&self, wanted: &str) -> Result<Option<T>, Problem> {
        let parse = |word: String| {
            word.parse().map_err(|_| Problem::invalid(format!("`{wanted}` is no whole number")))
        };
        self.word(wanted).map(parse).transpose()
    }

    /// A length of time, from a number of days.
    pub(super) fn days_s(&self, wanted: &str) -> Result<Option<u64>, Problem> {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let days: Option<u32> = self.number(wanted)?;
        Ok(days.map(|days| (DAY * days).as_secs()))
    }

    /// The scope.
    pub(super) fn scope(&self) -> ScopeName {
        ScopeName { workspace: self.word("workspace"), environment: self.word("environment") }
    }

    /// When the value expires.
    pub(super) fn expiry(&self) -> Result<Option<ExpiryName>, Problem> {
        match (self.word("expires"), self.days_s("max_age_days")?) {
            (Some(_), Some(_)) => {
                Err(Problem::invalid("there is a date and an age: a value expires at one of them"))
            }
            // A day as browsers write it; it is over when the next one begins.
            (Some(day), None) if day.len() == 10 => {
                Ok(Some(ExpiryName::At(format!("{day}T23:59:59Z"))))
            }
            (Some(moment), None) => Ok(Some(ExpiryName::At(moment))),
            (None, age) => Ok(age.map(ExpiryName::Age)),
        }
    }

    /// The value, sealed; none: there is none in the form.
    pub(super) fn value(&self, app: &App) -> Result<Option<Sealed>, Problem> {
        match (self.text("value"), self.text("lines")) {
            (Some(_), Some(_)) => {
                Err(Problem::invalid("there are two values: one in a line, one in several"))
            }
            (Some(value), None) => Ok(Some(app.runner.seal(value.as_bytes())?)),
            (None, Some(lines)) => {
                // Browsers send each end of a line as two characters, whatever was typed.
                let lines = zeroize::Zeroizing::new(lines.replace("\r\n", "\n"));
                Ok(Some(app.runner.seal(lines.as_bytes())?))
            }
            (None, None) => Ok(None),
        }
    }
}
