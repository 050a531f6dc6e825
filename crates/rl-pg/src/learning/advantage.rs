//! What a step's action is credited with: rewards that came after it, less what was expected.

/// Whether the discount of time stays in the weight of a step's score.
///
/// The gradient of the discounted return J = E[Σₜ γᵗ rₜ] is E[Σₜ γᵗ Gₜ ∇ log π(aₜ; sₜ)] with the
/// reward-to-go Gₜ = Σ_{k ≥ t} γᵏ⁻ᵗ rₖ. The factor γᵗ in front is left out by nearly every library.
/// What is followed then is not the gradient of J (nor of any function of θ), but it learns from
/// late steps as much as from early ones.
///
/// # References
/// P. S. Thomas, "Bias in natural actor-critic algorithms", ICML 2014.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discounting {
    /// γᵗ is kept: the gradient of J, without bias.
    Kept,
    /// γᵗ is dropped: every step counts alike. In a two-state task with three steps and γ = 0.9 this
    /// is off by 13 %.
    Dropped,
}

impl Discounting {
    /// What stands in front of the score of step `time`: γᵗ or 1.
    #[must_use]
    pub fn factor(self, discount: f64, time: usize) -> f64 {
        match self {
            Self::Kept => discount.powi(i32::try_from(time).unwrap_or(i32::MAX)),
            Self::Dropped => 1.0,
        }
    }
}

/// Reward-to-go: Gₜ = rₜ + γ Gₜ₊₁, with `after` for what follows the last reward (0 where the
/// episode terminated).
///
/// Rewards before an action do not depend on it. Leaving them out does not change the expected
/// gradient and takes their noise away.
///
/// # Examples
/// ```
/// assert_eq!(rl_pg::rewards_to_go(&[1.0, 0.0, 4.0], 0.5, 0.0), [2.0, 2.0, 4.0]);
/// assert_eq!(rl_pg::rewards_to_go(&[1.0, 0.0, 4.0], 0.5, 8.0), [3.0, 4.0, 8.0]);
/// ```
#[must_use]
pub fn rewards_to_go(rewards: &[f64], discount: f64, after: f64) -> Vec<f64> {
    let mut total = after;
    let mut returns: Vec<f64> = rewards
        .iter()
        .rev()
        .map(|reward| {
            total = reward + discount * total;
            total
        })
        .collect();
    returns.reverse();
    returns
}

/// Generalized advantages: Aₜ = δₜ + γλ Aₜ₊₁ with δₜ = rₜ + γ V(sₜ₊₁) − V(sₜ).
///
/// `values` are V(sₜ), one for each reward; `after` is V of the observation behind the last step
/// where the episode was truncated, and 0 where it terminated. With λ = 1 this is the reward-to-go
/// less V: no bias from V, the most noise. With λ = 0 one reward and V's word for the rest.
///
/// # Examples
/// ```
/// use rl_pg::generalized_advantages;
/// let (rewards, values) = ([1.0, 2.0], [0.5, 0.25]);
/// assert_eq!(generalized_advantages(&rewards, &values, 4.0, 0.5, 0.0), [0.625, 3.75]);
/// assert_eq!(generalized_advantages(&rewards, &values, 4.0, 0.5, 1.0), [2.5, 3.75]);
/// ```
///
/// # References
/// J. Schulman, P. Moritz, S. Levine, M. Jordan and P. Abbeel, "High-dimensional continuous control
/// using generalized advantage estimation", ICLR 2016, equation 16.
#[must_use]
pub fn generalized_advantages(
    rewards: &[f64],
    values: &[f64],
    after: f64,
    discount: f64,
    lambda: f64,
) -> Vec<f64> {
    let (mut next, mut advantage) = (after, 0.0);
    let mut advantages: Vec<f64> = rewards
        .iter()
        .zip(values)
        .rev()
        .map(|(reward, value)| {
            advantage = reward + discount * next - value + discount * lambda * advantage;
            next = *value;
            advantage
        })
        .collect();
    advantages.reverse();
    advantages
}

/// Shifts to a mean of 0 and scales to a standard deviation of 1, which is taken for 1 where all
/// entries are equal to rounding: no NaN comes of it.
pub(crate) fn standardize(values: &mut [f64]) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    // A sum of n equal numbers rounds to n eps of them.
    let scale = if deviation > n * f64::EPSILON * largest { deviation } else { 1.0 };
    for value in values {
        *value = (*value - mean) / scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn advantages_are_the_definition_s_double_sum(
            steps in prop::collection::vec((-3.0..3.0f64, -3.0..3.0f64), 1..12),
            after in -3.0..3.0f64,
            discount in 0.0..1.0f64,
            lambda in 0.0..1.0f64,
        ) {
            let (rewards, values): (Vec<f64>, Vec<f64>) = steps.into_iter().unzip();
            let found = generalized_advantages(&rewards, &values, after, discount, lambda);
            let n = rewards.len();
            let delta = |t: usize| {
                rewards[t] + discount * values.get(t + 1).unwrap_or(&after) - values[t]
            };
            for t in 0..n {
                let sum: f64 =
                    (t..n).map(|k| (discount * lambda).powf((k - t) as f64) * delta(k)).sum();
                // At most 12 terms of a few roundings each, none above 10.
                prop_assert!((sum - found[t]).abs() < 12.0 * 10.0 * 8.0 * f64::EPSILON);
            }
            // With lambda 1 they are the reward-to-go less the value.
            let found = generalized_advantages(&rewards, &values, after, discount, 1.0);
            let to_go = rewards_to_go(&rewards, discount, after);
            for t in 0..n {
                prop_assert!((to_go[t] - values[t] - found[t]).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn equal_numbers_have_a_deviation_of_one() {
        for mut values in [vec![0.1; 7], vec![-3.0], vec![0.0; 2], vec![1e300; 3]] {
            let scale = f64::abs(values[0]);
            standardize(&mut values);
            assert!(values.iter().all(|value| value.abs() <= 1e-15 * scale), "{values:?}");
        }
        let mut values = vec![1.0, 3.0];
        standardize(&mut values);
        assert_eq!(values, [-1.0, 1.0]);
    }
}
