//! Files: data with its source, source that fits a reader, the commands that README promises.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Problem;

/// Lines of a source file, documentation and tests included; half of it is the usual length.
const CEILING: usize = 600;

/// What a stranger is told to type.
const COMMANDS: [&str; 2] = ["cargo xtask verify", "cargo test --workspace"];

/// A text file of the workspace.
///
/// # Errors
/// It cannot be read; the text names it.
pub fn read(root: &Path, file: &str) -> io::Result<String> {
    fs::read_to_string(root.join(file))
        .map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))
}

/// Every file under `crates/*/data` is named in the SOURCES.md there, with where it comes from.
///
/// # Errors
/// A folder or a SOURCES.md cannot be read.
pub fn data_sources(root: &Path) -> io::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for folder in subfolders(root, "crates", "data")? {
        let sources = format!("{folder}/SOURCES.md");
        let text = if root.join(&sources).exists() { read(root, &sources)? } else { String::new() };
        for file in files_below(root, &folder)? {
            if let Some(name) = file.strip_prefix(&format!("{folder}/"))
                && name != "SOURCES.md"
                && !names(&text, name)
            {
                let advice =
                    format!("{sources} does not name it; add its source and license there");
                problems.push(Problem::new(file, advice));
            }
        }
    }
    Ok(problems)
}

/// Whether a text names the file, and not merely one whose name ends or begins like it.
fn names(text: &str, file: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || "/.-_".contains(c);
    text.split(|c| !part_of_name(c)).any(|word| word.trim_end_matches('.') == file)
}

/// No source file of a crate or of xtask is longer than a reader bears.
///
/// # Errors
/// A folder or a file cannot be read.
pub fn lengths(root: &Path) -> io::Result<Vec<Problem>> {
    let mut folders = subfolders(root, "crates", "src")?;
    folders.push("xtask/src".to_owned());
    let mut problems = Vec::new();
    for folder in folders {
        for file in files_below(root, &folder)? {
            if Path::new(&file).extension().is_some_and(|extension| extension == "rs") {
                problems.extend(length(&file, &read(root, &file)?));
            }
        }
    }
    Ok(problems)
}

fn length(file: &str, text: &str) -> Option<Problem> {
    let lines = text.lines().count();
    (lines > CEILING).then(|| {
        let advice =
            format!("{lines} lines, and {CEILING} are the most; split it by what it is about");
        Problem::new(file, advice)
    })
}

/// README has the two commands that a stranger needs.
#[must_use]
pub fn readme(text: &str) -> Vec<Problem> {
    COMMANDS
        .into_iter()
        .filter(|command| !text.lines().any(|line| line.trim() == *command))
        .map(|command| Problem::new("README.md", format!("does not show `{command}` on a line")))
        .collect()
}

/// `parent/*/name`, from the root, sorted.
pub(super) fn subfolders(root: &Path, parent: &str, name: &str) -> io::Result<Vec<String>> {
    let folders = entries(&root.join(parent))?.into_iter().map(|entry| entry.join(name));
    Ok(folders.filter(|folder| folder.is_dir()).map(|folder| relative(root, &folder)).collect())
}

/// The files under a folder and its subfolders, from the root, sorted.
pub(super) fn files_below(root: &Path, folder: &str) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in entries(&root.join(folder))? {
        let path = relative(root, &entry);
        if entry.is_dir() {
            files.extend(files_below(root, &path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// A path from the root, with forward slashes on every system.
fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small workspace in the folder for temporary files of tests.
    fn workspace(name: &str, files: &[(&str, &str)]) -> io::Result<PathBuf> {
        let root = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        for (file, text) in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap_or(&root))?;
            fs::write(path, text)?;
        }
        Ok(root)
    }

    #[test]
    fn data_without_a_source_is_refused() -> io::Result<()> {
        let root = workspace(
            "data",
            &[
                ("crates/a/data/SOURCES.md", "| digits.csv | UCI |\n| deep/x.bin | ours |"),
                ("crates/a/data/digits.csv", ""),
                ("crates/a/data/igits.csv", ""),
                ("crates/a/data/deep/x.bin", ""),
                ("crates/a/data/deep/y.bin", ""),
                ("crates/b/data/z.csv", ""),
                ("crates/c/src/lib.rs", ""),
            ],
        )?;
        let problems = data_sources(&root)?;
        fs::remove_dir_all(&root)?;
        let places: Vec<_> = problems.iter().map(|problem| problem.place.as_str()).collect();
        assert_eq!(
            places,
            ["crates/a/data/deep/y.bin", "crates/a/data/igits.csv", "crates/b/data/z.csv"]
        );
        assert_eq!(
            problems[2].advice,
            "crates/b/data/SOURCES.md does not name it; add its source and license there"
        );
        Ok(())
    }

    #[test]
    fn a_long_file_is_refused() -> io::Result<()> {
        let long = "line\n".repeat(601);
        let root = workspace(
            "length",
            &[
                ("crates/a/src/deep/long.rs", &long),
                ("crates/a/src/long.txt", &long),
                ("crates/a/src/full.rs", &long[5..]),
                ("xtask/src/long.rs", &long),
            ],
        )?;
        let problems = lengths(&root)?;
        fs::remove_dir_all(&root)?;
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["crates/a/src/deep/long.rs", "xtask/src/long.rs"].map(|file| format!(
                "{file}: 601 lines, and 600 are the most; split it by what it is about"
            ))
        );
        Ok(())
    }

    #[test]
    fn a_readme_without_the_commands_is_refused() {
        assert_eq!(readme("```text\ncargo xtask verify\n  cargo test --workspace\n```"), []);
        assert_eq!(
            readme("Run cargo test --workspace.\ncargo xtask verify\n")[0].to_string(),
            "README.md: does not show `cargo test --workspace` on a line"
        );
        assert_eq!(readme("").len(), 2);
    }
}
