//! The folder of workflows: which of its files a name means, and that nothing outside it is meant.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// What the files of workflows end in.
pub const ENDINGS: [&str; 2] = ["yaml", "yml"];

/// The file that a path relative to the folder means: a regular one with an ending of workflows, that is below
/// the folder after every link was followed. `None`: there is none.
pub fn workflow_file(folder: &Path, relative: &str) -> Option<PathBuf> {
    let path = Path::new(relative);
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    };
    let ends_well = path.extension().is_some_and(|end| ENDINGS.iter().any(|known| end == *known));
    if relative.contains(['\0', '\\']) || !path.components().all(is_plain) || !ends_well {
        return None;
    }
    let (found, real) = (folder.join(path), fs::canonicalize(folder).ok()?);
    let meant = fs::canonicalize(&found).ok()?;
    (meant.starts_with(real) && meant.is_file()).then_some(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::workflow_file;

    #[test]
    fn a_name_means_a_workflow_file_below_the_folder_or_nothing() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("flows");
        fs::create_dir_all(folder.join("team/.hidden")).unwrap();
        for file in ["a.yaml", "team/b.yml", "team/c.txt", "team/.hidden/d.yaml", "../out.yaml"] {
            fs::write(folder.join(file), "").unwrap();
        }
        symlink("a.yaml", folder.join("in.yaml")).unwrap();
        symlink("../out.yaml", folder.join("out.yaml")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        fs::create_dir(folder.join("folder.yaml")).unwrap();
        for name in ["a.yaml", "team/b.yml", "in.yaml"] {
            assert_eq!(workflow_file(&folder, name), Some(folder.join(name)), "{name}");
        }
        let outside = home.path().join("out.yaml").display().to_string();
        for name in [
            "../out.yaml",
            "team/../../out.yaml",
            "./a.yaml",
            "out.yaml",
            "up/out.yaml",
            &outside,
            "team/c.txt",
            "team/.hidden/d.yaml",
            "folder.yaml",
            "none.yaml",
            "a.yaml\0",
            "",
        ] {
            assert_eq!(workflow_file(&folder, name), None, "{name}");
        }
    }
}
