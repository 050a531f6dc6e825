//! The ways to show what a run found: for a terminal, for a machine, for a browser.

pub mod axis;
pub mod figure;
pub mod gauge;
pub mod json;
pub mod overview;
pub mod page;
pub mod questions;
pub mod text;

/// Three significant digits where a plain number is short, as in `0.0125`, else two, as in
/// `3.1e-16`; exactly zero is `0`.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        0.01..0.1 => format!("{value:.4}"),
        0.1..1.0 => format!("{value:.3}"),
        1.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        100.0..1000.0 => format!("{value:.0}"),
        _ => format!("{value:.1e}"),
    }
}

/// The command that runs one check again.
#[must_use]
pub fn rerun(id: &str, seed: u64) -> String {
    format!("cargo xtask verify {id} --seed {seed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (3.14e-16, "3.1e-16"),
            (0.00999, "1.0e-2"),
            (0.0125, "0.0125"),
            (0.5, "0.500"),
            (-2.0, "-2.00"),
            (30.0, "30.0"),
            (261.6, "262"),
            (1000.0, "1.0e3"),
            (f64::MAX, "1.8e308"),
            (5e-324, "4.9e-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
