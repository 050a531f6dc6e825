//! Starts an example under mpirun, and reads what it says.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A run of an example on so many ranks, each of which writes the number of its process into a folder.
pub(crate) struct Run {
    child: Child,
    start: Instant,
    folder: PathBuf,
}

/// How a run ended. With recovery enabled mpirun's exit code is 0 whatever happened, so it is not asked.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) said: String,
    pub(crate) errors: String,
    pub(crate) took: Duration,
}

/// A folder of this test's own.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("ranks-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

impl Run {
    pub(crate) fn start(ranks: usize, example: &str, arguments: &[&str], folder: &Path) -> Self {
        // target/…/deps/it-… beside target/…/examples/….
        let tests = std::env::current_exe().expect("this test");
        let program = tests
            .ancestors()
            .nth(2)
            .expect("the folder of the profile")
            .join("examples")
            .join(example);
        let mut mpirun = Command::new("mpirun");
        mpirun
            .args(["-n", &ranks.to_string(), "--oversubscribe", "--bind-to", "none"])
            // A rank that is gone does not end the others: rank 0 does, and says which rollout it had.
            .args(["--mca", "orte_enable_recovery", "1"])
            .args(["sh", "-c", "echo $$ > \"$0/$OMPI_COMM_WORLD_RANK\"; exec \"$@\""])
            .arg(folder)
            .arg(program)
            .args(arguments)
            .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
            .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
            .env("RAYON_NUM_THREADS", "2")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self {
            child: mpirun.spawn().expect("mpirun"),
            start: Instant::now(),
            folder: folder.to_owned(),
        }
    }

    /// Waits for a file that the run writes, by which time MPI has started.
    pub(crate) fn wait_for(&self, file: &Path) {
        while !file.exists() {
            assert!(self.start.elapsed() < Duration::from_secs(60), "no {}", file.display());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends a signal to the process of a rank, once it has one.
    pub(crate) fn signal(&self, rank: usize, signal: &str) {
        let file = self.folder.join(rank.to_string());
        let process = loop {
            match std::fs::read_to_string(&file) {
                Ok(process) if process.ends_with('\n') => break process,
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let done = Command::new("kill").args([signal, process.trim()]).status().expect("kill");
        assert!(done.success(), "{signal} {process}");
    }

    pub(crate) fn end(self) -> Ended {
        let start = self.start;
        let output = self.child.wait_with_output().expect("what mpirun wrote");
        Ended {
            said: String::from_utf8(output.stdout).expect("text"),
            errors: String::from_utf8(output.stderr).expect("text"),
            took: start.elapsed(),
        }
    }
}

impl Ended {
    /// Whether the program came to its end.
    pub(crate) fn finished(&self) -> bool {
        self.said.contains(": weights ")
    }

    /// The weights that each rank ended with, which are those of all.
    pub(crate) fn weights(&self, ranks: usize) -> &str {
        self.same("weights", ranks)
    }

    /// What every rank said of `what`, which must be the same.
    pub(crate) fn same(&self, what: &str, ranks: usize) -> &str {
        let said = format!(": {what} ");
        let lines = self.said.lines().filter_map(|line| line.split_once(&said));
        let each: Vec<_> = lines.map(|(_, said)| said).collect();
        assert_eq!(each.len(), ranks, "{self:?}");
        assert!(each.iter().all(|other| *other == each[0]), "{self:?}");
        each[0]
    }
}
