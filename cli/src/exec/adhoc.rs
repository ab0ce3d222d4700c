//! Secrets named on the command line, as declarations of a workflow.
//!
//! Each `--secret` becomes a line at the end of the workflow's text, so that a failed resolution can
//! point at it like at any other entry.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use subrosa_engine::names::{is_env_name, is_managed, reserved_prefix};
use subrosa_engine::source::{SourceFile, Span};
use subrosa_engine::workflow::{
    Handlers, LogOutput, Masking, Options, SecretDecl, SecretSource, Workflow,
};
use subrosa_registry::SecretRef;

use crate::failure::Failure;
use crate::load::Loaded;
use crate::render::COMMAND_LINE;

/// What stands before a declaration in the text.
const HEAD: &str = "--secret ";
/// The provider's name that means the registry.
const REF: &str = "ref";

/// A workflow of nothing: no dotenv file, no environment, no step.
pub(crate) fn empty() -> Loaded {
    let workflow = Workflow {
        name: "exec".to_owned(),
        description: None,
        labels: Vec::new(),
        env: Vec::new(),
        dotenv: Vec::new(),
        params: Vec::new(),
        secrets: Vec::new(),
        environment: None,
        masking: Masking::default(),
        audit_required: false,
        trigger: None,
        working_dir: None,
        shell: None,
        steps: Vec::new(),
        handlers: Handlers::default(),
        preconditions: Vec::new(),
        max_active_steps: None,
        timeout: None,
        log_output: LogOutput::default(),
        source: Arc::new(SourceFile::new(PathBuf::from(COMMAND_LINE), "")),
        children: Arc::new(BTreeMap::new()),
    };
    Loaded { workflow, private: Vec::new(), file_end: 0 }
}

/// Adds the secrets of the command line to a workflow.
pub(crate) fn with_secrets(mut loaded: Loaded, words: &[String]) -> Result<Loaded, Failure> {
    if words.is_empty() {
        return Ok(loaded);
    }
    let workflow = &mut loaded.workflow;
    let mut text = workflow.source.text().to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    loaded.file_end = text.len();
    for word in words {
        let start = text.len() + HEAD.len();
        text.push_str(HEAD);
        text.push_str(word);
        text.push('\n');
        let secret = parse(word, start)?;
        if workflow.secrets.iter().any(|known| known.name == secret.name) {
            return Err(Failure::usage(format!("secret `{}` is declared twice", secret.name)));
        }
        workflow.secrets.push(secret);
    }
    workflow.source = Arc::new(SourceFile::new(workflow.source.path(), text));
    Ok(loaded)
}

/// Parses `NAME=provider:key`, which stands at `start` in the text. A word that is none is not
/// repeated: it may be a value that somebody meant to pass.
fn parse(word: &str, start: usize) -> Result<SecretDecl, Failure> {
    let malformed = || {
        Failure::usage("a `--secret` is not of the form NAME=provider:key")
            .help("a value cannot be given here; name where it is: TOKEN=env:CI_TOKEN, TOKEN=file:token.txt")
    };
    let (name, source) = word.split_once('=').ok_or_else(malformed)?;
    let (provider, key) = source.split_once(':').ok_or_else(malformed)?;
    if name.is_empty() || provider.is_empty() || key.is_empty() {
        return Err(malformed());
    }
    check_name(name)?;
    let key_start = start + name.len() + 1 + provider.len() + 1;
    Ok(SecretDecl {
        name: name.to_owned(),
        source: parse_source(name, provider, key)?,
        mask: true,
        span: Span::new(start..start + word.len()),
        key_span: Span::new(key_start..start + word.len()),
    })
}

fn check_name(name: &str) -> Result<(), Failure> {
    if !is_env_name(name) {
        return Err(Failure::usage(format!("`{name}` is no name of an environment variable"))
            .help("names are letters, digits and `_`, and do not start with a digit"));
    }
    if let Some(prefix) = reserved_prefix(name) {
        return Err(Failure::usage(format!("secret name `{name}` is reserved"))
            .help(format!("names may not start with `{prefix}`")));
    }
    if is_managed(name) {
        return Err(Failure::usage(format!("`{name}` is set by subrosa itself")));
    }
    Ok(())
}

fn parse_source(name: &str, provider: &str, key: &str) -> Result<SecretSource, Failure> {
    if provider != REF {
        return Ok(SecretSource::Provider {
            provider: provider.to_owned(),
            key: key.to_owned(),
            options: Options::default(),
        });
    }
    SecretRef::parse(key).map(SecretSource::Ref).map_err(|_| {
        Failure::usage(format!("the ref of secret `{name}` is none"))
            .help("refs are lowercase words joined by `/`: prod/stripe/webhook")
    })
}

#[cfg(test)]
mod tests {
    use subrosa_engine::workflow::SecretSource;

    use super::{empty, with_secrets};
    use crate::failure::{Exit, Failure};
    use crate::load::Loaded;

    fn declared(words: &[&str]) -> Result<Loaded, Failure> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        with_secrets(empty(), &words)
    }

    fn refused(words: &[&str]) -> String {
        let Err(failure) = declared(words) else { panic!("{words:?} was accepted") };
        let mut said = String::new();
        assert_eq!(failure.tell(|text| said.push_str(text)), Exit::USAGE);
        said
    }

    #[test]
    fn spans_point_at_the_words() {
        let loaded = declared(&["A=env:X", "B=file:/run/a:b"]).unwrap();
        let workflow = loaded.workflow;
        let slices: Vec<(&str, &str)> = workflow
            .secrets
            .iter()
            .map(|s| (workflow.source.slice(s.span), workflow.source.slice(s.key_span)))
            .collect();
        assert_eq!(slices, [("A=env:X", "X"), ("B=file:/run/a:b", "/run/a:b")]);
    }

    #[test]
    fn a_ref_is_a_ref() {
        let loaded = declared(&["A=ref:prod/api"]).unwrap();
        assert!(matches!(loaded.workflow.secrets[0].source, SecretSource::Ref(_)));
        assert!(refused(&["A=ref:Prod"]).contains("refs are lowercase"));
    }

    #[test]
    fn a_value_in_the_wrong_place_is_not_repeated() {
        assert!(!refused(&["TOKEN=hunter2"]).contains("hunter2"));
        assert!(!refused(&["hunter2"]).contains("hunter2"));
    }

    #[test]
    fn names_are_checked_as_in_a_file() {
        assert!(refused(&["1A=env:X"]).contains("1A"));
        assert!(refused(&["DAGU_X=env:X"]).contains("reserved"));
        assert!(refused(&["DAG_NAME=env:X"]).contains("itself"));
        assert!(refused(&["A=env:X", "A=env:Y"]).contains("twice"));
    }
}
