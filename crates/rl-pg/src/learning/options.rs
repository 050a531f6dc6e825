//! How a learner learns.

use crate::{Baseline, Discounting, Error, Result};

/// What a step of the learner climbs.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Surrogate {
    /// Σ A log π(a; s): REINFORCE, the plain policy gradient where the data is new.
    ScoreFunction,
    /// Σ min(ρA, clip(ρ, 1 − ε, 1 + ε)·A) with `ρ = π/π_start`, the policy against itself at the start
    /// of the update: what has moved far enough is not pushed further, so that the same data can be
    /// used for several steps (proximal policy optimization).
    ///
    /// Schulman, Wolski, Dhariwal, Radford and Klimov, "Proximal policy optimization algorithms",
    /// arXiv 1707.06347 (2017), equation 7.
    Clipped(f64),
}

/// How the policy climbs.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Ascent {
    /// By Adam, a step for every mini-batch of every pass.
    Adam,
    /// By one step along the natural gradient over all data of an update, as far as
    /// [`LearnOptions::divergence`] says, halved while it goes more than three halves as far. Rates and
    /// [`LearnOptions::clip_norm`] mean nothing then, and passes and mini-batches are the value network's.
    Natural {
        /// What is added to the diagonal of the Fisher information:
        /// [`Actor::natural_gradient`](crate::Actor::natural_gradient).
        damping: f64,
    },
}

/// How much of an environment is run before an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Collect {
    /// So many steps of each environment. An episode that is cut goes on after the update; what is
    /// behind the cut is estimated by the learned value.
    Steps(usize),
    /// One episode of each environment, to its end.
    Episodes,
}

/// How a [`Learner`](crate::Learner) learns. The default is proximal policy optimization with re-use
/// of recent data, one setting for every task of this crate; [`LearnOptions::reinforce`] is the
/// plain method.
///
/// # Examples
/// ```
/// use rl_pg::{LearnOptions, Surrogate};
/// let options = LearnOptions::default().discount(0.99).entropy(0.01);
/// assert_eq!(options.surrogate, Surrogate::Clipped(0.2));
/// assert_eq!(LearnOptions::reinforce().epochs, 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LearnOptions {
    /// What is climbed.
    pub surrogate: Surrogate,
    /// How.
    pub ascent: Ascent,
    /// Rollouts of a simulator in an update.
    pub rollouts: usize,
    /// What of an environment is run for an update.
    pub collect: Collect,
    /// Samples that an update learns from once there are so many: those of the new batch, and of as many
    /// recent batches as it takes if all are as large. So rollouts, of which 48 make a batch, are used in
    /// four updates.
    pub least_samples: usize,
    /// Batches that an update learns from once there are so many, however large they are: the steps of eight
    /// environments, 384 to a batch, are used in two updates. With 1, and as many samples, it is new data only.
    /// Older data is weighted by `min(π/π_then, 2)`, which is frozen at the start of the update.
    pub least_batches: usize,
    /// Passes over the data in an update.
    pub epochs: usize,
    /// Samples for a step of the optimizer.
    pub mini_batch: usize,
    /// Adam's rate for the policy network.
    pub rate: f64,
    /// Adam's rate for the free parameters.
    pub free_rate: f64,
    /// Adam's rate for the value network.
    pub value_rate: f64,
    /// How far an update may move the policy, as a mean KL(start ‖ end): the rates of the policy are
    /// divided by 1.2 after an update that moved it more than three halves as far, and grow back
    /// after those that moved it less than two thirds. Infinite for rates that stay.
    pub divergence: f64,
    /// The length to which a gradient of the policy is cut down.
    pub clip_norm: f64,
    /// What is subtracted from the returns where there is no value network.
    pub baseline: Baseline,
    /// γ, the discount of a reward a step later.
    pub discount: f64,
    /// λ of the generalized advantages; 1 without a value network, whatever stands here.
    pub lambda: f64,
    /// Whether γᵗ stays in front.
    pub discounting: Discounting,
    /// The weight of the policy's entropy in what is climbed.
    pub entropy: f64,
    /// Whether advantages are brought to mean 0 and deviation 1 in every update.
    pub standardize: Standardize,
    /// Of the averaged weights, the largest share that stays in an update.
    pub averaging: f64,
}

/// Whether advantages are standardized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standardize {
    /// As they are: the gradient's length is that of the expected reward.
    No,
    /// To mean 0 and deviation 1 over the data of the update: steps do not depend on the rewards'
    /// scale. Right in direction, biased in length and, a little, in angle.
    Yes,
}

impl Default for LearnOptions {
    fn default() -> Self {
        Self {
            surrogate: Surrogate::Clipped(0.2),
            ascent: Ascent::Adam,
            rollouts: 48,
            collect: Collect::Steps(48),
            least_samples: 192,
            least_batches: 2,
            epochs: 4,
            mini_batch: 64,
            rate: 2e-3,
            free_rate: 6e-3,
            value_rate: 6e-3,
            divergence: 0.1,
            clip_norm: 0.5,
            baseline: Baseline::LeaveOneOut,
            discount: 0.98,
            lambda: 0.95,
            discounting: Discounting::Dropped,
            entropy: 0.0,
            standardize: Standardize::Yes,
            averaging: 0.9,
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(mut self, $name: $kind) -> Self { self.$name = $name; self })*
    };
}

