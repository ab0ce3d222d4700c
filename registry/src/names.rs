//! Refs and workspace names: what may be written, and nothing else.
//!
//! A name that exists as a value of these types has passed its grammar, so no other code checks it.

use std::fmt;

/// Why a text is no ref or workspace name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing was given.
    #[error("it is empty")]
    Empty,
    /// It starts or ends with a slash, or two slashes follow each other.
    #[error("a segment between slashes is empty")]
    EmptySegment,
    /// A character outside the grammar, the first one found.
    #[error("`{0}` is not allowed; a segment is made of a-z, 0-9 and `-`")]
    Character(char),
    /// A character outside the grammar of workspaces and environments, the first one found.
    #[error("`{0}` is not allowed; a name is made of letters, digits, `-` and `_`")]
    OutsideName(char),
    /// A name or segment starts with a dash.
    #[error("it may not start with `-`")]
    LeadingDash,
    /// More than eight segments, or one of more than 64 bytes.
    #[error("at most 8 segments of 64 bytes each are allowed")]
    TooLong,
}

const SEGMENTS_MAX: usize = 8;
const SEGMENT_LEN_MAX: usize = 64;

fn check_segment(segment: &str) -> Result<(), InvalidName> {
    if segment.is_empty() {
        return Err(InvalidName::EmptySegment);
    }
    if segment.len() > SEGMENT_LEN_MAX {
        return Err(InvalidName::TooLong);
    }
    if segment.starts_with('-') {
        return Err(InvalidName::LeadingDash);
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    segment.chars().find(|c| !allowed(*c)).map_or(Ok(()), |c| Err(InvalidName::Character(c)))
}

/// What the text of a connection's ref begins with. It is outside of the grammar of refs, so that no
/// secret ever has the name of a connection.
const CONNECTION: &str = "connection:";

/// The key of a secret in the registry, lowercase slug segments joined by `/`; or that of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretRef(String);

impl SecretRef {
    /// Parses `prod/db-password` and its like; the text is taken literally, nothing is decoded.
    ///
    /// # Errors
    /// [`InvalidName`] says which rule the text breaks first.
    pub fn parse(text: &str) -> Result<SecretRef, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        let mut count = 0;
        for segment in text.split('/') {
            check_segment(segment)?;
            count += 1;
        }
        if count > SEGMENTS_MAX {
            return Err(InvalidName::TooLong);
        }
        Ok(SecretRef(text.to_owned()))
    }

    /// The ref of the connection that is called `name`. Nothing that a user writes is parsed to it.
    pub fn connection(name: &SecretRef) -> SecretRef {
        match name.connection_name() {
            Some(_) => name.clone(),
            None => SecretRef(format!("{CONNECTION}{name}")),
        }
    }

    /// The name of the connection, if it is a connection's ref.
    pub fn connection_name(&self) -> Option<&str> {
        self.0.strip_prefix(CONNECTION)
    }

    /// Takes what the registry itself has written: a secret's ref or a connection's.
    pub(crate) fn parse_kept(text: &str) -> Result<SecretRef, InvalidName> {
        match text.strip_prefix(CONNECTION) {
            Some(name) => SecretRef::parse(name).map(|name| SecretRef::connection(&name)),
            None => SecretRef::parse(text),
        }
    }

    /// The ref as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_name(text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Empty);
    }
    if text.len() > SEGMENT_LEN_MAX {
        return Err(InvalidName::TooLong);
    }
    if text.starts_with('-') {
        return Err(InvalidName::LeadingDash);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.chars().find(|c| !allowed(*c)).map_or(Ok(()), |c| Err(InvalidName::OutsideName(c)))
}

/// The name of a workspace, taken from the label `workspace=NAME` of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkspaceName(String);

