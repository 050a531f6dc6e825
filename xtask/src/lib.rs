//! Plumbline's own tasks: `verify` holds every claim of the crates against a number, `tidy` holds
//! the workspace to its own rules, `bench` times the crates beside what people would use instead.

pub mod bench;
pub mod tidy;
pub mod verify;

use std::path::Path;

/// What `cargo xtask help` says.
pub const USAGE: &str = "\
cargo xtask verify [FILTER..]    hold every claim against a number, next to the usual wrong method
    FILTER          only checks whose id contains it, several mean `or`; a whole id means that one
    --list          ids, the questions they answer, and claims; runs nothing
    --seed N        another seed; every check must hold for any
    --json FILE     the result for machines; `-` writes it to standard output
    --report DIR    where the page with the plots goes (default target/verify)
    --mpi DIR       the checks over MPI too, with the examples in DIR of
                    `cargo build -p ranks --features mpi --examples`
    --jobs N        threads (default: one per core)
cargo xtask tidy                 hold the workspace to its own rules
cargo xtask bench [FILTER..]     show what was measured; with one of the next two, measure it first
    --peers         ours beside PyTorch, SciPy and others, each in turn, answers compared before times
    --growth        time and memory over three decades of size
    --quick         lines with a goal only, three rounds, and `--minutes 9` unless given
    --fresh         forget what is kept of these lines; without it a run goes on where the last one stopped
    --minutes M     begin no line after that time
    --threads N     of every side (default: 1, then 2)
    --results DIR   where results are kept (default target/bench)
    --workers DIR   programs built elsewhere (default: cargo builds them)
    --python FILE   a Python that has the peers (default: an environment in target/bench)
cargo xtask help                 this text

Exit code: 0 all of it holds, 1 something does not, 2 the question was wrong or nothing matched.
";

/// The folder of the workspace's manifest.
#[must_use]
pub fn workspace_root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

// The README's Rust examples run as tests. `cfg(doctest)` keeps the path, which leaves the package,
// away from every other build, `cargo package` included.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
