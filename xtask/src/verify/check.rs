//! What a check is: a claim with a number, and a control that must fail.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::plot::Plot;

/// Whatever stops a check from measuring; it is reported as the check's error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A claim about one crate (or several), and how it is measured.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// `crate/claim`, or `cross/claim`.
    pub id: &'static str,
    /// The row of DESIGN.md's table of questions that this answers, where it answers one.
    pub question: Option<u8>,
    /// What is claimed, in one sentence for a stranger.
    pub claim: &'static str,
    /// Measures the claim and its control. Uses only what a user of the crates can use.
    pub run: fn(&Context) -> Result<Evidence, BoxError>,
}

/// What a check measured.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// A magnitude. The claim holds when it is at most `limit`; a NaN never is, and a negative one is
    /// an error.
    pub measured: f64,
    /// The largest value that the claim allows: finite, and 0 for a claim of equality.
    pub limit: f64,
    /// Where the limit comes from: a bound, an exactness degree, printed digits of a reference.
    pub reason: &'static str,
    /// The wrong or naive method, through the same measurement; it must exceed `limit`.
    pub control: Control,
    /// Pictures for the report.
    pub plots: Vec<Plot>,
    /// Further numbers and remarks, a sentence each.
    pub notes: Vec<String>,
}

/// The wrong or naive method and what the check's measurement says of it.
#[derive(Debug, Clone)]
pub struct Control {
    /// What was done wrong.
    pub what: &'static str,
    /// The measurement; it must exceed the check's limit (infinity is fine, NaN is not).
    pub measured: f64,
}

/// What a check may use: the seed, and the data files of the crates.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The run's seed; a check must hold for any.
    pub seed: u64,
    /// The running check's id, mixed into its random numbers.
    pub id: &'static str,
}

impl Context {
    /// A generator for this check alone: other checks and the order of running do not matter.
    #[must_use]
    pub fn rng(&self) -> Xoshiro256PlusPlus {
        // FNV-1a of the id, so that two checks with one seed do not share their numbers.
        let hash = self.id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Xoshiro256PlusPlus::seed_from_u64(self.seed ^ hash)
    }

    /// The path of a data file that lives next to `crate_name`.
    #[must_use]
    pub fn data(&self, crate_name: &str, file: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../crates")
            .join(crate_name)
            .join("data")
            .join(file)
    }
}
