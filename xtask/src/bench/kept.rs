//! What was measured, kept line by line in a file: a run that was stopped goes on from it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Extent, Request, Start};

/// Lines of JSON, each with an `id` and `threads`. A later one stands for an earlier one of the same.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    lines: Vec<Value>,
}

impl Kept {
    /// Reads the file, if there is one. A last line that was cut short is left out.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let mut kept = Self { path: path.to_path_buf(), lines: Vec::new() };
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .for_each(|line| kept.put(line));
        Ok(kept)
    }

    fn put(&mut self, line: Value) {
        self.lines.retain(|old| old["id"] != line["id"] || old["threads"] != line["threads"]);
        self.lines.push(line);
    }

    /// Takes a line, and writes it down at once.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, line: Value) -> io::Result<()> {
        let mut file = File::options().create(true).append(true).open(&self.path)?;
        // In front, in case the last writer was stopped within a line.
        file.write_all(format!("\n{line}").as_bytes())?;
        self.put(line);
        Ok(())
    }

    /// Forgets what the request starts afresh.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget(&mut self, ids: &[&str], request: &Request) -> io::Result<()> {
        if request.start == Start::Resume {
            return Ok(());
        }
        let threads = |line: &Value| {
            line["threads"].as_u64().is_some_and(|n| request.threads.iter().any(|&t| t as u64 == n))
        };
        self.lines.retain(|line| !(ids.contains(&id(line)) && threads(line)));
        let text: Vec<String> = self.lines.iter().map(Value::to_string).collect();
        fs::write(&self.path, text.join("\n"))
    }

    /// Whether a line need not be measured again: it has no error, no other answer than a peer's, and is no quick one where
    /// a full one is asked for.
    #[must_use]
    pub fn has(&self, id: &str, threads: usize, extent: Extent) -> bool {
        self.lines.iter().any(|line| {
            line["id"] == id
                && line["threads"] == threads
                && (extent == Extent::Quick || line["extent"] != "quick")
                && !is_wrong(line)
        })
    }

    /// All lines, sorted by id as people count, then by threads.
    #[must_use]
    pub fn lines(&self) -> Vec<&Value> {
        let mut lines: Vec<_> = self.lines.iter().collect();
        lines.sort_by_cached_key(|line| (order(id(line)), line["threads"].as_u64()));
        lines
    }

    /// The ids of all lines.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        self.lines.iter().map(id).collect()
    }

    /// Whether one of these lines ended in an error or in another answer than its peer's.
    #[must_use]
    pub fn wrong(&self, ids: &[&str]) -> bool {
        self.lines.iter().any(|line| ids.contains(&id(line)) && is_wrong(line))
    }
}

/// A line's id.
#[must_use]
pub fn id(line: &Value) -> &str {
    line["id"].as_str().unwrap_or_default()
}

/// The rows of a line against peers.
pub fn rows(line: &Value) -> impl Iterator<Item = &Value> {
    line["rows"].as_array().into_iter().flatten()
}

fn is_wrong(line: &Value) -> bool {
    line.get("error").is_some() || rows(line).any(|row| row["same_result"] == false)
}

/// Numbers in ids count as numbers: `mlp/32` comes before `mlp/128`.
fn order(id: &str) -> Vec<(String, u64)> {
    id.split(['/', '-'])
        .map(|part| {
            part.parse().map_or_else(|_| (part.to_owned(), 0), |number| (String::new(), number))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(name: &str) -> io::Result<PathBuf> {
        let folder = std::env::temp_dir().join(format!("plumbline-kept-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(path),
        }
    }

    #[test]
    fn a_run_that_was_stopped_within_a_line_loses_that_line_alone() -> io::Result<()> {
        let path = file("stopped")?;
        let mut kept = Kept::open(&path)?;
        kept.add(json!({"id": "a/1", "threads": 1, "rows": []}))?;
        let mut text = fs::read_to_string(&path)?;
        text.push_str("\n{\"id\": \"b/1\", \"thr");
        fs::write(&path, text)?;
        let mut kept = Kept::open(&path)?;
        assert_eq!(kept.ids(), ["a/1"]);
        kept.add(json!({"id": "b/1", "threads": 1, "rows": []}))?;
        assert_eq!(Kept::open(&path)?.ids(), ["a/1", "b/1"]);
        Ok(())
    }

    #[test]
    fn errors_other_answers_and_quick_lines_are_measured_again() -> io::Result<()> {
        let mut kept = Kept::open(&file("again")?)?;
        kept.add(json!({"id": "good", "threads": 1, "rows": [{"same_result": true}]}))?;
        kept.add(json!({"id": "error", "threads": 1, "error": "it ended"}))?;
        kept.add(json!({"id": "other", "threads": 1, "rows": [{"same_result": false}]}))?;
        kept.add(json!({"id": "quick", "threads": 1, "extent": "quick", "rows": []}))?;
        kept.add(json!({"id": "missing", "threads": 1, "rows": [{"missing": "no such module"}]}))?;
        let has = |id, extent| kept.has(id, 1, extent);
        assert!(
            has("good", Extent::Full)
                && has("missing", Extent::Full)
                && has("quick", Extent::Quick)
        );
        assert!(!has("error", Extent::Quick) && !has("other", Extent::Quick));
        assert!(!has("quick", Extent::Full) && !kept.has("good", 2, Extent::Full));
        assert!(
            kept.wrong(&["good", "error"])
                && kept.wrong(&["other"])
                && !kept.wrong(&["good", "missing"])
        );
        Ok(())
    }

    #[test]
    fn a_fresh_start_forgets_what_is_asked_for_alone() -> io::Result<()> {
        let path = file("fresh")?;
        let mut kept = Kept::open(&path)?;
        for (id, threads) in [("a", 1), ("a", 2), ("b", 1)] {
            kept.add(json!({"id": id, "threads": threads, "rows": []}))?;
        }
        let request = Request { start: Start::Fresh, threads: vec![1], ..Request::default() };
        kept.forget(&["a"], &request)?;
        let again = Kept::open(&path)?;
        assert!(!again.has("a", 1, Extent::Full));
        assert!(again.has("a", 2, Extent::Full) && again.has("b", 1, Extent::Full));
        Ok(())
    }

    #[test]
    fn sizes_are_in_the_order_of_numbers() -> io::Result<()> {
        let mut kept = Kept::open(&file("order")?)?;
        for id in ["x/mlp/1024", "x/mlp/32", "x/mlp/128", "a/b"] {
            kept.add(json!({"id": id, "threads": 1}))?;
        }
        let ids: Vec<_> = kept.lines().into_iter().map(id).collect();
        assert_eq!(ids, ["a/b", "x/mlp/32", "x/mlp/128", "x/mlp/1024"]);
        Ok(())
    }
}
