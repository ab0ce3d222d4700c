//! `scan`: where values of secrets and credential files are.

use std::path::{Path, PathBuf};

use subrosa_registry::{Address, RegistryError};

use crate::args::scan::ScanArgs;
use crate::command::validate::to_line;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::out::OutputLost;
use crate::scan::git::Git;
use crate::scan::hook::{self, Hook};
use crate::scan::matcher::Matcher;
use crate::scan::scanner::{Said, Scanner, Tally};
use crate::scan::{Known, history, staged, tree};
use crate::{out, text};

/// Searches, and says what was found.
pub(crate) fn scan(args: &ScanArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    if args.install_hook {
        return install_hook(world);
    }
    let matcher = Matcher::new(&known_values(world)?)?;
    let git = Git::new(&world.env, &world.current_dir, &matcher);
    let mut say = |said: Said| tell(&said, args.json);
    let mut scanner = Scanner::new(&matcher, &mut say);
    if args.staged {
        staged::scan(&git, &mut scanner)?;
    } else if args.history {
        history::scan(&git, &mut scanner)?;
    } else {
        let here = [PathBuf::from(".")];
        let paths = if args.paths.is_empty() { &here[..] } else { &args.paths };
        for path in paths {
            tree::scan(path, &world.current_dir, &git, &mut scanner)?;
        }
    }
    let tally = scanner.tally();
    out::stderr(&summary(tally, matcher.left_out()));
    Ok(exit(tally))
}

/// The values to look for: every version that the registry keeps. Without a registry there are none,
/// and credential files are still looked for.
fn known_values(world: &Opener<'_>) -> Result<Vec<Known>, Failure> {
    let secrets = world.open_secrets()?;
    let actor = secrets.admin("scan", false, world).actor;
    let values = match secrets.registry.every_value(&actor) {
        Ok(values) => values,
        Err(RegistryError::NoStore { folder }) => {
            let folder = text::shown(&folder);
            out::stderr(&format!(
                "there is no registry in `{folder}`: only credential files are looked for\n"
            ));
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.into()),
    };
    let known = values.into_iter().map(|(address, version, value)| {
        let Address { reference, scope } = address;
        let workspace = scope.workspace.map(|name| format!(", workspace {name}"));
        let environment = scope.environment.map(|name| format!(", environment {name}"));
        let places = [workspace, environment].into_iter().flatten().collect::<String>();
        Known { name: format!("{reference} (version {version}{places})"), value }
    });
    Ok(known.collect())
}

fn exit(tally: Tally) -> Exit {
    match tally {
        Tally { unreadable: 1.., .. } => Exit::ENGINE,
        Tally { found: 1.., .. } => Exit::FOUND,
        _ => Exit::OK,
    }
}

/// Findings go to standard output, everything else to standard error.
fn tell(said: &Said, json: bool) -> Result<(), Failure> {
    match said {
        Said::Found(finding) => {
            let told = if json { to_line(&finding.to_json())? } else { finding.to_text() };
            out::stdout(told).map_err(unheard)?;
        }
        Said::Unreadable { file, why } => {
            out::stderr(&format!("error: cannot read `{file}`: {why}\n"))
        }
        Said::PassedOver { file, why } => {
            out::stderr(&format!("note: `{file}` not searched: {why}\n"))
        }
    }
    Ok(())
}

/// A guard must not say that all is well because nobody listens any more (`subrosa scan | head`).
fn unheard(lost: OutputLost) -> Failure {
    match Failure::from(lost) {
        Failure::Told(_) => Failure::Told(Exit::FOUND),
        untold @ Failure::Untold(_) => untold,
    }
}

fn summary(tally: Tally, left_out: usize) -> String {
    let mut told = match tally.found {
        0 => "nothing found".to_owned(),
        found => text::count(usize::try_from(found).unwrap_or(usize::MAX), "finding"),
    };
    told.push_str(&format!(" in {} searched", tally.searched));
    if tally.unreadable > 0 {
        told.push_str(&format!(", {} unreadable", tally.unreadable));
    }
    if left_out > 0 {
        let values = text::count(left_out, "value");
        told.push_str(&format!("; {values} too short or too common to be looked for"));
    }
    told.push('\n');
    told
}

fn install_hook(world: &Opener<'_>) -> Result<Exit, Failure> {
    let nothing = Matcher::new(&[])?;
    let git = Git::new(&world.env, &world.current_dir, &nothing);
    let shown = |path: &Path| text::shown(&path.display().to_string());
    let told = match hook::install(&git, &world.current_dir)? {
        Hook::Installed(path) => format!("installed `{}`\n", shown(&path)),
        Hook::Unchanged(path) => format!("`{}` is installed already\n", shown(&path)),
        Hook::CalledFrom(path) => {
            format!("the hook `{}` runs `subrosa scan --staged` already\n", shown(&path))
        }
    };
    out::stdout(told)?;
    Ok(Exit::OK)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{exit, summary, unheard};
    use crate::failure::Exit;
    use crate::out::OutputLost;
    use crate::scan::scanner::Tally;

    #[test]
    fn what_was_not_read_weighs_more_than_what_was_found() {
        let check = |searched, found, unreadable, left_out, code: Exit, told: &str| {
            let tally = Tally { searched, found, unreadable };
            assert_eq!((exit(tally), summary(tally, left_out).as_str()), (code, told));
        };
        check(3, 0, 0, 0, Exit::OK, "nothing found in 3 searched\n");
        check(3, 1, 0, 0, Exit::FOUND, "1 finding in 3 searched\n");
        check(3, 2, 1, 0, Exit::ENGINE, "2 findings in 3 searched, 1 unreadable\n");
        check(0, 0, 1, 0, Exit::ENGINE, "nothing found in 0 searched, 1 unreadable\n");
        let left_out =
            "nothing found in 1 searched; 2 values too short or too common to be looked for\n";
        check(1, 0, 0, 2, Exit::OK, left_out);
    }

    #[test]
    fn a_finding_that_nobody_reads_is_still_a_finding() {
        let code = |kind: io::ErrorKind| unheard(OutputLost(kind.into())).tell(|_| {});
        assert_eq!(code(io::ErrorKind::BrokenPipe), Exit::FOUND);
        assert_eq!(code(io::ErrorKind::StorageFull), Exit::ENGINE);
    }
}
