//! Names that mean something to the engine: environment variables, reserved and managed ones.

/// Variables that the engine sets for every run or step; nothing else may take their names.
pub const MANAGED: &[&str] = &[
    "DAG_NAME",
    "DAG_RUN_ID",
    "DAG_RUN_LOG_FILE",
    "DAG_RUN_STEP_NAME",
    "DAG_RUN_STEP_STDOUT_FILE",
    "DAG_RUN_STEP_STDERR_FILE",
    "DAG_RUN_STATUS",
    "DAG_RUN_WORK_DIR",
    "DAG_RUN_ARTIFACTS_DIR",
    "DAG_DOCS_DIR",
    "DAG_PARAMS_JSON",
    "DAG_PUSHBACK",
    "DAG_PUSHBACK_ITERATION",
    "DAG_PUSHBACK_PREVIOUS_STDOUT_FILE",
    crate::late::MASK_FILE,
];

/// Prefixes that belong to the engine and to the one whose language it speaks.
pub const RESERVED_PREFIXES: &[&str] = &["SUBROSA_", "DAGU_"];

/// Whether `name` works as an environment variable everywhere: `[A-Za-z_][A-Za-z0-9_]*`.
pub fn is_env_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether the engine sets `name` itself.
pub fn is_managed(name: &str) -> bool {
    MANAGED.contains(&name)
}

/// The reserved prefix that `name` starts with.
pub fn reserved_prefix(name: &str) -> Option<&'static str> {
    RESERVED_PREFIXES.iter().copied().find(|prefix| name.starts_with(prefix))
}

/// Whether a variable of this name steers the dynamic loader, a shell or an interpreter.
pub fn steers_programs(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "BASH_ENV",
        "ENV",
        "IFS",
        "PATH",
        "NODE_OPTIONS",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PERL5LIB",
        "PERL5OPT",
        "RUBYLIB",
        "RUBYOPT",
        "JAVA_TOOL_OPTIONS",
        "SHELLOPTS",
        "BASHOPTS",
        "PS4",
        "PROMPT_COMMAND",
        "GIT_SSH_COMMAND",
        "CDPATH",
    ];
    NAMES.contains(&name) || name.starts_with("LD_") || name.starts_with("DYLD_")
}

/// A name as messages show it: in backticks, control characters escaped, long ones cut.
pub fn shown(name: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut shown = String::from("`");
    for (count, c) in name.chars().enumerate() {
        if count == CHARS_MAX {
            shown.push('…');
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.push('`');
    shown
}

/// The candidate that `name` was probably meant to be.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A bound on the work: nobody misspells a name of this length, or chooses among so many.
    const LEN_MAX: usize = 64;
    const CANDIDATES_MAX: usize = 500;
    if name.len() > LEN_MAX {
        return None;
    }
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter(|candidate| candidate.len() <= LEN_MAX)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::{closest, is_env_name, reserved_prefix, shown, steers_programs};

    #[test]
    fn shown_names_are_short_and_printable() {
        assert_eq!(shown("deploy"), "`deploy`");
        assert_eq!(shown("a\u{1b}[31m\n"), "`a\\u{1b}[31m\\n`");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 63);
    }

    #[test]
    fn the_closest_name_is_a_slip_away() {
        let names = ["options", "provider", "key"];
        for (name, expected) in [
            ("optoins", Some("options")),
            ("providers", Some("provider")),
            ("kye", Some("key")),
            ("schedule", None),
            ("", None),
        ] {
            assert_eq!(closest(name, names), expected, "{name}");
        }
    }

    #[test]
    fn names_are_letters_digits_underscores() {
        for good in ["A", "_db_pass2", "a1"] {
            assert!(is_env_name(good), "{good}");
        }
        for bad in ["", "1A", "A-B", "A=B", "A B", "Ä", "A\0"] {
            assert!(!is_env_name(bad), "{bad}");
        }
    }

    #[test]
    fn prefixes_and_steering_names_are_known() {
        assert_eq!(reserved_prefix("DAGU_X"), Some("DAGU_"));
        assert_eq!(reserved_prefix("DAG_NAME"), None);
        assert!(steers_programs("LD_PRELOAD"));
        assert!(!steers_programs("TOKEN"));
    }
}
