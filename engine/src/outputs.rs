//! Named outputs: raw for dependants, masked on disk.

use serde_json::{Map, Value, json};
use subrosa_masker::TooLarge;

use crate::event::{RunStatus, Timestamp};
use crate::masks::Masks;
use crate::secret::SecretValue;
use crate::select::select;
use crate::structured;
use crate::workflow::{Output, Workflow};

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoOutput {
    /// Its path leads nowhere.
    #[error("nothing at `{0}` in stdout")]
    NothingAt(String),
    /// It is part of a secret and cannot be masked.
    #[error(transparent)]
    Unmaskable(#[from] TooLarge),
}

/// Takes an output out of what a step printed. A part of a secret is masked from here on.
pub(crate) fn take(
    output: &Output,
    printed: &SecretValue,
    masks: &Masks,
) -> Result<SecretValue, NoOutput> {
    let Some(path) = &output.select else {
        return Ok(printed.clone());
    };
    let found = select(printed, path).ok_or_else(|| NoOutput::NothingAt(path.clone()))?;
    masks.add_parts(printed, [&found])?;
    Ok(found)
}

/// One output of the run, for `outputs.json`.
pub(crate) struct Collected<'a> {
    pub(crate) output: &'a Output,
    pub(crate) value: SecretValue,
}

/// The text of `outputs.json`.
pub(crate) fn document(
    workflow: &Workflow,
    run: &str,
    status: RunStatus,
    finished: Timestamp,
    collected: &[Collected<'_>],
    masks: &Masks,
) -> Vec<u8> {
    let mut outputs = Map::new();
    for one in collected.iter().filter(|one| !one.output.omit) {
        let key = one.output.key.clone().unwrap_or_else(|| camel_case(&one.output.name));
        let text = lossy(&one.value);
        outputs.insert(key, Value::from(text));
    }
    let mut outputs = Value::Object(outputs);
    structured::walk(&mut outputs, masks);
    let document = json!({
        "metadata": {
            "dagName": masks.text(&workflow.name).as_str(),
            "dagRunId": run,
            "status": status,
            "completedAt": finished,
        },
        "outputs": outputs,
    });
    structured::to_bytes(&document, masks)
}

#[expect(clippy::disallowed_methods, reason = "the document is masked before it is written")]
fn lossy(value: &SecretValue) -> String {
    String::from_utf8_lossy(value.expose()).into_owned()
}

/// `MY_RESULT` and `my_result` become `myResult`, and `myResult` becomes `myresult`, as in Dagu.
fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split('_').filter(|word| !word.is_empty()) {
        let lower = word.to_ascii_lowercase();
        if out.is_empty() {
            out.push_str(&lower);
        } else {
            out.push_str(&lower[..1].to_ascii_uppercase());
            out.push_str(&lower[1..]);
        }
    }
    if out.is_empty() { name.to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use subrosa_masker::Policy;

    use super::{NoOutput, camel_case, take};
    use crate::env::from_text;
    use crate::masks::{Masks, Owner};
    use crate::source::Span;
    use crate::structured::KeyRules;
    use crate::workflow::Output;

    #[test]
    fn no_output_says_why() {
        let masks = Masks::new(Policy::default(), KeyRules::default());
        let secret = from_text(r#"{"a":[4711]}"#);
        // With the secret and its quoted form they are as many as there may be.
        let fill = (0..9_998).map(|number| from_text(format!("{number:05}").as_str()));
        let added = fill.chain([secret.clone()]).map(|value| (Owner::Derived, value));
        masks.add(added.collect()).unwrap();
        let take = |path: &str| {
            let (name, select) = ("A".to_owned(), Some(path.to_owned()));
            let output = Output { name, key: None, omit: false, select, span: Span::default() };
            take(&output, &secret, &masks)
        };
        assert!(matches!(take(".b"), Err(NoOutput::NothingAt(path)) if path == ".b"));
        assert!(matches!(take(".a"), Err(NoOutput::Unmaskable(_))));
    }

    #[test]
    fn keys_are_camel_case() {
        for (name, key) in [
            ("LINK", "link"),
            ("DB_URL_2", "dbUrl2"),
            ("db_url", "dbUrl"),
            ("myRes", "myres"),
            ("_", "_"),
            ("_A", "a"),
        ] {
            assert_eq!(camel_case(name), key);
        }
    }
}
