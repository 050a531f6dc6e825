//! The natural gradient: steepest ascent where distance is measured between policies, not parameters.

use linalg::{Cholesky, DVector, PseudoInverse};

use crate::{Policy, Result, check};

/// (F + damping·I)⁻¹ ∇J with the Fisher information F of the policy; without damping F⁺ ∇J, for which F may
/// be singular.
///
/// A step of the plain gradient is the best of its length in θ, and depends on how the policy was
/// parameterized; the natural gradient is the best of its length in KL(θ ‖ θ + δ) ≈ ½ δᵀ F δ, and does not.
/// It is exact here for a policy without context. Two closed forms:
///
/// - softmax over arms with rewards r: F⁺ ∇J = r − mean(r), the *plain* mean over the arms. It does not vanish
///   where the policy is all but certain of a bad arm, as the gradient does;
/// - a normal policy with covariance Σ: in the mean, Σ·∂J/∂μ.
///
/// Where F is estimated or nearly singular, damping of a percent of its largest entry keeps noise from being
/// divided by next to nothing.
///
/// # Errors
/// [`Error::Length`](crate::Error::Length) where the gradient has not an entry per parameter,
/// [`Error::NotFinite`](crate::Error::NotFinite), [`Error::OutOfRange`](crate::Error::OutOfRange) for a
/// damping below zero or NaN, and [`Error::Linalg`](crate::Error::Linalg) where F is not finite.
///
/// # Examples
/// ```
/// use linalg::DVector;
/// use rl_pg::{Categorical, natural_gradient};
/// let (policy, r) = (Categorical::from_parameters(&[0.0, 0.5, -1.0])?, [1.0, 2.0, 0.5]);
/// let pi = policy.probabilities();
/// let value: f64 = pi.iter().zip(r).map(|(p, r)| p * r).sum();
/// let gradient = DVector::from_fn(3, |a, _| pi[a] * (r[a] - value));
/// let natural = natural_gradient(&policy, &gradient, 0.0)?;
/// for (found, r) in natural.iter().zip(r) {
///     assert!((found - (r - 3.5 / 3.0)).abs() < 1e-13);
/// }
/// # Ok::<(), rl_pg::Error>(())
/// ```
///
/// # References
/// S. Amari, "Natural gradient works efficiently in learning", Neural Computation 10 (1998); S. Kakade, "A
/// natural policy gradient", NIPS (2001).
pub fn natural_gradient<P: Policy>(
    policy: &P,
    gradient: &DVector<f64>,
    damping: f64,
) -> Result<DVector<f64>> {
    check::length("gradient", gradient.len(), policy.parameter_count())?;
    check::finite("gradient", gradient.as_slice())?;
    let mut fisher = policy.fisher();
    if damping == 0.0 {
        return Ok(PseudoInverse::new(&fisher)?.solve(gradient)?);
    }
    check::positive("damping", damping)?;
    for k in 0..fisher.nrows() {
        fisher[(k, k)] += damping;
    }
    Ok(Cholesky::new(fisher)?.solve(gradient)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Categorical, DiagonalGaussian, FullGaussian};

    #[test]
    fn of_a_bandit_it_is_the_reward_less_the_plain_mean() {
        // Also where the policy is nearly certain of the worst arm, and the gradient is 5e-9.
        for logits in [[0.0, 0.5, -1.0], [0.0, 0.0, 8.0]] {
            let policy = Categorical::from_parameters(&logits).unwrap();
            let rewards = [1.0, 2.0, 0.5];
            let pi = DVector::from_column_slice(policy.probabilities());
            let value = pi.dot(&DVector::from_column_slice(&rewards));
            let gradient = DVector::from_fn(3, |a, _| pi[a] * (rewards[a] - value));
            let natural = natural_gradient(&policy, &gradient, 0.0).unwrap();
            // The smallest singular value of F is that of the rarest arm.
            let tolerance = 1e-14 / pi.min();
            for (found, expected) in natural.iter().zip([-1.0 / 6.0, 5.0 / 6.0, -2.0 / 3.0]) {
                assert!((found - expected).abs() < tolerance, "{logits:?}: {natural}");
            }
        }
    }

    #[test]
    fn of_a_normal_policy_it_is_the_covariance_times_the_slope_by_the_mean() {
        let policy = FullGaussian::from_parameters(&[0.3, -1.2, -0.4, 0.6, 0.2]).unwrap();
        let gradient = DVector::from_column_slice(&[1.0, -2.0, 0.0, 0.0, 0.0]);
        let natural = natural_gradient(&policy, &gradient, 0.0).unwrap();
        let expected = policy.covariance() * gradient.rows(0, 2);
        assert!((natural.rows(0, 2) - expected).amax() < 1e-13);
        assert!(natural.rows(2, 3).amax() < 1e-13);
    }

    #[test]
    fn damping_is_added_to_the_diagonal() {
        let policy = DiagonalGaussian::from_parameters(&[0.0, 0.0]).unwrap(); // F = diag(1, 2)
        let gradient = DVector::from_column_slice(&[3.0, 4.0]);
        let natural = natural_gradient(&policy, &gradient, 2.0).unwrap();
        assert!((natural - DVector::from_column_slice(&[1.0, 1.0])).amax() < 1e-15);
    }

    #[test]
    fn bad_input_is_named() {
        let policy = DiagonalGaussian::from_parameters(&[0.0, 0.0]).unwrap();
        let gradient = DVector::from_column_slice(&[3.0, 4.0]);
        for (error, text) in [
            (
                natural_gradient(&policy, &DVector::zeros(3), 0.0).unwrap_err(),
                "gradient has 3 entries, expected 2",
            ),
            (
                natural_gradient(&policy, &gradient, -1.0).unwrap_err(),
                "damping is -1, and must be positive and finite",
            ),
            (
                natural_gradient(&policy, &gradient, f64::NAN).unwrap_err(),
                "damping is NaN, and must be positive and finite",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
