//! The ways to show what a run found: for a terminal, for a machine, for a browser.

pub mod axis;
pub mod figure;
pub mod json;
pub mod page;
pub mod text;

/// Two significant digits, as in `3.1e-16`; exactly zero is `0`.
#[must_use]
pub fn number(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") }
}

/// measured / limit for a table: plain where two decimals say something, else as [`number`].
#[must_use]
pub fn ratio(value: f64) -> String {
    if (0.01..1000.0).contains(&value) { format!("{value:.2}") } else { number(value) }
}

/// The command that runs one check again.
#[must_use]
pub fn rerun(id: &str, seed: u64) -> String {
    format!("cargo xtask verify {id} --seed {seed}")
}
