//! `cargo xtask bench`: a stub that says what it will do.

use std::io::Write;

const PLAN: &str = "\
`cargo xtask bench --peers [FILTER]` is not built yet. It will prepare the peers in benches/peers, run ours and theirs
in turn on the same inputs with the same number of threads, check that both computed the same thing, print the ratios
(ours / theirs, median of pairs, with the smallest and the largest) and write target/bench/ratios.json. A peer that
cannot be installed will be named as missing.
Until then: `cargo bench -p benches` measures our own crates.
";

/// Says what the task will do, and returns the exit code of a task that could not be done.
pub fn run(out: &mut dyn Write) -> u8 {
    // With the output gone the exit code still says it.
    let _ = out.write_all(PLAN.as_bytes());
    2
}
