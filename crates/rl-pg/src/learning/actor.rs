//! A network that says, for each observation, which policy to follow.

use std::fmt;

use linalg::{DMatrix, DVector, Real};
use nn_core::{Network, Workspace};

use crate::learning::pass::Pass;
use crate::{Error, Policy, Result, check};

/// A policy for every observation: a network, parameters of its own beside the network's, and a head
/// that makes a distribution over actions from both.
///
/// The head is called with the network's outputs followed by the free parameters, and the policy it
/// makes must have a parameter for each of these numbers. A Gaussian whose mean comes from the
/// network and whose log standard deviations do not depend on the observation has the latter as
/// free parameters. The score's first part goes back through the network, the rest into the free
/// parameters.
///
/// # Examples
/// A softmax policy over two actions, observed through one number: the score of the action, brought
/// back to the weights, is (a − π) x.
/// ```
/// use linalg::DMatrix;
/// use nn_core::Network;
/// use rl_pg::{Actor, Categorical, Policy};
///
/// let network = Network::<f64>::builder(1)
///     .dense_from(DMatrix::from_row_slice(2, 1, &[0.0, 0.5]), vec![0.0, 0.0])
///     .build_given()?;
/// let actor = Actor::new(network, Vec::new(), Categorical::from_parameters)?;
/// let policy = actor.policy(&[2.0])?;
/// assert!((policy.log_probability(&1)?.exp() - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-15);
///
/// let x = DMatrix::from_element(1, 1, 2.0);
/// let gradient = actor.weighted_scores(&x, &[1], &[3.0])?; // 3 ∇ log π(1; 2)
/// let other = 1.0 - policy.log_probability(&1)?.exp();
/// assert!((gradient[1] - 3.0 * 2.0 * other).abs() < 1e-14); // the weight of action 1
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Actor<T: Real, P> {
    pub(crate) network: Network<T>,
    pub(crate) free: Vec<f64>,
    free_least: f64,
    head: fn(&[f64]) -> Result<P>,
    shift: Vec<f64>,
    scale: Vec<f64>,
}

// Not derived, which would ask the policy to be `Clone`.
impl<T: Real, P> Clone for Actor<T, P> {
    fn clone(&self) -> Self {
        Self {
            network: self.network.clone(),
            free: self.free.clone(),
            free_least: self.free_least,
            head: self.head,
            shift: self.shift.clone(),
            scale: self.scale.clone(),
        }
    }
}

impl<T: Real, P> fmt::Debug for Actor<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor")
            .field("network", &self.network)
            .field("free", &self.free)
            .finish_non_exhaustive()
    }
}

impl<T: Real, P: Policy> Actor<T, P> {
    /// The actor of this network, these free parameters and this head.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for a free parameter; [`Error::Length`] where the head's policy has not
    /// a parameter for each output and each free one; and whatever the head refuses at the
    /// network's output for an observation of zeros.
    pub fn new(network: Network<T>, free: Vec<f64>, head: fn(&[f64]) -> Result<P>) -> Result<Self> {
        check::finite("free", &free)?;
        let (shift, scale) = (vec![0.0; network.inputs()], vec![1.0; network.inputs()]);
        let actor = Self { network, free, free_least: f64::NEG_INFINITY, head, shift, scale };
        let expected = actor.network.outputs() + actor.free.len();
        match actor.policy(&vec![0.0; actor.network.inputs()])?.parameter_count() {
            got if got == expected => Ok(actor),
            got => Err(Error::Length { argument: "the head's policy", got, expected }),
        }
    }

    /// Gives the network (x − shift)/scale in place of an observation x: networks learn best from
    /// inputs of mean 0 and deviation 1.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`], and [`Error::OutOfRange`] for a scale that is not
    /// positive.
    pub fn standardize(mut self, shift: &[f64], scale: &[f64]) -> Result<Self> {
        for (argument, values) in [("shift", shift), ("scale", scale)] {
            check::length(argument, values.len(), self.network.inputs())?;
            check::finite(argument, values)?;
        }
        if let Some(&value) = scale.iter().find(|&&scale| !(scale > 0.0)) {
            return Err(Error::OutOfRange { argument: "scale", value, expected: "greater than 0" });
        }
        (self.shift, self.scale) = (shift.to_vec(), scale.to_vec());
        Ok(self)
    }

