//! Nested rules of 3, 7 and 15 nodes on [−1, 1].
//!
//! T. N. L. Patterson, "The optimum addition of points to quadrature formulae", Mathematics of
//! Computation 22 (1968). The first is Gauss-Legendre's, the second its Kronrod extension, the third
//! the extension of the second: exact to degrees 5, 11 and 23, each with the nodes of the one before.

/// The 15 nodes, ascending. Those with odd index are the 7, and of these again the 3.
pub(crate) const NODES: [f64; 15] = [
    -0.99383196321275502221,
    -0.96049126870802028342,
    -0.88845923287225699889,
    -0.77459666924148337704,
    -0.62110294673722640294,
    -0.43424374934680255800,
    -0.22338668642896688163,
    0.0,
    0.22338668642896688163,
    0.43424374934680255800,
    0.62110294673722640294,
    0.77459666924148337704,
    0.88845923287225699889,
    0.96049126870802028342,
    0.99383196321275502221,
];

/// Weights of the 15 nodes.
pub(crate) const FIFTEEN: [f64; 15] = [
    0.01700171962994026034,
    0.05160328299707973970,
    0.09292719531512453769,
    0.13441525524378422036,
    0.17151190913639138079,
    0.20062852937698902103,
    0.21915685840158749640,
    0.22551049979820668739,
    0.21915685840158749640,
    0.20062852937698902103,
    0.17151190913639138079,
    0.13441525524378422036,
    0.09292719531512453769,
    0.05160328299707973970,
    0.01700171962994026034,
];

/// Weights of the 7 nodes, 0 at the others.
pub(crate) const SEVEN: [f64; 15] = [
    0.0,
    0.10465622602646726519,
    0.0,
    0.26848808986833344073,
    0.0,
    0.40139741477596222291,
    0.0,
    0.45091653865847414235,
    0.0,
    0.40139741477596222291,
    0.0,
    0.26848808986833344073,
    0.0,
    0.10465622602646726519,
    0.0,
];

/// Weights of the 3 nodes, 0 at the others.
pub(crate) const THREE: [f64; 15] = [
    0.0,
    0.0,
    0.0,
    0.55555555555555555556,
    0.0,
    0.0,
    0.0,
    0.88888888888888888889,
    0.0,
    0.0,
    0.0,
    0.55555555555555555556,
    0.0,
    0.0,
    0.0,
];

/// The midpoint rule.
pub(crate) const ONE: [f64; 15] =
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_exact_to_its_degree_and_fails_at_the_next_even_one() {
        for (weights, degree, beyond) in [(THREE, 5, 1e-2), (SEVEN, 11, 1e-4), (FIFTEEN, 23, 1e-9)]
        {
            for k in (0..=degree + 1).step_by(2) {
                let sum: f64 = NODES.iter().zip(weights).map(|(x, w)| w * x.powi(k)).sum();
                let error = (sum - 2.0 / f64::from(k + 1)).abs();
                if k <= degree {
                    // 15 terms below 1, each of a few roundings.
                    assert!(error < 8.0 * f64::EPSILON, "x^{k} of degree {degree}: {error:e}");
                } else {
                    assert!(error > beyond, "x^{k} of degree {degree}: {error:e}");
                }
            }
        }
    }
}
