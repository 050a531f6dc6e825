//! What is run: cargo for the workers, Python for the peers' environment.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Place;
use crate::verify::check::BoxError;

/// Builds our workers, unless a folder of them was given, and the peers in Rust, which may fail: their lines then say
/// that they are missing.
pub(super) fn build(place: &Place<'_>, err: &mut dyn Write) -> Result<(), BoxError> {
    if place.workers.is_some() {
        return Ok(());
    }
    say(err, "building our workers");
    for what in [["benches", "--bins"], ["nn-core", "--examples"]] {
        let ours = cargo(place).args(["build", "--release", "--package"]).args(what).status()?;
        if !ours.success() {
            return Err("our workers could not be built".into());
        }
    }
    let mut folders: Vec<_> = fs::read_dir(place.root.join("benches/peers"))?
        .filter_map(|entry| Some(entry.ok()?.path().join("Cargo.toml")))
        .filter(|manifest| manifest.exists())
        .collect();
    folders.sort();
    let built = super::target().join("bench/rust");
    for manifest in folders {
        say(err, &format!("building {}", manifest.display()));
        let theirs = cargo(place)
            .args(["build", "--release", "--manifest-path"])
            .arg(&manifest)
            .arg("--target-dir")
            .arg(&built)
            .status()?;
        if !theirs.success() {
            say(err, "it could not be built: its lines will say that it is missing");
            // One of an earlier build does not know what is asked now.
            for program in programs(&fs::read_to_string(&manifest)?) {
                let _ = fs::remove_file(built.join("release").join(program));
            }
        }
    }
    Ok(())
}

/// The programs that a manifest names, its own and those of its targets.
fn programs(manifest: &str) -> impl Iterator<Item = String> {
    let names = manifest
        .lines()
        .filter_map(|line| line.trim().strip_prefix("name = \"")?.split('"').next());
    names.map(|name| format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn cargo(place: &Place<'_>) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&place.root);
    cargo
}

/// A Python with the peers of `requirements.txt`: the one given, or an environment in `target/bench/venv`. A peer that cannot
/// be installed is named here, and its lines will say that it is missing.
pub(super) fn python(
    given: Option<&Path>,
    place: &Place<'_>,
    err: &mut dyn Write,
) -> Result<PathBuf, BoxError> {
    if let Some(python) = given {
        return Ok(python.to_path_buf());
    }
    let requirements = place.root.join("benches/peers/requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let folder = super::target().join("bench/venv");
    let python = folder.join("bin/python");
    let stamp = folder.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    say(err, "making an environment with the peers: some gigabytes, once");
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let install = |what: &[&str]| {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(what);
        run(&mut pip)
    };
    if install(&["--requirement", &requirements.to_string_lossy()]).is_err() {
        for peer in wanted.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if install(&[peer]).is_err() {
                say(err, &format!("{peer} could not be installed"));
            }
        }
    }
    fs::write(stamp, wanted)?;
    Ok(python)
}

/// Runs it to its end; what it prints goes to standard error.
fn run(command: &mut Command) -> Result<(), BoxError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.stdout(Stdio::null()).status().map_err(|e| format!("{program}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}").into()) }
}

/// A line for people; with nobody there to read it, the run goes on.
pub(super) fn say(err: &mut dyn Write, text: &str) {
    let _ = writeln!(err, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_its_programs() {
        let manifest =
            "[package]\nname = \"peers\"\n[[bin]]\n  name = \"other\"\npath = \"src/x.rs\"\n";
        let names =
            ["peers", "other"].map(|name| format!("{name}{}", std::env::consts::EXE_SUFFIX));
        assert!(programs(manifest).eq(names));
    }
}
