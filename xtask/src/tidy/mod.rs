//! `cargo xtask tidy`: the workspace's own rules. Each is a function from what it looks at to the
//! problems it finds; `cargo test -p xtask` asks them all as well.

pub mod checks;
pub mod coverage;
pub mod dependencies;
pub mod files;
pub mod layers;
pub mod manifests;
pub mod metadata;

use std::fmt;
use std::io::Write;
use std::path::Path;

use self::metadata::Metadata;
use crate::verify;
use crate::verify::check::BoxError;
use crate::verify::report::questions::QUESTIONS;

/// Where a rule is broken, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, from the workspace's root.
    pub place: String,
    /// What is wrong, and what to do.
    pub advice: String,
}

impl Problem {
    fn new(place: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { place: place.into(), advice: advice.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.advice)
    }
}

/// Prints the problems; returns 0 when there is none and 1 otherwise.
///
/// # Errors
/// As [`problems`].
pub fn run(out: &mut dyn Write) -> Result<u8, BoxError> {
    let problems = problems(crate::workspace_root())?;
    for problem in &problems {
        writeln!(out, "{problem}")?;
    }
    match problems.len() {
        0 => writeln!(out, "tidy: every rule holds")?,
        1 => writeln!(out, "tidy: 1 problem")?,
        n => writeln!(out, "tidy: {n} problems")?,
    }
    Ok(u8::from(!problems.is_empty()))
}

/// Asks every rule about the workspace at `root`, in a fixed order.
///
/// # Errors
/// `cargo metadata` fails, as for want of a package that is not downloaded and cannot be, or a file
/// cannot be read.
pub fn problems(root: &Path) -> Result<Vec<Problem>, BoxError> {
    let Metadata { members, .. } = metadata::of_members(root)?;
    let all = metadata::of_everything(root)?;
    let sources = coverage::Sources::read(root)?;
    let crates: Vec<_> =
        members.iter().filter(|member| member.publishable).map(|m| m.name.as_str()).collect();
    Ok([
        layers::arrows(&members),
        layers::kernels(&members),
        manifests::version(&members),
        manifests::local_versions(&members),
        manifests::publishable(&members),
        dependencies::rust_version(&all),
        dependencies::licenses(&all.packages, &files::read(root, "deny.toml")?),
        checks::ids(&[verify::checks::all(), verify::checks::over_mpi()].concat(), &crates),
        sources.coverage(),
        sources.bad_input(),
        sources.quoted(&QUESTIONS),
        checks::questions(&QUESTIONS, &verify::checks::all()),
        files::data_sources(root)?,
        files::lengths(root)?,
        files::readme(&files::read(root, "README.md")?),
    ]
    .concat())
}