    /// Keeps every free parameter at `least` or above while learning: the logarithm of the least
    /// standard deviation that exploration may fall to.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for NaN.
    pub fn free_at_least(mut self, least: f64) -> Result<Self> {
        if least.is_nan() {
            let (argument, expected) = ("least", "a number");
            return Err(Error::OutOfRange { argument, value: least, expected });
        }
        self.free_least = least;
        self.hold_free();
        Ok(self)
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network<T> {
        &self.network
    }

    /// The free parameters.
    #[must_use]
    pub fn free(&self) -> &[f64] {
        &self.free
    }

    /// The network's parameters, then the free ones.
    #[must_use]
    pub fn parameters(&self) -> Vec<f64> {
        let network = self.network.parameters().iter().map(|theta| theta.to_double());
        network.chain(self.free.iter().copied()).collect()
    }

    /// Takes parameters in the order of [`Actor::parameters`]; those of the network are rounded to
    /// its precision.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`].
    pub fn set_parameters(&mut self, parameters: &[f64]) -> Result<()> {
        let weights = self.network.parameters().len();
        check::length("parameters", parameters.len(), weights + self.free.len())?;
        check::finite("parameters", parameters)?;
        self.put(parameters);
        Ok(())
    }

    /// As [`Actor::set_parameters`], of parameters that are known to fit.
    pub(crate) fn put(&mut self, parameters: &[f64]) {
        let network = self.network.parameters_mut();
        for (theta, &value) in network.iter_mut().zip(parameters) {
            *theta = T::from_double(value);
        }
        let free = &parameters[network.len()..];
        self.free.copy_from_slice(free);
    }

    /// The policy for an observation.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`], and what the head refuses.
    pub fn policy(&self, observation: &[f64]) -> Result<P> {
        let x = self.inputs(observation)?;
        let p = self.network.predict(&x)?;
        self.head_of(p.as_slice(), &mut Vec::new())
    }

    /// The policies for observations that lie one after the other.
    ///
    /// # Errors
    /// As [`Actor::policy`].
    pub fn policies(&self, observations: &[f64]) -> Result<Vec<P>> {
        self.policies_with(observations, &mut Workspace::new())
    }

    /// As [`Actor::policies`], in the buffers of `workspace`.
    pub(crate) fn policies_with(
        &self,
        observations: &[f64],
        workspace: &mut Workspace<T>,
    ) -> Result<Vec<P>> {
        let x = self.inputs(observations)?;
        self.policies_of(&x, workspace)
    }

    /// The policies for network inputs, a column each.
    pub(crate) fn policies_of(
        &self,
        x: &DMatrix<T>,
        workspace: &mut Workspace<T>,
    ) -> Result<Vec<P>> {
        let p = self.network.predict_with(x, workspace)?;
        let mut room = Vec::new();
        p.as_slice()
            .chunks_exact(self.network.outputs())
            .map(|outputs| self.head_of(outputs, &mut room))
            .collect()
    }

    /// Σᵢ wᵢ ∇ log π(aᵢ; xᵢ), an entry for each of [`Actor::parameters`]: with rewards less their
    /// baselines over N as weights, the policy gradient.
    ///
    /// `observations` has a column for each action.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`], [`Error::Empty`], [`Error::ScoreNotFinite`], and
    /// those of the policy.
    pub fn weighted_scores(
        &self,
        observations: &DMatrix<f64>,
        actions: &[P::Action],
        weights: &[f64],
    ) -> Result<DVector<f64>> {
        if actions.is_empty() {
            return Err(Error::Empty { argument: "actions" });
        }
        check::length("observations", observations.ncols(), actions.len())?;
        check::length("weights", weights.len(), actions.len())?;
        check::finite("weights", weights)?;
        let x = self.inputs(observations.as_slice())?;
        let (mut pass, all) = (Pass::new(), (0..actions.len()).collect::<Vec<_>>());
        let _ = pass.climb(self, (&x, &all), &|sample, policy: &P, slopes, _| {
            policy.score(&actions[sample], slopes)?;
            slopes.iter_mut().for_each(|slope| *slope *= weights[sample]);
            Ok([0.0; 2])
        })?;
        let network = pass.gradient().iter().map(|g| g.to_double());
        let all: Vec<f64> = network.chain(pass.free().iter().copied()).collect();
        Ok(DVector::from_vec(all))
    }

    /// What the network is given for observations that lie one after the other.
    pub(crate) fn inputs(&self, observations: &[f64]) -> Result<DMatrix<T>> {
        let width = self.network.inputs();
        let samples = observations.len() / width;
        check::length("observation", observations.len(), samples.max(1) * width)?;
        check::finite("observation", observations)?;
        let scales = self.shift.iter().zip(&self.scale).cycle();
        let scaled = observations.iter().zip(scales);
        let scaled = scaled.map(|(x, (shift, scale))| T::from_double((x - shift) / scale));
        Ok(DMatrix::from_iterator(width, samples, scaled))
    }

    /// The head at these outputs.
    pub(crate) fn head_of(&self, outputs: &[T], room: &mut Vec<f64>) -> Result<P> {
        room.clear();
        room.extend(outputs.iter().map(|output| output.to_double()));
        room.extend_from_slice(&self.free);
        (self.head)(room)
    }

    /// Puts the free parameters back above their least.
    pub(crate) fn hold_free(&mut self) {
        for free in &mut self.free {
            *free = free.max(self.free_least);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Categorical, DiagonalGaussian};
    use nn_core::Tanh;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    pub(crate) fn actor() -> Actor<f64, DiagonalGaussian> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let network = Network::builder(2).dense(5).activation(Tanh).dense(2).build(&mut rng);
        let free = vec![-0.5, 0.2];
        Actor::new(network.unwrap(), free, DiagonalGaussian::from_parameters).unwrap()
    }

    #[test]
    fn weighted_scores_are_the_gradient_of_the_weighted_log_probabilities() {
        let actor = actor();
        let x = DMatrix::from_row_slice(2, 3, &[0.5, -1.0, 0.3, 0.2, 0.7, -0.4]);
        let actions = [vec![0.1, 0.4], vec![-0.6, 0.0], vec![1.0, -1.0]];
        let weights = [2.0, -0.5, 1.5];
        let sum = |parameters: &[f64]| -> f64 {
            let mut moved = actor.clone();
            moved.set_parameters(parameters).unwrap();
            let policies = moved.policies(x.as_slice()).unwrap();
            let terms = policies.iter().zip(&actions).zip(weights);
            terms.map(|((policy, a), w)| w * policy.log_probability(a).unwrap()).sum()
        };
        let gradient = actor.weighted_scores(&x, &actions, &weights).unwrap();
        let theta = actor.parameters();
        assert_eq!(gradient.len(), theta.len());
        for k in 0..theta.len() {
            // Central differences: h² |f‴|/6, f‴ being some tens at most, and rounding of eps |f|/h.
            let h = 1e-5;
            let at = |shift: f64| {
                let mut moved = theta.clone();
                moved[k] += shift;
                sum(&moved)
            };
            let slope = (at(h) - at(-h)) / (2.0 * h);
            assert!((slope - gradient[k]).abs() < 1e-8, "{k}: {slope} {}", gradient[k]);
        }
    }

    #[test]
    fn a_standardized_actor_sees_scaled_observations() {
        let (plain, scaled) = (actor(), actor().standardize(&[1.0, -2.0], &[0.5, 4.0]).unwrap());
        let (a, b) = (plain.policy(&[2.0, 0.5]).unwrap(), scaled.policy(&[2.0, 0.0]).unwrap());
        assert_eq!(a.mean(), b.mean());
    }

    #[test]
    fn free_parameters_are_kept_at_their_least() {
        let actor = actor().free_at_least(0.0).unwrap();
        assert_eq!(actor.free(), [0.0, 0.2]);
    }

    #[test]
    fn bad_input_is_named() {
        let text = |error: Error| error.to_string();
        let network = actor().network;
        let other = |free: &[f64]| {
            Actor::new(network.clone(), free.to_vec(), DiagonalGaussian::from_parameters)
        };
        // A head that makes another number of parameters than it is given.
        let wrong = |_: &[f64]| Categorical::from_parameters(&[0.0]);
        assert_eq!(
            text(Actor::new(network.clone(), Vec::new(), wrong).unwrap_err()),
            "the head's policy has 1 entries, expected 2"
        );
        assert_eq!(
            text(other(&[0.0, f64::NAN]).unwrap_err()),
            "free[1] is NaN, and every entry must be finite"
        );
        assert_eq!(
            text(actor().standardize(&[0.0; 2], &[1.0, 0.0]).unwrap_err()),
            "scale is 0, and must be greater than 0"
        );
        assert_eq!(
            text(actor().standardize(&[0.0], &[1.0, 1.0]).unwrap_err()),
            "shift has 1 entries, expected 2"
        );
        assert_eq!(
            text(actor().free_at_least(f64::NAN).unwrap_err()),
            "least is NaN, and must be a number"
        );
        assert_eq!(
            text(actor().policy(&[0.0]).unwrap_err()),
            "observation has 1 entries, expected 2"
        );
        assert_eq!(
            text(actor().set_parameters(&[0.0]).unwrap_err()),
            "parameters has 1 entries, expected 29"
        );
        let x = DMatrix::zeros(2, 1);
        assert_eq!(
            text(actor().weighted_scores(&x, &[], &[]).unwrap_err()),
            "actions is empty, and at least one entry is needed"
        );
        assert_eq!(
            text(actor().weighted_scores(&x, &[vec![0.0; 2]], &[1.0, 2.0]).unwrap_err()),
            "weights has 2 entries, expected 1"
        );
    }
}
