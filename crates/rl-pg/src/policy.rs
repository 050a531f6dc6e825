//! What an estimator must know of a policy.

use std::fmt::Debug;

use rand::Rng;

use crate::Result;

/// A distribution π(a; θ) over actions with parameters θ that can be moved.
///
/// Implement it for a policy of your own; [`Categorical`](crate::Categorical) is this crate's. The
/// one thing that is easily wrong is the score, and a finite difference of `log_probability` shows
/// it.
///
/// # Examples
/// A coin that shows heads with probability 1/(1 + e^−θ).
/// ```
/// use rand::{Rng, RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
/// use rl_pg::{Baseline, Policy, score_function};
///
/// struct Coin(f64);
///
/// impl Policy for Coin {
///     type Action = bool;
///     fn parameter_count(&self) -> usize { 1 }
///     fn sample(&self, rng: &mut dyn Rng) -> bool {
///         rng.random::<f64>() < 1.0 / (1.0 + (-self.0).exp())
///     }
///     fn log_probability(&self, &heads: &bool) -> rl_pg::Result<f64> {
///         Ok(-(if heads { -self.0 } else { self.0 }).exp().ln_1p())
///     }
///     fn score(&self, &heads: &bool, score: &mut [f64]) -> rl_pg::Result<()> {
///         score[0] = f64::from(u8::from(heads)) - 1.0 / (1.0 + (-self.0).exp());
///         Ok(())
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
    type Action: Debug;

    /// The number of parameters θ.
    fn parameter_count(&self) -> usize;

    /// Draws an action from π(·; θ).
    fn sample(&self, rng: &mut dyn Rng) -> Self::Action;

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
}
