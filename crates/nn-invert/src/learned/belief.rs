//! Restricted Boltzmann machines one upon the other.

use std::ops::ControlFlow;

use linalg::DMatrix;
use rand::Rng;

use super::{Divergence, RestrictedBoltzmann};
use crate::Result;
use crate::arguments::{size, some};

/// A deep belief network: a stack of [`RestrictedBoltzmann`] machines, each trained on what the one
/// below makes of the data.
///
/// It encodes by going up and reconstructs by going down again, in probabilities. What comes back is
/// the nearest thing to the input that so few units can say, which is what an inverse of an encoder that
/// has none amounts to.
///
/// # References
/// Hinton, Osindero & Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18,
/// 2006 (the greedy training, without the fine-tuning that follows it there).
///
/// # Examples
/// Four patterns of eight units, told by two hidden units and brought back:
/// ```
/// use linalg::DMatrix;
/// use nn_invert::{BeliefNetwork, Divergence};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
/// let data = DMatrix::from_fn(8, 4, |unit, pattern| f64::from(unit / 2 == pattern));
/// let plan = Divergence::new(1).epochs(1000).rate(0.1).copies(10);
/// let network = BeliefNetwork::train(&data, &[8, 4], &plan, &mut rng)?;
/// let back = network.reconstruct(&data)?;
/// assert_eq!(back, network.decode(&network.encode(&data)?)?);
/// assert!((back - data).amax() < 0.5); // every unit on the right side
/// # Ok::<(), nn_invert::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BeliefNetwork {
    machines: Vec<RestrictedBoltzmann>,
}

impl BeliefNetwork {
    /// The stack of `machines`, the lowest first.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) for none, or where one does not fit upon another.
    pub fn new(machines: Vec<RestrictedBoltzmann>) -> Result<Self> {
        some("the list of machines", machines.len())?;
        for pair in machines.windows(2) {
            size("a machine", "visible units", pair[1].visible(), pair[0].hidden())?;
        }
        Ok(Self { machines })
    }

    /// Trains a machine with each number of `hidden` units, lowest first, by `plan`: the first on
    /// `data`, visible units x samples with entries from 0 to 1, each other one on the probabilities
    /// that the one below gives.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) for no layers, or what a machine or the plan refuses.
    pub fn train(
        data: &DMatrix<f64>,
        hidden: &[usize],
        plan: &Divergence,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        let mut machines = Vec::with_capacity(hidden.len());
        let mut seen = data.clone();
        for &units in hidden {
            let mut machine = RestrictedBoltzmann::for_data(&seen, units, rng)?;
            plan.train(&mut machine, &seen, |_| ControlFlow::Continue(()), rng)?;
            seen = machine.hidden_given(&seen)?;
            machines.push(machine);
        }
        Self::new(machines)
    }

    /// The machines, the lowest first.
    #[must_use]
    pub fn machines(&self) -> &[RestrictedBoltzmann] {
        &self.machines
    }

    /// The probabilities of the topmost units for every column of `visible`.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmann::hidden_given`].
    pub fn encode(&self, visible: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.machines.iter().try_fold(visible.clone(), |seen, machine| machine.hidden_given(&seen))
    }

    /// The probabilities of the lowest units for every column of `code`.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmann::hidden_given`].
    pub fn decode(&self, code: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        let mut downward = self.machines.iter().rev();
        downward.try_fold(code.clone(), |seen, machine| machine.visible_given(&seen))
    }

    /// Up and down again.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmann::hidden_given`].
    pub fn reconstruct(&self, visible: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.decode(&self.encode(visible)?)
    }
}