impl WorkspaceName {
    /// Parses a workspace name: ASCII letters, digits, `-` and `_`, at most 64 bytes.
    ///
    /// # Errors
    /// [`InvalidName`] says which rule the text breaks first.
    pub fn parse(text: &str) -> Result<WorkspaceName, InvalidName> {
        check_name(text).map(|()| WorkspaceName(text.to_owned()))
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkspaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an environment such as `dev` or `prod`: one ref may have a value in each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentName(String);

impl EnvironmentName {
    /// Parses an environment's name: ASCII letters, digits, `-` and `_`, at most 64 bytes.
    ///
    /// # Errors
    /// [`InvalidName`] says which rule the text breaks first.
    pub fn parse(text: &str) -> Result<EnvironmentName, InvalidName> {
        check_name(text).map(|()| EnvironmentName(text.to_owned()))
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a secret lives: a workspace or all of them, an environment or any.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The workspace; `None` is the global scope.
    pub workspace: Option<WorkspaceName>,
    /// The environment; `None` holds the values that apply unless an environment has its own.
    pub environment: Option<EnvironmentName>,
}

impl Scope {
    /// The scopes in which a run of this scope looks, the nearest first: the chosen environment
    /// before the defaults, within each the workspace before the global scope.
    pub fn search(&self) -> Vec<Scope> {
        let mut scopes = Vec::with_capacity(4);
        let environments = [self.environment.clone(), None];
        let workspaces = [self.workspace.clone(), None];
        for environment in &environments[usize::from(self.environment.is_none())..] {
            for workspace in &workspaces[usize::from(self.workspace.is_none())..] {
                let (workspace, environment) = (workspace.clone(), environment.clone());
                scopes.push(Scope { workspace, environment });
            }
        }
        scopes
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.workspace {
            Some(workspace) => write!(f, "workspace `{workspace}`")?,
            None => f.write_str("the global scope")?,
        }
        match &self.environment {
            Some(environment) => write!(f, ", environment `{environment}`"),
            None => Ok(()),
        }
    }
}

/// The full name of a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The ref: first, since entries are sorted by it.
    pub reference: SecretRef,
    /// The scope.
    pub scope: Scope,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reference.connection_name() {
            Some(name) => write!(f, "connection `{name}` in {}", self.scope),
            None => write!(f, "`{}` in {}", self.reference, self.scope),
        }
    }
}

impl Address {
    /// The same with what it is: a secret or a connection.
    pub(crate) fn titled(&self) -> String {
        match self.reference.connection_name() {
            Some(_) => self.to_string(),
            None => format!("secret {self}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, EnvironmentName, InvalidName, Scope, SecretRef, WorkspaceName};

    #[test]
    fn refs_are_slugs_joined_by_slashes() {
        for good in ["token", "prod/db-password", "a/b/c-3", "0", "a-", "prod/a--b"] {
            assert_eq!(SecretRef::parse(good).map(|r| r.as_str().to_owned()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn refs_outside_the_grammar_are_refused_with_the_rule() {
        let long = "a/".repeat(8) + "a";
        for (bad, why) in [
            ("", InvalidName::Empty),
            ("/prod", InvalidName::EmptySegment),
            ("prod/", InvalidName::EmptySegment),
            ("prod//db", InvalidName::EmptySegment),
            ("Prod/db", InvalidName::Character('P')),
            ("prod/db_x", InvalidName::Character('_')),
            ("../escape", InvalidName::Character('.')),
            ("prod%2fdb", InvalidName::Character('%')),
            ("connection:jira", InvalidName::Character(':')),
            ("prod/-x", InvalidName::LeadingDash),
            (long.as_str(), InvalidName::TooLong),
        ] {
            assert_eq!(SecretRef::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_connection_has_a_ref_that_nobody_can_write() {
        let name = SecretRef::parse("team/jira").unwrap();
        let connection = SecretRef::connection(&name);
        assert_eq!(connection.as_str(), "connection:team/jira");
        assert_eq!(connection.connection_name(), Some("team/jira"));
        assert_eq!(SecretRef::connection(&connection), connection);
        assert_eq!(SecretRef::parse_kept("connection:team/jira"), Ok(connection));
        assert_eq!(name.connection_name(), None);
        assert_eq!(SecretRef::parse_kept("team/jira"), Ok(name));
        for bad in ["connection:", "connection:A", "connection:connection:a", ":a", "Connection:a"]
        {
            assert!(SecretRef::parse_kept(bad).is_err(), "{bad}");
        }
        let at = |reference| Address { reference, scope: Scope::default() };
        let jira = at(SecretRef::parse_kept("connection:jira").unwrap());
        assert_eq!(jira.titled(), "connection `jira` in the global scope");
        assert_eq!(at(SecretRef::parse("db").unwrap()).titled(), "secret `db` in the global scope");
    }

    #[test]
    fn workspace_names_hold_no_separators() {
        assert!(WorkspaceName::parse("payments_eu-1").is_ok());
        assert_eq!(WorkspaceName::parse("a/b"), Err(InvalidName::OutsideName('/')));
        assert_eq!(WorkspaceName::parse(""), Err(InvalidName::Empty));
    }

    #[test]
    fn a_run_looks_in_its_environment_first_and_in_its_workspace_before_the_global_scope() {
        let scope = |workspace: Option<&str>, environment: Option<&str>| Scope {
            workspace: workspace.map(|name| WorkspaceName::parse(name).unwrap()),
            environment: environment.map(|name| EnvironmentName::parse(name).unwrap()),
        };
        let (w, e) = (Some("w"), Some("e"));
        let order = [scope(w, e), scope(None, e), scope(w, None), scope(None, None)];
        assert_eq!(scope(w, e).search(), order);
        assert_eq!(scope(w, None).search(), order[2..]);
        assert_eq!(scope(None, e).search(), [scope(None, e), scope(None, None)]);
        assert_eq!(scope(None, None).search(), [scope(None, None)]);
    }
}
