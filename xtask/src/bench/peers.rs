//! Ours beside its peers: the scripts in `benches/peers`, each asked which lines it has and then for those not yet kept.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use super::kept::{Kept, rows};
use super::program::{build, python, say};
use super::{Extent, Place, Request};
use crate::verify::check::BoxError;

/// In the order in which they run: crates from the ground up.
const SCRIPTS: [&str; 14] = [
    "linalg",
    "dsp_spectra",
    "dsp_peaks",
    "subspace",
    "quad",
    "nn_dense",
    "nn_conv",
    "nn_memory",
    "nn_examples",
    "invert",
    "invert_search",
    "rl",
    "rl_process",
    "rl_training",
];

/// A line that a script has.
struct Line {
    script: &'static str,
    id: String,
    threads: usize,
    /// Whether it is left out of a quick run.
    long: bool,
}

/// Measures what is asked for and not yet kept; the ids of all that was asked for.
pub(super) fn run(
    request: &Request,
    place: &Place<'_>,
    kept: &mut Kept,
    err: &mut dyn Write,
) -> Result<Vec<String>, BoxError> {
    build(place, err)?;
    let python = python(request.python.as_deref(), place, err)?;
    let mut lines = Vec::new();
    for &threads in &request.threads {
        for script in SCRIPTS {
            lines.extend(list(&python, script, threads, place)?);
        }
    }
    let all: Vec<&str> = lines.iter().map(|line| line.id.as_str()).collect();
    let chosen: Vec<String> = request.select(&all).into_iter().map(str::to_owned).collect();
    lines.retain(|line| {
        chosen.contains(&line.id) && !(line.long && request.extent == Extent::Quick)
    });
    let ids: Vec<String> = lines.iter().map(|line| line.id.clone()).collect();
    kept.forget(&ids.iter().map(String::as_str).collect::<Vec<_>>(), request)?;
    let wanted = lines.len();
    lines.retain(|line| !kept.has(&line.id, line.threads, request.extent));
    say(err, &format!("{wanted} lines, {} of them kept from before", wanted - lines.len()));
    let mut progress = Progress { start: Instant::now(), done: 0, of: lines.len() };
    for &threads in &request.threads {
        for script in SCRIPTS {
            let ids: Vec<&str> = lines
                .iter()
                .filter(|line| line.script == script && line.threads == threads)
                .map(|line| line.id.as_str())
                .collect();
            if ids.is_empty() || place.time_is_up() {
                continue;
            }
            let mut command = command(&python, script, threads, place);
            let rounds = if request.extent == Extent::Quick { "3" } else { "7" };
            command.args(["--json", "--rounds", rounds]).args(&ids);
            measure(&mut command, request.extent, place, kept, &mut progress, err)?;
        }
    }
    if progress.done < progress.of {
        let left = progress.of - progress.done;
        say(err, &format!("{left} lines are left: the same command goes on with them"));
    }
    Ok(ids)
}

struct Progress {
    start: Instant,
    done: usize,
    of: usize,
}

/// Takes what a script says, line by line, until it ends or the time is up.
fn measure(
    command: &mut Command,
    extent: Extent,
    place: &Place<'_>,
    kept: &mut Kept,
    progress: &mut Progress,
    err: &mut dyn Write,
) -> Result<(), BoxError> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or("standard output was asked for")?;
    for text in BufReader::new(output).lines() {
        // A peer that prints on standard output is not our concern.
        let Ok(mut line) = serde_json::from_str::<Value>(&text?) else { continue };
        if line.get("id").is_none() {
            continue;
        }
        if extent == Extent::Quick {
            line["extent"] = json!("quick");
        }
        progress.done += 1;
        let Progress { start, done, of } = progress;
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        say(err, &format!("[{done:3} of {of}, {minutes:4.1} min] {}", summary(&line)));
        kept.add(line)?;
        if place.time_is_up() {
            child.kill()?;
            break;
        }
    }
    let status = child.wait()?;
    if !status.success() && !place.time_is_up() {
        say(err, &format!("{} ended with {status}", command.get_program().display()));
    }
    Ok(())
}

/// A line in a few words: the ratio to each peer.
fn summary(line: &Value) -> String {
    let id = line["id"].as_str().unwrap_or_default();
    if let Some(error) = line["error"].as_str() {
        return format!("{id} error: {error}");
    }
    let ratios: Vec<String> = rows(line)
        .map(|row| {
            let peer = row["peer"].as_str().unwrap_or_default();
            match row["ratio"].as_f64() {
                Some(ratio) => format!("{ratio:.3} {peer}"),
                None if row.get("missing").is_some() => format!("{peer} is missing"),
                None => format!("{peer} has another answer"),
            }
        })
        .collect();
    format!("{id} {}", ratios.join(", "))
}

fn command(python: &Path, script: &str, threads: usize, place: &Place<'_>) -> Command {
    let mut command = Command::new(python);
    command
        .arg(place.root.join("benches/peers").join(script).with_extension("py"))
        .args(["--threads", &threads.to_string()])
        .current_dir(&place.root)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(workers) = place.workers {
        command.arg("--workers").arg(workers);
    }
    command
}

fn list(
    python: &Path,
    script: &'static str,
    threads: usize,
    place: &Place<'_>,
) -> Result<Vec<Line>, BoxError> {
    let output = command(python, script, threads, place)
        .arg("--list")
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("{}: {error}", python.display()))?;
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr);
        return Err(
            format!("{script}.py: {}", problem.trim().lines().last().unwrap_or_default()).into()
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(lines
        .map(|line| Line {
            script,
            id: line["id"].as_str().unwrap_or_default().to_owned(),
            threads,
            long: line["slow"] == true || line["goals"] == false,
        })
        .collect())
}
