//! What `ranks` claims, over the ranks of a real MPI: the crate's examples, under mpirun.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};

/// The checks of this file; they need [`PROGRAMS`].
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "ranks/rollouts",
        question: Some(7),
        claim: "A robot that learns on 2, 3 or 4 ranks, or on 2 of 3 threads each, ends with the weights \
                of one rank, to the bit.",
        run: rollouts,
    },
    Check {
        id: "ranks/training-step",
        question: Some(1),
        claim: "A convolution network whose batches are divided among 2, 3 or 4 ranks ends with the \
                weights of one rank, to the bit.",
        run: training_step,
    },
];

/// The folder in which the examples of `ranks` were built with its feature `mpi`.
pub static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();

/// The weights that an example ends with on so many ranks, and what rank 0 said last.
fn weights(
    ranks: usize,
    example: &str,
    seed: u64,
    arguments: &[&str],
) -> Result<(String, String), BoxError> {
    let programs = PROGRAMS.get().ok_or("no folder of programs was given")?;
    let output = Command::new("mpirun")
        .args(["-n", &ranks.to_string(), "--oversubscribe", "--bind-to", "none"])
        .arg(programs.join(example))
        .args(["--seed", &seed.to_string()])
        .args(arguments)
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .env("RAYON_NUM_THREADS", "2")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("mpirun: {error}"))?;
    let said = String::from_utf8(output.stdout)?;
    let mut found = said.lines().filter_map(|line| Some(line.split_once(": weights ")?.1));
    let first = found.next().map(str::to_owned);
    let first = first.filter(|first| found.all(|other| other == first));
    let problem = || format!("{ranks} ranks: {said}{}", String::from_utf8_lossy(&output.stderr));
    let bytes = said.lines().find(|line| line.contains("bytes received")).unwrap_or_default();
    Ok((first.ok_or_else(problem)?, bytes.to_owned()))
}

/// Of runs on 2, 3, 4 and 2 ranks, how many end with other weights than one rank; the last with these arguments more.
fn differing(
    context: &Context,
    example: &str,
    arguments: &[&str],
    last: &[&str],
) -> Result<(f64, Vec<String>), BoxError> {
    // Either way is held against itself on one rank.
    let (alone, _) = weights(1, example, context.seed, arguments)?;
    let (mut count, mut notes) = (0.0, Vec::new());
    for (ranks, more) in [(2, &[][..]), (3, &[]), (4, &[]), (2, last)] {
        let (found, bytes) = weights(ranks, example, context.seed, &[arguments, more].concat())?;
        count += f64::from(u8::from(found != alone));
        notes.push(format!("{ranks} ranks: {bytes}."));
    }
    Ok((count, notes))
}

fn evidence((measured, notes): (f64, Vec<String>), control: Control) -> Evidence {
    Evidence {
        measured,
        limit: 0.0,
        reason: "runs of 4 whose weights differ in any bit from those of one rank: the claim is of \
                 equality",
        control,
        plots: Vec::new(),
        notes,
    }
}

fn rollouts(context: &Context) -> Result<Evidence, BoxError> {
    let arguments = ["--updates", "3", "--sleep-ms", "1"];
    let threads = ["--threads", "3"];
    let wrong = [&arguments[..], &["--own-noise", "1"]].concat();
    let control = Control {
        what: "noise from a generator of each rank's own",
        measured: differing(context, "arm_hit_ranks", &wrong, &threads)?.0,
    };
    Ok(evidence(differing(context, "arm_hit_ranks", &arguments, &threads)?, control))
}

fn training_step(context: &Context) -> Result<Evidence, BoxError> {
    let arguments = ["--steps", "5", "--batch", "128"];
    let wrong = [&arguments[..], &["--all-reduce", "1"]].concat();
    let control = Control {
        what: "each rank's shards added first, then the ranks, as an all-reduce does",
        measured: differing(context, "images", &wrong, &[])?.0,
    };
    Ok(evidence(differing(context, "images", &arguments, &[])?, control))
}
