//! The logarithm of the gamma function with its first two derivatives, for x ≥ 1.

use std::f64::consts::PI;

/// Where the asymptotic series below are good to a rounding error.
const LARGE: f64 = 10.0;

/// log Γ(x). Error below 1e-14·(1 + |log Γ(x)|).
///
/// Stirling's series from x = 10 on (Abramowitz and Stegun 6.1.41), Γ(x + 1) = x·Γ(x) below.
pub(super) fn log_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < LARGE {
        product *= x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = polynomial(
        y,
        &[1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360360.0],
    );
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series / x - f64::ln(product)
}

/// ψ(x), the derivative of log Γ(x). Error below 1e-14·(1 + |ψ(x)|).
///
/// The series from x = 10 on (6.3.18), ψ(x + 1) = ψ(x) + 1/x below.
pub(super) fn digamma(x: f64) -> f64 {
    let (mut x, mut less) = (x, 0.0);
    while x < LARGE {
        less += 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = polynomial(
        y,
        &[
            1.0 / 12.0,
            -1.0 / 120.0,
            1.0 / 252.0,
            -1.0 / 240.0,
            1.0 / 132.0,
            -691.0 / 32760.0,
            1.0 / 12.0,
        ],
    );
    x.ln() - 0.5 / x - y * series - less
}

/// ψ′(x). Error below 1e-14.
///
/// The series from x = 10 on (6.4.12), ψ′(x + 1) = ψ′(x) − 1/x² below.
pub(super) fn trigamma(x: f64) -> f64 {
    let (mut x, mut more) = (x, 0.0);
    while x < LARGE {
        more += 1.0 / (x * x);
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = polynomial(
        y,
        &[1.0 / 6.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 5.0 / 66.0, -691.0 / 2730.0, 7.0 / 6.0],
    );
    (1.0 + 0.5 / x + y * series) / x + more
}

/// c₀ + c₁y + c₂y² + …
fn polynomial(y: f64, coefficients: &[f64]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * y + c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Euler's constant.
    const GAMMA: f64 = 0.577_215_664_901_532_9;

    #[test]
    fn known_values() {
        let sqrt_pi = PI.sqrt();
        for (found, expected) in [
            (log_gamma(1.0), 0.0),
            (log_gamma(2.0), 0.0),
            (log_gamma(1.5), (sqrt_pi / 2.0).ln()),
            // 17‼/2⁹·√π
            (log_gamma(9.5), (34459425.0 / 512.0 * sqrt_pi).ln()),
            (log_gamma(11.0), 3628800f64.ln()),
            (digamma(1.0), -GAMMA),
            (digamma(1.5), 2.0 - 2.0 * 2f64.ln() - GAMMA),
            (digamma(10.0), 7129.0 / 2520.0 - GAMMA),
            (trigamma(1.0), PI * PI / 6.0),
            (trigamma(1.5), PI * PI / 2.0 - 4.0),
        ] {
            assert!(
                (found - expected).abs() < 1e-14 * (1.0 + expected.abs()),
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn the_recurrences_hold_across_the_switch() {
        for x in [1.0, 1.3, 4.7, 8.999, 9.0, 9.5, 10.0, 33.0] {
            let off = log_gamma(x + 1.0) - log_gamma(x) - f64::ln(x);
            assert!(off.abs() < 1e-13, "log Γ at {x}: {off}");
            let off = digamma(x + 1.0) - digamma(x) - 1.0 / x;
            assert!(off.abs() < 1e-14, "ψ at {x}: {off}");
            let off = trigamma(x) - trigamma(x + 1.0) - 1.0 / (x * x);
            assert!(off.abs() < 1e-14, "ψ′ at {x}: {off}");
        }
    }
}
