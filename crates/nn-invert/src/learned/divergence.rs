//! Contrastive divergence: how restricted Boltzmann machines are trained.

use std::ops::ControlFlow;

use linalg::DMatrix;
use rand::Rng;
use rand::seq::SliceRandom;

use super::RestrictedBoltzmann;
use super::boltzmann::{Statistics, check_data, sample};
use crate::Result;
use crate::arguments::{positive, size, some, within};

/// Where the chains of the negative phase begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chains {
    /// At the data of each step: contrastive divergence.
    Data,
    /// Where they were left by the step before: persistent contrastive divergence. It explores more,
    /// but drifts unless the rate falls: at a constant one the likelihood rises and then falls for good.
    Persistent,
}

/// Trains a [`RestrictedBoltzmann`] machine by contrastive divergence: the gradient of the
/// log-likelihood,
///
/// ```text
/// ∂ ln p(v)/∂W = ⟨h·vᵀ⟩ under the data − ⟨h·vᵀ⟩ under the model
/// ```
///
/// with the second mean taken over states that `steps` rounds of Gibbs sampling lead to. As the rounds
/// grow many it becomes the gradient itself; with one it is biased, and a machine trained so stays
/// behind. The rate falls linearly to 0, and momentum carries the steps.
///
/// # References
/// Hinton, "Training products of experts by minimizing contrastive divergence", Neural Computation 14,
/// 2002; Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood
/// gradient", ICML 2008.
///
/// # Examples
/// Two patterns, 01 and 10, are half of the probability each: ln 2 is the best.
/// ```
/// use std::ops::ControlFlow;
///
/// use linalg::DMatrix;
/// use nn_invert::{Divergence, RestrictedBoltzmann};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
/// let data = DMatrix::from_row_slice(2, 2, &[0.0, 1.0, 1.0, 0.0]);
/// let mut machine = RestrictedBoltzmann::for_data(&data, 2, &mut rng)?;
/// let plan = Divergence::new(5).epochs(2000).rate(0.2).copies(10);
/// plan.train(&mut machine, &data, |_| ControlFlow::Continue(()), &mut rng)?;
/// assert!(machine.negative_log_likelihood(&data)? < 2.0_f64.ln() + 0.05);
/// # Ok::<(), nn_invert::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Divergence {
    /// Rounds of Gibbs sampling for each gradient.
    pub steps: usize,
    /// Where they begin, by default at the data.
    pub chains: Chains,
    /// Times that the data is gone through, by default 100.
    pub epochs: usize,
    /// The rate of the first step, by default 0.1; it falls linearly to 0.
    pub rate: f64,
    /// The share of the last step in the next, by default 0.9.
    pub momentum: f64,
    /// Samples in a step, by default 100.
    pub batch: usize,
    /// Chains for each sample of a step, by default 1: more make the gradient less noisy where data
    /// is scarce.
    pub copies: usize,
}

/// Where training stands, after each epoch.
#[derive(Debug)]
#[non_exhaustive]
pub struct Epoch<'a> {
    /// Epochs finished.
    pub epoch: usize,
    /// The machine as it is.
    pub machine: &'a RestrictedBoltzmann,
}

impl Divergence {
    /// With so many rounds of sampling, the rest as the fields say.
    #[must_use]
    pub fn new(steps: usize) -> Self {
        Self {
            steps,
            chains: Chains::Data,
            epochs: 100,
            rate: 0.1,
            momentum: 0.9,
            batch: 100,
            copies: 1,
        }
    }

    /// Sets [`Divergence::chains`].
    #[must_use]
    pub fn chains(self, chains: Chains) -> Self {
        Self { chains, ..self }
    }

    /// Sets [`Divergence::epochs`].
    #[must_use]
    pub fn epochs(self, epochs: usize) -> Self {
        Self { epochs, ..self }
    }

    /// Sets [`Divergence::rate`].
    #[must_use]
    pub fn rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// Sets [`Divergence::momentum`].
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// Sets [`Divergence::batch`].
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// Sets [`Divergence::copies`].
    #[must_use]
    pub fn copies(self, copies: usize) -> Self {
        Self { copies, ..self }
    }