impl LearnOptions {
    /// REINFORCE: one step of the score-function gradient for each batch of new data. Many small steps
    /// get further with the same rollouts than few large ones.
    #[must_use]
    pub fn reinforce() -> Self {
        Self {
            surrogate: Surrogate::ScoreFunction,
            rollouts: 8,
            least_samples: 1,
            least_batches: 1,
            epochs: 1,
            rate: 1e-3,
            free_rate: 3e-3,
            value_rate: 3e-3,
            mini_batch: usize::MAX,
            collect: Collect::Episodes,
            lambda: 1.0,
            averaging: 0.97,
            ..Self::default()
        }
    }

    /// REINFORCE along the natural gradient: one step for each batch of new data, as long as the policy's
    /// change says and not the parameters'. With a learned value, which takes several passes.
    #[must_use]
    pub fn natural() -> Self {
        Self {
            surrogate: Surrogate::ScoreFunction,
            ascent: Ascent::Natural { damping: 0.01 },
            least_samples: 1,
            least_batches: 1,
            epochs: 8,
            value_rate: 3e-3,
            divergence: 0.02,
            ..Self::default()
        }
    }

    setters! {
        /// Sets what is climbed.
        surrogate: Surrogate;
        /// Sets how.
        ascent: Ascent;
        /// Sets the rollouts of a simulator in an update.
        rollouts: usize;
        /// Sets what of an environment is run for an update.
        collect: Collect;
        /// Sets how many samples an update learns from at least.
        least_samples: usize;
        /// Sets how many batches an update learns from at least.
        least_batches: usize;
        /// Sets the passes over the data in an update.
        epochs: usize;
        /// Sets the samples for a step of the optimizer.
        mini_batch: usize;
        /// Sets Adam's rate for the policy network.
        rate: f64;
        /// Sets Adam's rate for the free parameters.
        free_rate: f64;
        /// Sets Adam's rate for the value network.
        value_rate: f64;
        /// Sets how far an update may move the policy; infinite for rates that stay.
        divergence: f64;
        /// Sets the length to which a gradient is cut down; infinite for never.
        clip_norm: f64;
        /// Sets the baseline where there is no value network.
        baseline: Baseline;
        /// Sets γ.
        discount: f64;
        /// Sets λ.
        lambda: f64;
        /// Sets whether γᵗ stays in front.
        discounting: Discounting;
        /// Sets the weight of the entropy.
        entropy: f64;
        /// Sets whether advantages are standardized.
        standardize: Standardize;
        /// Sets the share of the averaged weights that stays.
        averaging: f64;
    }

    /// Refuses what no learning can be done with.
    pub(crate) fn check(&self) -> Result<()> {
        for (argument, count) in [
            ("rollouts", self.rollouts),
            ("least_samples", self.least_samples),
            ("least_batches", self.least_batches),
            ("epochs", self.epochs),
            ("mini_batch", self.mini_batch),
            ("collect", if let Collect::Steps(steps) = self.collect { steps } else { 1 }),
        ] {
            if count == 0 {
                return Err(Error::OutOfRange { argument, value: 0.0, expected: "at least 1" });
            }
        }
        let clip = if let Surrogate::Clipped(clip) = self.surrogate { clip } else { 0.5 };
        let damping = if let Ascent::Natural { damping } = self.ascent { damping } else { 1.0 };
        let positive = "greater than 0";
        let finite = "a finite number";
        for (argument, value, holds, expected) in [
            ("the clip of the objective", clip, clip > 0.0, positive),
            ("damping", damping, damping > 0.0 && damping.is_finite(), positive),
            ("rate", self.rate, self.rate > 0.0 && self.rate.is_finite(), positive),
            ("free_rate", self.free_rate, self.free_rate > 0.0, positive),
            ("value_rate", self.value_rate, self.value_rate > 0.0, positive),
            ("divergence", self.divergence, self.divergence > 0.0, positive),
            ("clip_norm", self.clip_norm, self.clip_norm > 0.0, positive),
            ("discount", self.discount, (0.0..=1.0).contains(&self.discount), "from 0 to 1"),
            ("lambda", self.lambda, (0.0..=1.0).contains(&self.lambda), "from 0 to 1"),
            ("entropy", self.entropy, self.entropy.is_finite(), finite),
            (
                "averaging",
                self.averaging,
                (0.0..1.0).contains(&self.averaging),
                "at least 0 and less than 1",
            ),
        ] {
            if !holds {
                return Err(Error::OutOfRange { argument, value, expected });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_without_sense_are_named() {
        let text = |options: LearnOptions| options.check().unwrap_err().to_string();
        let good = LearnOptions::default;
        assert!(good().check().is_ok() && LearnOptions::reinforce().check().is_ok());
        assert!(LearnOptions::natural().check().is_ok());
        assert_eq!(
            text(good().ascent(Ascent::Natural { damping: 0.0 })),
            "damping is 0, and must be greater than 0"
        );
        assert_eq!(text(good().rollouts(0)), "rollouts is 0, and must be at least 1");
        assert_eq!(text(good().collect(Collect::Steps(0))), "collect is 0, and must be at least 1");
        assert_eq!(text(good().rate(f64::NAN)), "rate is NaN, and must be greater than 0");
        assert_eq!(text(good().discount(1.5)), "discount is 1.5, and must be from 0 to 1");
        assert_eq!(
            text(good().averaging(1.0)),
            "averaging is 1, and must be at least 0 and less than 1"
        );
        assert_eq!(
            text(good().surrogate(Surrogate::Clipped(0.0))),
            "the clip of the objective is 0, and must be greater than 0"
        );
    }
}
