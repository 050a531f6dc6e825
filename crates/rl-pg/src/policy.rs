//! What an estimator must know of a policy.

use std::fmt::Debug;

use linalg::DMatrix;
use rand::Rng;

use crate::Result;

/// A distribution π(a; θ) over actions with parameters θ that can be moved.
///
/// A policy is a value: it holds its parameters, and another θ is another policy. What a network
/// needs at its end is therefore a plain function from numbers to a policy, `fn(&[f64]) ->
/// Result<P>`; every policy of this crate has one, `from_parameters`.
///
/// Implement it for a policy of your own. The one thing that is easily wrong is the score, and a
/// finite difference of `log_probability` shows it.
///
/// # Examples
/// A coin that shows heads with probability 1/(1 + e^−θ).
/// ```
/// use linalg::DMatrix;
/// use rand::{Rng, RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
/// use rl_pg::{Baseline, Policy, Result, score_function};
///
/// struct Coin(f64);
///
/// impl Coin {
///     fn heads(&self) -> f64 { 1.0 / (1.0 + (-self.0).exp()) }
/// }
///
/// impl Policy for Coin {
///     type Action = bool;
///     fn parameter_count(&self) -> usize { 1 }
///     fn sample(&self, rng: &mut dyn Rng) -> bool { rng.random::<f64>() < self.heads() }
///     fn mode(&self) -> bool { self.0 >= 0.0 }
///     fn log_probability(&self, &heads: &bool) -> Result<f64> {
///         Ok(-(if heads { -self.0 } else { self.0 }).exp().ln_1p())
///     }
///     fn score(&self, &heads: &bool, score: &mut [f64]) -> Result<()> {
///         score[0] = f64::from(u8::from(heads)) - self.heads();
///         Ok(())
///     }
///     fn entropy(&self) -> f64 { self.0.exp().ln_1p() - self.heads() * self.0 }
///     fn entropy_gradient(&self, gradient: &mut [f64]) -> Result<()> {
///         gradient[0] = -self.0 * self.heads() * (1.0 - self.heads());
///         Ok(())
///     }
///     fn divergence(&self, other: &Self) -> Result<f64> {
///         Ok(other.0.exp().ln_1p() - self.0.exp().ln_1p() + self.heads() * (self.0 - other.0))
///     }
///     fn fisher(&self) -> DMatrix<f64> {
///         DMatrix::from_element(1, 1, self.heads() * (1.0 - self.heads()))
///     }
/// }
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let reward = |&heads: &bool| if heads { 1.0 } else { 0.0 };
/// let estimate = score_function(&Coin(0.0), reward, 10_000, Baseline::LeaveOneOut, &mut rng)?;
/// // dJ/dθ = p (1 − p) = 1/4, and the estimate says how near it is.
/// assert!((estimate.gradient[0] - 0.25).abs() < 5.0 * estimate.std_error[0]);
/// # Ok::<(), rl_pg::Error>(())
/// ```
pub trait Policy {
    /// What the policy chooses, and the simulator is given.
    type Action: Debug + Send + Sync;

    /// The number of parameters θ.
    fn parameter_count(&self) -> usize;

    /// Draws an action from π(·; θ).
    fn sample(&self, rng: &mut dyn Rng) -> Self::Action;

    /// The action to take where nothing is to be explored: the likeliest one, unless the policy's own page
    /// names another.
    fn mode(&self) -> Self::Action;

    /// log π(a; θ): of the probability of a discrete action, of the density of a continuous one.
    ///
    /// # Errors
    /// For an action that the policy cannot take.
    fn log_probability(&self, action: &Self::Action) -> Result<f64>;

    /// Writes the score ∇_θ log π(a; θ) into `score`, of length [`Self::parameter_count`].
    ///
    /// # Errors
    /// For an action that the policy cannot take, or a slice of the wrong length.
    fn score(&self, action: &Self::Action, score: &mut [f64]) -> Result<()>;

    /// The entropy −E[log π(a)] in nats; of a continuous policy it may be negative.
    fn entropy(&self) -> f64;

    /// Writes ∇_θ of the entropy into `gradient`, of length [`Self::parameter_count`].
    ///
    /// # Errors
    /// For a slice of the wrong length.
    fn entropy_gradient(&self, gradient: &mut [f64]) -> Result<()>;

    /// The Kullback-Leibler divergence KL(self ‖ other) = E[log π(a) − log π′(a)], a ~ π, in nats.
    ///
    /// # Errors
    /// For a policy over other actions than this one.
    fn divergence(&self, other: &Self) -> Result<f64>;

    /// The Fisher information E[s·sᵀ] of the score s, by which KL(θ ‖ θ + δ) ≈ ½ δᵀ F δ.
    fn fisher(&self) -> DMatrix<f64>;
}