    /// Trains `machine` on `data`, visible units x samples with entries from 0 to 1, and calls
    /// `observer` after each epoch; it may end the work.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) for data that does not fit, or an option out of its
    /// range.
    pub fn train(
        &self,
        machine: &mut RestrictedBoltzmann,
        data: &DMatrix<f64>,
        mut observer: impl FnMut(&Epoch<'_>) -> ControlFlow<()>,
        rng: &mut impl Rng,
    ) -> Result<()> {
        self.check(machine, data)?;
        let mut order: Vec<usize> = (0..data.ncols()).collect();
        let batch = self.batch.min(data.ncols());
        let steps_in_all = (self.epochs * data.ncols().div_ceil(batch)) as f64;
        let mut velocity = Statistics::zeros(machine);
        let mut persistent: Option<DMatrix<f64>> = None;
        let mut taken = 0_u32;
        for epoch in 1..=self.epochs {
            order.shuffle(rng);
            for samples in order.chunks(batch) {
                let columns =
                    DMatrix::from_fn(data.nrows(), samples.len() * self.copies, |i, j| {
                        data[(i, samples[j % samples.len()])]
                    });
                let start = match self.chains {
                    Chains::Data => None,
                    Chains::Persistent => persistent.take(),
                };
                let (gradient, ends) = self.estimate(machine, &columns, start, rng)?;
                if self.chains == Chains::Persistent {
                    persistent = Some(ends);
                }
                let rate = self.rate * (1.0 - f64::from(taken) / steps_in_all);
                taken += 1;
                let carry = self.momentum;
                velocity.weight = velocity.weight * carry + gradient.weight * rate;
                velocity.visible_bias =
                    velocity.visible_bias * carry + gradient.visible_bias * rate;
                velocity.hidden_bias = velocity.hidden_bias * carry + gradient.hidden_bias * rate;
                machine.weight += &velocity.weight;
                machine.visible_bias += &velocity.visible_bias;
                machine.hidden_bias += &velocity.hidden_bias;
            }
            if observer(&Epoch { epoch, machine }).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The gradient that a step would take on the columns of `data`, with as many chains as there are
    /// columns.
    ///
    /// # Errors
    /// As [`Divergence::train`].
    pub fn gradient(
        &self,
        machine: &RestrictedBoltzmann,
        data: &DMatrix<f64>,
        rng: &mut impl Rng,
    ) -> Result<Statistics> {
        self.check(machine, data)?;
        Ok(self.estimate(machine, data, None, rng)?.0)
    }

    /// The gradient, and where the chains ended.
    fn estimate(
        &self,
        machine: &RestrictedBoltzmann,
        data: &DMatrix<f64>,
        start: Option<DMatrix<f64>>,
        rng: &mut impl Rng,
    ) -> Result<(Statistics, DMatrix<f64>)> {
        let mut hidden = DMatrix::zeros(machine.hidden(), data.ncols());
        machine.up(data, &mut hidden)?;
        let share = 1.0 / data.ncols() as f64;
        let mut gradient = Statistics::zeros(machine);
        gradient.add(data, &hidden, |_| share)?;

        let mut visible = match start {
            Some(visible) => {
                hidden = DMatrix::zeros(machine.hidden(), visible.ncols());
                machine.up(&visible, &mut hidden)?;
                visible
            }
            None => data.clone(),
        };
        for _ in 0..self.steps {
            sample(&mut hidden, rng);
            machine.down(&hidden, &mut visible)?;
            sample(&mut visible, rng);
            // Its probabilities in place of a last sample: less noise, the same mean.
            machine.up(&visible, &mut hidden)?;
        }
        let mut model = Statistics::zeros(machine);
        let share = 1.0 / visible.ncols() as f64;
        model.add(&visible, &hidden, |_| share)?;
        gradient.subtract(&model);
        Ok((gradient, visible))
    }

    fn check(&self, machine: &RestrictedBoltzmann, data: &DMatrix<f64>) -> Result<()> {
        check_data("data", data)?;
        size("data", "rows", data.nrows(), machine.visible())?;
        some("the list of rounds", self.steps)?;
        some("a step", self.batch)?;
        some("the list of chains", self.copies)?;
        positive("rate", self.rate)?;
        let fine = (0.0..1.0).contains(&self.momentum);
        within("momentum", self.momentum, fine, "0 <= momentum < 1")
    }
}
